/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests that let something happen to a device in each of its states: how a
 * device with a driver and traffic gets there, and whether it works afterwards.
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
	struct blob stream;	/* RESUMING, ERROR: what is loaded */
	size_t written;		/* bytes of it that were written */
};

/* What a step of a test returns: 0, or this after saying what went wrong */
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

/* A step that has spoken for itself */
#define PASS_ON(step) \
	do { \
		int _ret = (step); \
		if (_ret) \
			return _ret; \
	} while (0)

#define NR_PAIR_STATES 8
extern const uint32_t pair_states[NR_PAIR_STATES];

void pair_init(struct pair *p, uint32_t state);
/* Opens the device and gives it memory; its driver is not started */
int pair_open(struct pair *p);
/* Opens the device, lets its driver run, and goes to p->state, in mid-stream */
int pair_enter(struct pair *p);
/* As the one who migrates would: on to RUNNING, or a reset where there is no way */
int pair_carry_on(struct pair *p);
/* Every call on the data fd, if there is one, finds it dead */
int pair_fd_is_dead(struct pair *p);
/* The device is RUNNING, sends, and is what it was after save, reset, restore */
int pair_works(struct pair *p);
/* Closes the device, and the data fd */
void pair_close(struct pair *p);
void pair_close_fd(struct pair *p);

/* What tests of all pairs must not leave behind */
struct pair_ledger {
	struct lab lab;
	uint64_t objects;	/* of the firmware */
	struct {
		char name[64];
		int users;
	} modules[2];	/* that of the driver, and the core's */
};

int ledger_open(struct pair_ledger *ledger);
/* 0 if nothing is held that was not at the start; says what */
int ledger_check(struct pair_ledger *ledger);
int count_fds(void);

/*
 * A process of its own brings the device to the state, does @then, and holds it
 * all until it is killed. -1 if it does not come to that.
 */
pid_t pair_start_holder(struct pair *p, int (*then)(struct pair *p));
int pair_kill_holder(pid_t pid);

#endif /* PAIR_H */
