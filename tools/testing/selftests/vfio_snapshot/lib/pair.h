/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests that run an event in each state: brings a device with a driver and
 * traffic to the state, and checks afterwards that it works.
 */
#ifndef PAIR_H
#define PAIR_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lab.h"
#include "work.h"

struct pair {
	uint32_t state;
	struct vfio_dev dev;
	struct work work;
	int fd;			/* data fd of the state, or -1 */
	struct blob stream;	/* the stream to load, in RESUMING and ERROR */
	size_t written;		/* bytes of it that were written */
};

/* Return values of a step: 0, or PAIR_FAILED after the step printed why */
#define PAIR_FAILED 1
#define PAIR_SKIP 4

#define NEED(call) \
	do { \
		int _ret = (call); \
		if (_ret) { \
			printf("# %s:%d: %s: %d (%s)\n", __func__, __LINE__, \
			       #call, _ret, strerror(_ret < 0 ? -_ret : _ret)); \
			return PAIR_FAILED; \
		} \
	} while (0)

#define WANT(condition) \
	do { \
		if (!(condition)) { \
			printf("# %s:%d: not so: %s\n", __func__, __LINE__, \
			       #condition); \
			return PAIR_FAILED; \
		} \
	} while (0)

/* For a step that prints its failure itself */
#define PASS_ON(step) \
	do { \
		int _ret = (step); \
		if (_ret) \
			return _ret; \
	} while (0)

#define NR_PAIR_STATES 8
extern const uint32_t pair_states[NR_PAIR_STATES];

void pair_init(struct pair *p, uint32_t state);
/* Opens the device and maps its memory; does not start a driver */
int pair_open(struct pair *p);
/*
 * Opens the device, starts its driver and goes to p->state, in the middle of
 * the stream
 */
int pair_enter(struct pair *p);
/*
 * Completes the migration or gives it up: on to RUNNING, or a reset where no
 * arc leads there
 */
int pair_carry_on(struct pair *p);
/* Every call on the data fd returns ENODEV */
int pair_fd_is_dead(struct pair *p);
/* The device is RUNNING, sends, and works after save, reset and load */
int pair_works(struct pair *p);
/* Close the device and its data fd, or the data fd alone */
void pair_close(struct pair *p);
void pair_close_fd(struct pair *p);

/* What the tests must not leave behind */
struct pair_ledger {
	struct lab lab;
	uint64_t objects;	/* in the firmware */
	struct {
		char name[64];
		int users;
	} modules[2];	/* the driver's module and the core's */
};

int ledger_open(struct pair_ledger *ledger);
/* 0 if nothing is held that was not held at the start. Prints what is. */
int ledger_check(struct pair_ledger *ledger);
int count_fds(void);

/*
 * A new process brings the device to the state, runs @then, and keeps
 * everything open until it is killed. Returns -1 if one of the steps fails.
 */
pid_t pair_start_holder(struct pair *p, int (*then)(struct pair *p));
int pair_kill_holder(pid_t pid);

#endif /* PAIR_H */
