// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands go through mlx5_core, the driver of the physical function. It may
 * detach from the firmware at any time: for a reset, a reload, after an error.
 *
 * A command is sent with @attach held for reading, while @attached is set.
 * @generation counts the times that mlx5_core attached: the firmware knows no
 * object of an earlier one.
 */
#include <linux/mlx5/device.h>

#include "mlx5.h"

/*
 * Statuses of a command that the firmware refused. After any other status, and
 * after a lost command, it is open whether the command was carried out.
 */
static const struct {
	u8 status;
	int err;
} mlx5_refusals[] = {
	{ MLX5_CMD_STAT_BAD_OP_ERR, -EOPNOTSUPP },
	{ MLX5_CMD_STAT_BAD_PARAM_ERR, -EINVAL },
	{ MLX5_CMD_STAT_BAD_RES_ERR, -EINVAL },
	{ MLX5_CMD_STAT_RES_BUSY, -EBUSY },
	{ MLX5_CMD_STAT_NOT_READY, -EAGAIN },
	{ MLX5_CMD_STAT_LIM_ERR, -ENOMEM },
	{ MLX5_CMD_STAT_BAD_RES_STATE_ERR, -EINVAL },
	{ MLX5_CMD_STAT_IX_ERR, -EINVAL },
	{ MLX5_CMD_STAT_NO_RES_ERR, -EAGAIN },
	{ MLX5_CMD_STAT_BAD_QP_STATE_ERR, -EINVAL },
	{ MLX5_CMD_STAT_BAD_INP_LEN_ERR, -EINVAL },
	{ MLX5_CMD_STAT_BAD_OUTP_LEN_ERR, -EINVAL },
};

/**
 * mlx5_snapshot_begin - keep mlx5_core attached to the firmware
 * @mlx5: the device
 *
 * Return: whether commands can be sent; if so, mlx5_snapshot_end() is due.
 */
bool mlx5_snapshot_begin(struct mlx5_snapshot_device *mlx5)
{
	down_read(&mlx5->attach);
	if (mlx5->attached)
		return true;
	up_read(&mlx5->attach);
	return false;
}

/**
 * mlx5_snapshot_end - undo mlx5_snapshot_begin()
 * @mlx5: the device
 */
void mlx5_snapshot_end(struct mlx5_snapshot_device *mlx5)
{
	up_read(&mlx5->attach);
}

/**
 * mlx5_snapshot_check - turn the end of a command into an errno for userspace
 * @err: what mlx5_core returned
 * @out: what the firmware answered; all answers begin with the same fields
 *
 * Return: 0, or an errno: -ENODEV, -EIO and -ETIMEDOUT leave open whether the
 * command was carried out.
 */
int mlx5_snapshot_check(int err, const void *out)
{
	u8 status = MLX5_GET(suspend_vhca_out, out, status);
	unsigned int i;

	switch (err) {
	case 0:
	case -EIO:
	case -ETIMEDOUT:
	case -ENOMEM:
	case -EAGAIN:
	case -EBUSY:
		return err;
	case -ENXIO:
	case -ECANCELED:
		return -ENODEV;
	case -EREMOTEIO:
		break;
	default:
		return -EIO;
	}
	for (i = 0; i < ARRAY_SIZE(mlx5_refusals); i++)
		if (mlx5_refusals[i].status == status)
			return mlx5_refusals[i].err;
	return -EIO;
}

/**
 * mlx5_snapshot_refused - tell a refusal from an open end
 * @err: of mlx5_snapshot_check()
 *
 * Return: whether the firmware says that it did not carry out the command.
 */
bool mlx5_snapshot_refused(int err)
{
	return err && err != -ENODEV && err != -EIO && err != -ETIMEDOUT;
}

/**
 * mlx5_snapshot_note - keep the firmware's reason for messages
 * @mlx5: the device
 * @err: of mlx5_snapshot_check()
 * @out: what the firmware answered
 *
 * Keeps the first of an operation: later commands only make up for that failure.
 *
 * Return: @err.
 */
int mlx5_snapshot_note(struct mlx5_snapshot_device *mlx5, int err, const void *out)
{
	if (err && !mlx5->sdev.status)
		mlx5->sdev.status = MLX5_GET(suspend_vhca_out, out, syndrome) ?:
				    MLX5_GET(suspend_vhca_out, out, status);
	return err;
}

/**
 * mlx5_snapshot_send - send a command after mlx5_snapshot_begin()
 * @mlx5: the device
 * @in: the command
 * @in_size: bytes of it
 * @out: set to the answer
 * @out_size: bytes of it
 *
 * Return: as mlx5_snapshot_check().
 */
int mlx5_snapshot_send(struct mlx5_snapshot_device *mlx5, void *in, int in_size,
		       void *out, int out_size)
{
	return mlx5_snapshot_check(mlx5_cmd_do(mlx5->mdev, in, in_size, out, out_size),
				   out);
}

/**
 * mlx5_snapshot_exec - send a command if mlx5_core is attached
 * @mlx5: the device
 * @in: the command
 * @in_size: bytes of it
 * @out: set to the answer
 * @out_size: bytes of it
 *
 * Return: as mlx5_snapshot_check(), or -ENODEV if nothing was sent.
 */
int mlx5_snapshot_exec(struct mlx5_snapshot_device *mlx5, void *in, int in_size,
		       void *out, int out_size)
{
	int err;

	if (!mlx5_snapshot_begin(mlx5))
		return -ENODEV;
	err = mlx5_snapshot_send(mlx5, in, in_size, out, out_size);
	mlx5_snapshot_end(mlx5);
	return err;
}

/**
 * mlx5_snapshot_alloc_pd - have a protection domain for keys
 * @mlx5: the device, attached or about to be
 *
 * Return: 0 or -EIO.
 */
int mlx5_snapshot_alloc_pd(struct mlx5_snapshot_device *mlx5)
{
	if (mlx5->pd_err && !mlx5_core_alloc_pd(mlx5->mdev, &mlx5->pdn))
		mlx5->pd_err = 0;
	return mlx5->pd_err;
}

/**
 * mlx5_snapshot_attach - mlx5_core drives the physical function
 * @mlx5: the device, new or detached
 */
void mlx5_snapshot_attach(struct mlx5_snapshot_device *mlx5)
{
	down_write(&mlx5->attach);
	mlx5_cmd_init_async_ctx(mlx5->mdev, &mlx5->async);
	mlx5->generation++;
	mlx5->pd_err = -EIO;
	/* If it fails, the next session tries again. */
	mlx5_snapshot_alloc_pd(mlx5);
	mlx5->attached = true;
	up_write(&mlx5->attach);
}

/**
 * mlx5_snapshot_detach - mlx5_core is about to detach, or the driver leaves the device
 * @mlx5: the device
 * @gone: mlx5_core is about to detach: the firmware then forgets its objects
 *
 * Waits for commands under way; mlx5_core ends those that the firmware does not
 * answer. May be called twice.
 */
void mlx5_snapshot_detach(struct mlx5_snapshot_device *mlx5, bool gone)
{
	bool was;

	down_write(&mlx5->attach);
	was = mlx5->attached;
	mlx5->attached = false;
	up_write(&mlx5->attach);
	if (!was)
		return;
	mlx5_cmd_cleanup_async_ctx(&mlx5->async);
	if (!gone && !mlx5->pd_err)
		mlx5_core_dealloc_pd(mlx5->mdev, mlx5->pdn);
}
