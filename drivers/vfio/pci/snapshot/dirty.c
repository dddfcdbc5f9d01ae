// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking: VFIO's DMA logging for a device that logs its own writes.
 *
 * Every dirty page is reported, now or later. What the device reported but the
 * user's report had no room for, and all that the device may have lost, is owed: it
 * goes into the next report that covers it.
 *
 * log->lock is held across the operations of the back-end, and is never taken
 * together with another lock of the core. A report gathers pages under it, and sets
 * the user's bitmap afterwards: that memory may take for ever to be there.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/find.h>
#include <linux/interval_tree.h>
#include <linux/iova_bitmap.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/vfio_snapshot.h>
#include <linux/vfio_snapshot_dirty.h>

#include "dirty.h"
#include "ranges.h"

/* Ranges that are owed apart; with more than these, all pages are. */
#define OWED_MAX	4096U

/* Pages that a report gathers at a time: a bitmap of 1 MiB. */
#define GATHERED_MAX	BIT_ULL(23)

/**
 * struct snapshot_dirty - the log of a device
 * @sdev: the device
 * @ops: of the back-end
 * @lock: protects what follows, held across the operations of @ops
 * @started: by userspace, not stopped yet
 * @runs: the device logs
 * @detached: the firmware cannot be reached
 * @lost: the device may have forgotten its log
 * @shift: log2 of the size of its pages
 * @ranges: what it logs
 * @owed: to be reported, in addition to what the device says
 */
struct snapshot_dirty {
	struct vfio_snapshot_device *sdev;
	const struct vfio_snapshot_dirty_ops *ops;
	struct mutex lock;	/* see above */
	bool started;
	bool runs;
	bool detached;
	atomic_t lost;
	unsigned int shift;
	struct snapshot_ranges ranges;
	struct snapshot_ranges owed;
};

/**
 * struct vfio_snapshot_dirty_sink - a report, or a part of it, under way
 * @pages: a bit for each of the device's pages, set by vfio_snapshot_dirty_page()
 * @owed: what was owed of it; need not be whole pages
 * @shift: log2 of the size of the device's pages
 * @first: lowest address
 * @last: highest address
 * @stray: the device reported a page outside of the report
 */
struct vfio_snapshot_dirty_sink {
	unsigned long *pages;
	struct snapshot_ranges owed;
	unsigned int shift;
	u64 first;
	u64 last;
	bool stray;
};

static struct snapshot_dirty *to_dirty(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_snapshot_device, core.vdev)->log;
}

static int dirty_reserve(struct snapshot_ranges *set, unsigned int room)
{
	struct vfio_snapshot_range *at;

	if (set->room >= room)
		return 0;
	room = max(room, 2 * set->room);
	at = kvmalloc_array(room, sizeof(*at), GFP_KERNEL_ACCOUNT);
	if (!at)
		return -ENOMEM;
	if (set->n)
		memcpy(at, set->at, set->n * sizeof(*at));
	kvfree(set->at);
	set->at = at;
	set->room = room;
	return 0;
}

static void dirty_forget(struct snapshot_ranges *set)
{
	kvfree(set->at);
	memset(set, 0, sizeof(*set));
}

static void dirty_owe_all(struct snapshot_dirty *log)
{
	memcpy(log->owed.at, log->ranges.at, log->ranges.n * sizeof(*log->owed.at));
	log->owed.n = log->ranges.n;
}

/* ---- the device's log ---- */

static int dirty_run(struct snapshot_dirty *log)
{
	int err;

	if (log->detached)
		return -ENOTCONN;
	err = log->ops->start(log->sdev, log->ranges.at, log->ranges.n, log->shift);
	log->runs = !err;
	return err;
}

static void dirty_cease(struct snapshot_dirty *log)
{
	if (log->runs)
		log->ops->stop(log->sdev);
	log->runs = false;
}

