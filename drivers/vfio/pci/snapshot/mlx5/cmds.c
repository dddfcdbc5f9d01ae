// SPDX-License-Identifier: GPL-2.0-only
/*
 * The back-end contract in terms of the firmware's migration commands. Each
 * mlx5_cmd_*() sends the one command that it is named after.
 *
 * The core calls the operations of a device one at a time, so what they remember
 * needs no lock. Only mlx5_reset_done() may run beside them, and sets one bit.
 */
#include <linux/limits.h>
#include <linux/mlx5/device.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "mlx5.h"

/* The memory that a chunked save is offered at a time. */
#define WINDOW		SZ_8M

/* A chunked image may be this long. */
#define MAX_CHUNKED	(64ULL * SZ_1G)

/* ---- levels: SUSPEND and RESUME ---- */

/* SUSPEND_VHCA and RESUME_VHCA have one layout. */
static int mlx5_cmd_vhca(struct mlx5_snapshot_device *mlx5, u16 opcode, u16 op_mod)
{
	u32 out[MLX5_ST_SZ_DW(suspend_vhca_out)] = {};
	u32 in[MLX5_ST_SZ_DW(suspend_vhca_in)] = {};

	MLX5_SET(suspend_vhca_in, in, opcode, opcode);
	MLX5_SET(suspend_vhca_in, in, op_mod, op_mod);
	MLX5_SET(suspend_vhca_in, in, vhca_id, mlx5->vhca_id);
	return mlx5_snapshot_note(mlx5, mlx5_snapshot_send(mlx5, in, sizeof(in), out, sizeof(out)),
				  out);
}

static int mlx5_cmd_suspend_vhca(struct mlx5_snapshot_device *mlx5, enum vfio_snapshot_level from)
{
	return mlx5_cmd_vhca(mlx5, MLX5_CMD_OP_SUSPEND_VHCA, from == VFIO_SNAPSHOT_RUN ?
			     MLX5_SUSPEND_VHCA_IN_OP_MOD_SUSPEND_INITIATOR :
			     MLX5_SUSPEND_VHCA_IN_OP_MOD_SUSPEND_RESPONDER);
}

static int mlx5_cmd_resume_vhca(struct mlx5_snapshot_device *mlx5, enum vfio_snapshot_level from)
{
	int err = mlx5_cmd_vhca(mlx5, MLX5_CMD_OP_RESUME_VHCA, from == VFIO_SNAPSHOT_STOP ?
				MLX5_RESUME_VHCA_IN_OP_MOD_RESUME_RESPONDER :
				MLX5_RESUME_VHCA_IN_OP_MOD_RESUME_INITIATOR);

	/* The firmware forgets its images when the responder resumes. */
	if (!err && from == VFIO_SNAPSHOT_STOP) {
		mlx5->images = 0;
		mlx5->tracked = false;
	}
	return err;
}

/* @step: 1 halts, -1 resumes */
static int mlx5_level_step(struct mlx5_snapshot_device *mlx5, enum vfio_snapshot_level from,
			   int step)
{
	return step > 0 ? mlx5_cmd_suspend_vhca(mlx5, from) : mlx5_cmd_resume_vhca(mlx5, from);
}

/*
 * Brings a device to RUN that may be at any level: the firmware refuses a step
 * that does not fit. A device that refuses both resumes either runs or cannot
 * resume, and only a halt tells the two apart.
 */
static int mlx5_level_find_run(struct mlx5_snapshot_device *mlx5)
{
	int err = mlx5_cmd_resume_vhca(mlx5, VFIO_SNAPSHOT_STOP);

	if (!err || mlx5_snapshot_refused(err))
		err = mlx5_cmd_resume_vhca(mlx5, VFIO_SNAPSHOT_NDMA);
	if (mlx5_snapshot_refused(err)) {
		err = mlx5_cmd_suspend_vhca(mlx5, VFIO_SNAPSHOT_RUN);
		if (!err)
			err = mlx5_cmd_resume_vhca(mlx5, VFIO_SNAPSHOT_NDMA);
	}
	mlx5->reset = err;
	return err;
}

/*
 * The firmware may have taken a step that it called a failure. The opposite step
 * settles that: it undoes the step, or the firmware refuses it because there is
 * nothing to undo. After a step that it did not refuse, only "invalid" says that:
 * a busy firmware tells nothing.
 */
