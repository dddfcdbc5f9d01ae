// SPDX-License-Identifier: GPL-2.0-only
/* The back-end contract in terms of the migration commands of the firmware. */
#include <linux/limits.h>
#include <linux/mlx5/device.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "mlx5.h"

/* What the firmware takes and gives at once when it saves in pieces. */
#define WINDOW		SZ_8M

/* A device that never comes to an end of its image has to stop somewhere. */
#define MAX_CHUNKED	(64ULL * SZ_1G)

/* For the message that tells of a failure. */
static int answer(struct mlx5_snapshot_device *mlx5, int err, const void *out)
{
	/* What comes after the first failure tries to make good for it. */
	if (err && !mlx5->sdev.status)
		mlx5->sdev.status = mlx5_snapshot_syndrome(out);
	return err;
}

/* All commands of migration name the function in the same place. */
static int send(struct mlx5_snapshot_device *mlx5, u16 opcode, u16 op_mod)
{
	u32 out[MLX5_ST_SZ_DW(suspend_vhca_out)] = {};
	u32 in[MLX5_ST_SZ_DW(suspend_vhca_in)] = {};

	MLX5_SET(suspend_vhca_in, in, opcode, opcode);
	MLX5_SET(suspend_vhca_in, in, op_mod, op_mod);
	MLX5_SET(suspend_vhca_in, in, vhca_id, mlx5->vhca_id);
	return answer(mlx5, mlx5_snapshot_exec(mlx5, in, sizeof(in), out, sizeof(out)),
		      out);
}

struct step {
	u16 opcode;
	u16 op_mod;
};

/* From a level to the next. */
static const struct step halts[] = {
	[VFIO_SNAPSHOT_RUN] = { MLX5_CMD_OP_SUSPEND_VHCA,
				MLX5_SUSPEND_VHCA_IN_OP_MOD_SUSPEND_INITIATOR },
	[VFIO_SNAPSHOT_NDMA] = { MLX5_CMD_OP_SUSPEND_VHCA,
				 MLX5_SUSPEND_VHCA_IN_OP_MOD_SUSPEND_RESPONDER },
};

/* From a level to the one before. */
static const struct step resumes[] = {
	[VFIO_SNAPSHOT_NDMA] = { MLX5_CMD_OP_RESUME_VHCA,
				 MLX5_RESUME_VHCA_IN_OP_MOD_RESUME_INITIATOR },
	[VFIO_SNAPSHOT_STOP] = { MLX5_CMD_OP_RESUME_VHCA,
				 MLX5_RESUME_VHCA_IN_OP_MOD_RESUME_RESPONDER },
};

/* Sends one step from @level, up or down. */
static int take_step(struct mlx5_snapshot_device *mlx5, enum vfio_snapshot_level level,
		     bool halt)
{
	const struct step *step = halt ? &halts[level] : &resumes[level];
	int err = send(mlx5, step->opcode, step->op_mod);

	/* Resumed, it has nothing left of the images that were taken. */
	if (!err && !halt && level == VFIO_SNAPSHOT_STOP) {
		mlx5->images = 0;
		mlx5->tracked = false;
	}
	return err;
}

/*
 * Brings a device to RUN that may be at any level: the firmware refuses a step
 * that does not fit. Of one that refused both steps down, only the first step
 * up tells whether it ran before, or does not want to run at all.
 */
static int find_run(struct mlx5_snapshot_device *mlx5)
{
	int err = take_step(mlx5, VFIO_SNAPSHOT_STOP, false);

	if (!err || mlx5_snapshot_refused(err))
		err = take_step(mlx5, VFIO_SNAPSHOT_NDMA, false);
	if (mlx5_snapshot_refused(err)) {
		err = take_step(mlx5, VFIO_SNAPSHOT_RUN, true);
		if (!err)
			err = take_step(mlx5, VFIO_SNAPSHOT_NDMA, false);
	}
	mlx5->sure = !err;
	if (!err)
		mlx5->level = VFIO_SNAPSHOT_RUN;
	return err;
}

/*
 * A step from @level failed: was it taken all the same? The step back undoes it
 * then, and is refused otherwise.
 */
static void take_back(struct mlx5_snapshot_device *mlx5, bool halt, int err)
{
	if (err != -ENODEV && err != -ETIMEDOUT)
		err = take_step(mlx5, halt ? mlx5->level + 1 : mlx5->level - 1, !halt);
	mlx5->sure = !err || mlx5_snapshot_refused(err);
}