/* The device lost its log: report all pages. */
static int dirty_restart(struct snapshot_dirty *log, int why)
{
	int err;

	dirty_cease(log);
	err = dirty_run(log);
	if (err) {
		atomic_set(&log->lost, 1);
		return err;
	}
	dirty_owe_all(log);
	pci_info_ratelimited(log->sdev->core.pdev,
			     "dirty tracking restarted (%d): all pages reported dirty\n",
			     why);
	return 0;
}

static void dirty_end(struct snapshot_dirty *log)
{
	dirty_cease(log);
	log->started = false;
	dirty_forget(&log->ranges);
	dirty_forget(&log->owed);
}

/* ---- start ---- */

/*
 * VFIO's core accepts ranges without a length: they end before they begin, or span
 * all addresses.
 */
static int dirty_check(struct rb_root_cached *root, u32 n, u64 page_size)
{
	struct interval_tree_node *range;
	struct rb_node *node;

	if (!n || !is_power_of_2(page_size))
		return -EINVAL;
	for (node = rb_first_cached(root); node; node = rb_next(node)) {
		range = rb_entry(node, struct interval_tree_node, rb);
		if (range->start > range->last || range->last == ULONG_MAX)
			return -EINVAL;
	}
	return 0;
}

static int dirty_take_ranges(struct snapshot_dirty *log, struct rb_root_cached *root,
			     u32 n, u64 *page_size)
{
	struct vfio_snapshot_dirty_limits limits = {};
	struct rb_node *node;
	u64 rest;
	int err;

	log->ops->limits(log->sdev, &limits);
	log->shift = clamp_t(unsigned int, ilog2(*page_size), limits.min_shift,
			     limits.max_shift);
	*page_size = BIT_ULL(log->shift);
	rest = *page_size - 1;
	if (n > limits.max_ranges)
		vfio_combine_iova_ranges(root, n, limits.max_ranges);
	err = dirty_reserve(&log->ranges, min(n, limits.max_ranges) + 1);
	if (err)
		return err;
	for (node = rb_first_cached(root); node; node = rb_next(node)) {
		struct interval_tree_node *range =
			rb_entry(node, struct interval_tree_node, rb);

		snapshot_ranges_add(&log->ranges, range->start & ~rest,
				    range->last | rest);
	}
	/* A length must fit into 64 bits. */
	return log->ranges.at[log->ranges.n - 1].last == U64_MAX ? -EINVAL : 0;
}

static int dirty_log_start(struct vfio_device *vdev, struct rb_root_cached *root,
			   u32 n, u64 *page_size)
{
	struct snapshot_dirty *log = to_dirty(vdev);
	int err = dirty_check(root, n, *page_size);

	if (err)
		return err;
	guard(mutex)(&log->lock);
	if (log->detached)
		return -ENOTCONN;
	if (log->started)
		return -EINVAL;
	err = dirty_take_ranges(log, root, n, page_size);
	if (!err) {
		/* The new log notices a reset from here on. */
		atomic_set(&log->lost, 0);
		err = dirty_run(log);
	}
	if (err)
		dirty_end(log);
	else
		log->started = true;
	return err;
}

static int dirty_log_stop(struct vfio_device *vdev)
{
	struct snapshot_dirty *log = to_dirty(vdev);

	guard(mutex)(&log->lock);
	dirty_end(log);
	return 0;
}

/* ---- report ---- */

/* Number of the page with @addr, from that of sink->first. */
static u64 sink_page(const struct vfio_snapshot_dirty_sink *sink, u64 addr)
{
	return (addr >> sink->shift) - (sink->first >> sink->shift);
}

/**
 * vfio_snapshot_dirty_page - report a dirty page
 * @sink: of the read() under way
 * @addr: an address in the page
 */
void vfio_snapshot_dirty_page(struct vfio_snapshot_dirty_sink *sink, u64 addr)
{
	if (addr >> sink->shift < sink->first >> sink->shift ||
	    addr >> sink->shift > sink->last >> sink->shift)
		sink->stray = true;
	else
		__set_bit(sink_page(sink, addr), sink->pages);
}
EXPORT_SYMBOL_GPL(vfio_snapshot_dirty_page);

