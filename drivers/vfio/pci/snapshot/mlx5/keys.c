// SPDX-License-Identifier: GPL-2.0-only
/* Memory of images, and the keys by which the firmware reaches it. */
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "mlx5.h"

static const enum dma_data_direction directions[] = {
	[VFIO_SNAPSHOT_SAVE] = DMA_FROM_DEVICE,
	[VFIO_SNAPSHOT_LOAD] = DMA_TO_DEVICE,
};

/**
 * mlx5_snapshot_mkey_command - a CREATE_MKEY that has no addresses yet
 * @pdn: the protection domain
 * @pages: how many addresses klm_pas_mtt has room for
 * @shift: log2 of the size of a page
 * @write: the firmware may write there, too
 * @size: set to the bytes of the command
 *
 * Return: the command, to be freed with kvfree(), or NULL.
 */
u32 *mlx5_snapshot_mkey_command(u32 pdn, unsigned long pages, unsigned int shift,
				bool write, size_t *size)
{
	/* The list comes in units of two. */
	unsigned long units = DIV_ROUND_UP(pages, 2);
	void *mkc;
	u32 *in;

	*size = MLX5_ST_SZ_BYTES(create_mkey_in) + units * 2 * sizeof(__be64);
	in = kvzalloc(*size, GFP_KERNEL);
	if (!in)
		return NULL;
	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(create_mkey_in, in, translations_octword_actual_size, units);
	mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	MLX5_SET(mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_MTT);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, lw, write);
	MLX5_SET(mkc, mkc, pd, pdn);
	MLX5_SET(mkc, mkc, qpn, 0xffffff);
	MLX5_SET(mkc, mkc, log_page_size, shift);
	MLX5_SET(mkc, mkc, translations_octword_size, units);
	MLX5_SET64(mkc, mkc, len, (u64)pages << shift);
	return in;
}

/* Tells the firmware the pages of mapped memory. */
static int create_mkey(struct mlx5_snapshot_device *mlx5, struct sg_table *table,
		       size_t size, struct mlx5_snapshot_key *key)
{
	unsigned long pages = DIV_ROUND_UP(size, PAGE_SIZE), i = 0;
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)] = {};
	struct sg_dma_page_iter at;
	__be64 *mtt;
	size_t len;
	u32 *in;
	int err;

	in = mlx5_snapshot_mkey_command(mlx5->pdn, pages, PAGE_SHIFT,
					key->dir == DMA_FROM_DEVICE, &len);
	if (!in)
		return -ENOMEM;
	mtt = MLX5_ADDR_OF(create_mkey_in, in, klm_pas_mtt);
	for_each_sgtable_dma_page(table, &at, 0)
		mtt[i++] = cpu_to_be64(sg_page_iter_dma_address(&at));

	err = mlx5_snapshot_exec(mlx5, in, len, out, sizeof(out));
	kvfree(in);
	if (err)
		mlx5->sdev.status = mlx5_snapshot_syndrome(out);
	else
		key->mkey = mlx5_idx_to_mkey(MLX5_GET(create_mkey_out, out, mkey_index));
	return err;
}

/* Called in a session: the key is one of its protection domain. */
void *mlx5_snapshot_buf_map(struct vfio_snapshot_device *sdev,
			    struct vfio_snapshot_io *io, enum vfio_snapshot_dir dir)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	struct sg_table table = {
		.sgl = io->sgl, .nents = io->nents, .orig_nents = io->nents,
	};
	struct mlx5_snapshot_key *key;
	int err;

	key = kzalloc_obj(*key, GFP_KERNEL_ACCOUNT);
	if (!key)
		return ERR_PTR(-ENOMEM);
	key->sgl = io->sgl;
	key->nents = io->nents;
	key->dir = directions[dir];
	key->generation = mlx5->session;

	err = dma_map_sgtable(mlx5->mdev->device, &table, key->dir, 0);
	if (err)
		goto err_free;
	err = create_mkey(mlx5, &table, io->size, key);
	if (err)
		goto err_unmap;
	return key;

err_unmap:
	dma_unmap_sgtable(mlx5->mdev->device, &table, key->dir, 0);
err_free:
	kfree(key);
	return ERR_PTR(err);
}

void mlx5_snapshot_buf_unmap(struct vfio_snapshot_device *sdev, void *data)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	struct mlx5_snapshot_key *key = data;

	if (mlx5_snapshot_begin(mlx5)) {
		/* A number from before may be somebody else's now. */
		if (key->generation == mlx5->generation)
			mlx5_core_destroy_mkey(mlx5->mdev, key->mkey);
		mlx5_snapshot_end(mlx5);
	}
	dma_unmap_sg(mlx5->mdev->device, key->sgl, key->nents, key->dir);
	kfree(key);
}

/**
 * mlx5_snapshot_sync - before and after a transfer
 * @mlx5: the device
 * @io: the transfer
 * @before: it is about to begin
 *
 * Memory stays mapped from one transfer to the next.
 */
void mlx5_snapshot_sync(struct mlx5_snapshot_device *mlx5,
			const struct vfio_snapshot_io *io, bool before)
{
	const struct mlx5_snapshot_key *key = io->key;
	struct device *dev = mlx5->mdev->device;
	struct scatterlist *sg = io->sgl;
	size_t len, left;

	for (left = io->size; left; left -= len) {
		len = min_t(size_t, left, sg_dma_len(sg));
		if (before)
			dma_sync_single_for_device(dev, sg_dma_address(sg), len, key->dir);
		else
			dma_sync_single_for_cpu(dev, sg_dma_address(sg), len, key->dir);
		sg = sg_next(sg);
	}
}
