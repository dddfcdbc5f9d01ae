// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks the arcs of a device: the actions of the arc table, and the failure
 * policy.
 */
#include <kunit/visibility.h>
#include <linux/bitops.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "firmware.h"
#include "format.h"
#include "messages.h"
#include "migration.h"
#include "stream.h"
#include "trace.h"

/* A size that userspace polls may be this old. */
#define ESTIMATE_MAX_AGE	HZ

/*
 * What a session holds is given back so long after its end: the guest may run
 * again by then, here or elsewhere, so its blackout is no longer for that.
 */
#define TIDY_DELAY	(HZ / 10)

static struct snapshot_mig *to_mig(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_snapshot_device, core.vdev)->mig;
}

static int quiesce_locked(struct snapshot_mig *mig, enum vfio_snapshot_level want)
{
	enum vfio_snapshot_level now;
	int err;

	lockdep_assert_held(&mig->lock);
	err = snapshot_fw_quiesce(mig, want, &now);
	mig->walker.level = now;
	WRITE_ONCE(mig->quiesced, mig->quiesced + 1);
	return err;
}

static int quiesce(struct snapshot_walker *walker, enum vfio_snapshot_level want)
{
	struct snapshot_mig *mig = container_of(walker, struct snapshot_mig, walker);
	int err;

	err = snapshot_fw_lock_killable(mig);
	if (err)
		return err;
	err = quiesce_locked(mig, want);
	snapshot_fw_unlock(mig);
	return err;
}

/* For a device that nobody may take for stopped, or who knows what, any more. */
static void make_run(struct snapshot_mig *mig)
{
	snapshot_fw_lock(mig);
	mig->failed.err = 0;
	quiesce_locked(mig, VFIO_SNAPSHOT_RUN);
	snapshot_fw_unlock(mig);
}

static void set_state(struct snapshot_mig *mig, enum vfio_device_mig_state state)
{
	lockdep_assert_held(&mig->lock);
	WRITE_ONCE(mig->state, state);
}

/*
 * Not under @mig->lock: a command that never returns would take all changes of
 * state with it, and the close of the device.
 */
static void tidy_work(struct work_struct *work)
{
	struct snapshot_mig *mig = container_of(work, struct snapshot_mig, tidy.work);
	struct snapshot_stream *stream = READ_ONCE(mig->ended);

	if (!stream)
		return;
	snapshot_stream_close(stream);
	/* Who finds this NULL begins a session, after the end of that one. */
	smp_store_release(&mig->ended, NULL);
	wake_up_all(&mig->tidied);
}

/* @delay: jiffies */
static void queue_tidy(struct snapshot_mig *mig, unsigned long delay)
{
	if (!READ_ONCE(mig->ended))
		return;
	/* Sooner than it was to be, but never later. */
	if (delay)
		queue_delayed_work(system_long_wq, &mig->tidy, delay);
	else
		mod_delayed_work(system_long_wq, &mig->tidy, 0);
}

static bool is_tidy(struct snapshot_mig *mig)
{
	/* Pairs with the release in tidy_work(). */
	return !smp_load_acquire(&mig->ended);
}

static void end_stream(struct snapshot_mig *mig)
{
	lockdep_assert_held(&mig->lock);
	if (!mig->stream)
		return;
	snapshot_stream_kill(mig->stream);
	WRITE_ONCE(mig->ended, mig->stream);
	mig->stream = NULL;
	queue_tidy(mig, TIDY_DELAY);
}

static int open_stream(struct snapshot_mig *mig, enum vfio_snapshot_dir dir)
{
	struct snapshot_stream *stream;

	queue_tidy(mig, 0);
	if (wait_event_killable(mig->tidied, is_tidy(mig)))
		return -EINTR;
	stream = snapshot_stream_open(mig, dir, &mig->opened);
	if (IS_ERR(stream))
		return PTR_ERR(stream);
	mig->stream = stream;
	return 0;
}

static int open_saving(struct snapshot_mig *mig, enum vfio_snapshot_phase phase)
{
	int err = open_stream(mig, VFIO_SNAPSHOT_SAVE);

	if (err)
		return err;
	err = snapshot_save_image(mig->stream, phase);
	if (err) {
		end_stream(mig);
		queue_tidy(mig, 0);
		fput(mig->opened);
		mig->opened = NULL;
	}
	return err;
}

static int act_save_open(struct snapshot_mig *mig)
{
	return open_saving(mig, VFIO_SNAPSHOT_AHEAD);
}

