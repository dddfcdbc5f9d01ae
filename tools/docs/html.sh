#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# html.sh [OUTPUT]: build Documentation/ as HTML into $BUILD/htmldocs or OUTPUT. A warning is an error.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../testvm/lib.sh"

if [ -z "${VFIO_SNAPSHOT_IN_ROOT:-}" ]; then
	"$TOP/tools/testvm/setup.sh" root source sphinx
	in_root /vfio-snapshot/src/tools/docs/html.sh
	say "done: $BUILD/htmldocs/index.html"
	exit
fi

out=${1:-$BUILD/htmldocs}
# The kernel-doc tool is in the kernel source, the comments that it reads are in the checkout.
export srctree=$BUILD/linux-source
export PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH=$BUILD/sphinx/usr/lib/python3/dist-packages:$srctree/Documentation/sphinx
rm -rf -- "$out"
exec python3 -m sphinx -q -W --keep-going -b html -d "$out.doctrees" "$TOP/Documentation" "$out"
