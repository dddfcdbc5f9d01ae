#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The NIC with Linux's own drivers, as TAP: virtio_pci and virtio_net drive the PF and all its VFs and
# move traffic between them. Runs in L1; elsewhere it boots L1 first.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
if ! grep -q vfio_snapshot.run /proc/cmdline; then
	# virtio_net uses as many queue pairs as there are CPUs.
	exec "$top/tools/testvm/vm.sh" -n nic-stock -t 240 -c 2 -- \
		/vfio-snapshot/src/tools/qemu/tests/stock.sh
fi
# shellcheck source=tools/testvm/l1/nic.sh
. "$top/tools/testvm/l1/nic.sh"
# shellcheck source=../../testing/tap.sh
. "$top/tools/testing/tap.sh"

# Puts VF N into its own network namespace, with the address 10.77.0.(10 + N).
vf_up()
{
	local vf net

	vf=$(nic_vf "$1") &&
	nic_bind "$vf" virtio-pci &&
	nic_wait 20 nic_has_netdev "$vf" &&
	net=$(nic_netdev "$vf") &&
	ip netns add "vf$1" &&
	ip link set "$net" netns "vf$1" name nic &&
	ip -n "vf$1" link set lo up &&
	ip -n "vf$1" addr add "10.77.0.$((10 + $1))/24" dev nic &&
	ip -n "vf$1" link set nic up
}

vfs_up()
{
	local i

	for i in $(seq 0 15); do
		vf_up "$i" || return 1
	done
}

pings()
{
	local out

	out=$("$@")
	printf '%s\n' "$out"
	grep -q ' 0% packet loss' <<<"$out" && ! grep -q duplicates <<<"$out"
}

all_vfs_answer()
{
	local i

	for i in $(seq 0 15); do
		pings ping -c 1 -W 5 "10.77.0.$((10 + i))" || return 1
	done
}

queues()
{
	[ "$(ip netns exec vf0 sh -c 'ls -d /sys/class/net/nic/queues/rx-*' | wc -l)" = "$1" ]
}

# Checks every byte of some parallel connections at the far end.
transfer()
{
	local server status=0

	ip netns exec vf1 python3 "$here/transfer.py" serve 10.77.0.11 &
	server=$!
	"$@" python3 "$here/transfer.py" send 10.77.0.11 4 2000000 || status=$?
	kill "$server"
	wait "$server" || true
	return "$status"
}

quiet_log()
{
	! dmesg | grep -E 'WARNING:|BUG:|DMAR:.*fault|not a head|admin command error'
}

tap_begin 8
t "virtio_pci takes the PF and creates 16 VFs" nic_up 16
t "virtio_net takes all VFs" vfs_up
t "the PF reaches every VF" all_vfs_answer
pairs=$(find "/sys/class/net/$(nic_netdev "$(nic_pf)")/queues" -name 'rx-*' | wc -l)
if [ "$pairs" -gt 1 ]; then
	t "a VF uses its $pairs queue pairs" queues "$pairs"
else
	skip "a VF uses all its queue pairs" "there is one queue pair, or one CPU"
fi
t "a flood of pings from VF to VF loses and duplicates none" \
	pings ip netns exec vf0 ping -q -f -c 1500 -W 5 10.77.0.11
t "connections from VF to VF are intact" transfer ip netns exec vf0
t "connections from the PF to a VF are intact" transfer
t "the kernel logged no error" quiet_log
tap_end
