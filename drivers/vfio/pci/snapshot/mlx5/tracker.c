// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking by the firmware's page tracker, an object that notes which pages
 * a virtual function writes to. When it is told to report a range, it sends the
 * addresses of those pages to an inbox, and forgets them. Each message says
 * whether more follow.
 *
 * The core serializes the operations but for mlx5_dirty_wake(), which finds the
 * tracker under @tracking.lock.
 */
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mlx5/device.h>
#include <linux/mlx5/eq.h>
#include <linux/slab.h>
#include <linux/vfio_snapshot_dirty.h>

#include "inbox.h"
#include "mlx5.h"
#include "tracker.h"

#define LOG_MESSAGE	16
/* A report fails after so long without a message. */
#define PATIENCE	(10 * HZ)
/* While none comes, the tracker is asked so often whether it still works. */
#define LOOK_EVERY	(HZ)
/* The fields that MODIFY changes: the range, and the state. */
#define SELECT_REPORT	3
#define STATE_SHIFT	28

/**
 * struct mlx5_snapshot_tracker - a page tracker
 * @inbox: where its reports arrive
 * @events: of the firmware
 * @id: the firmware's number for it
 * @exists: the firmware has created it
 */
struct mlx5_snapshot_tracker {
	struct mlx5_snapshot_inbox inbox;
	struct mlx5_nb events;
	u32 id;
	bool exists;
};

/* ---- the object ---- */

/* Return: where the caller writes the object's context. */
static void *tracker_header(void *in, u16 opcode, u32 id)
{
	void *hdr = MLX5_ADDR_OF(modify_page_track_obj_in, in, general_obj_in_cmd_hdr);

	MLX5_SET(general_obj_in_cmd_hdr, hdr, opcode, opcode);
	MLX5_SET(general_obj_in_cmd_hdr, hdr, obj_type, MLX5_OBJ_TYPE_PAGE_TRACK);
	MLX5_SET(general_obj_in_cmd_hdr, hdr, obj_id, id);
	return MLX5_ADDR_OF(modify_page_track_obj_in, in, obj_context);
}

static u64 tracker_bytes(const struct vfio_snapshot_range *ranges, unsigned int n)
{
	u64 bytes = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		bytes += ranges[i].last - ranges[i].first + 1;
	return bytes;
}

static int tracker_create_object(struct mlx5_snapshot_device *mlx5,
				 struct mlx5_snapshot_tracker *tracker,
			 const struct vfio_snapshot_range *ranges, unsigned int n,
			 unsigned int shift)
{
	struct mlx5_core_dev *mdev = mlx5->mdev;
	u32 out[MLX5_ST_SZ_DW(general_obj_out_cmd_hdr)] = {};
	unsigned int most = MLX5_CAP_ADV_VIRTUALIZATION(mdev, pg_track_log_max_addr_space);
	unsigned int least = MLX5_CAP_ADV_VIRTUALIZATION(mdev, pg_track_log_min_addr_space);
	u64 bytes = tracker_bytes(ranges, n);
	/* log2 of the length of all ranges together, rounded up */
	unsigned int space = max_t(unsigned int, order_base_2(bytes), least);
	size_t each = MLX5_ST_SZ_BYTES(page_track_range);
	size_t size = MLX5_ST_SZ_BYTES(create_page_track_obj_in) + n * each;
	void *in, *object, *range;
	int err;

	if (space > most) {
		dev_warn_ratelimited(&mlx5->sdev.core.pdev->dev,
				     "dirty tracking refused: asked for %#llx bytes in %u ranges at %#llx to %#llx, the device tracks 2^%u\n",
				     bytes, n, ranges[0].first, ranges[n - 1].last, most);
		return -EOPNOTSUPP;
	}
	in = kvzalloc(size, GFP_KERNEL);
	if (!in)
		return -ENOMEM;
	object = tracker_header(in, MLX5_CMD_OP_CREATE_GENERAL_OBJECT, 0);
	MLX5_SET(page_track, object, vhca_id, mlx5->vhca_id);
	MLX5_SET(page_track, object, track_type, 1);
	MLX5_SET(page_track, object, log_page_size, shift);
	MLX5_SET(page_track, object, log_addr_space_size, space);
	MLX5_SET(page_track, object, log_msg_size, tracker->inbox.log_message);
	MLX5_SET(page_track, object, reporting_qpn, tracker->inbox.sender);
	MLX5_SET(page_track, object, num_ranges, n);
	range = MLX5_ADDR_OF(page_track, object, track_range);
	for (; n; n--, ranges++, range += each) {
		MLX5_SET64(page_track_range, range, start_address, ranges->first);
		MLX5_SET64(page_track_range, range, length,
			   ranges->last - ranges->first + 1);
	}
	err = mlx5_snapshot_exec(mlx5, in, size, out, sizeof(out));
	kvfree(in);
	tracker->exists = !err;
	tracker->id = MLX5_GET(general_obj_out_cmd_hdr, out, obj_id);
	return err;
}

