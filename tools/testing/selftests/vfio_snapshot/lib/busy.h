/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that use a device or its data fd all the time. They fail when a call
 * returns what no call may return.
 */
#ifndef BUSY_H
#define BUSY_H

#include <pthread.h>

#include "pair.h"

struct busy {
	struct pair *pair;
	/* One use of the device. Prints what was wrong and returns false. */
	bool (*use)(struct busy *busy);
	uint8_t *buffer;	/* memory that streams are copied to and from */
	size_t len;
	unsigned int seed;
	bool stop;
	bool failed;
	pthread_t thread;
};

/* Reads and polls p->fd and asks it for precopy info. p->fd may change meanwhile. */
bool busy_reading(struct busy *busy);
/* Writes the stream of @pair to p->fd, again and again */
bool busy_writing(struct busy *busy);
/* Sets random states and puts each new data fd into p->fd */
bool busy_setting(struct busy *busy);
/* Calls that only ask: state, sizes, arcs, precopy info */
bool busy_asking(struct busy *busy);

int busy_start(struct busy *busy, struct pair *p, bool (*use)(struct busy *busy));
/* The function for the data fd of @p's state: reading or writing */
bool (*busy_using(const struct pair *p))(struct busy *busy);
#define NR_BUSY 3
/* Starts one thread that sets states, one that asks and one that uses the data fd */
int busy_start_all(struct busy busy[NR_BUSY], struct pair *p);
/* Stops the thread after at least one use: PAIR_FAILED if something was wrong */
int busy_stop(struct busy *busy);
/* As mig_set(), and puts a new data fd in the place of p->fd */
int busy_set_state(struct pair *p, uint32_t state);

#endif /* BUSY_H */
