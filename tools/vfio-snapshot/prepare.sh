#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds vfio-snapshot in the test root, for the VM that tests it.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../testvm/lib.sh"

here=tools/vfio-snapshot
if [ "${1:-}" = --make ]; then
	make -s -j"$(nproc)" -C "$TOP/$here" all install OUTPUT="$BUILD/vfio-snapshot.new" \
		DESTDIR="$BUILD/vfio-snapshot.new/installed" PREFIX=/usr CFLAGS='-O2 -g -Werror'
	exit
fi

"$TOP/tools/testvm/build-root.sh"
locked vfio-snapshot
core=$TOP/drivers/vfio/pci/snapshot
if fresh vfio-snapshot "$TOP/$here" "$core"/{arcs,format}.[ch] "$TOP/include" "$TOP/tools/include" \
	"$TOP/tools/testing/selftests/vfio_snapshot/lib" \
	"$TOP/Documentation/admin-guide/troubleshooting.rst" "$BUILD/stamps/root" &&
	[ -e "$BUILD/vfio-snapshot/vfio-snapshot" ]; then
	exit
fi
say "building vfio-snapshot"
rm -rf -- "${BUILD:?}/vfio-snapshot.new" "$BUILD/stamps/vfio-snapshot"
mkdir -p "$BUILD/logs"
in_root "/vfio-snapshot/src/$here/prepare.sh" --make >"$BUILD/logs/vfio-snapshot-build.log" 2>&1 || {
	cat "$BUILD/logs/vfio-snapshot-build.log" >&2
	die "vfio-snapshot does not compile" "see the messages above"
}
rm -rf -- "${BUILD:?}/vfio-snapshot"
mv "$BUILD/vfio-snapshot.new" "$BUILD/vfio-snapshot"
stamp vfio-snapshot
