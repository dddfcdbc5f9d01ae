// SPDX-License-Identifier: GPL-2.0-only
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>

#include "firmware.h"
#include "migration.h"
#include "trace.h"

/* The operations, and what their arguments are. */
static const struct {
	const char *name;
	const char *args[VFIO_SNAPSHOT_UNKNOWN];
} commands[SNAPSHOT_NR_COMMANDS] = {
	[SNAPSHOT_CMD_QUIESCE] = { "quiesce", { "run", "ndma", "stop" } },
	[SNAPSHOT_CMD_SESSION_BEGIN] = { "session_begin", { "save", "load" } },
	[SNAPSHOT_CMD_SESSION_END] = { "session_end", { "save", "load" } },
	[SNAPSHOT_CMD_ESTIMATE] = { "estimate", { "whole", "changed" } },
	[SNAPSHOT_CMD_BUF_MAP] = { "buf_map", { "save", "load" } },
	[SNAPSHOT_CMD_BUF_UNMAP] = { "buf_unmap" },
	[SNAPSHOT_CMD_SAVE] = { "save", { "ahead", "final" } },
	[SNAPSHOT_CMD_LOAD] = { "load" },
	[SNAPSHOT_CMD_LOAD_END] = { "load_end" },
};

/**
 * snapshot_command_name - name of an operation, for messages
 * @command: the operation
 *
 * Return: a constant string.
 */
const char *snapshot_command_name(enum snapshot_command command)
{
	return commands[command].name;
}

/**
 * snapshot_command_arg - argument of an operation, for messages
 * @command: the operation
 * @arg: its argument
 *
 * Return: a constant string, empty for an operation without one.
 */
const char *snapshot_command_arg(enum snapshot_command command, unsigned int arg)
{
	return commands[command].args[arg] ?: "";
}

/* When it began, for end_command(); 0 when nobody wants to know. */
static u64 begin_command(struct snapshot_mig *mig, enum snapshot_command command,
			 unsigned int arg, u64 bytes)
{
	lockdep_assert_held(&mig->fw_lock);
	mig->sdev->status = 0;
	trace_vfio_snapshot_command_begin(snapshot_mig_name(mig), command, arg, bytes);
	return trace_vfio_snapshot_command_end_enabled() ? ktime_get_ns() : 0;
}

static void end_command(struct snapshot_mig *mig, enum snapshot_command command,
			unsigned int arg, u64 bytes, int err, u64 began)
{
	if (trace_vfio_snapshot_command_end_enabled())
		trace_vfio_snapshot_command_end(snapshot_mig_name(mig), command, arg,
						bytes, err,
						began ? ktime_get_ns() - began : 0);
	/* Of two, the first: a quiesce that follows is a roll-back. */
	if (err && (!mig->failed.err || command != SNAPSHOT_CMD_QUIESCE))
		mig->failed = (struct snapshot_failed){
			.command = command, .arg = arg, .err = err,
			.status = mig->sdev->status,
		};
}

/**
 * snapshot_fw_lock_killable - wait until the firmware can be used, and hold it
 * @mig: of the device
 *
 * Takes @fw_lock when no transfer is under way.
 *
 * Return: 0, or -EINTR when the caller is killed.
 */
int snapshot_fw_lock_killable(struct snapshot_mig *mig)
{
	do {
		if (mutex_lock_killable(&mig->fw_lock))
			return -EINTR;
		if (!mig->transfer)
			return 0;
		mutex_unlock(&mig->fw_lock);
	} while (!wait_event_killable(mig->idle, !READ_ONCE(mig->transfer)));
	return -EINTR;
}

/**
 * snapshot_fw_lock - as snapshot_fw_lock_killable(), for what cannot be given up
 * @mig: of the device
 */
void snapshot_fw_lock(struct snapshot_mig *mig)
{
	for (;;) {
		mutex_lock(&mig->fw_lock);
		if (!mig->transfer)
			return;
		mutex_unlock(&mig->fw_lock);
		wait_event(mig->idle, !READ_ONCE(mig->transfer));
	}
}

