// SPDX-License-Identifier: GPL-2.0-only
/*
 * The saving side of a stream: images of the device become records in a queue,
 * from which userspace reads.
 *
 * A back-end without a window gives an image at once. With one, an image comes
 * in chunks: the first is there when the arc to STOP_COPY is taken, each further
 * one is asked for as soon as there is a buffer for it, that is while userspace
 * reads the one before.
 */
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/pipe_fs_i.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/vfio.h>

#include "buffer.h"
#include "compat.h"
#include "migration.h"
#include "stream.h"
#include "trace.h"

/**
 * struct snapshot_out - a record on its way to userspace
 * @entry: in the stream's queue
 * @stream: that it is of
 * @head: header, and the whole payload of our own records
 * @head_len: bytes of @head
 * @buf: payload of a record of device data, or NULL
 * @buf_len: bytes of it
 * @pos: bytes of head and payload that were read
 * @initial: what has been queued with this is the initial data
 * @transfer: which fills @buf
 */
struct snapshot_out {
	struct list_head entry;
	struct snapshot_stream *stream;
	struct {
		struct vfio_snapshot_record record;
		union {
			struct vfio_snapshot_ident ident;
			struct vfio_snapshot_stop_copy_size size;
			struct vfio_snapshot_end end;
		};
	} head;
	size_t head_len;
	struct snapshot_buf *buf;
	size_t buf_len;
	u64 pos;
	bool initial;
	struct snapshot_transfer transfer;
};

#define HEAD_LEN	sizeof(struct vfio_snapshot_record)

static const struct vfio_snapshot_ops *ops_of(struct snapshot_stream *stream)
{
	return stream->mig->sdev->ops;
}

static void free_out(struct snapshot_out *out)
{
	if (!out)
		return;
	snapshot_buf_free(out->buf);
	kfree(out);
}

static struct snapshot_out *make_out(struct snapshot_stream *stream, u32 tag, u64 size)
{
	struct snapshot_out *out = kzalloc_obj(*out, GFP_KERNEL_ACCOUNT);

	if (!out)
		return NULL;
	out->stream = stream;
	snapshot_record_fill(&out->head.record, tag, size);
	out->head_len = HEAD_LEN;
	/* Device data is behind it, what is ours is in it. */
	if (tag != VFIO_SNAPSHOT_TAG_DEVICE_DATA)
		out->head_len += size;
	return out;
}

/* The record becomes part of the stream. */
static void queue_out(struct snapshot_stream *stream, struct snapshot_out *out)
{
	struct snapshot_save *save = &stream->save;
	u64 size = le64_to_cpu(out->head.record.size);

	lockdep_assert_held(&stream->lock);
	snapshot_tally_add(&save->tally, size);
	list_add_tail(&out->entry, &save->queue);
	trace_vfio_snapshot_record(snapshot_mig_name(stream->mig), SNAPSHOT_RECORD_QUEUED,
				   le32_to_cpu(out->head.record.tag), size);
}

static int queue_ident(struct snapshot_stream *stream)
{
	struct vfio_snapshot_device *sdev = stream->mig->sdev;
	struct snapshot_out *out;

	out = make_out(stream, VFIO_SNAPSHOT_TAG_IDENT, sizeof(out->head.ident));
	if (!out)
		return -ENOMEM;
	snapshot_ident_fill(&out->head.ident, sdev->core.pdev->vendor,
			    sdev->core.pdev->device, sdev->ops->name);
	scoped_guard(spinlock, &stream->lock)
		queue_out(stream, out);
	return 0;
}

/* Lets a receiver have its memory known to the firmware before the blackout. */
static int queue_stop_copy_size(struct snapshot_stream *stream, u64 bytes)
{
	struct snapshot_out *out;

	out = make_out(stream, VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE, sizeof(out->head.size));
	if (!out)
		return -ENOMEM;
	out->head.size.bytes = cpu_to_le64(bytes);
	scoped_guard(spinlock, &stream->lock)
		queue_out(stream, out);
	return 0;
}

