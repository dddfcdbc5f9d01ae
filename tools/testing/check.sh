#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# check.sh [-j JOBS] [SUITE...]: set up what the suites need, run them, and sum up their TAP. "@NAME" is
# all suites of "make NAME". "SUITE:PROGRAM,..." runs only these kselftests in the machine of SUITE. The
# default is @check. The last line is "N passed, N failed", plus ", N skipped" if any were. JOBS suites
# (default 1) run at a time, each as soon as its needs are set up; while set-up runs, one fewer, but at
# least one. The output of suites does not mix.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../testvm/lib.sh"

src=/vfio-snapshot/src
vm_needs=root,initramfs,source,qemu,modules
iommufd_needs=root,initramfs,source,qemu,iommufd-kernel,iommufd-modules,kselftest
debug_needs=root,initramfs,source,qemu,debug-kernel,debug-modules,kselftest
selftests=$src/tools/testing/selftests/vfio_snapshot
# A fixed seed, so that only a change can turn a test red.
lab="env VFIO_SNAPSHOT_LAB=1 VFIO_SNAPSHOT_SEED=1"
group="$lab VFIO_SNAPSHOT_MODE=group $selftests/run.sh"
cdev="$lab VFIO_SNAPSHOT_MODE=cdev $selftests/run.sh"
# suite | part of make ... | steps of setup.sh it needs | time limit in seconds | where (root: the test
# root; vm: L1, with options of vm.sh; host: here, from the top of the checkout) | command
# Long suites come first, so that none runs alone at the end; those with nested guests after others that
# need little processor time, as set-up may still compile.
suites="
kselftest		check		$vm_needs,kselftest	1800	vm,-l	$group
cdev			check		$iommufd_needs		1800	vm,-l,-k,iommufd	$cdev core
kselftest-mlx5		check		$vm_needs,kselftest	1200	vm,-l,-x	env NIC=connectx $group quick
dirty			check		$iommufd_needs		1200	vm,-l,-x,-k,iommufd	$lab VFIO_SNAPSHOT_MODE=cdev $selftests/dirty.sh mlx5_snapshot_vfio_pci
sample			check		root,initramfs,source,modules,kselftest	900	host	tools/testing/selftests/vfio_snapshot/sample.sh
migration-tracked	check-debug	$debug_needs,migration	2700	vm,-m,2560,-x,-k,debug	env CONNECTX=1 $src/tools/testing/migration/run.sh --plan tracked --tracking device
migration-versions	check		$vm_needs,stock-qemu,migration 2700	vm	env NICS=2 $src/tools/testing/migration/run.sh --plan versions
migration		check		$vm_needs,migration	1800	vm,-l	env OTHER=virtio_vfio_pci $src/tools/testing/migration/run.sh
install-vm		check		$vm_needs,packaging,installed	1800	vm	$src/tools/testing/install/l1.sh
migration-both		check		$vm_needs,migration	1800	vm,-x	env NICS=2 CONNECTX=1 $src/tools/testing/migration/run.sh --plan both
migration-mlx5		check		$vm_needs,migration	1800	vm,-l,-x	env CONNECTX=1 $src/tools/testing/migration/run.sh --plan writes
install			check		root,packaging,installed	1200	host	tools/testing/install/run.sh
tool-vm			check		$vm_needs,tool		900	vm,-l	$src/tools/vfio-snapshot/tests/device.sh
tool-mlx5		check		$vm_needs,tool		900	vm,-l,-x	$src/tools/vfio-snapshot/tests/connectx.sh
connectx		check		$vm_needs,kselftest	1200	vm,-x,-l	$src/tools/qemu/tests/connectx.sh
kselftest-trixie	check		root,initramfs,qemu,trixie-kernel,trixie-modules,kselftest	1200	vm,-l,-w,-k,trixie	env VFIO_SNAPSHOT_CHUNKS=0 NIC=connectx $group mig_engine_test mig_roundtrip_test mig_precopy_test mig_many_test fsm
kunit			check		root,uml-kernel,uml-modules	600	root	$selftests/kunit.sh
lint			check		root,source		900	root	$src/tools/testing/lint.sh
proof			check		root			900	root	$src/tools/testing/proof/run.sh
kernels			check		root,packaging,newer-root	1200	host	tools/testing/install/check-kernels.sh
nic-stock		check		$vm_needs		900	vm	$src/tools/qemu/tests/stock.sh
tool			check		root			900	root	make -s -C $src/tools/vfio-snapshot check OUTPUT=/vfio-snapshot/build/vfio-snapshot-check
fuzz			check		root			900	root	env OUTPUT=/vfio-snapshot/build/fuzz $src/tools/testing/fuzz/run.sh
nic			check		root,qemu		900	root	$src/tools/qemu/tests/run.sh
docs			check		root,source,sphinx	900	root	$src/tools/docs/check.sh
bench-report		check		root			300	root	python3 $src/tools/testing/bench/report_test.py
unit			check		root			600	root	make -s -C $src/tools/testing/unit check OUTPUT=/vfio-snapshot/build/unit-root
test-root		check		root			300	host	tools/testvm/tests/root.sh
debug-mlx5-faults	check-debug	$debug_needs		7200	vm,-l,-x,-k,debug	env NIC=connectx $cdev faults
debug-core		check-debug	$debug_needs		2700	vm,-l,-k,debug	$cdev core
debug-dirty		check-debug	$debug_needs		2700	vm,-l,-x,-k,debug	$lab VFIO_SNAPSHOT_MODE=cdev $selftests/dirty.sh mlx5_snapshot_vfio_pci
debug-faults		check-debug	$debug_needs		6000	vm,-l,-k,debug	$cdev faults
debug-group		check-debug	$debug_needs		3000	vm,-l,-k,debug	$group mig_fd_test mig_reset_test mig_dead_test
debug-mlx5		check-debug	$debug_needs		4800	vm,-l,-x,-k,debug	env NIC=connectx $cdev core
migration-lost	check-debug	$debug_needs,migration	1800	vm,-m,2560,-l,-x,-k,debug	env CONNECTX=1 $src/tools/testing/migration/run.sh --plan writes --tracking device
debug-failnth		check-debug	$debug_needs		1200	vm,-l,-k,debug,-a,dma_debug=off	env VFIO_SNAPSHOT_FAILNTH=1 $group mig_failnth_test
debug-mlx5-failnth	check-debug	$debug_needs		1200	vm,-l,-x,-k,debug,-a,dma_debug=off	env NIC=connectx VFIO_SNAPSHOT_FAILNTH=1 $group mig_failnth_test
migration-all-versions check-debug	$vm_needs,stock-qemu,migration 900	vm	env NICS=2 $src/tools/testing/migration/run.sh --plan all-versions
migration-upstream	check-debug	$vm_needs,migration	800	vm	env DRIVER=virtio_vfio_pci $src/tools/testing/migration/run.sh --plan peer
migration-ours		check-debug	$vm_needs,migration	800	vm,-l	$src/tools/testing/migration/run.sh
debug-dirty-upstream	check-debug	$debug_needs		900	vm,-l,-x,-k,debug	$lab VFIO_SNAPSHOT_MODE=cdev $selftests/dirty.sh mlx5_vfio_pci
debug-dirty-group	check-debug	$debug_needs		900	vm,-l,-x,-k,debug	$lab VFIO_SNAPSHOT_MODE=group $selftests/dirty.sh mlx5_snapshot_vfio_pci
mlx5-whole		check-debug	$vm_needs,kselftest	3600	vm,-l,-w	env VFIO_SNAPSHOT_CHUNKS=0 NIC=connectx $group
debug-reports		check-debug	$debug_needs		600	vm,--no-nic,-k,debug	$selftests/kernel_reports_test.sh
tool-cdev		check-debug	$debug_needs,tool	400	vm,-k,debug	$src/tools/vfio-snapshot/tests/cdev.sh
"

