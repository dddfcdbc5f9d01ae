# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the tests of the command in the VM.

_top=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=tools/testvm/l1/nic.sh
. "$_top/tools/testvm/l1/nic.sh"
# shellcheck source=tools/vfio-snapshot/tests/says.sh
. "$_top/tools/vfio-snapshot/tests/says.sh"
# Or another build of it, such as the one with sanitizers from "make check".
export PATH=${TOOL:-$NIC_BUILD/vfio-snapshot}:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The state is moved from the first VF to the second.
a=
b=

driver_of()
{
	basename "$(readlink "$NIC_PCI/devices/$1/driver" || echo none)"
}

has_driver() # BDF DRIVER
{
	[ "$(driver_of "$1")" = "$2" ] || { echo "its driver is $(driver_of "$1")"; return 1; }
}

override_is_clear() # BDF
{
	local override

	override=$(cat "$NIC_PCI/devices/$1/driver_override")
	[ -z "$override" ] || [ "$override" = "(null)" ] || { echo "driver_override is $override"; return 1; }
}

# why ANSWER "ID ..." BDF [RUN_BY...]: list gives this answer and these reasons, in order
why()
{
	json "j[0]['migratable'] == '$1' and [w['id'] for w in j[0]['why']] == '$2'.split()" \
		"${@:4}" vfio-snapshot list --json "$3"
}

# know_module MODULE: make it look installed, until umount "$aliases".
know_module()
{
	aliases=/lib/modules/$(uname -r)/modules.alias
	{
		cat "$aliases"
		modinfo -F alias "$NIC_BUILD/modules$NIC_KERNEL/$1.ko" | sed "s/.*/alias & $1/"
	} >"$work/aliases"
	mount --bind "$work/aliases" "$aliases"
}

# lab PF REGISTER[+VF] VALUE
lab()
{
	python3 "$_top/tools/qemu/tests/labreg.py" "$@"
}

through_a_pipe()
{
	vfio-snapshot save "$a" - | vfio-snapshot restore "$b" -
}

# recorded CMD...: run it while a state is moved from $a to $b; its output is in $work/out.
recorded()
{
	"$@" >"$work/out" &
	sleep 2
	through_a_pipe
	kill -INT $!
	wait $!
}

no_complaint()
{
	! dmesg | grep -E 'BUG|WARNING|Oops|Call Trace'
}
