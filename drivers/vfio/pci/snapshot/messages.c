// SPDX-License-Identifier: GPL-2.0-only
#include <linux/device.h>
#include <linux/err.h>
#include <linux/ratelimit.h>
#include <linux/sizes.h>
#include <linux/sprintf.h>

#include "arcs.h"
#include "firmware.h"
#include "messages.h"
#include "migration.h"

#define CAUSE_LEN	96

/* Where to look, when no operation of the back-end failed. */
static const struct {
	int err;
	const char *look;
} hints[] = {
	{ -ENOMEM, "free memory, or raise the memory limit of the caller's cgroup" },
	{ -EINTR, "the caller was killed" },
	{ -ENODATA, "the stream is not whole, see why the source or the connection ended" },
	{ -EBADMSG, "the stream is damaged, or parts of it are missing" },
	{ -EINVAL, "what was loaded is no stream, or a damaged one" },
	{ -EXDEV, "the stream is of another kind of device, use the same on both hosts" },
	{ -EOPNOTSUPP, "the stream has a record that is not known here, update this host" },
	{ -EFBIG, "the state is larger than the driver takes" },
};

static const char *hint(const struct snapshot_failed *failed, int err)
{
	unsigned int i;

	if (!failed->err)
		for (i = 0; i < ARRAY_SIZE(hints); i++)
			if (hints[i].err == err)
				return hints[i].look;
	return "check the firmware and the driver of the physical function";
}

static const char *name_cause(const struct snapshot_failed *failed, char *cause)
{
	if (!failed->err)
		return "no firmware command failed";
	scnprintf(cause, CAUSE_LEN, "firmware command %s%s%s, status %#x",
		  snapshot_command_name(failed->command),
		  *snapshot_command_arg(failed->command, failed->arg) ? " " : "",
		  snapshot_command_arg(failed->command, failed->arg), failed->status);
	return cause;
}

static void say_failed(struct snapshot_mig *mig, const char *what, int err,
		       enum vfio_device_mig_state state, const char *remedy)
{
	struct snapshot_failed failed = mig->failed;
	char cause[CAUSE_LEN];

	/* An operation that failed in between need not be why. */
	if (failed.err != err)
		failed.err = 0;
	if (!__ratelimit(&mig->failures))
		return;
	dev_warn(mig->sdev->core.vdev.dev,
		 "migration: %s failed (%d, %s), the device is in %s: %s; %s\n",
		 what, err, name_cause(&failed, cause), snapshot_state_name(state),
		 hint(&failed, err), remedy);
}

/**
 * snapshot_say_arc_failed - an arc failed
 * @mig: of the device, in the state that this left it in
 * @arc: the arc
 * @err: what it failed with
 *
 * Says nothing where snapshot_say_load_failed() has said it all.
 */
void snapshot_say_arc_failed(struct snapshot_mig *mig, const struct snapshot_arc *arc,
			     int err)
{
	char what[40];

	if (arc->action == SNAPSHOT_LOAD_CLOSE && mig->told)
		return;
	scnprintf(what, sizeof(what), "%s -> %s", snapshot_state_name(arc->from),
		  snapshot_state_name(arc->to));
	say_failed(mig, what, err, mig->state,
		   mig->state == VFIO_DEVICE_STATE_ERROR ? "reset it, then start again" :
							   "nothing is lost, try again");
}

/**
 * snapshot_say_load_failed - what was written to the data fd cannot be loaded
 * @mig: of the device
 * @err: what that failed with
 *
 * The device can only go to ERROR from there, but nobody may ask for it.
 */
void snapshot_say_load_failed(struct snapshot_mig *mig, int err)
{
	say_failed(mig, "loading the stream", err, VFIO_DEVICE_STATE_RESUMING,
		   "reset it, then start again");
	mig->told = true;
}

/**
 * snapshot_say_not_running - a device that was reset, or opened, does not run
 * @mig: of the device
 */
void snapshot_say_not_running(struct snapshot_mig *mig)
{
	say_failed(mig, "making it run", mig->failed.err, VFIO_DEVICE_STATE_ERROR,
		   "reset it again");
}

/**
 * snapshot_say_detached - nobody answers for the device any more
 * @mig: of the device
 */
void snapshot_say_detached(struct snapshot_mig *mig)
{
	if (__ratelimit(&mig->failures))
		dev_warn(mig->sdev->core.vdev.dev,
			 "migration: the firmware is gone, the device is in ERROR; look after the physical function\n");
}

/**
 * snapshot_say_able - what a device that was probed supports
 * @mig: of the device
 */
void snapshot_say_able(struct snapshot_mig *mig)
{
	dev_info(mig->sdev->core.vdev.dev,
		 "can be migrated: %s, stop-copy%s%s, images of at most %llu MiB\n",
		 mig->sdev->ops->name,
		 mig->features & VFIO_MIGRATION_P2P ? ", P2P" : "",
		 mig->features & VFIO_MIGRATION_PRE_COPY ? ", pre-copy" : "",
		 mig->sdev->ops->max_image / SZ_1M);
}
