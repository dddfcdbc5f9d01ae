/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the scenarios of mig_bench: output of figures, clocks, and TRY().
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfio_mig.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define LARGE (64 * MIB)	/* pad of the state in rows named ..._64m */

/* From the command line, in pairs of source and destination */
struct devices {
	char **bdf;
	unsigned int nr;
};

struct scenario {
	const char *name;
	int (*run)(const struct devices *devices);
	unsigned int devices;	/* number of devices it needs */
	const char *measures;
};

extern const struct scenario scenarios[];
extern const unsigned int nr_scenarios;

int run_small(const struct devices *devices);
int run_arcs(const struct devices *devices);
int run_idle(const struct devices *devices);
int run_delay(const struct devices *devices);
int run_parallel(const struct devices *devices);
int run_alone(const struct devices *devices);
int run_precopy(const struct devices *devices);
int run_drained(const struct devices *devices);
int run_direct(const struct devices *devices);
int run_pages(const struct devices *devices);
int run_memory(const struct devices *devices);
int run_memory_1g(const struct devices *devices);
int run_changed(const struct devices *devices);
int run_changed_delay(const struct devices *devices);
int run_size(const struct devices *devices);
int run_fragmented(const struct devices *devices);

/* Prints one figure, for the report */
#define FIGURE(unit, value, ...) \
	do { \
		printf("bench "); \
		printf(__VA_ARGS__); \
		printf(" %llu %s\n", (unsigned long long)(value), unit); \
		fflush(stdout); \
	} while (0)

#define NOTE(...) \
	do { \
		printf("# "); \
		printf(__VA_ARGS__); \
		printf("\n"); \
		fflush(stdout); \
	} while (0)

/* A step that must succeed: if not, the scenario ends */
#define TRY(call) \
	do { \
		int _ret = (call); \
		if (_ret) { \
			NOTE("%s:%d: %s: %d (%s)", __func__, __LINE__, #call, \
			     _ret, strerror(_ret < 0 ? -_ret : _ret)); \
			return _ret < 0 ? _ret : -_ret; \
		} \
	} while (0)

/* clock.c */
/* CLOCK_MONOTONIC; under icount, virtual time */
uint64_t now_ns(void);
/* CPU time of this process, without interrupts of an idle CPU */
uint64_t own_ns(void);
/* Sleeps until just after a timer tick (every 4 ms), so that a short step meets none */
void past_tick(void);
/* Memory that costs no page fault, because it was written to */
void *touched(size_t len);

#endif /* BENCH_H */
