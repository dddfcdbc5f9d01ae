/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What modules let the kernel's workers do for them: what a driver puts off
 * until the guest runs again, told apart from what the kernel does anyway.
 */
#ifndef WORKS_H
#define WORKS_H

#include <stdbool.h>
#include <stdint.h>

struct works {
	bool mounted;
};

/* From here on they are recorded. */
int works_begin(struct works *w);
/* Nanoseconds that they took */
uint64_t works_end(struct works *w);

#endif /* WORKS_H */
