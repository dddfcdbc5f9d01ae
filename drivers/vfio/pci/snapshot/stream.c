// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data stream of one session: a queue of records that userspace reads while
 * a device saves, or a parser that userspace feeds while a device loads.
 *
 * A stream has two owners, the device's session and the data fd. The session
 * kills it when the state leaves the session; from then on the fd answers
 * ENODEV, whatever the fd's owner does with it.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pipe_fs_i.h>
#include <linux/poll.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vfio.h>

#include "buffer.h"
#include "firmware.h"
#include "format.h"
#include "messages.h"
#include "migration.h"
#include "stream.h"
#include "trace.h"

/* Memory for a record being written grows by this much ahead of its data. */
#define GROW_STEP	SZ_2M

/**
 * struct snapshot_out - a record on its way to userspace
 * @entry: in the stream's queue
 * @head: header, and the whole payload of our own records
 * @head_len: bytes of @head
 * @buf: payload of a record of device data, or NULL
 * @buf_len: bytes of it
 * @pos: bytes of head and payload that were read
 */
struct snapshot_out {
	struct list_head entry;
	struct {
		struct vfio_snapshot_record record;
		union {
			struct vfio_snapshot_ident ident;
			struct vfio_snapshot_end end;
		};
	} head;
	size_t head_len;
	struct snapshot_buf *buf;
	size_t buf_len;
	u64 pos;
};

/**
 * struct snapshot_stream - the data stream of one session
 * @ref: one for the session, one for the file
 * @mig: of the device; the file holds a reference on the device
 * @dir: saving or loading
 * @dead: the session is over; set without a lock
 * @wait: pollers
 * @io: held by who uses the data fd, also while user memory is copied, which
 *      may take for ever. So no change of state but the end of loading waits
 *      for it. Protects the first record of @queue, @parser, @buf and @err.
 * @lock: protects what follows up to @spare; taken within @io
 * @queue: saving: records not wholly read, struct snapshot_out
 * @tally: saving: what has been queued
 * @initial: saving: bytes that the first image and what is before it take
 * @taken: bytes that were read or written
 * @final: saving: the END record is queued
 * @spare: saving: a buffer that has been read, for the next image if there is
 *         one
 * @parser: loading
 * @buf: loading: data of the current record
 * @err: loading: the stream is broken for this reason
 */
struct snapshot_stream {
	struct kref ref;
	struct snapshot_mig *mig;
	enum vfio_snapshot_dir dir;
	bool dead;
	wait_queue_head_t wait;
	struct mutex io;	/* use of the data fd */

	spinlock_t lock;	/* the queue */
	struct list_head queue;
	struct snapshot_tally tally;
	u64 initial;
	u64 taken;
	bool final;
	struct snapshot_buf *spare;

	struct snapshot_parser parser;
	struct snapshot_buf *buf;
	int err;
};

static bool is_dead(struct snapshot_stream *stream)
{
	return READ_ONCE(stream->dead);
}

static void free_out(struct snapshot_out *out)
{
	snapshot_buf_free(out->buf);
	kfree(out);
}

/* Frees the records behind @before. */
static void free_outs(struct list_head *list, struct list_head *before)
{
	while (list->prev != before) {
		struct snapshot_out *out = list_last_entry(list, struct snapshot_out,
							   entry);

		list_del(&out->entry);
		free_out(out);
	}
}

static struct snapshot_buf *take_spare(struct snapshot_stream *stream)
{
	struct snapshot_buf *buf = NULL;

	guard(spinlock)(&stream->lock);
	swap(buf, stream->spare);
	return buf;
}

static void free_content(struct snapshot_stream *stream)
{
	LIST_HEAD(list);

	scoped_guard(spinlock, &stream->lock)
		list_splice_init(&stream->queue, &list);
	free_outs(&list, &list);
	snapshot_buf_free(take_spare(stream));
	snapshot_buf_free(stream->buf);
	stream->buf = NULL;
}

static void stream_release(struct kref *ref)
{
	struct snapshot_stream *stream = container_of(ref, struct snapshot_stream, ref);

	free_content(stream);
	mutex_destroy(&stream->io);
	kfree(stream);
}

/*
 * Frees what a dead stream holds. Whoever uses the data fd at that moment keeps
 * it, and comes here when that is over.
 */
