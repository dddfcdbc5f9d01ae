// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device in PRE_COPY whose state does not change: firmware commands, bytes of the
 * stream, and false answers of the driver.
 */
#include <errno.h>
#include <unistd.h>

#include "drive.h"

#define SECONDS 10
#define POLL_US 100000

int run_idle(const struct devices *devices)
{
	uint64_t commands, bytes = 0, false_ends = 0, false_more = 0, begin, ms;
	struct vfio_precopy_info info;
	struct blob rest = {};
	struct drive d;
	unsigned int i;
	ssize_t got;

	TRY(drive_open(&d, devices));
	TRY(drive_read_size(&d));
	TRY(mig_set(&d.src, VFIO_DEVICE_STATE_PRE_COPY, &d.save));
	TRY(mig_read_all(d.save, d.room, &rest) == -ENOMSG ? 0 : -EIO);
	rest.len = 0;
	commands = lab_get(&d.lab, LAB_TOTAL);
	begin = now_ns();
	for (i = 0; i < SECONDS * 1000000 / POLL_US; i++) {
		uint64_t left, now = 0;

		usleep(POLL_US);
		TRY(mig_precopy_info(d.save, &info));
		left = info.initial_bytes + info.dirty_bytes;
		while ((got = read(d.save, d.buf, d.room)) > 0)
			now += got;
		if (!got || errno != ENOMSG)
			TRY(got ? -errno : -EIO);
		bytes += now;
		false_ends += !left && now;
		/* Fewer bytes than announced are no false answer, but none at all is one. */
		false_more += left && !now;
	}
	ms = (now_ns() - begin) / 1000000;
	commands = lab_get(&d.lab, LAB_TOTAL) - commands;
	FIGURE("per_s", commands * 1000 / ms, "precopy_idle/commands");
	FIGURE("per_s", bytes * 1000 / ms, "precopy_idle/bytes");
	FIGURE("times", false_ends, "precopy_idle/false_ends");
	FIGURE("times", false_more, "precopy_idle/false_more");
	NOTE("%u polls, %llu commands, %llu bytes in %llu ms", i,
	     (unsigned long long)commands, (unsigned long long)bytes,
	     (unsigned long long)ms);
	TRY(mig_set(&d.src, VFIO_DEVICE_STATE_RUNNING, NULL));
	close(d.save);
	drive_close(&d);
	return 0;
}
