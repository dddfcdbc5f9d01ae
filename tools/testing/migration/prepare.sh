#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# prepare.sh [MIB...]: build the programs, the guest and its snapshot for the migration test; with
# arguments also snapshots of guests with MIB of memory.
set -eu

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../testvm/lib.sh
. "$here/../../testvm/lib.sh"

inputs=("$here/build.sh" "$here/init" "$here"/*.[ch] "$TOP/tools/qemu/mlx5-vhca/engine-regs.h"
	"$here/livemig/snapshot.py" "$here/livemig/machine.py" "$here/livemig/qmp.py"
	"$here/livemig/wait.py" "$ROOT"/boot/vmlinuz-* "$ROOT/usr/bin/qemu-system-x86_64"
	"=$(grep -m 1 "model name" /proc/cpuinfo)")

# build SNAPSHOT [MIB]: build it unless it is up to date.
build()
{
	local stamp=migration${2:+-$2}

	if fresh "$stamp" "${inputs[@]}" && [ -s "$BUILD/migration/$1" ]; then
		say "the guest${2:+ with $2 MiB} is up to date"
		return
	fi
	say "building the guest of the migration test${2:+ with $2 MiB} (20 s)"
	in_root bash /vfio-snapshot/src/tools/testing/migration/build.sh /vfio-snapshot/build/migration ${2:+"$2"} ||
		die "cannot build the guest" "see the messages above"
	stamp "$stamp"
}

locked migration
build snapshot
for mib; do
	build "snapshot-$mib" "$mib"
done
