/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lab block of the emulated NIC, for a test of one of its VFs: it makes
 * firmware commands fail, counts them, and shows what the VF really does. lab-
 * regs.h describes the registers.
 */
#ifndef LAB_H
#define LAB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../../../qemu/lab/lab-regs.h"

struct lab {
	volatile uint64_t *regs;	/* NULL: the lab is not open */
	size_t len;		/* size of the BAR */
	char pf[16];
	unsigned int vf;		/* N of virtfnN */
	/*
	 * The last lab_fail(): command count before it, opcode, and which command
	 * fails
	 */
	uint64_t fail_from;
	unsigned int fail_opcode;
	unsigned int fail_nth;
};

/*
 * Opens the lab block of the PF of @vf_bdf and turns everything in it off.
 * -ENODEV without a lab block, as on real hardware.
 */
int lab_open(struct lab *lab, const char *vf_bdf);
/*
 * Turns everything off and releases held commands. Does nothing when the lab is
 * not open.
 */
void lab_close(struct lab *lab);

uint64_t lab_get(struct lab *lab, unsigned int reg);
void lab_set(struct lab *lab, unsigned int reg, uint64_t value);
/* LAB_VF_* registers of this VF */
uint64_t lab_vf_get(struct lab *lab, unsigned int reg);
void lab_vf_set(struct lab *lab, unsigned int reg, uint64_t value);

void lab_reset(struct lab *lab);
/* @only: faults hit only commands for this VF, else those for any VF */
void lab_only_this_vf(struct lab *lab, bool only);
/* @status: as the device encodes it, positive. @flags: LAB_FAIL_AFTER, LAB_FAIL_ON */
void lab_fail(struct lab *lab, unsigned int opcode, unsigned int nth,
	      uint32_t status, unsigned int flags);
/* Whether the failing command has come. Only right if no other VF sends commands. */
bool lab_fail_met(struct lab *lab);
void lab_fail_off(struct lab *lab);
void lab_drop(struct lab *lab, unsigned int opcode, unsigned int nth);
void lab_delay(struct lab *lab, unsigned int us);
void lab_corrupt(struct lab *lab, unsigned int nth, unsigned int offset,
		 uint8_t mask);
void lab_mark(struct lab *lab, bool begin);
uint64_t lab_count(struct lab *lab, unsigned int opcode);
uint64_t lab_between(struct lab *lab, unsigned int opcode);
/* Commands of all opcodes between the marks */
uint64_t lab_between_all(struct lab *lab);
/* Number of resource objects once earlier sessions have removed theirs */
uint64_t lab_objects_at_rest(struct lab *lab);
/* Waits until there are @want resource objects: 0 or -ETIMEDOUT */
int lab_wait_objects(struct lab *lab, uint64_t want);

bool lab_stopped(struct lab *lab);
/* LAB_VF_STOPPED and LAB_VF_QUIET of the VF */
uint64_t lab_halted(struct lab *lab);
void lab_writer_start(struct lab *lab, uint64_t iova, unsigned int us);
void lab_writer_stop(struct lab *lab);

/*
 * Opens @lab for @bdf, or skips the test. With VFIO_SNAPSHOT_LAB set, a missing
 * lab block is a failure.
 */
#define NEEDS_LAB(lab, bdf) \
	do { \
		int _lab_err = lab_open(lab, bdf); \
		if (_lab_err == -ENODEV && !getenv("VFIO_SNAPSHOT_LAB")) \
			SKIP(return, "the NIC has no lab block"); \
		ASSERT_EQ(0, _lab_err); \
	} while (0)

#endif /* LAB_H */
