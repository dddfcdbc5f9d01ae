#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The migration test, inside L1: a guest with a transfer through its VF is migrated from VF to VF.
#
# usage: [DRIVER=NAME] [OTHER=NAME] [NICS=N] run.sh [--plan PLAN] [--rate KIB_PER_S] [--flip OFFSET]
#
# DRIVER is the VFs' driver: virtio_snapshot_vfio_pci (default) or the upstream virtio_vfio_pci;
# OTHER that of the VFs on the other side, if it is another. NICS (1): how many VFs the guest has.
# PLAN: full (the default), demo, versions, there-and-back, ten: see livemig/plans.py.
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
drivers=$DRIVER
[ "$OTHER" = "$DRIVER" ] || drivers+=,$OTHER
logs=$BUILD/logs/migration-$NICS-${drivers/,/-}

[ -s "$parts/snapshot" ] ||
	die "there is no guest in $parts" "run tools/testing/migration/prepare.sh on the test host"

nic_up $((2 * NICS))
vfs=()
for ((n = 0; n < 2 * NICS; n++)); do
	vf=$(nic_vf "$n")
	nic_bind "$vf" "$([ "$n" -lt "$NICS" ] && echo "$DRIVER" || echo "$OTHER")"
	vfs+=("$vf")
done
interface=$(ip -o -4 address show to 10.77.0.1 | awk '{ print $2 }')
[ -n "$interface" ] || die "no interface has 10.77.0.1" "look at nic_up in tools/testvm/l1/nic.sh"
for ((n = 1; n < NICS; n++)); do
	ip address replace "10.77.$n.1/24" dev "$interface"
done

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
*" versions "*)
	mkdir "$work/stock"
	cp "$BUILD/qemu-stock/usr/bin/qemu-system-x86_64" "$work/stock/" ||
		die "there is no $BUILD/qemu-stock" "run tools/testvm/build-stock-qemu.sh on the test host"
	;;
esac

cd "$here"
PYTHONDONTWRITEBYTECODE=1 python3 -m livemig --driver "$drivers" --interface "$interface" \
	--parts "$parts" --stock "$work/stock/qemu-system-x86_64" --firmware "$BUILD/qemu-stock/usr/share/qemu" \
	--work "$work" "$@" "${vfs[@]}"
