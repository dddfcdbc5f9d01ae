#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# enter-root.sh ROOT TOP BUILD CMD...: in_root runs this as the first process of new mount and pid
# namespaces. It sets the test root up and runs CMD there. The root has only a few devices and a
# read-only sysfs, so nothing in it can affect the host.
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

# Name resolution follows the host's current settings. An existing file is not removed, as that would
# remove the mount on it for all processes in the root.
for conf in resolv.conf hosts; do
	[ -e "/etc/$conf" ] || continue
	[ ! -L "$root/etc/$conf" ] || rm -f "$root/etc/$conf"
	: >>"$root/etc/$conf"
	mount --bind "$(readlink -f "/etc/$conf")" "$root/etc/$conf"
done

# The first process of a pid namespace ignores signals that it does not handle. This one waits in the
# shell's wait, so Ctrl-C ends it and the whole namespace. A command in its own process group, as
# under timeout, would not get the Ctrl-C.
trap 'exit 130' INT
trap 'exit 143' TERM HUP
exec 3<&0
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" DEBIAN_FRONTEND=noninteractive \
	VFIO_SNAPSHOT_IN_ROOT=1 VFIO_SNAPSHOT_BUILD=/vfio-snapshot/build \
	${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
	chroot "$root" "$@" <&3 3<&- &
wait $!
