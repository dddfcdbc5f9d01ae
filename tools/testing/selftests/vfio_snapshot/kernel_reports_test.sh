#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Tests kernel_reports.sh with bugs made on purpose, one of each kind. TAP. For the debug kernel, in a
# VM that is not used afterwards.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/testing/selftests/vfio_snapshot/kernel_reports.sh
. "$here/kernel_reports.sh"
# shellcheck source=tools/testvm/l1/nic.sh
. "$here/../../../testvm/l1/nic.sh"
module=$NIC_BUILD/test-modules$NIC_KERNEL/mig_bugs_test.ko

# bug | the check that has to fail | the text that it has to print
# lock_order comes first, because most other reports turn lockdep off. oops comes last.
bugs="
lock_order	kernel_log_is_clean	possible circular locking dependency
sleep_in_atomic	kernel_log_is_clean	BUG: sleeping function called from invalid context
use_after_free	kernel_log_is_clean	KASAN: slab-use-after-free
out_of_bounds	kernel_log_is_clean	KASAN: slab-out-of-bounds
shift		kernel_log_is_clean	UBSAN: shift-out-of-bounds
index		kernel_log_is_clean	UBSAN: array-index-out-of-bounds
leak		nothing_leaked		unreferenced object
warn		kernel_log_is_clean	WARNING:
hang		kernel_log_is_clean	blocked for more than
oops		kernel_log_is_clean	Oops
"

number=0 failed=0

t() # NAME CMD...
{
	local name=$1 out

	shift
	number=$((number + 1))
	if out=$("$@" 2>&1); then
		echo "ok $number $name"
		return
	fi
	failed=$((failed + 1))
	printf '%s\n' "$out" | sed 's/^/# /'
	echo "not ok $number $name"
}

make() # BUG
{
	kernel_log_begin
	leaks_begin
	insmod "$module" "bug=$1"
	rmmod mig_bugs_test
}

nothing_is_reported()
{
	make none && kernel_log_is_clean && lockdep_is_on && nothing_leaked
}

is_reported() # BUG CHECK TEXT
{
	local out

	# An oops kills the process that loads the module.
	make "$1" || [ "$1" = oops ]
	if out=$("$2"); then
		echo "$2 passes"
		return 1
	fi
	grep -F "$3" <<<"$out" >/dev/null && return
	printf '%s\nno "%s" in it\n' "$out" "$3"
	return 1
}

lockdep_is_seen_off()
{
	! lockdep_is_on
}

echo "TAP version 13"
if ! is_debug_kernel; then
	echo "1..0 # SKIP for a kernel with KASAN, lockdep and kmemleak"
	exit 4
fi
# For the bug that hangs a task
echo 3 >/proc/sys/kernel/hung_task_timeout_secs

t "no bug: nothing is reported" nothing_is_reported
while read -r bug check text; do
	[ -n "$bug" ] || continue
	t "$bug is reported" is_reported "$bug" "$check" "$text"
	[ "$bug" != lock_order ] || t "lockdep is seen to be off after that" lockdep_is_seen_off
done <<<"$bugs"
echo "1..$number"
[ "$failed" = 0 ]