static void drain(struct snapshot_stream *stream)
{
	/* Between the death and a look at @io, or the other way round. */
	smp_mb();
	if (is_dead(stream) && mutex_trylock(&stream->io)) {
		free_content(stream);
		mutex_unlock(&stream->io);
	}
}

static int begin_io(struct snapshot_stream *stream)
{
	if (mutex_lock_interruptible(&stream->io))
		return -ERESTARTSYS;
	return 0;
}

static void end_io(struct snapshot_stream *stream)
{
	mutex_unlock(&stream->io);
	drain(stream);
}

static int transfer_locked(struct snapshot_stream *stream, struct snapshot_buf *buf,
			   size_t size, enum vfio_snapshot_phase phase,
			   struct vfio_snapshot_io *io)
{
	int err;

	/* The session may have ended by a reset since the caller looked. */
	if (is_dead(stream))
		return -ENODEV;
	err = snapshot_buf_io(buf, size, io);
	if (err)
		return err;
	if (stream->dir == VFIO_SNAPSHOT_SAVE)
		err = snapshot_fw_save(stream->mig, phase, io);
	else
		err = snapshot_fw_load(stream->mig, io);
	snapshot_buf_io_end(buf);
	return err;
}

/* One firmware transfer between @buf and the device, @size bytes of room. */
static int transfer(struct snapshot_stream *stream, struct snapshot_buf *buf,
		    size_t size, enum vfio_snapshot_phase phase,
		    struct vfio_snapshot_io *io)
{
	int err = mutex_lock_killable(&stream->mig->fw_lock);

	if (err)
		return err;
	err = transfer_locked(stream, buf, size, phase, io);
	mutex_unlock(&stream->mig->fw_lock);
	return err;
}

static struct snapshot_out *make_out(u32 tag, u64 size, struct list_head *list)
{
	struct snapshot_out *out = kzalloc_obj(*out, GFP_KERNEL_ACCOUNT);

	if (!out)
		return NULL;
	snapshot_record_fill(&out->head.record, tag, size);
	out->head_len = sizeof(out->head.record);
	list_add_tail(&out->entry, list);
	return out;
}

static int add_ident(struct snapshot_stream *stream, struct list_head *list)
{
	struct vfio_snapshot_device *sdev = stream->mig->sdev;
	struct snapshot_out *out;

	out = make_out(VFIO_SNAPSHOT_TAG_IDENT, sizeof(out->head.ident), list);
	if (!out)
		return -ENOMEM;
	snapshot_ident_fill(&out->head.ident, sdev->core.pdev->vendor,
			    sdev->core.pdev->device, sdev->ops->name);
	out->head_len += sizeof(out->head.ident);
	return 0;
}

/*
 * One record of device data from the firmware. @size: room to offer it. After a
 * failure the record is in @list and worth nothing.
 */
static int add_data(struct snapshot_stream *stream, struct list_head *list,
		    enum vfio_snapshot_phase phase, size_t size, bool *more)
{
	struct vfio_snapshot_io io;
	struct snapshot_buf *buf;
	struct snapshot_out *out;
	int err;

	out = make_out(VFIO_SNAPSHOT_TAG_DEVICE_DATA, 0, list);
	if (!out)
		return -ENOMEM;

	buf = take_spare(stream);
	if (!buf)
		buf = snapshot_buf_alloc(stream->mig->sdev, stream->dir, 0);
	if (IS_ERR(buf))
		return PTR_ERR(buf);

	out->buf = buf;
	err = snapshot_buf_reserve(buf, size);
	if (err)
		return err;
	err = transfer(stream, buf, buf->size, phase, &io);
	if (!err && (!io.done || io.done > io.size))
		err = -EIO;
	if (err)
		return err;
	out->buf_len = io.done;
	out->head.record.size = cpu_to_le64(io.done);
	*more = io.more;
	return 0;
}

/* Room for an image of @bytes: an image that fills it may have been cut off. */
static size_t room_for(u64 bytes)
{
	return bytes + 1;
}

/* One image, of one or more records. */
static int add_image(struct snapshot_stream *stream, struct list_head *list,
		     enum vfio_snapshot_phase phase)
{
	/* In the blackout any earlier estimate will do, asking costs a command. */
	unsigned long max_age = phase == VFIO_SNAPSHOT_FINAL ? MAX_JIFFY_OFFSET : 0;
	struct list_head *before = list->prev;
	int err, failed = 0;
	u64 size, total, tried = 0;
	bool more;

