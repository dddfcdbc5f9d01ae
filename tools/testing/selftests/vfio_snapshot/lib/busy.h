/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that use a device, or its data fd, all the time, and note what must
 * not be.
 */
#ifndef BUSY_H
#define BUSY_H

#include <pthread.h>

#include "pair.h"

struct busy {
	struct pair *pair;
	/* One use of the device; false: what came back is wrong, and was said */
	bool (*use)(struct busy *busy);
	uint8_t *buffer;	/* memory that streams are copied to and from */
	size_t len;
	unsigned int seed;
	bool stop;
	bool failed;
	pthread_t thread;
};

/* Reads, polls and asks about the data fd p->fd, whichever that is at present */
bool busy_reading(struct busy *busy);
/* Writes the stream of @pair, over and over, to p->fd */
bool busy_writing(struct busy *busy);
/* Sets states, a random one each time, and gives a new data fd to p->fd */
bool busy_setting(struct busy *busy);
/* Everything that only looks: state, sizes, arcs, the data fd's questions */
bool busy_asking(struct busy *busy);

int busy_start(struct busy *busy, struct pair *p, bool (*use)(struct busy *busy));
/* What uses the data fd of @p's state */
bool (*busy_using(const struct pair *p))(struct busy *busy);
#define NR_BUSY 3
/* One that sets states, one that asks, one that uses the data fd */
int busy_start_all(struct busy busy[NR_BUSY], struct pair *p);
/* Ends it, after one use at least: PAIR_FAILED if something was wrong */
int busy_stop(struct busy *busy);
/* Sets @state; a new data fd takes the place of p->fd. As mig_set(). */
int busy_set_state(struct pair *p, uint32_t state);

#endif /* BUSY_H */
