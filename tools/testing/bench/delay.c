// SPDX-License-Identifier: GPL-2.0-only
/*
 * The blackout with a small state and firmware that takes 1 ms for each command: for one
 * device, and for 16 that migrate at once.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "drive.h"

#define PAIRS 16
#define START_NS 200000000	/* whole ticks; by then all threads sleep */

struct one {
	struct drive d;
	pthread_t thread;
	const uint64_t *start;	/* common start */
	uint64_t ns;		/* length of the blackout */
	int ret;
};

static void sleep_until(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		;
}

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

	sleep_until(*one->start);
	one->ret = timed_blackout(one);
	return NULL;
}

static int run_blackout(struct one *one)
{
	past_tick();
	lab_delay(&one->d.lab, SLOW_US);
	TRY(timed_blackout(one));
	lab_delay(&one->d.lab, 0);
	return 0;
}

/* Pairs of devices: source and destination */
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

/* SCHED_FIFO: a thread runs as soon as it can, until it waits. */
static int create(struct one *one)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_attr_t attr;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	ret = pthread_create(&one->thread, &attr, thread, one);
	pthread_attr_destroy(&attr);
	return -ret;
}

static int at_once(struct one *all, unsigned int pairs)
{
	uint64_t start;
	unsigned int i;

	past_tick();
	start = now_ns() + START_NS;
	lab_delay(&all[0].d.lab, SLOW_US);	/* one register of the PF */
	for (i = 0; i < pairs; i++) {
		all[i].start = &start;
		TRY(create(&all[i]));
	}
	for (i = 0; i < pairs; i++)
		pthread_join(all[i].thread, NULL);
	lab_delay(&all[0].d.lab, 0);
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
