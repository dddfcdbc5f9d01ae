# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced: checks for the tests of the command.

# shellcheck source=tools/testing/tap.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../testing/tap.sh"

# ends STATUS CMD...: it has that exit code.
ends()
{
	local want=$1 status=0

	shift
	"$@" </dev/null || status=$?
	[ "$status" = "$want" ] || { echo "exit code $status, not $want: $*"; return 1; }
}

# says STATUS TEXT CMD...: it has that exit code and prints the text.
says()
{
	local want=$1 text=$2 output status=0

	shift 2
	output=$("$@" 2>&1 </dev/null) || status=$?
	[ "$status" = "$want" ] && [[ $output == *"$text"* ]] && return
	printf '%s\n' "exit code $status, not $want; or not a word of: $text" "$output"
	return 1
}

# json EXPRESSION CMD...: it prints JSON for which the Python EXPRESSION of j is true.
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
