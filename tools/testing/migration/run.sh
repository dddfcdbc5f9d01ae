#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The migration test, inside L1: a guest with a transfer through its VF is migrated from VF to VF.
#
# usage: [DRIVER=NAME] run.sh [--demo] [--rate KIB_PER_S] [--flip OFFSET]
#
# DRIVER is the VFs' driver: virtio_snapshot_vfio_pci (default) or the upstream virtio_vfio_pci.
# --flip corrupts one byte that L1 sends: to see the test fail.
set -eu

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../testvm/lib.sh
. "$here/../../testvm/lib.sh"
# shellcheck source=../../testvm/l1/nic.sh
. "$here/../../testvm/l1/nic.sh"

DRIVER=${DRIVER:-virtio_snapshot_vfio_pci}
parts=$BUILD/migration
logs=$BUILD/logs/migration-$DRIVER

[ -s "$parts/snapshot" ] ||
	die "there is no guest in $parts" "run tools/testing/migration/prepare.sh on the test host"

nic_up 2
vfs=()
for n in 0 1; do
	vf=$(nic_vf "$n")
	nic_bind "$vf" "$DRIVER"
	vfs+=("$vf")
done
interface=$(ip -o -4 address show to 10.77.0.1 | awk '{ print $2 }')
[ -n "$interface" ] || die "no interface has 10.77.0.1" "look at nic_up in tools/testvm/l1/nic.sh"

# Logs and sockets are kept in memory while it runs, and saved whatever happens.
work=$(mktemp -d)
save() {
	rm -rf "$logs"
	mkdir -p "$logs"
	find "$work" -maxdepth 1 -type f -exec cp -t "$logs" {} +
	rm -rf "$work"
}
trap save EXIT

cd "$here"
PYTHONDONTWRITEBYTECODE=1 python3 -m livemig --driver "$DRIVER" --interface "$interface" \
	--parts "$parts" --work "$work" "$@" "${vfs[@]}"
