// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the firmware reaches by a key: its pages are mapped for the
 * physical function, and a CREATE_MKEY tells the firmware their addresses.
 *
 * A key belongs to the protection domain of the device, and is gone when mlx5_core
 * detaches; the mapping stays until buf_unmap().
 */
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "mlx5.h"

static const enum dma_data_direction mlx5_mkey_directions[] = {
	[VFIO_SNAPSHOT_SAVE] = DMA_FROM_DEVICE,
	[VFIO_SNAPSHOT_LOAD] = DMA_TO_DEVICE,
};

/**
 * mlx5_snapshot_create_mkey - make pages known to the firmware
 * @mdev: the physical function, which is attached
 * @pages: the pages
 * @out: a create_mkey_out of zeros, set to the answer
 * @mkey: set to the key, unless an errno is returned
 *
 * Return: 0, -ENOMEM, or as mlx5_snapshot_check().
 */
int mlx5_snapshot_create_mkey(struct mlx5_core_dev *mdev, const struct mlx5_snapshot_pages *pages,
			      u32 *out, u32 *mkey)
{
	/* The list comes in units of two addresses. */
	unsigned long units = DIV_ROUND_UP(pages->n, 2);
	size_t size = MLX5_ST_SZ_BYTES(create_mkey_in) + units * 2 * sizeof(__be64);
	void *mkc;
	u32 *in;
	int err;

	in = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!in)
		return -ENOMEM;
	MLX5_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	MLX5_SET(create_mkey_in, in, translations_octword_actual_size, units);
	mkc = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	MLX5_SET(mkc, mkc, access_mode_1_0, MLX5_MKC_ACCESS_MODE_MTT);
	MLX5_SET(mkc, mkc, lr, 1);
	MLX5_SET(mkc, mkc, lw, pages->write);
	MLX5_SET(mkc, mkc, pd, pages->pdn);
	MLX5_SET(mkc, mkc, qpn, 0xffffff);
	MLX5_SET(mkc, mkc, log_page_size, pages->shift);
	MLX5_SET(mkc, mkc, translations_octword_size, units);
	MLX5_SET64(mkc, mkc, len, (u64)pages->n << pages->shift);
	pages->fill(MLX5_ADDR_OF(create_mkey_in, in, klm_pas_mtt), pages->memory);

	err = mlx5_snapshot_check(mlx5_cmd_do(mdev, in, size, out,
					      MLX5_ST_SZ_BYTES(create_mkey_out)), out);
	kvfree(in);
	if (!err)
		*mkey = mlx5_idx_to_mkey(MLX5_GET(create_mkey_out, out, mkey_index));
	return err;
}

static void mlx5_mkey_fill(__be64 *addresses, void *memory)
{
	struct sg_table *table = memory;
	struct sg_dma_page_iter at;
	unsigned long i = 0;

	for_each_sgtable_dma_page(table, &at, 0)
		addresses[i++] = cpu_to_be64(sg_page_iter_dma_address(&at));
}

void *mlx5_snapshot_buf_map(struct vfio_snapshot_device *sdev, struct vfio_snapshot_io *io,
			    enum vfio_snapshot_dir dir)
{
	struct mlx5_snapshot_device *mlx5 = to_mlx5(sdev);
	struct sg_table table = { .sgl = io->sgl, .nents = io->nents, .orig_nents = io->nents };
	struct mlx5_snapshot_pages pages = {
		.n = DIV_ROUND_UP(io->size, PAGE_SIZE),
		.shift = PAGE_SHIFT,
		.write = dir == VFIO_SNAPSHOT_SAVE,
		.fill = mlx5_mkey_fill,
		.memory = &table,
	};
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)] = {};
	struct mlx5_snapshot_key *key;
	int err;

	if (io->size > MLX5_SNAPSHOT_MAX_SIZE)
		return ERR_PTR(-EFBIG);
	key = kzalloc_obj(*key, GFP_KERNEL_ACCOUNT);
	if (!key)
		return ERR_PTR(-ENOMEM);
	key->sgl = io->sgl;
	key->nents = io->nents;
	key->dir = mlx5_mkey_directions[dir];

	err = dma_map_sgtable(mlx5->mdev->device, &table, key->dir, 0);
	if (err)
		goto err_free;
	err = -ENODEV;
	if (mlx5_snapshot_begin(mlx5)) {
		pages.pdn = mlx5->pdn;
		key->generation = mlx5->generation;
		err = mlx5->pd_err ?:
		      mlx5_snapshot_create_mkey(mlx5->mdev, &pages, out, &key->mkey);
		mlx5_snapshot_end(mlx5);
	}
	if (!err)
		return key;

	mlx5_snapshot_note(mlx5, err, out);
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
		/* The number of an earlier key may name another one now. */
		if (key->generation == mlx5->generation)
			mlx5_core_destroy_mkey(mlx5->mdev, key->mkey);
		mlx5_snapshot_end(mlx5);
	}
	dma_unmap_sg(mlx5->mdev->device, key->sgl, key->nents, key->dir);
	kfree(key);
}

/**
 * mlx5_snapshot_sync - hand memory over before and after a transfer
 * @mlx5: the device
 * @io: the transfer
 * @before: to the device, not back to the CPU
 *
 * Memory stays mapped between transfers.
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
