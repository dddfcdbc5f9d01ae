#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# enter-root.sh ROOT TOP BUILD CMD...: run by in_root as the first process of fresh mount and pid
# namespaces: sets the test root up and runs CMD in it. The devices are picked one by one, sysfs
# is read-only: nothing done in the root can touch the host's own.
set -eu

root=$1 top=$2 build=$3
shift 3

mkdir -p "$root/vfio-snapshot/root" "$root/vfio-snapshot/src" "$root/vfio-snapshot/build"
mount --bind "$root" "$root/vfio-snapshot/root"
mount --bind "$top" "$root/vfio-snapshot/src"
mount -o remount,bind,ro "$root/vfio-snapshot/src"
mount --bind "$build" "$root/vfio-snapshot/build"

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for std in 0:stdin 1:stdout 2:stderr; do
	ln -s "/proc/self/fd/${std%%:*}" "$root/dev/${std##*:}"
done
for dev in null zero full random urandom tty kvm; do
	[ -e "/dev/$dev" ] || continue
	: >"$root/dev/$dev"
	mount --bind "/dev/$dev" "$root/dev/$dev"
done

# Name resolution as the host does it now, not as it did when the root was built. A file that is there
# stays: to remove it would take the mount on it away from all who are in the root already.
for conf in resolv.conf hosts; do
	[ -e "/etc/$conf" ] || continue
	[ ! -L "$root/etc/$conf" ] || rm -f "$root/etc/$conf"
	: >>"$root/etc/$conf"
	mount --bind "$(readlink -f "/etc/$conf")" "$root/etc/$conf"
done

# The first process of a pid namespace ignores the signals it does not handle. This one waits in
# the shell's wait, so that Ctrl-C ends it, and with it whatever runs in the namespace (a command
# in a process group of its own, as under timeout, sees no Ctrl-C).
trap 'exit 130' INT
trap 'exit 143' TERM HUP
exec 3<&0
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" DEBIAN_FRONTEND=noninteractive \
	VFIO_SNAPSHOT_IN_ROOT=1 VFIO_SNAPSHOT_BUILD=/vfio-snapshot/build \
	${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
	chroot "$root" "$@" <&3 3<&- &
wait $!
