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

static int wait_for_io(struct vfio_snapshot_io *io, int err)
{
	struct completion *done = io->private;

	if (err != -EINPROGRESS)
		return err;
	wait_for_completion(done);
	/* vfio_snapshot_io_complete() put the result here. */
	return PTR_ERR(io->private);
}

/**
 * snapshot_fw_save - take an image, or its next chunk; waits until it is there
 * @mig: of the device, with @mig->fw_lock held
 * @phase: why
 * @io: where to
 *
 * Return: 0 or an errno of the back-end.
 */
int snapshot_fw_save(struct snapshot_mig *mig, enum vfio_snapshot_phase phase,
		     struct vfio_snapshot_io *io)
{
	DECLARE_COMPLETION_ONSTACK(done);
	u64 began = begin_command(mig, SNAPSHOT_CMD_SAVE, phase, io->size);
	int err;

	io->private = &done;
	err = wait_for_io(io, mig->sdev->ops->save(mig->sdev, phase, io));
	end_command(mig, SNAPSHOT_CMD_SAVE, phase, err ? 0 : io->done, err, began);
	return err;
}

/**
 * snapshot_fw_load - give a record to the device; waits until it took it
 * @mig: of the device, with @mig->fw_lock held
 * @io: the record
 *
 * Return: 0 or an errno of the back-end.
 */
int snapshot_fw_load(struct snapshot_mig *mig, struct vfio_snapshot_io *io)
{
	DECLARE_COMPLETION_ONSTACK(done);
	u64 began = begin_command(mig, SNAPSHOT_CMD_LOAD, 0, io->size);
	int err;

	io->private = &done;
	err = wait_for_io(io, mig->sdev->ops->load(mig->sdev, io));
	end_command(mig, SNAPSHOT_CMD_LOAD, 0, err ? 0 : io->size, err, began);
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
	struct completion *done = io->private;

	io->private = ERR_PTR(err);
	complete(done);
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
