// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest state of a NIC in use: what each arc costs, in commands and in
 * instructions.
 */
#include <unistd.h>

#include "drive.h"
#include "works.h"

/* With -icount shift=1 the virtual CPU takes 2 ns for an instruction. */
#define NS_PER_INSTRUCTION 2

static const enum lap stands_still[] = {
	LAP_TO_NDMA, LAP_TO_STOP_COPY, LAP_READ, LAP_WRITE,
	LAP_TO_RESUMING_NDMA, LAP_TO_RUNNING,
};

/* Where a time depends on how long the processor was idle, these tell two drivers apart. */
static void note_arc(const char *name, uint64_t cpu, uint64_t commands)
{
	NOTE("%s: %llu instructions of the caller, %llu commands", name,
	     (unsigned long long)cpu / NS_PER_INSTRUCTION, (unsigned long long)commands);
}

static void note_arcs(const struct drive *d, const struct works *works)
{
	unsigned int i;

	for (i = 0; i < NR_ARC_LAPS; i++) {
		note_arc(lap_names[i], d->count[i].cpu, d->count[i].commands);
		NOTE("%s: kernel workers took %llu ns of it", lap_names[i],
		     (unsigned long long)works_between(works, d->count[i].end - d->lap[i],
						       d->count[i].end));
	}
}

int run_small(const struct devices *devices)
{
	uint64_t blackout = 0, put_off;
	struct works works;
	unsigned int i;
	struct drive d;

	TRY(drive_open(&d, devices));
	d.aligned = true;
	d.counted = true;
	TRY(works_begin(&works));
	TRY(drive_prepare(&d));
	usleep(MEMORY_US);
	TRY(drive_ask_pending(&d));
	lab_mark(&d.lab, true);
	TRY(drive_blackout(&d));
	lab_mark(&d.lab, false);
	TRY(drive_finish(&d));
	lab_wait_objects(&d.lab, d.objects);
	usleep(SETTLE_US);
	put_off = works_end(&works);

	drive_count(&d, "blackout_commands");
	for (i = 0; i < NR_ARC_LAPS; i++)
		FIGURE("ns", d.lap[i], "small_arcs/%s", lap_names[i]);
	for (; i < NR_LAPS; i++)
		NOTE("%s: %llu ns", lap_names[i], (unsigned long long)d.lap[i]);
	note_arcs(&d, &works);
	for (i = 0; i < ARRAY_SIZE(stands_still); i++)
		blackout += d.lap[stands_still[i]];
	NOTE("blackout: %llu ns", (unsigned long long)blackout);
	NOTE("CPU time: %llu ns, and %llu ns of work put off",
	     (unsigned long long)d.cpu, (unsigned long long)put_off);
	FIGURE("instructions", (d.cpu + put_off) / NS_PER_INSTRUCTION, "instructions");
	TRY(drive_check(&d));
	drive_close(&d);
	return 0;
}

/*
 * The arcs that a migration with pre-copy does not take. Arcs that end a session
 * follow a save or load in it.
 */
static const struct {
	uint32_t from, to;
	bool save, load;	/* after it: read or write the stream */
	bool again;		/* "small" measures it, too */
} tour[] = {
#define ARC(a, b) .from = VFIO_DEVICE_STATE_##a, .to = VFIO_DEVICE_STATE_##b
	{ ARC(RUNNING, RUNNING_P2P) },
	{ ARC(RUNNING_P2P, STOP) },
	{ ARC(STOP, STOP_COPY), .save = true },
	{ ARC(STOP_COPY, STOP), .again = true },
	{ ARC(STOP, RESUMING), .load = true },
	{ ARC(RESUMING, STOP) },
	{ ARC(STOP, RUNNING_P2P) },
	{ ARC(RUNNING_P2P, RUNNING), .again = true },
	{ ARC(RUNNING, PRE_COPY), .again = true },
	{ ARC(PRE_COPY, PRE_COPY_P2P), .again = true },
	{ ARC(PRE_COPY_P2P, PRE_COPY) },
	{ ARC(PRE_COPY, RUNNING) },
};

/* By then, deferred work of a driver is done. */
#define REST_US 300000

int run_arcs(const struct devices *devices)
{
	uint64_t ns[ARRAY_SIZE(tour)], cpu[ARRAY_SIZE(tour)], commands[ARRAY_SIZE(tour)];
	struct blob stream = {};
	struct drive d;
	unsigned int i;
	int fd = -1, now = -1;

	TRY(drive_open(&d, devices));
	for (i = 0; i < ARRAY_SIZE(tour); i++) {
		usleep(REST_US);
		commands[i] = lab_get(&d.lab, LAB_TOTAL);
		past_tick();
		cpu[i] = own_ns();
		TRY(timed_arc(&d.src, tour[i].to, &now, &ns[i]));
		cpu[i] = own_ns() - cpu[i];
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
		char name[64];

		snprintf(name, sizeof(name), "tour/%s-%s", mig_state_name(tour[i].from),
			 mig_state_name(tour[i].to));
		note_arc(name, cpu[i], commands[i]);
		FIGURE("ns", ns[i], "small_arcs/%s", name);
	}
	NOTE("a stream of %zu bytes", stream.len);
	close(fd);
	blob_free(&stream);
	drive_close(&d);
	return 0;
}
