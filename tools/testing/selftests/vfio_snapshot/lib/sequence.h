/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What userspace does with a device, as tables of steps, so that a fault can be
 * put before each step.
 */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include "vfio_mig.h"

enum step_op {
	STEP_END,
	STEP_SET,	/* set .state */
	STEP_BREAK,	/* set .state, which must end in ERROR */
	STEP_READ,	/* read the data fd to its temporary or final end */
	STEP_WRITE,	/* write the whole stream to the data fd */
	STEP_INFO,	/* ask the data fd for precopy info */
	STEP_SIZE,	/* ask the device for the size of its state */
	STEP_RESET,	/* VFIO_DEVICE_RESET, after which the state must be RUNNING */
};

struct step {
	enum step_op op;
	enum vfio_device_mig_state state;
};

#define MAX_STEPS 12

/* A sequence begins and ends in RUNNING. */
struct sequence {
	const char *name;
	struct step steps[MAX_STEPS];
};

extern const struct sequence sequence_size, sequence_save, sequence_precopy,
	sequence_resume;
/* From each saving state back to RUNNING, and a reset in each state */
#define NR_CANCELS 4
extern const struct sequence sequence_cancels[NR_CANCELS];
#define NR_RESETS 8
extern const struct sequence sequence_resets[NR_RESETS];

struct sequence_run {
	int err;		/* 0, or -errno of the failed step */
	unsigned int step;	/* index of the last step */
	enum step_op op;	/* the last step's */
	int from;		/* state before the last step */
	int state;		/* state now, or -errno */
	bool was_reset;		/* the device was reset, its driver has to start again */
	struct blob out;	/* bytes that were read */
};

/*
 * Runs @s on a device in RUNNING. @in: the stream for STEP_WRITE. @run is
 * filled in; the caller frees @out. Returns run->err.
 */
int sequence_run(const struct sequence *s, struct vfio_dev *dev,
		 const struct blob *in, struct sequence_run *run);

bool sequence_resets_device(const struct sequence *s);
/* Whether @now is possible after a walk from @from to @to failed */
bool sequence_may_rest(int from, int to, int now);

#endif /* SEQUENCE_H */
