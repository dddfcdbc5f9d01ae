/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the back-end contract that is about dirty tracking: a device that
 * logs the pages it writes to.
 *
 * The core checks what userspace asks for, and remembers what a report had no
 * place for. A back-end starts the device's log, and hands out what is in it.
 */
#ifndef _LINUX_VFIO_SNAPSHOT_DIRTY_H
#define _LINUX_VFIO_SNAPSHOT_DIRTY_H

#include <linux/types.h>

struct vfio_snapshot_device;
struct vfio_snapshot_dirty_sink;

/**
 * struct vfio_snapshot_range - some of the addresses that a device uses
 * @first: lowest address
 * @last: highest address
 */
struct vfio_snapshot_range {
	u64 first;
	u64 last;
};

/**
 * struct vfio_snapshot_dirty_limits - what a device can log
 * @max_ranges: most ranges at a time, at least 1
 * @min_shift: log2 of the smallest page that it can tell apart
 * @max_shift: log2 of the largest
 */
struct vfio_snapshot_dirty_limits {
	unsigned int max_ranges;
	unsigned int min_shift;
	unsigned int max_shift;
};

/**
 * struct vfio_snapshot_dirty_ops - how a device logs what it writes to
 *
 * The operations of one device are never called at the same time, but for @wake.
 * They may sleep. They may be called while those of struct vfio_snapshot_ops
 * are, at every level of quiesce. Each has to end in bounded time, also when the
 * firmware does not answer.
 */
struct vfio_snapshot_dirty_ops {
	/** @limits: set @limits, which was all 0 */
	void (*limits)(struct vfio_snapshot_device *sdev,
		       struct vfio_snapshot_dirty_limits *limits);

	/**
	 * @start: log the writes to @ranges, in pages of 1 << @shift
	 *
	 * The ranges are within the limits, ascending, apart from each other,
	 * and of whole pages.
	 *
	 * Return: 0 or an errno; after an errno nothing is left behind.
	 */
	int (*start)(struct vfio_snapshot_device *sdev,
		     const struct vfio_snapshot_range *ranges, unsigned int n,
		     unsigned int shift);

	/**
	 * @stop: no more
	 *
	 * Called once for each @start that was successful. Cannot fail: what
	 * the firmware may still write to is given up.
	 */
	void (*stop)(struct vfio_snapshot_device *sdev);

	/**
	 * @read: report each page from @first to @last that was written to since
	 * the last report, by vfio_snapshot_dirty_page(), and clear it
	 *
	 * Whole pages, which need not be logged.
	 *
	 * Return: 0, or an errno: the log has lost something. The core then
	 * restarts it, and reports all pages dirty.
	 */
	int (*read)(struct vfio_snapshot_device *sdev, u64 first, u64 last,
		    struct vfio_snapshot_dirty_sink *sink);

	/** @wake: a @read that waits for the firmware fails at once */
	void (*wake)(struct vfio_snapshot_device *sdev);
};

void vfio_snapshot_dirty_page(struct vfio_snapshot_dirty_sink *sink, u64 addr);

#endif /* _LINUX_VFIO_SNAPSHOT_DIRTY_H */
