#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Build trixie's QEMU with our devices (tools/qemu) in $BUILD/qemu. No existing source is patched: the
# devices, and what they share, are folders, each with a line in two build files. If only a device
# changes, a rebuild takes seconds.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

UPSTREAM=10.0
devices=(lab virtio-net-parts mlx5-vhca)
tree=$BUILD/qemu.build
from=("${devices[@]/#/$TOP/tools/qemu/}")
log=$BUILD/logs/build-qemu.log

# ---- in the root ----

fetch()
{
	mkdir -p "$tree/download"
	cd "$tree/download"
	# An old package list names files that the mirror no longer has.
	apt-get -q source --download-only qemu/trixie ||
		{ apt-get -q update && apt-get -q source --download-only qemu/trixie; }
}

unpack()
{
	local dsc=("$tree"/download/qemu_"$UPSTREAM".*.dsc)

	[ -e "${dsc[0]}" ] || {
		echo "trixie's QEMU is no longer $UPSTREAM: $(ls "$tree/download")"
		return 1
	}
	rm -rf -- "$tree/source" "$tree/build"
	dpkg-source --no-check -x "${dsc[0]}" "$tree/source"
}

# Without debug information and unused parts, compiling takes a seventh of the time. Debian's tarball has
# no firmware blobs, but configure looks for them if it finds bzip2, so bzip2 is hidden by a mount that
# ends with the step.
configure()
{
	local net=$tree/source/hw/net device

	for device in "${devices[@]}"; do
		echo "source $device/Kconfig" >>"$net/Kconfig"
		echo "subdir('$device')" >>"$net/meson.build"
	done
	printf 'CONFIG_%s=y\n' Q35 VTD PCIE_PORT VIRTIO_PCI VIRTIO_NET VIRTIO_9P FSDEV_9P VIRTIO_RNG \
		VIRTIO_SERIAL VIRTIO_NET_PARTS MLX5_VHCA >"$tree/source/configs/devices/x86_64-softmmu/parts.mak"
	[ ! -e /usr/bin/bzip2 ] || mount --bind /dev/null /usr/bin/bzip2
	mkdir -p "$tree/build"
	cd "$tree/build"
	../source/configure --target-list=x86_64-softmmu \
		--without-default-features --without-default-devices --with-devices-x86_64=parts \
		--enable-tcg --enable-kvm --enable-slirp --enable-virtfs --enable-attr \
		--disable-docs --disable-tools --disable-gio --disable-install-blobs --disable-debug-info
}

compile()
{
	cd "$tree/build"
	ninja qemu-system-x86_64
}

case ${1:-} in
fetch | unpack | configure | compile)
	[ -n "${VFIO_SNAPSHOT_IN_ROOT:-}" ] ||
		die "$1 is a step of this script" "run it without arguments"
	"$1"
	exit
	;;
esac

# ---- on the host ----

# step NAME NEXT_STEP: run a step of the above; shows progress on a terminal.
step()
{
	local status=0

	if [ -t 2 ]; then
		{ in_root "/vfio-snapshot/src/tools/testvm/build-qemu.sh" "$1" 2>&1 || echo "exit $?"; } |
			tee -a "$log" | awk '/^\[[0-9]+\/[0-9]+\]/ { printf "\r%.79s\033[K", $0 > "/dev/stderr" }
				END { printf "\r\033[K" > "/dev/stderr" }'
		! tail -n 1 "$log" | grep -q '^exit ' || status=1
	else
		in_root "/vfio-snapshot/src/tools/testvm/build-qemu.sh" "$1" >>"$log" 2>&1 || status=1
	fi
	[ "$status" = 0 ] && return
	grep -E -B 2 -A 8 'error:|ERROR' "$log" >&2 || tail -n 15 "$log" >&2
	die "building QEMU failed in the step '$1' (log: $log)" "$2"
}

# Unchanged files keep their time stamps, so that ninja compiles only what changed.
sync_devices()
{
	local folder to file

	for folder in "${from[@]}"; do
		to=$tree/source/hw/net/${folder##*/}
		mkdir -p "$to"
		for file in "$folder"/*; do
			cmp -s "$file" "$to/${file##*/}" || cp "$file" "$to/${file##*/}"
		done
		for file in "$to"/*; do
			[ -e "$folder/${file##*/}" ] || rm -f -- "$file"
		done
	done
}

need_root
"$TOP/tools/testvm/build-root.sh"
locked qemu
mkdir -p "$BUILD/logs"
if fresh qemu "$TOP/tools/testvm/build-qemu.sh" "$BUILD/stamps/root" "${from[@]}" &&
   [ -x "$BUILD/qemu/qemu-system-x86_64" ]; then
	exit 0
fi
: >"$log"
if ! fresh qemu-tree "$TOP/tools/testvm/build-qemu.sh" "$BUILD/stamps/root" ||
   [ ! -e "$tree/build/build.ninja" ]; then
	need_space 3000
	rm -rf -- "$tree" "$BUILD/stamps/qemu-tree"
	say "fetching QEMU's source package (log: $log)"
	step fetch "check the network; trixie's qemu has to be $UPSTREAM.x"
	step unpack "the device is written for QEMU $UPSTREAM: see tools/qemu/README.md"
	sync_devices
	say "configuring QEMU"
	step configure "see the messages above"
	stamp qemu-tree
	say "compiling QEMU with our devices (1,300 files, 3 minutes on 2 cores)"
else
	sync_devices
	say "compiling what changed in our devices"
fi
step compile "see the messages above"
mkdir -p "$BUILD/qemu"
cp "$tree/build/qemu-system-x86_64" "$BUILD/qemu/qemu-system-x86_64.new"
mv -f "$BUILD/qemu/qemu-system-x86_64.new" "$BUILD/qemu/qemu-system-x86_64"
stamp qemu
say "done: $BUILD/qemu/qemu-system-x86_64"
