// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layer 3, saving: images of the device become records in a queue, from which
 * userspace reads.
 *
 * Images ahead, taken while the device runs, are a help: one that fails is given
 * up, and the final image then has the whole state. The final image is taken when
 * the device is stopped. Its failure changes no state; read() returns it.
 *
 * A back-end without a window gives an image in one transfer. With a window an
 * image comes in chunks: the first is there when the device enters STOP_COPY, the
 * next one is requested as soon as a buffer is free, while userspace reads.
 *
 * Locks: the lock of the device's state for whoever begins an image; stream->io
 * for the reader; the firmware for a transfer; pool->lock, last, for the queue.
 */
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/uio.h>
#include <linux/vfio.h>
#include <asm/byteorder.h>

#include "compat.h"
#include "firmware.h"
#include "save.h"
#include "trace.h"

/**
 * struct snapshot_out - a record on its way to userspace
 * @buf: payload of a record of device data, else empty; first
 * @save: the stream
 * @head: header, and the whole payload of one of our own records
 * @head_len: bytes of @head
 * @data_len: bytes of payload in @buf; an estimate while @transfer fills it
 * @pos: bytes of head and payload that were read
 * @initial: the image belongs to the initial bytes
 * @transfer: fills @buf
 */
struct snapshot_out {
	struct snapshot_buf buf;
	struct snapshot_save *save;
	struct {
		struct vfio_snapshot_record record;
		union {
			struct vfio_snapshot_ident ident;
			struct vfio_snapshot_stop_copy_size size;
			struct vfio_snapshot_end end;
		};
	} head;
	size_t head_len;
	size_t data_len;
	u64 pos;
	bool initial;
	struct snapshot_transfer transfer;
};

/* For the pool of a saving stream: its buffers are records. */
const size_t snapshot_save_object = sizeof(struct snapshot_out);

#define HEAD_LEN	sizeof(struct vfio_snapshot_record)

static struct snapshot_out *save_out(struct snapshot_buf *buf)
{
	return container_of(buf, struct snapshot_out, buf);
}

static void save_set_head(struct snapshot_out *out, struct snapshot_save *save, u32 tag,
			  u64 size)
{
	out->save = save;
	out->pos = 0;
	snapshot_record_fill(&out->head.record, tag, size);
	out->head_len = HEAD_LEN;
	/* Device data follows it, our own payload is part of it. */
	if (tag != VFIO_SNAPSHOT_TAG_DEVICE_DATA)
		out->head_len += size;
}

/* One of our own records. */
static struct snapshot_out *save_make_own(struct snapshot_save *save, u32 tag, u64 size)
{
	struct snapshot_buf *buf = snapshot_buf_alloc(save->pool);

	if (IS_ERR(buf))
		return NULL;
	save_set_head(save_out(buf), save, tag, size);
	return save_out(buf);
}

static void save_queue(struct snapshot_save *save, struct snapshot_out *out)
{
	u64 size = le64_to_cpu(out->head.record.size);

	lockdep_assert_held(&save->pool->lock);
	snapshot_tally_add(&save->tally, size);
	list_add_tail(&out->buf.entry, &save->queue);
	trace_vfio_snapshot_record(save->pool->fw, "queued",
				   le32_to_cpu(out->head.record.tag), size);
}

/**
 * snapshot_save_begin - set up the saving side of a stream
 * @save: all 0
 * @pool: memory of the stream, whose session has begun
 *
 * Return: 0 with the IDENT record queued, or -ENOMEM.
 */
int snapshot_save_begin(struct snapshot_save *save, struct snapshot_pool *pool)
{
	struct vfio_snapshot_device *sdev = pool->fw->sdev;
	struct snapshot_out *ident;

	save->pool = pool;
	init_waitqueue_head(&save->wait);
	INIT_LIST_HEAD(&save->queue);
	save->end = save_make_own(save, VFIO_SNAPSHOT_TAG_END, sizeof(ident->head.end));
	ident = save_make_own(save, VFIO_SNAPSHOT_TAG_IDENT, sizeof(ident->head.ident));
	if (!save->end || !ident) {
		if (ident)
			snapshot_buf_free(&ident->buf);
		return -ENOMEM;
	}
	snapshot_ident_fill(&ident->head.ident, sdev->core.pdev->vendor,
			    sdev->core.pdev->device, sdev->ops->name);
	guard(spinlock)(&pool->lock);
	save_queue(save, ident);
	return 0;
}

