#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The migration test, in L1: migrates a guest with a transfer through its VF from VF to VF.
#
# usage: [DRIVER=NAME] [OTHER=NAME] [NICS=N] [CONNECTX=N] [MLX5=NAME]
#        run.sh [--plan PLAN] [--rate KIB_PER_S] [--flip OFFSET] [--memory MIB] [--tracking WHO]
#
# DRIVER   driver of the VFs: virtio_snapshot_vfio_pci (default) or the upstream virtio_vfio_pci
# OTHER    driver of the VFs on the other side (default: DRIVER)
# NICS     number of the guest's VFs (1)
# CONNECTX number of those that are VFs of the emulated ConnectX (0; needs vm.sh -x)
# MLX5     driver of the ConnectX VFs (mlx5_snapshot_vfio_pci)
# LOGS     name of the folder for logs
# PLAN     full (default), demo, ...: see livemig/plans.py; full and writes need the lab block (vm.sh -l)
# MIB      memory of the guest, one that prepare.sh has built
# WHO      reports to QEMU what a ConnectX VF writes to: nobody, device
# --flip corrupts one byte that L1 sends, to see the test fail.
set -eu

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../testvm/lib.sh
. "$here/../../testvm/lib.sh"
# shellcheck source=../../testvm/l1/nic.sh
. "$here/../../testvm/l1/nic.sh"

DRIVER=${DRIVER:-virtio_snapshot_vfio_pci}
parts=$BUILD/migration
OTHER=${OTHER:-$DRIVER}
NICS=${NICS:-1}
CONNECTX=${CONNECTX:-0}
MLX5=${MLX5:-mlx5_snapshot_vfio_pci}
virtio=$((NICS - CONNECTX))
drivers=
[ "$virtio" = 0 ] || drivers=$DRIVER
[ "$virtio" = 0 ] || [ "$OTHER" = "$DRIVER" ] || drivers+=,$OTHER
[ "$CONNECTX" = 0 ] || drivers+=${drivers:+,}$MLX5
logs=$BUILD/logs/${LOGS:-migration-$NICS-${drivers//,/-}}

[ -s "$parts/snapshot" ] ||
	die "$parts has no guest" "run tools/testing/migration/prepare.sh on the test host"

# take FIRST COUNT DRIVER: bind these VFs of the NIC and add them to vfs.
take()
{
	local n vf

	for ((n = $1; n < $1 + $2; n++)); do
		vf=$(nic_vf "$n")
		nic_bind "$vf" "$3"
		vfs+=("$vf=$3")
	done
}

# side NUMBER DRIVER: take the VFs of one side, those of the ConnectX last.
side()
{
	[ "$virtio" = 0 ] || take $(($1 * virtio)) "$virtio" "$2"
	[ "$CONNECTX" = 0 ] || NIC_VENDOR=$mellanox take $(($1 * CONNECTX)) "$CONNECTX" "$MLX5"
}

mellanox=0x15b3
vfs=()
interface=
[ "$CONNECTX" = 0 ] || NIC_VENDOR=$mellanox nic_up $((2 * CONNECTX))
if [ "$virtio" != 0 ]; then
	nic_up $((2 * virtio))
	interface=$(ip -o -4 address show to 10.77.0.1 | awk '{ print $2 }')
	[ -n "$interface" ] || die "no interface has 10.77.0.1" "look at nic_up in tools/testvm/l1/nic.sh"
	for ((n = 1; n < virtio; n++)); do
		ip address replace "10.77.$n.1/24" dev "$interface"
	done
fi
side 0 "$DRIVER"
side 1 "$OTHER"

# Logs and sockets are in memory while the test runs; the logs are saved in any case.
work=$(mktemp -d)
save() {
	rm -rf "$logs"
	mkdir -p "$logs"
	find "$work" -maxdepth 1 -type f -exec cp -t "$logs" {} +
	rm -rf "$work"
}
trap save EXIT
# QEMU runs from memory, as the build folder is not cached here and reads of a program are scattered.
case " $* " in
*versions\ *)
	mkdir "$work/stock"
	cp "$BUILD/qemu-stock/usr/bin/qemu-system-x86_64" "$work/stock/" ||
		die "$BUILD/qemu-stock is missing" "run tools/testvm/build-stock-qemu.sh on the test host"
	;;
esac

# The debug kernel is slow.
case $(uname -r) in
*-debug) export PATIENCE=${PATIENCE:-5} ;;
esac
cd "$here"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/../../qemu/tests \
	python3 -m livemig --driver "$drivers" --interface "$interface" \
	--parts "$parts" --stock "$work/stock/qemu-system-x86_64" --firmware "$BUILD/qemu-stock/usr/share/qemu" \
	--work "$work" "$@" "${vfs[@]}"
