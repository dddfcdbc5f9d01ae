/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of the back-end for NVIDIA ConnectX virtual functions. */
#ifndef MLX5_SNAPSHOT_MLX5_H
#define MLX5_SNAPSHOT_MLX5_H

#include <linux/mlx5/driver.h>
#include <linux/notifier.h>
#include <linux/rwsem.h>
#include <linux/vfio_snapshot.h>

#include "tracker.h"

/**
 * struct mlx5_snapshot_transfer - the SAVE or LOAD that is under way
 * @work: of mlx5_core
 * @io: what it is for
 * @final: it is a SAVE of the final image
 * @out: what the firmware answers
 */
struct mlx5_snapshot_transfer {
	struct mlx5_async_work work;
	struct vfio_snapshot_io *io;
	bool final;
	u32 out[MLX5_ST_SZ_DW(save_vhca_state_out)];
};

/**
 * struct mlx5_snapshot_device - a ConnectX virtual function
 * @sdev: of the core; first
 * @mdev: the physical function
 * @vf: number of this one, from 0
 * @vhca_id: what the firmware calls it
 * @chunks: the firmware can save in pieces
 * @has_state: it tells the state of a migration when asked for a size
 * @events: says when mlx5_core leaves the firmware, and is back
 * @attach: held for reading while a command is sent, for writing to change
 *          @attached
 * @attached: mlx5_core drives the physical function
 * @generation: counts the times that it came back; the firmware knows no object
 *              of an earlier one
 * @async: transfers under way since then
 * @level: of quiesce, last known
 * @sure: no reset came since, so the device is at @level for certain
 * @images: taken in this session and not spoilt by a failure: a further one
 *          need only have what changed
 * @tracked: the firmware keeps account of what changes
 * @pdn: protection domain of the session
 * @session: @generation when it began
 * @transfer: at most one is under way
 * @tracking: of dirty pages
 */
struct mlx5_snapshot_device {
	struct vfio_snapshot_device sdev;
	struct mlx5_core_dev *mdev;
	int vf;
	u16 vhca_id;
	bool chunks;
	bool has_state;
	struct notifier_block events;
	struct rw_semaphore attach;
	bool attached;
	unsigned int generation;
	struct mlx5_async_ctx async;
	enum vfio_snapshot_level level;
	bool sure;
	unsigned int images;
	bool tracked;
	u32 pdn;
	unsigned int session;
	struct mlx5_snapshot_transfer transfer;
	struct mlx5_snapshot_tracking tracking;
};

/**
 * struct mlx5_snapshot_key - memory that the firmware can reach
 * @sgl: the memory, mapped for the physical function
 * @nents: entries of it
 * @dir: which way it is used
 * @mkey: what the firmware calls it
 * @generation: when it was made
 */
struct mlx5_snapshot_key {
	struct scatterlist *sgl;
	unsigned int nents;
	enum dma_data_direction dir;
	u32 mkey;
	unsigned int generation;
};

static inline struct mlx5_snapshot_device *to_mlx5(struct vfio_snapshot_device *sdev)
{
	return container_of(sdev, struct mlx5_snapshot_device, sdev);
}

extern const struct vfio_snapshot_ops mlx5_snapshot_ops;
extern const struct vfio_snapshot_ops mlx5_snapshot_chunk_ops;

/* exec.c: commands, and what comes back */
bool mlx5_snapshot_begin(struct mlx5_snapshot_device *mlx5);
void mlx5_snapshot_end(struct mlx5_snapshot_device *mlx5);
int mlx5_snapshot_check(int err, const void *out);
bool mlx5_snapshot_refused(int err);
u32 mlx5_snapshot_syndrome(const void *out);
int mlx5_snapshot_exec(struct mlx5_snapshot_device *mlx5, void *in, int in_size,
		       void *out, int out_size);
void mlx5_snapshot_attach(struct mlx5_snapshot_device *mlx5);
void mlx5_snapshot_detach(struct mlx5_snapshot_device *mlx5);

/* keys.c: memory of images */
u32 *mlx5_snapshot_mkey_command(u32 pdn, unsigned long pages, unsigned int shift,
				bool write, size_t *size);
void *mlx5_snapshot_buf_map(struct vfio_snapshot_device *sdev,
			    struct vfio_snapshot_io *io, enum vfio_snapshot_dir dir);
void mlx5_snapshot_buf_unmap(struct vfio_snapshot_device *sdev, void *key);
void mlx5_snapshot_sync(struct mlx5_snapshot_device *mlx5,
			const struct vfio_snapshot_io *io, bool before);

#endif /* MLX5_SNAPSHOT_MLX5_H */
