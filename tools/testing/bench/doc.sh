#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Puts the result of the last "make bench" into Documentation/.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../../testvm/lib.sh"

page=$TOP/Documentation/bench.rst
begin=".. The result begins here; make bench-doc writes it."
end=".. The result ends here."

[ -s "$BUILD/bench.rst" ] || die "there is no result in $BUILD" "run make bench"
for mark in "$begin" "$end"; do
	grep -qxF "$mark" "$page" || die "$page has no line \"$mark\"" "restore it"
done
awk -v begin="$begin" -v end="$end" -v result="$BUILD/bench.rst" '
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
cp -- "$BUILD/bench.svg" "$TOP/Documentation/bench.svg"
say "Documentation/bench.rst and bench.svg are those of $BUILD now"
