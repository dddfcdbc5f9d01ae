# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Checks of the kernel itself, sourced by run.sh: reports in its log, leaks, and whether its checkers
# are still on. When something is wrong, a function fails and prints why as TAP comments.

# First lines of reports. Not "Call Trace": the kernel also prints one when a test makes memory run
# out, which is not a fault.
REPORTS='WARNING:|BUG:|kernel BUG at|Oops|KASAN|UBSAN|general protection fault'
REPORTS+='|refcount_t:|ODEBUG:|DMA-API: |list_(add|del) corruption|usercopy: Kernel memory'
REPORTS+='|possible (circular|recursive|irq lock inversion)|inconsistent lock state|held lock freed'
REPORTS+='|bad unlock balance|suspicious RCU|INFO: (task|trying|rcu|lockdep)|blocked for more than'
REPORTS+='|sleeping function called|scheduling while atomic|rcu.* (detected|self-detected) stall'
REPORTS+='|suspected memory leak|kmemleak: .*(isabl|unknown object)|nobody cared|Kernel panic'

# A report that does not depend on our drivers: virtio_pci_remove() of Linux 7.3 removes VFs without
# the lock that lockdep asserts.
KNOWN='WARNING: drivers/pci/remove\.c:[0-9]+ at pci_stop_and_remove_bus_device\+'

kernel_log_begin()
{
	kernel_log_mark="vfio_snapshot kernel log begins here ($$, $SECONDS, $RANDOM)"
	echo "$kernel_log_mark" >/dev/kmsg
	dmesg | grep -F "$kernel_log_mark" >/dev/null || {
		echo "# the kernel's log cannot be read"
		return 1
	}
}

# The log from the mark on, or all of it when the mark was overwritten
kernel_log()
{
	dmesg | awk -v mark="$kernel_log_mark" '
		{ lines[NR] = $0 }
		index($0, mark) { first = NR }
		END { for (i = first + 1; i <= NR; i++) print lines[i] }'
}

kernel_log_is_clean()
{
	local log

	log=$(kernel_log | grep -vE "$KNOWN" || true)
	# Not a pipe to "grep -q", which exits before everything is written.
	grep -E "$REPORTS" <<<"$log" >/dev/null || return 0
	grep -E -A 25 "$REPORTS" <<<"$log" | head -n 200 | sed 's/^/# /'
	return 1
}

is_debug_kernel()
{
	[[ $(uname -r) = *-debug ]]
}

# lockdep turns itself off after its first report and after a corruption of memory.
lockdep_is_on()
{
	grep -q '^ *debug_locks: *1$' /proc/lockdep_stats && return
	echo "# $(grep debug_locks: /proc/lockdep_stats || echo "no /proc/lockdep_stats")"
	return 1
}

KMEMLEAK=/sys/kernel/debug/kmemleak

# Leaks from before are not ours.
leaks_begin()
{
	echo clear >"$KMEMLEAK"
}

# kmemleak reports an object after some seconds without a reference. Stale references, for example on
# stacks, disappear after some scans.
nothing_leaked()
{
	local scan leaks

	for scan in 1 2 3; do
		[ "$scan" = 1 ] || sleep 6
		echo scan >"$KMEMLEAK" || {
			echo "# kmemleak is off"
			return 1
		}
	done
	leaks=$(cat "$KMEMLEAK")
	[ -n "$leaks" ] || return 0
	head -n 200 <<<"$leaks" | sed 's/^/# /'
	return 1
}