	for (;;) {
		err = snapshot_mig_estimate(stream->mig, max_age, &size);
		if (err)
			return err;
		if (size <= tried)
			return failed;

		total = 0;
		do {
			err = add_data(stream, list, phase, room_for(size), &more);
			if (!err)
				total += list_last_entry(list, struct snapshot_out,
							 entry)->buf_len;
			if (total > stream->mig->sdev->ops->max_image)
				err = -EFBIG;
		} while (!err && more);
		if (!err)
			return 0;

		free_outs(list, before);
		if (failed || (err != -ENOMEM && err != -ENOSPC))
			return err;
		failed = err;
		tried = size;
		max_age = 0;
	}
}

static int add_end(struct list_head *list)
{
	struct snapshot_out *out;

	out = make_out(VFIO_SNAPSHOT_TAG_END, sizeof(out->head.end), list);
	if (!out)
		return -ENOMEM;
	out->head_len += sizeof(out->head.end);
	return 0;
}

/* Nothing fails from here on: the records become part of the stream. */
static void publish(struct snapshot_stream *stream, struct list_head *list,
		    enum vfio_snapshot_phase phase)
{
	struct snapshot_out *out;

	guard(spinlock)(&stream->lock);
	list_for_each_entry(out, list, entry) {
		if (out->head.record.tag == cpu_to_le32(VFIO_SNAPSHOT_TAG_END)) {
			out->head.end.records = cpu_to_le64(stream->tally.records);
			out->head.end.length = cpu_to_le64(stream->tally.length);
		}
		snapshot_tally_add(&stream->tally,
				   le64_to_cpu(out->head.record.size));
		trace_vfio_snapshot_record(snapshot_mig_name(stream->mig),
					   SNAPSHOT_RECORD_QUEUED,
					   le32_to_cpu(out->head.record.tag),
					   le64_to_cpu(out->head.record.size));
	}
	list_splice_tail_init(list, &stream->queue);
	if (phase == VFIO_SNAPSHOT_FINAL)
		WRITE_ONCE(stream->final, true);
	else
		stream->initial = stream->tally.length;
	wake_up_all(&stream->wait);
}

/**
 * snapshot_stream_save - queue an image of the device
 * @stream: a saving stream, with @mig->lock held
 * @phase: VFIO_SNAPSHOT_FINAL ends the stream
 *
 * Return: 0, or an errno with the stream as it was before.
 */
int snapshot_stream_save(struct snapshot_stream *stream,
			 enum vfio_snapshot_phase phase)
{
	LIST_HEAD(list);
	int err = 0;

	lockdep_assert_held(&stream->mig->lock);

	if (!stream->tally.records)
		err = add_ident(stream, &list);
	if (!err)
		err = add_image(stream, &list, phase);
	if (!err && phase == VFIO_SNAPSHOT_FINAL)
		err = add_end(&list);
	if (err) {
		free_outs(&list, &list);
		return err;
	}
	publish(stream, &list, phase);
	return 0;
}

/**
 * snapshot_stream_reserve - make memory ready for the final image
 * @stream: a saving stream that is not final, with @mig->lock held
 * @bytes: size of an image
 *
 * The memory of an image that was read is kept for the next. This is for the
 * case that it would not do, to be called while the guest runs; if there is no
 * memory, that is found out when it is needed.
 */
void snapshot_stream_reserve(struct snapshot_stream *stream, u64 bytes)
{
	struct snapshot_buf *buf = take_spare(stream);

	lockdep_assert_held(&stream->mig->lock);
	if (!buf)
		return;
	snapshot_buf_reserve(buf, room_for(bytes));
	scoped_guard(spinlock, &stream->lock) {
		if (!stream->spare)
			swap(stream->spare, buf);
	}
	snapshot_buf_free(buf);
}

/**
 * snapshot_stream_pending - bytes that can be read now
 * @stream: a saving stream
 *
 * Return: bytes queued and not yet read.
 */
u64 snapshot_stream_pending(struct snapshot_stream *stream)
{
	guard(spinlock)(&stream->lock);
	return stream->tally.length - stream->taken;
}

/**
 * snapshot_stream_precopy_info - what is left to read before stopping
 * @stream: a saving stream that is not final
 * @info: @initial_bytes and @dirty_bytes are set
 */
