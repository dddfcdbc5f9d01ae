#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Build the debug kernel, with KASAN, lockdep, kmemleak and fault injection; see kernel.sh.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

kernel=debug-kernel
# What the machine needs, what finds faults, and what the tests need.
parts=("$TOP/tools/testvm/debug-kernel.config" "$TOP/tools/testvm/checkers.config"
	"$TOP/tools/testing/selftests/vfio_snapshot/config")
image=arch/x86/boot/bzImage
objects=1400
about="7 minutes on 2 cores"
# shellcheck source=tools/testvm/kernel.sh
. "$TOP/tools/testvm/kernel.sh"
build_kernel "$@"
