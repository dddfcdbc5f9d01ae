/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's trace events of its page allocator, counted between two moments */
#ifndef PAGES_H
#define PAGES_H

struct pages {
	char trace[64];			/* where tracefs is */
	unsigned long long allocated;	/* calls, of any size */
	unsigned long long freed;
	char mounted[32];
};

int pages_open(struct pages *p);
void pages_begin(struct pages *p);
void pages_end(struct pages *p);
void pages_close(struct pages *p);

#endif /* PAGES_H */
