#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds what the migration test runs: the programs, the guest, its snapshot. With arguments also
# the snapshots of guests with so many MiB of memory.
set -eu

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../testvm/lib.sh
. "$here/../../testvm/lib.sh"

inputs=("$here/build.sh" "$here/init" "$here"/*.[ch] "$TOP/tools/qemu/mlx5-vhca/engine-regs.h"
	"$here/livemig/snapshot.py" "$here/livemig/machine.py" "$here/livemig/qmp.py"
	"$here/livemig/wait.py" "$ROOT"/boot/vmlinuz-* "$ROOT/usr/bin/qemu-system-x86_64"
	"=$(grep -m 1 "model name" /proc/cpuinfo)")

# build SNAPSHOT [MIB]: unless it is there, of these inputs.
build()
{
	local stamp=migration${2:+-$2}

	if fresh "$stamp" "${inputs[@]}" && [ -s "$BUILD/migration/$1" ]; then
		say "the guest${2:+ with $2 MiB} is up to date"
		return
	fi
	say "building the guest of the migration test${2:+ with $2 MiB} (20 s)"
	in_root bash /vfio-snapshot/src/tools/testing/migration/build.sh /vfio-snapshot/build/migration ${2:+"$2"} ||
		die "the guest could not be built" "see the messages above"
	stamp "$stamp"
}

locked migration
build snapshot
for mib; do
	build "snapshot-$mib" "$mib"
done
