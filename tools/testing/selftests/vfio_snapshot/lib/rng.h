/* SPDX-License-Identifier: GPL-2.0-only */
/* Noise that can be had again */
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

struct rng {
	uint64_t x;
};

/*
 * VFIO_SNAPSHOT_SEED, or a new one that is put there and printed: to be called
 * by main(), so that all tests of a program have it.
 */
void rng_init(void);
/* Of the program's seed, a sequence for each @name */
struct rng rng_make(const char *name);
uint64_t rng_next(struct rng *rng);
/* 0 to @n - 1; 0 when @n is 0 */
uint64_t rng_below(struct rng *rng, uint64_t n);

#endif /* RNG_H */
