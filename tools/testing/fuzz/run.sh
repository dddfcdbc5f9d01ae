#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# run.sh [RUNS]: build the fuzzer with clang's libFuzzer, run it RUNS times from the corpus; TAP.
# Its findings stay in the working folder: $OUTPUT or a temporary one.
set -eu

here=$(cd -- "$(dirname -- "$0")" && pwd)
top=$here/../../..
lib=$top/tools/testing/selftests/vfio_snapshot/lib
runs=${1:-2000000}
work=${OUTPUT:-$(mktemp -d)}
mkdir -p "$work/found"
cd "$work"

echo "TAP version 13"
echo "1..1"
clang -g -O1 -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	-I "$top/tools/include" -I "$top/include" -I "$top/drivers/vfio/pci/snapshot" -I "$lib" \
	"$here/format_fuzz.c" "$lib/judge.c" "$top/drivers/vfio/pci/snapshot/format.c" -o format_fuzz

# The seed makes a failure in CI repeatable. New inputs go to found/, not into the tree.
if ./format_fuzz -seed=1 -runs="$runs" -max_len=4096 found "$here/corpus" >fuzz.log 2>&1; then
	grep -E 'DONE' fuzz.log | sed 's/^/# /'
	echo "ok 1 the parser and a second reader agree on $runs streams"
else
	tail -n 30 fuzz.log | sed 's/^/# /'
	echo "not ok 1 the parser and a second reader agree on $runs streams"
	exit 1
fi
