#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scenario.sh SCENARIO NIC DRIVER VFS: runs one scenario of the bench in a fresh L1. Prints the output of
# mig_bench, and how it ended: "# end STATUS" or "# end hung".
set -eu

export NIC=$2
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../testvm/l1/nic.sh
. "$here/../../testvm/l1/nic.sh"

scenario=$1 driver=$3 vfs=$4
# Seconds of the virtual clock, which costs almost nothing while idle.
limit=600

# The PF would send its own packets at any time.
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
nic_up "$vfs" >&2
bdfs=()
for ((n = 0; n < vfs; n++)); do
	bdf=$(nic_vf "$n")
	nic_bind "$bdf" "$driver" >&2
	bdfs+=("$bdf")
done

# Output stays in memory until the end, so that writing it is not measured.
work=$(mktemp -d)
cp "$NIC_BUILD/bench/bin/mig_bench" "$work/"
echo "# kernel $(uname -r)"
echo "# processor $(sed -n 's/^model name.*: //p' /proc/cpuinfo)"
if read -r -t "$limit" status < <(
	ended=0
	"$work/mig_bench" "$scenario" "${bdfs[@]}" >"$work/out" 2>&1 </dev/null || ended=$?
	echo "$ended"
); then
	:
else
	status=hung
fi
# Only a complete line is a result.
sed 's/^/# /; s/^# \(bench \)/\1/; s/^# # /# /' "$work/out"
dmesg | grep -E '\b(WARNING|BUG|Oops|UBSAN|blocked for more than|too many write descriptors)\b' |
	sed 's/^/# kernel: /' || true
echo "# end $status"
[ "$status" = 0 ]
