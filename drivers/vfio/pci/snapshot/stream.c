// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data stream of one session, and its file.
 *
 * A stream has two owners, the device's session and the data fd. The session
 * kills it when the state leaves the session; from then on the fd answers
 * ENODEV, whatever the fd's owner does with it.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vfio.h>

#include "buffer.h"
#include "compat.h"
#include "migration.h"
#include "stream.h"
#include "trace.h"

/**
 * snapshot_stream_spare - take a buffer that is not in use
 * @stream: the stream
 *
 * Return: the buffer, or NULL.
 */
struct snapshot_buf *snapshot_stream_spare(struct snapshot_stream *stream)
{
	struct snapshot_buf *buf;

	guard(spinlock)(&stream->lock);
	buf = list_first_entry_or_null(&stream->spares, struct snapshot_buf, entry);
	if (buf) {
		list_del_init(&buf->entry);
		stream->nr_spares--;
	}
	return buf;
}

/**
 * snapshot_stream_ready_spare - take a buffer that can be used at once
 * @stream: the stream, with the device's fw_lock held
 * @size: bytes that it must have
 *
 * Return: the buffer, or NULL.
 */
struct snapshot_buf *snapshot_stream_ready_spare(struct snapshot_stream *stream,
						 size_t size)
{
	struct snapshot_buf *buf = snapshot_stream_spare(stream);

	if (!buf || snapshot_buf_ready(buf, size))
		return buf;
	snapshot_stream_put_spare(stream, buf);
	return NULL;
}

/**
 * snapshot_stream_put_spare - keep a buffer for the next use
 * @stream: the stream
 * @buf: the buffer, or NULL
 */
void snapshot_stream_put_spare(struct snapshot_stream *stream,
			       struct snapshot_buf *buf)
{
	if (!buf)
		return;
	guard(spinlock)(&stream->lock);
	list_add_tail(&buf->entry, &stream->spares);
	stream->nr_spares++;
}

/**
 * snapshot_stream_prepare - have buffers that the firmware knows
 * @stream: the stream
 * @size: bytes of each
 * @count: how many
 *
 * For the time before the blackout.
 *
 * Return: 0, or an errno with those that were made kept.
 */
int snapshot_stream_prepare(struct snapshot_stream *stream, size_t size,
			    unsigned int count)
{
	while (count--) {
		struct snapshot_buf *buf;
		int err;

		buf = snapshot_buf_alloc(stream->mig->sdev, stream->dir, size);
		if (IS_ERR(buf))
			return PTR_ERR(buf);
		err = snapshot_fw_lock_killable(stream->mig);
		if (!err) {
			err = snapshot_buf_map(buf);
			snapshot_fw_unlock(stream->mig);
		}
		snapshot_stream_put_spare(stream, buf);
		if (err)
			return err;
	}
	return 0;
}

static void free_content(struct snapshot_stream *stream)
{
	struct snapshot_buf *buf;

	if (stream->dir == VFIO_SNAPSHOT_SAVE)
		snapshot_save_drop(stream);
	else
		snapshot_load_drop(stream);
	while ((buf = snapshot_stream_spare(stream)))
		snapshot_buf_free(buf);
}

static void stream_release(struct kref *ref)
{
	struct snapshot_stream *stream = container_of(ref, struct snapshot_stream, ref);

	free_content(stream);
	mutex_destroy(&stream->io);
	kfree(stream);
}

/*
 * Frees what a stream without a session holds. Whoever uses the data fd at that
 * moment keeps it, and comes here when that is over.
 */
static void drain(struct snapshot_stream *stream)
{
	/* Between the end and a look at @io, or the other way round. */
	smp_mb();
	if (READ_ONCE(stream->closed) && mutex_trylock(&stream->io)) {
		free_content(stream);
		mutex_unlock(&stream->io);
	}
}

/**
 * snapshot_stream_begin_io - begin to use the data fd
 * @stream: the stream
 *
 * Return: 0, or -ERESTARTSYS.
 */