/* Nothing fails from here on. */
static void queue_data(struct snapshot_stream *stream, struct snapshot_out *out,
		       size_t size, bool more)
{
	struct snapshot_save *save = &stream->save;
	struct snapshot_out *end = save->end;

	lockdep_assert_held(&stream->lock);
	out->buf_len = size;
	out->head.record.size = cpu_to_le64(size);
	queue_out(stream, out);
	save->images = true;
	save->queued++;
	if (out->initial)
		save->initial = save->tally.length;
	if (out->transfer.phase != VFIO_SNAPSHOT_FINAL)
		return;

	save->err = 0;
	save->image += size;
	save->more = more;
	if (more)
		return;
	end->head.end.records = cpu_to_le64(save->tally.records);
	end->head.end.length = cpu_to_le64(save->tally.length);
	queue_out(stream, end);
	save->end = NULL;
	WRITE_ONCE(save->final, true);
}

static int check_answer(struct snapshot_stream *stream,
			const struct snapshot_transfer *transfer)
{
	const struct vfio_snapshot_io *io = &transfer->io;

	if (!io->done || io->done > io->size)
		return -EIO;
	if (io->more && (!stream->mig->window || transfer->phase != VFIO_SNAPSHOT_FINAL))
		return -EIO;
	if (transfer->phase == VFIO_SNAPSHOT_FINAL &&
	    stream->save.image + io->done > ops_of(stream)->max_image)
		return -EFBIG;
	return 0;
}

/*
 * A transfer is over: its record is queued, or gone and its memory spare.
 * Frees no memory that the firmware knows, as that takes fw_lock.
 */
static int end_chunk(struct snapshot_out *out, int err)
{
	struct snapshot_stream *stream = out->stream;
	struct snapshot_transfer *transfer = &out->transfer;

	lockdep_assert_held(&stream->mig->fw_lock);
	snapshot_buf_io_end(out->buf);
	if (!err)
		err = check_answer(stream, transfer);
	if (!err) {
		guard(spinlock)(&stream->lock);
		queue_data(stream, out, transfer->io.done, transfer->io.more);
	} else {
		snapshot_stream_put_spare(stream, out->buf);
		kfree(out);
	}
	return err;
}

static void begin_chunks(struct snapshot_stream *stream);

static void chunk_done(struct snapshot_transfer *transfer, int err)
{
	struct snapshot_out *out = container_of(transfer, struct snapshot_out, transfer);
	struct snapshot_stream *stream = out->stream;

	err = end_chunk(out, err);
	scoped_guard(spinlock, &stream->lock) {
		stream->save.filling = false;
		stream->save.err = snapshot_stream_told(err);
		if (err)
			stream->save.more = false;
	}
	if (!err)
		begin_chunks(stream);
	wake_up_all(&stream->wait);
}

/* Fills @out, which is gone if that fails. @done: as of a transfer. */
static int begin_chunk(struct snapshot_out *out, enum vfio_snapshot_phase phase,
		       void (*done)(struct snapshot_transfer *transfer, int err))
{
	struct snapshot_stream *stream = out->stream;
	size_t size = out->buf->size;
	int err;

	if (stream->mig->window)
		size = min(size, stream->mig->window);
	err = snapshot_buf_io(out->buf, size, &out->transfer.io);
	if (err) {
		snapshot_stream_put_spare(stream, out->buf);
		kfree(out);
		return err;
	}
	out->transfer.mig = stream->mig;
	out->transfer.dir = VFIO_SNAPSHOT_SAVE;
	out->transfer.phase = phase;
	out->transfer.done = done;
	err = snapshot_fw_transfer(&out->transfer);
	if (err != -EINPROGRESS)
		return end_chunk(out, err);
	scoped_guard(spinlock, &stream->lock) {
		stream->save.filling = true;
		stream->save.expected = HEAD_LEN + size;
	}
	return err;
}

/* Whether the next chunk of the final image can be asked for. */
static bool is_due(struct snapshot_stream *stream)
{
	guard(spinlock)(&stream->lock);
	return stream->save.more && !stream->save.filling &&
	       stream->save.queued < SNAPSHOT_WINDOWS && !snapshot_stream_is_dead(stream);
}

/* There is no way to go on behind a chunk that is missing. */
static void break_off(struct snapshot_stream *stream, int err)
{
	guard(spinlock)(&stream->lock);
	stream->save.err = snapshot_stream_told(err);
	stream->save.more = false;
}