static int tracker_destroy_object(struct mlx5_snapshot_device *mlx5,
				  struct mlx5_snapshot_tracker *tracker)
{
	u32 out[MLX5_ST_SZ_DW(general_obj_out_cmd_hdr)] = {};
	u32 in[MLX5_ST_SZ_DW(general_obj_in_cmd_hdr)] = {};

	if (!tracker->exists)
		return 0;
	tracker_header(in, MLX5_CMD_OP_DESTROY_GENERAL_OBJECT, tracker->id);
	return mlx5_snapshot_exec(mlx5, in, sizeof(in), out, sizeof(out));
}

static int tracker_modify_object(struct mlx5_snapshot_device *mlx5,
				 struct mlx5_snapshot_tracker *tracker, u64 first, u64 last)
{
	u32 out[MLX5_ST_SZ_DW(general_obj_out_cmd_hdr)] = {};
	u32 in[MLX5_ST_SZ_DW(modify_page_track_obj_in)] = {};
	void *object;

	object = tracker_header(in, MLX5_CMD_OP_MODIFY_GENERAL_OBJECT, tracker->id);
	MLX5_SET64(page_track, object, modify_field_select, SELECT_REPORT);
	MLX5_SET64(page_track, object, range_start_address, first);
	MLX5_SET64(page_track, object, length, last - first + 1);
	MLX5_SET(page_track, object, state, MLX5_PAGE_TRACK_STATE_REPORTING);
	return mlx5_snapshot_exec(mlx5, in, sizeof(in), out, sizeof(out));
}

/* Return: 0 while the tracker works. */
static int tracker_query_object(struct mlx5_snapshot_device *mlx5,
				struct mlx5_snapshot_tracker *tracker)
{
	u32 out[MLX5_ST_SZ_DW(query_page_track_obj_out)] = {};
	u32 in[MLX5_ST_SZ_DW(general_obj_in_cmd_hdr)] = {};
	int err;

	tracker_header(in, MLX5_CMD_OP_QUERY_GENERAL_OBJECT, tracker->id);
	err = mlx5_snapshot_exec(mlx5, in, sizeof(in), out, sizeof(out));
	if (!err && MLX5_GET(query_page_track_obj_out, out, obj_context.state) ==
	    MLX5_PAGE_TRACK_STATE_ERROR)
		err = -EIO;
	return err;
}

/* ---- events ---- */

static bool tracker_is_queue(const struct mlx5_snapshot_inbox *inbox, const struct mlx5_eqe *eqe)
{
	u32 number = be32_to_cpu(eqe->data.qp_srq.qp_srq_n) & 0xffffff;

	return eqe->data.qp_srq.type == MLX5_EVENT_QUEUE_TYPE_QP &&
	       (number == inbox->qpn || number == inbox->sender);
}

static int tracker_on_event(struct notifier_block *block, unsigned long event, void *data)
{
	struct mlx5_snapshot_tracker *tracker =
		mlx5_nb_cof(block, struct mlx5_snapshot_tracker, events);
	const struct mlx5_eqe *eqe = data;

	switch (event) {
	case MLX5_EVENT_TYPE_WQ_CATAS_ERROR:
	case MLX5_EVENT_TYPE_WQ_ACCESS_ERROR:
	case MLX5_EVENT_TYPE_WQ_INVAL_REQ_ERROR:
		if (tracker_is_queue(&tracker->inbox, eqe))
			mlx5_snapshot_inbox_break(&tracker->inbox);
		break;
	case MLX5_EVENT_TYPE_OBJECT_CHANGE:
		/* The reader then queries the object. */
		if (be32_to_cpu(eqe->data.obj_change.obj_id) == tracker->id)
			complete(&tracker->inbox.news);
		break;
	}
	return NOTIFY_OK;
}

/* ---- operations ---- */

static void mlx5_dirty_limits(struct vfio_snapshot_device *sdev,
			      struct vfio_snapshot_dirty_limits *limits)
{
	struct mlx5_core_dev *mdev = to_mlx5(sdev)->mdev;

	limits->max_ranges = MLX5_CAP_ADV_VIRTUALIZATION(mdev, pg_track_max_num_range);
	limits->min_shift = MLX5_CAP_ADV_VIRTUALIZATION(mdev, pg_track_log_min_page_size);
	limits->max_shift = MLX5_CAP_ADV_VIRTUALIZATION(mdev, pg_track_log_max_page_size);
}

static void tracker_publish(struct mlx5_snapshot_device *mlx5,
			    struct mlx5_snapshot_tracker *tracker)
{
	spin_lock(&mlx5->tracking.lock);
	mlx5->tracking.tracker = tracker;
	spin_unlock(&mlx5->tracking.lock);
}

/* Without its object nothing is sent to the inbox, so its memory can be freed. */
static void tracker_dispose(struct mlx5_snapshot_device *mlx5,
			    struct mlx5_snapshot_tracker *tracker)
{
	if (tracker_destroy_object(mlx5, tracker))
		tracker->inbox.lost = true;
	if (mlx5_snapshot_inbox_close(&tracker->inbox))
		kfree(tracker);
	else
		dev_warn_ratelimited(&mlx5->sdev.core.pdev->dev,
				     "page tracker not destroyed by the firmware, its memory is lost\n");
}