void snapshot_stream_precopy_info(struct snapshot_stream *stream,
				  struct vfio_precopy_info *info)
{
	guard(spinlock)(&stream->lock);
	info->initial_bytes = stream->initial - min(stream->initial, stream->taken);
	info->dirty_bytes = stream->tally.length - stream->taken - info->initial_bytes;
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
 * Some of a record. The first half of the final image is given back as it is
 * read, the second with the session, which is soon over then: to free memory
 * takes a sixth of the time that it takes to copy it.
 */
static ssize_t read_some(struct snapshot_stream *stream, struct snapshot_out *out,
			 struct sink *sink)
{
	ssize_t done;
	size_t pos;

	if (out->pos < out->head_len)
		return put_head(sink, (u8 *)&out->head + out->pos,
				min_t(u64, out->head_len - out->pos, sink->room));

	pos = out->pos - out->head_len;
	done = put_data(sink, out->buf, pos, min(out->buf_len - pos, sink->room));
	if (done > 0 && READ_ONCE(stream->final))
		snapshot_buf_release(out->buf, min(pos + done, out->buf_len / 2));
	return done;
}

/* Takes from the first record, which is gone once it is wholly read. */
static ssize_t read_out(struct snapshot_stream *stream, struct snapshot_out *out,
			struct sink *sink)
{
	ssize_t done = read_some(stream, out, sink);

	if (done < 0)
		return done;
	sink->room -= done;
	out->pos += done;

	scoped_guard(spinlock, &stream->lock) {
		stream->taken += done;
		if (out->pos < out->head_len + out->buf_len)
			return done;
		list_del(&out->entry);
		if (!stream->spare)
			swap(stream->spare, out->buf);
	}
	trace_vfio_snapshot_record(snapshot_mig_name(stream->mig),
				   SNAPSHOT_RECORD_TAKEN,
				   le32_to_cpu(out->head.record.tag),
				   le64_to_cpu(out->head.record.size));
	free_out(out);
	return done;
}

/* The record to be read from, or an ERR_PTR(); NULL at the end of the stream. */
static struct snapshot_out *next_out(struct snapshot_stream *stream)
{
	struct snapshot_out *out;

	if (is_dead(stream))
		return ERR_PTR(-ENODEV);
	guard(spinlock)(&stream->lock);
	out = list_first_entry_or_null(&stream->queue, struct snapshot_out, entry);
	return out || stream->final ? out : ERR_PTR(-ENOMSG);
}

/* @bytes more were read or written. */
static void trace_data(struct snapshot_stream *stream, ssize_t bytes)
{
	if (bytes > 0 && trace_vfio_snapshot_data_enabled())
		trace_vfio_snapshot_data(snapshot_mig_name(stream->mig), stream->dir,
					 bytes, stream->taken,
					 stream->dir == VFIO_SNAPSHOT_SAVE ?
					 snapshot_stream_pending(stream) : 0);
}

static ssize_t read_all(struct snapshot_stream *stream, struct sink *sink)
{
	ssize_t done = 0, err;

	err = begin_io(stream);
	if (err)
		return err;
	do {
		struct snapshot_out *out = next_out(stream);

		err = PTR_ERR_OR_ZERO(out);
		if (err || !out || !sink->room)
			break;
		err = read_out(stream, out, sink);
		if (err > 0)
			done += err;
	} while (err > 0 && sink->room);
	trace_data(stream, done);
	end_io(stream);
	return done ?: err;
}

static ssize_t stream_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct sink sink = { .iter = to, .room = iov_iter_count(to) };

	return read_all(iocb->ki_filp->private_data, &sink);
}

/*
 * No copy: the pipe gets the memory of the image. One slot of it may take more
 * than a page, as those from a socket do.
 */
static ssize_t stream_splice_read(struct file *file, loff_t *ppos,
				  struct pipe_inode_info *pipe, size_t len,
				  unsigned int flags)
{
	struct sink sink = { .pipe = pipe, .room = len };

	return read_all(file->private_data, &sink);
}

static __poll_t stream_poll(struct file *file, poll_table *wait)
{
	struct snapshot_stream *stream = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &stream->wait, wait);
	guard(spinlock)(&stream->lock);
	if (is_dead(stream))
		mask = EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP;
	else if (stream->final || !list_empty(&stream->queue))
		mask = EPOLLIN | EPOLLRDNORM;
	return mask;
}

