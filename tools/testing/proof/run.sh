#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Prove every proof_* of arcs_proof.c with CBMC; TAP. Runs where cbmc is: in the test root.
set -eu

here=$(cd -- "$(dirname -- "$0")" && pwd)
proofs=$(sed -n 's/^void \(proof_[a-z_]*\)(void)$/\1/p' "$here/arcs_proof.c")
log=$(mktemp)
trap 'rm -f -- "$log"' EXIT

echo "TAP version 13"
echo "1..$(printf '%s\n' "$proofs" | wc -l)"
n=0
failed=0
for proof in $proofs; do
	n=$((n + 1))
	if cbmc --function "$proof" --unwind 20 --unwinding-assertions --slice-formula --bounds-check --pointer-check \
		--signed-overflow-check --conversion-check --trace \
		-I "$here/../../include" -I "$here/../../../include" "$here/arcs_proof.c" >"$log" 2>&1; then
		echo "ok $n $proof"
	else
		echo "not ok $n $proof"
		grep -E 'FAILURE|error|Assumption|^  [a-z_]+=' "$log" | tail -n 60 | sed 's/^/# /'
		failed=1
	fi
done
exit $failed
