/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 3: from images to the records that userspace reads.
 */
#ifndef VFIO_SNAPSHOT_SAVE_H
#define VFIO_SNAPSHOT_SAVE_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "buffer.h"
#include "format.h"

struct iov_iter;
struct snapshot_out;
struct vfio_precopy_info;

/**
 * struct snapshot_save - the saving side of a stream
 * @pool: memory of the stream
 * @wait: pollers, and readers that wait for an image
 * @queue: records not wholly read, struct snapshot_out
 * @tally: what has been queued
 * @queued: records of device data that are not wholly read
 * @initial: bytes up to the end of the first image, or of the last one that the
 *           device had set up again; 0 without an image
 * @taken: bytes that were read
 * @filling: record of an asynchronous save() that is under way, or NULL
 * @spent: no further image ahead: one failed
 * @room: bytes of a buffer for a chunk
 * @whole: bytes that the final image has, at most
 * @image: bytes of the final image that have been queued
 * @more: the final image goes on
 * @end: the END record, allocated ahead; NULL once it is queued
 * @err: the final image failed, read() returns this
 *
 * pool->lock protects all of it, except for the first record of @queue, which
 * belongs to the reader, and @whole, which the lock of the device's state protects.
 * @initial changes only with the firmware held as well; @room is also read without.
 */
struct snapshot_save {
	struct snapshot_pool *pool;
	wait_queue_head_t wait;
	struct list_head queue;
	struct snapshot_tally tally;
	unsigned int queued;
	u64 initial;
	u64 taken;
	struct snapshot_out *filling;
	bool spent;
	size_t room;
	u64 whole;
	u64 image;
	bool more;
	struct snapshot_out *end;
	int err;
};

int snapshot_save_begin(struct snapshot_save *save, struct snapshot_pool *pool);
void snapshot_save_image(struct snapshot_save *save, enum vfio_snapshot_phase phase);
void snapshot_save_reserve(struct snapshot_save *save, u64 bytes);
u64 snapshot_save_length(const struct vfio_snapshot_ops *ops, u64 bytes);
u64 snapshot_save_pending(struct snapshot_save *save);
int snapshot_save_precopy_info(struct snapshot_save *save, bool running,
			       struct vfio_precopy_info *info);
ssize_t snapshot_save_read(struct snapshot_save *save, struct iov_iter *to, bool wait);
__poll_t snapshot_save_poll(struct snapshot_save *save);
void snapshot_save_drain(struct snapshot_save *save);

extern const size_t snapshot_save_object;

#endif /* VFIO_SNAPSHOT_SAVE_H */