/* As many chunks as there are buffers for that need no command and no memory. */
static void begin_chunks(struct snapshot_stream *stream)
{
	int err = 0;

	lockdep_assert_held(&stream->mig->fw_lock);
	while (!err && is_due(stream)) {
		struct snapshot_buf *buf;
		struct snapshot_out *out;

		buf = snapshot_stream_ready_spare(stream, stream->save.room);
		if (!buf)
			return;
		out = make_out(stream, VFIO_SNAPSHOT_TAG_DEVICE_DATA, 0);
		if (!out) {
			snapshot_stream_put_spare(stream, buf);
			return;
		}
		out->buf = buf;
		err = begin_chunk(out, VFIO_SNAPSHOT_FINAL, chunk_done);
	}
	if (err && err != -EINPROGRESS)
		break_off(stream, err);
}

/* A record with room for @size bytes. */
static struct snapshot_out *make_data(struct snapshot_stream *stream, size_t size)
{
	struct snapshot_out *out;
	int err;

	out = make_out(stream, VFIO_SNAPSHOT_TAG_DEVICE_DATA, 0);
	if (!out)
		return ERR_PTR(-ENOMEM);
	out->buf = snapshot_stream_spare(stream);
	if (!out->buf)
		out->buf = snapshot_buf_alloc(stream->mig->sdev, VFIO_SNAPSHOT_SAVE, 0);
	if (IS_ERR(out->buf)) {
		err = PTR_ERR(out->buf);
		kfree(out);
		return ERR_PTR(err);
	}
	err = snapshot_buf_reserve(out->buf, size);
	if (err) {
		free_out(out);
		return ERR_PTR(err);
	}
	return out;
}

/* An image of at most @size bytes, or as much of it as a window has room for. */
static int save_once(struct snapshot_stream *stream, enum vfio_snapshot_phase phase,
		     size_t size, bool initial)
{
	bool final = phase == VFIO_SNAPSHOT_FINAL;
	struct snapshot_out *out;
	int err;

	out = make_data(stream, size);
	if (IS_ERR(out))
		return PTR_ERR(out);
	out->initial = initial;
	err = snapshot_fw_lock_killable(stream->mig);
	if (err) {
		free_out(out);
		return err;
	}
	if (snapshot_stream_is_dead(stream)) {
		/* The session ended by a reset since the caller looked. */
		snapshot_fw_unlock(stream->mig);
		free_out(out);
		return -ENODEV;
	}
	err = begin_chunk(out, phase, final ? NULL : chunk_done);
	if (!err && final)
		begin_chunks(stream);
	snapshot_fw_unlock(stream->mig);
	if (err == -EINPROGRESS)
		return 0;
	wake_up_all(&stream->wait);
	return err;
}

/*
 * Room for an image of @bytes: one that fills it may have been cut off. A window
 * is never smaller than that: the state may have grown since it was asked for,
 * and what the firmware has in one piece would never fit.
 */
static size_t room_for(struct snapshot_stream *stream, u64 bytes)
{
	return stream->mig->window ?: bytes + 1;
}

/*
 * Before the first image: who it is from, and what the final one will need. All
 * that a window takes is had now, while the guest runs.
 */
static int begin_stream(struct snapshot_stream *stream,
			enum vfio_snapshot_phase phase, u64 bytes)
{
	size_t room = room_for(stream, bytes);
	int err = queue_ident(stream);

	stream->save.room = room;
	if (!err && ops_of(stream)->caps & VFIO_SNAPSHOT_CAP_INCREMENT)
		err = queue_stop_copy_size(stream, room);
	if (!err && phase == VFIO_SNAPSHOT_AHEAD && stream->mig->window)
		err = snapshot_stream_prepare(stream, room, SNAPSHOT_WINDOWS);
	return err;
}

static int make_end(struct snapshot_stream *stream)
{
	if (!stream->save.end)
		stream->save.end = make_out(stream, VFIO_SNAPSHOT_TAG_END,
					    sizeof(struct vfio_snapshot_end));
	return stream->save.end ? 0 : -ENOMEM;
}

/**
 * snapshot_save_image - take an image of the device
 * @stream: a saving stream, with @mig->lock held
 * @phase: VFIO_SNAPSHOT_FINAL ends the stream
 *
 * An image that is taken ahead may still be under way when this returns. Of the
 * final one, the first chunk is there.
 *
 * Return: 0, or an errno with nothing more in the stream that a final image
 * could not follow.
 */
