#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the kselftests in the test root, because the VM is too slow to compile. build-modules.sh
# builds their modules.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../../../testvm/lib.sh"

here=tools/testing/selftests/vfio_snapshot
if [ "${1:-}" = --make ]; then
	make -s -j"$(nproc)" -C "$TOP/$here" all
	exit
fi

"$TOP/tools/testvm/build-root.sh"
"$TOP/tools/testvm/build-source.sh"
locked kselftest
if fresh kselftest "$TOP/$here" "$TOP/include" "$TOP/tools/qemu/lab/lab-regs.h" "$TOP/tools/qemu/mlx5-vhca/engine-regs.h" \
	"$BUILD/stamps/root" && [ -e "$BUILD/kselftest/mig_tool" ]; then
	exit
fi
say "building the kselftests"
rm -rf -- "${BUILD:?}/kselftest" "$BUILD/stamps/kselftest"
in_root "/vfio-snapshot/src/$here/prepare.sh" --make >"$BUILD/logs/kselftest-build.log" 2>&1 || {
	cat "$BUILD/logs/kselftest-build.log" >&2
	die "the kselftests do not compile" "see the messages above"
}
stamp kselftest