/**
 * snapshot_fw_unlock - release @fw_lock
 * @mig: of the device
 */
void snapshot_fw_unlock(struct snapshot_mig *mig)
{
	mutex_unlock(&mig->fw_lock);
}

/**
 * snapshot_fw_quiesce - bring the device to a level
 * @mig: of the device, with @mig->fw_lock held
 * @want: the level
 * @now: set to the level that it is at, in every case
 *
 * Return: 0 or an errno of the back-end.
 */
int snapshot_fw_quiesce(struct snapshot_mig *mig, enum vfio_snapshot_level want,
			enum vfio_snapshot_level *now)
{
	u64 began = begin_command(mig, SNAPSHOT_CMD_QUIESCE, want, 0);
	int err;

	*now = VFIO_SNAPSHOT_UNKNOWN;
	err = mig->sdev->ops->quiesce(mig->sdev, want, now);
	end_command(mig, SNAPSHOT_CMD_QUIESCE, want, 0, err, began);
	return err;
}

/**
 * snapshot_fw_session_begin - make what a transfer needs in the firmware
 * @mig: of the device, with @mig->fw_lock held
 * @dir: of the transfer
 *
 * Return: 0 or an errno of the back-end.
 */
int snapshot_fw_session_begin(struct snapshot_mig *mig, enum vfio_snapshot_dir dir)
{
	u64 began = begin_command(mig, SNAPSHOT_CMD_SESSION_BEGIN, dir, 0);
	int err = mig->sdev->ops->session_begin(mig->sdev, dir);

	end_command(mig, SNAPSHOT_CMD_SESSION_BEGIN, dir, 0, err, began);
	return err;
}

/**
 * snapshot_fw_session_end - undo snapshot_fw_session_begin()
 * @mig: of the device, with @mig->fw_lock held
 * @dir: as then
 */
void snapshot_fw_session_end(struct snapshot_mig *mig, enum vfio_snapshot_dir dir)
{
	u64 began = begin_command(mig, SNAPSHOT_CMD_SESSION_END, dir, 0);

	mig->sdev->ops->session_end(mig->sdev, dir);
	end_command(mig, SNAPSHOT_CMD_SESSION_END, dir, 0, 0, began);
}

/**
 * snapshot_fw_estimate - ask how much there is to save
 * @mig: of the device, with @mig->fw_lock held
 * @extent: of the whole state, or of what changed
 * @est: set, unless an errno is returned
 *
 * Return: 0 or an errno of the back-end.
 */
int snapshot_fw_estimate(struct snapshot_mig *mig, enum vfio_snapshot_extent extent,
			 struct vfio_snapshot_estimate *est)
{
	u64 began = begin_command(mig, SNAPSHOT_CMD_ESTIMATE, extent, 0);
	int err;

	*est = (struct vfio_snapshot_estimate){};
	err = mig->sdev->ops->estimate(mig->sdev, extent, est);
	end_command(mig, SNAPSHOT_CMD_ESTIMATE, extent, err ? 0 : est->bytes, err, began);
	return err;
}

/**
 * snapshot_fw_buf_map - make memory known to the firmware
 * @mig: of the device, with @mig->fw_lock held
 * @io: the memory
 * @dir: of the transfers that it is for
 *
 * Return: the back-end's key, NULL when it needs none, or an ERR_PTR().
 */
void *snapshot_fw_buf_map(struct snapshot_mig *mig, struct vfio_snapshot_io *io,
			  enum vfio_snapshot_dir dir)
{
	u64 began;
	void *key;

	if (!mig->sdev->ops->buf_map)
		return NULL;
	began = begin_command(mig, SNAPSHOT_CMD_BUF_MAP, dir, io->size);
	key = mig->sdev->ops->buf_map(mig->sdev, io, dir);
	end_command(mig, SNAPSHOT_CMD_BUF_MAP, dir, io->size, PTR_ERR_OR_ZERO(key), began);
	return key;
}

/**
 * snapshot_fw_buf_unmap - undo snapshot_fw_buf_map()
 * @mig: of the device, with @mig->fw_lock held
 * @key: what it returned
 */
