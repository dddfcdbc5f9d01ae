// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layer 5: the migration state of a device, the walk over its arcs, and resets.
 *
 * The core has five layers; no file calls into a layer above its own:
 *
 *   1 firmware.c		one operation of a device at a time; trace.h
 *   2 buffer.c		memory of images, a stream's pool of spare buffers
 *   3 save.c, load.c	image <-> records
 *   4 stream.c		the data fd, the life of a session
 *   5 migration.c	the state, the walk over the arcs, resets
 *
 * device.c is VFIO's and PCI's door above them; dirty.c is beside them. arcs.c,
 * format.c and ranges.c are pure.
 *
 * The reported state is true. An arc that fails leaves the state it came from if
 * the device is at that state's level, after one quiesce back at most, and ERROR
 * otherwise. Only a reset, or the next open, leaves ERROR.
 *
 * A reset, or the loss of the firmware, is an event: it takes effect when mig->lock
 * is free, at the latest when its holder releases it. A reset of a device that was
 * at RUN, with no load() under way, costs no command. After any other reset the
 * core sends one quiesce(RUN), which is idempotent.
 *
 * Lock order: mig->lock > stream->io > firmware > pool->lock, mig->event_lock,
 * session->kill_lock.
 */
#include <kunit/visibility.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/nospec.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/vfio.h>

#include "compat.h"
#include "firmware.h"
#include "migration.h"
#include "stream.h"
#include "trace.h"

/* A size that userspace polls may be this old. */
#define SIZE_MAX_AGE	HZ

/* How long VFIO_DEVICE_RESET waits for the quiesce(RUN) that may follow. */
#define RESET_WAIT	HZ

static struct snapshot_mig *mig_of(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_snapshot_device, core.vdev)->mig;
}

/*
 * The state, with the events that wait. A reset tells more than a loss, so it decides
 * when both wait. A loss leaves RUNNING alone, unless an arc was on its way there.
 */
static enum vfio_device_mig_state mig_state_seen(const struct snapshot_mig *mig)
{
	lockdep_assert_held(&mig->event_lock);
	if (mig->events & SNAPSHOT_EVENT_RESET)
		return VFIO_DEVICE_STATE_RUNNING;
	if (mig->events & SNAPSHOT_EVENT_HALTED ||
	    (mig->events & SNAPSHOT_EVENT_LOST && mig->state != VFIO_DEVICE_STATE_RUNNING))
		return VFIO_DEVICE_STATE_ERROR;
	return mig->state;
}

/* Return: the state that mig_get() shows from here on. */
static enum vfio_device_mig_state mig_set_state(struct snapshot_mig *mig,
						enum vfio_device_mig_state state)
{
	lockdep_assert_held(&mig->lock);
	guard(spinlock)(&mig->event_lock);
	mig->state = state;
	return mig_state_seen(mig);
}

/* One step, and one step back if it fails: absolute, so that it proves the level. */
static int mig_quiesce(struct snapshot_walker *walker, enum vfio_snapshot_level want,
		       enum vfio_snapshot_level back)
{
	struct snapshot_mig *mig = container_of(walker, struct snapshot_mig, walker);
	int err;

	lockdep_assert_held(&mig->lock);
	err = snapshot_fw_lock(&mig->fw);
	if (err)
		return err;
	err = snapshot_fw_quiesce(&mig->fw, want, &walker->level);
	if (err && walker->level != back)
		snapshot_fw_quiesce(&mig->fw, back, &walker->level);
	snapshot_fw_unlock(&mig->fw);
	return err;
}

static int mig_act(struct snapshot_walker *walker, enum snapshot_action action)
{
	struct snapshot_mig *mig = container_of(walker, struct snapshot_mig, walker);
	struct snapshot_session *session = &mig->session;
	enum vfio_snapshot_dir dir = action == SNAPSHOT_LOAD_OPEN ? VFIO_SNAPSHOT_LOAD :
								    VFIO_SNAPSHOT_SAVE;
	int err = 0;

	if (snapshot_action_opens(action))
		err = snapshot_session_begin(session, dir, &mig->opened);
	if (err)
		return err;
	switch (action) {
	case SNAPSHOT_KEEP:
	case SNAPSHOT_LOAD_OPEN:
		break;
	case SNAPSHOT_SAVE_OPEN:
		snapshot_save_image(&session->stream->save, VFIO_SNAPSHOT_AHEAD);
		break;
	case SNAPSHOT_SAVE_FINISH:
	case SNAPSHOT_SAVE_WHOLE:
		snapshot_save_image(&session->stream->save, VFIO_SNAPSHOT_FINAL);
		break;
	case SNAPSHOT_LOAD_CLOSE:
		err = snapshot_stream_finish_load(session->stream);
		/* A load() that this waited for may have failed, and the log has it. */
		mig->said = READ_ONCE(session->stream->load.said);
		fallthrough;
	case SNAPSHOT_SAVE_CLOSE:
		snapshot_session_end(session);
		break;
	}
	return err;
}

