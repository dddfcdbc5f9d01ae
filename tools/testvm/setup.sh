#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# setup.sh [-d FILE] [STEP...]: build all that the demonstration and the tests need, or only the given
# steps. Up-to-date results are kept. FILE gets the name of each finished step.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

# They run in this order: first those that many suites wait for, as suites start as soon as they can
# (see check.sh), then the long ones.
steps="
root		testvm/build-root.sh
initramfs	testvm/build-initramfs.sh
source		testvm/build-source.sh
qemu		testvm/build-qemu.sh
modules		testvm/build-modules.sh
kselftest	testing/selftests/vfio_snapshot/prepare.sh
iommufd-kernel	testvm/build-iommufd-kernel.sh
iommufd-modules	testvm/build-modules.sh -k iommufd
uml-kernel	testvm/build-uml-kernel.sh
uml-modules	testvm/build-modules.sh -k uml ours
stock-qemu	testvm/build-stock-qemu.sh
migration	testing/migration/prepare.sh
debug-kernel	testvm/build-debug-kernel.sh
debug-modules	testvm/build-modules.sh -k debug
trixie-kernel	testvm/build-trixie-kernel.sh
trixie-modules	testvm/build-modules.sh -k trixie
packaging	testing/install/prepare.sh
newer-root	testing/install/prepare.sh newer
installed	testing/install/build-installed.sh
tool		vfio-snapshot/prepare.sh
sphinx		docs/build-sphinx.sh
bench		testing/bench/prepare.sh
"

done_file=/dev/null
if [ "${1:-}" = -d ]; then
	done_file=$2
	shift 2
fi
need_root
while read -r step script arguments <&4; do
	[ -n "$step" ] || continue
	case " ${*:-$step} " in
	*" $step "*) ;;
	*) continue ;;
	esac
	start=$SECONDS
	# shellcheck disable=SC2086 # a list
	setpriv --pdeathsig TERM "$TOP/tools/$script" $arguments
	echo "$step" >>"$done_file"
	[ $((SECONDS - start)) -lt 2 ] || say "$step took $((SECONDS - start)) s"
done 4<<<"$steps"
