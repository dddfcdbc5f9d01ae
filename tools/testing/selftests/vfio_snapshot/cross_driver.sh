#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Saves a device's state under one driver and loads it under the other.
#   cross_driver.sh BDF1 BDF2 OURS PEER
#   NIC_SH    the file with nic_bind
#   MIG_TOOL  the program mig_tool
set -eu

[ $# -ge 4 ] || { echo "usage: cross_driver.sh BDF1 BDF2 OURS PEER" >&2; exit 2; }
first=$1 second=$2 ours=$3 peer=$4
# shellcheck source=tools/testvm/l1/nic.sh
. "${NIC_SH:?names the file with nic_bind}"
tool=${MIG_TOOL:-$(dirname "$0")/mig_tool}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Driver $2 loads what $1 saved and saves the same data; $1 loads that again.
from_to()
{
	nic_bind "$first" "$1"
	nic_bind "$second" "$2"
	"$tool" save "$first" "$tmp/saved"
	"$tool" resave "$second" "$tmp/saved" "$tmp/again"
	"$tool" data "$tmp/saved" "$tmp/saved.data"
	"$tool" data "$tmp/again" "$tmp/again.data"
	[ -s "$tmp/saved.data" ]
	cmp "$tmp/saved.data" "$tmp/again.data"
	"$tool" load "$first" "$tmp/again"
}

# The same with PRE_COPY: $2 loads all records, on a ConnectX also the one with the size (tag 1), and
# saves what a save of the stopped source gives.
from_to_ahead()
{
	nic_bind "$first" "$1"
	nic_bind "$second" "$2"
	"$tool" presave "$first" "$tmp/saved" "$tmp/plain"
	[ "${NIC:-}" != connectx ] || "$tool" has "$tmp/saved" 1
	"$tool" resave "$second" "$tmp/saved" "$tmp/again"
	"$tool" data "$tmp/plain" "$tmp/plain.data"
	"$tool" data "$tmp/again" "$tmp/again.data"
	[ -s "$tmp/plain.data" ]
	cmp "$tmp/plain.data" "$tmp/again.data"
}

# Not called in a condition, where bash would not stop at the first failure.
case ${7:-} in
from_to) from_to "$5" "$6"; exit ;;
from_to_ahead) from_to_ahead "$5" "$6"; exit ;;
esac

number=0 failed=0
check() # FROM TO HOW NAME
{
	number=$((number + 1))
	if bash "$0" "$first" "$second" "$ours" "$peer" "$1" "$2" "$3" >"$tmp/log" 2>&1; then
		echo "ok $number $4"
	else
		failed=1
		sed 's/^/# /' "$tmp/log"
		echo "not ok $number $4"
	fi
}

echo "TAP version 13"
echo "1..6"
check "$ours" "$peer" from_to "a state saved under $ours loads under $peer and comes back"
check "$peer" "$ours" from_to "a state saved under $peer loads under $ours and comes back"
check "$ours" "$ours" from_to "a state saved under $ours loads under $ours and comes back"
check "$ours" "$peer" from_to_ahead "a migration with precopy goes from $ours to $peer"
check "$peer" "$ours" from_to_ahead "a migration with precopy goes from $peer to $ours"
check "$ours" "$ours" from_to_ahead "a migration with precopy goes from $ours to $ours"
exit $failed
