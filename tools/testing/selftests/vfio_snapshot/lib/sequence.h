/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What userspace does with a migratable device, as tables of steps: so that a
 * fault can be put before each of them in turn.
 */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include "vfio_mig.h"

enum step_op {
	STEP_END,
	STEP_SET,	/* go to .state */
	STEP_BREAK,	/* go to .state, which must end in ERROR */
	STEP_READ,	/* the data fd, to its end, temporary or final */
	STEP_WRITE,	/* the whole given stream to the data fd */
	STEP_INFO,	/* ask the data fd how much is left */
	STEP_SIZE,	/* ask the device for the size of its state */
	STEP_RESET,	/* VFIO_DEVICE_RESET, after which it must be RUNNING */
};

struct step {
	enum step_op op;
	enum vfio_device_mig_state state;
};

#define MAX_STEPS 12

/* Each begins and ends in RUNNING. */
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
	int err;		/* 0, or -errno of the step that failed */
	unsigned int step;	/* which: an index of steps[] */
	enum step_op op;	/* what it was */
	int from;		/* reported before that step */
	int state;		/* reported now, or -errno */
	bool was_reset;		/* on the way: a driver has to begin again */
	struct blob out;	/* what was read */
};

/*
 * Runs @s on a device in RUNNING; @in is what STEP_WRITE writes. @run says what
 * came of it, its @out is freed by the caller. Return: run->err.
 */
int sequence_run(const struct sequence *s, struct vfio_dev *dev,
		 const struct blob *in, struct sequence_run *run);

bool sequence_resets_device(const struct sequence *s);
/* Whether a failed walk from @from to @to may have ended in @now */
bool sequence_may_rest(int from, int to, int now);

#endif /* SEQUENCE_H */
