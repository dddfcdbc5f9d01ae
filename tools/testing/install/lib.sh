# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the bash scripts here: the roots that packages are built and installed in. They are
# layers: a folder with what differs from the root, or the layer, that they stand on. See layer.sh.

# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../testvm/lib.sh"
# shellcheck disable=SC2034 # used by those that source this
INSTALL=$TOP/tools/testing/install

# Has Debian's packaging tools, libvirt, and the headers of trixie and of trixie-backports.
PACKAGING=$BUILD/packaging
# Has the headers of forky and sid, and the compiler that they want.
# shellcheck disable=SC2034
NEWER=$BUILD/newer-root

# new_layer NAME: an empty one, on PACKAGING. Used by several at a time a layer would break, so each
# process takes one of its own. Those of processes that were killed are swept up here.
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
