// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layer 1: the lines in the kernel log: one when a device is probed, one for each
 * failure of a migration, at most ten in five seconds. They may be said with any
 * lock held, so they take none.
 */
#include <linux/device.h>
#include <linux/ratelimit.h>
#include <linux/sizes.h>
#include <linux/sprintf.h>

#include "arcs.h"
#include "firmware.h"
#include "messages.h"

#define CAUSE_LEN	80

/* Whether a line may be said; *@cause is then what the firmware answered. */
static bool say_may(struct snapshot_fw *fw, int err, char cause[CAUSE_LEN])
{
	struct snapshot_failed failed = READ_ONCE(fw->failed);

	if (!__ratelimit(&fw->ratelimit))
		return false;
	/* An operation that failed with another errno is not the cause. */
	if (!failed.err || failed.err != err)
		scnprintf(cause, CAUSE_LEN, "no firmware command failed");
	else
		scnprintf(cause, CAUSE_LEN, "firmware command %s %s, status %#x",
			  snapshot_command_name(failed.command),
			  snapshot_command_arg(failed.command, failed.arg), failed.status);
	return true;
}

static struct device *say_dev(struct snapshot_fw *fw)
{
	return fw->sdev->core.vdev.dev;
}

/**
 * snapshot_say_arc_failed - an arc failed
 * @fw: of the device
 * @arc: the arc
 * @err: what it failed with
 * @state: the state that this left the device in
 */
void snapshot_say_arc_failed(struct snapshot_fw *fw, const struct snapshot_arc *arc,
			     int err, unsigned int state)
{
	char cause[CAUSE_LEN];

	if (say_may(fw, err, cause))
		dev_warn(say_dev(fw), "migration: %s -> %s failed: %d, %s; state %s\n",
			 snapshot_state_name(arc->from), snapshot_state_name(arc->to),
			 err, cause, snapshot_state_name(state));
}

/**
 * snapshot_say_ahead_failed - no further image is taken ahead
 * @fw: of the device
 * @err: what the image failed with
 */
void snapshot_say_ahead_failed(struct snapshot_fw *fw, int err)
{
	char cause[CAUSE_LEN];

	if (say_may(fw, err, cause))
		dev_warn(say_dev(fw),
			 "migration: image ahead failed: %d, %s; the final image is whole\n",
			 err, cause);
}

/**
 * snapshot_say_final_failed - the state of a stopped device could not be saved
 * @fw: of the device
 * @err: what the image failed with
 */
void snapshot_say_final_failed(struct snapshot_fw *fw, int err)
{
	char cause[CAUSE_LEN];

	if (say_may(fw, err, cause))
		dev_warn(say_dev(fw),
			 "migration: final image failed: %d, %s; read() of the data fd returns it\n",
			 err, cause);
}

/**
 * snapshot_say_stream_refused - what was written to the data fd cannot be loaded
 * @fw: of the device
 * @err: the reason
 */
void snapshot_say_stream_refused(struct snapshot_fw *fw, int err)
{
	char cause[CAUSE_LEN];

	if (say_may(fw, err, cause))
		dev_warn(say_dev(fw), "migration: stream refused: %d, %s; state RESUMING\n",
			 err, cause);
}

/**
 * snapshot_say_not_running - a device that was reset, or opened, does not run
 * @fw: of the device
 * @err: the reason
 */
void snapshot_say_not_running(struct snapshot_fw *fw, int err)
{
	char cause[CAUSE_LEN];

	if (say_may(fw, err, cause))
		dev_warn(say_dev(fw),
			 "migration: not running after reset: %d, %s; state ERROR\n",
			 err, cause);
}

/**
 * snapshot_say_size_unknown - the firmware does not say how much there is to save
 * @fw: of the device
 * @err: the reason
 */
void snapshot_say_size_unknown(struct snapshot_fw *fw, int err)
{
	char cause[CAUSE_LEN];

	if (say_may(fw, err, cause))
		dev_warn(say_dev(fw), "migration: size unknown: %d, %s\n", err, cause);
}

/**
 * snapshot_say_lost - the driver of the physical function left the firmware
 * @fw: of the device
 */
void snapshot_say_lost(struct snapshot_fw *fw)
{
	if (__ratelimit(&fw->ratelimit))
		dev_warn(say_dev(fw), "migration: lost contact with the firmware\n");
}

/**
 * snapshot_say_able - what a device that was probed supports
 * @fw: of the device
 * @features: VFIO_MIGRATION_*
 */
void snapshot_say_able(struct snapshot_fw *fw, unsigned int features)
{
	dev_info(say_dev(fw), "can be migrated: %s, stop-copy%s%s, images of at most %llu MiB\n",
		 fw->sdev->ops->name,
		 features & VFIO_MIGRATION_P2P ? ", P2P" : "",
		 features & VFIO_MIGRATION_PRE_COPY ? ", pre-copy" : "",
		 fw->sdev->ops->max_image / SZ_1M);
}
