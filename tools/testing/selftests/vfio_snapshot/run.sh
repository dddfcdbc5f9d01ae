#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs the kselftests of this folder on two VFs of the test VM's NIC and prints one TAP stream.
#   run.sh [core|faults|quick|PROGRAM...]
# Without arguments: core and faults; quick is a part of both. mig_failnth_test is in none of them,
# because some checkers do not survive it, so it needs its own boot. On other machines run the programs
# by hand: PROGRAM BDF [BDF2].
#   NIC            virtio (the default) or connectx: the emulated NIC
#   DRIVER         the driver to test (virtio_snapshot_vfio_pci, mlx5_snapshot_vfio_pci)
#   KSELFTEST_OUT  folder of the programs
#   VFIO_SNAPSHOT_MODE        how devices are opened: group or cdev
#   VFIO_SNAPSHOT_LAB=1       a NIC without a lab block is a failure, not a reason to skip tests
#   VFIO_SNAPSHOT_FAILNTH=1   likewise, a kernel without fault injection
#   VFIO_SNAPSHOT_CHUNKS=0    the firmware of the ConnectX does not save in chunks
# On the debug kernel, run.sh also checks for leaks and that lockdep is still on.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../../.." && pwd)
export NIC_SH=$top/tools/testvm/l1/nic.sh
export NIC=${NIC:-virtio}
# shellcheck source=tools/testvm/l1/nic.sh
. "$NIC_SH"
# shellcheck source=tools/testing/selftests/vfio_snapshot/kernel_reports.sh
. "$here/kernel_reports.sh"

# For each NIC: our driver, the upstream driver, and the ids in our driver's aliases
case $NIC in
virtio) ours=virtio_snapshot_vfio_pci peer=virtio_vfio_pci ids="1af4:1041 1af4:1042" ;;
connectx) ours=mlx5_snapshot_vfio_pci peer=mlx5_vfio_pci ids=15b3:101e ;;
*) echo "there is no NIC $NIC" >&2; exit 2 ;;
esac
driver=${DRIVER:-$ours}
out=${KSELFTEST_OUT:-$NIC_BUILD/kselftest}
test_modules=$NIC_BUILD/test-modules$NIC_KERNEL
export MIG_TOOL=$out/mig_tool
core="mig_probe_test mig_arcs_test mig_precopy_test mig_stream_test mig_fd_test mig_reset_test
	mig_roundtrip_test mig_arc_query_test mig_plain_test mig_blackout_test mig_save_fails_test
	mig_trace_test mig_messages_test cross_driver fsm kunit"
faults="mig_fault_test mig_dead_test mig_pairs_test mig_many_test mig_mutator_test mig_ways_test
	mig_bounds_test mig_splice_test mig_large_test mig_vanish_test"
# Only for the ConnectX
[ "$NIC" != connectx ] || core="mig_engine_test mig_async_test mig_windows_test mig_detach_test mig_health_test mig_no_log_test $core"
quick="mig_engine_test mig_async_test mig_detach_test mig_probe_test mig_arcs_test mig_precopy_test
	mig_stream_test mig_fd_test mig_roundtrip_test mig_arc_query_test mig_blackout_test
	mig_save_fails_test mig_messages_test mig_large_test mig_splice_test mig_windows_test mig_trace_test cross_driver"
# shellcheck disable=SC2086 # lists
case $* in
quick) set -- $quick ;;
'') set -- $core $faults ;;
core) set -- $core ;;
faults) set -- $faults ;;
esac

# Under emulation, KASAN and lockdep make a program many times slower.
limit=600
if is_debug_kernel; then
	limit=3600
	export VFIO_SNAPSHOT_SLOW=6
fi

number=0 failed=0 broken=''
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

result() # STATUS NAME
{
	number=$((number + 1))
	[ "$1" = ok ] || failed=$((failed + 1))
	echo "$1 $number $2"
}

check() # NAME CMD...
{
	local name=$1

	shift
	if "$@"; then
		result ok "$name"
	else
		result "not ok" "$name"
	fi
}

