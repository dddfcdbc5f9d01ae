#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# run.sh [-l] [-k] [FILE|NAME...]: puts each fault of the file "faults" into a copy of the checkout, runs the
# suites that should notice, and prints the faults that no suite noticed; TAP. With FILEs or NAMEs, only
# these faults.
#   -l  only checks that each fault can still be put in
#   -k  only those that survived the last run
# A suite that cannot be set up, because the fault does not compile, is a failure of the list.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../../testvm/lib.sh"

list=$TOP/tools/testing/mutants/faults
survivors=$BUILD/mutants/survivors
log=$BUILD/logs/mutants.log
# Seconds for the suites of one fault: one that hangs is noticed, too.
limit=1500

only_apply=
only_survivors=
while [ $# -gt 0 ]; do
	case $1 in
	-l) only_apply=1 ;;
	-k) only_survivors=1 ;;
	-*) sed -n '3,8s/^# //p' "$0" >&2; exit 2 ;;
	*) break ;;
	esac
	shift
done

# put_in NUMBER FILE: FILE with the fault of the hunk with this number, which must be there once.
put_in()
{
	awk -v number="$1" '
		function trim(line) { gsub(/^[ \t]+|[ \t]+$/, "", line); return line }
		function fits(at, i)
		{
			for (i = 1; i <= n; i++)
				if (trim(text[at + i - 1]) != old[i])
					return 0
			return 1
		}
		NR == FNR {
			if (/^@ /)
				hunk++
			else if (hunk == number && /^[ -]/)
				old[++n] = trim(substr($0, 2))
			if (hunk == number && /^[ +]/)
				new = new trim(substr($0, 2)) "\n"
			next
		}
		{ text[++lines] = $0 }
		END {
			for (at = 1; at <= lines - n + 1; at++)
				if (fits(at)) {
					where = at
					places++
				}
			if (places != 1 || !n) {
				printf "%d places fit\n", places >"/dev/stderr"
				exit 1
			}
			for (at = 1; at <= lines; at++) {
				if (at == where)
					printf "%s", new
				if (at < where || at >= where + n)
					print text[at]
			}
		}' "$list" "$2"
}

# notices SUITE...: whether a suite fails; 2 if one cannot be set up.
notices()
{
	local status=0

	timeout -k 10 "$limit" "$copy/tools/testing/check.sh" -j 2 "$@" >"$log" 2>&1 || status=$?
	! grep -Eq '^set-up +0 passed +1 failed|:[0-9]+: error: ' "$log" || return 2
	[ $status != 0 ]
}

locked mutants
export VFIO_SNAPSHOT_BUILD=$BUILD
mkdir -p "$BUILD/mutants" "$BUILD/logs"
# Not in the build folder: what was built knows a file by its place below the checkout.
copy=$(mktemp -d)
trap 'rm -rf -- "$copy"' EXIT
git -C "$TOP" ls-files -z | tar -C "$TOP" --null -T - -cf - | tar -C "$copy" -xf -

mapfile -t hunks < <(sed -n 's/^@ //p' "$list")
chosen=()
for i in "${!hunks[@]}"; do
	read -r file name _ <<<"${hunks[i]}"
	[ $# = 0 ] || [[ " $* " == *" $file "* || " $* " == *" $name "* ]] || continue
	[ -z "$only_survivors" ] || grep -qxF "$file $name" "$survivors" || continue
	chosen+=("$i")
done
[ ${#chosen[@]} -gt 0 ] || die "there is no such fault" "the list is $list"
[ -n "$only_apply" ] || : >"$survivors"

echo "TAP version 13"
echo "1..${#chosen[@]}"
n=0
failed=0
for i in "${chosen[@]}"; do
	read -r file name suites <<<"${hunks[i]}"
	n=$((n + 1))
	status=0
	begin=$SECONDS
	if ! put_in $((i + 1)) "$TOP/$file" >"$copy/$file"; then
		status=3
	elif [ -z "$only_apply" ]; then
		# shellcheck disable=SC2086 # a list
		notices $suites || status=$?
	fi
	cp -- "$TOP/$file" "$copy/$file"
	case $status in
	0) result=ok why="# $suites, $((SECONDS - begin)) s" ;;
	1) result="not ok" why="# survives $suites"; echo "$file $name" >>"$survivors" ;;
	2) result="not ok" why="# cannot be set up" ;;
	*) result="not ok" why="# cannot be put in" ;;
	esac
	[ "$status" = 0 ] || failed=$((failed + 1))
	[ "$status" != 2 ] || tail -n 20 "$log" | sed 's/^/# /'
	echo "$result $n $file $name $why"
done
exit $((failed > 0))
