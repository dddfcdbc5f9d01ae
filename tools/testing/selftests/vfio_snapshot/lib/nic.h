/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that differs between the NICs, in one table: opcodes, statuses, levels. A
 * test asks for the row of its device and names no NIC itself.
 */
#ifndef NIC_H
#define NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "vfio_mig.h"

struct lab;

/* Commands of a migration; opcode 0: the NIC has no such command */
enum nic_command {
	NIC_BEGIN,	/* makes an object at the begin of a session */
	NIC_ESTIMATE,	/* size of the state */
	NIC_MAP,	/* makes a buffer known to the firmware */
	NIC_SAVE,
	NIC_LOAD,
	NIC_HALT,
	NIC_RUN,
	NIC_END,	/* undoes NIC_BEGIN or NIC_MAP at the end of a session */
	NR_NIC_COMMANDS,
};

#define NIC_MAX_FAULTS 8

struct nic {
	const char *bound;	/* the line in the kernel log after the device was bound */
	uint16_t vendor;
	uint16_t vf_device;
	unsigned int op[NR_NIC_COMMANDS];	/* opcodes; two commands may share one */
	/* Commands that can fail without leaving anything behind, ended by 0 */
	unsigned int faults[NIC_MAX_FAULTS];
	/*
	 * Commands that can be carried out and then reported as failed, ended by 0.
	 * None of them makes an object, because the driver would not know of it.
	 */
	unsigned int after[NIC_MAX_FAULTS];
	/* A status for each errno, and for NIC_UNKNOWN_ERROR and NIC_LARGEST_ERROR */
	struct { int err; uint32_t status; } status[8];
	/* Function of the PF's driver that waits for a command */
	const char *waits_in;
	bool own_ndma;		/* P2P is a level of its own: the BAR still answers */
	bool own_objects;	/* the commands that make objects name the VF */
	bool increments;	/* images after the first contain only what changed */
	bool says_upper;	/* the log shows the upper half of a status, unless it is 0 */
	bool late;		/* saves in PRE_COPY are asynchronous */
	bool no_room;		/* EINVAL of a save of a small state means that it had no room: ENOSPC */
	/*
	 * Commands in the blackout: those that halt the device, and all of them
	 * with one final image, without the last command, after which the guest
	 * runs
	 */
	unsigned int halts, still;
	uint64_t max_state;	/* the largest state that the driver can move */
	/*
	 * A larger state moves through two buffers of this size, and loads are
	 * asynchronous; 0: the whole state is in memory
	 */
	uint64_t window;
};

/*
 * The row of the device, or NULL for any other device. With
 * VFIO_SNAPSHOT_CHUNKS=0 the firmware does not save in chunks.
 */
const struct nic *nic_of(const char *bdf);

/* Statuses that no driver knows. They become EIO. */
#define NIC_UNKNOWN_ERROR 0
#define NIC_LARGEST_ERROR (-1)
/* The status that becomes @err; @err may be NIC_UNKNOWN_ERROR or NIC_LARGEST_ERROR */
uint32_t nic_status(const struct nic *nic, int err);
/* The value in the kernel log for that status */
uint32_t nic_said(const struct nic *nic, int err);
/* Commands between the marks that removed objects */
uint64_t nic_ends(const struct nic *nic, struct lab *lab);
/* LAB_VF_STOPPED and LAB_VF_QUIET as they must be in migration @state */
uint64_t nic_halted(const struct nic *nic, int state);
/*
 * Whether a load may fail at @stage when the firmware refuses a record. An
 * asynchronous load may fail at the write or at the exit.
 */
bool nic_refuses_at(const struct nic *nic, enum load_stage stage);

#endif /* NIC_H */
