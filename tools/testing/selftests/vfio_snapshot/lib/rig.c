// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rig.h"

#define COUNTER_IOVA 0x20000000ull
#define COUNTER_LEN 4096
#define WRITE_PERIOD_US 100
/* Long enough for many writes of a writer that was not halted */
#define STILL_US 3000

__attribute__((format(printf, 2, 3)))
static const char *why(struct rig *rig, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(rig->why, sizeof(rig->why), format, args);
	va_end(args);
	return rig->why;
}

static int start_driver(struct rig *rig)
{
	int ret;

	ret = work_find(&rig->work, &rig->dev);
	if (!ret)
		ret = work_alloc(&rig->work);
	if (!ret)
		ret = work_map(&rig->work, &rig->dev);
	return ret ? ret : rig_traffic(rig, true);
}

static int start_writer(struct rig *rig)
{
	void *mem;
	int ret;

	mem = mmap(NULL, COUNTER_LEN, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	rig->counter = mem;
	ret = vfio_dev_map(&rig->dev, mem, COUNTER_IOVA, COUNTER_LEN);
	if (!ret)
		lab_writer_start(&rig->lab, COUNTER_IOVA, WRITE_PERIOD_US);
	return ret;
}

int rig_open(struct rig *rig, const char *bdf)
{
	int ret;

	memset(rig, 0, sizeof(*rig));
	rig->nic = nic_of(bdf);
	if (!rig->nic)
		return -ENODEV;
	ret = vfio_dev_open(&rig->dev, bdf);
	if (ret)
		return ret;
	ret = start_driver(rig);
	if (ret)
		return ret;

	ret = lab_open(&rig->lab, bdf);
	if (ret && ret != -ENODEV)
		return ret;
	if (rig->lab.regs) {
		lab_only_this_vf(&rig->lab, rig->nic->own_objects);
		rig->objects = rig->nic->own_objects ?
			       lab_get(&rig->lab, LAB_OBJECTS) :
			       lab_objects_at_rest(&rig->lab);
		ret = start_writer(rig);
		if (ret)
			return ret;
	}
	return mig_save(&rig->dev, 4096, &rig->saved);
}

void rig_close(struct rig *rig)
{
	lab_close(&rig->lab);
	vfio_dev_close(&rig->dev);
	work_free(&rig->work);
	blob_free(&rig->saved);
	if (rig->counter)
		munmap((void *)rig->counter, COUNTER_LEN);
	rig->counter = NULL;
}

int rig_traffic(struct rig *rig, bool restart)
{
	int ret = restart ? work_start(&rig->work) : 0;

	return ret ? ret : work_send_all(&rig->work, 1);
}

static bool writes(struct rig *rig)
{
	uint64_t before = *rig->counter;
	int tries;

	for (tries = 0; tries < 10000; tries++) {
		if (*rig->counter != before)
			return true;
		usleep(500);
	}
	return false;
}

static bool is_still(struct rig *rig)
{
	uint64_t before = *rig->counter;

	usleep(STILL_US);
	return *rig->counter == before;
}

const char *rig_lies(struct rig *rig)
{
	int state = mig_get(&rig->dev);
	bool runs = state == VFIO_DEVICE_STATE_RUNNING ||
		    state == VFIO_DEVICE_STATE_PRE_COPY;
	uint64_t halted;

	if (state < 0)
		return why(rig, "get state: errno %d", -state);
	/* ERROR says nothing about the level. */
	if (!rig->lab.regs || state == VFIO_DEVICE_STATE_ERROR)
		return NULL;
	halted = lab_halted(&rig->lab);
	if (halted != nic_halted(rig->nic, state))
		return why(rig, "reported: %s; halted in the device: %#llx",
			   mig_state_name(state), (unsigned long long)halted);
	if (runs && !writes(rig))
		return why(rig, "reported: %s; the device writes nothing",
			   mig_state_name(state));
	if (!runs && !is_still(rig))
		return why(rig, "reported: %s; the device still writes",
			   mig_state_name(state));
	return NULL;
}

const char *rig_not_back(struct rig *rig, const struct sequence_run *run)
{
	int state = mig_get(&rig->dev), ret;
	bool restart = run->was_reset;

	if (state != VFIO_DEVICE_STATE_ERROR &&
	    state != VFIO_DEVICE_STATE_RUNNING) {
		ret = mig_set(&rig->dev, VFIO_DEVICE_STATE_RUNNING, NULL);
		if (ret && (state != VFIO_DEVICE_STATE_RESUMING ||
			    mig_get(&rig->dev) != VFIO_DEVICE_STATE_ERROR))
			return why(rig, "%s -> RUNNING without a fault: errno %d",
				   mig_state_name(state), -ret);
	}
	if (mig_get(&rig->dev) == VFIO_DEVICE_STATE_ERROR) {
		ret = vfio_dev_reset(&rig->dev);
		if (ret)
			return why(rig, "reset: errno %d", -ret);
		restart = true;
	}
	state = mig_get(&rig->dev);
	if (state != VFIO_DEVICE_STATE_RUNNING)
		return why(rig, "the device is in %s, not in RUNNING", mig_state_name(state));
	ret = rig_traffic(rig, restart);
	if (ret)
		return why(rig, "traffic of %s driver: errno %d",
			   restart ? "a new" : "the same", -ret);
	return rig_lies(rig);
}

const char *rig_not_whole(struct rig *rig, const struct sequence *s)
{
	struct sequence_run run;
	const char *bad = NULL;

	if (sequence_run(s, &rig->dev, &rig->saved, &run))
		bad = why(rig, "again without a fault: step %u from %s: errno %d",
			  run.step, mig_state_name(run.from), -run.err);
	else if (rig_traffic(rig, run.was_reset))
		bad = why(rig, "again without a fault: no traffic");
	else if (rig->lab.regs && lab_wait_objects(&rig->lab, rig->objects))
		bad = why(rig, "%llu objects on the NIC, %llu before",
			  (unsigned long long)lab_get(&rig->lab, LAB_OBJECTS),
			  (unsigned long long)rig->objects);
	blob_free(&run.out);
	return bad;
}

int rig_mend(struct rig *rig)
{
	int ret;

	if (rig->lab.regs)
		lab_fail_off(&rig->lab);
	ret = vfio_dev_reset(&rig->dev);
	/* Complain once about what is lost for good. */
	if (rig->lab.regs && lab_wait_objects(&rig->lab, rig->objects))
		rig->objects = lab_get(&rig->lab, LAB_OBJECTS);
	return ret ? ret : rig_traffic(rig, true);
}
