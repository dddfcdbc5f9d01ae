/* SPDX-License-Identifier: GPL-2.0-only */
/* Dirty tracking by the firmware, see tracker.c. */
#ifndef MLX5_SNAPSHOT_TRACKER_H
#define MLX5_SNAPSHOT_TRACKER_H

#include <linux/spinlock.h>

struct mlx5_snapshot_device;
struct mlx5_snapshot_tracker;

/**
 * struct mlx5_snapshot_tracking - dirty tracking of a virtual function
 * @lock: held to change @tracker, and to wake its reader
 * @tracker: the tracker that runs, or NULL
 */
struct mlx5_snapshot_tracking {
	spinlock_t lock;	/* see above */
	struct mlx5_snapshot_tracker *tracker;
};

void mlx5_snapshot_offer_tracking(struct mlx5_snapshot_device *mlx5);

#endif /* MLX5_SNAPSHOT_TRACKER_H */
