#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds what the migration test runs: the traffic program, the guest, its snapshot.
set -eu

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../testvm/lib.sh
. "$here/../../testvm/lib.sh"

set -- "$here/build.sh" "$here/init" "$here"/*.[ch] \
	"$here/livemig/snapshot.py" "$here/livemig/machine.py" "$here/livemig/qmp.py" \
	"$here/livemig/wait.py" "$ROOT"/boot/vmlinuz-* "$ROOT/usr/bin/qemu-system-x86_64" \
	"=$(grep -m 1 "model name" /proc/cpuinfo)"

locked migration
if fresh migration "$@" && [ -s "$BUILD/migration/snapshot" ]; then
	say "the guest is up to date"
	exit 0
fi
say "building the guest of the migration test (20 s)"
in_root bash /vfio-snapshot/src/tools/testing/migration/build.sh /vfio-snapshot/build/migration ||
	die "the guest could not be built" "see the messages above"
stamp migration "$@"
