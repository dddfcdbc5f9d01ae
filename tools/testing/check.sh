#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# check.sh [-j JOBS] [SUITE...]: set up what is needed, run the suites, sum up their TAP. Without a SUITE, all
# those that "make check" is made of; "@NAME" stands for those of "make NAME". The last line is
# "N passed, N failed", with ", N skipped" where some were. JOBS suites run at a time (one); what
# they print comes in order.
set -eu
# shellcheck source=tools/testvm/lib.sh
. "$(dirname -- "$0")/../testvm/lib.sh"

src=/vfio-snapshot/src
vm_needs=root,initramfs,source,qemu,modules
debug_needs=root,initramfs,source,qemu,debug-kernel,debug-modules,kselftest
selftests=$src/tools/testing/selftests/vfio_snapshot
# The same noise every time: what turns red here was turned red by a change.
lab="env VFIO_SNAPSHOT_LAB=1 VFIO_SNAPSHOT_SEED=1"
group="$lab VFIO_SNAPSHOT_MODE=group $selftests/run.sh"
cdev="$lab VFIO_SNAPSHOT_MODE=cdev $selftests/run.sh"
# suite | part of make ... | what of setup.sh it needs | seconds it may take | where (root: the test
# root; vm: L1, with options of vm.sh; host: here, from the top of the checkout) | command
suites="
lint			check		root,source		300	root	$src/tools/testing/lint.sh
docs			check		root,source,sphinx	120	root	$src/tools/docs/check.sh
unit			check		root			120	root	make -s -C $src/tools/testing/unit check OUTPUT=/vfio-snapshot/build/unit-root
bench-report		check		root			60	root	python3 $src/tools/testing/bench/report_test.py
proof			check		root			300	root	$src/tools/testing/proof/run.sh
fuzz			check		root			300	root	env OUTPUT=/vfio-snapshot/build/fuzz $src/tools/testing/fuzz/run.sh
nic			check		root,qemu		300	root	$src/tools/qemu/tests/run.sh
nic-stock		check		$vm_needs		300	vm	$src/tools/qemu/tests/stock.sh
migration-versions	check		$vm_needs,stock-qemu,migration 900	vm	env NICS=2 $src/tools/testing/migration/run.sh --plan versions
connectx		check		$vm_needs,kselftest	600	vm,-x,-l	$src/tools/qemu/tests/connectx.sh
kselftest		check		$vm_needs,kselftest	1200	vm,-l	$group
kselftest-mlx5		check		$vm_needs,kselftest	600	vm,-l,-x	env NIC=connectx $group quick
kselftest-trixie	check		root,initramfs,qemu,trixie-kernel,trixie-modules,kselftest	600	vm,-l,-x,-k,trixie	env NIC=connectx $group mig_engine_test mig_roundtrip_test mig_precopy_test mig_many_test fsm
sample			check		root,initramfs,source,modules,kselftest	400	host	tools/testing/selftests/vfio_snapshot/sample.sh
debug-core		check		$debug_needs		900	vm,-l,-k,debug	$cdev core
debug-dirty		check		$debug_needs		900	vm,-l,-x,-k,debug	$lab VFIO_SNAPSHOT_MODE=cdev $selftests/dirty.sh
debug-cdev		check-debug	$debug_needs		2400	vm,-l,-k,debug	$cdev
debug-group		check-debug	$debug_needs		2400	vm,-l,-k,debug	$group
debug-dirty-group	check-debug	$debug_needs		900	vm,-l,-x,-k,debug	$lab VFIO_SNAPSHOT_MODE=group $selftests/dirty.sh mlx5_snapshot_vfio_pci
debug-failnth		check-debug	$debug_needs		1200	vm,-l,-k,debug,-a,dma_debug=off	env VFIO_SNAPSHOT_FAILNTH=1 $group mig_failnth_test
debug-mlx5		check-debug	$debug_needs		3000	vm,-l,-x,-k,debug	env NIC=connectx $cdev
debug-mlx5-failnth	check-debug	$debug_needs		1200	vm,-l,-x,-k,debug,-a,dma_debug=off	env NIC=connectx VFIO_SNAPSHOT_FAILNTH=1 $group mig_failnth_test
tool-cdev		check-debug	$debug_needs,tool	400	vm,-k,debug	$src/tools/vfio-snapshot/tests/cdev.sh
debug-reports		check-debug	$debug_needs		600	vm,--no-nic,-k,debug	$selftests/kernel_reports_test.sh
tool			check		root			300	root	make -s -C $src/tools/vfio-snapshot check OUTPUT=/vfio-snapshot/build/vfio-snapshot-check
tool-vm			check		$vm_needs,tool		400	vm,-l	$src/tools/vfio-snapshot/tests/device.sh
kernels			check		root,packaging,newer-root	600	host	tools/testing/install/check-kernels.sh
install			check		root,packaging,installed	600	host	tools/testing/install/run.sh
install-vm		check		$vm_needs,packaging,installed	600	vm	$src/tools/testing/install/l1.sh
migration		check		$vm_needs,migration	400	vm	env DRIVER=virtio_snapshot_vfio_pci $src/tools/testing/migration/run.sh
migration-upstream	check		$vm_needs,migration	400	vm	env DRIVER=virtio_vfio_pci $src/tools/testing/migration/run.sh
migration-mixed		check		$vm_needs,migration	400	vm	env OTHER=virtio_vfio_pci $src/tools/testing/migration/run.sh --plan there-and-back
migration-mlx5		check		$vm_needs,migration	600	vm,-x	env CONNECTX=1 $src/tools/testing/migration/run.sh --plan writes
migration-both		check-debug	$vm_needs,migration	900	vm,-x	env NICS=2 CONNECTX=1 $src/tools/testing/migration/run.sh --plan both
migration-tracked	check-debug	$debug_needs,migration	1800	vm,-m,2560,-x,-k,debug	env CONNECTX=1 $src/tools/testing/migration/run.sh --plan writes --tracking device
"

