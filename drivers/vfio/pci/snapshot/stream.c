// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layer 4: the data fd, and the life of a session.
 *
 * A stream has two owners, the device's session and the data fd. It goes through
 *
 *   open      the session is on, the fd works
 *   dead      the session is over: the fd answers ENODEV, the firmware still knows
 *             the stream's memory
 *   closed    the firmware knows nothing of it any more
 *   drained   its memory is free; the user of the fd at that moment drains it
 *   released  both owners let go
 *
 * Killing takes no lock and sends no command, so it is fit for the blackout, for a
 * reset and for the close of a device whose firmware hangs. Closing sends commands
 * and runs in a worker.
 *
 * Locks: the lock of the device's state, then stream->io, then the firmware.
 */
#include <kunit/visibility.h>
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vfio.h>

#include "compat.h"
#include "firmware.h"
#include "stream.h"
#include "trace.h"

/*
 * A dead stream is closed after this time: the guest may run again by then, here
 * or elsewhere, so its blackout does not pay for it.
 */
#define TEARDOWN_DELAY	(HZ / 10)

static bool stream_is_saving(const struct snapshot_stream *stream)
{
	return stream->pool.dir == VFIO_SNAPSHOT_SAVE;
}

static void stream_free_content(struct snapshot_stream *stream)
{
	if (stream_is_saving(stream))
		snapshot_save_drain(&stream->save);
	else
		snapshot_load_drain(&stream->load);
	snapshot_pool_drain(&stream->pool);
}

static void stream_release(struct kref *ref)
{
	struct snapshot_stream *stream = container_of(ref, struct snapshot_stream, ref);

	stream_free_content(stream);
	mutex_destroy(&stream->io);
	kfree(stream);
}

/* Drains a closed stream, unless the fd is in use: its user comes here at the end. */
static void stream_drain(struct snapshot_stream *stream)
{
	/*
	 * Order the store to ->closed before the trylock of ->io; pairs with the
	 * unlock in stream_end_io(), which comes before the load of ->closed.
	 */
	smp_mb();
	if (READ_ONCE(stream->closed) && mutex_trylock(&stream->io)) {
		stream_free_content(stream);
		mutex_unlock(&stream->io);
	}
}

static int stream_begin_io(struct snapshot_stream *stream, bool wait)
{
	if (!wait)
		return mutex_trylock(&stream->io) ? 0 : -EAGAIN;
	return mutex_lock_interruptible(&stream->io) ? -ERESTARTSYS : 0;
}

/* @moved: bytes that were read or written, or an errno */
static void stream_end_io(struct snapshot_stream *stream, ssize_t moved)
{
	bool saving = stream_is_saving(stream);

	if (moved > 0 && trace_vfio_snapshot_data_enabled())
		trace_vfio_snapshot_data(stream->pool.fw, saving, moved,
					 saving ? stream->save.taken : stream->load.taken,
					 saving ? snapshot_save_pending(&stream->save) : 0);
	mutex_unlock(&stream->io);
	stream_drain(stream);
}

static ssize_t stream_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct snapshot_stream *stream = iocb->ki_filp->private_data;
	bool wait = !(iocb->ki_filp->f_flags & O_NONBLOCK) &&
		    !(iocb->ki_flags & IOCB_NOWAIT);
	ssize_t done = stream_begin_io(stream, wait);

	if (done)
		return done;
	done = snapshot_save_read(&stream->save, to, wait);
	stream_end_io(stream, done);
	return done;
}

static ssize_t stream_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct snapshot_stream *stream = iocb->ki_filp->private_data;
	ssize_t done = stream_begin_io(stream, true);

	if (done)
		return done;
	done = snapshot_load_write(&stream->load, from);
	stream_end_io(stream, done);
	return done;
}

static __poll_t stream_poll(struct file *file, poll_table *wait)
{
	struct snapshot_stream *stream = file->private_data;

	poll_wait(file, &stream->save.wait, wait);
	return snapshot_save_poll(&stream->save);
}

static long stream_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct snapshot_stream *stream = file->private_data;
	struct vfio_precopy_info info = {};
	int err;

	err = vfio_check_precopy_ioctl(&stream->pool.fw->sdev->core.vdev, cmd, arg, &info);
	if (!err)
		err = stream->session->precopy_info(stream, &info);
	if (err)
		return err;
	if (copy_to_user((void __user *)arg, &info,
			 offsetofend(struct vfio_precopy_info, dirty_bytes)))
		return -EFAULT;
	return 0;
}