static int mig_take_arc(struct snapshot_mig *mig, const struct snapshot_arc *arc)
{
	u64 began = trace_vfio_snapshot_arc_end_enabled() ? ktime_get_ns() : 0;
	enum vfio_device_mig_state state, seen;
	char what[48], then[32];
	int err;

	mig->said = false;
	if (arc->action != SNAPSHOT_LOAD_CLOSE)
		WRITE_ONCE(mig->fw.failed, (struct snapshot_failed){});
	trace_vfio_snapshot_arc_begin(&mig->fw, arc);
	state = snapshot_arc_take(arc, &mig->walker, &err);
	seen = mig_set_state(mig, state);
	trace_vfio_snapshot_arc_end(&mig->fw, arc, state, mig->walker.level, err, began);
	/* A loss during the arc must not end in success and ERROR. */
	if (!err)
		return seen == VFIO_DEVICE_STATE_ERROR ? -ENODEV : 0;

	if (!mig->said) {
		scnprintf(what, sizeof(what), "%s -> %s failed", snapshot_state_name(arc->from),
			  snapshot_state_name(arc->to));
		scnprintf(then, sizeof(then), "; state %s", snapshot_state_name(mig->state));
		snapshot_say(&mig->fw, err, what, then);
	}
	if (mig->state == VFIO_DEVICE_STATE_ERROR)
		snapshot_session_end(&mig->session);
	return err;
}

