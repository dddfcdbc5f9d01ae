#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The tests of vfio-snapshot on a kernel with iommufd, over the character devices; TAP.
set -eu

# shellcheck source=tools/vfio-snapshot/tests/vf.sh
. "$(dirname -- "$0")/vf.sh"
export VFIO_SNAPSHOT_MODE=cdev

tap_begin
nic_up 2 >&2
nic_load virtio_snapshot_vfio_pci
a=$(nic_vf 0)
b=$(nic_vf 1)
t "cdev: bind" ends 0 vfio-snapshot bind "$a" "$b"
t "cdev: list" why yes "" "$a"
t "cdev: save" ends 0 vfio-snapshot save "$a" "$work/state"
t "cdev: restore" ends 0 vfio-snapshot restore "$b" "$work/state"
t "cdev: arcs" json "len(j['arcs']) == 40" vfio-snapshot arcs --json "$a"
exec 7<>"/dev/vfio/devices/$(ls "$NIC_PCI/devices/$a/vfio-dev")"
t "cdev: in use" why "in use" in-use "$a"
exec 7>&-
# As on a kernel that has no groups: the command finds its own way.
no_groups()
{
	unshare -m env -u VFIO_SNAPSHOT_MODE sh -c '
		mkdir /dev/vfio.devices
		mount --rbind /dev/vfio/devices /dev/vfio.devices
		mount -t tmpfs none /dev/vfio
		mkdir /dev/vfio/devices
		mount --rbind /dev/vfio.devices /dev/vfio/devices
		exec "$@"' sh "$@"
}
t "cdev: found without being told" why yes "" "$a" no_groups
tap_end
