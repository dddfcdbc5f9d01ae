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
	# proof_query_tells_the_walk checks all accesses of snapshot_arc_next(), for all arguments. Checking
	# them again doubles the time of the other proofs about walks.
	case $proof in
	proof_walk_*) checks=--no-standard-checks ;;
	*) checks=--conversion-check ;;
	esac
	# A walk has at most four arcs, so the loop in snapshot_arc_query() makes at most three rounds.
	if cbmc --function "$proof" --unwind 20 --unwindset snapshot_arc_query.0:4 --unwinding-assertions \
		--slice-formula "$checks" --trace \
		-I "$here/../../include" -I "$here/../../../include" "$here/arcs_proof.c" >"$log" 2>&1; then
		echo "ok $n $proof"
	else
		echo "not ok $n $proof"
		grep -E 'FAILURE|error|Assumption|^  [a-z_]+=' "$log" | tail -n 60 | sed 's/^/# /'
		failed=1
	fi
done
exit $failed
