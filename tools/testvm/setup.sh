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
kselftest	testing/selftests/vfio_snapshot/prepare.sh
migration	testing/migration/prepare.sh
"

need_root
while read -r step script <&4; do
	[ -n "$step" ] || continue
	case " ${*:-$step} " in
	*" $step "*) ;;
	*) continue ;;
	esac
	start=$SECONDS
	"$TOP/tools/$script"
	[ $((SECONDS - start)) -lt 2 ] || say "$step took $((SECONDS - start)) s"
done 4<<<"$steps"