static void dirty_pay(struct snapshot_dirty *log, struct vfio_snapshot_dirty_sink *sink)
{
	struct vfio_snapshot_range part = { .first = sink->first };
	u64 rest = BIT_ULL(log->shift) - 1;

	while (snapshot_ranges_next(&log->owed, part.first, sink->last, &part)) {
		snapshot_ranges_add(&sink->owed, part.first, part.last);
		if (part.last == sink->last)
			break;
		part.first = part.last + 1;
	}
	snapshot_ranges_cut(&log->owed, sink->first, sink->last);
	/* The device forgot these pages, and the user knows only a part of them. */
	if (sink->first & rest && test_bit(0, sink->pages))
		snapshot_ranges_add(&log->owed, sink->first & ~rest, sink->first - 1);
	if (~sink->last & rest && test_bit(sink_page(sink, sink->last), sink->pages))
		snapshot_ranges_add(&log->owed, sink->last + 1, sink->last | rest);
}

/* The part of the report that the device logs. */
static int dirty_ask(struct snapshot_dirty *log, struct vfio_snapshot_dirty_sink *sink)
{
	u64 rest = BIT_ULL(log->shift) - 1;
	u64 first = max(sink->first & ~rest, log->ranges.at[0].first);
	u64 last = min(sink->last | rest, log->ranges.at[log->ranges.n - 1].last);
	int err = 0;

	if (first < last)
		err = log->ops->read(log->sdev, first, last, sink);
	return err ?: sink->stray ? -EIO : 0;
}

/* Moves sink->first up to what is logged or owed, or to @last. */
static void dirty_skip(struct snapshot_dirty *log, struct vfio_snapshot_dirty_sink *sink,
		       u64 last)
{
	struct vfio_snapshot_range logged = { .first = last }, owed = { .first = last };
	u64 rest = BIT_ULL(log->shift) - 1;

	snapshot_ranges_next(&log->ranges, sink->first, last, &logged);
	snapshot_ranges_next(&log->owed, sink->first, last, &owed);
	sink->first = max(sink->first, min(logged.first, owed.first) & ~rest);
}

/* Gathers the pages from sink->first to @last, or some of them, up to sink->last. */
static int dirty_gather(struct snapshot_dirty *log, struct vfio_snapshot_dirty_sink *sink,
			u64 last)
{
	u64 n;
	int err;

	lockdep_assert_held(&log->lock);
	if (log->detached)
		return -ENOTCONN;
	if (!log->started)
		return -EINVAL;
	/* Reading clears the device's log, so have the memory to remember it first. */
	n = max(log->owed.n, log->ranges.n);
	err = dirty_reserve(&log->owed, n + 3) ?: dirty_reserve(&sink->owed, n + 1);
	if (err)
		return err;
	dirty_skip(log, sink, last);
	sink->shift = log->shift;
	sink->last = last;
	n = sink_page(sink, last) + 1;
	if (n > GATHERED_MAX) {
		n = GATHERED_MAX;
		sink->last = (((sink->first >> log->shift) + n) << log->shift) - 1;
	}
	sink->pages = kvcalloc(BITS_TO_LONGS(n), sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!sink->pages)
		return -ENOMEM;
	if (atomic_xchg(&log->lost, 0))
		err = -ENODATA;
	else
		err = dirty_ask(log, sink);
	if (err)
		err = dirty_restart(log, err);
	if (err)
		return err;
	dirty_pay(log, sink);
	/* More pages than needed are harmless, memory without bound is not. */
	if (log->owed.n > max(OWED_MAX, log->ranges.n))
		dirty_owe_all(log);
	return 0;
}

/* Waits for the user's memory, so it takes no lock. */
static void dirty_tell(const struct vfio_snapshot_dirty_sink *sink,
		       struct iova_bitmap *bitmap)
{
	u64 base = sink->first >> sink->shift;
	unsigned long from, to;
	unsigned int i;

