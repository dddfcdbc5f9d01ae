#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Checks the documentation, as TAP: Sphinx builds it without a warning, its generated parts match the source,
# and what it names exists. Runs in the test root.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../testvm/lib.sh"
# shellcheck source=tools/testing/tap.sh
. "$TOP/tools/testing/tap.sh"

here=$TOP/tools/docs
if [ -z "${VFIO_SNAPSHOT_IN_ROOT:-}" ]; then
	"$TOP/tools/testvm/setup.sh" root source sphinx
	in_root /vfio-snapshot/src/tools/docs/check.sh
	exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
not_stale()
{
	local file

	mkdir "$work/drawn"
	"$here/generate.sh" "$work/drawn"
	for file in "$work"/drawn/*; do
		diff -u "$TOP/Documentation/driver-api/${file##*/}" "$file" ||
			echo "next step: tools/docs/generate.sh"
	done
}

kernel_doc()
{
	local file

	# Only the core's authors read the comments of the core, but they must be right, too.
	for file in "$TOP"/include/linux/vfio_snapshot*.h "$TOP"/include/uapi/linux/vfio_snapshot.h \
		"$TOP"/drivers/vfio/pci/snapshot/*.[ch]; do
		grep -q '^/\*\*$' "$file" || continue
		"$BUILD/linux-source/tools/docs/kernel-doc" -Wall -Werror -none "$file"
	done
}

tap_begin 4
t "what is drawn from the source is not stale" quiet not_stale
t "Sphinx builds all pages without a warning" quiet "$here/html.sh" "$work/html"
t "kernel-doc comments" quiet kernel_doc
t "the files, tests, events and operations that the pages name are there" \
	quiet python3 -B "$here/names.py" "$TOP"
tap_end
