#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Build the kernel of the KUnit tests; see kernel.sh. vmlinuz is a program, User Mode Linux.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

kernel=uml-kernel
parts=("$TOP/tools/testvm/uml-kernel.config" "$TOP/tools/testvm/checkers.config")
image=linux
objects=560
about="some minutes"
export ARCH=um
# shellcheck source=tools/testvm/kernel.sh
. "$TOP/tools/testvm/kernel.sh"
build_kernel "$@"
