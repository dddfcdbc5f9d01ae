// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layer 1: the firmware of one device, and the lines in the kernel log.
 *
 * The firmware does one operation at a time. Whoever calls an operation holds
 * the device's struct snapshot_fw; only this file calls the back-end, and traces
 * each call. A transfer may complete after save() or load() returned: it then
 * keeps the firmware busy, and the worker that ends it lets the next one in.
 * Nobody copies user memory with the firmware held.
 *
 * The lock is a semaphore because a transfer releases it in another thread than
 * the one that took it. The lockdep map stands for it wherever one thread both
 * takes and releases it. It is taken after the lock of the device's state and
 * after stream->io, and before the spinlock of a pool.
 */
#include <kunit/visibility.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/ratelimit.h>
#include <linux/sprintf.h>

#include "firmware.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

const struct snapshot_command_names snapshot_commands[] = {
	[SNAPSHOT_CMD_QUIESCE] = { "quiesce", { "run", "ndma", "stop", "unknown" } },
	[SNAPSHOT_CMD_SESSION_BEGIN] = { "session_begin", { "save", "load" } },
	[SNAPSHOT_CMD_SESSION_END] = { "session_end", { "save", "load" } },
	[SNAPSHOT_CMD_ESTIMATE] = { "estimate", { "whole", "changed" } },
	[SNAPSHOT_CMD_BUF_MAP] = { "buf_map", { "save", "load" } },
	[SNAPSHOT_CMD_BUF_UNMAP] = { "buf_unmap", { "-" } },
	[SNAPSHOT_CMD_SAVE] = { "save", { "ahead", "final" } },
	[SNAPSHOT_CMD_LOAD] = { "load", { "-" } },
	[SNAPSHOT_CMD_LOAD_END] = { "load_end", { "-" } },
};

/* Ends transfers: ahead of other work, for a guest may be waiting. */
static struct workqueue_struct *fw_wq;

static void fw_put_transfer(struct snapshot_transfer *transfer)
{
	if (atomic_dec_and_test(&transfer->holds))
		queue_work(fw_wq, &transfer->fw->transfer_work);
}

/**
 * snapshot_fw_lock - wait until the firmware is idle, and hold it
 * @fw: of the device
 *
 * Return: 0, -EINTR when the caller is killed, -ENODEV when the back-end left.
 */
int snapshot_fw_lock(struct snapshot_fw *fw)
{
	if (down_killable(&fw->sem))
		return -EINTR;
	lock_map_acquire(&fw->dep_map);
	if (!fw->gone)
		return 0;
	snapshot_fw_unlock(fw);
	return -ENODEV;
}

/**
 * snapshot_fw_lock_teardown - snapshot_fw_lock() of a worker that must go on
 * @fw: of the device, whose back-end has not left
 */
void snapshot_fw_lock_teardown(struct snapshot_fw *fw)
{
	down(&fw->sem);
	lock_map_acquire(&fw->dep_map);
}

/**
 * snapshot_fw_is_busy - whether an operation is under way
 * @fw: of the device
 *
 * Return: true also when one just ended.
 */
bool snapshot_fw_is_busy(struct snapshot_fw *fw)
{
	if (down_trylock(&fw->sem))
		return true;
	up(&fw->sem);
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_fw_is_busy);

/**
 * snapshot_fw_unlock - let the next operation in
 * @fw: of the device, held by the caller
 *
 * A transfer that the caller submitted keeps the firmware until it is complete.
 */
void snapshot_fw_unlock(struct snapshot_fw *fw)
{
	struct snapshot_transfer *transfer = fw->transfer;

	lock_map_release(&fw->dep_map);
	if (transfer)
		fw_put_transfer(transfer);
	else
		up(&fw->sem);
}

