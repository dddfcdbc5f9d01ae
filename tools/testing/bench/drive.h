/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A migration from one device to another with the calls that QEMU makes, in its
 * order and its sizes, each arc and the moving of data timed.
 */
#ifndef DRIVE_H
#define DRIVE_H

#include "bench.h"
#include "lab.h"
#include "nic.h"
#include "work.h"

/* QEMU reads into a buffer of its own and writes out of its stream's buffer. */
#define QEMU_READ MIB
#define QEMU_WRITE (32 * KIB)

/* Time for what a driver puts off until the guest runs again */
#define SETTLE_US 20000

/* What each command takes where the firmware is slow */
#define SLOW_US 1000

/* The guest's memory takes a while: a driver must not take that for news. */
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
	LAP_READ_AHEAD = NR_ARC_LAPS,	/* what is read and written while the guest runs */
	LAP_WRITE_AHEAD,
	LAP_READ,		/* and while it stands still */
	LAP_WRITE,
	NR_LAPS,
};

extern const char * const lap_names[NR_LAPS];

struct drive {
	struct vfio_dev src, dst;
	const struct nic *nic;		/* what both devices are */
	struct work driver, there;	/* the guest's, before and after */
	struct lab lab;
	int save, load;			/* data fds */
	uint8_t *buf;
	size_t room;			/* what QEMU would read at once */
	size_t chunk;			/* and write */
	bool aligned;			/* each step begins just after a timer tick */
	uint64_t cpu;			/* of this process, in all steps */
	uint64_t lap[NR_LAPS];
	uint64_t objects;		/* of the firmware, before */
	uint64_t ahead, rest;		/* bytes that were moved before and after the stop */
};

/* Both devices, with a guest's driver on the source */
int drive_open(struct drive *d, const struct devices *devices);
void drive_close(struct drive *d);
/* The source's state is longer by so many bytes. */
void drive_pad(struct drive *d, uint64_t bytes);

/* While the guest runs, up to the moment when it is stopped */
int drive_prepare(struct drive *d);
/* Then the guest's memory is moved, which takes a while; last, QEMU asks how much there is left. */
int drive_ask_pending(struct drive *d);
/* As long as it stands still */
int drive_blackout(struct drive *d);
/* When it runs again */
int drive_finish(struct drive *d);
/* A guest's driver that works on the destination: it did migrate. */
int drive_check(struct drive *d);

/* Reads and writes to the end of the stream, or where there is no more now */
int drive_move(struct drive *d, enum lap read_lap, enum lap write_lap,
	       uint64_t *bytes);
/* Figures of the commands between the lab block's marks */
void drive_count(struct drive *d, const char *row);
int timed_arc(struct vfio_dev *dev, uint32_t to, int *fd, uint64_t *ns);
/* The size of the state as QEMU asks for it, which says how much it reads at once */
int drive_read_size(struct drive *d);

#endif /* DRIVE_H */