static long stream_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct snapshot_stream *stream = file->private_data;
	struct vfio_precopy_info info = {};
	int err;

	err = vfio_check_precopy_ioctl(&stream->mig->sdev->core.vdev, cmd, arg, &info);
	if (!err)
		err = snapshot_mig_precopy_info(stream->mig, stream, &info);
	if (err)
		return err;
	if (copy_to_user((void __user *)arg, &info,
			 offsetofend(struct vfio_precopy_info, dirty_bytes)))
		return -EFAULT;
	return 0;
}

/* Takes what the parser wants from @from: 0 for a fault, or an errno. */
static ssize_t write_in(struct snapshot_stream *stream, struct iov_iter *from)
{
	struct snapshot_parser *parser = &stream->parser;
	size_t len = min_t(u64, parser->room, iov_iter_count(from));
	u8 skipped[128];
	u64 pos;
	int err;

	switch (parser->want) {
	case SNAPSHOT_WANT_BYTES:
		return copy_from_iter(parser->into, len, from);
	case SNAPSHOT_WANT_SKIP:
		/* Copied, so that memory that is not there is found out. */
		return copy_from_iter(skipped, min(len, sizeof(skipped)), from);
	case SNAPSHOT_WANT_DATA:
		pos = parser->size - parser->room;
		if (pos == stream->buf->size) {
			err = snapshot_buf_grow(stream->buf, pos +
						min_t(u64, parser->room, GROW_STEP));
			if (err)
				return err;
		}
		len = min_t(u64, len, stream->buf->size - pos);
		return snapshot_buf_write(stream->buf, pos, len, from);
	case SNAPSHOT_WANT_LOAD:
		break;
	}
	return 0;
}

static int load_record(struct snapshot_stream *stream)
{
	struct vfio_snapshot_io io;
	int err;

	err = transfer(stream, stream->buf, stream->parser.size,
		       VFIO_SNAPSHOT_FINAL, &io);
	if (!err)
		snapshot_parser_loaded(&stream->parser);
	return err;
}

static ssize_t write_all(struct snapshot_stream *stream, struct iov_iter *from)
{
	ssize_t done = 0;

	for (;;) {
		u64 records = stream->parser.tally.records;
		ssize_t taken;

		if (is_dead(stream))
			return done ?: -ENODEV;
		/* Of a broken stream it does not matter how much was taken. */
		if (stream->err)
			return stream->err;
		if (!iov_iter_count(from))
			return done;
		taken = write_in(stream, from);
		if (taken <= 0)
			return done ?: taken ?: -EFAULT;
		done += taken;
		stream->taken += taken;
		stream->err = snapshot_parser_feed(&stream->parser, taken);
		if (!stream->err && stream->parser.want == SNAPSHOT_WANT_LOAD)
			stream->err = load_record(stream);
		if (stream->err && !is_dead(stream))
			snapshot_say_load_failed(stream->mig, stream->err);
		else if (stream->parser.tally.records != records)
			trace_vfio_snapshot_record(snapshot_mig_name(stream->mig),
						   SNAPSHOT_RECORD_LOADED,
						   stream->parser.tag,
						   stream->parser.size);
	}
}

static ssize_t stream_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct snapshot_stream *stream = iocb->ki_filp->private_data;
	ssize_t done = begin_io(stream);

	if (!done) {
		done = write_all(stream, from);
		trace_data(stream, done);
		end_io(stream);
	}
	return done;
}

static int stream_file_release(struct inode *inode, struct file *file)
{
	struct snapshot_stream *stream = file->private_data;
	struct vfio_device *vdev = &stream->mig->sdev->core.vdev;

	kref_put(&stream->ref, stream_release);
	vfio_put_device(vdev);
	return 0;
}

static const struct file_operations save_fops = {
	.owner = THIS_MODULE,
	.read_iter = stream_read_iter,
	.splice_read = stream_splice_read,
	.poll = stream_poll,
	.unlocked_ioctl = stream_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = stream_file_release,
};

static const struct file_operations load_fops = {
	.owner = THIS_MODULE,
	.write_iter = stream_write_iter,
	.splice_write = iter_file_splice_write,
	.release = stream_file_release,
};

static const struct {
	const char *name;
	const struct file_operations *fops;
	int flags;
} stream_files[] = {
	[VFIO_SNAPSHOT_SAVE] = { "[vfio-snapshot-save]", &save_fops, O_RDONLY },
	[VFIO_SNAPSHOT_LOAD] = { "[vfio-snapshot-load]", &load_fops, O_WRONLY },
};

