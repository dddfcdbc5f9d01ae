#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# /init of the initramfs: mounts the test root over 9p, read-only under a tmpfs, and continues there.
# busybox makes all mounts here, as programs of the root must first be fetched over 9p.
set -eu

/bin/busybox --install -s /bin
export PATH=/bin
mkdir -p /proc /sys /dev /lower /rw /newroot
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

# probe-accel.sh only tests that userspace is reached.
if grep -qw vfio_snapshot.probe /proc/cmdline; then
	echo "vfio-snapshot: the probe reached userspace"
	poweroff -f
fi

# Debian's kernel needs modules; the debug kernel has all built in.
modules=/modules/$(uname -r)
if [ -d "$modules" ]; then
	while read -r ko; do
		insmod "$modules/$ko"
	done <"$modules/order"
fi

# Messages are large, as each one costs an exit to the hypervisor. The root is cached, as it does not
# change while the VM runs; the other two may change.
opts=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "ro,cache=loose,$opts" root /lower
mount -t tmpfs -o size=75% tmpfs /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /newroot
mkdir -p /newroot/vfio-snapshot/src /newroot/vfio-snapshot/build
mount -t 9p -o "ro,cache=none,$opts" src /newroot/vfio-snapshot/src
mount -t 9p -o "rw,cache=mmap,$opts" build /newroot/vfio-snapshot/build
for dir in proc sys dev; do
	mount --move "/$dir" "/newroot/$dir"
done

cd /newroot
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts
for dir in dev/shm run tmp; do
	mount -t tmpfs tmpfs "$dir"
done
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t debugfs debugfs sys/kernel/debug
mount -t tracefs tracefs sys/kernel/tracing
ln -sf /proc/self/fd dev/fd
ln -sf fd/0 dev/stdin
ln -sf fd/1 dev/stdout
ln -sf fd/2 dev/stderr
hostname l1
ip link set lo up
exec switch_root /newroot /bin/sh /vfio-snapshot/src/tools/testvm/l1/init.sh
