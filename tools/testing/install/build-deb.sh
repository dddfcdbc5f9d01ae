#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# build-deb.sh: build the Debian packages in $BUILD/deb, unless they are up to date.
set -eu
# shellcheck source=tools/testing/install/lib.sh
. "$(dirname -- "$0")/lib.sh"

# The sources of the packages.
sources=(debian drivers include COPYING Documentation/admin-guide/troubleshooting.rst tools/include
	tools/vfio-snapshot tools/testing/selftests/vfio_snapshot/lib)
new=$BUILD/deb.new
log=$BUILD/logs/build-deb.log

if [ "${1:-}" = --build ]; then
	cd "$new/tree"
	dpkg-buildpackage --no-sign --build=binary
	exit
fi

need_root
"$INSTALL/prepare.sh"
locked deb
mkdir -p "$BUILD/logs"
if fresh deb "$INSTALL/build-deb.sh" "$BUILD/stamps/packaging" "${sources[@]/#/$TOP/}" &&
   compgen -G "$BUILD/deb/*.deb" >/dev/null; then
	exit 0
fi
say "building the Debian packages (log: $log)"
rm -rf -- "$new" "$BUILD/stamps/deb"
mkdir -p "$new/tree"
(cd "$TOP" && cp -r --parents -t "$new/tree" "${sources[@]}")
layer=$(new_layer deb)
trap 'rm -rf --one-file-system -- "$layer"' EXIT
in_layer "$layer" /vfio-snapshot/src/tools/testing/install/build-deb.sh --build >"$log" 2>&1 || {
	tail -n 30 "$log" >&2
	die "cannot build the packages (log: $log)" "see the messages above"
}
rm -rf -- "$new/tree" "$BUILD/deb"
mv -- "$new" "$BUILD/deb"
stamp deb
say "done: $(cd "$BUILD/deb" && echo ./*.deb)"
