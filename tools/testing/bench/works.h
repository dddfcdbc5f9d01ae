/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time that kernel workers spend on work of modules: what a driver defers until the
 * guest runs again, without the kernel's own work.
 */
#ifndef WORKS_H
#define WORKS_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_WORKS 256

struct works {
	bool mounted;
	unsigned int nr;
	struct {
		double begin, end;	/* seconds of CLOCK_MONOTONIC */
	} work[MAX_WORKS];
};

/* Starts to record */
int works_begin(struct works *w);
/* Stops, returns the ns that the work took */
uint64_t works_end(struct works *w);
/* After works_end(): the part of it between two times of now_ns(), to 1 us */
uint64_t works_between(const struct works *w, uint64_t begin, uint64_t end);

#endif /* WORKS_H */
