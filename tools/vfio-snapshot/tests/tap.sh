# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# TAP for the tests of the command.

tap_number=0
tap_failed=0

# ok NAME CMD...: one test, which passes when CMD does. What CMD prints is shown if it does not.
ok()
{
	local name=$1 output status=0

	shift
	tap_number=$((tap_number + 1))
	output=$("$@" 2>&1) || status=$?
	if [ "$status" = 0 ]; then
		echo "ok $tap_number $name"
		return
	fi
	printf '%s\n' "$output" | head -n 60 | sed 's/^/# /'
	echo "not ok $tap_number $name"
	tap_failed=$((tap_failed + 1))
}

# ends STATUS CMD...: it ends with that exit code.
ends()
{
	local want=$1 status=0

	shift
	"$@" </dev/null || status=$?
	[ "$status" = "$want" ] || { echo "exit code $status, not $want: $*"; return 1; }
}

# says STATUS TEXT CMD...: and says that.
says()
{
	local want=$1 text=$2 output status=0

	shift 2
	output=$("$@" 2>&1 </dev/null) || status=$?
	[ "$status" = "$want" ] && [[ $output == *"$text"* ]] && return
	printf '%s\n' "exit code $status, not $want; or not a word of: $text" "$output"
	return 1
}

# json EXPRESSION CMD...: what it prints is JSON of which EXPRESSION (of Python, j) is true.
json()
{
	local expression=$1 output

	shift
	output=$("$@" </dev/null) || true
	python3 -c 'import json, sys
j = json.loads(sys.argv[2])
if not eval("(" + sys.argv[1] + ")"):
    sys.exit(sys.argv[1] + " is not so of\n" + sys.argv[2])' "$expression" "$output"
}

tap_end()
{
	echo "1..$tap_number"
	[ "$tap_failed" = 0 ]
}
