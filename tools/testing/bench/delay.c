// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small state, and a firmware that takes 1 ms for each command: the blackout
 * of one device, and of many that migrate at once.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "drive.h"

#define DELAY_US 1000
#define PAIRS 16

struct one {
	struct drive d;
	pthread_t thread;
	pthread_barrier_t *start;
	uint64_t ns;		/* of its blackout */
	int ret;
};

static int timed_blackout(struct one *one)
{
	uint64_t begin = now_ns();
	int ret = drive_blackout(&one->d);

	one->ns = now_ns() - begin;
	return ret;
}

static void *thread(void *arg)
{
	struct one *one = arg;

	pthread_barrier_wait(one->start);
	one->ret = timed_blackout(one);
	return NULL;
}

static int run_blackout(struct one *one)
{
	lab_delay(&one->d.lab, DELAY_US);
	TRY(timed_blackout(one));
	lab_delay(&one->d.lab, 0);
	return 0;
}

/* Each pair of devices is a source and its destination. */
static int measure(const struct devices *devices, unsigned int pairs,
		   int (*blackouts)(struct one *all, unsigned int pairs),
		   const char *name)
{
	uint64_t slowest = 0;
	struct one *all;
	unsigned int i;

	all = calloc(pairs, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (i = 0; i < pairs; i++) {
		struct devices pair = { .bdf = devices->bdf + 2 * i, .nr = 2 };

		TRY(drive_open(&all[i].d, &pair));
	}
	for (i = 0; i < pairs; i++)
		TRY(drive_prepare(&all[i].d));
	usleep(MEMORY_US);
	for (i = 0; i < pairs; i++)
		TRY(drive_ask_pending(&all[i].d));
	usleep(SETTLE_US);
	TRY(blackouts(all, pairs));
	for (i = 0; i < pairs; i++) {
		TRY(all[i].ret);
		if (all[i].ns > slowest)
			slowest = all[i].ns;
		NOTE("pair %u: %llu ns", i, (unsigned long long)all[i].ns);
	}
	for (i = 0; i < pairs; i++) {
		TRY(drive_finish(&all[i].d));
		TRY(drive_check(&all[i].d));
	}
	FIGURE("ns", slowest, "%s", name);
	for (i = 0; i < pairs; i++)
		drive_close(&all[i].d);
	free(all);
	return 0;
}

static int in_turn(struct one *all, unsigned int pairs)
{
	unsigned int i;

	for (i = 0; i < pairs; i++)
		TRY(run_blackout(&all[i]));
	return 0;
}

static int at_once(struct one *all, unsigned int pairs)
{
	pthread_barrier_t start;
	unsigned int i;

	pthread_barrier_init(&start, NULL, pairs + 1);
	for (i = 0; i < pairs; i++) {
		all[i].start = &start;
		if (pthread_create(&all[i].thread, NULL, thread, &all[i]))
			return -EAGAIN;
	}
	/* They all sleep at the barrier. The delay is one register of the PF. */
	usleep(SETTLE_US);
	lab_delay(&all[0].d.lab, DELAY_US);
	pthread_barrier_wait(&start);
	for (i = 0; i < pairs; i++)
		pthread_join(all[i].thread, NULL);
	lab_delay(&all[0].d.lab, 0);
	pthread_barrier_destroy(&start);
	return 0;
}

int run_delay(const struct devices *devices)
{
	return measure(devices, 1, in_turn, "blackout_1ms");
}

int run_alone(const struct devices *devices)
{
	return measure(devices, 1, at_once, "parallel_16/alone");
}

int run_parallel(const struct devices *devices)
{
	return measure(devices, PAIRS, at_once, "parallel_16");
}