/* Nothing fails from here on. */
static void save_queue_data(struct snapshot_out *out)
{
	const struct snapshot_transfer *transfer = &out->transfer;
	struct snapshot_save *save = out->save;
	struct snapshot_out *end = save->end;

	lockdep_assert_held(&save->pool->lock);
	out->data_len = transfer->io.done;
	out->head.record.size = cpu_to_le64(out->data_len);
	save_queue(save, out);
	save->queued++;
	if (out->initial)
		save->initial = save->tally.length;
	if (transfer->phase != VFIO_SNAPSHOT_FINAL)
		return;

	save->image += out->data_len;
	save->more = transfer->io.more;
	if (save->more) {
		/* There may be any amount. */
		WRITE_ONCE(save->room, transfer->fw->ops.window);
		return;
	}
	end->head.end.records = cpu_to_le64(save->tally.records);
	end->head.end.length = cpu_to_le64(save->tally.length);
	save_queue(save, end);
	save->end = NULL;
}

static int save_check_answer(struct snapshot_save *save,
			     const struct snapshot_transfer *transfer)
{
	const struct vfio_snapshot_io *io = &transfer->io;

	if (!io->done || io->done > io->size)
		return -EIO;
	if (io->more && (!transfer->fw->ops.window || transfer->phase != VFIO_SNAPSHOT_FINAL))
		return -EIO;
	if (transfer->phase == VFIO_SNAPSHOT_FINAL &&
	    save->image + io->done > transfer->fw->ops.max_image)
		return -EFBIG;
	return 0;
}

/*
 * No image follows: one that was taken ahead is given up, the final one failed.
 * @filled: the record whose transfer failed, or NULL.
 */
static void save_fail(struct snapshot_save *save, enum vfio_snapshot_phase phase, int err,
		      struct snapshot_out *filled)
{
	/* The log has the reason before a reader sees what follows from it. */
	if (!snapshot_pool_is_dead(save->pool)) {
		if (phase == VFIO_SNAPSHOT_FINAL)
			snapshot_say(save->pool->fw, err, "final image failed",
				     "; read() of the data fd returns it");
		else
			snapshot_say(save->pool->fw, err, "image ahead failed",
				     "; no further image ahead");
	}
	scoped_guard(spinlock, &save->pool->lock) {
		if (filled)
			save->filling = NULL;
		if (phase == VFIO_SNAPSHOT_FINAL) {
			save->err = snapshot_fd_errno(err);
			save->more = false;
		} else {
			save->spent = true;
		}
	}
	if (filled)
		snapshot_pool_put(&filled->buf);
	wake_up_all(&save->wait);
}

/* A transfer is over: its record is queued, or the caller puts its memory. */
static int save_end_chunk(struct snapshot_out *out, int err)
{
	struct snapshot_save *save = out->save;

	snapshot_fw_assert_held(save->pool->fw);
	snapshot_buf_io_end(&out->buf);
	if (!err)
		err = save_check_answer(save, &out->transfer);
	if (err)
		return err;
	scoped_guard(spinlock, &save->pool->lock) {
		save->filling = NULL;
		save_queue_data(out);
	}
	wake_up_all(&save->wait);
	return 0;
}

static void save_begin_chunks(struct snapshot_save *save);

static void save_chunk_done(struct snapshot_transfer *transfer, int err)
{
	struct snapshot_out *out = container_of(transfer, struct snapshot_out, transfer);
	struct snapshot_save *save = out->save;

	err = save_end_chunk(out, err);
	if (err)
		save_fail(save, transfer->phase, err, out);
	else
		save_begin_chunks(save);
}

/*
 * Fills @buf, which is spare again if that fails. @bytes: at most, of the image.
 * @done: as of a transfer.
 */