static int mlx5_level_undo(struct mlx5_snapshot_device *mlx5)
{
	int err = mlx5_level_step(mlx5, mlx5->level + mlx5->tried, -mlx5->tried);

	if (err && (mlx5->open ? err != -EINVAL : !mlx5_snapshot_refused(err)))
		return err;
	mlx5->tried = 0;
	return 0;
}

static int mlx5_level_walk(struct mlx5_snapshot_device *mlx5, enum vfio_snapshot_level want)
{
	int err;

	while (mlx5->level != want) {
		mlx5->tried = mlx5->level < want ? 1 : -1;
		err = mlx5_level_step(mlx5, mlx5->level, mlx5->tried);
		if (err) {
			mlx5->open = !mlx5_snapshot_refused(err);
			return err;
		}
		mlx5->level += mlx5->tried;
		mlx5->tried = 0;
	}
	return 0;
}

static int mlx5_level_reach(struct mlx5_snapshot_device *mlx5, enum vfio_snapshot_level want)
{
	int err = 0;

	if (mlx5->reset)
		err = mlx5_level_find_run(mlx5);
	else if (mlx5->tried)
		err = mlx5_level_undo(mlx5);
	return err ?: mlx5_level_walk(mlx5, want);
}

static void mlx5_level_after_reset(struct mlx5_snapshot_device *mlx5)
{
	if (!test_and_clear_bit(MLX5_SNAPSHOT_WAS_RESET, &mlx5->flags))
		return;
	mlx5->level = VFIO_SNAPSHOT_RUN;
	mlx5->tried = 0;
	mlx5->tracked = false;
	mlx5->reset = true;
}

static int mlx5_quiesce(struct vfio_snapshot_device *sdev, enum vfio_snapshot_level want,
			enum vfio_snapshot_level *now)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	int err = -ENODEV;

	mlx5_level_after_reset(mlx5);
	/* The core asks for RUN first when the device may not have stayed there. */
	if (want != VFIO_SNAPSHOT_RUN)
		mlx5->reset = false;

	/* Without mlx5_core nothing is sent, so nothing changes. */
	if (mlx5_snapshot_begin(mlx5)) {
		err = mlx5_level_reach(mlx5, want);
		mlx5_snapshot_end(mlx5);
	}
	*now = mlx5->reset || mlx5->tried ? VFIO_SNAPSHOT_UNKNOWN : mlx5->level;
	return err;
}

static void mlx5_reset_done(struct vfio_snapshot_device *sdev)
{
	set_bit(MLX5_SNAPSHOT_WAS_RESET, &to_mlx5(sdev)->flags);
}

/* ---- sizes: QUERY ---- */

static int mlx5_cmd_query_vhca_migration_state(struct mlx5_snapshot_device *mlx5, bool incremental,
					       struct vfio_snapshot_estimate *est)
{
	u32 out[MLX5_ST_SZ_DW(query_vhca_migration_state_out)] = {};
	u32 in[MLX5_ST_SZ_DW(query_vhca_migration_state_in)] = {};
	int err;

	MLX5_SET(query_vhca_migration_state_in, in, opcode,
		 MLX5_CMD_OP_QUERY_VHCA_MIGRATION_STATE);
	MLX5_SET(query_vhca_migration_state_in, in, vhca_id, mlx5->vhca_id);
	MLX5_SET(query_vhca_migration_state_in, in, incremental, incremental);
	MLX5_SET(query_vhca_migration_state_in, in, chunk, mlx5->chunks);
	err = mlx5_snapshot_exec(mlx5, in, sizeof(in), out, sizeof(out));
	if (err)
		return mlx5_snapshot_note(mlx5, err, out);

	est->bytes = mlx5->chunks ?
		     MLX5_GET64(query_vhca_migration_state_out, out, remaining_total_size) :
		     MLX5_GET(query_vhca_migration_state_out, out, required_umem_size);
	est->renewed = est->bytes && mlx5->has_state &&
		       MLX5_GET(query_vhca_migration_state_out, out, migration_state) ==
		       MLX5_QUERY_VHCA_MIG_STATE_OPER_MIGRATION_INIT;
	return 0;
}

