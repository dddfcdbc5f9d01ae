#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the emulated NICs without a guest, as TAP; they take seconds. Arguments select tests.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../../testvm/lib.sh"

"$TOP/tools/testvm/build-qemu.sh"
in_root env PYTHONDONTWRITEBYTECODE=1 timeout --kill-after=5 240 \
	python3 /vfio-snapshot/src/tools/qemu/tests/main.py \
	/vfio-snapshot/build/qemu/qemu-system-x86_64 "$@"