static int stream_file_release(struct inode *inode, struct file *file)
{
	struct snapshot_stream *stream = file->private_data;
	struct vfio_device *vdev = &stream->pool.fw->sdev->core.vdev;

	kref_put(&stream->ref, stream_release);
	vfio_put_device(vdev);
	return 0;
}

static const struct file_operations stream_save_fops = {
	.owner = THIS_MODULE,
	.read_iter = stream_read_iter,
	.splice_read = copy_splice_read,
	.poll = stream_poll,
	.unlocked_ioctl = stream_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = stream_file_release,
};

static const struct file_operations stream_load_fops = {
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
	[VFIO_SNAPSHOT_SAVE] = { "[vfio-snapshot-save]", &stream_save_fops, O_RDONLY },
	[VFIO_SNAPSHOT_LOAD] = { "[vfio-snapshot-load]", &stream_load_fops, O_WRONLY },
};

static void stream_end_firmware(struct snapshot_stream *stream)
{
	struct snapshot_session *session = stream->session;
	struct snapshot_fw *fw = stream->pool.fw;

	snapshot_fw_lock_teardown(fw);
	WRITE_ONCE(session->quiet, true);
	wake_up_all(&session->changed);
	snapshot_pool_unmap(&stream->pool);
	snapshot_fw_session_end(fw, stream->pool.dir);
	snapshot_fw_unlock(fw);
}

static int stream_open_file(struct snapshot_stream *stream, struct file **file)
{
	enum vfio_snapshot_dir dir = stream->pool.dir;
	struct file *opened;

	opened = anon_inode_getfile(stream_files[dir].name, stream_files[dir].fops,
				    stream, stream_files[dir].flags);
	if (IS_ERR(opened))
		return PTR_ERR(opened);
	stream_open(file_inode(opened), opened);
	*file = opened;
	kref_get(&stream->ref);
	get_device(&stream->pool.fw->sdev->core.vdev.device);
	return 0;
}

/* Makes a stream, its firmware objects and its file. */
static struct snapshot_stream *stream_make(struct snapshot_session *session,
					   enum vfio_snapshot_dir dir, struct file **file)
{
	bool saving = dir == VFIO_SNAPSHOT_SAVE;
	struct snapshot_stream *stream = kzalloc_obj(*stream, GFP_KERNEL_ACCOUNT);
	int err;

	if (!stream)
		return ERR_PTR(-ENOMEM);
	kref_init(&stream->ref);
	stream->session = session;
	mutex_init(&stream->io);
	snapshot_pool_init(&stream->pool, session->fw, dir,
			   saving ? snapshot_save_object : sizeof(struct snapshot_buf));

	err = snapshot_fw_lock(session->fw);
	if (err)
		goto err_put;
	err = snapshot_fw_session_begin(session->fw, dir);
	snapshot_fw_unlock(session->fw);
	if (err)
		goto err_put;
	if (saving)
		err = snapshot_save_begin(&stream->save, &stream->pool);
	else
		snapshot_load_begin(&stream->load, &stream->pool);
	if (!err)
		err = stream_open_file(stream, file);
	if (!err)
		return stream;

	stream_end_firmware(stream);
err_put:
	kref_put(&stream->ref, stream_release);
	return ERR_PTR(err);
}

/* Waits for the firmware, never for the user of the data fd. */
static void stream_close(struct snapshot_stream *stream)
{
	stream_end_firmware(stream);
	WRITE_ONCE(stream->closed, true);
	stream_drain(stream);
	kref_put(&stream->ref, stream_release);
}

static void stream_kill(struct snapshot_stream *stream)
{
	WRITE_ONCE(stream->pool.dead, true);
	if (stream_is_saving(stream))
		wake_up_all(&stream->save.wait);
}

/*
 * Does not take the lock of the device's state: a command that never returns would
 * block all changes of state, and the close of the device.
 */
static void session_teardown(struct work_struct *work)
{
	struct snapshot_session *session = container_of(work, struct snapshot_session,
							teardown.work);
	struct snapshot_stream *stream = READ_ONCE(session->dead);

	if (!stream)
		return;
	stream_close(stream);
	/* Pairs with session_is_idle(): the next session begins after this one. */
	smp_store_release(&session->dead, NULL);
	wake_up_all(&session->changed);
}

