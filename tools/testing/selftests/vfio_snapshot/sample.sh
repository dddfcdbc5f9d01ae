#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# sample.sh [PROGRAM...]: boots the test VM with two of QEMU's ivshmem-plain devices and tests the
# sample back-end on them.
#   KERNEL  of the VM: stock (the default) or debug
set -eu

here=$(cd "$(dirname "$0")" && pwd)
testvm=$here/../../../testvm
if [ -z "${VFIO_SNAPSHOT_L1:-}" ]; then
	devices=
	for i in 1 2; do
		devices+=" -device pcie-root-port,id=port$i,chassis=$i"
		devices+=" -object memory-backend-ram,id=mem$i,size=64K,share=on"
		devices+=" -device ivshmem-plain,memdev=mem$i,bus=port$i"
	done
	exec "$testvm/vm.sh" -n sample -t 900 -k "${KERNEL:-stock}" --no-nic -q "$devices" -- \
		"/vfio-snapshot/src/tools/testing/selftests/vfio_snapshot/${0##*/}" "$@"
fi

# shellcheck source=tools/testvm/l1/nic.sh
. "$testvm/l1/nic.sh"
modules=${MODULES:-$NIC_BUILD/modules$NIC_KERNEL}
driver=sample_snapshot_vfio_pci
export KSELFTEST_OUT=${KSELFTEST_OUT:-$NIC_BUILD/kselftest}

modprobe -a vfio-pci-core vfio_iommu_type1
insmod "$modules/vfio_snapshot.ko"
insmod "$modules/$driver.ko"
devices=()
for dev in "$NIC_PCI"/devices/*; do
	[ "$(cat "$dev/vendor" "$dev/device" | tr '\n' ' ')" = "0x1af4 0x1110 " ] || continue
	echo $driver >"$dev/driver_override"
	echo "${dev##*/}" >"$NIC_PCI/drivers_probe"
	devices+=("${dev##*/}")
done
[ ${#devices[@]} = 2 ] || { echo "Bail out! ${#devices[@]} ivshmem devices, not 2"; exit 1; }
status=0
timeout -k 5 60 "$KSELFTEST_OUT/mig_sample_test" "${devices[@]}" || status=$?
"$here/backend.sh" "${devices[@]}" "$@" || status=$?

for dev in "${devices[@]}"; do
	nic_unbind "$dev"
done
echo "TAP version 13"
echo "1..1"
if rmmod $driver vfio_snapshot; then
	echo "ok 1 the driver unloads: nothing holds it"
else
	echo "not ok 1 the driver unloads: nothing holds it"
	status=1
fi
exit $status
