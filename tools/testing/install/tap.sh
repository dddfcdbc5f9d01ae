# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced: one TAP document. begin; t NAME CMD...; end.

begin()
{
	tap_number=0
	tap_failed=0
	echo "TAP version 13"
}

# t NAME CMD...: passes when CMD succeeds; what it prints is shown when it fails.
t()
{
	local name=$1 out

	shift
	tap_number=$((tap_number + 1))
	if out=$("$@" 2>&1); then
		echo "ok $tap_number $name"
		return
	fi
	[ -z "$out" ] || printf '%s\n' "$out" | tail -n 40 | sed 's/^/# /'
	echo "not ok $tap_number $name"
	tap_failed=$((tap_failed + 1))
}

end()
{
	echo "1..$tap_number"
	[ "$tap_failed" = 0 ]
}