int snapshot_save_image(struct snapshot_stream *stream,
			enum vfio_snapshot_phase phase)
{
	bool final = phase == VFIO_SNAPSHOT_FINAL;
	/* In the blackout any earlier estimate will do, asking costs a command. */
	unsigned long max_age = final ? MAX_JIFFY_OFFSET : 0;
	int err, failed = 0;
	u64 size, tried = 0;

	lockdep_assert_held(&stream->mig->lock);

	err = final ? make_end(stream) : 0;
	while (!err) {
		err = snapshot_mig_estimate(stream->mig, max_age, &size);
		if (err)
			break;
		if (size <= tried)
			return failed;
		if (!stream->save.tally.records)
			err = begin_stream(stream, phase, size);
		if (err)
			break;
		if (final)
			stream->save.whole = size;
		err = save_once(stream, phase, room_for(stream, size),
				!final && !stream->save.images);
		if (!err)
			return 0;
		if (failed || (err != -ENOMEM && err != -ENOSPC))
			break;
		failed = err;
		tried = size;
		max_age = 0;
		err = 0;
	}
	return err;
}

/**
 * snapshot_save_reserve - make memory ready for the final image
 * @stream: a saving stream that is not final, with @mig->lock held
 * @bytes: size of an image
 *
 * The memory of an image that was read is kept for the next. This is for the
 * case that it would not do, to be called while the guest runs; if there is no
 * memory, that is found out when it is needed.
 */
void snapshot_save_reserve(struct snapshot_stream *stream, u64 bytes)
{
	struct snapshot_buf *buf;

	lockdep_assert_held(&stream->mig->lock);
	if (stream->mig->window)
		return;
	buf = snapshot_stream_spare(stream);
	if (!buf)
		return;
	if (!snapshot_buf_reserve(buf, room_for(stream, bytes)) &&
	    !snapshot_fw_lock_killable(stream->mig)) {
		if (!snapshot_stream_is_dead(stream))
			snapshot_buf_map(buf);
		snapshot_fw_unlock(stream->mig);
	}
	snapshot_stream_put_spare(stream, buf);
}

/**
 * snapshot_save_length - bytes of a stream with one image in it
 * @mig: of the device
 * @bytes: of the image
 *
 * Return: that, headers and our own records included.
 */
u64 snapshot_save_length(struct snapshot_mig *mig, u64 bytes)
{
	const struct vfio_snapshot_ops *ops = mig->sdev->ops;
	u64 chunks = ops->window ? DIV_ROUND_UP_ULL(bytes, ops->window) : 1;

	bytes += (chunks + 2) * HEAD_LEN + sizeof(struct vfio_snapshot_ident) +
		 sizeof(struct vfio_snapshot_end);
	if (ops->caps & VFIO_SNAPSHOT_CAP_INCREMENT)
		bytes += HEAD_LEN + sizeof(struct vfio_snapshot_stop_copy_size);
	return bytes;
}

/**
 * snapshot_save_pending - bytes that are left to read
 * @stream: a saving stream
 *
 * Return: bytes queued and not yet read, and of a final image that is not wholly
 * queued what it may still have.
 */
u64 snapshot_save_pending(struct snapshot_stream *stream)
{
	struct snapshot_save *save = &stream->save;
	u64 left = 0;

	guard(spinlock)(&stream->lock);
	if (save->more)
		left = save->whole - min(save->whole, save->image) + 2 * HEAD_LEN +
		       sizeof(struct vfio_snapshot_end);
	return save->tally.length - save->taken + left;
}

/* Begins to take what changed, if that is of use now. */
static int save_changes(struct snapshot_stream *stream,
			const struct vfio_snapshot_estimate *est, bool renewed)
{
	if (!est->bytes || (!renewed && snapshot_save_pending(stream)))
		return 0;
	return save_once(stream, VFIO_SNAPSHOT_AHEAD, room_for(stream, est->bytes),
			 renewed);
}

