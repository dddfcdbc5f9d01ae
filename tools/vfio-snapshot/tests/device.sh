#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The tests of vfio-snapshot on the VM's NIC; TAP. The NIC must have its lab block.
set -eu

# shellcheck source=tools/vfio-snapshot/tests/vf.sh
. "$(dirname -- "$0")/vf.sh"
ours=virtio_snapshot_vfio_pci

tap_begin
echo "# kernel $(uname -r)"
pf=$(nic_pf)
t "list: the PF before it has VFs" why no physical-function "$pf"
nic_up 4 >&2
a=$(nic_vf 0)
b=$(nic_vf 1)
t "list: the PF with VFs" why no physical-function-with-vfs "$pf"

# The module is nowhere, then installed, then loaded.
t "list: module not installed" why no "module-not-installed no-driver-bound" "$a"
t "bind: without the module" says 1 "cannot be loaded" vfio-snapshot bind "$a"
t "bind: ... leaves no driver" has_driver "$a" none
t "bind: ... and no override" override_is_clear "$a"
know_module "$ours"
t "list: module not loaded" why no "module-not-loaded no-driver-bound" "$a"
nic_load "$ours"
t "list: no driver bound" why no no-driver-bound "$a"
t "list: the host's own NIC is not shown" json "len(j) == 5" vfio-snapshot list --json
t "list: --all shows it" json "len(j) > 5" vfio-snapshot list --json --all

t "bind: two VFs" ends 0 vfio-snapshot bind "$a" "${b#0000:}"
t "bind: the first" has_driver "$a" "$ours"
t "bind: the second" has_driver "$b" "$ours"
t "bind: a second time" ends 0 vfio-snapshot bind "$a"
t "bind: the PF" says 1 "with 4 virtual functions" vfio-snapshot bind "$pf"
t "list: can be migrated" why yes "" "$a"
t "list: ... with all features" json "len(j[0]['flags']) == 3" vfio-snapshot list --json "$a"
t "list: ... exit code" ends 0 vfio-snapshot list "$a"

# A group that is open: in use, whoever opened it.
exec 7<>"/dev/vfio/$(basename "$(readlink "$NIC_PCI/devices/$a/iommu_group")")"
t "list: in use" why "in use" in-use "$a"
t "list: ... exit code" ends 3 vfio-snapshot list "$a"
t "save: in use" says 1 "in use by process $$" vfio-snapshot save "$a" "$work/state"
t "unbind: in use" says 1 "stop that first" vfio-snapshot unbind "$a"
t "bind: in use" says 1 "stop that first" vfio-snapshot bind --driver vfio-pci "$a"
t "list: busy, with a user who cannot be seen" why no busy "$a" \
	unshare --pid --fork --mount-proc sh -c 'exec 7>&- "$@"' sh
exec 7>&-
t "list: not permitted" why no not-permitted "$a" setpriv --reuid 65534 --clear-groups
t "list: no interface of VFIO" why no no-vfio-interface "$a" \
	unshare -m sh -c 'mount -t tmpfs none /dev/vfio && exec "$@"' sh

# arcs
t "arcs: as the driver says" json "j['source'] == 'driver' and len(j['arcs']) == 40 and
	len([a for a in j['arcs'] if a['direct']]) == 15" vfio-snapshot arcs --json "$a"
vfio-snapshot arcs "$a" | tail -n +2 >"$work/arcs"

# save, restore, info
t "save" says 0 "bytes saved" vfio-snapshot save "$a" "$work/state"
t "save: what it wrote is whole" json "j['complete'] and j['ident']['device'] == '1af4:1041' and
	len(j['record_list'][1]['parts']) > 20" vfio-snapshot info --json "$work/state"
t "restore" says 0 "bytes accepted" vfio-snapshot restore "$b" "$work/state"
t "restore: JSON" json "j['bytes'] == $(stat -c %s "$work/state")" \
	vfio-snapshot restore --json "$b" "$work/state"
t "save, restore: through a pipe" through_a_pipe
head -c -20 "$work/state" >"$work/cut"
t "restore: an incomplete state" says 1 "incomplete" vfio-snapshot restore "$b" "$work/cut"
{ head -c 20 "$work/state"; printf '\x42'; tail -c +22 "$work/state"; } >"$work/other"
t "restore: that of another kind of device" says 1 "another kind" vfio-snapshot restore "$b" "$work/other"
{ head -c 64 "$work/state"; printf '\x01\x05'; tail -c +67 "$work/state"; } >"$work/refused"
t "restore: that the firmware refuses" says 1 "not accepted" vfio-snapshot restore "$b" "$work/refused"
t "restore: the device is fine after that" why yes "" "$b"
t "save: into a folder that is not there" ends 1 vfio-snapshot save "$a" "$work/none/state"
nothing_half()
{
	! ls "$work"/state.* 2>/dev/null
}
t "save: leaves no temporary file" nothing_half

# watch, timeline
t "timeline: recorded until interrupted" recorded vfio-snapshot timeline --json --trace "$work/trace" \
	--svg "$work/timeline.svg"
t "timeline: both devices" json "{d['device'] for d in j['devices']} == {'$a', '$b'} and
	all(s['result'] == 0 for d in j['devices'] for s in d['commands'] + d['arcs']) and
	max(d['saved_bytes'] for d in j['devices']) == max(d['loaded_bytes'] for d in j['devices']) > 0" \
	cat "$work/out"
