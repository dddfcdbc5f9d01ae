/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The caller's use of the kernel's page allocator between two moments, by the
 * kernel's own trace events.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stdbool.h>

#define TRACEFS "/sys/kernel/tracing/"

/* The kernel's recorder: 0, or -ENODEV where it has none */
int tracefs_open(bool *mounted);
int tracefs_put(const char *file, const char *value);
/* Everything in it off */
void tracefs_close(bool mounted);

struct pages {
	unsigned long long allocated;	/* calls, whatever the order */
	unsigned long long freed;
	bool mounted;
};

/* 0, -ENODEV where the kernel has no such events, or another -errno */
int pages_open(struct pages *p);
void pages_begin(struct pages *p);
/* Sets the figures; the first few events are printed as comments. */
void pages_end(struct pages *p);
void pages_close(struct pages *p);

#endif /* PAGES_H */
