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

static struct device *say_dev(struct snapshot_fw *fw)
{
	return fw->sdev->core.vdev.dev;
}

/**
 * snapshot_say - something failed
 * @fw: of the device
 * @err: what it failed with
 * @what: what failed, in the words of the log
 * @then: what follows from that, or ""
 */
void snapshot_say(struct snapshot_fw *fw, int err, const char *what, const char *then)
{
	struct snapshot_failed failed = READ_ONCE(fw->failed);
	const char *arg = snapshot_command_arg(failed.command, failed.arg);
	char cause[80] = "no firmware command failed";

	if (!__ratelimit(&fw->ratelimit))
		return;
	/* An operation that failed with another errno is not the cause. */
	if (failed.err && (failed.err == err || snapshot_fd_errno(failed.err) == err))
		scnprintf(cause, sizeof(cause), "firmware command %s%s%s, status %#x",
			  snapshot_command_name(failed.command), *arg == '-' ? "" : " ",
			  *arg == '-' ? "" : arg, failed.status);
	dev_warn(say_dev(fw), "migration: %s: %d, %s%s\n", what, err, cause, then);
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
	char what[48], then[32];

	scnprintf(what, sizeof(what), "%s -> %s failed", snapshot_state_name(arc->from),
		  snapshot_state_name(arc->to));
	scnprintf(then, sizeof(then), "; state %s", snapshot_state_name(state));
	snapshot_say(fw, err, what, then);
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