/**
 * snapshot_save_precopy_info - what is left to read before stopping
 * @stream: a saving stream that is not final, with @mig->lock held
 * @running: the device is in PRE_COPY
 * @info: @initial_bytes and @dirty_bytes are set, and VFIO_PRECOPY_INFO_REINIT
 *        where userspace knows it
 *
 * Of a device that saves in increments, what changed is counted, and is taken
 * when all else has been read.
 *
 * Return: 0, or an errno of the back-end.
 */
int snapshot_save_precopy_info(struct snapshot_stream *stream, bool running,
			       struct vfio_precopy_info *info)
{
	struct snapshot_save *save = &stream->save;
	struct vfio_snapshot_estimate est = {};
	u64 more = 0, length;
	bool renewed;
	int err;

	lockdep_assert_held(&stream->mig->lock);
	if (running && ops_of(stream)->caps & VFIO_SNAPSHOT_CAP_INCREMENT) {
		err = snapshot_mig_changed(stream->mig, &est);
		if (err)
			return err;
	}
	err = READ_ONCE(save->err);
	if (err)
		return err;
	if (est.bytes)
		more = HEAD_LEN + est.bytes;
	renewed = est.renewed && SNAPSHOT_PRECOPY_V2(&stream->mig->sdev->core.vdev);
	scoped_guard(spinlock, &stream->lock) {
		length = save->tally.length + more;
		if (save->filling)
			length += save->expected;
		if (renewed || (save->filling && !save->images))
			save->initial = length;
		info->initial_bytes = save->initial - min(save->initial, save->taken);
		info->dirty_bytes = length - save->taken - info->initial_bytes;
	}
	if (renewed)
		info->flags |= VFIO_PRECOPY_INFO_REINIT;
	return save_changes(stream, &est, renewed);
}

/* Where what is read goes: user memory, or the pipe of a splice(). */
struct sink {
	struct iov_iter *iter;
	struct pipe_inode_info *pipe;
	size_t room;
};

static ssize_t splice_head(const void *from, size_t len, struct pipe_inode_info *pipe)
{
	struct pipe_buffer slot = { .ops = &nosteal_pipe_buf_ops, .len = len };

	slot.page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!slot.page)
		return -ENOMEM;
	memcpy(page_address(slot.page), from, len);
	return add_to_pipe(pipe, &slot);
}

static ssize_t put_head(struct sink *sink, const void *from, size_t len)
{
	if (sink->pipe)
		return splice_head(from, len, sink->pipe);
	return copy_to_iter(from, len, sink->iter) ?: -EFAULT;
}

static ssize_t put_data(struct sink *sink, struct snapshot_buf *buf, size_t pos,
			size_t len)
{
	if (sink->pipe)
		return snapshot_buf_splice(buf, pos, len, sink->pipe);
	return snapshot_buf_read(buf, pos, len, sink->iter) ?: -EFAULT;
}

/*
 * Some of a record. The first half of a final image that is no window is given
 * back as it is read, the second with the session, which is soon over then: to
 * free memory takes a sixth of the time that it takes to copy it.
 */
static ssize_t read_some(struct snapshot_out *out, struct sink *sink)
{
	struct snapshot_stream *stream = out->stream;
	ssize_t done;
	size_t pos;

	if (out->pos < out->head_len)
		return put_head(sink, (u8 *)&out->head + out->pos,
				min_t(u64, out->head_len - out->pos, sink->room));

	pos = out->pos - out->head_len;
	done = put_data(sink, out->buf, pos, min(out->buf_len - pos, sink->room));
	if (done > 0 && READ_ONCE(stream->save.final) && !stream->mig->window)
		snapshot_buf_release(out->buf, min(pos + done, out->buf_len / 2));
	return done;
}

/* Takes from the first record, which is gone once it is wholly read. */
static ssize_t read_out(struct snapshot_out *out, struct sink *sink)
{
	struct snapshot_stream *stream = out->stream;
	ssize_t done = read_some(out, sink);
	bool keep;

	if (done < 0)
		return done;
	sink->room -= done;
	out->pos += done;

	scoped_guard(spinlock, &stream->lock) {
		stream->save.taken += done;
		if (out->pos < out->head_len + out->buf_len)
			return done;
		list_del(&out->entry);
		stream->save.queued -= !!out->buf;
		keep = stream->nr_spares < (stream->mig->window ? SNAPSHOT_WINDOWS : 1);
	}
	trace_vfio_snapshot_record(snapshot_mig_name(stream->mig),
				   SNAPSHOT_RECORD_TAKEN,
				   le32_to_cpu(out->head.record.tag),
				   le64_to_cpu(out->head.record.size));
	if (keep) {
		snapshot_stream_put_spare(stream, out->buf);
		out->buf = NULL;
	}
	free_out(out);
	return done;
}