static int save_begin_chunk(struct snapshot_save *save, struct snapshot_buf *buf,
			    enum vfio_snapshot_phase phase, u64 bytes, bool renewed,
			    void (*done)(struct snapshot_transfer *transfer, int err))
{
	struct snapshot_out *out = save_out(buf);
	struct snapshot_fw *fw = save->pool->fw;
	size_t size = buf->size;
	int err;

	if (fw->ops.window)
		size = min(size, fw->ops.window);
	save_set_head(out, save, VFIO_SNAPSHOT_TAG_DEVICE_DATA, 0);
	out->data_len = min_t(u64, size, bytes);
	out->initial = phase == VFIO_SNAPSHOT_AHEAD && (renewed || !save->initial);
	snapshot_buf_io(buf, size, &out->transfer.io);
	out->transfer.fw = fw;
	out->transfer.dir = VFIO_SNAPSHOT_SAVE;
	out->transfer.phase = phase;
	out->transfer.done = done;
	err = snapshot_fw_transfer(&out->transfer);
	if (err == -EINPROGRESS) {
		guard(spinlock)(&save->pool->lock);
		save->filling = out;
		return err;
	}
	err = save_end_chunk(out, err);
	if (err)
		snapshot_pool_put(buf);
	return err;
}

/* Whether the next chunk of the final image can be requested. */
static bool save_is_due(struct snapshot_save *save)
{
	guard(spinlock)(&save->pool->lock);
	return save->more && !save->filling && save->queued < SNAPSHOT_WINDOWS &&
	       !snapshot_pool_is_dead(save->pool);
}

/* Requests chunks as long as buffers are free that need no command and no memory. */
static void save_begin_chunks(struct snapshot_save *save)
{
	struct snapshot_buf *buf;
	int err;

	snapshot_fw_assert_held(save->pool->fw);
	while (save_is_due(save)) {
		buf = snapshot_pool_get_ready(save->pool, READ_ONCE(save->room));
		if (!buf)
			return;
		err = save_begin_chunk(save, buf, VFIO_SNAPSHOT_FINAL, buf->size, false,
				       save_chunk_done);
		if (err && err != -EINPROGRESS)
			save_fail(save, VFIO_SNAPSHOT_FINAL, err, NULL);
	}
}

/*
 * Room for an image of @bytes, or for a chunk of it. Without a window there is one
 * byte more: the firmware may have cut off an image that fills its buffer.
 */
static size_t save_room(struct snapshot_save *save, u64 bytes)
{
	size_t window = save->pool->fw->ops.window;
	size_t room = window ? min(window, bytes) : bytes + 1;

	guard(spinlock)(&save->pool->lock);
	WRITE_ONCE(save->room, max(save->room, room));
	return window ? save->room : room;
}

/* An image of at most @bytes, or as much of it as a window has room for. */
static int save_once(struct snapshot_save *save, enum vfio_snapshot_phase phase,
		     u64 bytes, bool renewed)
{
	bool final = phase == VFIO_SNAPSHOT_FINAL;
	size_t room = save_room(save, bytes);
	struct snapshot_fw *fw = save->pool->fw;
	struct snapshot_buf *buf;
	int err;

	buf = snapshot_pool_get_ready(save->pool, room) ?:
	      snapshot_pool_get(save->pool, room);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	err = snapshot_fw_lock(fw);
	if (err) {
		snapshot_pool_put(buf);
		return err;
	}
	if (snapshot_pool_is_dead(save->pool)) {
		/* A reset ended the session since the caller looked. */
		snapshot_pool_put(buf);
		err = -ENODEV;
	} else {
		err = save_begin_chunk(save, buf, phase, bytes, renewed,
				       final ? NULL : save_chunk_done);
		if (!err && final)
			save_begin_chunks(save);
	}
	snapshot_fw_unlock(fw);
	return err == -EINPROGRESS ? 0 : err;
}

/*
 * Before the first image: lets the receiver know the room that it needs, and allocates
 * all memory that a state of @bytes needs.
 */
