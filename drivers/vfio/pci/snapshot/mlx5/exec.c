// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands go through the driver of the physical function, mlx5_core, which can
 * leave the firmware at any time: for a reset, a reload, after an error.
 */
#include <linux/mlx5/device.h>

#include "mlx5.h"

/*
 * Statuses of a command that was delivered. With all others, and when a command
 * got lost, nobody knows what was done.
 */
static const struct {
	u8 status;
	int err;
} answers[] = {
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

/* All answers begin with the same fields, those of any of them. */

/**
 * mlx5_snapshot_begin - hold off mlx5_core's leaving of the firmware
 * @mlx5: the device
 *
 * Return: whether commands can be sent, until mlx5_snapshot_end().
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
 * mlx5_snapshot_end - after mlx5_snapshot_begin() that was true
 * @mlx5: the device
 */
void mlx5_snapshot_end(struct mlx5_snapshot_device *mlx5)
{
	up_read(&mlx5->attach);
}

/**
 * mlx5_snapshot_check - an errno that can be shown to userspace
 * @err: what mlx5_core returned
 * @out: what the firmware answered
 *
 * Return: 0, or an errno: -ENODEV, -EIO and -ETIMEDOUT for a command of which it
 * is not known whether it was carried out.
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
	for (i = 0; i < ARRAY_SIZE(answers); i++)
		if (answers[i].status == status)
			return answers[i].err;
	return -EIO;
}

/**
 * mlx5_snapshot_refused - nothing was done
 * @err: of mlx5_snapshot_check()
 *
 * Return: whether it says that a command was not carried out.
 */
bool mlx5_snapshot_refused(int err)
{
	return err && err != -ENODEV && err != -EIO && err != -ETIMEDOUT;
}

/**
 * mlx5_snapshot_syndrome - why the firmware refused a command
 * @out: its answer
 *
 * Return: a number for messages.
 */
u32 mlx5_snapshot_syndrome(const void *out)
{
	return MLX5_GET(suspend_vhca_out, out, syndrome) ?: MLX5_GET(suspend_vhca_out, out, status);
}

/**
 * mlx5_snapshot_exec - send a command, wait for the answer
 * @mlx5: the device
 * @in: the command
 * @in_size: bytes of it
 * @out: set to the answer
 * @out_size: bytes of it
 *
 * Return: 0, or an errno as of mlx5_snapshot_check().
 */
int mlx5_snapshot_exec(struct mlx5_snapshot_device *mlx5, void *in, int in_size,
		       void *out, int out_size)
{
	int err;

	if (!mlx5_snapshot_begin(mlx5))
		return -ENODEV;
	err = mlx5_snapshot_check(mlx5_cmd_do(mlx5->mdev, in, in_size, out, out_size),
				  out);
	mlx5_snapshot_end(mlx5);
	return err;
}

/**
 * mlx5_snapshot_attach - mlx5_core drives the physical function
 * @mlx5: the device, detached, or new
 */
void mlx5_snapshot_attach(struct mlx5_snapshot_device *mlx5)
{
	down_write(&mlx5->attach);
	mlx5_cmd_init_async_ctx(mlx5->mdev, &mlx5->async);
	mlx5->generation++;
	mlx5->attached = true;
	up_write(&mlx5->attach);
}

/**
 * mlx5_snapshot_detach - mlx5_core is about to leave the physical function
 * @mlx5: the device
 *
 * Waits for commands that are under way; mlx5_core ends those that the firmware
 * does not answer. May be called twice.
 */
void mlx5_snapshot_detach(struct mlx5_snapshot_device *mlx5)
{
	bool was;

	down_write(&mlx5->attach);
	was = mlx5->attached;
	mlx5->attached = false;
	up_write(&mlx5->attach);
	if (was)
		mlx5_cmd_cleanup_async_ctx(&mlx5->async);
}