int snapshot_stream_begin_io(struct snapshot_stream *stream)
{
	return mutex_lock_interruptible(&stream->io) ? -ERESTARTSYS : 0;
}

/* @bytes more were read or written. */
static void trace_data(struct snapshot_stream *stream, ssize_t bytes)
{
	bool saving = stream->dir == VFIO_SNAPSHOT_SAVE;

	if (bytes > 0 && trace_vfio_snapshot_data_enabled())
		trace_vfio_snapshot_data(snapshot_mig_name(stream->mig), stream->dir,
					 bytes,
					 saving ? stream->save.taken : stream->load.taken,
					 saving ? snapshot_save_pending(stream) : 0);
}

/**
 * snapshot_stream_end_io - end of the use of the data fd
 * @stream: the stream
 * @moved: bytes that were read or written, or an errno
 */
void snapshot_stream_end_io(struct snapshot_stream *stream, ssize_t moved)
{
	trace_data(stream, moved);
	mutex_unlock(&stream->io);
	drain(stream);
}

static ssize_t stream_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return snapshot_save_read(iocb->ki_filp->private_data, to, NULL,
				  iov_iter_count(to),
				  !(iocb->ki_filp->f_flags & O_NONBLOCK) &&
				  !(iocb->ki_flags & IOCB_NOWAIT));
}

/*
 * No copy: the pipe gets the memory of the image. One slot of it may take more
 * than a page, as those from a socket do.
 */
static ssize_t stream_splice_read(struct file *file, loff_t *ppos,
				  struct pipe_inode_info *pipe, size_t len,
				  unsigned int flags)
{
	return snapshot_save_read(file->private_data, NULL, pipe, len,
				  !(file->f_flags & O_NONBLOCK) &&
				  !(flags & SPLICE_F_NONBLOCK));
}

static __poll_t stream_poll(struct file *file, poll_table *wait)
{
	struct snapshot_stream *stream = file->private_data;
	const __poll_t in = EPOLLIN | EPOLLRDNORM;

	poll_wait(file, &stream->wait, wait);
	guard(spinlock)(&stream->lock);
	if (snapshot_stream_is_dead(stream))
		return in | EPOLLERR | EPOLLHUP;
	if (stream->save.final || !list_empty(&stream->save.queue))
		return in;
	return stream->save.err ? in | EPOLLERR : 0;
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

static ssize_t stream_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	return snapshot_load_write(iocb->ki_filp->private_data, from);
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

static void end_session(struct snapshot_stream *stream)
{
	snapshot_fw_lock(stream->mig);
	snapshot_buf_unmap_all(stream->mig);
	snapshot_fw_session_end(stream->mig, stream->dir);
	snapshot_fw_unlock(stream->mig);
}

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
	int err;

	lockdep_assert_held(&mig->lock);

	stream = kzalloc_obj(*stream, GFP_KERNEL_ACCOUNT);
	if (!stream)
		return ERR_PTR(-ENOMEM);
	mig->window = sdev->ops->window;
	mig->max_segs = sdev->ops->max_segs;
	kref_init(&stream->ref);
	stream->mig = mig;
	stream->dir = dir;
	init_waitqueue_head(&stream->wait);
	mutex_init(&stream->io);
	spin_lock_init(&stream->lock);
	INIT_LIST_HEAD(&stream->spares);
	if (dir == VFIO_SNAPSHOT_SAVE)
		INIT_LIST_HEAD(&stream->save.queue);

	err = snapshot_fw_lock_killable(mig);
	if (err)
		goto err_put;
	err = snapshot_fw_session_begin(mig, dir);
	snapshot_fw_unlock(mig);
	if (err)
		goto err_put;

	if (dir == VFIO_SNAPSHOT_LOAD) {
		err = snapshot_load_begin(stream);
		if (err)
			goto err_end;
	}

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
	end_session(stream);
err_put:
	kref_put(&stream->ref, stream_release);
	return ERR_PTR(err);
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
	end_session(stream);
	WRITE_ONCE(stream->closed, true);
	drain(stream);
	kref_put(&stream->ref, stream_release);
}
