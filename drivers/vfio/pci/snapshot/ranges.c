// SPDX-License-Identifier: GPL-2.0-only
#include <linux/string.h>

#include "ranges.h"

/* Index of the first range that ends at or above @addr, or set->n. */
static unsigned int below(const struct snapshot_ranges *set, u64 addr)
{
	unsigned int low = 0, high = set->n;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (set->at[mid].last < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Make room for @n ranges in the place of @from to @to - 1; the caller fills them. */
static void replace(struct snapshot_ranges *set, unsigned int from, unsigned int to,
		    unsigned int n)
{
	memmove(&set->at[from + n], &set->at[to], (set->n - to) * sizeof(*set->at));
	set->n += n - (to - from);
}

/**
 * snapshot_ranges_add - add addresses to a set
 * @set: the set
 * @first: lowest address
 * @last: highest address
 */
void snapshot_ranges_add(struct snapshot_ranges *set, u64 first, u64 last)
{
	/* Start one below: adjacent ranges are merged. */
	unsigned int from = below(set, first ? first - 1 : 0), to = from;

	while (to < set->n && (!set->at[to].first || set->at[to].first - 1 <= last)) {
		if (set->at[to].first < first)
			first = set->at[to].first;
		if (set->at[to].last > last)
			last = set->at[to].last;
		to++;
	}
	replace(set, from, to, 1);
	set->at[from] = (struct vfio_snapshot_range){ first, last };
}

/**
 * snapshot_ranges_cut - remove addresses from a set
 * @set: the set
 * @first: lowest address
 * @last: highest address
 */
void snapshot_ranges_cut(struct snapshot_ranges *set, u64 first, u64 last)
{
	unsigned int from = below(set, first), to = from, n = 0;
	struct vfio_snapshot_range left[2];

	while (to < set->n && set->at[to].first <= last)
		to++;
	if (from == to)
		return;
	if (set->at[from].first < first)
		left[n++] = (struct vfio_snapshot_range){ set->at[from].first, first - 1 };
	if (set->at[to - 1].last > last)
		left[n++] = (struct vfio_snapshot_range){ last + 1, set->at[to - 1].last };
	replace(set, from, to, n);
	memcpy(&set->at[from], left, n * sizeof(*left));
}

/**
 * snapshot_ranges_next - find the first addresses of a set in an interval
 * @set: the set
 * @first: lowest address of the interval
 * @last: highest address of the interval
 * @part: set to the part of the first matching range that is in the interval
 *
 * Return: true if there is one.
 */
bool snapshot_ranges_next(const struct snapshot_ranges *set, u64 first, u64 last,
			  struct vfio_snapshot_range *part)
{
	unsigned int i = below(set, first);

	if (i == set->n || set->at[i].first > last)
		return false;
	*part = set->at[i];
	if (part->first < first)
		part->first = first;
	if (part->last > last)
		part->last = last;
	return true;
}