static int walk(struct mlx5_snapshot_device *mlx5, enum vfio_snapshot_level want)
{
	while (mlx5->level != want) {
		bool halt = mlx5->level < want;
		int err = take_step(mlx5, mlx5->level, halt);

		if (err) {
			if (mlx5->sure)
				take_back(mlx5, halt, err);
			return err;
		}
		mlx5->level += halt ? 1 : -1;
		mlx5->sure = true;
	}
	return 0;
}

static int mlx5_quiesce(struct vfio_snapshot_device *sdev, enum vfio_snapshot_level want,
			enum vfio_snapshot_level *now)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	bool sure = mlx5->sure;
	int err = 0;

	if (!sure && want == VFIO_SNAPSHOT_RUN)
		err = find_run(mlx5);
	if (!err)
		err = walk(mlx5, want);
	/* The first step may have been one from a level that it is not at. */
	if (err && !sure && !mlx5->sure && !find_run(mlx5) && mlx5_snapshot_refused(err))
		err = walk(mlx5, want);
	*now = mlx5->sure ? mlx5->level : VFIO_SNAPSHOT_UNKNOWN;
	return err;
}

static int mlx5_session_begin(struct vfio_snapshot_device *sdev,
			      enum vfio_snapshot_dir dir)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	u32 out[MLX5_ST_SZ_DW(alloc_pd_out)] = {};
	u32 in[MLX5_ST_SZ_DW(alloc_pd_in)] = {};
	int err;

	mlx5->images = 0;
	mlx5->tracked = false;
	mlx5->session = READ_ONCE(mlx5->generation);
	MLX5_SET(alloc_pd_in, in, opcode, MLX5_CMD_OP_ALLOC_PD);
	err = mlx5_snapshot_exec(mlx5, in, sizeof(in), out, sizeof(out));
	if (err)
		return answer(mlx5, err, out);
	mlx5->pdn = MLX5_GET(alloc_pd_out, out, pd);
	return 0;
}

static int query(struct mlx5_snapshot_device *mlx5, bool incremental,
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
		return answer(mlx5, err, out);

	est->bytes = mlx5->chunks ?
		     MLX5_GET64(query_vhca_migration_state_out, out, remaining_total_size) :
		     MLX5_GET(query_vhca_migration_state_out, out, required_umem_size);
	est->renewed = est->bytes && mlx5->has_state &&
		       MLX5_GET(query_vhca_migration_state_out, out, migration_state) ==
		       MLX5_QUERY_VHCA_MIG_STATE_OPER_MIGRATION_INIT;
	return 0;
}

static int mlx5_estimate(struct vfio_snapshot_device *sdev,
			 enum vfio_snapshot_extent extent,
			 struct vfio_snapshot_estimate *est)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	int err;

	if (extent == VFIO_SNAPSHOT_WHOLE || mlx5->images)
		return query(mlx5, extent == VFIO_SNAPSHOT_CHANGED, est);
	/* What there was to build on is lost. */
	err = query(mlx5, false, est);
	est->renewed = true;
	return err;
}

