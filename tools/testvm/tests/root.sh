#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Tests of the test root, as TAP: several processes use it at a time and do not disturb each other.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../lib.sh"
# shellcheck source=tools/testing/tap.sh
. "$TOP/tools/testing/tap.sh"

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT

# resolves_as_here_while CMD...: a process that entered the root before CMD still has the host's name
# resolution after it.
resolves_as_here_while()
{
	local in=$scratch/in go=$scratch/go

	mkfifo "$in" "$go"
	# shellcheck disable=SC2016 # expanded in the root
	in_root sh -c 'echo here >&2; read -r _; exec cat /etc/resolv.conf' \
		<"$go" >"$scratch/resolv.conf" 2>"$in" &
	exec 7>"$go"
	read -r _ <"$in"
	"$@" || return
	exec 7>&-
	wait $! || return
	rm -f -- "$in" "$go"
	cmp /etc/resolv.conf "$scratch/resolv.conf"
}

# Many at once, and often enough to meet during the setup of the root.
enter_many()
{
	local i
	local -a pids=()

	for i in $(seq 24); do
		in_root true &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || return
	done
}

tap_begin 2
t name_resolution_outlasts_others_that_enter resolves_as_here_while in_root true
t many_enter_at_once enter_many
tap_end
