#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# build-installed.sh: build the layer $BUILD/installed, which has the Debian packages installed.
set -eu
# shellcheck source=tools/testing/install/lib.sh
. "$(dirname -- "$0")/lib.sh"

layer=$BUILD/installed
log=$BUILD/logs/build-installed.log

need_root
"$INSTALL/build-deb.sh"
locked installed
if fresh installed "$INSTALL/build-installed.sh" "$INSTALL/layer.sh" "$BUILD/stamps/deb" && [ -d "$layer" ]; then
	exit 0
fi
say "installing the Debian packages (log: $log)"
rm -rf --one-file-system -- "$layer" "$BUILD/stamps/installed"
in_layer "$layer" sh -c 'apt-get -q install -y /vfio-snapshot/build/deb/*.deb' >"$log" 2>&1 || {
	tail -n 30 "$log" >&2
	die "cannot install the packages (log: $log)" "see the messages above"
}
stamp installed