# lookup SUITE: sets needs, limit, where, command.
lookup()
{
	local row

	row=$(printf '%s' "$suites" | awk -v want="$1" '$1 == want')
	[ -n "$row" ] || die "there is no suite $1" \
		"the suites are: $(printf '%s' "$suites" | awk 'NF { printf "%s ", $1 }')"
	read -r _ _ needs limit where command <<<"$row"
}

# In the place of the calling subshell: the suite's parent is then this script, and its end the
# suite's.
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
		exec setpriv --pdeathsig TERM "$TOP/tools/testvm/vm.sh" -n "$name" -t "$limit" \
			"${options[@]:1}" -- $command
		;;
	esac
}

# tap_sum STATUS: passed, failed, skipped of the TAP on stdin. A document must have a plan and
# keep to it; a suite must have a document, and must not fail without a failed test.
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
for name; do
	lookup "$name"
	all_needs+=" ${needs//,/ }"
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

declare -A pid_of start_of

start()
{
	local log=$BUILD/logs/check-$1.log

	: >"$log"
	start_of[$1]=$(date +%s)
	exec_suite "$1" >"$log" 2>&1 &
	pid_of[$1]=$!
}

# start_more [READER]: suites, as long as fewer than JOBS run; READER is a child that is none.
start_more()
{
	while [ "$started" -lt ${#chosen[@]} ] &&
		[ "$(jobs -pr | grep -cvx "${1:-none}")" -lt "$jobs" ]; do
		start "${chosen[started]}"
		started=$((started + 1))
	done
}

# What it has printed and goes on to print, and its results. It ended with its last line, which may
# have been a while ago.
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

# shellcheck disable=SC2086 # a list
if "$TOP/tools/testvm/setup.sh" $all_needs; then
	account set-up $((SECONDS - begin)) 0 0 0
	mkdir -p "$BUILD/logs"
	started=0
	for name; do
		start_more
		finish "$name"
	done
else
	account set-up $((SECONDS - begin)) 0 1 0
fi

printf '\n%s%d s in all; logs in %s\n' "$table" $((SECONDS - begin)) "$BUILD/logs"
printf '%d passed, %d failed' "$passed" "$failed"
[ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
echo
[ "$failed" = 0 ]
