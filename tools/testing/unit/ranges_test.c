// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares sets of ranges with a bitmap of 64 addresses: the lowest ones, some in
 * the middle, and the highest.
 */
#include <stdlib.h>
#include <linux/array_size.h>

#include "ranges.h"
#include "tap.h"

#define ADDRESSES	64
/* At most half of the addresses, as ranges have gaps; and room for one more */
#define ROOM		(ADDRESSES / 2 + 1)

static const u64 bases[] = { 0, 0x123456789000, ~0ull - (ADDRESSES - 1) };

static u64 mask(unsigned int first, unsigned int last)
{
	return ~0ull >> (63 - (last - first)) << first;
}

/* The set has the addresses of @bits in as few ranges as possible. */
static bool equals(const struct snapshot_ranges *set, u64 base, u64 bits)
{
	unsigned int i;
	u64 has = 0;

	for (i = 0; i < set->n; i++) {
		const struct vfio_snapshot_range *r = &set->at[i];

		if (r->first > r->last || r->first < base || r->last - base >= ADDRESSES)
			return false;
		if (i && (r->first <= set->at[i - 1].last ||
			  r->first - 1 == set->at[i - 1].last))
			return false;
		has |= mask(r->first - base, r->last - base);
	}
	return has == bits;
}

static void each_address_is_in_or_out(void)
{
	struct snapshot_ranges set = { .at = calloc(ROOM, sizeof(*set.at)), .room = ROOM };
	struct vfio_snapshot_range part;
	unsigned int round, i;

	srandom(1);
	for (round = 0; round < 300000; round++) {
		u64 base = bases[round / 100 % ARRAY_SIZE(bases)], common;
		static u64 bits;
		unsigned int a = random() % ADDRESSES;
		unsigned int b = a + random() % (random() % 8 ? 4 : ADDRESSES);

		if (round % 100 == 0)
			set.n = bits = 0;
		if (b >= ADDRESSES)
			b = ADDRESSES - 1;
		if (random() % 2) {
			snapshot_ranges_add(&set, base + a, base + b);
			bits |= mask(a, b);
		} else {
			snapshot_ranges_cut(&set, base + a, base + b);
			bits &= ~mask(a, b);
		}
		CHECK(equals(&set, base, bits), "round %u: %#llx", round,
		      (unsigned long long)bits);

		i = random() % ADDRESSES;
		b = i + random() % (ADDRESSES - i);
		common = bits & mask(i, b);
		if (!snapshot_ranges_next(&set, base + i, base + b, &part)) {
			CHECK(!common, "round %u: nothing from %u to %u", round, i, b);
			continue;
		}
		CHECK(common && part.first - base == (u64)__builtin_ctzll(common) &&
		      (common & mask(part.first - base, part.last - base)) ==
		      mask(part.first - base, part.last - base) &&
		      (part.last - base == b || !(bits >> (part.last - base) >> 1 & 1)),
		      "round %u: the first from %u to %u", round, i, b);
	}
	free(set.at);
}

int main(void)
{
	static const struct tap_test tests[] = {
		TAP_TEST(each_address_is_in_or_out),
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