static bool session_is_idle(struct snapshot_session *session)
{
	/* Pairs with session_teardown(). */
	return !smp_load_acquire(&session->dead);
}

/**
 * snapshot_session_init - set up the session side of a new device
 * @session: all 0
 * @fw: of the device
 * @precopy_info: answers VFIO_MIG_GET_PRECOPY_INFO
 */
void snapshot_session_init(struct snapshot_session *session, struct snapshot_fw *fw,
			   int (*precopy_info)(struct snapshot_stream *stream,
					       struct vfio_precopy_info *info))
{
	session->fw = fw;
	session->precopy_info = precopy_info;
	spin_lock_init(&session->kill_lock);
	session->quiet = true;
	init_waitqueue_head(&session->changed);
	INIT_DELAYED_WORK(&session->teardown, session_teardown);
}

/**
 * snapshot_session_begin - open a stream
 * @session: without a stream; the caller holds the lock of the device's state
 * @dir: saving or loading
 * @file: set to the file; the caller gives it to userspace or puts it
 *
 * Waits until the stream of the session before is closed.
 *
 * Return: 0, -EINTR when the caller is killed, -ENOMEM, or an errno of the back-end.
 */
int snapshot_session_begin(struct snapshot_session *session, enum vfio_snapshot_dir dir,
			   struct file **file)
{
	struct snapshot_stream *stream;

	snapshot_session_hurry(session);
	if (wait_event_killable(session->changed, session_is_idle(session)))
		return -EINTR;
	stream = stream_make(session, dir, file);
	if (IS_ERR(stream))
		return PTR_ERR(stream);
	WRITE_ONCE(session->quiet, dir == VFIO_SNAPSHOT_SAVE);
	scoped_guard(spinlock, &session->kill_lock)
		session->stream = stream;
	return 0;
}

/**
 * snapshot_session_kill - the data fd stops working
 * @session: of the device
 *
 * Takes no mutex. snapshot_session_end() must follow.
 */
void snapshot_session_kill(struct snapshot_session *session)
{
	guard(spinlock)(&session->kill_lock);
	if (session->stream)
		stream_kill(session->stream);
}

/**
 * snapshot_session_end - the data fd stops working, its stream is closed later
 * @session: of the device; the caller holds the lock of the device's state
 */
void snapshot_session_end(struct snapshot_session *session)
{
	struct snapshot_stream *stream = session->stream;

	if (!stream)
		return;
	scoped_guard(spinlock, &session->kill_lock)
		session->stream = NULL;
	stream_kill(stream);
	WRITE_ONCE(session->dead, stream);
	queue_delayed_work(system_long_wq, &session->teardown, TEARDOWN_DELAY);
}

/**
 * snapshot_session_hurry - close the dead stream now, if there is one
 * @session: of the device
 */
void snapshot_session_hurry(struct snapshot_session *session)
{
	if (READ_ONCE(session->dead))
		mod_delayed_work(system_long_wq, &session->teardown, 0);
}

/**
 * snapshot_session_wait_quiet - wait for the last load() of the dead stream
 * @session: without a stream; the caller holds the lock of the device's state
 *
 * Waits for no save(), which does not change the device, and not for the commands
 * that close the stream.
 *
 * Return: 0, -EINTR when the caller is killed.
 */
int snapshot_session_wait_quiet(struct snapshot_session *session)
{
	snapshot_session_hurry(session);
	return wait_event_killable(session->changed, READ_ONCE(session->quiet)) ? -EINTR : 0;
}

/**
 * snapshot_session_flush - wait until the dead stream is closed
 * @session: of a device that was closed for good
 */
void snapshot_session_flush(struct snapshot_session *session)
{
	snapshot_session_hurry(session);
	flush_delayed_work(&session->teardown);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_session_flush);

/**
 * snapshot_stream_finish_load - whether a whole state was loaded
 * @stream: a loading stream; the caller holds the lock of the device's state
 *
 * Waits for a write that is under way, as that may complete the stream.
 *
 * Return: as snapshot_load_finish(), -EINTR when the caller is killed.
 */
int snapshot_stream_finish_load(struct snapshot_stream *stream)
{
	int err;

	if (mutex_lock_killable(&stream->io))
		return -EINTR;
	err = snapshot_load_finish(&stream->load);
	mutex_unlock(&stream->io);
	return err;
}
