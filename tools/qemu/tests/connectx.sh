#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The emulated ConnectX with Linux's own drivers, as TAP: mlx5_core drives the PF and creates all VFs, the
# upstream mlx5_vfio_pci migrates them, driven by our kselftests. Runs in L1; elsewhere it boots L1 first.
# Arguments, if any, are the kselftests to run. Another test moves a state of VFIO_SNAPSHOT_STATE_MIB (64).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
if ! grep -q vfio_snapshot.run /proc/cmdline; then
	"$top/tools/testvm/build-modules.sh" upstream-mlx5
	"$top/tools/testing/selftests/vfio_snapshot/prepare.sh"
	exec "$top/tools/testvm/vm.sh" -n connectx -t 600 -x -l -- \
		/vfio-snapshot/src/tools/qemu/tests/connectx.sh "$@"
fi
NIC_VENDOR=0x15b3
# shellcheck source=tools/testvm/l1/nic.sh
. "$top/tools/testvm/l1/nic.sh"
out=${KSELFTEST_OUT:-$NIC_BUILD/kselftest}
export MIG_TOOL=$out/mig_tool VFIO_SNAPSHOT_PEER=1
[ $# -gt 0 ] || set -- mig_engine_test mig_arcs_test mig_precopy_test mig_fd_test mig_roundtrip_test

number=0
failed=0

result() # STATUS NAME
{
	number=$((number + 1))
	[ "$1" = ok ] || failed=$((failed + 1))
	echo "$1 $number $2"
}

t() # NAME CMD...
{
	local name=$1 text status=ok

	shift
	text=$("$@" 2>&1) || status="not ok"
	[ "$status" = ok ] || printf '%s\n' "$text" | sed 's/^/# /'
	result "$status" "$name"
}

driver_is()
{
	[ "$(basename "$(readlink "$NIC_PCI/devices/$pf/driver")")" = "$1" ]
}

core_up()
{
	modprobe mlx5_core && driver_is mlx5_core
}

vfs_up() # COUNT
{
	echo 0 >"$NIC_PCI/devices/$pf/sriov_drivers_autoprobe" &&
	echo "$1" >"$NIC_PCI/devices/$pf/sriov_numvfs" &&
	[ "$(cat "$NIC_PCI/devices/$pf/sriov_numvfs")" = "$1" ]
}

core_again()
{
	echo 0 >"$NIC_PCI/devices/$pf/sriov_numvfs" && rmmod mlx5_core && core_up
}

# mlx5_core reads the firmware's capabilities when it probes the PF.
features() # VALUE
{
	python3 "$here/labreg.py" "$pf" FEATURES "$1"
}

bind_two()
{
	nic_bind "$(nic_vf 0)" mlx5_vfio_pci && nic_bind "$(nic_vf 1)" mlx5_vfio_pci
}

leave_two()
{
	nic_unbind "$(nic_vf 0)" && nic_unbind "$(nic_vf 1)" && rmmod mlx5_vfio_pci
}

# Messages of mlx5_core and others at the level of an error or worse. Tests reset a VF while a SAVE is
# under way. The firmware refuses that SAVE, as the VF runs or has no session; this message is expected.
log()
{
	dmesg "$@" | grep -v 'SAVE_VHCA_STATE(0x118) .*syndrome (0x5afe0[23])'
}

no_errors()
{
	! log --level=emerg,alert,crit,err | grep -E 'mlx5|vfio|DMAR' &&
	! log | grep -E 'WARNING:|BUG:|DMAR:.*fault|mlx5_core.*(failed|timeout|compromised)'
}

no_oops()
{
	! log | grep -E 'WARNING:|BUG:|DMAR:.*fault'
}

kselftest() # PROGRAM
{
	local line plan=0 seen=0

	while IFS= read -r line; do
		case $line in
		"ok "*) result ok "$1: ${line#ok * }"; seen=$((seen + 1)) ;;
		"not ok "*) result "not ok" "$1: ${line#not ok * }"; seen=$((seen + 1)) ;;
		1..*) plan=${line#1..} plan=${plan%% *} ;;
		"TAP version"*) ;;
		*) echo "# ${line#"# "}" ;;
		esac
	done < <(timeout 600 "$out/$1" "$(nic_vf 0)" "$(nic_vf 1)" 2>&1 </dev/null)
	if [ "$plan" != "$seen" ] || [ "$seen" = 0 ]; then
		result "not ok" "$1: ended after $seen of $plan tests"
	fi
}

echo "TAP version 13"
pf=$(nic_pf)
echo 1 >"$NIC_PCI/devices/$pf/enable"
every=$(python3 "$here/labreg.py" "$pf" FEATURES)
t "the lab block hides the chunks" features $((every & ~16))
echo 0 >"$NIC_PCI/devices/$pf/enable"
t "mlx5_core takes the PF" core_up
t "mlx5_core makes 16 VFs" vfs_up 16
t "mlx5_vfio_pci takes two VFs" bind_two
VFIO_SNAPSHOT_CHUNKS=0 kselftest mig_size_test
# mlx5_vfio_pci keeps mlx5_core from being unloaded.
t "mlx5_vfio_pci releases two VFs" leave_two
t "the lab block hides nothing" features "$every"
t "mlx5_core can be unloaded and loaded again" core_again
t "mlx5_core makes 16 VFs again" vfs_up 16
t "the kernel logged no error" no_errors
t "mlx5_vfio_pci takes two VFs" bind_two
VFIO_SNAPSHOT_CHUNKS=1 kselftest mig_size_test
for program; do
	kselftest "$program"
done
t "the kernel still logged no error" no_errors
# mlx5_core logs errors in this one, as it should.
kselftest mig_health_test
t "no other part of the kernel logged an error" no_oops
echo "1..$number"
[ "$failed" = 0 ]
