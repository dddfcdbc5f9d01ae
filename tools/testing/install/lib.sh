# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the bash scripts here: the roots in which packages are built and installed. They are layers,
# folders with the differences to the root or layer below. See layer.sh.

# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../testvm/lib.sh"
# shellcheck disable=SC2034 # used by those that source this
INSTALL=$TOP/tools/testing/install

# The layer with Debian's packaging tools, libvirt, and the headers of trixie and trixie-backports.
PACKAGING=$BUILD/packaging
# The root with the headers of forky and sid, and the compiler that they need.
# shellcheck disable=SC2034
NEWER=$BUILD/newer-root

# new_layer NAME: create an empty layer on PACKAGING. Each process has its own, as a layer breaks if
# several use it. This also deletes the layers of killed processes.
new_layer()
{
	local layer

	mkdir -p "$BUILD/layers"
	for layer in "$BUILD"/layers/*.*; do
		kill -0 "${layer##*.}" 2>/dev/null || rm -rf --one-file-system -- "$layer"
	done
	mkdir "$BUILD/layers/$1.$$"
	echo "$BUILD/layers/$1.$$"
}

# in_layer LAYER CMD...: run CMD in LAYER.
in_layer()
{
	local layer=$1

	shift
	need_root
	unshared sh "$TOP/tools/testing/install/layer.sh" "$layer" "$PACKAGING" "$ROOT" "$TOP" "$BUILD" "$@"
}
