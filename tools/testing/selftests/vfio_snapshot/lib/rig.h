/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device at work, and the questions that every test of a fault asks of it
 * afterwards: is the reported state true, does the device come back, is
 * anything left behind. What the device really does comes from the NIC's lab
 * block; without one, the questions that need it are not asked.
 *
 * Functions that return a string return NULL when all is well.
 */
#ifndef RIG_H
#define RIG_H

#include "lab.h"
#include "nic.h"
#include "sequence.h"
#include "work.h"

struct rig {
	struct vfio_dev dev;
	const struct nic *nic;
	struct work work;		/* a driver with traffic on all queues */
	struct lab lab;			/* lab.regs is NULL where there is none */
	uint64_t objects;		/* on the NIC, when nothing is going on */
	volatile uint64_t *counter;	/* the pattern writer's, in guest memory */
	struct blob saved;		/* a stream that the device takes */
	char why[256];
};

/* 0, -ENODEV when this is none of the NICs that we know, or another -errno */
int rig_open(struct rig *rig, const char *bdf);
void rig_close(struct rig *rig);

/* Traffic on every queue pair: of the driver as it is, or of a new one */
int rig_traffic(struct rig *rig, bool restart);
/* The reported state is what the device does: its level, and its DMA */
const char *rig_lies(struct rig *rig);
/*
 * After @run, with no fault any more: back in RUNNING with traffic, by a reset
 * if the device is in ERROR, which only what was being loaded may lead to
 * without one.
 */
const char *rig_not_back(struct rig *rig, const struct sequence_run *run);
/* @s passes now, the driver has its traffic, and nothing is left on the NIC */
const char *rig_not_whole(struct rig *rig, const struct sequence *s);
/* After a complaint: a fresh start, so that the next trial stands for itself */
int rig_mend(struct rig *rig);

/* As NEEDS_LAB(), for a rig that is open */
#define RIG_NEEDS_LAB(rig) \
	do { \
		if (!(rig)->lab.regs && !getenv("VFIO_SNAPSHOT_LAB")) \
			SKIP(return, "the NIC has no lab block"); \
		ASSERT_NE(NULL, (rig)->lab.regs); \
	} while (0)

#endif /* RIG_H */