/* Asks for the next chunk of the final image, if its time has come. */
static int go_on(struct snapshot_stream *stream)
{
	struct snapshot_out *out;
	int err;

	if (!is_due(stream))
		return 0;
	out = make_data(stream, stream->save.room);
	if (IS_ERR(out))
		return PTR_ERR(out);
	err = snapshot_fw_lock_killable(stream->mig);
	if (err) {
		free_out(out);
		return err;
	}
	if (is_due(stream)) {
		err = begin_chunk(out, VFIO_SNAPSHOT_FINAL, chunk_done);
		if (err && err != -EINPROGRESS)
			break_off(stream, err);
	} else {
		snapshot_stream_put_spare(stream, out->buf);
		kfree(out);
	}
	snapshot_fw_unlock(stream->mig);
	return 0;
}

/*
 * The record to be read from, or an ERR_PTR(); NULL at the end of the stream,
 * -EINPROGRESS when there will be one.
 */
static struct snapshot_out *next_out(struct snapshot_stream *stream)
{
	struct snapshot_save *save = &stream->save;
	struct snapshot_out *out;

	if (snapshot_stream_is_dead(stream))
		return ERR_PTR(-ENODEV);
	guard(spinlock)(&stream->lock);
	out = list_first_entry_or_null(&save->queue, struct snapshot_out, entry);
	if (out || save->final)
		return out;
	if (save->err)
		return ERR_PTR(save->err);
	return ERR_PTR(save->filling || save->more ? -EINPROGRESS : -ENOMSG);
}

static bool is_readable(struct snapshot_stream *stream)
{
	return next_out(stream) != ERR_PTR(-EINPROGRESS);
}

/**
 * snapshot_save_read - read from a stream
 * @stream: a saving stream
 * @to: where to, or NULL
 * @pipe: without @to: a pipe to give the memory to
 * @room: bytes to read at most
 * @wait: for an image that is being taken
 *
 * Return: bytes read; 0 at the end of the stream; -ENOMSG when there is nothing
 * before the device is stopped, -EAGAIN without @wait, -ENODEV when the session
 * is over, or what an image could not be taken for: -EBUSY if the firmware said
 * -EAGAIN, which is none that a reader could wait for.
 */
ssize_t snapshot_save_read(struct snapshot_stream *stream, struct iov_iter *to,
			   struct pipe_inode_info *pipe, size_t room, bool wait)
{
	struct sink sink = { .iter = to, .pipe = pipe, .room = room };
	struct snapshot_out *out;
	ssize_t done = 0, err;

	err = snapshot_stream_begin_io(stream);
	if (err)
		return err;
	do {
		err = go_on(stream);
		out = next_out(stream);
		if (out == ERR_PTR(-EINPROGRESS) && !err) {
			err = -EAGAIN;
			if (!done && wait)
				err = wait_event_interruptible(stream->wait,
							       is_readable(stream));
			if (!err)
				continue;
		}
		if (IS_ERR_OR_NULL(out)) {
			err = err ?: PTR_ERR_OR_ZERO(out);
			break;
		}
		err = sink.room ? read_out(out, &sink) : 0;
		if (err <= 0)
			break;
		done += err;
	} while (sink.room);
	go_on(stream);
	snapshot_stream_end_io(stream, done);
	return done ?: err;
}

/**
 * snapshot_save_drop - free what a stream without a session holds
 * @stream: a saving stream; nobody reads
 */
void snapshot_save_drop(struct snapshot_stream *stream)
{
	struct snapshot_out *out, *next;
	LIST_HEAD(list);

	scoped_guard(spinlock, &stream->lock)
		list_splice_init(&stream->save.queue, &list);
	list_for_each_entry_safe(out, next, &list, entry)
		free_out(out);
	free_out(stream->save.end);
	stream->save.end = NULL;
}
