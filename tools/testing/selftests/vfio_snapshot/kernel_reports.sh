# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the kernel has to say about itself, sourced by run.sh: reports in its
# log, leaks, and whether its checkers are still on. Each function fails, and
# prints as TAP comments why, when something is wrong.

# How the first line of a report looks. Not "Call Trace": memory that was made
# to run out is logged with one, and is no fault of anybody.
REPORTS='WARNING:|BUG:|kernel BUG at|Oops|KASAN|UBSAN|general protection fault'
REPORTS+='|refcount_t:|ODEBUG:|DMA-API: |list_(add|del) corruption|usercopy: Kernel memory'
REPORTS+='|possible (circular|recursive|irq lock inversion)|inconsistent lock state|held lock freed'
REPORTS+='|bad unlock balance|suspicious RCU|INFO: (task|trying|rcu|lockdep)|blocked for more than'
REPORTS+='|sleeping function called|scheduling while atomic|rcu.* (detected|self-detected) stall'
REPORTS+='|suspected memory leak|kmemleak: .*(isabl|unknown object)|nobody cared|Kernel panic'

# What Linux reports whatever driver its VFs have: virtio_pci_remove() of 7.3 gives them up
# without the lock of PCI's removals, which lockdep asserts.
KNOWN='WARNING: drivers/pci/remove\.c:[0-9]+ at pci_stop_and_remove_bus_device\+'

kernel_log_begin()
{
	kernel_log_mark="vfio_snapshot kernel log begins here ($$, $SECONDS, $RANDOM)"
	echo "$kernel_log_mark" >/dev/kmsg
}

# The log from there on; all that there is if it has pushed the mark out.
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
	# Not a pipe to "grep -q": it would leave before all was written.
	grep -E "$REPORTS" <<<"$log" >/dev/null || return 0
	grep -E -A 25 "$REPORTS" <<<"$log" | head -n 200 | sed 's/^/# /'
	return 1
}

is_debug_kernel()
{
	[[ $(uname -r) = *-debug ]]
}

# The first report of lockdep is its last: it is off from then on, and so it is
# after a corruption of memory.
lockdep_is_on()
{
	grep -q '^ *debug_locks: *1$' /proc/lockdep_stats && return
	echo "# $(grep debug_locks: /proc/lockdep_stats || echo "no /proc/lockdep_stats")"
	return 1
}

KMEMLEAK=/sys/kernel/debug/kmemleak

# What was not freed so far is not ours.
leaks_begin()
{
	echo clear >"$KMEMLEAK"
}

# An object counts as leaked when it is not referenced for some seconds, and
# stale references, on stacks for example, take some scans to go.
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