static int mlx5_estimate(struct vfio_snapshot_device *sdev, enum vfio_snapshot_extent extent,
			 struct vfio_snapshot_estimate *est)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	bool changed = extent == VFIO_SNAPSHOT_CHANGED;
	int err = mlx5_cmd_query_vhca_migration_state(mlx5, changed && mlx5->images, est);

	/* Without an earlier image the next one has everything. */
	est->renewed |= changed && !mlx5->images;
	return err;
}

/* ---- images: SAVE and LOAD ---- */

/* SAVE_VHCA_STATE and LOAD_VHCA_STATE have one layout; @in has what differs. */
static int mlx5_cmd_transfer(struct mlx5_snapshot_device *mlx5, struct vfio_snapshot_io *io,
			     void *in, int in_size, int out_size, mlx5_async_cbk_t done)
{
	struct mlx5_snapshot_transfer *transfer = &mlx5->transfer;
	const struct mlx5_snapshot_key *key = io->key;
	int err = -ENODEV;

	if (io->size > MLX5_SNAPSHOT_MAX_SIZE)
		return -EFBIG;
	MLX5_SET(save_vhca_state_in, in, vhca_id, mlx5->vhca_id);
	MLX5_SET(save_vhca_state_in, in, mkey, key->mkey);
	MLX5_SET(save_vhca_state_in, in, size, io->size);
	transfer->io = io;
	memset(transfer->out, 0, sizeof(transfer->out));
	mlx5_snapshot_sync(mlx5, io, true);

	if (!mlx5_snapshot_begin(mlx5))
		return err;
	if (key->generation == mlx5->generation)
		err = mlx5_cmd_exec_cb(&mlx5->async, in, in_size, transfer->out, out_size,
				       done, &transfer->work);
	mlx5_snapshot_end(mlx5);
	return err ? mlx5_snapshot_check(err, transfer->out) : -EINPROGRESS;
}

static struct mlx5_snapshot_device *mlx5_transfer_owner(struct mlx5_async_work *work)
{
	return container_of(work, struct mlx5_snapshot_device, transfer.work);
}

static int mlx5_save_check(struct mlx5_snapshot_device *mlx5, struct vfio_snapshot_io *io)
{
	const u32 *out = mlx5->transfer.out;
	u32 next = MLX5_GET(save_vhca_state_out, out, next_required_umem_size);

	io->done = MLX5_GET(save_vhca_state_out, out, actual_image_size);
	io->more = mlx5->transfer.final && next;
	return !io->done || io->done > io->size ||
	       (io->more && next > mlx5->sdev.ops->window) ? -EIO : 0;
}

static void mlx5_save_done(int err, struct mlx5_async_work *work)
{
	struct mlx5_snapshot_device *mlx5 = mlx5_transfer_owner(work);
	struct vfio_snapshot_io *io = mlx5->transfer.io;
	bool last;

	mlx5_snapshot_sync(mlx5, io, false);
	err = mlx5_snapshot_check(err, mlx5->transfer.out);
	if (!err)
		err = mlx5_save_check(mlx5, io);
	/* A buffer that is too small is a bad parameter. */
	if (err == -EINVAL && io->size != mlx5->sdev.ops->window &&
	    MLX5_GET(save_vhca_state_out, mlx5->transfer.out, status) ==
	    MLX5_CMD_STAT_BAD_PARAM_ERR)
		err = -ENOSPC;
	/* The end of the final image ends the tracking. */
	last = !err && mlx5->transfer.final && !io->more;
	mlx5->images = err || last ? 0 : mlx5->images + 1;
	mlx5->tracked &= !last;
	vfio_snapshot_io_complete(io, mlx5_snapshot_note(mlx5, err, mlx5->transfer.out));
}

