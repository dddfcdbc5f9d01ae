/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set of addresses, kept as ranges: ascending, none touches the next. Pure C;
 * the memory is the caller's.
 */
#ifndef VFIO_SNAPSHOT_RANGES_H
#define VFIO_SNAPSHOT_RANGES_H

#include "pure.h"
#include <linux/vfio_snapshot_dirty.h>

/**
 * struct snapshot_ranges - a set of addresses
 * @at: the ranges
 * @n: how many there are
 * @room: how many @at has room for; each call below needs room for one more
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
void snapshot_ranges_fuse(struct snapshot_ranges *set, unsigned int most);

#endif /* VFIO_SNAPSHOT_RANGES_H */
