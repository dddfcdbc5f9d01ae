/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All ways to read a saving data fd or to write a resuming one, each in one
 * call: sizes, vectors, kinds of memory, and calls that a stream must refuse.
 */
#ifndef WAYS_H
#define WAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rng.h"

/* Memory that is bad from a page boundary on */
enum edge {
	EDGE_NO_ACCESS,
	EDGE_UNMAPPED,
	EDGE_BEYOND_FILE,
	EDGE_READ_ONLY,		/* bad as the target of a read only */
	NR_EDGES,
};

#define EDGE_ROOM 65536		/* good bytes before the boundary */

struct ways {
	struct rng rng;
	uint8_t *edge[NR_EDGES];
	int pipe[2];
	int file;
};

/* @name selects the random sequence of sizes */
int ways_init(struct ways *w, const char *name);
void ways_free(struct ways *w);

struct way {
	const char *name;
	/*
	 * Moves at most @len bytes (one at least) of @buf: the count, or -errno.
	 * *@fit: bytes before the bad part of the memory.
	 */
	ssize_t (*move)(struct ways *w, int fd, uint8_t *buf, size_t len,
			size_t *fit, int arg);
	int arg;
	int refused;	/* the errno that this way always fails with */
	bool shorter;	/* it may move fewer bytes than fit */
};

extern const struct way read_ways[], write_ways[];
extern const unsigned int nr_read_ways, nr_write_ways;

/* One call with memory of which @good bytes, at most EDGE_ROOM, are good */
ssize_t read_at_edge(struct ways *w, int fd, uint8_t *buf, size_t good,
		     enum edge edge);
ssize_t write_at_edge(struct ways *w, int fd, const uint8_t *buf, size_t good,
		      enum edge edge);

#endif /* WAYS_H */
