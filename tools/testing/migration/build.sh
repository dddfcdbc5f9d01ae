#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the test root (see prepare.sh): build the guest's parts and its snapshot.
# usage: build.sh OUTPUT_FOLDER
#        build.sh OUTPUT_FOLDER MIB    only the snapshot of a guest with MIB of memory
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$1
snapshot()
{
	echo "migration: booting the guest once for its snapshot${1:+ with $1 MiB}"
	PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 python3 -m livemig.snapshot "$out" ${1:+"$1"}
}
if [ $# -gt 1 ]; then
	snapshot "$2"
	exit
fi
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

kernel=$(find /boot -name "vmlinuz-*" | sort -V | tail -n 1)
modules=/lib/modules/${kernel#/boot/vmlinuz-}/kernel

mkdir -p "$out"
rm -f "$out"/snapshot*

echo "migration: building the guest's programs"
cc=(gcc -O2 -Wall -Wextra)
"${cc[@]}" -static -o "$out/traffic" "$here"/{traffic,guest_nic,guest_pci}.c
"${cc[@]}" -static -I "$here/../../qemu/mlx5-vhca" -o "$out/engine" "$here"/{engine,engine_area,guest_pci}.c
"${cc[@]}" -D_GNU_SOURCE -shared -fPIC -o "$out/blind.so" "$here/blind.c"
"${cc[@]}" -o "$tree/tsc_khz" "$here/tsc_khz.c"
"$tree/tsc_khz" >"$out/tsc_khz"
rm "$tree/tsc_khz"

echo "migration: packing the guest (kernel ${kernel#/boot/vmlinuz-})"
mkdir -p "$tree"/bin "$tree"/dev "$tree"/proc "$tree"/sys "$tree"/lib
cp "$(command -v busybox)" "$out/traffic" "$out/engine" "$tree/bin/"
for applet in sh mount insmod stty poweroff; do
	ln -s busybox "$tree/bin/$applet"
done
for module in net/core/failover drivers/net/net_failover drivers/net/virtio_net; do
	xz -dc "$modules/$module.ko.xz" >"$tree/lib/${module##*/}.ko"
done
install -m 755 "$here/init" "$tree/init"
(cd "$tree" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$out/initrd"
cp "$kernel" "$out/vmlinuz"

snapshot