static int act_save_whole(struct snapshot_mig *mig)
{
	return open_saving(mig, VFIO_SNAPSHOT_FINAL);
}

static int act_save_finish(struct snapshot_mig *mig)
{
	return snapshot_save_image(mig->stream, VFIO_SNAPSHOT_FINAL);
}

static int act_save_close(struct snapshot_mig *mig)
{
	end_stream(mig);
	return 0;
}

static int act_load_open(struct snapshot_mig *mig)
{
	return open_stream(mig, VFIO_SNAPSHOT_LOAD);
}

static int act_load_close(struct snapshot_mig *mig)
{
	int err = snapshot_load_finish(mig->stream);

	end_stream(mig);
	return err;
}

static int (*const actions[SNAPSHOT_NR_ACTIONS])(struct snapshot_mig *mig) = {
	[SNAPSHOT_SAVE_OPEN] = act_save_open,
	[SNAPSHOT_SAVE_FINISH] = act_save_finish,
	[SNAPSHOT_SAVE_WHOLE] = act_save_whole,
	[SNAPSHOT_SAVE_CLOSE] = act_save_close,
	[SNAPSHOT_LOAD_OPEN] = act_load_open,
	[SNAPSHOT_LOAD_CLOSE] = act_load_close,
};

static int act(struct snapshot_walker *walker, enum snapshot_action action)
{
	return actions[action](container_of(walker, struct snapshot_mig, walker));
}

static int take_arc(struct snapshot_mig *mig, const struct snapshot_arc *arc)
{
	u64 began = trace_vfio_snapshot_arc_end_enabled() ? ktime_get_ns() : 0;
	int err;

	mig->failed.err = 0;
	if (arc->action != SNAPSHOT_LOAD_CLOSE)
		mig->told = false;
	trace_vfio_snapshot_arc_begin(snapshot_mig_name(mig), arc->from, arc->to,
				      arc->level);
	set_state(mig, snapshot_arc_take(arc, &mig->walker, &err));
	if (trace_vfio_snapshot_arc_end_enabled())
		trace_vfio_snapshot_arc_end(snapshot_mig_name(mig), arc->from, arc->to,
					    mig->state, mig->walker.level, err,
					    began ? ktime_get_ns() - began : 0);
	if (!err)
		return 0;

	snapshot_say_arc_failed(mig, arc, err);
	if (mig->state == VFIO_DEVICE_STATE_ERROR)
		end_stream(mig);
	return err;
}

static int walk(struct snapshot_mig *mig, u32 to)
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
		err = take_arc(mig, arc);
		if (err)
			return err;
	}
	return 0;
}

/*
 * @raced: a command may have reached the device between its reset and the news
 * of it, or after both, and may have quiesced it.
 */
static void apply_reset(struct snapshot_mig *mig, bool raced)
{
	struct vfio_snapshot_device *sdev = mig->sdev;
	enum vfio_device_mig_state was = mig->state;

	lockdep_assert_held(&mig->lock);

	/* What was told while this was due is told on: a command may come next. */
	set_state(mig, VFIO_DEVICE_STATE_RUNNING);
	/* Pairs with snapshot_get_state(). */
	clear_bit_unlock(SNAPSHOT_RESET_PENDING, &mig->flags);
	sdev->ops->reset_done(sdev);
	mig->estimated = 0;
	end_stream(mig);
	if (test_bit(SNAPSHOT_DETACHED, &mig->flags)) {
		mig->walker.level = VFIO_SNAPSHOT_UNKNOWN;
	} else {
		mig->walker.level = VFIO_SNAPSHOT_RUN;
		if (raced)
			make_run(mig);
	}
	set_state(mig, mig->walker.level == VFIO_SNAPSHOT_RUN ? VFIO_DEVICE_STATE_RUNNING :
							 VFIO_DEVICE_STATE_ERROR);
	if (mig->state == VFIO_DEVICE_STATE_ERROR && !test_bit(SNAPSHOT_DETACHED, &mig->flags))
		snapshot_say_not_running(mig);
	trace_vfio_snapshot_reset(snapshot_mig_name(mig), was, mig->state, raced);
	queue_tidy(mig, 0);
}

/* A reset that nobody has applied yet comes before what the caller wants. */
static int lock_killable(struct snapshot_mig *mig)
{
	if (mutex_lock_killable(&mig->lock))
		return -EINTR;
	if (test_bit(SNAPSHOT_RESET_PENDING, &mig->flags))
		apply_reset(mig, true);
	return 0;
}

