// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking: VFIO's DMA logging, in front of a device that keeps account of
 * the pages it writes to.
 *
 * A page that was written to is told, now or later. What the device told and a
 * report had no place for, and all that it may have lost, is owed: it goes into
 * the next report that asks for it, whatever the device then says.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/interval_tree.h>
#include <linux/iova_bitmap.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/vfio_snapshot.h>
#include <linux/vfio_snapshot_dirty.h>

#include "dirty.h"
#include "ranges.h"

/**
 * struct snapshot_dirty - the log of a device
 * @sdev: the device
 * @ops: of the back-end
 * @lock: protects what follows, held across the operations of @ops
 * @started: by userspace, not stopped yet
 * @runs: the device has a log
 * @detached: the firmware cannot be reached
 * @anew: the device may have forgotten its log
 * @shift: log2 of the size of its pages
 * @ranges: what it logs
 * @owed: what userspace has to be told, in addition to what the device says
 */
struct snapshot_dirty {
	struct vfio_snapshot_device *sdev;
	const struct vfio_snapshot_dirty_ops *ops;
	struct mutex lock;	/* see above */
	bool started;
	bool runs;
	bool detached;
	atomic_t anew;
	unsigned int shift;
	struct snapshot_ranges ranges;
	struct snapshot_ranges owed;
};

/**
 * struct vfio_snapshot_dirty_sink - a report that is being made
 * @bitmap: of userspace
 * @shift: log2 of the size of the device's pages
 * @first: lowest address that is asked for
 * @last: highest address
 * @low: the first of the device's pages begins before @first, and is dirty
 * @high: the last of them ends behind @last, and is dirty
 * @stray: the device told of a page that it was not asked for
 */
struct vfio_snapshot_dirty_sink {
	struct iova_bitmap *bitmap;
	unsigned int shift;
	u64 first;
	u64 last;
	bool low;
	bool high;
	bool stray;
};

static struct snapshot_dirty *to_dirty(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_snapshot_device, core.vdev)->log;
}

static int reserve(struct snapshot_ranges *set, unsigned int room)
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

static void forget(struct snapshot_ranges *set)
{
	kvfree(set->at);
	memset(set, 0, sizeof(*set));
}

/* ---- the device's log ---- */

static int run(struct snapshot_dirty *log)
{
	int err;

	if (log->detached)
		return -ENOTCONN;
	err = log->ops->start(log->sdev, log->ranges.at, log->ranges.n, log->shift);
	log->runs = !err;
	return err;
}

static void cease(struct snapshot_dirty *log)
{
	if (log->runs)
		log->ops->stop(log->sdev);
	log->runs = false;
}

/* What it had logged is lost: from now on everything counts as written to. */
static int run_anew(struct snapshot_dirty *log, int why)
{
	int err;

	cease(log);
	err = run(log);
	if (err) {
		atomic_set(&log->anew, 1);
		return err;
	}
	memcpy(log->owed.at, log->ranges.at, log->ranges.n * sizeof(*log->owed.at));
	log->owed.n = log->ranges.n;
	pci_info_ratelimited(log->sdev->core.pdev,
			     "dirty tracking restarted (%d): all pages reported dirty\n",
			     why);
	return 0;
}

static void end(struct snapshot_dirty *log)
{
	cease(log);
	log->started = false;
	forget(&log->ranges);
	forget(&log->owed);
}

/* ---- start ---- */

/*
 * The core of VFIO lets ranges without a length through: they end before they
 * begin, or span everything.
 */
static int check(struct rb_root_cached *root, u32 n, u64 page_size)
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

static int take_ranges(struct snapshot_dirty *log, struct rb_root_cached *root, u32 n,
		       u64 *page_size)
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
	err = reserve(&log->ranges, n + 1);
	if (err)
		return err;
	for (node = rb_first_cached(root); node; node = rb_next(node)) {
		struct interval_tree_node *range =
			rb_entry(node, struct interval_tree_node, rb);

		snapshot_ranges_add(&log->ranges, range->start & ~rest,
				    range->last | rest);
	}
	snapshot_ranges_fuse(&log->ranges, limits.max_ranges);
	/* So that lengths can be told in 64 bits. */
	return log->ranges.at[log->ranges.n - 1].last == U64_MAX ? -EINVAL : 0;
}

static int snapshot_log_start(struct vfio_device *vdev, struct rb_root_cached *root,
			      u32 n, u64 *page_size)
{
	struct snapshot_dirty *log = to_dirty(vdev);
	int err = check(root, n, *page_size);

	if (err)
		return err;
	mutex_lock(&log->lock);
	if (log->detached) {
		err = -ENOTCONN;
	} else if (log->started) {
		err = -EINVAL;
	} else {
		err = take_ranges(log, root, n, page_size);
		if (!err) {
			/* A reset from here on is one that the new log sees. */
			atomic_set(&log->anew, 0);
			err = run(log);
		}
		if (err)
			end(log);
		else
			log->started = true;
	}
	mutex_unlock(&log->lock);
	return err;
}

static int snapshot_log_stop(struct vfio_device *vdev)
{
	struct snapshot_dirty *log = to_dirty(vdev);

	mutex_lock(&log->lock);
	end(log);
	mutex_unlock(&log->lock);
	return 0;
}

/* ---- report ---- */

/**
 * vfio_snapshot_dirty_page - tell that a page was written to
 * @sink: of the operation that asks for it
 * @addr: an address in the page
 */
