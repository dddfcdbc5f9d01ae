// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <unistd.h>

#include "drive.h"

const char * const lap_names[NR_LAPS] = {
	[LAP_TO_PRECOPY] = "RUNNING-PRE_COPY",
	[LAP_TO_RESUMING] = "RUNNING-RESUMING",
	[LAP_TO_NDMA] = "PRE_COPY-PRE_COPY_P2P",
	[LAP_TO_STOP_COPY] = "PRE_COPY_P2P-STOP_COPY",
	[LAP_TO_RESUMING_NDMA] = "RESUMING-RUNNING_P2P",
	[LAP_TO_RUNNING] = "RUNNING_P2P-RUNNING",
	[LAP_TO_STOP] = "STOP_COPY-STOP",
	[LAP_READ_AHEAD] = "read_ahead",
	[LAP_WRITE_AHEAD] = "write_ahead",
	[LAP_READ] = "read",
	[LAP_WRITE] = "write",
};

/*
 * Fills the IOVA cache of the PF's command queue, so that the driver that sent more
 * commands before has no advantage.
 */
#define WARM_COMMANDS 20

static int warm_pf(struct vfio_dev *dev)
{
	uint64_t size;
	int i;

	for (i = 0; i < WARM_COMMANDS; i++)
		TRY(mig_data_size(dev, &size));
	return 0;
}

int drive_open(struct drive *d, const struct devices *devices)
{
	memset(d, 0, sizeof(*d));
	d->save = -1;
	d->load = -1;
	d->chunk = QEMU_WRITE;
	d->buf = touched(QEMU_READ);
	if (!d->buf)
		return -ENOMEM;
	TRY(vfio_dev_open(&d->src, devices->bdf[0]));
	TRY(vfio_dev_open(&d->dst, devices->bdf[1]));
	d->nic = nic_of(devices->bdf[0]);
	TRY(d->nic ? 0 : -ENODEV);
	TRY(lab_open(&d->lab, devices->bdf[0]));
	TRY(work_bring_up(&d->driver, &d->src));
	TRY(work_map(&d->driver, &d->dst));
	TRY(work_adopt(&d->there, &d->driver, &d->dst));
	TRY(warm_pf(&d->dst));
	usleep(SETTLE_US);
	d->objects = lab_get(&d->lab, LAB_OBJECTS);
	return 0;
}

void drive_close(struct drive *d)
{
	lab_close(&d->lab);
	vfio_dev_close(&d->dst);
	vfio_dev_close(&d->src);
	work_free(&d->driver);
}

void drive_pad(struct drive *d, uint64_t bytes)
{
	lab_vf_set(&d->lab, LAB_VF_PAD, bytes);
}

int timed_arc(struct vfio_dev *dev, uint32_t to, int *fd, uint64_t *ns)
{
	uint64_t begin = now_ns();
	int ret = mig_set(dev, to, fd);

	*ns = now_ns() - begin;
	return ret;
}

/* The code of a step is between these two. */
static void step_begin(struct drive *d)
{
	if (d->aligned)
		past_tick();
	d->cpu -= own_ns();
}

static int step_end(struct drive *d, int ret)
{
	d->cpu += own_ns();
	return ret;
}

static int step_arc(struct drive *d, struct vfio_dev *dev, uint32_t to, int *fd,
		    enum lap lap)
{
	step_begin(d);
	return step_end(d, timed_arc(dev, to, fd, &d->lap[lap]));
}

/* Nothing is counted between step_begin() and step_end(), to keep the times as they are. */
static int arc(struct drive *d, struct vfio_dev *dev, uint32_t to, int *fd,
	       enum lap lap)
{
	uint64_t cpu = d->cpu, commands;
	int ret;

	if (!d->counted)
		return step_arc(d, dev, to, fd, lap);
	commands = lab_get(&d->lab, LAB_TOTAL);
	ret = step_arc(d, dev, to, fd, lap);
	d->count[lap].end = now_ns();
	d->count[lap].cpu = d->cpu - cpu;
	d->count[lap].commands = lab_get(&d->lab, LAB_TOTAL) - commands;
	return ret;
}

int drive_read_size(struct drive *d)
{
	uint64_t size;

	step_begin(d);
	TRY(step_end(d, mig_data_size(&d->src, &size)));
	d->room = size && size < QEMU_READ ? size : QEMU_READ;
	return 0;
}

static int write_out(struct drive *d, size_t len, uint64_t *ns)
{
	uint64_t begin = now_ns();
	int ret = mig_write_all(d->load, d->buf, len, d->chunk, NULL);

	*ns += now_ns() - begin;
	return ret;
}

static int move(struct drive *d, enum lap read_lap, enum lap write_lap,
		uint64_t *bytes)
{
	for (;;) {
		uint64_t begin = now_ns();
		ssize_t got = read(d->save, d->buf, d->room);
		int err = errno;

		d->lap[read_lap] += now_ns() - begin;
		if (got < 0)
			return err == ENOMSG ? 0 : -err;
		if (!got)
			return 0;
		*bytes += got;
		TRY(write_out(d, got, &d->lap[write_lap]));
	}
}

int drive_move(struct drive *d, enum lap read_lap, enum lap write_lap,
	       uint64_t *bytes)
{
	step_begin(d);
	return step_end(d, move(d, read_lap, write_lap, bytes));
}

static int ask_info(struct drive *d)
{
	struct vfio_precopy_info info;

	step_begin(d);
	return step_end(d, mig_precopy_info(d->save, &info));
}

int drive_ask_pending(struct drive *d)
{
	uint64_t size;

	step_begin(d);
	TRY(step_end(d, mig_data_size(&d->src, &size)));
	return ask_info(d);
}

int drive_prepare(struct drive *d)
{
	TRY(drive_read_size(d));
	TRY(arc(d, &d->src, VFIO_DEVICE_STATE_PRE_COPY, &d->save,
		LAP_TO_PRECOPY));
	TRY(ask_info(d));
	TRY(arc(d, &d->dst, VFIO_DEVICE_STATE_RESUMING, &d->load,
		LAP_TO_RESUMING));
	TRY(drive_move(d, LAP_READ_AHEAD, LAP_WRITE_AHEAD, &d->ahead));
	return 0;
}

int drive_blackout(struct drive *d)
{
	TRY(arc(d, &d->src, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL,
		LAP_TO_NDMA));
	TRY(arc(d, &d->src, VFIO_DEVICE_STATE_STOP_COPY, NULL,
		LAP_TO_STOP_COPY));
	TRY(drive_move(d, LAP_READ, LAP_WRITE, &d->rest));
	TRY(arc(d, &d->dst, VFIO_DEVICE_STATE_RUNNING_P2P, NULL,
		LAP_TO_RESUMING_NDMA));
	TRY(arc(d, &d->dst, VFIO_DEVICE_STATE_RUNNING, NULL,
		LAP_TO_RUNNING));
	return 0;
}

int drive_finish(struct drive *d)
{
	TRY(arc(d, &d->src, VFIO_DEVICE_STATE_STOP, NULL,
		LAP_TO_STOP));
	close(d->save);
	close(d->load);
	d->save = -1;
	d->load = -1;
	return 0;
}

int drive_check(struct drive *d)
{
	TRY(work_send(&d->there, 0, 1));
	NOTE("%llu bytes moved before the stop, %llu after it",
	     (unsigned long long)d->ahead, (unsigned long long)d->rest);
	return 0;
}
