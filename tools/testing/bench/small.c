// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest state that a working guest's NIC has: what the driver itself
 * costs, arc by arc, in commands and in instructions.
 */
#include <unistd.h>

#include "drive.h"

/* The virtual CPU carries out one instruction in 2 ns, with -icount shift=1. */
#define NS_PER_INSTRUCTION 2

/* CPU time of all tasks but the idle one, from one moment to another */
struct work {
	uint64_t own, others, since_own, since_others;
};

static void work_begin(struct work *w)
{
	w->since_others = others_ns();
	w->since_own = own_ns();
}

static void work_end(struct work *w)
{
	usleep(SETTLE_US);
	w->own += own_ns() - w->since_own;
	w->others += others_ns() - w->since_others;
}

int run_small(const struct devices *devices)
{
	struct work work = {};
	unsigned int i, op;
	uint64_t blackout;
	struct drive d;

	TRY(drive_open(&d, devices));
	/* A first time for nothing: this program's own pages */
	others_ns();

	work_begin(&work);
	TRY(drive_prepare(&d));
	work_end(&work);
	usleep(MEMORY_US);
	work_begin(&work);
	TRY(drive_ask_pending(&d));
	lab_mark(&d.lab, true);
	blackout = now_ns();
	TRY(drive_blackout(&d));
	blackout = now_ns() - blackout;
	lab_mark(&d.lab, false);
	TRY(drive_finish(&d));
	work_end(&work);

	for (op = 0; op < LAB_OPCODES; op++)
		if (lab_between(&d.lab, op))
			NOTE("blackout: %llu of opcode %#x",
			     (unsigned long long)lab_between(&d.lab, op), op);
	FIGURE("commands", lab_between_all(&d.lab), "blackout_commands");
	for (i = 0; i < NR_ARC_LAPS; i++)
		FIGURE("ns", d.lap[i], "small_arcs/%s", lap_names[i]);
	for (; i < NR_LAPS; i++)
		NOTE("%s: %llu ns", lap_names[i], (unsigned long long)d.lap[i]);
	NOTE("blackout: %llu ns", (unsigned long long)blackout);
	NOTE("CPU time: own %llu ns, others %llu ns", 
	     (unsigned long long)work.own, (unsigned long long)work.others);
	FIGURE("instructions", (work.own + work.others) / NS_PER_INSTRUCTION, "instructions");
	TRY(drive_check(&d));
	drive_close(&d);
	return 0;
}

/*
 * The arcs that a migration with pre-copy does not use, on a tour through all
 * states; those that lead out of a data session with what was saved in it.
 */
static const struct {
	uint32_t from, to;
	bool save, load;	/* behind it: the stream is read, written */
} tour[] = {
	{ VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_RUNNING_P2P, false, false },
	{ VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_STOP, false, false },
	{ VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_STOP_COPY, true, false },
	{ VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_STOP, false, false },
	{ VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RESUMING, false, true },
	{ VFIO_DEVICE_STATE_RESUMING, VFIO_DEVICE_STATE_STOP, false, false },
	{ VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RUNNING_P2P, false, false },
	{ VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_RUNNING, false, false },
	{ VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_PRE_COPY, false, false },
	{ VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY_P2P, false, false },
	{ VFIO_DEVICE_STATE_PRE_COPY_P2P, VFIO_DEVICE_STATE_PRE_COPY, false, false },
	{ VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_RUNNING, false, false },
};

int run_arcs(const struct devices *devices)
{
	uint64_t ns[ARRAY_SIZE(tour)], commands[ARRAY_SIZE(tour)];
	struct blob stream = {};
	struct drive d;
	unsigned int i;
	int fd = -1, now = -1;

	TRY(drive_open(&d, devices));
	for (i = 0; i < ARRAY_SIZE(tour); i++) {
		usleep(SETTLE_US);
		commands[i] = lab_get(&d.lab, LAB_TOTAL);
		TRY(timed_arc(&d.src, tour[i].to, &now, &ns[i]));
		commands[i] = lab_get(&d.lab, LAB_TOTAL) - commands[i];
		if (now >= 0) {
			if (fd >= 0)
				close(fd);
			fd = now;
		}
		if (tour[i].save)
			TRY(mig_read_all(fd, QEMU_READ, &stream));
		if (tour[i].load)
			TRY(mig_write_all(fd, stream.data, stream.len,
					  QEMU_WRITE, NULL));
	}
	for (i = 0; i < ARRAY_SIZE(tour); i++) {
		NOTE("%llu commands:", (unsigned long long)commands[i]);
		FIGURE("ns", ns[i], "small_arcs/tour/%s-%s", mig_state_name(tour[i].from),
		       mig_state_name(tour[i].to));
	}
	NOTE("a stream of %zu bytes", stream.len);
	close(fd);
	blob_free(&stream);
	drive_close(&d);
	return 0;
}
