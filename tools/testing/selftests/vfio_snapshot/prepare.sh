#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the kselftests, and the test module of the state machine, in the test
# root: the VM that runs them is too slow to compile.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../../../testvm/lib.sh"

here=tools/testing/selftests/vfio_snapshot
if [ "${1:-}" = --make ]; then
	make -s -j"$(nproc)" -C "$TOP/$here" all
	make -s -C "$TOP/$here" modules KDIR="$(echo /lib/modules/*/build)"
	exit
fi

"$TOP/tools/testvm/build-root.sh"
"$TOP/tools/testvm/build-source.sh"
locked kselftest
inputs=("$TOP/$here" "$TOP/include" "$TOP"/drivers/vfio/pci/snapshot/{arcs.c,arcs.h,pure.h}
	"$BUILD/stamps/root")
if fresh kselftest "${inputs[@]}" && [ -e "$BUILD/kselftest/modules/mig_fsm_test.ko" ]; then
	exit
fi
say "building the kselftests"
rm -rf -- "${BUILD:?}/kselftest" "$BUILD/stamps/kselftest"
in_root "/vfio-snapshot/src/$here/prepare.sh" --make >"$BUILD/logs/kselftest-build.log" 2>&1 || {
	cat "$BUILD/logs/kselftest-build.log" >&2
	die "the kselftests do not compile" "see the messages above"
}
stamp kselftest
