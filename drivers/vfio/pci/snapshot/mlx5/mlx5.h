/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the back-end for NVIDIA ConnectX virtual functions share.
 *
 * Two locks: @attach keeps mlx5_core attached while a command is sent, and
 * @tracking has its own. The core serializes everything else.
 */
#ifndef MLX5_SNAPSHOT_MLX5_H
#define MLX5_SNAPSHOT_MLX5_H

#include <linux/limits.h>
#include <linux/mlx5/driver.h>
#include <linux/notifier.h>
#include <linux/rwsem.h>
#include <linux/vfio_snapshot.h>

#include "tracker.h"

/* SAVE and LOAD name a size of 32 bits, and buffers are whole pages. */
#define MLX5_SNAPSHOT_MAX_SIZE	(U32_MAX - PAGE_SIZE)

/* Bits of @flags: reset_done() was called, and no operation has seen it yet. */
#define MLX5_SNAPSHOT_WAS_RESET	0

/**
 * struct mlx5_snapshot_transfer - the SAVE or LOAD under way
 * @work: of mlx5_core
 * @io: the core's transfer
 * @final: this is a SAVE of the final image
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
 * @vf: number of this virtual function, from 0
 * @vhca_id: the firmware's number for it
 * @chunks: the firmware can save in chunks
 * @has_state: QUERY tells whether the state was set up again
 * @events: called when mlx5_core detaches from the firmware, and attaches
 * @attach: held for reading while a command is sent, for writing to change
 *          @attached
 * @attached: mlx5_core drives the physical function
 * @generation: counts the times that mlx5_core attached
 * @async: transfers under way since then
 * @flags: MLX5_SNAPSHOT_WAS_RESET
 * @level: the last level that is certain
 * @tried: the step that failed and may still have been taken: 1 SUSPEND, -1 RESUME,
 *         0 none
 * @open: the firmware did not refuse @tried
 * @reset: the device was reset since the last quiesce, so @level RUN is not certain
 * @images: taken in this session since the last failure; the next image after one
 *          has only what changed
 * @tracked: the firmware may be tracking changes of the state
 * @pd_err: why there is no @pdn, or 0
 * @pdn: protection domain of all keys, allocated when mlx5_core attached
 * @transfer: the transfer under way, one at most
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
	unsigned long flags;
	enum vfio_snapshot_level level;
	int tried;
	bool open;
	bool reset;
	unsigned int images;
	bool tracked;
	int pd_err;
	u32 pdn;
	struct mlx5_snapshot_transfer transfer;
	struct mlx5_snapshot_tracking tracking;
};

/**
 * struct mlx5_snapshot_key - memory that the firmware can reach
 * @sgl: the memory, mapped for the physical function
 * @nents: entries of @sgl
 * @dir: direction of the transfers
 * @mkey: the firmware's number for it
 * @generation: when @mkey was created
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

/**
 * struct mlx5_snapshot_pages - pages that a CREATE_MKEY tells the firmware
 * @pdn: the protection domain
 * @n: how many pages
 * @shift: log2 of the size of a page
 * @write: the firmware may write to them, too
 * @fill: writes their @n bus addresses
 * @memory: argument of @fill
 */
struct mlx5_snapshot_pages {
	u32 pdn;
	unsigned long n;
	unsigned int shift;
	bool write;
	void (*fill)(__be64 *addresses, void *memory);
	void *memory;
};

/* exec.c: commands and their answers */
bool mlx5_snapshot_begin(struct mlx5_snapshot_device *mlx5);
void mlx5_snapshot_end(struct mlx5_snapshot_device *mlx5);
int mlx5_snapshot_check(int err, const void *out);
bool mlx5_snapshot_refused(int err);
int mlx5_snapshot_note(struct mlx5_snapshot_device *mlx5, int err, const void *out);
int mlx5_snapshot_send(struct mlx5_snapshot_device *mlx5, void *in, int in_size,
		       void *out, int out_size);
int mlx5_snapshot_exec(struct mlx5_snapshot_device *mlx5, void *in, int in_size,
		       void *out, int out_size);
int mlx5_snapshot_alloc_pd(struct mlx5_snapshot_device *mlx5);
void mlx5_snapshot_attach(struct mlx5_snapshot_device *mlx5);
void mlx5_snapshot_detach(struct mlx5_snapshot_device *mlx5, bool gone);

/* keys.c: memory that the firmware reaches */
int mlx5_snapshot_create_mkey(struct mlx5_core_dev *mdev, const struct mlx5_snapshot_pages *pages,
			      u32 *out, u32 *mkey);
void *mlx5_snapshot_buf_map(struct vfio_snapshot_device *sdev,
			    struct vfio_snapshot_io *io, enum vfio_snapshot_dir dir);
void mlx5_snapshot_buf_unmap(struct vfio_snapshot_device *sdev, void *key);
void mlx5_snapshot_sync(struct mlx5_snapshot_device *mlx5,
			const struct vfio_snapshot_io *io, bool before);

#endif /* MLX5_SNAPSHOT_MLX5_H */
