#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Build $BUILD/l1/initramfs (busybox, the modules needed to mount the 9p root, l1/early.sh) and put
# the root's kernel beside it. In the root, --pack FOLDER RELEASE OUT only builds an initramfs OUT with
# the modules of the kernel RELEASE unpacked in FOLDER.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

pack()
{
	local base=$1 release=$2 out=$3 tree module ko name

	tree=$(mktemp -d)
	mkdir -p "$tree/bin" "$tree/modules/$release"
	cp /bin/busybox "$tree/bin/busybox"
	cp "$TOP/tools/testvm/l1/early.sh" "$tree/init"
	chmod +x "$tree/init"
	for module in 9pnet_virtio 9p overlay; do
		modprobe -d "$base" --set-version "$release" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r ko; do
		name=${ko##*/}
		name=${name%.xz}
		case $ko in
		*.xz) xz -dc "$ko" >"$tree/modules/$release/$name" ;;
		*) cp "$ko" "$tree/modules/$release/$name" ;;
		esac
		echo "$name"
	done >"$tree/modules/$release/order"
	(cd "$tree" && find . | cpio --quiet -o -H newc) >"$out.tmp"
	mv -f "$out.tmp" "$out"
}

if [ "${1:-}" = --pack ]; then
	shift
	pack "$@"
	exit
fi

if [ -z "${VFIO_SNAPSHOT_IN_ROOT:-}" ]; then
	here=$TOP/tools/testvm
	locked initramfs
	# The root's stamp covers its kernel and busybox.
	if fresh initramfs "$here/build-initramfs.sh" "$here/l1/early.sh" "$BUILD/stamps/root" &&
	   [ -f "$BUILD/l1/initramfs" ] && [ -f "$BUILD/l1/vmlinuz" ]; then
		exit 0
	fi
	in_root /vfio-snapshot/src/tools/testvm/build-initramfs.sh ||
		die "cannot build the initramfs" "see the messages above"
	stamp initramfs
	exit 0
fi

set -- /boot/vmlinuz-*
{ [ $# -eq 1 ] && [ -f "$1" ]; } || die "the test root must have exactly one kernel, but has: $*" \
	"delete build/root and build it again"
release=${1#/boot/vmlinuz-}
out=$BUILD/l1
mkdir -p "$out"
cp "$1" "$out/vmlinuz.tmp"
mv -f "$out/vmlinuz.tmp" "$out/vmlinuz"
pack / "$release" "$out/initramfs"
say "done: kernel $release, initramfs $(du -k "$out/initramfs" | cut -f1) kB"
