#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Put trixie's own QEMU, from its binary packages, into $BUILD/qemu-stock. Tests migrate guests between
# it and the newer one in the test root.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

SUITE=trixie
# It uses the root's firmware, as both QEMUs take seabios from the same package.
packages=(qemu-system-x86 qemu-system-data)
stock=$BUILD/qemu-stock
log=$BUILD/logs/build-stock-qemu.log

# ---- in the root ----

download()
{
	apt-get -q download "${packages[@]/%/\/$SUITE}"
}

fetch()
{
	local deb missing

	rm -rf -- "$stock.new"
	mkdir -p "$stock.new/download"
	cd "$stock.new/download"
	# An old package list names files that the mirror no longer has.
	download || { apt-get -q update && download; }
	for deb in *.deb; do
		dpkg -x "$deb" "$stock.new"
	done
	rm -rf -- "$stock.new/download"

	cd "$stock.new"
	missing=$(ldd usr/bin/qemu-system-x86_64 | awk '/not found/ { print $1 }')
	[ -z "$missing" ] || { echo "the test root has no" "$missing"; return 1; }
	usr/bin/qemu-system-x86_64 --version
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
"$TOP/tools/testvm/build-root.sh"
locked stock-qemu
mkdir -p "$BUILD/logs"
if fresh stock-qemu "$TOP/tools/testvm/build-stock-qemu.sh" "$BUILD/stamps/root" &&
   [ -x "$stock/usr/bin/qemu-system-x86_64" ]; then
	exit 0
fi
say "fetching $SUITE's own QEMU (13 MB; log: $log)"
in_root /vfio-snapshot/src/tools/testvm/build-stock-qemu.sh fetch >"$log" 2>&1 || {
	tail -n 15 "$log" >&2
	die "cannot fetch or unpack $SUITE's QEMU (log: $log)" "check the network and the mirror"
}
rm -rf -- "$stock"
mv -- "$stock.new" "$stock"
stamp stock-qemu
say "done: $(awk '/^QEMU emulator/ { print $4 }' "$log") in $stock"