static int save_plan(struct snapshot_save *save, enum vfio_snapshot_phase phase, u64 bytes)
{
	struct snapshot_fw *fw = save->pool->fw;
	size_t room = save_room(save, bytes);
	struct snapshot_out *size;

	if (fw->ops.caps & VFIO_SNAPSHOT_CAP_INCREMENT) {
		size = save_make_own(save, VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE,
				     sizeof(size->head.size));
		if (!size)
			return -ENOMEM;
		size->head.size.bytes = cpu_to_le64(room);
		scoped_guard(spinlock, &save->pool->lock)
			save_queue(save, size);
	}
	if (phase == VFIO_SNAPSHOT_FINAL || !fw->ops.window)
		return 0;
	return snapshot_pool_reserve(save->pool, room, bytes > room ? SNAPSHOT_WINDOWS : 1);
}

/* Comes back once with more room if the firmware had too little. */
static int save_try(struct snapshot_save *save, enum vfio_snapshot_phase phase)
{
	bool final = phase == VFIO_SNAPSHOT_FINAL;
	/* In the blackout any earlier size will do: asking costs a command. */
	unsigned long max_age = final ? MAX_JIFFY_OFFSET : 0;
	int err, failed = 0;
	u64 size, tried = 0;

	for (;;) {
		err = snapshot_fw_size(save->pool->fw, max_age, &size);
		if (!err && size <= tried)
			return failed;
		if (!err && !save->room)
			err = save_plan(save, phase, size);
		if (err)
			return err;
		if (final)
			save->whole = size;
		err = save_once(save, phase, size, false);
		if (tried || (err != -ENOMEM && err != -ENOSPC))
			return err;
		failed = err;
		tried = size;
		max_age = 0;
	}
}

/**
 * snapshot_save_image - take an image
 * @save: a saving stream; the caller holds the lock of the device's state
 * @phase: ahead, or final: then the device is stopped
 *
 * An image ahead may still be under way when this returns; one that fails is given
 * up. Of a final image the first chunk is there, or read() returns the errno.
 */
void snapshot_save_image(struct snapshot_save *save, enum vfio_snapshot_phase phase)
{
	int err = save_try(save, phase);

	if (err)
		save_fail(save, phase, err, NULL);
}

/**
 * snapshot_save_reserve - allocate ahead for the final image
 * @save: a saving stream that is not final; the caller holds the lock of the
 *        device's state
 * @bytes: size of an image
 *
 * Call it while the guest runs. Without a window, the final image reuses the memory
 * of an image that was read. Lack of memory shows when the image is taken.
 */
void snapshot_save_reserve(struct snapshot_save *save, u64 bytes)
{
	bool due;

	scoped_guard(spinlock, &save->pool->lock)
		due = save->pool->fw->ops.window ?
		      save->queued + !!save->filling < SNAPSHOT_WINDOWS :
		      save->pool->nr_spares;
	if (due)
		snapshot_pool_reserve(save->pool, save_room(save, bytes), 1);
}

/**
 * snapshot_save_length - bytes of a stream with one image in it
 * @ops: of the back-end
 * @bytes: of the image
 *
 * Return: that, headers and our own records included.
 */
u64 snapshot_save_length(const struct vfio_snapshot_ops *ops, u64 bytes)
{
	u64 chunks = ops->window ? DIV_ROUND_UP_ULL(bytes, ops->window) : 1;

	bytes += (chunks + 2) * HEAD_LEN + sizeof(struct vfio_snapshot_ident) +
		 sizeof(struct vfio_snapshot_end);
	if (ops->caps & VFIO_SNAPSHOT_CAP_INCREMENT)
		bytes += HEAD_LEN + sizeof(struct vfio_snapshot_stop_copy_size);
	return bytes;
}

/**
 * snapshot_save_pending - bytes that are left to read
 * @save: a saving stream
 *
 * Return: bytes queued and not yet read, plus what a final image in chunks may
 * still add.
 */
u64 snapshot_save_pending(struct snapshot_save *save)
{
	u64 left = 0;

	guard(spinlock)(&save->pool->lock);
	if (save->more)
		left = save->whole - min(save->whole, save->image) + 2 * HEAD_LEN +
		       sizeof(struct vfio_snapshot_end);
	return save->tally.length - save->taken + left;
}

