// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rng.h"

#define SEED "VFIO_SNAPSHOT_SEED"

void rng_init(void)
{
	struct timespec now;
	char seed[24];

	if (!getenv(SEED)) {
		clock_gettime(CLOCK_REALTIME, &now);
		snprintf(seed, sizeof(seed), "%llu",
			 now.tv_sec * 1000000ULL + now.tv_nsec / 1000);
		setenv(SEED, seed, 1);
	}
	printf("# to repeat: %s=%s\n", SEED, getenv(SEED));
	fflush(stdout);
}

struct rng rng_make(const char *name)
{
	const char *seed = getenv(SEED);
	struct rng rng = { 0xcbf29ce484222325ull };

	for (; *name; name++)
		rng.x = (rng.x ^ *name) * 0x100000001b3ull;
	rng.x ^= (seed ? strtoull(seed, NULL, 0) : 0) * 0x9e3779b97f4a7c15ull;
	if (!rng.x)
		rng.x = 1;
	return rng;
}

uint64_t rng_next(struct rng *rng)
{
	rng->x ^= rng->x >> 12;
	rng->x ^= rng->x << 25;
	rng->x ^= rng->x >> 27;
	return rng->x * 0x2545f4914f6cdd1dull;
}

uint64_t rng_below(struct rng *rng, uint64_t n)
{
	return n ? (rng_next(rng) >> 11) % n : 0;
}
