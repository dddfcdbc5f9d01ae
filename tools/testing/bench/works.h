/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time that kernel workers spend on work of modules: what a driver defers until the
 * guest runs again, without the kernel's own work.
 */
#ifndef WORKS_H
#define WORKS_H

#include <stdbool.h>
#include <stdint.h>

struct works {
	bool mounted;
};

/* Starts to record */
int works_begin(struct works *w);
/* Stops, returns the ns that the work took */
uint64_t works_end(struct works *w);

#endif /* WORKS_H */