/*
 * Save the changes now? Yes, if userspace has read everything. After the device was
 * set up again also earlier, while fewer than SNAPSHOT_WINDOWS images wait.
 */
static bool save_wants_changes(struct snapshot_save *save, bool renewed)
{
	guard(spinlock)(&save->pool->lock);
	if (renewed)
		return save->queued < SNAPSHOT_WINDOWS;
	return save->tally.length == save->taken;
}

/**
 * snapshot_save_precopy_info - what is left to read before stopping
 * @save: a saving stream that is not final; the caller holds the lock of the
 *        device's state
 * @running: the device is in PRE_COPY
 * @info: @initial_bytes and @dirty_bytes are set, and VFIO_PRECOPY_INFO_REINIT
 *        where userspace knows it
 *
 * Where the device saves in increments, changes count as dirty bytes, and are
 * saved when all else has been read.
 *
 * Return: 0, or the errno of the back-end's estimate.
 */
int snapshot_save_precopy_info(struct snapshot_save *save, bool running,
			       struct vfio_precopy_info *info)
{
	struct snapshot_fw *fw = save->pool->fw;
	struct vfio_snapshot_estimate est = {};
	u64 initial, length;
	bool renewed;
	int err;

	if (running && !READ_ONCE(save->spent) &&
	    fw->sdev->ops->caps & VFIO_SNAPSHOT_CAP_INCREMENT) {
		err = snapshot_fw_changed(fw, &est);
		if (err && !READ_ONCE(save->spent))
			return err;
	}
	/* An image that the firmware was saving may have failed since. */
	if (READ_ONCE(save->spent))
		est = (struct vfio_snapshot_estimate){};
	renewed = est.renewed && SNAPSHOT_PRECOPY_V2(&fw->sdev->core.vdev);
	if (est.bytes && save_wants_changes(save, renewed)) {
		err = save_once(save, VFIO_SNAPSHOT_AHEAD, est.bytes, renewed);
		if (err)
			save_fail(save, VFIO_SNAPSHOT_AHEAD, err, NULL);
		/* From here on the queue and the transfer account for it. */
		est.bytes = 0;
	}

	guard(spinlock)(&save->pool->lock);
	length = save->tally.length;
	initial = save->initial;
	if (save->filling) {
		length += HEAD_LEN + save->filling->data_len;
		if (save->filling->initial)
			initial = length;
	}
	if (est.bytes) {
		length += HEAD_LEN + est.bytes;
		if (renewed)
			initial = length;
	}
	initial -= min(initial, save->taken);
	info->initial_bytes = initial;
	info->dirty_bytes = length - save->taken - initial;
	if (renewed)
		info->flags |= VFIO_PRECOPY_INFO_REINIT;
	return 0;
}

static ssize_t save_read_some(struct snapshot_out *out, struct iov_iter *to)
{
	size_t room = iov_iter_count(to), pos;

	if (out->pos < out->head_len)
		return copy_to_iter((u8 *)&out->head + out->pos,
				    min_t(u64, out->head_len - out->pos, room), to);
	pos = out->pos - out->head_len;
	return snapshot_buf_copy(&out->buf, pos, min(out->data_len - pos, room), to);
}

/* Takes from the first record, which leaves the queue once it is wholly read. */
static ssize_t save_read_out(struct snapshot_out *out, struct iov_iter *to)
{
	struct snapshot_save *save = out->save;
	ssize_t done = save_read_some(out, to);

	if (!done)
		return -EFAULT;
	out->pos += done;
	scoped_guard(spinlock, &save->pool->lock) {
		save->taken += done;
		if (out->pos < out->head_len + out->data_len)
			return done;
		list_del_init(&out->buf.entry);
		save->queued -= !!out->data_len;
	}
	trace_vfio_snapshot_record(save->pool->fw, "taken", le32_to_cpu(out->head.record.tag),
				   le64_to_cpu(out->head.record.size));
	if (out->data_len)
		snapshot_pool_put(&out->buf);
	else
		snapshot_buf_free(&out->buf);
	return done;
}

