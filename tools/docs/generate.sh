#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# generate.sh [FOLDER]: write the generated parts of Documentation/driver-api, in place or into FOLDER.
# Needs a C compiler and python3.
set -eu

top=$(cd "$(dirname -- "$0")/../.." && pwd)
core=$top/drivers/vfio/pci/snapshot
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror -I"$core" -I"$top/tools/include" -I"$top/include" \
	"$top/tools/docs/dump.c" "$core/arcs.c" "$core/format.c" -o "$work/dump"
export PYTHONDONTWRITEBYTECODE=1
out=${1:-$top/Documentation/driver-api}
python3 "$top/tools/docs/generate.py" "$work/dump" "$out"
python3 "$top/tools/docs/commands.py" "$top" "$out"
