#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Unpack Debian's Sphinx packages into $BUILD/sphinx, outside the test root. Sphinx builds Documentation/.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../testvm/lib.sh"

sphinx=$BUILD/sphinx
log=$BUILD/logs/build-sphinx.log

# ---- in the root ----

download()
{
	apt-get -q -y --no-install-recommends --download-only \
		-o Dir::Cache::archives="$sphinx.new/download" install python3-sphinx
}

fetch()
{
	local deb

	rm -rf -- "$sphinx.new"
	mkdir -p "$sphinx.new/download/partial"
	# An old package list names files that the mirror no longer has.
	download || { apt-get -q update && download; }
	for deb in "$sphinx.new"/download/*.deb; do
		dpkg -x "$deb" "$sphinx.new"
	done
	rm -rf -- "$sphinx.new/download"
	# Debian's Sphinx and docutils look for their data in /usr/share.
	grep -rlE '/usr/share/(docutils|sphinx|javascript)' "$sphinx.new/usr/lib/python3/dist-packages" \
		--include='*.py' | xargs sed -i -E "s#/usr/share/(docutils|sphinx|javascript)#$sphinx/usr/share/\\1#"
	PYTHONPATH=$sphinx.new/usr/lib/python3/dist-packages python3 -m sphinx --version
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
locked sphinx
mkdir -p "$BUILD/logs"
if fresh sphinx "$TOP/tools/docs/build-sphinx.sh" "$BUILD/stamps/root" && [ -d "$sphinx/usr" ]; then
	exit 0
fi
say "Sphinx from the mirror (10 MB; log: $log)"
in_root /vfio-snapshot/src/tools/docs/build-sphinx.sh fetch >"$log" 2>&1 || {
	tail -n 15 "$log" >&2
	die "Sphinx could not be unpacked (all of it: $log)" "check the network and the mirror"
}
rm -rf -- "$sphinx"
mv -- "$sphinx.new" "$sphinx"
stamp sphinx
