# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Trees of files that look to list like a host with a migratable VF, or with one fault.
# probe/BDF is the driver's answer, which sysfs does not have.

FAKE_PF=0000:3b:00.0
FAKE_VF=0000:3b:00.1
fake_driver=virtio_snapshot_vfio_pci

# fake_bind BDF DRIVER
fake_bind()
{
	local device=$fake/sys/bus/pci/devices/$1

	rm -rf "$device/driver" "$device/vfio-dev"
	[ -n "$2" ] || return 0
	mkdir -p "$fake/sys/bus/pci/drivers/$2"
	ln -s "../../drivers/$2" "$device/driver"
	case $2 in *vfio*) mkdir -p "$device/vfio-dev/vfio0" ;; esac
}

# fake_host FOLDER: a host without a fault.
fake_host()
{
	local pf vf

	fake=$1
	rm -rf "$fake"
	pf=$fake/sys/bus/pci/devices/$FAKE_PF
	vf=$fake/sys/bus/pci/devices/$FAKE_VF
	mkdir -p "$pf/virtio0" "$vf" "$fake/sys/class/iommu/dmar0" "$fake/proc/sys/kernel" \
		"$fake/proc/4711/fd" "$fake/lib/modules/7.3.4" "$fake/probe" \
		"$fake/sys/kernel/iommu_groups/7/devices/$FAKE_VF" "$fake/sys/bus/virtio/drivers/virtio_net"
	echo 7.3.4 >"$fake/proc/sys/kernel/osrelease"
	echo qemu-system-x86 >"$fake/proc/4711/comm"
	echo "alias vfio_pci:v00001AF4d00001041sv*sd*bc*sc*i* $fake_driver" \
		>"$fake/lib/modules/7.3.4/modules.alias"
	for device in "$pf" "$vf"; do
		echo 0x1af4 >"$device/vendor"
		echo 0x1041 >"$device/device"
		echo 0x020000 >"$device/class"
		echo pci:v00001AF4d00001041sv00001AF4sd00000001bc02sc00i00 >"$device/modalias"
	done
	echo 1 >"$pf/sriov_numvfs"
	echo 1 >"$pf/sriov_drivers_autoprobe"
	# Bits 32 and 41
	printf '%032d100000000100000000000000000000000\n' 0 | cut -c1-64 >"$pf/virtio0/features"
	ln -s ../../../../../bus/virtio/drivers/virtio_net "$pf/virtio0/driver"
	ln -s "../$FAKE_PF" "$vf/physfn"
	ln -s ../../../../kernel/iommu_groups/7 "$vf/iommu_group"
	fake_bind "$FAKE_PF" virtio-pci
	fake_bind "$FAKE_VF" "$fake_driver"
	echo "0 7" >"$fake/probe/$FAKE_VF"
}