# Adds a program's TAP to this stream. A program that exits before the end of its plan fails.
merge() # NAME, TAP on stdin
{
	local name=$1 plan='' seen=0 line status

	while IFS= read -r line; do
		case $line in
		"ok "* | "not ok "*)
			seen=$((seen + 1))
			line=${line/#not ok /not_ok }
			read -r status _ line <<<"$line"
			result "${status/_/ }" "$name: $line"
			;;
		1..*) plan=${line#1..} plan=${plan%% *} ;;
		"TAP version"*) ;;
		"#"*) echo "$line" ;;
		*) echo "# $line" ;;
		esac
	done
	if [ "$plan" != "$seen" ]; then
		result "not ok" "$name: ended after $seen of ${plan:-an unknown number of} tests"
	fi
}

# Prints the kernel stacks of all tasks in uninterruptible sleep
show_stuck()
{
	local task

	for task in /proc/[0-9]*/task/*; do
		case $(sed 's/.*) //; s/ .*//' "$task/stat" 2>/dev/null) in
		D) echo "# stuck: $(cat "$task/comm")" && sed 's/^/#   /' "$task/stack" ;;
		esac
	done
}

# A program may hang in the kernel, where no signal reaches it, so every wait has a limit. After a hang
# run.sh ends, because the next programs would hang, too.
run_program() # NAME CMD...
{
	local name=$1 pid alarm

	shift
	"$@" >"$tmp/tap" 2>&1 </dev/null &
	pid=$!
	sleep "$limit" &
	alarm=$!
	wait -n "$pid" "$alarm" || true
	kill "$alarm" 2>/dev/null || true
	wait "$alarm" || true
	merge "$name" <"$tmp/tap"
	if kill -0 "$pid" 2>/dev/null; then
		show_stuck
		kill -9 "$pid"
		result "not ok" "$name: ended within its time"
		echo "1..$number"
		exit 1
	fi
}

param()
{
	cat "/sys/module/mig_fsm_test/parameters/$1"
}

fsm_agrees() # PARAMETER
{
	[ "$(param pairs)" = 256 ] && [ "$(param "$1")" = 0 ]
}

run_fsm()
{
	if ! modprobe vfio || ! insmod "$test_modules/mig_fsm_test.ko"; then
		result "not ok" "fsm: the test module loads"
		return
	fi
	check "fsm: the arc table equals vfio_mig_get_next_state() for all pairs and feature sets" \
		fsm_agrees arc_differences
	check "fsm: the written-out paths equal those of vfio_mig_get_next_state()" \
		fsm_agrees path_differences
	rmmod mig_fsm_test
}

# Loading the test module runs its suites. This stream gets their tests, with parameters as comments.
run_kunit()
{
	local suite

	if ! insmod "$NIC_BUILD/modules$NIC_KERNEL/vfio_snapshot_kunit.ko"; then
		result "not ok" "kunit: the test module loads"
		return
	fi
	for suite in stream walk fault; do
		merge "kunit $suite" < <(sed -n 's/^    //; t tap; d; :tap s/^ /# /; p' \
			"/sys/kernel/debug/kunit/vfio_snapshot_$suite/results")
	done
	rmmod vfio_snapshot_kunit
}

# The VIRTIO NIC that is neither our PF nor one of its VFs
plain_nic()
{
	local dev

	for dev in /sys/bus/pci/devices/*; do
		[ "$(cat "$dev/vendor" "$dev/device" | tr '\n' ' ')" = "0x1af4 0x1041 " ] || continue
		[ ! -e "$dev/sriov_totalvfs" ] && [ ! -e "$dev/physfn" ] || continue
		echo "${dev##*/}"
		return
	done
	return 1
}

# A NIC without device parts, bound to our driver
run_plain()
{
	local plain

	[ "$NIC" = virtio ] || return 0
	if ! plain=$(plain_nic) || ! nic_bind "$plain" "$ours" >&2; then
		result "not ok" "mig_plain_test: a NIC without device parts is bound"
		return
	fi
	run_program mig_plain_test "$out/mig_plain_test" "$plain"
	check "plain: the driver says once why the NIC cannot be migrated" \
		says_once "$plain: cannot be migrated: not a virtual function"
	nic_unbind "$plain"
}

bind_vfs() # COUNT
{
	local i

	for i in $(seq 0 $(($1 - 1))); do
		nic_bind "$(nic_vf "$i")" "$driver" || return 1
	done
}