	for_each_set_bitrange(from, to, sink->pages, sink_page(sink, sink->last) + 1) {
		u64 first = max(sink->first, (base + from) << sink->shift);
		u64 last = min(sink->last, ((base + to) << sink->shift) - 1);

		iova_bitmap_set(bitmap, first, last - first + 1);
	}
	for (i = 0; i < sink->owed.n; i++)
		iova_bitmap_set(bitmap, sink->owed.at[i].first,
				sink->owed.at[i].last - sink->owed.at[i].first + 1);
}

static int dirty_log_read(struct vfio_device *vdev, unsigned long iova,
			  unsigned long length, struct iova_bitmap *bitmap)
{
	struct snapshot_dirty *log = to_dirty(vdev);
	struct vfio_snapshot_dirty_sink sink;
	u64 first = iova, last;
	int err;

	if (!length)
		return -EINVAL;
	if (check_add_overflow(first, length - 1, &last))
		return -EOVERFLOW;
	do {
		sink = (struct vfio_snapshot_dirty_sink){ .first = first };
		scoped_guard(mutex, &log->lock)
			err = dirty_gather(log, &sink, last);
		if (!err)
			dirty_tell(&sink, bitmap);
		kvfree(sink.pages);
		dirty_forget(&sink.owed);
		first = sink.last + 1;
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
	} while (!err && sink.last != last);
	return err;
}

static const struct vfio_log_ops dirty_log_ops = {
	.log_start = dirty_log_start,
	.log_stop = dirty_log_stop,
	.log_read_and_clear = dirty_log_read,
};

/* ---- the life of the device ---- */

/**
 * snapshot_dirty_alloc - offer DMA logging, if the back-end has it
 * @sdev: the device, not registered yet
 *
 * A kernel without iova_bitmap cannot take a report. There a device must not offer
 * to log: a migration that works without would fail.
 *
 * Return: 0 or -ENOMEM.
 */
int snapshot_dirty_alloc(struct vfio_snapshot_device *sdev)
{
	struct snapshot_dirty *log;

	if (!sdev->dirty || !IS_ENABLED(CONFIG_IOMMUFD_DRIVER))
		return 0;
	log = kzalloc_obj(*log, GFP_KERNEL);
	if (!log)
		return -ENOMEM;
	mutex_init(&log->lock);
	log->sdev = sdev;
	log->ops = sdev->dirty;
	sdev->log = log;
	sdev->core.vdev.log_ops = &dirty_log_ops;
	return 0;
}

/**
 * snapshot_dirty_free - undo snapshot_dirty_alloc()
 * @log: the log, stopped, or NULL
 */
void snapshot_dirty_free(struct snapshot_dirty *log)
{
	if (log)
		mutex_destroy(&log->lock);
	kfree(log);
}

/**
 * snapshot_dirty_close - userspace has closed the device
 * @log: its log or NULL
 */
void snapshot_dirty_close(struct snapshot_dirty *log)
{
	if (!log)
		return;
	guard(mutex)(&log->lock);
	dirty_end(log);
}

/**
 * snapshot_dirty_reset_done - the device was reset
 * @log: its log or NULL
 *
 * The device may or may not keep its log. Must not sleep.
 */
void snapshot_dirty_reset_done(struct snapshot_dirty *log)
{
	if (log)
		atomic_set(&log->lost, 1);
}

/**
 * snapshot_dirty_detached - the firmware is about to be out of reach
 * @log: the device's log or NULL
 *
 * Its log has ended when this returns. Waits for the operation that is under way.
 */
void snapshot_dirty_detached(struct snapshot_dirty *log)
{
	if (!log)
		return;
	WRITE_ONCE(log->detached, true);
	log->ops->wake(log->sdev);
	guard(mutex)(&log->lock);
	dirty_cease(log);
	atomic_set(&log->lost, 1);
}

/**
 * snapshot_dirty_attached - the firmware is back, and knows of no log
 * @log: the device's log or NULL
 *
 * A log that was on when the firmware was lost continues with the next report,
 * which has all pages.
 */
void snapshot_dirty_attached(struct snapshot_dirty *log)
{
	if (!log)
		return;
	guard(mutex)(&log->lock);
	WRITE_ONCE(log->detached, false);
}

MODULE_IMPORT_NS("IOMMUFD");