static int submit(struct mlx5_snapshot_device *mlx5, struct vfio_snapshot_io *io,
		  void *in, int in_size, int out_size, mlx5_async_cbk_t done)
{
	struct mlx5_snapshot_transfer *transfer = &mlx5->transfer;
	const struct mlx5_snapshot_key *key = io->key;
	int err = -ENODEV;

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

static struct mlx5_snapshot_device *of_work(struct mlx5_async_work *work)
{
	return container_of(work, struct mlx5_snapshot_device, transfer.work);
}

/* What the firmware says of the image it wrote. */
static int check_image(struct mlx5_snapshot_device *mlx5, struct vfio_snapshot_io *io)
{
	const u32 *out = mlx5->transfer.out;
	u32 next = MLX5_GET(save_vhca_state_out, out, next_required_umem_size);

	io->done = MLX5_GET(save_vhca_state_out, out, actual_image_size);
	io->more = mlx5->transfer.final && next;
	if (!io->done || io->done > io->size)
		return -EIO;
	/* A next chunk that is promised to one who cannot take it. */
	return io->more && next > mlx5->sdev.ops->window ? -EIO : 0;
}

static void save_done(int err, struct mlx5_async_work *work)
{
	struct mlx5_snapshot_device *mlx5 = of_work(work);
	struct vfio_snapshot_io *io = mlx5->transfer.io;

	mlx5_snapshot_sync(mlx5, io, false);
	err = mlx5_snapshot_check(err, mlx5->transfer.out);
	if (!err)
		err = check_image(mlx5, io);
	/* A buffer that is too small is a bad parameter. */
	if (err == -EINVAL && !mlx5->sdev.ops->window &&
	    MLX5_GET(save_vhca_state_out, mlx5->transfer.out, status) ==
	    MLX5_CMD_STAT_BAD_PARAM_ERR)
		err = -ENOSPC;
	if (err)
		mlx5->images = 0;
	else
		mlx5->images++;
	/* The final image ends what the first began. */
	if (!err && mlx5->transfer.final && !io->more) {
		mlx5->images = 0;
		mlx5->tracked = false;
	}
	vfio_snapshot_io_complete(io, answer(mlx5, err, mlx5->transfer.out));
}

static int mlx5_save(struct vfio_snapshot_device *sdev, enum vfio_snapshot_phase phase,
		     struct vfio_snapshot_io *io)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	u32 in[MLX5_ST_SZ_DW(save_vhca_state_in)] = {};

	mlx5->transfer.final = phase == VFIO_SNAPSHOT_FINAL;
	/* Also of one that fails nobody knows how far it came. */
	mlx5->tracked |= !mlx5->transfer.final;
	MLX5_SET(save_vhca_state_in, in, opcode, MLX5_CMD_OP_SAVE_VHCA_STATE);
	MLX5_SET(save_vhca_state_in, in, incremental, !!mlx5->images);
	MLX5_SET(save_vhca_state_in, in, set_track, !mlx5->transfer.final);
	return submit(mlx5, io, in, sizeof(in), MLX5_ST_SZ_BYTES(save_vhca_state_out),
		      save_done);
}

static void load_done(int err, struct mlx5_async_work *work)
{
	struct mlx5_snapshot_device *mlx5 = of_work(work);

	err = mlx5_snapshot_check(err, mlx5->transfer.out);
	vfio_snapshot_io_complete(mlx5->transfer.io, answer(mlx5, err, mlx5->transfer.out));
}

static int mlx5_load(struct vfio_snapshot_device *sdev, struct vfio_snapshot_io *io)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	u32 in[MLX5_ST_SZ_DW(load_vhca_state_in)] = {};

	MLX5_SET(load_vhca_state_in, in, opcode, MLX5_CMD_OP_LOAD_VHCA_STATE);
	return submit(mlx5, io, in, sizeof(in), MLX5_ST_SZ_BYTES(load_vhca_state_out),
		      load_done);
}

/*
 * A device that runs on after a migration that did not take place need not keep
 * account of changes: a SAVE that neither is incremental nor tracks ends that.
 */
static void end_tracking(struct mlx5_snapshot_device *mlx5)
{
	u32 out[MLX5_ST_SZ_DW(save_vhca_state_out)] = {};
	u32 in[MLX5_ST_SZ_DW(save_vhca_state_in)] = {};

	if (!mlx5->tracked)
		return;
	mlx5->tracked = false;
	MLX5_SET(save_vhca_state_in, in, opcode, MLX5_CMD_OP_SAVE_VHCA_STATE);
	MLX5_SET(save_vhca_state_in, in, vhca_id, mlx5->vhca_id);
	mlx5_snapshot_exec(mlx5, in, sizeof(in), out, sizeof(out));
}

static void mlx5_session_end(struct vfio_snapshot_device *sdev,
			     enum vfio_snapshot_dir dir)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);

	end_tracking(mlx5);
	mlx5->images = 0;
	if (!mlx5_snapshot_begin(mlx5))
		return;
	if (mlx5->session == mlx5->generation)
		mlx5_core_dealloc_pd(mlx5->mdev, mlx5->pdn);
	mlx5_snapshot_end(mlx5);
}

static void mlx5_reset_done(struct vfio_snapshot_device *sdev)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);

	mlx5->level = VFIO_SNAPSHOT_RUN;
	mlx5->sure = false;
	mlx5->tracked = false;
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

/* Of firmware that wants room for the whole image. */
const struct vfio_snapshot_ops mlx5_snapshot_ops = {
	OPS,
	.max_image = U32_MAX,
};

/* Of firmware that saves in pieces. */
const struct vfio_snapshot_ops mlx5_snapshot_chunk_ops = {
	OPS,
	.max_image = MAX_CHUNKED,
	.window = WINDOW,
};
