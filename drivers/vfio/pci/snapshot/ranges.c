// SPDX-License-Identifier: GPL-2.0-only
#include "ranges.h"

/* How many of the ranges end below @addr: the first others may have it in them. */
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

/* The ranges @from to @to - 1 make way for @n, which the caller fills in. */
static void replace(struct snapshot_ranges *set, unsigned int from, unsigned int to,
		    unsigned int n)
{
	memmove(&set->at[from + n], &set->at[to], (set->n - to) * sizeof(*set->at));
	set->n += n - (to - from);
}

/**
 * snapshot_ranges_add - put addresses into a set
 * @set: the set
 * @first: lowest of them
 * @last: highest of them
 */
void snapshot_ranges_add(struct snapshot_ranges *set, u64 first, u64 last)
{
	/* Neighbours that touch become one. */
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
 * snapshot_ranges_cut - take addresses out of a set
 * @set: the set
 * @first: lowest of them
 * @last: highest of them
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
 * snapshot_ranges_next - the first addresses of a set within others
 * @set: the set
 * @first: lowest of the others
 * @last: highest of the others
 * @part: set to what they have in common, as far as it is one piece
 *
 * Return: whether there is anything.
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

/**
 * snapshot_ranges_fuse - make do with fewer ranges, by adding what is between some
 * @set: the set
 * @most: ranges that may be left, at least 1
 *
 * Fills the narrowest gaps.
 */
void snapshot_ranges_fuse(struct snapshot_ranges *set, unsigned int most)
{
	while (set->n > most) {
		u64 gap, least = ~0ull;
		unsigned int i, at = 1;

		for (i = 1; i < set->n; i++) {
			gap = set->at[i].first - set->at[i - 1].last;
			if (gap < least) {
				least = gap;
				at = i;
			}
		}
		set->at[at].first = set->at[at - 1].first;
		replace(set, at - 1, at, 0);
	}
}
