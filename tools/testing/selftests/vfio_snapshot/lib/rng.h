/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers that can be repeated */
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

struct rng {
	uint64_t x;
};

/*
 * Uses VFIO_SNAPSHOT_SEED, or sets it to a new seed and prints that. Called by
 * main(), so that all tests of a program use the same seed.
 */
void rng_init(void);
/* A sequence of its own for each @name, from the program's seed */
struct rng rng_make(const char *name);
uint64_t rng_next(struct rng *rng);
/* 0 to @n - 1; 0 when @n is 0 */
uint64_t rng_below(struct rng *rng, uint64_t n);

#endif /* RNG_H */
