/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 5: the migration state of one device.
 */
#ifndef VFIO_SNAPSHOT_MIGRATION_H
#define VFIO_SNAPSHOT_MIGRATION_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/vfio.h>
#include <linux/vfio_snapshot.h>
#include <linux/workqueue.h>

#include "arcs.h"
#include "firmware.h"
#include "stream.h"

struct file;

/**
 * struct snapshot_mig - migration side of one device
 * @fw: the firmware
 * @session: the open stream, or the one that is not closed yet
 * @features: VFIO_MIGRATION_*
 * @routes: first arc of each walk, by from and to; filled before the device is open
 * @lock: serialises state changes. Whoever releases it applies @events first.
 *        A reset comes with locks held that a page fault needs, so it only tries.
 * @state: current state; written under @lock and @event_lock
 * @walker: what the arcs are taken on: the device's level and its operations;
 *          protected by @lock
 * @opened: file of the stream that the arc being taken opened, or NULL; by @lock
 * @said: the log has the reason why the arc being taken failed; by @lock
 * @gone: the back-end left; by @lock
 * @event_lock: spinlock within @lock; makes the check of @events and the release
 *              of @lock one step
 * @events: SNAPSHOT_EVENT_* that wait for @lock
 * @applying: they are being applied; by @event_lock
 * @event_work: applies them where they need a command
 * @settled: woken when @events are applied
 */
struct snapshot_mig {
	struct snapshot_fw fw;
	struct snapshot_session session;
	unsigned int features;
	const struct snapshot_arc *routes[VFIO_DEVICE_STATE_NR][VFIO_DEVICE_STATE_NR];
	struct mutex lock;	/* state changes */
	enum vfio_device_mig_state state;
	struct snapshot_walker walker;
	struct file *opened;
	bool said;
	bool gone;
	spinlock_t event_lock;	/* see above */
	unsigned int events;
	bool applying;
	struct work_struct event_work;
	wait_queue_head_t settled;
};

/* The device was reset. */
#define SNAPSHOT_EVENT_RESET	BIT(0)
/* The device was not at RUN then, or a command crossed the reset. */
#define SNAPSHOT_EVENT_UNSURE	BIT(1)
/* The driver of the physical function left the firmware. */
#define SNAPSHOT_EVENT_LOST	BIT(2)
/* The state was not RUNNING then. */
#define SNAPSHOT_EVENT_HALTED	BIT(3)

extern const struct vfio_migration_ops snapshot_migration_ops;

struct snapshot_mig *snapshot_mig_alloc(struct vfio_snapshot_device *sdev);
void snapshot_mig_offer(struct snapshot_mig *mig);
void snapshot_mig_free(struct snapshot_mig *mig);
int snapshot_mig_prepare_open(struct snapshot_mig *mig);
void snapshot_mig_open(struct snapshot_mig *mig);
void snapshot_mig_stop(struct snapshot_mig *mig);
void snapshot_mig_close(struct snapshot_mig *mig);
void snapshot_mig_leave(struct snapshot_mig *mig);
void snapshot_mig_reset_done(struct snapshot_mig *mig);
void snapshot_mig_wait_reset(struct snapshot_mig *mig);
void snapshot_mig_lost(struct snapshot_mig *mig);

#endif /* VFIO_SNAPSHOT_MIGRATION_H */