static void fw_begin(struct snapshot_fw *fw, enum snapshot_command command,
		     unsigned int arg, u64 bytes)
{
	snapshot_fw_assert_held(fw);
	WARN_ON_ONCE(fw->transfer);
	fw->sdev->status = 0;
	fw->command = command;
	fw->arg = arg;
	trace_vfio_snapshot_command_begin(fw, bytes);
	fw->began = trace_vfio_snapshot_command_end_enabled() ? ktime_get_ns() : 0;
}

static int fw_end(struct snapshot_fw *fw, u64 bytes, int err)
{
	struct snapshot_failed failed = {
		.err = err, .command = fw->command, .arg = fw->arg, .status = fw->sdev->status,
	};

	trace_vfio_snapshot_command_end(fw, bytes, err);
	/* Keep the first error; a later quiesce is only the roll-back. */
	if (err && (!fw->failed.err || fw->command != SNAPSHOT_CMD_QUIESCE))
		WRITE_ONCE(fw->failed, failed);
	return err;
}

/**
 * snapshot_fw_quiesce - bring the device to a level
 * @fw: of the device, held
 * @want: the level
 * @now: set to the level that it is at, in every case
 *
 * Return: 0 or an errno of the back-end.
 */
int snapshot_fw_quiesce(struct snapshot_fw *fw, enum vfio_snapshot_level want,
			enum vfio_snapshot_level *now)
{
	fw_begin(fw, SNAPSHOT_CMD_QUIESCE, want, 0);
	*now = VFIO_SNAPSHOT_UNKNOWN;
	return fw_end(fw, 0, fw->sdev->ops->quiesce(fw->sdev, want, now));
}

/**
 * snapshot_fw_session_begin - make what a transfer needs in the firmware
 * @fw: of the device, held
 * @dir: of the transfer
 *
 * Return: 0 or an errno of the back-end.
 */
int snapshot_fw_session_begin(struct snapshot_fw *fw, enum vfio_snapshot_dir dir)
{
	fw_begin(fw, SNAPSHOT_CMD_SESSION_BEGIN, dir, 0);
	fw->ops = *fw->sdev->ops;
	return fw_end(fw, 0, fw->sdev->ops->session_begin(fw->sdev, dir));
}

/**
 * snapshot_fw_session_end - undo snapshot_fw_session_begin()
 * @fw: of the device, held
 * @dir: as then
 */
void snapshot_fw_session_end(struct snapshot_fw *fw, enum vfio_snapshot_dir dir)
{
	fw_begin(fw, SNAPSHOT_CMD_SESSION_END, dir, 0);
	fw->sdev->ops->session_end(fw->sdev, dir);
	fw_end(fw, 0, 0);
}

static int fw_estimate(struct snapshot_fw *fw, enum vfio_snapshot_extent extent,
		       struct vfio_snapshot_estimate *est)
{
	int err = snapshot_fw_lock(fw);

	if (err)
		return err;
	*est = (struct vfio_snapshot_estimate){};
	fw_begin(fw, SNAPSHOT_CMD_ESTIMATE, extent, 0);
	err = fw->sdev->ops->estimate(fw->sdev, extent, est);
	fw_end(fw, err ? 0 : est->bytes, err);
	if (!err && est->bytes > fw->sdev->ops->max_image)
		err = -EFBIG;
	snapshot_fw_unlock(fw);
	return err;
}

/**
 * snapshot_fw_size - size of an image of the whole state
 * @fw: of the device; the caller holds the lock of its state
 * @max_age: jiffies, an earlier answer of the firmware may be that old
 * @bytes: set to the largest size that an image can have
 *
 * Return: 0, an errno of the back-end, -EINTR, -EIO or -EFBIG for an answer that
 * cannot be.
 */
int snapshot_fw_size(struct snapshot_fw *fw, unsigned long max_age, u64 *bytes)
{
	struct vfio_snapshot_estimate est;
	int err;

	if (!fw->sized || time_after_eq(jiffies, fw->sized + max_age)) {
		err = fw_estimate(fw, VFIO_SNAPSHOT_WHOLE, &est);
		if (err)
			return err;
		if (!est.bytes)
			return -EIO;
		fw->size = est.bytes;
		fw->sized = jiffies ?: 1;
	}
	*bytes = fw->size;
	return 0;
}

