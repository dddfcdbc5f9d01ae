// SPDX-License-Identifier: GPL-2.0-only
/*
 * Firmware commands in the blackout: all of them, whose number depends on the number of
 * chunks, and those that move no state.
 */
#include <errno.h>
#include <unistd.h>

#include "drive.h"

void drive_count(struct drive *d, const char *row)
{
	uint64_t all = lab_between_all(&d->lab), moves;
	unsigned int ops = d->lab.len < LAB_WIDE_SIZE ? LAB_OPCODES : LAB_WIDE_OPCODES;
	unsigned int op;

	for (op = 0; op < ops; op++)
		if (lab_between(&d->lab, op))
			NOTE("blackout: %llu of opcode %#x",
			     (unsigned long long)lab_between(&d->lab, op), op);
	moves = lab_between(&d->lab, d->nic->op[NIC_SAVE]) +
		lab_between(&d->lab, d->nic->op[NIC_LOAD]);
	FIGURE("commands", all, "%s", row);
	FIGURE("commands", all - moves, "%s/beside_state", row);
}

/* Each write by the device changes one page of its state. */
#define STATE_PAGE (4 * KIB)
#define WRITES 4096

/* After pre-copy all of a large state changes again, so the final image is long. */
static int blackout(struct drive *d, const struct devices *devices,
		    unsigned int us, uint64_t *ns)
{
	uint64_t written;

	TRY(drive_open(d, devices));
	if (!d->nic->increments) {
		NOTE("each image of this NIC is a whole one");
		return -ENOTSUP;
	}
	drive_pad(d, LARGE);
	TRY(drive_prepare(d));
	for (written = 0; written < LARGE; written += WRITES * STATE_PAGE)
		TRY(work_send(&d->driver, 0, WRITES));
	/* The driver on the destination continues after these writes. */
	TRY(work_adopt(&d->there, &d->driver, &d->dst));
	usleep(MEMORY_US);
	TRY(drive_ask_pending(d));
	past_tick();
	lab_delay(&d->lab, us);
	lab_mark(&d->lab, true);
	*ns = now_ns();
	TRY(drive_blackout(d));
	*ns = now_ns() - *ns;
	lab_mark(&d->lab, false);
	lab_delay(&d->lab, 0);
	TRY(drive_finish(d));
	return drive_check(d);
}

int run_changed(const struct devices *devices)
{
	struct drive d;
	uint64_t ns;

	TRY(blackout(&d, devices, 0, &ns));
	drive_count(&d, "changed_commands");
	FIGURE("ns", ns, "changed_64m");
	drive_close(&d);
	return 0;
}

int run_changed_delay(const struct devices *devices)
{
	struct drive d;
	uint64_t ns;

	TRY(blackout(&d, devices, SLOW_US, &ns));
	FIGURE("ns", ns, "changed_1ms");
	drive_close(&d);
	return 0;
}
