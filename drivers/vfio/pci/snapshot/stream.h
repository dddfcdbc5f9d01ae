/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The data stream of one session: its two directions are in save.c and load.c.
 */
#ifndef VFIO_SNAPSHOT_STREAM_H
#define VFIO_SNAPSHOT_STREAM_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/vfio_snapshot.h>
#include <linux/wait.h>

#include "firmware.h"
#include "format.h"

struct file;
struct iov_iter;
struct pipe_inode_info;
struct poll_table_struct;
struct snapshot_buf;
struct snapshot_mig;
struct snapshot_out;
struct vfio_precopy_info;

/* Buffers of a window each: one is copied while the firmware uses the other. */
#define SNAPSHOT_WINDOWS	2

/**
 * struct snapshot_save - the saving side of a stream
 * @queue: records not wholly read, struct snapshot_out
 * @tally: what has been queued
 * @images: device data has been queued
 * @queued: records of device data that are not wholly read
 * @initial: bytes that the first image and what is before it take; or all up to
 *           the end of the last one that was set up anew
 * @taken: bytes that were read
 * @filling: an image or a chunk is being taken, nobody waits for it
 * @expected: bytes that this adds to the stream, at most
 * @room: bytes of a buffer for a chunk; set before the first image
 * @whole: bytes that the final image has, at most
 * @image: bytes of the final image that have been queued
 * @more: the final image goes on
 * @end: the END record, made before the final image is taken
 * @final: the END record is queued
 * @err: an image could not be taken, nothing follows before the final one
 *
 * All of it is protected by @lock of the stream, but for the first record of
 * @queue, which is of who holds @io, and @end, of who queues the final image.
 */
struct snapshot_save {
	struct list_head queue;
	struct snapshot_tally tally;
	bool images;
	unsigned int queued;
	u64 initial;
	u64 taken;
	bool filling;
	u64 expected;
	size_t room;
	u64 whole;
	u64 image;
	bool more;
	struct snapshot_out *end;
	bool final;
	int err;
};

/**
 * struct snapshot_load - the loading side of a stream
 * @parser: takes the stream apart
 * @buf: data of the current record
 * @taken: bytes that were written
 * @err: the stream is broken for this reason
 * @loading: buffer that is being loaded, and nobody waits for it
 * @transfer: which does that
 * @load_err: it failed; set with the device's fw_lock held
 *
 * All but @load_err is protected by @io of the stream, @loading and @transfer
 * belong to the transfer while it is under way.
 */
struct snapshot_load {
	struct snapshot_parser parser;
	struct snapshot_buf *buf;
	u64 taken;
	int err;
	struct snapshot_buf *loading;
	struct snapshot_transfer transfer;
	int load_err;
};

/**
 * struct snapshot_stream - the data stream of one session
 * @ref: one for the session, one for the file
 * @mig: of the device; the file holds a reference on the device
 * @dir: saving or loading
 * @dead: the session is over; set without a lock
 * @closed: its firmware objects are gone, too; set without a lock
 * @wait: pollers, and who waits for data
 * @io: held by who uses the data fd, also while user memory is copied, which
 *      may take for ever. So no change of state but the end of loading waits
 *      for it.
 * @lock: taken within @io and within the device's fw_lock
 * @spares: buffers that are not in use, protected by @lock
 * @nr_spares: how many
 * @save: for a saving stream
 * @load: for a loading stream
 */
struct snapshot_stream {
	struct kref ref;
	struct snapshot_mig *mig;
	enum vfio_snapshot_dir dir;
	bool dead;
	bool closed;
	wait_queue_head_t wait;
	struct mutex io;	/* use of the data fd */
	spinlock_t lock;	/* what is queued, and spare memory */
	struct list_head spares;
	unsigned int nr_spares;
	union {
		struct snapshot_save save;
		struct snapshot_load load;
	};
};

static inline bool snapshot_stream_is_dead(const struct snapshot_stream *stream)
{
	return READ_ONCE(stream->dead);
}

/* Who is told EAGAIN by the data fd asks again, and again. */
static inline int snapshot_stream_told(int err)
{
	return err == -EAGAIN ? -EBUSY : err;
}

struct snapshot_stream *snapshot_stream_open(struct snapshot_mig *mig,
					     enum vfio_snapshot_dir dir,
					     struct file **file);
void snapshot_stream_kill(struct snapshot_stream *stream);
void snapshot_stream_close(struct snapshot_stream *stream);
int snapshot_stream_begin_io(struct snapshot_stream *stream);
void snapshot_stream_end_io(struct snapshot_stream *stream, ssize_t moved);

struct snapshot_buf *snapshot_stream_spare(struct snapshot_stream *stream);
struct snapshot_buf *snapshot_stream_ready_spare(struct snapshot_stream *stream,
						 size_t size);
void snapshot_stream_put_spare(struct snapshot_stream *stream,
			       struct snapshot_buf *buf);
int snapshot_stream_prepare(struct snapshot_stream *stream, size_t size,
			    unsigned int count);

int snapshot_save_image(struct snapshot_stream *stream,
			enum vfio_snapshot_phase phase);
void snapshot_save_reserve(struct snapshot_stream *stream, u64 bytes);
u64 snapshot_save_length(struct snapshot_mig *mig, u64 bytes);
u64 snapshot_save_pending(struct snapshot_stream *stream);
int snapshot_save_precopy_info(struct snapshot_stream *stream, bool running,
			       struct vfio_precopy_info *info);
ssize_t snapshot_save_read(struct snapshot_stream *stream, struct iov_iter *to,
			   struct pipe_inode_info *pipe, size_t room, bool wait);
void snapshot_save_drop(struct snapshot_stream *stream);

int snapshot_load_begin(struct snapshot_stream *stream);
ssize_t snapshot_load_write(struct snapshot_stream *stream, struct iov_iter *from);
int snapshot_load_finish(struct snapshot_stream *stream);
void snapshot_load_drop(struct snapshot_stream *stream);

#endif /* VFIO_SNAPSHOT_STREAM_H */
