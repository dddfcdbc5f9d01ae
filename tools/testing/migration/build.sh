#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the test root (see prepare.sh): the guest's parts and its snapshot.
# usage: build.sh OUTPUT_FOLDER
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

kernel=$(find /boot -name "vmlinuz-*" | sort -V | tail -n 1)
modules=/lib/modules/${kernel#/boot/vmlinuz-}/kernel

mkdir -p "$out"
rm -f "$out"/snapshot*

echo "migration: building the traffic program"
gcc -O2 -Wall -Wextra -static -o "$out/traffic" "$here/traffic.c" "$here/guest_nic.c"
gcc -O2 -Wall -Wextra -o "$tree/tsc_khz" "$here/tsc_khz.c"
"$tree/tsc_khz" >"$out/tsc_khz"
rm "$tree/tsc_khz"

echo "migration: packing the guest (kernel ${kernel#/boot/vmlinuz-})"
mkdir -p "$tree"/bin "$tree"/dev "$tree"/proc "$tree"/sys "$tree"/lib
cp "$(command -v busybox)" "$out/traffic" "$tree/bin/"
for applet in sh mount insmod stty poweroff; do
	ln -s busybox "$tree/bin/$applet"
done
for module in net/core/failover drivers/net/net_failover drivers/net/virtio_net; do
	xz -dc "$modules/$module.ko.xz" >"$tree/lib/${module##*/}.ko"
done
install -m 755 "$here/init" "$tree/init"
(cd "$tree" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$out/initrd"
cp "$kernel" "$out/vmlinuz"

echo "migration: booting the guest once for its snapshot"
PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 python3 -m livemig.snapshot "$out"