/**
 * snapshot_stream_open - make a stream, its file and its firmware objects
 * @mig: of the device, with @mig->lock held
 * @dir: saving or loading
 * @file: set to the file; the caller gives it to userspace or puts it
 *
 * Return: the stream, owned by the session until snapshot_stream_close(), or an
 * ERR_PTR().
 */
struct snapshot_stream *snapshot_stream_open(struct snapshot_mig *mig,
					     enum vfio_snapshot_dir dir,
					     struct file **file)
{
	struct vfio_snapshot_device *sdev = mig->sdev;
	struct snapshot_stream *stream;
	struct vfio_snapshot_ident ident;
	int err;

	lockdep_assert_held(&mig->lock);

	stream = kzalloc_obj(*stream, GFP_KERNEL_ACCOUNT);
	if (!stream)
		return ERR_PTR(-ENOMEM);
	kref_init(&stream->ref);
	stream->mig = mig;
	stream->dir = dir;
	init_waitqueue_head(&stream->wait);
	mutex_init(&stream->io);
	spin_lock_init(&stream->lock);
	INIT_LIST_HEAD(&stream->queue);

	if (dir == VFIO_SNAPSHOT_LOAD) {
		snapshot_ident_fill(&ident, sdev->core.pdev->vendor,
				    sdev->core.pdev->device, sdev->ops->name);
		snapshot_parser_init(&stream->parser, sdev->ops->max_image, &ident);
		stream->buf = snapshot_buf_alloc(sdev, dir, 0);
		if (IS_ERR(stream->buf)) {
			err = PTR_ERR(stream->buf);
			stream->buf = NULL;
			goto err_put;
		}
	}

	err = mutex_lock_killable(&mig->fw_lock);
	if (err)
		goto err_put;
	err = snapshot_fw_session_begin(mig, dir);
	mutex_unlock(&mig->fw_lock);
	if (err)
		goto err_put;

	*file = anon_inode_getfile(stream_files[dir].name, stream_files[dir].fops,
				   stream, stream_files[dir].flags);
	if (IS_ERR(*file)) {
		err = PTR_ERR(*file);
		goto err_end;
	}
	stream_open(file_inode(*file), *file);
	kref_get(&stream->ref);
	get_device(&sdev->core.vdev.device);
	return stream;

err_end:
	scoped_guard(mutex, &mig->fw_lock)
		snapshot_fw_session_end(mig, dir);
err_put:
	kref_put(&stream->ref, stream_release);
	return ERR_PTR(err);
}

/**
 * snapshot_stream_load_end - whether a whole state was loaded
 * @stream: a loading stream, with @mig->lock held
 *
 * Waits for a write that is under way: it may be what completes the stream.
 *
 * Return: 0, or the errno that broke the stream, -ENODATA if it is not
 * complete, what the back-end's last check returned, -EINTR when the caller is
 * killed.
 */
int snapshot_stream_load_end(struct snapshot_stream *stream)
{
	int err;

	lockdep_assert_held(&stream->mig->lock);
	if (mutex_lock_killable(&stream->io))
		return -EINTR;
	err = stream->err ?: snapshot_parser_finish(&stream->parser);
	if (!err) {
		guard(mutex)(&stream->mig->fw_lock);
		err = snapshot_fw_load_end(stream->mig);
	}
	mutex_unlock(&stream->io);
	return err;
}

/**
 * snapshot_stream_kill - the session is over, the data fd stops working
 * @stream: the stream
 *
 * Takes no lock, frees nothing, sends no command: fit for the blackout and for
 * a reset. snapshot_stream_close() must follow.
 */
void snapshot_stream_kill(struct snapshot_stream *stream)
{
	WRITE_ONCE(stream->dead, true);
	wake_up_all(&stream->wait);
}

/**
 * snapshot_stream_close - give back all that a dead stream holds
 * @stream: a stream after snapshot_stream_kill(); gone for the caller when this
 *          returns
 *
 * Sends commands. Waits for the firmware, never for the user of the data fd.
 */
void snapshot_stream_close(struct snapshot_stream *stream)
{
	struct snapshot_mig *mig = stream->mig;

	scoped_guard(mutex, &mig->fw_lock) {
		snapshot_buf_unmap_all(mig);
		snapshot_fw_session_end(mig, stream->dir);
	}
	drain(stream);
	kref_put(&stream->ref, stream_release);
}
