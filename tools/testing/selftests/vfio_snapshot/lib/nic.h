/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a test has to know of the NIC that it runs on, in one table: which
 * commands its firmware has for what, and what its levels mean. A test asks for
 * the row of its device, and names no NIC itself.
 */
#ifndef NIC_H
#define NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "vfio_mig.h"

struct lab;

/* What a migration asks firmware for */
enum nic_command {
	NIC_BEGIN,	/* makes an object, as a session begins */
	NIC_ESTIMATE,	/* how long the state is */
	NIC_MAP,	/* tells the firmware of a buffer; opcode 0: there is no such command */
	NIC_SAVE,
	NIC_LOAD,
	NIC_HALT,
	NIC_RUN,
	NIC_END,	/* removes an object, when the session is over */
	NIC_UNMAP,	/* likewise, or NIC_END again */
	NR_NIC_COMMANDS,
};

#define NIC_MAX_FAULTS 8

struct nic {
	const char *bound;	/* what the kernel's log says of a device that is bound */
	uint16_t vendor;
	uint16_t vf_device;
	unsigned int op[NR_NIC_COMMANDS];	/* opcodes; two may be one */
	/* Commands that may fail, 0 behind the last one, and nothing is lost */
	unsigned int faults[NIC_MAX_FAULTS];
	/*
	 * Likewise, if they are carried out and then called failures: whoever
	 * asked does not know of what they made, so none of them makes an object.
	 */
	unsigned int after[NIC_MAX_FAULTS];
	/* A status for each of these, and one that nobody knows */
	struct { int err; uint32_t status; } status[8];
	/* The function in which the PF's driver waits for a command */
	const char *waits_in;
	bool own_ndma;		/* NDMA is a level of its own: its BAR answers */
	bool own_objects;	/* the commands that make objects name the VF */
	bool increments;	/* further images in precopy hold what changed */
	bool says_upper;	/* the log has the upper half of a status, if there is one */
	bool late;		/* nobody waits for images taken ahead */
	bool no_room;		/* an image that is refused with EINVAL had no room: ENOSPC */
	/*
	 * Commands of the blackout: those that halt a device, and all with one
	 * final image but for the last one, with which the guest runs again
	 */
	unsigned int halts, still;
	uint64_t max_state;	/* the largest state that its driver moves */
	/*
	 * Of a larger state, so much is in memory, twice, and nobody waits for it
	 * to be loaded; or 0
	 */
	uint64_t window;
};

/*
 * The row of the device: NULL for a device that is none of them.
 * VFIO_SNAPSHOT_CHUNKS=0 says that its firmware does not save in chunks.
 */
const struct nic *nic_of(const char *bdf);

/* Statuses that nobody knows, which lead to EIO */
#define NIC_UNKNOWN_ERROR 0
#define NIC_LARGEST_ERROR (-1)
/* A status that a user sees as @err, or one of these */
uint32_t nic_status(const struct nic *nic, int err);
/* What the kernel's log calls that */
uint32_t nic_said(const struct nic *nic, int err);
/* Commands between the marks that removed objects */
uint64_t nic_ends(const struct nic *nic, struct lab *lab);
/* Of LAB_VF_STOPPED and LAB_VF_QUIET, what a VF in migration @state shows */
uint64_t nic_halted(const struct nic *nic, int state);
/*
 * Whether a record that the firmware refused may be told at @stage of a load: of
 * one that nobody waits for, that depends on who is faster.
 */
bool nic_refuses_at(const struct nic *nic, enum load_stage stage);

#endif /* NIC_H */