void vfio_snapshot_dirty_page(struct vfio_snapshot_dirty_sink *sink, u64 addr)
{
	u64 rest = BIT_ULL(sink->shift) - 1;
	u64 first = addr & ~rest, last = addr | rest;

	if (first > sink->last || last < sink->first) {
		sink->stray = true;
		return;
	}
	if (first < sink->first) {
		sink->low = true;
		first = sink->first;
	}
	if (last > sink->last) {
		sink->high = true;
		last = sink->last;
	}
	iova_bitmap_set(sink->bitmap, first, last - first + 1);
}
EXPORT_SYMBOL_GPL(vfio_snapshot_dirty_page);

static void pay(struct snapshot_dirty *log, struct vfio_snapshot_dirty_sink *sink)
{
	struct vfio_snapshot_range part = { .first = sink->first };
	u64 rest = BIT_ULL(log->shift) - 1;

	while (snapshot_ranges_next(&log->owed, part.first, sink->last, &part)) {
		iova_bitmap_set(sink->bitmap, part.first, part.last - part.first + 1);
		if (part.last == sink->last)
			break;
		part.first = part.last + 1;
	}
	snapshot_ranges_cut(&log->owed, sink->first, sink->last);
	/* The device has forgotten these pages, userspace knows a part of them. */
	if (sink->low)
		snapshot_ranges_add(&log->owed, sink->first & ~rest, sink->first - 1);
	if (sink->high)
		snapshot_ranges_add(&log->owed, sink->last + 1, sink->last | rest);
}

/* What is asked for, of what it logs. */
static int ask(struct snapshot_dirty *log, struct vfio_snapshot_dirty_sink *sink)
{
	u64 rest = BIT_ULL(log->shift) - 1;
	u64 first = max(sink->first & ~rest, log->ranges.at[0].first);
	u64 last = min(sink->last | rest, log->ranges.at[log->ranges.n - 1].last);
	int err = 0;

	if (first < last)
		err = log->ops->read(log->sdev, first, last, sink);
	return err ?: sink->stray ? -EIO : 0;
}

static int report(struct snapshot_dirty *log, struct vfio_snapshot_dirty_sink *sink)
{
	int err;

	if (log->detached)
		return -ENOTCONN;
	if (!log->started)
		return -EINVAL;
	/* Without the memory to remember what is told nothing is asked. */
	err = reserve(&log->owed, max(log->owed.n, log->ranges.n) + 3);
	if (err)
		return err;
	sink->shift = log->shift;
	if (atomic_xchg(&log->anew, 0))
		err = -ENODATA;
	else
		err = ask(log, sink);
	if (err)
		err = run_anew(log, err);
	if (!err)
		pay(log, sink);
	return err;
}

static int snapshot_log_read(struct vfio_device *vdev, unsigned long iova,
			     unsigned long length, struct iova_bitmap *bitmap)
{
	struct snapshot_dirty *log = to_dirty(vdev);
	struct vfio_snapshot_dirty_sink sink = { .bitmap = bitmap, .first = iova };
	int err;

	if (!length)
		return -EINVAL;
	if (check_add_overflow(sink.first, length - 1, &sink.last))
		return -EOVERFLOW;
	mutex_lock(&log->lock);
	err = report(log, &sink);
	mutex_unlock(&log->lock);
	return err;
}

static const struct vfio_log_ops snapshot_log_ops = {
	.log_start = snapshot_log_start,
	.log_stop = snapshot_log_stop,
	.log_read_and_clear = snapshot_log_read,
};

/* ---- the life of the device ---- */

/**
 * snapshot_dirty_alloc - offer DMA logging, if the back-end has it
 * @sdev: the device, not registered yet
 *
 * A kernel without iova_bitmap cannot take a report: there, a device that offered
 * to log would let a migration fail that does without.
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
	sdev->core.vdev.log_ops = &snapshot_log_ops;
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
	mutex_lock(&log->lock);
	end(log);
	mutex_unlock(&log->lock);
}

/**
 * snapshot_dirty_reset_done - the device was reset
 * @log: its log or NULL
 *
 * Whether a device goes on with its log after that is left open. Must not sleep.
 */
void snapshot_dirty_reset_done(struct snapshot_dirty *log)
{
	if (log)
		atomic_set(&log->anew, 1);
}

/**
 * snapshot_dirty_detached - the firmware is about to be out of reach
 * @log: the device's log or NULL
 *
 * Its log has ended when this returns. Waits for no more than the command that
 * is under way.
 */
void snapshot_dirty_detached(struct snapshot_dirty *log)
{
	if (!log)
		return;
	WRITE_ONCE(log->detached, true);
	log->ops->wake(log->sdev);
	mutex_lock(&log->lock);
	cease(log);
	atomic_set(&log->anew, 1);
	mutex_unlock(&log->lock);
}

/**
 * snapshot_dirty_attached - the firmware is back, and knows of no log
 * @log: the device's log or NULL
 *
 * A log that was on when the firmware went goes on with the next report, in which
 * everything counts as written to.
 */
void snapshot_dirty_attached(struct snapshot_dirty *log)
{
	if (!log)
		return;
	mutex_lock(&log->lock);
	WRITE_ONCE(log->detached, false);
	mutex_unlock(&log->lock);
}

MODULE_IMPORT_NS("IOMMUFD");
