# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# To be sourced: runs commands as tests and prints TAP. tap_begin; t NAME CMD...; tap_end.

# tap_begin [TESTS]: TESTS is how many there will be, if known.
tap_begin()
{
	tap_number=0
	tap_failed=0
	tap_plan=${1:-}
	echo "TAP version 13"
	[ -z "$tap_plan" ] || echo "1..$tap_plan"
}

# tap_result STATUS NAME OUTPUT: print one result, and the end of OUTPUT if it failed.
tap_result()
{
	tap_number=$((tap_number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_number $2"
		return
	fi
	[ -z "$3" ] || printf '%s\n' "$3" | tail -n 60 | sed 's/^/# /'
	echo "not ok $tap_number $2"
	tap_failed=$((tap_failed + 1))
}

# t NAME CMD...: passes if CMD succeeds.
t()
{
	local name=$1 output status=0

	shift
	output=$("$@" 2>&1) || status=$?
	tap_result "$status" "$name" "$output"
}

# quiet CMD...: succeeds if CMD succeeds and prints nothing.
quiet()
{
	local output status=0

	output=$("$@" 2>&1) || status=$?
	[ -z "$output" ] || printf '%s\n' "$output"
	[ "$status" = 0 ] && [ -z "$output" ]
}

# skip NAME WHY
skip()
{
	tap_number=$((tap_number + 1))
	echo "ok $tap_number $1 # SKIP $2"
}

tap_end()
{
	[ -n "$tap_plan" ] || echo "1..$tap_number"
	[ "$tap_failed" = 0 ]
}
