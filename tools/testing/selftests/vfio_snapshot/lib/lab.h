/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lab block of the emulated NIC, seen from a test of one of its VFs: faults
 * of the firmware to order, what the firmware was asked for, and what the VF
 * really does. The registers are described where they are defined.
 */
#ifndef LAB_H
#define LAB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../../../qemu/lab/lab-regs.h"

struct lab {
	volatile uint64_t *regs;	/* NULL: not open */
	size_t len;		/* of the BAR */
	char pf[16];
	unsigned int vf;		/* n of virtfnN */
	/* Of the last lab_fail(): commands before it, and which it is for */
	uint64_t fail_from;
	unsigned int fail_opcode;
	unsigned int fail_nth;
};

/*
 * The lab block of the PF of @vf_bdf, with everything in it off: -ENODEV where
 * there is none, as on real hardware.
 */
int lab_open(struct lab *lab, const char *vf_bdf);
/* Turns everything off and lets held commands go; harmless when not open */
void lab_close(struct lab *lab);

uint64_t lab_get(struct lab *lab, unsigned int reg);
void lab_set(struct lab *lab, unsigned int reg, uint64_t value);
/* LAB_VF_* of the lab's own VF */
uint64_t lab_vf_get(struct lab *lab, unsigned int reg);
void lab_vf_set(struct lab *lab, unsigned int reg, uint64_t value);

void lab_reset(struct lab *lab);
/* Faults hit the commands for this VF alone, or those for any */
void lab_only_this_vf(struct lab *lab, bool only);
/* @status as a device has it: positive; flags: LAB_FAIL_AFTER, LAB_FAIL_ON */
void lab_fail(struct lab *lab, unsigned int opcode, unsigned int nth,
	      uint32_t status, unsigned int flags);
/* Whether the ordered failure has come, if no other VF sends commands */
bool lab_fail_met(struct lab *lab);
void lab_fail_off(struct lab *lab);
void lab_drop(struct lab *lab, unsigned int opcode, unsigned int nth);
void lab_delay(struct lab *lab, unsigned int us);
void lab_corrupt(struct lab *lab, unsigned int nth, unsigned int offset,
		 uint8_t mask);
void lab_mark(struct lab *lab, bool begin);
uint64_t lab_count(struct lab *lab, unsigned int opcode);
uint64_t lab_between(struct lab *lab, unsigned int opcode);
/* Commands of any opcode between the marks */
uint64_t lab_between_all(struct lab *lab);
/* Resource objects, when what earlier sessions left is gone */
uint64_t lab_objects_at_rest(struct lab *lab);
/* Waits, with a limit, until there are @want resource objects: 0 or -ETIMEDOUT */
int lab_wait_objects(struct lab *lab, uint64_t want);

bool lab_stopped(struct lab *lab);
/* LAB_VF_STOPPED and LAB_VF_QUIET, as they are */
uint64_t lab_halted(struct lab *lab);
void lab_writer_start(struct lab *lab, uint64_t iova, unsigned int us);
void lab_writer_stop(struct lab *lab);

/*
 * Opens @lab for @bdf or skips the test. Where the caller of the tests says that
 * there is a lab block, its absence is a failure.
 */
#define NEEDS_LAB(lab, bdf) \
	do { \
		int _lab_err = lab_open(lab, bdf); \
		if (_lab_err == -ENODEV && !getenv("VFIO_SNAPSHOT_LAB")) \
			SKIP(return, "the NIC has no lab block"); \
		ASSERT_EQ(0, _lab_err); \
	} while (0)

#endif /* LAB_H */