/**
 * snapshot_fw_changed - how much changed since the last image
 * @fw: of a device with VFIO_SNAPSHOT_CAP_INCREMENT that runs and saves
 * @est: set, unless an errno is returned
 *
 * Return: 0, an errno of the back-end, -EINTR, -EFBIG for an answer that cannot be.
 */
int snapshot_fw_changed(struct snapshot_fw *fw, struct vfio_snapshot_estimate *est)
{
	return fw_estimate(fw, VFIO_SNAPSHOT_CHANGED, est);
}

/**
 * snapshot_fw_buf_map - make memory known to the firmware
 * @fw: of the device, held; its back-end has buf_map()
 * @io: the memory
 * @dir: of the transfers that it is for
 *
 * Return: the back-end's key, or an ERR_PTR().
 */
void *snapshot_fw_buf_map(struct snapshot_fw *fw, struct vfio_snapshot_io *io,
			  enum vfio_snapshot_dir dir)
{
	void *key;

	fw_begin(fw, SNAPSHOT_CMD_BUF_MAP, dir, io->size);
	key = fw->sdev->ops->buf_map(fw->sdev, io, dir);
	fw_end(fw, io->size, PTR_ERR_OR_ZERO(key));
	return key;
}

/**
 * snapshot_fw_buf_unmap - undo snapshot_fw_buf_map()
 * @fw: of the device, held
 * @key: what it returned
 */
void snapshot_fw_buf_unmap(struct snapshot_fw *fw, void *key)
{
	fw_begin(fw, SNAPSHOT_CMD_BUF_UNMAP, 0, 0);
	fw->sdev->ops->buf_unmap(fw->sdev, key);
	fw_end(fw, 0, 0);
}

static int fw_end_transfer(struct snapshot_transfer *transfer, int err)
{
	bool saving = transfer->dir == VFIO_SNAPSHOT_SAVE;
	u64 bytes = saving ? transfer->io.done : transfer->io.size;

	return fw_end(transfer->fw, err ? 0 : bytes, err);
}

static void fw_transfer_work(struct work_struct *work)
{
	struct snapshot_fw *fw = container_of(work, struct snapshot_fw, transfer_work);
	struct snapshot_transfer *transfer = fw->transfer;

	lock_map_acquire(&fw->dep_map);
	fw->transfer = NULL;
	fw_end_transfer(transfer, transfer->err);
	transfer->done(transfer, transfer->err);
	snapshot_fw_unlock(fw);
}

/**
 * snapshot_fw_transfer - take an image or a chunk of it, or give a record
 * @transfer: what; @io, @fw, @dir, @phase and @done are set
 *
 * Called with the firmware held.
 *
 * Return: -EINPROGRESS when @done will be called. If not, or without @done, the
 * transfer is over: 0, or an errno of the back-end.
 */
int snapshot_fw_transfer(struct snapshot_transfer *transfer)
{
	bool saving = transfer->dir == VFIO_SNAPSHOT_SAVE;
	struct vfio_snapshot_io *io = &transfer->io;
	struct snapshot_fw *fw = transfer->fw;
	int err;

	io->private = transfer;
	if (transfer->done)
		atomic_set(&transfer->holds, 2);
	else
		init_completion(&transfer->over);

	fw_begin(fw, saving ? SNAPSHOT_CMD_SAVE : SNAPSHOT_CMD_LOAD,
		 saving ? transfer->phase : 0, io->size);
	err = saving ? fw->sdev->ops->save(fw->sdev, transfer->phase, io) :
		       fw->sdev->ops->load(fw->sdev, io);
	if (err == -EINPROGRESS) {
		if (transfer->done) {
			fw->transfer = transfer;
			return err;
		}
		wait_for_completion(&transfer->over);
		err = transfer->err;
	}
	return fw_end_transfer(transfer, err);
}

