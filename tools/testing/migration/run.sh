#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The migration test, inside L1: a guest with a transfer through its VF is migrated from VF to VF.
#
# usage: [DRIVER=NAME] [OTHER=NAME] [NICS=N] [CONNECTX=N] [MLX5=NAME]
#        run.sh [--plan PLAN] [--rate KIB_PER_S] [--flip OFFSET] [--memory MIB] [--tracking WHO]
#
# DRIVER is the VFs' driver: virtio_snapshot_vfio_pci (default) or the upstream virtio_vfio_pci;
# OTHER that of the VFs on the other side, if it is another. NICS (1): how many VFs the guest has.
# CONNECTX (0): how many of them are of the emulated ConnectX (vm.sh -x), with the driver MLX5
# (mlx5_snapshot_vfio_pci). PLAN: full (the default), demo, ...: see livemig/plans.py; full
# and writes need the lab block (vm.sh -l). MIB: a guest that prepare.sh was asked for. WHO tells QEMU what a ConnectX VF writes to: nobody, device.
# LOGS: the folder of the logs, if another.
# --flip corrupts one byte that L1 sends: to see the test fail.
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
	die "there is no guest in $parts" "run tools/testing/migration/prepare.sh on the test host"

# take FIRST COUNT DRIVER: bind those VFs of the NIC, and note them.
take()
{
	local n vf

	for ((n = $1; n < $1 + $2; n++)); do
		vf=$(nic_vf "$n")
		nic_bind "$vf" "$3"
		vfs+=("$vf=$3")
	done
}

# One side's VFs, those of the ConnectX last, then the other's.
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

# Logs and sockets are kept in memory while it runs, and saved whatever happens.
work=$(mktemp -d)
save() {
	rm -rf "$logs"
	mkdir -p "$logs"
	find "$work" -maxdepth 1 -type f -exec cp -t "$logs" {} +
	rm -rf "$work"
}
trap save EXIT
# Run from memory: the build folder is not cached here, and a program is read from all over.
case " $* " in
*versions\ *)
	mkdir "$work/stock"
	cp "$BUILD/qemu-stock/usr/bin/qemu-system-x86_64" "$work/stock/" ||
		die "there is no $BUILD/qemu-stock" "run tools/testvm/build-stock-qemu.sh on the test host"
	;;
esac

# The debug kernel takes its time.
case $(uname -r) in
*-debug) export PATIENCE=${PATIENCE:-5} ;;
esac
cd "$here"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/../../qemu/tests \
	python3 -m livemig --driver "$drivers" --interface "$interface" \
	--parts "$parts" --stock "$work/stock/qemu-system-x86_64" --firmware "$BUILD/qemu-stock/usr/share/qemu" \
	--work "$work" "$@" "${vfs[@]}"
