#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Copies the results of the last "make bench" to Documentation/, for each NIC that has one.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../../testvm/lib.sh"

begin=".. The result begins here; make bench-doc writes it."
end=".. The result ends here."

put() # NAME: of the page, the result and the chart
{
	local name=$1 page=$TOP/Documentation/$1.rst mark

	for mark in "$begin" "$end"; do
		grep -qxF "$mark" "$page" || die "$page has no line \"$mark\"" "restore it"
	done
	awk -v begin="$begin" -v end="$end" -v result="$BUILD/$name.rst" '
		$0 == end { skip = 0 }
		!skip
		$0 == begin {
			skip = 1
			print ""
			while ((getline line <result) > 0)
				print line
			print ""
		}' "$page" >"$page.new"
	mv -- "$page.new" "$page"
	cp -- "$BUILD/$name.svg" "$TOP/Documentation/$name.svg"
	say "Documentation/$name.rst and $name.svg are those of $BUILD now"
}

none=1
for name in bench bench-mlx5; do
	[ -s "$BUILD/$name.rst" ] || continue
	put "$name"
	none=
done
[ -z "$none" ] || die "there is no result in $BUILD" "run make bench"