# lookup SUITE: sets needs, limit, where, command.
lookup()
{
	local row programs

	row=$(printf '%s' "$suites" | awk -v want="${1%%:*}" '$1 == want')
	[ -n "$row" ] || die "there is no suite ${1%%:*}" \
		"the suites are: $(printf '%s' "$suites" | awk 'NF { printf "%s ", $1 }')"
	read -r _ _ needs limit where command <<<"$row"
	case $1 in *:*) programs=${1#*:} command="${command%/run.sh*}/run.sh ${programs//,/ }" ;; esac
}

# Replaces the calling subshell with the suite, so that this script is its parent.
exec_suite()
{
	local name=$1 needs limit where command
	local -a options

	lookup "$name"
	# shellcheck disable=SC2086 # a command with arguments
	case $where in
	root)
		exec_in_root timeout -k 5 "$limit" $command
		;;
	host)
		cd "$TOP"
		exec setpriv --pdeathsig TERM timeout -k 5 "$limit" $command
		;;
	vm*)
		IFS=, read -r -a options <<<"$where"
		exec setpriv --pdeathsig TERM "$TOP/tools/testvm/vm.sh" -n "${name%%:*}" -t "$limit" \
			"${options[@]:1}" -- $command
		;;
	esac
}

# tap_sum STATUS: print how many tests of the TAP on stdin passed, failed and were skipped. One more
# failure is counted for a document that has no plan or does not match it, a suite without a document,
# and a suite that fails without a failed test.
tap_sum()
{
	awk -v status="$1" '
		function finish()
		{
			if (documents && (plan < 0 || plan != seen))
				failed++
			plan = -1
			seen = 0
		}
		BEGIN { plan = -1 }
		/^TAP version 1[34]/ { finish(); documents++ }
		/^1\.\.[0-9]+/ {
			plan = substr($1, 4) + 0
			if (plan == 0 && tolower($0) ~ /# *skip/)
				skipped++
		}
		/^ok [0-9]/ { seen++; if (tolower($0) ~ /# *skip/) skipped++; else passed++ }
		/^not ok [0-9]/ { seen++; failed++ }
		/^Bail out!/ { failed++ }
		END {
			finish()
			if (!documents || (status != 0 && !failed))
				failed++
			print passed + 0, failed + 0, skipped + 0
		}'
}

jobs=1
if [ "${1:-}" = -j ]; then
	jobs=$2
	shift 2
fi
[ $# -gt 0 ] || set -- @check
chosen=()
for name; do
	case $name in
	@*)
		mapfile -t -O ${#chosen[@]} chosen < <(printf '%s' "$suites" |
			awk -v part="${name#@}" 'index("," $2 ",", "," part ",") { print $1 }')
		;;
	*)
		chosen+=("$name")
		;;
	esac
done
set -- "${chosen[@]}"
all_needs=
declare -A needs_of
for name; do
	lookup "$name"
	needs_of[$name]=${needs//,/ }
	all_needs+=" ${needs_of[$name]}"
done

passed=0
failed=0
skipped=0
table=
begin=$SECONDS

# account SUITE SECONDS PASSED FAILED SKIPPED
account()
{
	passed=$((passed + $3))
	failed=$((failed + $4))
	skipped=$((skipped + $5))
	table+=$(printf '%-20s %5d passed %4d failed %4d skipped %6d s' "$1" "$3" "$4" "$5" "$2")$'\n'
}

mkdir -p "$BUILD/logs"
steps_done=$(mktemp)
trap 'rm -f "$steps_done"' EXIT
waiting=("${chosen[@]}")
started=()
declare -A pid_of start_of

start()
{
	local log=$BUILD/logs/check-$1.log

	: >"$log"
	start_of[$1]=$(date +%s)
	exec_suite "$1" >"$log" 2>&1 &
	pid_of[$1]=$!
}

# can_start SUITE: all its needs are set up.
can_start()
{
	local step

	for step in ${needs_of[$1]}; do
		grep -qx "$step" "$steps_done" || return 1
	done
}

start_set_up()
{
	# shellcheck disable=SC2086 # a list
	setpriv --pdeathsig TERM "$TOP/tools/testvm/setup.sh" -d "$steps_done" $all_needs &
	set_up=$!
}

set_up_runs()
{
	local status=0

	[ -n "$set_up" ] || return 1
	! kill -0 "$set_up" 2>/dev/null || return 0
	wait "$set_up" || status=1
	set_up=
	account set-up $((SECONDS - begin)) 0 "$status" 0
	return 1
}

# start_more [READER]: start suites up to the limit. READER and set-up are children that do not count.
start_more()
{
	local i most=$jobs

	# Set-up runs a compiler on each core.
	! set_up_runs || most=$((jobs > 1 ? jobs - 1 : 1))
	for i in "${!waiting[@]}"; do
		[ "$(jobs -pr | grep -cvx -e "${1:-none}" -e "${set_up:-none}")" -lt "$most" ] || break
		can_start "${waiting[i]}" || continue
		start "${waiting[i]}"
		started+=("${waiting[i]}")
		unset "waiting[i]"
	done
}

# finish SUITE: show its output until it ends, and account its results. It may have ended long ago, so
# the time of its last line counts as its end.
finish()
{
	local log=$BUILD/logs/check-$1.log status=0 reader

	echo
	echo "=== $1"
	tail -n +1 -f -s 0.2 --pid="${pid_of[$1]}" "$log" &
	reader=$!
	while kill -0 "$reader" 2>/dev/null; do
		start_more "$reader"
		sleep 0.2
	done
	wait "${pid_of[$1]}" || status=$?
	# shellcheck disable=SC2046 # three numbers
	account "$1" $(($(stat -c %Y "$log") - start_of[$1])) $(tap_sum "$status" <"$log")
}

finished=0
start_set_up
while true; do
	unfinished=
	! set_up_runs || unfinished=1
	start_more
	if [ $finished -lt ${#started[@]} ]; then
		finish "${started[finished]}"
		finished=$((finished + 1))
	elif [ -n "$unfinished" ]; then
		sleep 0.2
	else
		break
	fi
done
# Set-up failed before the needs of these were met.
for name in "${waiting[@]}"; do
	account "$name" 0 0 1 0
done

printf '\n%s%d s in all; logs in %s\n' "$table" $((SECONDS - begin)) "$BUILD/logs"
printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
echo
[ "$failed" = 0 ]
