#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Put trixie's own kernel (the test root has that of trixie-backports) into $BUILD/trixie-kernel: vmlinuz,
# its initramfs, modules/ for L1, headers/ for builds.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

SUITE=trixie
here=$TOP/tools/testvm
kernel=$BUILD/trixie-kernel
log=$BUILD/logs/build-trixie-kernel.log

# ---- in the root ----

# depends PACKAGE PATTERN: the dependencies of PACKAGE that match.
depends()
{
	apt-cache depends "$1" | awk -v name="^($2)-" '$1 == "Depends:" && $2 ~ name { print $2 }'
}

download()
{
	local image headers
	local -a more

	image=$(depends "linux-image-amd64/$SUITE" linux-image)
	headers=$(depends "linux-headers-amd64/$SUITE" linux-headers)
	mapfile -t more < <(depends "$headers" 'linux-headers|linux-kbuild')
	[ -n "$image" ] && [ -n "$headers" ] && apt-get -q download "$image" "$headers" "${more[@]}"
}

fetch()
{
	local new=$kernel.new deb release

	rm -rf -- "$new"
	mkdir -p "$new/download"
	cd "$new/download"
	# An old package list names files that the mirror no longer has.
	download || { rm -f -- *.deb && apt-get -q update && download; }
	for deb in *.deb; do
		dpkg -x "$deb" "$new/tree"
	done
	rm -rf -- "$new/download"

	cd "$new/tree"
	# The same place with and without merged /usr.
	if [ -d lib ]; then
		mkdir -p usr/lib
		cp -al lib/. usr/lib/
		rm -rf lib
	fi
	ln -s usr/lib lib
	release=$(basename boot/vmlinuz-*)
	release=${release#vmlinuz-}
	mv boot/vmlinuz-* "$new/vmlinuz"
	rm -rf boot usr/share
	# It refers to the other half of the headers by the path on an installed system. The links are relative.
	sed -i "s,/usr/src,$kernel/tree/usr/src," "usr/src/linux-headers-$release/Makefile"
	rm -f "usr/lib/modules/$release"/{build,source}
	depmod -b "$new/tree" "$release"
	ln -s "tree/usr/lib/modules/$release" "$new/modules"
	ln -s "tree/usr/src/linux-headers-$release" "$new/headers"
	"$here/build-initramfs.sh" --pack "$new/tree" "$release" "$new/initramfs"
	echo "kernel $release"
}

case ${1:-} in
fetch)
	[ -n "${VFIO_SNAPSHOT_IN_ROOT:-}" ] ||
		die "$1 is a step of this script" "run it without arguments"
	fetch
	exit
	;;
esac

# ---- on the host ----

need_root
"$here/build-root.sh"
locked trixie-kernel
mkdir -p "$BUILD/logs"
if fresh trixie-kernel "$here/build-trixie-kernel.sh" "$here/build-initramfs.sh" "$here/l1/early.sh" \
	"$BUILD/stamps/root" && [ -f "$kernel/initramfs" ]; then
	exit 0
fi
need_space 1500
say "fetching $SUITE's own kernel and its headers (log: $log)"
in_root /vfio-snapshot/src/tools/testvm/build-trixie-kernel.sh fetch >"$log" 2>&1 || {
	tail -n 15 "$log" >&2
	die "cannot fetch or unpack $SUITE's kernel (log: $log)" "check the network and the mirror"
}
rm -rf -- "$kernel" "$BUILD/stamps/trixie-kernel"
mv -- "$kernel.new" "$kernel"
stamp trixie-kernel
say "done: $(tail -n 1 "$log")"