static struct file *snapshot_set_state(struct vfio_device *vdev,
				       enum vfio_device_mig_state new_state)
{
	struct snapshot_mig *mig = to_mig(vdev);
	struct file *file = NULL;
	int err;

	err = lock_killable(mig);
	if (err)
		return ERR_PTR(err);
	err = walk(mig, new_state);
	/* Only the last arc of a walk opens a stream. */
	swap(file, mig->opened);
	snapshot_mig_unlock(mig);
	return err ? ERR_PTR(err) : file;
}

static int snapshot_get_state(struct vfio_device *vdev,
			      enum vfio_device_mig_state *state)
{
	struct snapshot_mig *mig = to_mig(vdev);

	/* Not even a command that never returns may keep this from answering. */
	if (test_bit(SNAPSHOT_DETACHED, &mig->flags))
		*state = VFIO_DEVICE_STATE_ERROR;
	else if (test_bit_acquire(SNAPSHOT_RESET_PENDING, &mig->flags))
		*state = VFIO_DEVICE_STATE_RUNNING;
	else
		*state = (enum vfio_device_mig_state)READ_ONCE(mig->state);
	return 0;
}

static int snapshot_get_data_size(struct vfio_device *vdev, unsigned long *length)
{
	struct snapshot_mig *mig = to_mig(vdev);
	u64 bytes;
	int err;

	err = lock_killable(mig);
	if (err)
		return err;
	if (mig->state == VFIO_DEVICE_STATE_STOP_COPY) {
		*length = snapshot_save_pending(mig->stream);
	} else {
		err = snapshot_mig_estimate(mig, ESTIMATE_MAX_AGE, &bytes);
		if (!err && mig->state == VFIO_DEVICE_STATE_PRE_COPY)
			snapshot_save_reserve(mig->stream, bytes);
		if (!err)
			*length = snapshot_save_length(mig, bytes);
	}
	snapshot_mig_unlock(mig);
	return err;
}

const struct vfio_migration_ops snapshot_migration_ops = {
	.migration_set_state = snapshot_set_state,
	.migration_get_state = snapshot_get_state,
	.migration_get_data_size = snapshot_get_data_size,
};
EXPORT_SYMBOL_IF_KUNIT(snapshot_migration_ops);

static int estimate(struct snapshot_mig *mig, enum vfio_snapshot_extent extent,
		    struct vfio_snapshot_estimate *est)
{
	int err;

	err = snapshot_fw_lock_killable(mig);
	if (err)
		return err;
	err = snapshot_fw_estimate(mig, extent, est);
	snapshot_fw_unlock(mig);
	if (!err && est->bytes > mig->sdev->ops->max_image)
		return -EFBIG;
	return err;
}

/**
 * snapshot_mig_estimate - size of an image
 * @mig: of the device, with @mig->lock held
 * @max_age: jiffies, an earlier answer of the firmware may be that old
 * @bytes: set to the largest size that an image can have
 *
 * Return: 0, an errno of the back-end, -EIO or -EFBIG for an answer that
 * cannot be.
 */
int snapshot_mig_estimate(struct snapshot_mig *mig, unsigned long max_age, u64 *bytes)
{
	struct vfio_snapshot_estimate est;
	int err;

	lockdep_assert_held(&mig->lock);

	if (!mig->estimated || time_after_eq(jiffies, mig->estimated + max_age)) {
		err = estimate(mig, VFIO_SNAPSHOT_WHOLE, &est);
		if (err)
			return err;
		if (!est.bytes)
			return -EIO;
		mig->estimate = est.bytes;
		mig->estimated = jiffies ?: 1;
	}
	*bytes = mig->estimate;
	return 0;
}

/**
 * snapshot_mig_changed - how much changed since the last image
 * @mig: of a device with VFIO_SNAPSHOT_CAP_INCREMENT that runs and saves, with
 *       @mig->lock held
 * @est: set, unless an errno is returned
 *
 * Return: 0, an errno of the back-end, -EFBIG for an answer that cannot be.
 */
int snapshot_mig_changed(struct snapshot_mig *mig, struct vfio_snapshot_estimate *est)
{
	lockdep_assert_held(&mig->lock);
	return estimate(mig, VFIO_SNAPSHOT_CHANGED, est);
}

/**
 * snapshot_mig_precopy_info - VFIO_MIG_GET_PRECOPY_INFO on a data fd
 * @mig: of the device
 * @stream: of the data fd
 * @info: to be filled
 *
 * Return: 0, -ENODEV when the session of @stream is over, -EINVAL when the
 * device is not in PRE_COPY or PRE_COPY_P2P, or what the back-end's estimate
 * failed with.
 */
