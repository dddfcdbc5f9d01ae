/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFIO_SNAPSHOT_MIGRATION_H
#define VFIO_SNAPSHOT_MIGRATION_H

#include <linux/device.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/ratelimit_types.h>
#include <linux/vfio_snapshot.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "arcs.h"
#include "firmware.h"

struct file;
struct snapshot_stream;
struct vfio_precopy_info;

/**
 * struct snapshot_mig - migration side of one device
 * @sdev: the device
 * @features: VFIO_MIGRATION_*
 * @routes: first arc of the walk from one state to another, or NULL
 * @lock: serialises state changes; protects all that follows up to @fw_lock.
 *        Taken before the locks of a stream and before @fw_lock. A reset may
 *        come with locks held that a page fault needs, so it only tries.
 * @state: current state; written under @lock, read without
 * @walker: what the arcs are taken on: the device's level and its operations
 * @quiesced: counts the back-end's quiesce() calls; read without @lock, too
 * @quiesced_before: what it was when a reset began, of which only the reset knows
 * @reset_work: applies a reset that a quiesce() crossed
 * @opened: file of the stream that the arc being taken opened, or NULL
 * @stream: the open stream, or NULL
 * @ended: a dead stream whose memory and firmware objects are still held, or
 *         NULL; never set together with a later @stream. @tidy alone clears it,
 *         without @lock.
 * @tidied: woken then
 * @estimate: last size in bytes that the back-end named
 * @estimated: jiffies of that, 0 if never
 * @window: of the back-end, which may be gone before its data fds are
 * @max_segs: likewise
 * @fw_lock: held for one back-end operation; innermost; taken with
 *           snapshot_fw_lock()
 * @transfer: one that is under way, and no other operation may begin, or NULL;
 *            protected by @fw_lock
 * @idle: woken when it is over
 * @transfer_work: does what is to be done then
 * @mapped: buffers that the back-end has mapped; protected by @fw_lock
 * @failed: the operation that failed last, for messages; protected by @fw_lock
 * @told: it is known from a message why the stream cannot be loaded
 * @failures: limits how often failures are told
 * @flags: SNAPSHOT_RESET_PENDING and SNAPSHOT_DETACHED, bits
 * @tidy: gives back what @ended holds; sends commands and frees memory, so it
 *        comes a while after the end of the session, or before the next
 */
struct snapshot_mig {
	struct vfio_snapshot_device *sdev;
	unsigned int features;
	const struct snapshot_arc *routes[VFIO_DEVICE_STATE_NR][VFIO_DEVICE_STATE_NR];
	struct mutex lock;	/* state changes */
	enum vfio_device_mig_state state;
	struct snapshot_walker walker;
	unsigned int quiesced;
	unsigned int quiesced_before;
	struct work_struct reset_work;
	struct file *opened;
	struct snapshot_stream *stream;
	struct snapshot_stream *ended;
	wait_queue_head_t tidied;
	u64 estimate;
	unsigned long estimated;
	size_t window;
	unsigned int max_segs;
	struct mutex fw_lock;	/* back-end operations */
	struct snapshot_transfer *transfer;
	wait_queue_head_t idle;
	struct work_struct transfer_work;
	struct list_head mapped;
	struct snapshot_failed failed;
	bool told;
	struct ratelimit_state failures;
	unsigned long flags;
	struct delayed_work tidy;
};

/* Name of the device, for traces. */
static inline const char *snapshot_mig_name(const struct snapshot_mig *mig)
{
	return dev_name(mig->sdev->core.vdev.dev);
}

/* A reset came while @lock was held, or crossed a quiesce(): whoever has @lock applies it. */
#define SNAPSHOT_RESET_PENDING	0
/* Nobody answers for the device: it is in ERROR. */
#define SNAPSHOT_DETACHED	1

extern const struct vfio_migration_ops snapshot_migration_ops;

struct snapshot_mig *snapshot_mig_alloc(struct vfio_snapshot_device *sdev);
void snapshot_mig_free(struct snapshot_mig *mig);
void snapshot_mig_open(struct snapshot_mig *mig);
void snapshot_mig_stop(struct snapshot_mig *mig);
void snapshot_mig_close(struct snapshot_mig *mig);
void snapshot_mig_end(struct snapshot_mig *mig);
void snapshot_mig_reset_prepare(struct snapshot_mig *mig);
void snapshot_mig_reset_done(struct snapshot_mig *mig);
void snapshot_mig_detached(struct snapshot_mig *mig);
void snapshot_mig_attached(struct snapshot_mig *mig);
void snapshot_mig_unlock(struct snapshot_mig *mig);
int snapshot_mig_estimate(struct snapshot_mig *mig, unsigned long max_age,
			  u64 *bytes);
int snapshot_mig_changed(struct snapshot_mig *mig,
			 struct vfio_snapshot_estimate *est);
int snapshot_mig_precopy_info(struct snapshot_mig *mig,
			      struct snapshot_stream *stream,
			      struct vfio_precopy_info *info);

#endif /* VFIO_SNAPSHOT_MIGRATION_H */
