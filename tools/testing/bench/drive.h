/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A migration between two devices with QEMU's calls, order and sizes. Measures each
 * arc and each move of data.
 */
#ifndef DRIVE_H
#define DRIVE_H

#include "bench.h"
#include "lab.h"
#include "nic.h"
#include "work.h"

/* QEMU reads into its own buffer and writes from the buffer of its stream. */
#define QEMU_READ MIB
#define QEMU_WRITE (32 * KIB)

/* Time for work that a driver defers until the guest runs again */
#define SETTLE_US 20000

/* Time of a command of slow firmware */
#define SLOW_US 1000

/* Time to move guest memory: longer than a driver may cache an estimate */
#define MEMORY_US 1100000

enum lap {
	LAP_TO_PRECOPY,
	LAP_TO_RESUMING,
	LAP_TO_NDMA,
	LAP_TO_STOP_COPY,
	LAP_TO_RESUMING_NDMA,
	LAP_TO_RUNNING,
	LAP_TO_STOP,
	NR_ARC_LAPS,
	LAP_READ_AHEAD = NR_ARC_LAPS,	/* reads and writes while the guest runs */
	LAP_WRITE_AHEAD,
	LAP_READ,		/* and in the blackout */
	LAP_WRITE,
	NR_LAPS,
};

extern const char * const lap_names[NR_LAPS];

struct drive {
	struct vfio_dev src, dst;
	const struct nic *nic;		/* type of both devices */
	struct work driver, there;	/* the guest's driver, before and after */
	struct lab lab;
	int save, load;			/* data fds */
	uint8_t *buf;
	size_t room;			/* size of QEMU's reads */
	size_t chunk;			/* and writes */
	bool aligned;			/* start each step just after a timer tick */
	bool counted;			/* fill ->count */
	uint64_t cpu;			/* time of this process in all steps */
	uint64_t lap[NR_LAPS];
	struct {
		uint64_t end;		/* by now_ns() */
		uint64_t cpu;		/* time of this process */
		uint64_t commands;
	} count[NR_ARC_LAPS];
	uint64_t objects;		/* firmware objects before */
	uint64_t ahead, rest;		/* bytes moved before and after the stop */
};

/* Opens both devices, with a guest's driver on the source */
int drive_open(struct drive *d, const struct devices *devices);
void drive_close(struct drive *d);
/* Makes the state of the source longer */
void drive_pad(struct drive *d, uint64_t bytes);

/* Pre-copy: all until the guest stops */
int drive_prepare(struct drive *d);
/* Asks for the size and the pre-copy info, as QEMU does before it stops the guest */
int drive_ask_pending(struct drive *d);
/* The blackout */
int drive_blackout(struct drive *d);
/* After the guest runs again */
int drive_finish(struct drive *d);
/* Checks that a guest's driver works on the destination */
int drive_check(struct drive *d);

/* Reads and writes until the end of the stream or ENOMSG */
int drive_move(struct drive *d, enum lap read_lap, enum lap write_lap,
	       uint64_t *bytes);
/* Prints figures of the commands between the lab block's marks */
void drive_count(struct drive *d, const char *row);
int timed_arc(struct vfio_dev *dev, uint32_t to, int *fd, uint64_t *ns);
/* Asks for the size of the state, from which QEMU takes the size of its reads */
int drive_read_size(struct drive *d);

#endif /* DRIVE_H */
