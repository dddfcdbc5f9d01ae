#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# setup.sh [STEP...]: build what the demonstration and the tests need, or just the steps named.
# What is there already is kept.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

# In this order, whatever the order of the arguments.
steps="
root		testvm/build-root.sh
initramfs	testvm/build-initramfs.sh
source		testvm/build-source.sh
qemu		testvm/build-qemu.sh
stock-qemu	testvm/build-stock-qemu.sh
modules		testvm/build-modules.sh
trixie-kernel	testvm/build-trixie-kernel.sh
trixie-modules	testvm/build-modules.sh -k trixie
debug-kernel	testvm/build-debug-kernel.sh
debug-modules	testvm/build-modules.sh -k debug
kselftest	testing/selftests/vfio_snapshot/prepare.sh
migration	testing/migration/prepare.sh
packaging	testing/install/prepare.sh
newer-root	testing/install/prepare.sh newer
installed	testing/install/build-installed.sh
tool		vfio-snapshot/prepare.sh
sphinx		docs/build-sphinx.sh
bench		testing/bench/prepare.sh
"

need_root
while read -r step script arguments <&4; do
	[ -n "$step" ] || continue
	case " ${*:-$step} " in
	*" $step "*) ;;
	*) continue ;;
	esac
	start=$SECONDS
	# shellcheck disable=SC2086 # a list
	"$TOP/tools/$script" $arguments
	[ $((SECONDS - start)) -lt 2 ] || say "$step took $((SECONDS - start)) s"
done 4<<<"$steps"