int snapshot_mig_precopy_info(struct snapshot_mig *mig,
			      struct snapshot_stream *stream,
			      struct vfio_precopy_info *info)
{
	int err;

	err = lock_killable(mig);
	if (err)
		return err;
	if (mig->stream != stream)
		err = -ENODEV;
	else if (mig->state != VFIO_DEVICE_STATE_PRE_COPY &&
		 mig->state != VFIO_DEVICE_STATE_PRE_COPY_P2P)
		err = -EINVAL;
	else
		err = snapshot_save_precopy_info(stream, mig->state == VFIO_DEVICE_STATE_PRE_COPY,
						 info);
	snapshot_mig_unlock(mig);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_precopy_info);

/**
 * snapshot_mig_unlock - release @mig->lock
 * @mig: of the device, with @mig->lock held
 *
 * A reset that came in the meantime takes effect here, and so does a detach.
 */
void snapshot_mig_unlock(struct snapshot_mig *mig)
{
	do {
		if (test_bit(SNAPSHOT_RESET_PENDING, &mig->flags))
			apply_reset(mig, true);
		mutex_unlock(&mig->lock);
		/* Pairs with the barrier in request_reset(). */
		smp_mb();
	} while (test_bit(SNAPSHOT_RESET_PENDING, &mig->flags) &&
		 mutex_trylock(&mig->lock));
}

static void reset_work(struct work_struct *work)
{
	struct snapshot_mig *mig = container_of(work, struct snapshot_mig, reset_work);

	mutex_lock(&mig->lock);
	snapshot_mig_unlock(mig);
}

/*
 * Whoever holds @lock sees the bit when releasing it, or this sees it free.
 * @quiesced: of @mig when the reset began
 */
static void request_reset(struct snapshot_mig *mig, unsigned int quiesced)
{
	bool raced;

	set_bit(SNAPSHOT_RESET_PENDING, &mig->flags);
	/* Pairs with the barrier in snapshot_mig_unlock(). */
	smp_mb__after_atomic();
	if (!mutex_trylock(&mig->lock))
		return;
	raced = mig->quiesced != quiesced;
	if (raced) {
		/* That takes a command, and not even a firmware is waited for here. */
		mutex_unlock(&mig->lock);
		queue_work(system_long_wq, &mig->reset_work);
		return;
	}
	/* Somebody else may have been faster. */
	if (test_bit(SNAPSHOT_RESET_PENDING, &mig->flags))
		apply_reset(mig, false);
	snapshot_mig_unlock(mig);
}

/**
 * snapshot_mig_reset_prepare - the device is about to be reset
 * @mig: of the device
 *
 * From here to snapshot_mig_reset_done() a reset takes 100 ms and more, and a
 * command may reach the device before or after it is over.
 */
void snapshot_mig_reset_prepare(struct snapshot_mig *mig)
{
	mig->quiesced_before = READ_ONCE(mig->quiesced);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_reset_prepare);

/**
 * snapshot_mig_reset_done - the device was reset
 * @mig: of the device
 *
 * vfio-pci-core may hold its memory_lock here, which a page fault on a BAR
 * takes, while a holder of @mig->lock may wait for the lock of a stream whose
 * owner is in such a page fault. So this never waits for @mig->lock.
 */
void snapshot_mig_reset_done(struct snapshot_mig *mig)
{
	request_reset(mig, mig->quiesced_before);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_reset_done);

/**
 * snapshot_mig_detached - the firmware cannot be reached any more
 * @mig: of the device
 *
 * As a reset, this waits for nothing.
 */
void snapshot_mig_detached(struct snapshot_mig *mig)
{
	if (!test_and_set_bit(SNAPSHOT_DETACHED, &mig->flags))
		snapshot_say_detached(mig);
	request_reset(mig, READ_ONCE(mig->quiesced));
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_detached);

/**
 * snapshot_mig_attached - the firmware is back, and has started the device anew
 * @mig: of the device
 */
void snapshot_mig_attached(struct snapshot_mig *mig)
{
	clear_bit(SNAPSHOT_DETACHED, &mig->flags);
	request_reset(mig, READ_ONCE(mig->quiesced));
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_attached);

/**
 * snapshot_mig_open - userspace opened the device
 * @mig: of the device, after vfio_pci_core_enable()
 *
 * The reset of vfio_pci_core_enable() has done what is to be done, unless the
 * function cannot be reset.
 */