# fake_connectx: a ConnectX in place of the NIC.
fake_connectx()
{
	local device

	for device in "$fake/sys/bus/pci/devices"/*; do
		echo 0x15b3 >"$device/vendor"
		echo 0x101e >"$device/device"
		echo pci:v000015B3d0000101Esv000015B3sd00000008bc02sc00i00 >"$device/modalias"
	done
	rm -r "${pf:?}/virtio0"
	mkdir -p "$pf/infiniband/mlx5_0"
	echo 28.36.1010 >"$pf/infiniband/mlx5_0/fw_ver"
	echo "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_snapshot_vfio_pci" \
		>>"$fake/lib/modules/7.3.4/modules.alias"
	fake_bind "$FAKE_PF" mlx5_core
	fake_bind "$FAKE_VF" mlx5_snapshot_vfio_pci
}

# A row for each reason of why.c: its id, and the actions that cause it. $vf and $pf are their folders.
fake_rows()
{
	cat <<'ROWS'
no-iommu|rm -r "$fake/sys/class/iommu/dmar0" "$vf/iommu_group"; fake_bind $FAKE_VF ""
no-iommu-group|rm "$vf/iommu_group"; fake_bind $FAKE_VF ""
iommu-group-shared|mkdir -p "$fake/sys/kernel/iommu_groups/7/devices/$FAKE_PF"
no-driver-known|echo 0x9999 >"$vf/device"; echo pci:v00001AF4d00009999svAsdBbcCscDiE >"$vf/modalias"; fake_bind $FAKE_VF ""
physical-function|rm "$vf/physfn"; echo 0 >"$vf/sriov_numvfs"; fake_bind $FAKE_VF virtio-pci
physical-function-with-vfs|rm "$vf/physfn"; echo 3 >"$vf/sriov_numvfs"; fake_bind $FAKE_VF virtio-pci
physical-function|fake_connectx; rm "$vf/physfn"; echo 0 >"$vf/sriov_numvfs"; echo 0x101d >"$vf/device"; echo 101e >"$vf/sriov_vf_device"; echo pci:v000015B3d0000101Dsv000015B3sd00000008bc02sc00i00 >"$vf/modalias"; fake_bind $FAKE_VF mlx5_core
not-a-vf|rm "$vf/physfn"; echo -25 >"$fake/probe/$FAKE_VF"
kernel-too-old|echo 6.12.90+deb13-amd64 >"$fake/proc/sys/kernel/osrelease"; fake_bind $FAKE_VF ""
pf-without-driver|fake_bind $FAKE_PF ""; fake_bind $FAKE_VF ""
pf-wrong-driver|fake_bind $FAKE_PF vfio-pci; fake_bind $FAKE_VF ""
pf-device-without-driver|rm "$pf/virtio0/driver"; fake_bind $FAKE_VF ""
pf-without-admin-queue|printf '%064d\n' 0 >"$pf/virtio0/features"; echo -25 >"$fake/probe/$FAKE_VF"
module-not-installed|: >"$fake/lib/modules/7.3.4/modules.alias"; fake_bind $FAKE_VF ""; rmdir "$fake/sys/bus/pci/drivers/$fake_driver"
module-not-loaded|fake_bind $FAKE_VF ""; rmdir "$fake/sys/bus/pci/drivers/$fake_driver"
no-driver-bound|fake_bind $FAKE_VF ""
wrong-driver|fake_bind $FAKE_VF vfio-pci; echo -25 >"$fake/probe/$FAKE_VF"
in-use|ln -s /dev/vfio/7 "$fake/proc/4711/fd/9"
not-permitted|echo -13 >"$fake/probe/$FAKE_VF"
no-vfio-interface|echo -2 >"$fake/probe/$FAKE_VF"
busy|echo -16 >"$fake/probe/$FAKE_VF"
pf-without-device-parts|echo -25 >"$fake/probe/$FAKE_VF"
firmware-too-old|fake_connectx; echo 28.35.3000 >"$pf/infiniband/mlx5_0/fw_ver"; echo -25 >"$fake/probe/$FAKE_VF"
firmware-too-old|fake_connectx; echo 28.36.1009 >"$pf/infiniband/mlx5_0/fw_ver"; fake_bind $FAKE_VF ""
kernel-too-old|fake_connectx; echo 6.11.0 >"$fake/proc/sys/kernel/osrelease"; fake_bind $FAKE_VF ""
pf-without-driver|fake_connectx; fake_bind $FAKE_PF ""; fake_bind $FAKE_VF ""
pf-wrong-driver|fake_connectx; fake_bind $FAKE_PF virtio-pci; fake_bind $FAKE_VF ""
vf-not-migratable|fake_connectx; echo -25 >"$fake/probe/$FAKE_VF"
no-migration|for f in vendor device; do echo 0x15b3 >"$vf/$f"; done; echo pci:v000015B3d000015B3sv00sd00bc02sc00i00 >"$vf/modalias"; echo "alias vfio_pci:v000015B3d000015B3sv*sd*bc*sc*i* mlx5_vfio_pci" >"$fake/lib/modules/7.3.4/modules.alias"; fake_bind $FAKE_VF mlx5_vfio_pci; echo -25 >"$fake/probe/$FAKE_VF"
cannot-be-opened|echo -5 >"$fake/probe/$FAKE_VF"
ROWS
}

# fake_row FOLDER ACTIONS: a good host, then the actions.
fake_row()
{
	local pf vf

	fake_host "$1"
	# The actions use them.
	# shellcheck disable=SC2034
	pf=$fake/sys/bus/pci/devices/$FAKE_PF
	# shellcheck disable=SC2034
	vf=$fake/sys/bus/pci/devices/$FAKE_VF
	eval "$2"
}