void snapshot_fw_buf_unmap(struct snapshot_mig *mig, void *key)
{
	u64 began;

	if (!mig->sdev->ops->buf_unmap)
		return;
	began = begin_command(mig, SNAPSHOT_CMD_BUF_UNMAP, 0, 0);
	mig->sdev->ops->buf_unmap(mig->sdev, key);
	end_command(mig, SNAPSHOT_CMD_BUF_UNMAP, 0, 0, 0, began);
}

static void end_transfer(struct snapshot_transfer *transfer, int err)
{
	struct snapshot_mig *mig = transfer->mig;
	bool saving = transfer->dir == VFIO_SNAPSHOT_SAVE;
	u64 bytes = saving ? transfer->io.done : transfer->io.size;

	lockdep_assert_held(&mig->fw_lock);
	WRITE_ONCE(mig->transfer, NULL);
	end_command(mig, saving ? SNAPSHOT_CMD_SAVE : SNAPSHOT_CMD_LOAD,
		    saving ? transfer->phase : 0, err ? 0 : bytes, err, transfer->began);
}

/**
 * snapshot_fw_transfer_work - end of a transfer that nobody waits for
 * @work: @transfer_work of a struct snapshot_mig
 */
void snapshot_fw_transfer_work(struct work_struct *work)
{
	struct snapshot_mig *mig = container_of(work, struct snapshot_mig, transfer_work);

	scoped_guard(mutex, &mig->fw_lock) {
		struct snapshot_transfer *transfer = mig->transfer;

		end_transfer(transfer, transfer->err);
		transfer->done(transfer, transfer->err);
	}
	wake_up_all(&mig->idle);
}

/**
 * snapshot_fw_transfer - take an image or a chunk of it, or give a record
 * @transfer: what; @io, @mig, @dir, @phase and @done are set
 *
 * Called with @fw_lock of the device held. It may be released while the transfer
 * is under way; snapshot_fw_lock() waits for its end.
 *
 * Return: -EINPROGRESS when @done will be called. If not, or without @done, the
 * transfer is over: 0, or an errno of the back-end.
 */
int snapshot_fw_transfer(struct snapshot_transfer *transfer)
{
	struct snapshot_mig *mig = transfer->mig;
	const struct vfio_snapshot_ops *ops = mig->sdev->ops;
	struct vfio_snapshot_io *io = &transfer->io;
	int err;

	WARN_ON_ONCE(mig->transfer);
	io->private = transfer;
	if (!transfer->done)
		init_completion(&transfer->over);
	WRITE_ONCE(mig->transfer, transfer);

	if (transfer->dir == VFIO_SNAPSHOT_SAVE) {
		transfer->began = begin_command(mig, SNAPSHOT_CMD_SAVE, transfer->phase,
						io->size);
		err = ops->save(mig->sdev, transfer->phase, io);
	} else {
		transfer->began = begin_command(mig, SNAPSHOT_CMD_LOAD, 0, io->size);
		err = ops->load(mig->sdev, io);
	}
	if (err == -EINPROGRESS) {
		if (transfer->done)
			return err;
		wait_for_completion(&transfer->over);
		err = transfer->err;
	}
	end_transfer(transfer, err);
	return err;
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
		queue_work(system_highpri_wq, &transfer->mig->transfer_work);
	else
		complete(&transfer->over);
}
EXPORT_SYMBOL_GPL(vfio_snapshot_io_complete);

/**
 * snapshot_fw_load_end - let the device check the loaded state
 * @mig: of the device, with @mig->fw_lock held
 *
 * Return: 0, also when the back-end has no such check, or its errno.
 */
int snapshot_fw_load_end(struct snapshot_mig *mig)
{
	u64 began;
	int err;

	if (!mig->sdev->ops->load_end)
		return 0;
	began = begin_command(mig, SNAPSHOT_CMD_LOAD_END, 0, 0);
	err = mig->sdev->ops->load_end(mig->sdev);
	end_command(mig, SNAPSHOT_CMD_LOAD_END, 0, 0, err, began);
	return err;
}
