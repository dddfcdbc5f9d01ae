#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds the bench's program, mig_bench, in the test root.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../../testvm/lib.sh"

here=tools/testing/bench
out=$BUILD/bench/bin
if [ "${1:-}" = --make ]; then
	make -s -j"$(nproc)" -C "$TOP/$here" OUTPUT="$out.new"
	exit
fi

"$TOP/tools/testvm/build-root.sh"
"$TOP/tools/testvm/build-source.sh"
locked bench
if fresh bench "$TOP/$here"/*.[ch] "$TOP/$here/Makefile" "$TOP/$here/prepare.sh" \
	"$TOP/tools/testing/selftests/vfio_snapshot/lib" "$TOP/include" \
	"$TOP/tools/qemu/lab" "$TOP/tools/qemu/mlx5-vhca/engine-regs.h" "$BUILD/stamps/root" && [ -e "$out/mig_bench" ]; then
	exit
fi
say "building the bench"
rm -rf -- "$out.new"
mkdir -p "$out.new" "$BUILD/logs"
in_root "/vfio-snapshot/src/$here/prepare.sh" --make >"$BUILD/logs/bench-build.log" 2>&1 || {
	cat "$BUILD/logs/bench-build.log" >&2
	die "the bench does not compile" "see the messages above"
}
rm -rf -- "$out"
mv -- "$out.new" "$out"
stamp bench
