#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Everything that the demonstration and the tests need. What is there already is kept.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/lib.sh"

need_root
for step in testvm/build-root testvm/build-initramfs testvm/build-source testvm/build-qemu \
	    testvm/build-modules testing/migration/prepare; do
	start=$SECONDS
	"$TOP/tools/$step.sh"
	[ $((SECONDS - start)) -lt 2 ] || say "${step##*/}: $((SECONDS - start)) s"
done