static int mig_walk(struct snapshot_mig *mig, u32 to)
{
	lockdep_assert_held(&mig->lock);

	/* ERROR cannot be asked for, not even by a device that is in it. */
	if (to == VFIO_DEVICE_STATE_ERROR || to >= VFIO_DEVICE_STATE_NR)
		return -EINVAL;
	to = array_index_nospec(to, VFIO_DEVICE_STATE_NR);

	while (mig->state != to) {
		const struct snapshot_arc *arc;
		int err;

		arc = mig->routes[mig->state][to];
		if (!arc)
			return -EINVAL;
		err = mig_take_arc(mig, arc);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Forces the device to RUN; the result is in walker.level. -EINTR: not sent, as the
 * caller is killed.
 */
static int mig_make_run(struct snapshot_mig *mig)
{
	int err = snapshot_fw_lock(&mig->fw);

	if (err)
		return err;
	WRITE_ONCE(mig->fw.failed, (struct snapshot_failed){});
	err = snapshot_fw_quiesce(&mig->fw, VFIO_SNAPSHOT_RUN, &mig->walker.level);
	snapshot_fw_unlock(&mig->fw);
	if (mig->walker.level == VFIO_SNAPSHOT_RUN)
		return 0;
	snapshot_say(&mig->fw, err, "not running after reset", "; state ERROR");
	mig_set_state(mig, VFIO_DEVICE_STATE_ERROR);
	return 0;
}

static int mig_apply_reset(struct snapshot_mig *mig, enum vfio_device_mig_state was,
			   bool unsure)
{
	struct vfio_snapshot_device *sdev = mig->fw.sdev;
	int err = 0;

	sdev->ops->reset_done(sdev);
	mig->fw.sized = 0;
	snapshot_session_end(&mig->session);
	snapshot_session_hurry(&mig->session);
	if (unsure || mig->walker.level != VFIO_SNAPSHOT_RUN)
		err = mig_make_run(mig);
	if (!err)
		trace_vfio_snapshot_reset(&mig->fw, was, mig->state, unsure);
	return err;
}

/* Takes the events and the state that they lead to in one step: mig_get() sees no other. */
static unsigned int mig_take_events(struct snapshot_mig *mig,
				    enum vfio_device_mig_state *was)
{
	unsigned int events = mig->events;

	lockdep_assert_held(&mig->event_lock);
	*was = mig->state;
	mig->state = mig_state_seen(mig);
	mig->applying = events;
	mig->events = 0;
	return events;
}

/*
 * Applies @events, which mig_take_events() took. -EINTR: a reset waits for its
 * quiesce(RUN), and the caller is killed.
 */
static int mig_apply_events(struct snapshot_mig *mig, unsigned int events,
			    enum vfio_device_mig_state was)
{
	int err = 0;

	lockdep_assert_held(&mig->lock);
	if (mig->gone) {
		/* Nobody is left to be told. */
	} else if (events & SNAPSHOT_EVENT_RESET) {
		err = mig_apply_reset(mig, was, events & SNAPSHOT_EVENT_UNSURE);
	} else if (mig->state == VFIO_DEVICE_STATE_ERROR) {
		mig->walker.level = VFIO_SNAPSHOT_UNKNOWN;
		snapshot_session_end(&mig->session);
	}
	scoped_guard(spinlock, &mig->event_lock) {
		mig->applying = false;
		if (err)
			mig->events |= SNAPSHOT_EVENT_RESET | SNAPSHOT_EVENT_UNSURE;
	}
	if (err)
		queue_work(system_long_wq, &mig->event_work);
	wake_up_all(&mig->settled);
	return err;
}

static int mig_catch_up(struct snapshot_mig *mig)
{
	enum vfio_device_mig_state was;
	unsigned int events;

	/* mig_release() takes an event that comes after mutex_lock(). */
	if (!READ_ONCE(mig->events))
		return 0;
	scoped_guard(spinlock, &mig->event_lock)
		events = mig_take_events(mig, &was);
	return mig_apply_events(mig, events, was);
}

/* An event that waits comes before what the caller wants. */
static int mig_lock(struct snapshot_mig *mig)
{
	int err;

	if (mutex_lock_killable(&mig->lock))
		return -EINTR;
	err = mig->gone ? -ENODEV : mig_catch_up(mig);
	if (err)
		mutex_unlock(&mig->lock);
	return err;
}

/* @wait: not for a caller that may not wait for the firmware: the worker goes on then. */
static void mig_release(struct snapshot_mig *mig, bool wait)
{
	enum vfio_device_mig_state was;
	unsigned int left;

	for (;;) {
		spin_lock(&mig->event_lock);
		left = mig->events;
		if (!left || (!wait && left & SNAPSHOT_EVENT_UNSURE))
			break;
		mig_take_events(mig, &was);
		spin_unlock(&mig->event_lock);
		if (mig_apply_events(mig, left, was)) {
			mutex_unlock(&mig->lock);
			return;
		}
	}
	mutex_unlock(&mig->lock);
	spin_unlock(&mig->event_lock);
	if (left)
		queue_work(system_long_wq, &mig->event_work);
}

static void mig_unlock(struct snapshot_mig *mig)
{
	mig_release(mig, true);
}

static void mig_event_work(struct work_struct *work)
{
	struct snapshot_mig *mig = container_of(work, struct snapshot_mig, event_work);

	mutex_lock(&mig->lock);
	mig_unlock(mig);
}

/* Applies an event if that takes no command; leaves it to whoever may wait if not. */
static void mig_event(struct snapshot_mig *mig, unsigned int event)
{
	/* The data fd is to answer ENODEV when a reset returns. */
	if (event & SNAPSHOT_EVENT_RESET)
		snapshot_session_kill(&mig->session);
	spin_lock(&mig->event_lock);
	if (event & SNAPSHOT_EVENT_LOST && mig->state != VFIO_DEVICE_STATE_RUNNING)
		event |= SNAPSHOT_EVENT_HALTED;
	mig->events |= event;
	if (!mutex_trylock(&mig->lock)) {
		if (event & SNAPSHOT_EVENT_RESET)
			mig->events |= SNAPSHOT_EVENT_UNSURE;
		spin_unlock(&mig->event_lock);
		return;
	}
	if (mig->events & SNAPSHOT_EVENT_RESET &&
	    (mig->walker.level != VFIO_SNAPSHOT_RUN ||
	     (!READ_ONCE(mig->session.quiet) && snapshot_fw_is_busy(&mig->fw))))
		mig->events |= SNAPSHOT_EVENT_UNSURE;
	spin_unlock(&mig->event_lock);
	mig_release(mig, false);
}

static struct file *mig_set(struct vfio_device *vdev, enum vfio_device_mig_state new_state)
{
	struct snapshot_mig *mig = mig_of(vdev);
	struct file *file = NULL;
	int err;

	err = mig_lock(mig);
	if (err)
		return ERR_PTR(err);
	err = mig_walk(mig, new_state);
	/* Only the last arc of a walk opens a stream. */
	swap(file, mig->opened);
	mig_unlock(mig);
	if (err && file)
		fput(file);
	return err ? ERR_PTR(err) : file;
}

/* Takes no mutex: a command that never returns must not keep this from answering. */
static int mig_get(struct vfio_device *vdev, enum vfio_device_mig_state *state)
{
	struct snapshot_mig *mig = mig_of(vdev);

	guard(spinlock)(&mig->event_lock);
	*state = mig_state_seen(mig);
	return 0;
}

static int mig_get_data_size(struct vfio_device *vdev, unsigned long *length)
{
	struct snapshot_mig *mig = mig_of(vdev);
	u64 bytes;
	int err;

	err = mig_lock(mig);
	if (err)
		return err;
	if (mig->state == VFIO_DEVICE_STATE_STOP_COPY) {
		*length = snapshot_save_pending(&mig->session.stream->save);
		goto out_unlock;
	}
	err = snapshot_fw_size(&mig->fw, SIZE_MAX_AGE, &bytes);
	if (err && err != -EINTR)
		snapshot_say(&mig->fw, err, "size unknown", "");
	if (err)
		goto out_unlock;
	if (mig->state == VFIO_DEVICE_STATE_PRE_COPY)
		snapshot_save_reserve(&mig->session.stream->save, bytes);
	*length = snapshot_save_length(mig->fw.sdev->ops, bytes);
out_unlock:
	mig_unlock(mig);
	return err;
}

const struct vfio_migration_ops snapshot_migration_ops = {
	.migration_set_state = mig_set,
	.migration_get_state = mig_get,
	.migration_get_data_size = mig_get_data_size,
};
EXPORT_SYMBOL_IF_KUNIT(snapshot_migration_ops);

/* VFIO_MIG_GET_PRECOPY_INFO: a dead fd answers -ENODEV to everything. */
static int mig_precopy_info(struct snapshot_stream *stream, struct vfio_precopy_info *info)
{
	struct snapshot_mig *mig = container_of(stream->session, struct snapshot_mig, session);
	int err;

	err = mig_lock(mig);
	if (err)
		return err;
	if (mig->session.stream != stream)
		err = -ENODEV;
	else if (mig->state != VFIO_DEVICE_STATE_PRE_COPY &&
		 mig->state != VFIO_DEVICE_STATE_PRE_COPY_P2P)
		err = -EINVAL;
	else
		err = snapshot_save_precopy_info(&stream->save,
						 mig->state == VFIO_DEVICE_STATE_PRE_COPY,
						 info);
	mig_unlock(mig);
	return err;
}

/**
 * snapshot_mig_reset_done - the device was reset
 * @mig: of the device
 *
 * vfio-pci-core may hold its memory_lock here, which a page fault on a BAR takes,
 * while a holder of mig->lock may wait for stream->io, whose holder is in such a
 * page fault. So this waits neither for mig->lock nor for the firmware.
 */
void snapshot_mig_reset_done(struct snapshot_mig *mig)
{
	mig_event(mig, SNAPSHOT_EVENT_RESET);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_reset_done);

static bool mig_is_settled(struct snapshot_mig *mig)
{
	guard(spinlock)(&mig->event_lock);
	return !mig->events && !mig->applying;
}

/**
 * snapshot_mig_wait_reset - let a reset take effect
 * @mig: of the device; the caller holds no lock
 *
 * So that the state after VFIO_DEVICE_RESET stays what it is. Does not wait longer
 * than RESET_WAIT: the firmware may hang.
 */
void snapshot_mig_wait_reset(struct snapshot_mig *mig)
{
	wait_event_killable_timeout(mig->settled, mig_is_settled(mig), RESET_WAIT);
}

/**
 * snapshot_mig_lost - the driver of the physical function left the firmware
 * @mig: of the device
 *
 * As a reset, this waits for nothing. Ends the session; the state becomes ERROR,
 * except for RUNNING, which needs no firmware to be true.
 */
void snapshot_mig_lost(struct snapshot_mig *mig)
{
	if (__ratelimit(&mig->fw.ratelimit))
		dev_warn(mig->fw.sdev->core.vdev.dev,
			 "migration: lost contact with the firmware\n");
	mig_event(mig, SNAPSHOT_EVENT_LOST);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_lost);

/**
 * snapshot_mig_prepare_open - wait for what the last owner left
 * @mig: of the device, before vfio_pci_core_enable()
 *
 * Return: 0 when no event waits and no load() of the last owner is under way,
 * -EINTR when the caller is killed.
 */
int snapshot_mig_prepare_open(struct snapshot_mig *mig)
{
	int err;

	err = mig_lock(mig);
	if (err)
		return err;
	err = snapshot_session_wait_quiet(&mig->session);
	mig_unlock(mig);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_prepare_open);

/**
 * snapshot_mig_open - userspace opened the device
 * @mig: of the device, after vfio_pci_core_enable()
 *
 * vfio_pci_core_enable() has reset the device, unless the function has no reset.
 */
void snapshot_mig_open(struct snapshot_mig *mig)
{
	mutex_lock(&mig->lock);
	scoped_guard(spinlock, &mig->event_lock) {
		if (mig->state != VFIO_DEVICE_STATE_RUNNING ||
		    mig->walker.level != VFIO_SNAPSHOT_RUN)
			mig->events |= SNAPSHOT_EVENT_RESET;
	}
	mig_unlock(mig);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_open);

/**
 * snapshot_mig_stop - userspace closes the device: its session is over
 * @mig: of the device, before vfio_pci_core_close_device()
 */
void snapshot_mig_stop(struct snapshot_mig *mig)
{
	snapshot_session_kill(&mig->session);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_stop);

/**
 * snapshot_mig_close - userspace closed the device: leave it running
 * @mig: of the device, after vfio_pci_core_close_device()
 *
 * The device masters the bus no more and was reset if it can be: it must not go on
 * with what a guest that is gone left in it. As a reset, this waits for nothing.
 */
void snapshot_mig_close(struct snapshot_mig *mig)
{
	mig_event(mig, SNAPSHOT_EVENT_RESET);
	snapshot_session_hurry(&mig->session);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_close);

/**
 * snapshot_mig_leave - the back-end leaves the device
 * @mig: of the device, closed for good
 *
 * Waits for the firmware to take back what sessions left there. No operation of the
 * back-end is called after this, whoever still holds a data fd.
 */
void snapshot_mig_leave(struct snapshot_mig *mig)
{
	flush_work(&mig->event_work);
	mutex_lock(&mig->lock);
	mig_catch_up(mig);
	mig->gone = true;
	mig_unlock(mig);
	snapshot_session_flush(&mig->session);
	snapshot_fw_leave(&mig->fw);
	flush_work(&mig->event_work);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_leave);

/**
 * snapshot_mig_alloc - migration side of a new device
 * @sdev: the device
 *
 * It knows of a loss of the firmware from here on.
 *
 * Return: the migration side, or NULL without memory.
 */
struct snapshot_mig *snapshot_mig_alloc(struct vfio_snapshot_device *sdev)
{
	struct snapshot_mig *mig = kzalloc_obj(*mig, GFP_KERNEL);

	if (!mig)
		return NULL;
	/* Whoever holds a data fd needs its name. */
	get_device(sdev->core.vdev.dev);
	snapshot_fw_init(&mig->fw, sdev);
	snapshot_session_init(&mig->session, &mig->fw, mig_precopy_info);
	mig->state = VFIO_DEVICE_STATE_RUNNING;
	mig->walker.level = VFIO_SNAPSHOT_RUN;
	mig->walker.quiesce = mig_quiesce;
	mig->walker.act = mig_act;
	mutex_init(&mig->lock);
	spin_lock_init(&mig->event_lock);
	init_waitqueue_head(&mig->settled);
	INIT_WORK(&mig->event_work, mig_event_work);
	return mig;
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_alloc);

/**
 * snapshot_mig_offer - what the device supports, now that its @ops are set
 * @mig: of the device
 */
void snapshot_mig_offer(struct snapshot_mig *mig)
{
	unsigned int caps = mig->fw.sdev->ops->caps;
	unsigned int from, to;

	mig->features = VFIO_MIGRATION_STOP_COPY;
	if (caps & VFIO_SNAPSHOT_CAP_NDMA)
		mig->features |= VFIO_MIGRATION_P2P;
	if (caps & VFIO_SNAPSHOT_CAP_PRECOPY)
		mig->features |= VFIO_MIGRATION_PRE_COPY;
	mig->walker.whole = caps & VFIO_SNAPSHOT_CAP_NDMA_STOPS;
	for (from = 0; from < VFIO_DEVICE_STATE_NR; from++)
		for (to = 0; to < VFIO_DEVICE_STATE_NR; to++)
			mig->routes[from][to] = snapshot_arc_next(from, to, mig->features);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_offer);

/**
 * snapshot_mig_free - undo snapshot_mig_alloc()
 * @mig: the migration side, may be NULL; the device is closed for good
 */
void snapshot_mig_free(struct snapshot_mig *mig)
{
	if (!mig)
		return;
	put_device(mig->fw.sdev->core.vdev.dev);
	mutex_destroy(&mig->lock);
	kfree(mig);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_free);
