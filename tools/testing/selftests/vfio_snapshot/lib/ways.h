/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ways in which a program can move bytes out of a saving data fd or into a
 * resuming one, each of them one call: with which sizes, which vectors, which
 * memory, and those that a stream has to refuse.
 */
#ifndef WAYS_H
#define WAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rng.h"

/* Memory in which something is wrong with the bytes from a page border on */
enum edge {
	EDGE_NO_ACCESS,
	EDGE_UNMAPPED,
	EDGE_BEYOND_FILE,
	EDGE_READ_ONLY,		/* wrong for reading an fd only */
	NR_EDGES,
};

#define EDGE_ROOM 65536		/* good bytes in front of it */

struct ways {
	struct rng rng;
	uint8_t *edge[NR_EDGES];
	int pipe[2];
	int file;
};

/* @name: of the sequence that decides on sizes */
int ways_init(struct ways *w, const char *name);
void ways_free(struct ways *w);

struct way {
	const char *name;
	/*
	 * At most @len bytes of @buf, of which there is at least one: the
	 * count, or -errno. @fit: bytes in front of what is wrong with the
	 * memory.
	 */
	ssize_t (*move)(struct ways *w, int fd, uint8_t *buf, size_t len,
			size_t *fit, int arg);
	int arg;
	int refused;	/* the errno that it fails with, whatever the stream holds */
	bool shorter;	/* it may move fewer bytes than fit */
};

extern const struct way read_ways[], write_ways[];
extern const unsigned int nr_read_ways, nr_write_ways;

/* One call whose memory is good for @good bytes, at most EDGE_ROOM, and bad behind them */
ssize_t read_at_edge(struct ways *w, int fd, uint8_t *buf, size_t good,
		     enum edge edge);
ssize_t write_at_edge(struct ways *w, int fd, const uint8_t *buf, size_t good,
		      enum edge edge);

#endif /* WAYS_H */
