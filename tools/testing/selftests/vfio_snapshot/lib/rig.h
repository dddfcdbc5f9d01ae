/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device with a driver and traffic, and the checks after every fault: the
 * reported state is true, the device comes back, nothing is left behind. The
 * lab block shows what the device really does; without one, those checks are
 * left out.
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
	struct lab lab;			/* lab.regs is NULL without a lab block */
	uint64_t objects;		/* on the NIC when no session is open */
	volatile uint64_t *counter;	/* written by the lab's writer, in guest memory */
	struct blob saved;		/* a stream that the device accepts */
	char why[256];
};

/* 0, -ENODEV for a NIC that is not in the table, or another -errno */
int rig_open(struct rig *rig, const char *bdf);
void rig_close(struct rig *rig);

/* Traffic on every queue pair, with @restart after the driver is started again */
int rig_traffic(struct rig *rig, bool restart);
/* Why the level or the DMA of the device contradicts the reported state */
const char *rig_lies(struct rig *rig);
/*
 * After @run, with the fault turned off: why the device does not come back to
 * RUNNING with traffic. A reset is only needed in ERROR, and without a fault
 * only a failed load leads there.
 */
const char *rig_not_back(struct rig *rig, const struct sequence_run *run);
/* Why @s fails without a fault, or what it leaves on the NIC */
const char *rig_not_whole(struct rig *rig, const struct sequence *s);
/* A fresh start after a complaint, so that the next trial does not depend on this one */
int rig_mend(struct rig *rig);

/* As NEEDS_LAB(), for an open rig */
#define RIG_NEEDS_LAB(rig) \
	do { \
		if (!(rig)->lab.regs && !getenv("VFIO_SNAPSHOT_LAB")) \
			SKIP(return, "the NIC has no lab block"); \
		ASSERT_NE(NULL, (rig)->lab.regs); \
	} while (0)

#endif /* RIG_H */