static int mlx5_dirty_start(struct vfio_snapshot_device *sdev,
			    const struct vfio_snapshot_range *ranges, unsigned int n,
			    unsigned int shift)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	struct mlx5_core_dev *mdev = mlx5->mdev;
	struct mlx5_snapshot_tracker *tracker;
	unsigned int log_message;
	int err;

	log_message = clamp(LOG_MESSAGE,
			    MLX5_CAP_ADV_VIRTUALIZATION(mdev, pg_track_log_min_msg_size),
			    MLX5_CAP_ADV_VIRTUALIZATION(mdev, pg_track_log_max_msg_size));
	tracker = kzalloc_obj(*tracker, GFP_KERNEL);
	if (!tracker)
		return -ENOMEM;
	err = -ENODEV;
	if (mlx5_snapshot_begin(mlx5)) {
		err = mlx5_snapshot_inbox_open(&tracker->inbox, mdev, log_message);
		mlx5_snapshot_end(mlx5);
	}
	if (!err)
		err = tracker_create_object(mlx5, tracker, ranges, n, shift);
	if (err) {
		tracker_dispose(mlx5, tracker);
		return err == -EREMOTEIO ? -EIO : err;
	}
	MLX5_NB_INIT(&tracker->events, tracker_on_event, NOTIFY_ANY);
	mlx5_eq_notifier_register(mdev, &tracker->events);
	tracker_publish(mlx5, tracker);
	return 0;
}

static void mlx5_dirty_stop(struct vfio_snapshot_device *sdev)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	struct mlx5_snapshot_tracker *tracker = mlx5->tracking.tracker;

	tracker_publish(mlx5, NULL);
	mlx5_eq_notifier_unregister(mlx5->mdev, &tracker->events);
	tracker_dispose(mlx5, tracker);
}

static void tracker_hand_over(const struct mlx5_snapshot_inbox *inbox,
			      const struct mlx5_snapshot_message *msg,
		      struct vfio_snapshot_dirty_sink *sink)
{
	u32 i, n = msg->bytes / MLX5_ST_SZ_BYTES(page_track_report_entry);

	for (i = 0; i < n; i++)
		vfio_snapshot_dirty_page(sink, mlx5_snapshot_inbox_word(inbox, msg, i));
}

static int mlx5_dirty_read(struct vfio_snapshot_device *sdev, u64 first, u64 last,
			   struct vfio_snapshot_dirty_sink *sink)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	struct mlx5_snapshot_tracker *tracker = mlx5->tracking.tracker;
	unsigned long deadline = jiffies + PATIENCE;
	struct mlx5_snapshot_message msg;
	unsigned int state;
	int err;

	err = tracker_modify_object(mlx5, tracker, first, last);
	if (err)
		return err;
	do {
		state = MLX5_PAGE_TRACK_STATE_REPORTING;
		err = mlx5_snapshot_inbox_next(&tracker->inbox, LOOK_EVERY, &msg);
		if (err == -EAGAIN) {
			err = tracker_query_object(mlx5, tracker);
			if (!err && time_after(jiffies, deadline))
				err = -ETIMEDOUT;
		} else if (!err) {
			state = msg.immediate >> STATE_SHIFT;
			tracker_hand_over(&tracker->inbox, &msg, sink);
			mlx5_snapshot_inbox_reuse(&tracker->inbox, &msg);
			deadline = jiffies + PATIENCE;
		}
	} while (!err && state == MLX5_PAGE_TRACK_STATE_REPORTING);
	if (!err && state != MLX5_PAGE_TRACK_STATE_TRACKING)
		err = -EIO;
	return err;
}

static void mlx5_dirty_wake(struct vfio_snapshot_device *sdev)
{
	struct mlx5_snapshot_tracking *tracking = &to_mlx5(sdev)->tracking;

	spin_lock(&tracking->lock);
	if (tracking->tracker)
		mlx5_snapshot_inbox_break(&tracking->tracker->inbox);
	spin_unlock(&tracking->lock);
}

static const struct vfio_snapshot_dirty_ops mlx5_dirty_ops = {
	.limits = mlx5_dirty_limits,
	.start = mlx5_dirty_start,
	.stop = mlx5_dirty_stop,
	.read = mlx5_dirty_read,
	.wake = mlx5_dirty_wake,
};

/**
 * mlx5_snapshot_offer_tracking - dirty tracking, if the firmware has it
 * @mlx5: the device, not registered yet
 */
void mlx5_snapshot_offer_tracking(struct mlx5_snapshot_device *mlx5)
{
	spin_lock_init(&mlx5->tracking.lock);
	if (MLX5_CAP_GEN(mlx5->mdev, adv_virtualization) &&
	    MLX5_CAP_ADV_VIRTUALIZATION(mlx5->mdev, pg_track_max_num_range))
		mlx5->sdev.dirty = &mlx5_dirty_ops;
}