# With all VFs that the PF supports; the other programs use two
run_many()
{
	if nic_up 16 >&2 && bind_vfs 16 >&2; then
		run_program mig_many_test "$out/mig_many_test" "$first"
	else
		result "not ok" "mig_many_test: 16 VFs are bound"
	fi
	nic_up 2 >&2
	bind_vfs 2 >&2
}

says_once() # TEXT
{
	[ "$(kernel_log | grep -c "$1")" = 1 ]
}

# libvirt finds a variant driver by this alias.
module_is_a_vfio_driver_for() # VENDOR:DEVICE
{
	modinfo -F alias "$NIC_BUILD/modules$NIC_KERNEL/$ours.ko" |
		grep -qi "^vfio_pci:v0000${1%:*}d0000${1#*:}sv\*sd\*bc\*sc\*i\*$"
}

unload() # MODULE...: fails when something still holds one
{
	local module

	for module; do
		[ -d "/sys/module/$module" ] || continue
		rmmod "$module" || return 1
	done
}

echo "TAP version 13"
echo "# kernel $(uname -r), devices opened by ${VFIO_SNAPSHOT_MODE:-group}, driver $driver"
kernel_log_begin
! is_debug_kernel || leaks_begin
nic_up 2 >&2
first=$(nic_vf 0)
second=$(nic_vf 1)
nic_bind "$first" "$driver" >&2
nic_bind "$second" "$driver" >&2

[ "$driver" != "$peer" ] || export VFIO_SNAPSHOT_PEER=1

lab_is_there()
{
	[ -e "$NIC_PCI/devices/$(nic_pf)/resource2" ]
}

if [ -n "${VFIO_SNAPSHOT_LAB:-}" ]; then
	check "the NIC has its lab block" lab_is_there
fi

for program; do
	begin=$SECONDS
	case $program in
	fsm)
		run_fsm
		;;
	kunit)
		# Debian's kernel has no KUnit.
		is_debug_kernel || continue
		run_kunit
		;;
	mig_plain_test)
		[ "$driver" = "$ours" ] || continue
		run_plain
		for id in $ids; do
			check "modules.alias: a VFIO driver for $id" \
				module_is_a_vfio_driver_for "$id"
		done
		;;
	mig_many_test)
		run_many
		;;
	cross_driver)
		[ "$driver" != "$peer" ] || continue
		run_program cross_driver bash "$here/cross_driver.sh" \
			"$first" "$second" "$ours" "$peer"
		;;
	*)
		run_program "$program" "$out/$program" "$first" "$second"
		;;
	esac
	kernel_log_is_clean || result "not ok" "$program: the kernel did not complain"
	! kernel_log | grep 'Oops' >/dev/null || broken=1
	kernel_log_begin
	echo "# $program took $((SECONDS - begin)) s"
done

# Unbinds the driver, and unloads its module if that works, while a program has a data fd open. Then
# the program uses the fd.
orphan_is_harmless() # save|load
{
	local pid ready status=0

	nic_bind "$first" "$driver"
	coproc ORPHAN { "$MIG_TOOL" orphan "$first" "$1"; }
	pid=$ORPHAN_PID
	read -r -t 20 ready <&"${ORPHAN[0]}" || ready=
	[ "$ready" = ready ] || status=1
	nic_unbind "$first"
	nic_unbind "$second"
	rmmod "$driver" 2>/dev/null || true
	# If the program did not start, bash has unset the variable.
	[ -z "${ORPHAN[1]:-}" ] || echo go >&"${ORPHAN[1]}" || status=1
	wait "$pid" || status=1
	return $status
}

if [ "$driver" = "$ours" ]; then
	check "a saving fd that outlives its driver is dead and harmless" orphan_is_harmless save
	check "a resuming fd that outlives its driver is dead and harmless" orphan_is_harmless load
fi

check "the kernel did not complain" kernel_log_is_clean
# After an oops, unbinding the device may wait for ever.
if [ -n "$broken" ] || kernel_log | grep 'Oops' >/dev/null; then
	echo "1..$number"
	exit 1
fi
nic_unbind "$first"
nic_unbind "$second"
check "the drivers unload" \
	unload "$ours" vfio_snapshot "$peer"
if is_debug_kernel; then
	check "lockdep is still on" lockdep_is_on
	check "nothing leaked" nothing_leaked
	check "the kernel did not complain about the unload" kernel_log_is_clean
fi
echo "1..$number"
[ "$failed" = 0 ]
