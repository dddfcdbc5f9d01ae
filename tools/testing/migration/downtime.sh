#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# downtime.sh [--page] [MIB...]: measure the downtime with and without dirty tracking by the VF, for
# guests with MIB of memory (256 1024), all at the same time. It runs on the debug kernel, as Debian's
# has no IOMMUFD. Prints the table of Documentation/downtime.rst; --page writes it there.
set -eu

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../testvm/lib.sh
. "$here/../../testvm/lib.sh"

# In L1: a guest for each setting, one after the other.
if [ -n "${VFIO_SNAPSHOT_L1:-}" ]; then
	out=$BUILD/downtime
	# lockdep would slow it down.
	[ ! -e /proc/sys/kernel/prove_locking ] || echo 0 >/proc/sys/kernel/prove_locking
	for tracking in device nobody; do
		LOGS=migration-$1-$tracking CONNECTX=1 "$here/run.sh" --plan figures --memory "$1" --tracking "$tracking"
		cp "$BUILD/logs/migration-$1-$tracking/timeline.json" "$out/$1.$tracking.json"
	done
	exit
fi

page=/dev/stdout
if [ "${1:-}" = --page ]; then
	page=$TOP/Documentation/downtime.rst
	shift
fi
[ $# -gt 0 ] || set -- 256 1024
"$TOP/tools/testvm/setup.sh" root initramfs source qemu debug-kernel debug-modules
"$here/prepare.sh" "$@"
rm -rf "$BUILD/downtime"
mkdir -p "$BUILD/downtime"
pids=()
for mib; do
	# The memory of two pinned guests and of L1. The kernel's own checks are off.
	"$TOP/tools/testvm/vm.sh" -n "downtime-$mib" -t 1800 -k debug -m $((2 * mib + 2048)) \
		-a "kmemleak=off dma_debug=off slab_debug=-" -x -- \
		/vfio-snapshot/src/tools/testing/migration/downtime.sh "$mib" &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid"
done
cd "$here"
PYTHONDONTWRITEBYTECODE=1 python3 -m livemig.downtime "$BUILD"/downtime/*.json >"$BUILD/downtime/downtime.rst"
cat "$BUILD/downtime/downtime.rst" >"$page"