void snapshot_mig_open(struct snapshot_mig *mig)
{
	mutex_lock(&mig->lock);
	if (mig->walker.level != VFIO_SNAPSHOT_RUN)
		make_run(mig);
	set_state(mig, mig->walker.level == VFIO_SNAPSHOT_RUN ? VFIO_DEVICE_STATE_RUNNING :
							 VFIO_DEVICE_STATE_ERROR);
	if (mig->state == VFIO_DEVICE_STATE_ERROR)
		snapshot_say_not_running(mig);
	snapshot_mig_unlock(mig);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_open);

/**
 * snapshot_mig_stop - userspace closes the device: end its session
 * @mig: of the device, before vfio_pci_core_close_device()
 */
void snapshot_mig_stop(struct snapshot_mig *mig)
{
	mutex_lock(&mig->lock);
	end_stream(mig);
	snapshot_mig_unlock(mig);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_stop);

/**
 * snapshot_mig_close - userspace closed the device: leave it running
 * @mig: of the device, after vfio_pci_core_close_device()
 *
 * Only now, when the device can master the bus no more and was reset if it can
 * be: what it was told by a guest that is gone must not go on.
 */
void snapshot_mig_close(struct snapshot_mig *mig)
{
	mutex_lock(&mig->lock);
	if (!mig->sdev->core.needs_reset)
		apply_reset(mig, test_bit(SNAPSHOT_RESET_PENDING, &mig->flags));
	else if (mig->walker.level != VFIO_SNAPSHOT_RUN)
		make_run(mig);
	queue_tidy(mig, 0);
	snapshot_mig_unlock(mig);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_close);

/**
 * snapshot_mig_end - the back-end is about to leave the device
 * @mig: of the device, closed for good
 *
 * Waits for the firmware to take back what sessions have left there.
 */
void snapshot_mig_end(struct snapshot_mig *mig)
{
	flush_work(&mig->reset_work);
	flush_delayed_work(&mig->tidy);
	flush_work(&mig->transfer_work);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_end);

/* So that a walk in the blackout does not have to look for its way. */
static void find_routes(struct snapshot_mig *mig)
{
	unsigned int from, to;

	for (from = 0; from < VFIO_DEVICE_STATE_NR; from++)
		for (to = 0; to < VFIO_DEVICE_STATE_NR; to++)
			mig->routes[from][to] = snapshot_arc_next(from, to,
								  mig->features);
}

/**
 * snapshot_mig_alloc - migration side of a device whose @ops are set
 * @sdev: the device
 *
 * Return: the migration side, or NULL without memory.
 */
struct snapshot_mig *snapshot_mig_alloc(struct vfio_snapshot_device *sdev)
{
	struct snapshot_mig *mig = kzalloc_obj(*mig);

	if (!mig)
		return NULL;
	mig->sdev = sdev;
	/* Its name is wanted for as long as somebody holds a data fd. */
	get_device(sdev->core.vdev.dev);
	mig->features = VFIO_MIGRATION_STOP_COPY;
	if (sdev->ops->caps & VFIO_SNAPSHOT_CAP_NDMA)
		mig->features |= VFIO_MIGRATION_P2P;
	if (sdev->ops->caps & VFIO_SNAPSHOT_CAP_PRECOPY)
		mig->features |= VFIO_MIGRATION_PRE_COPY;
	find_routes(mig);
	mig->state = VFIO_DEVICE_STATE_RUNNING;
	mig->walker.level = VFIO_SNAPSHOT_RUN;
	mig->walker.whole = sdev->ops->caps & VFIO_SNAPSHOT_CAP_NDMA_STOPS;
	mig->walker.quiesce = quiesce;
	mig->walker.act = act;
	mutex_init(&mig->lock);
	mutex_init(&mig->fw_lock);
	INIT_LIST_HEAD(&mig->mapped);
	ratelimit_state_init(&mig->failures, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	init_waitqueue_head(&mig->tidied);
	INIT_DELAYED_WORK(&mig->tidy, tidy_work);
	init_waitqueue_head(&mig->idle);
	INIT_WORK(&mig->transfer_work, snapshot_fw_transfer_work);
	INIT_WORK(&mig->reset_work, reset_work);
	return mig;
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_alloc);

/**
 * snapshot_mig_free - undo snapshot_mig_alloc()
 * @mig: the migration side, may be NULL; the device is closed for good
 */
void snapshot_mig_free(struct snapshot_mig *mig)
{
	if (!mig)
		return;
	put_device(mig->sdev->core.vdev.dev);
	mutex_destroy(&mig->fw_lock);
	mutex_destroy(&mig->lock);
	kfree(mig);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_mig_free);