static int mlx5_save(struct vfio_snapshot_device *sdev, enum vfio_snapshot_phase phase,
		     struct vfio_snapshot_io *io)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	u32 in[MLX5_ST_SZ_DW(save_vhca_state_in)] = {};

	mlx5->transfer.final = phase == VFIO_SNAPSHOT_FINAL;
	/* A SAVE that fails may have begun to track all the same. */
	mlx5->tracked |= !mlx5->transfer.final;
	MLX5_SET(save_vhca_state_in, in, opcode, MLX5_CMD_OP_SAVE_VHCA_STATE);
	MLX5_SET(save_vhca_state_in, in, incremental, !!mlx5->images);
	MLX5_SET(save_vhca_state_in, in, set_track, !mlx5->transfer.final);
	return mlx5_cmd_transfer(mlx5, io, in, sizeof(in),
				 MLX5_ST_SZ_BYTES(save_vhca_state_out), mlx5_save_done);
}

static void mlx5_load_done(int err, struct mlx5_async_work *work)
{
	struct mlx5_snapshot_device *mlx5 = mlx5_transfer_owner(work);

	err = mlx5_snapshot_check(err, mlx5->transfer.out);
	vfio_snapshot_io_complete(mlx5->transfer.io,
				  mlx5_snapshot_note(mlx5, err, mlx5->transfer.out));
}

static int mlx5_load(struct vfio_snapshot_device *sdev, struct vfio_snapshot_io *io)
{
	u32 in[MLX5_ST_SZ_DW(load_vhca_state_in)] = {};

	MLX5_SET(load_vhca_state_in, in, opcode, MLX5_CMD_OP_LOAD_VHCA_STATE);
	return mlx5_cmd_transfer(to_mlx5(sdev), io, in, sizeof(in),
				 MLX5_ST_SZ_BYTES(load_vhca_state_out), mlx5_load_done);
}

/* ---- sessions ---- */

/*
 * After a migration that did not take place the device runs on and still tracks
 * its changes. A SAVE without memory, neither incremental nor tracking, ends that.
 */
static void mlx5_cmd_end_tracking(struct mlx5_snapshot_device *mlx5)
{
	u32 out[MLX5_ST_SZ_DW(save_vhca_state_out)] = {};
	u32 in[MLX5_ST_SZ_DW(save_vhca_state_in)] = {};

	MLX5_SET(save_vhca_state_in, in, opcode, MLX5_CMD_OP_SAVE_VHCA_STATE);
	MLX5_SET(save_vhca_state_in, in, vhca_id, mlx5->vhca_id);
	mlx5_snapshot_exec(mlx5, in, sizeof(in), out, sizeof(out));
}

static int mlx5_session_begin(struct vfio_snapshot_device *sdev, enum vfio_snapshot_dir dir)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	int err;

	mlx5_level_after_reset(mlx5);
	mlx5->images = 0;
	mlx5->tracked = false;
	if (!mlx5_snapshot_begin(mlx5))
		return -ENODEV;
	err = mlx5_snapshot_alloc_pd(mlx5);
	mlx5_snapshot_end(mlx5);
	return err;
}

static void mlx5_session_end(struct vfio_snapshot_device *sdev, enum vfio_snapshot_dir dir)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);

	/* A reset has ended the tracking. */
	if (mlx5->tracked && !test_bit(MLX5_SNAPSHOT_WAS_RESET, &mlx5->flags))
		mlx5_cmd_end_tracking(mlx5);
	mlx5->tracked = false;
	mlx5->images = 0;
}

#define OPS						\
	.name = "mlx5",					\
	.caps = VFIO_SNAPSHOT_CAP_NDMA | VFIO_SNAPSHOT_CAP_PRECOPY | \
		VFIO_SNAPSHOT_CAP_INCREMENT,		\
	.max_segs = SZ_1M,				\
	.quiesce = mlx5_quiesce,			\
	.session_begin = mlx5_session_begin,		\
	.session_end = mlx5_session_end,		\
	.estimate = mlx5_estimate,			\
	.buf_map = mlx5_snapshot_buf_map,		\
	.buf_unmap = mlx5_snapshot_buf_unmap,		\
	.save = mlx5_save,				\
	.load = mlx5_load,				\
	.reset_done = mlx5_reset_done

/* For firmware that saves an image with one command. */
const struct vfio_snapshot_ops mlx5_snapshot_ops = {
	OPS,
	.max_image = U32_MAX,
};

/* For firmware that saves an image in chunks. */
const struct vfio_snapshot_ops mlx5_snapshot_chunk_ops = {
	OPS,
	.max_image = MAX_CHUNKED,
	.window = WINDOW,
};
