#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The tests of vfio-snapshot on the VM's ConnectX: what is not as with the other NIC; TAP. The NIC
# must have its lab block.
set -eu

NIC=connectx
# shellcheck source=tools/vfio-snapshot/tests/vf.sh
. "$(dirname -- "$0")/vf.sh"
ours=mlx5_snapshot_vfio_pci

tap_begin
echo "# kernel $(uname -r)"
pf=$(nic_pf)
t "list: the PF before it has VFs" why no physical-function "$pf"
nic_up 2 >&2
a=$(nic_vf 0)
b=$(nic_vf 1)
t "list: the PF with VFs" why no physical-function-with-vfs "$pf"
t "list: module not installed" why no "module-not-installed no-driver-bound" "$a"
know_module "$ours"
t "list: module not loaded" why no "module-not-loaded no-driver-bound" "$a"
nic_load "$ours"
t "bind: two VFs" ends 0 vfio-snapshot bind "$a" "$b"
t "bind: done" has_driver "$a" "$ours"
t "list: can be migrated" why yes "" "$a"
t "list: ... with all features" json "len(j[0]['flags']) == 3" vfio-snapshot list --json "$a"
t "list: both kinds of NIC" json "{f['id'] for f in j} >= {'15b3:101e', '1af4:1041'}" \
	vfio-snapshot list --json
t "arcs: as the driver says" json "j['source'] == 'driver' and len(j['arcs']) == 40 and
	len([a for a in j['arcs'] if a['direct']]) == 15" vfio-snapshot arcs --json "$a"
vfio-snapshot arcs "$a" | tail -n +2 >"$work/arcs"

# Not only what fits into one window of the firmware.
lab "$pf" VF_PAD+0 $((20 << 20))
t "save" says 0 "bytes saved" vfio-snapshot save "$a" "$work/state"
t "save: what it wrote is whole" json "j['complete'] and j['ident']['device'] == '15b3:101e' and
	j['ident']['backend'] == 'mlx5' and j['data_bytes'] > 20 << 20 and
	len([r for r in j['record_list'] if r['tag'] == 0]) == 3" \
	vfio-snapshot info --json "$work/state"
t "restore" says 0 "bytes accepted" vfio-snapshot restore "$b" "$work/state"
head -c -20 "$work/state" >"$work/cut"
t "restore: an incomplete state" says 1 "incomplete" vfio-snapshot restore "$b" "$work/cut"
{ head -c 200 "$work/state"; printf '\x42'; tail -c +202 "$work/state"; } >"$work/refused"
t "restore: that the firmware refuses" says 1 "not accepted" vfio-snapshot restore "$b" "$work/refused"
t "restore: the device is fine after that" why yes "" "$b"

t "timeline: recorded until interrupted" recorded vfio-snapshot timeline --json --svg "$work/timeline.svg"
t "timeline: both devices, and all that was moved" json "{d['device'] for d in j['devices']} == {'$a', '$b'} and
	all(s['result'] == 0 for d in j['devices'] for s in d['commands'] + d['arcs']) and
	max(d['saved_bytes'] for d in j['devices']) == max(d['loaded_bytes'] for d in j['devices']) > 20 << 20" \
	cat "$work/out"
t "timeline: a picture" python3 -c "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])" \
	"$work/timeline.svg"
t "watch" recorded vfio-snapshot watch
t "watch: says what was moved" grep -q "$a.*STOP_COPY .* save .*#\]$" "$work/out"

# The upstream driver can be migrated but not asked.
nic_load mlx5_vfio_pci
vfio-snapshot unbind "$a" >/dev/null
t "bind: the upstream driver" ends 0 vfio-snapshot bind --driver mlx5_vfio_pci "$a"
t "list: the upstream driver" why yes "" "$a"
t "arcs: computed, and the same" diff "$work/arcs" <(vfio-snapshot arcs "$a" | tail -n +2)
t "save: the upstream driver" ends 0 vfio-snapshot save "$a" "$work/upstream"
t "info: a stream of the upstream driver" json "j['complete'] and j['ident'] is None" \
	vfio-snapshot info --json "$work/upstream"
t "restore: a stream of the upstream driver" ends 0 vfio-snapshot restore "$b" "$work/upstream"
vfio-snapshot unbind "$a" "$b" >/dev/null

# What its firmware makes of it.
not_migratable() # FEATURES IN_THE_LOG
{
	lab "$pf" FEATURES "$1"
	vfio-snapshot bind "$a" >/dev/null || return 1
	why no vf-not-migratable "$a" || return 1
	dmesg | grep -q "$a: cannot be migrated: $2" || return 1
	vfio-snapshot unbind "$a" >/dev/null
}
t "list: the VF is not let migrate" not_migratable $((63 - 2)) "migratable is off for this VF"
lab "$pf" RESET 1
t "the kernel did not complain" no_complaint
umount "$aliases"
tap_end
