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
 * @images: device data has been queued
 * @queued: records of device data that are not wholly read
 * @initial: bytes up to the end of the first image, or of the last one that the
 *           device had set up again
 * @taken: bytes that were read
 * @filling: an asynchronous save() is under way
 * @filling_initial: its image will belong to the initial bytes
 * @expected: bytes that it adds to the stream, at most
 * @spent: no further image ahead: one failed
 * @room: bytes of a buffer for a chunk
 * @whole: bytes that the final image has, at most
 * @image: bytes of the final image that have been queued
 * @more: the final image goes on
 * @end: the END record, allocated ahead
 * @final: the END record is queued
 * @err: the final image failed, read() returns this
 *
 * pool->lock protects all of it, except for the first record of @queue, which
 * belongs to the reader, and @whole, which the lock of the device's state protects.
 */
struct snapshot_save {
	struct snapshot_pool *pool;
	wait_queue_head_t wait;
	struct list_head queue;
	struct snapshot_tally tally;
	bool images;
	unsigned int queued;
	u64 initial;
	u64 taken;
	bool filling;
	bool filling_initial;
	u64 expected;
	bool spent;
	size_t room;
	u64 whole;
	u64 image;
	bool more;
	struct snapshot_out *end;
	bool final;
	int err;
};

int snapshot_save_begin(struct snapshot_save *save, struct snapshot_pool *pool);
void snapshot_save_ahead(struct snapshot_save *save);
void snapshot_save_final(struct snapshot_save *save);
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
