/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set of addresses as an array of ranges in ascending order, with a gap between
 * neighbours. Pure C: the caller allocates the array and serializes the calls.
 */
#ifndef VFIO_SNAPSHOT_RANGES_H
#define VFIO_SNAPSHOT_RANGES_H

#include <linux/types.h>
#include <linux/vfio_snapshot_dirty.h>

/**
 * struct snapshot_ranges - a set of addresses
 * @at: the ranges
 * @n: number of ranges
 * @room: ranges that fit in @at; snapshot_ranges_add() and snapshot_ranges_cut()
 *        need room for one more
 */
struct snapshot_ranges {
	struct vfio_snapshot_range *at;
	unsigned int n;
	unsigned int room;
};

void snapshot_ranges_add(struct snapshot_ranges *set, u64 first, u64 last);
void snapshot_ranges_cut(struct snapshot_ranges *set, u64 first, u64 last);
bool snapshot_ranges_next(const struct snapshot_ranges *set, u64 first, u64 last,
			  struct vfio_snapshot_range *part);

#endif /* VFIO_SNAPSHOT_RANGES_H */