t "timeline: from the trace it kept, the same" diff "$work/out" \
	<(vfio-snapshot timeline --json --from "$work/trace")
t "timeline: a picture" python3 -c "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])" \
	"$work/timeline.svg"
t "watch" recorded vfio-snapshot watch
t "watch: says what was moved" grep -q "$a.*STOP_COPY .* save .*#\]$" "$work/out"
on_a_terminal()
{
	script -qec "vfio-snapshot watch" "$work/typescript" </dev/null >/dev/null &
	sleep 2
	through_a_pipe
	sleep 1
	pkill -INT -x vfio-snapshot
	wait $!
	# Drawn over: the cursor goes up a line for each device.
	grep -q $'\e\\[2A' "$work/typescript" && grep -q "$a.*#\]" "$work/typescript"
}
t "watch: on a terminal" on_a_terminal
t "watch: one device" recorded vfio-snapshot watch --json --seconds 60 "$b"
one_device()
{
	grep -q "\"device\": \"$b\"" "$work/out" && ! grep -q "\"device\": \"$a\"" "$work/out"
}
t "watch: ... and no other" one_device
no_instance_left()
{
	[ -z "$(ls /sys/kernel/tracing/instances)" ]
}
t "watch, timeline: leave no tracing behind" no_instance_left

# What binds, unbinds, and is put back.
modprobe vfio-pci
t "bind: another driver" ends 0 vfio-snapshot bind --driver vfio-pci "$b"
t "list: wrong driver" why no wrong-driver "$b"
t "arcs: cannot be migrated" says 3 "its driver is vfio-pci" vfio-snapshot arcs "$b"
t "bind: a driver that does not take it" says 1 "back as it was" vfio-snapshot bind --driver pcieport "$b"
t "bind: ... it has its driver again" has_driver "$b" vfio-pci
t "unbind: to no driver, as sriov_drivers_autoprobe is 0" says 0 "sriov_drivers_autoprobe is 0" \
	vfio-snapshot unbind "$b"
t "unbind: done" has_driver "$b" none
t "unbind: the override is gone" override_is_clear "$b"
t "unbind: a second time" ends 0 vfio-snapshot unbind "$b"
echo 1 >"$NIC_PCI/devices/$pf/sriov_drivers_autoprobe"
t "unbind: to the host's driver" ends 0 vfio-snapshot unbind "$a"
t "unbind: ... which has it" has_driver "$a" virtio-pci
t "list: the host's driver" why no wrong-driver "$a"
t "bind: from the host's driver" ends 0 vfio-snapshot bind "$a"
t "bind: ... done" has_driver "$a" "$ours"
echo 0 >"$NIC_PCI/devices/$pf/sriov_drivers_autoprobe"

# The upstream driver can be migrated but not asked.
nic_load virtio_vfio_pci
vfio-snapshot unbind "$a" >/dev/null
t "bind: the upstream driver" ends 0 vfio-snapshot bind --driver virtio_vfio_pci "$a"
t "list: the upstream driver" why yes "" "$a"
t "arcs: computed" says 0 "computed" vfio-snapshot arcs "$a"
t "arcs: ... and the same" diff "$work/arcs" <(vfio-snapshot arcs "$a" | tail -n +2)
t "save: the upstream driver" ends 0 vfio-snapshot save "$a" "$work/upstream"
t "info: a stream of the upstream driver" json "j['complete'] and j['ident'] is None" \
	vfio-snapshot info --json "$work/upstream"
vfio-snapshot bind "$b" >/dev/null
t "restore: a stream of the upstream driver" ends 0 vfio-snapshot restore "$b" "$work/upstream"

# A NIC that is no VF.
plain=$(for device in "$NIC_PCI"/devices/*; do
	[ "$(cat "$device/vendor" "$device/device" | tr -d '\n')" = 0x1af40x1041 ] || continue
	[ -e "$device/physfn" ] || [ -e "$device/sriov_numvfs" ] || echo "${device##*/}"
done)
vfio-snapshot bind "$plain" >/dev/null
t "list: not a VF" why no not-a-vf "$plain"
t "save: not a VF" says 3 "not a virtual function" vfio-snapshot save "$plain" "$work/none"
vfio-snapshot unbind "$plain" >/dev/null
t "unbind: a NIC that is no VF, to its driver" has_driver "$plain" virtio-pci

# What is wrong with the PF.
rmmod virtio_net
t "list: the PF's device has no driver" why no pf-device-without-driver "$b"
vfio-snapshot unbind "$a" "$b" >/dev/null
# Its firmware answers the question for capabilities with an error: lab-regs.h.
firmware_without_device_parts()
{
	lab "$pf" FAIL_OPCODE 7 && lab "$pf" FAIL_STATUS 22 && lab "$pf" FAIL_FLAGS 2 && lab "$pf" FAIL_NTH 1
}
t "the firmware loses its device parts" firmware_without_device_parts
echo "$pf" >"$NIC_PCI/devices/$pf/driver/unbind"
echo "$pf" >"$NIC_PCI/drivers_probe"
nic_up 1 >&2
vfio-snapshot bind "$a" >/dev/null
t "list: the PF has no device parts" why no pf-without-device-parts "$a"
t "arcs: the PF has no device parts" says 3 "no device parts" vfio-snapshot arcs "$a"
t "the kernel did not complain" no_complaint
umount "$aliases"
tap_end