/*
 * Requests the next chunk of the final image, if it is due. A transfer that just
 * ended may have requested it already, so this looks again with the firmware held.
 */
static int save_go_on(struct snapshot_save *save)
{
	struct snapshot_fw *fw = save->pool->fw;
	bool due = save_is_due(save);
	int err;

	while (due) {
		err = snapshot_fw_lock(fw);
		if (err)
			return err;
		save_begin_chunks(save);
		due = save_is_due(save);
		snapshot_fw_unlock(fw);
		if (!due)
			break;
		err = snapshot_pool_reserve(save->pool, READ_ONCE(save->room), 1);
		if (err)
			return err;
	}
	return 0;
}

/*
 * The record to be read from, or an ERR_PTR(); NULL at the end of the stream,
 * -EINPROGRESS when there will be one.
 */
static struct snapshot_out *save_next_out(struct snapshot_save *save)
{
	struct snapshot_buf *buf;

	if (snapshot_pool_is_dead(save->pool))
		return ERR_PTR(-ENODEV);
	guard(spinlock)(&save->pool->lock);
	buf = list_first_entry_or_null(&save->queue, struct snapshot_buf, entry);
	if (buf)
		return save_out(buf);
	if (!save->end)
		return NULL;
	if (save->err)
		return ERR_PTR(save->err);
	return ERR_PTR(save->filling || save->more ? -EINPROGRESS : -ENOMSG);
}

/* Whether a reader has something to do, if only to request the next chunk. */
static bool save_is_readable(struct snapshot_save *save)
{
	return save_next_out(save) != ERR_PTR(-EINPROGRESS) || save_is_due(save);
}

/**
 * snapshot_save_poll - whether read() has something to do or to tell
 * @save: a saving stream
 *
 * Return: as of poll(); 0 as long as read() returns -ENOMSG.
 */
__poll_t snapshot_save_poll(struct snapshot_save *save)
{
	const __poll_t in = EPOLLIN | EPOLLRDNORM;
	struct snapshot_out *out = save_next_out(save);

	if (snapshot_pool_is_dead(save->pool))
		return in | EPOLLERR | EPOLLHUP;
	if (out == ERR_PTR(-ENOMSG) || !save_is_readable(save))
		return 0;
	return IS_ERR(out) && out != ERR_PTR(-EINPROGRESS) ? in | EPOLLERR : in;
}

/**
 * snapshot_save_read - read from a stream
 * @save: a saving stream, with stream->io held
 * @to: destination
 * @wait: for an image that is under way
 *
 * Return: bytes read; 0 at the end of the stream; -ENOMSG when nothing is left
 * before the device is stopped, -EAGAIN without @wait, -ENODEV when the session
 * is over, -EFAULT, -ENOMEM, or the errno of the final image.
 */
ssize_t snapshot_save_read(struct snapshot_save *save, struct iov_iter *to, bool wait)
{
	struct snapshot_out *out;
	ssize_t done = 0, err = 0;

	while (iov_iter_count(to)) {
		err = save_go_on(save);
		out = save_next_out(save);
		if (out == ERR_PTR(-EINPROGRESS) && !err) {
			err = -EAGAIN;
			if (!done && wait)
				err = wait_event_interruptible(save->wait,
							       save_is_readable(save));
			if (!err)
				continue;
		}
		if (IS_ERR_OR_NULL(out)) {
			err = err ?: PTR_ERR_OR_ZERO(out);
			break;
		}
		err = save_read_out(out, to);
		if (err < 0)
			break;
		done += err;
	}
	save_go_on(save);
	return done ?: err;
}

/**
 * snapshot_save_drain - free what a closed stream holds
 * @save: a saving stream that nobody reads
 */
void snapshot_save_drain(struct snapshot_save *save)
{
	struct snapshot_buf *buf, *next;
	LIST_HEAD(list);

	if (!save->pool)
		return;
	scoped_guard(spinlock, &save->pool->lock)
		list_splice_init(&save->queue, &list);
	list_for_each_entry_safe(buf, next, &list, entry)
		snapshot_buf_free(buf);
	if (save->end)
		snapshot_buf_free(&save->end->buf);
	save->end = NULL;
}