/**
 * vfio_snapshot_io_complete - a transfer that was -EINPROGRESS is over
 * @io: the transfer; gone when this returns
 * @err: 0 or the errno that it failed with
 *
 * Call it exactly once for each save() or load() that returned -EINPROGRESS,
 * from any context.
 */
void vfio_snapshot_io_complete(struct vfio_snapshot_io *io, int err)
{
	struct snapshot_transfer *transfer = io->private;

	transfer->err = err;
	if (transfer->done)
		fw_put_transfer(transfer);
	else
		complete(&transfer->over);
}
EXPORT_SYMBOL_GPL(vfio_snapshot_io_complete);

/**
 * snapshot_fw_load_end - let the device check the loaded state
 * @fw: of the device, held
 *
 * Return: 0, also when the back-end has no such check, or its errno.
 */
int snapshot_fw_load_end(struct snapshot_fw *fw)
{
	if (!fw->sdev->ops->load_end)
		return 0;
	fw_begin(fw, SNAPSHOT_CMD_LOAD_END, 0, 0);
	return fw_end(fw, 0, fw->sdev->ops->load_end(fw->sdev));
}

/**
 * snapshot_say - log that something failed, at most ten lines in five seconds
 * @fw: of the device
 * @err: what it failed with
 * @what: what failed, in the words of the log
 * @then: what follows from that, or ""
 *
 * It takes no lock, so the caller may hold any. A line states facts; what to do
 * about it is in Documentation/admin-guide/troubleshooting.rst, by the same words.
 */
void snapshot_say(struct snapshot_fw *fw, int err, const char *what, const char *then)
{
	struct snapshot_failed failed = READ_ONCE(fw->failed);
	const char *arg = snapshot_commands[failed.command].args[failed.arg];
	char cause[80] = "no firmware command failed";

	if (!__ratelimit(&fw->ratelimit))
		return;
	/* An operation that failed with another errno is not the cause. */
	if (failed.err && (failed.err == err || snapshot_fd_errno(failed.err) == err))
		scnprintf(cause, sizeof(cause), "firmware command %s%s%s, status %#x",
			  snapshot_commands[failed.command].name, *arg == '-' ? "" : " ",
			  *arg == '-' ? "" : arg, failed.status);
	dev_warn(fw->sdev->core.vdev.dev, "migration: %s: %d, %s%s\n", what, err, cause, then);
}

/**
 * snapshot_fw_init - set up the firmware side of a new device
 * @fw: all 0
 * @sdev: the device
 */
void snapshot_fw_init(struct snapshot_fw *fw, struct vfio_snapshot_device *sdev)
{
	static struct lock_class_key key;

	fw->sdev = sdev;
	sema_init(&fw->sem, 1);
	lockdep_init_map(&fw->dep_map, "snapshot_fw", &key, 0);
	INIT_WORK(&fw->transfer_work, fw_transfer_work);
	ratelimit_state_init(&fw->ratelimit, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
}

/**
 * snapshot_fw_leave - the back-end leaves: no operation is called any more
 * @fw: of the device, closed for good
 *
 * Waits for the operation that is under way.
 */
void snapshot_fw_leave(struct snapshot_fw *fw)
{
	snapshot_fw_lock_teardown(fw);
	fw->gone = true;
	snapshot_fw_unlock(fw);
	flush_work(&fw->transfer_work);
}

static void fw_nothing(struct work_struct *work)
{
}

static int __init fw_load(void)
{
	static DECLARE_WORK(nothing, fw_nothing);

	fw_wq = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!fw_wq)
		return -ENOMEM;
	/* Else the first transfer waits until the kernel made a spare worker. */
	queue_work(fw_wq, &nothing);
	flush_work(&nothing);
	return 0;
}
module_init(fw_load);

static void __exit fw_unload(void)
{
	destroy_workqueue(fw_wq);
}
module_exit(fw_unload);
