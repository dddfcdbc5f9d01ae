// SPDX-License-Identifier: GPL-2.0-only
/*
 * A state of 64 MiB moves on a device that takes 1,024 pieces of memory per
 * command. The arc to STOP_COPY neither allocates nor frees a page.
 */
#include "lib/harness.h"
#include "lib/pages.h"
#include "lib/rig.h"

#define MIB (1024ul * 1024)
#define STATE (64 * MIB)
#define WRITE (32 * 1024)

FIXTURE(large) {
	struct rig rig;
	struct vfio_dev to;
	struct work there;
	struct pages pages;
	int save, load;
	uint8_t *buf;
};

FIXTURE_SETUP(large)
{
	int ret;

	self->to = (struct vfio_dev){ .container = -1, .group = -1, .fd = -1 };
	self->save = -1;
	self->load = -1;
	NEEDS_OURS();
	NEEDS_SECOND_DEVICE();
	ret = rig_open(&self->rig, test_env.bdf);
	if (ret == -ENODEV)
		SKIP(return, "not a NIC of lib/nic.c");
	ASSERT_EQ(0, ret);
	RIG_NEEDS_LAB(&self->rig);
	ASSERT_EQ(0, vfio_dev_open(&self->to, test_env.bdf2));
	ASSERT_EQ(0, work_map(&self->rig.work, &self->to));
	ASSERT_EQ(0, work_adopt(&self->there, &self->rig.work, &self->to));
	self->buf = malloc(MIB);
	ASSERT_NE(NULL, self->buf);
	lab_vf_set(&self->rig.lab, LAB_VF_PAD, STATE);
}

FIXTURE_TEARDOWN(large)
{
	if (self->save >= 0)
		close(self->save);
	if (self->load >= 0)
		close(self->load);
	vfio_dev_close(&self->to);
	rig_close(&self->rig);
	free(self->buf);
}

/* Whether there is more to read after asking */
static bool ask_for_more(int fd)
{
	struct vfio_precopy_info info;

	return !mig_precopy_info(fd, &info) &&
	       (info.initial_bytes || info.dirty_bytes);
}

/* Moves everything up to the end, or until nothing changes: bytes, or -errno */
static long long move(FIXTURE_DATA(large) *self)
{
	long long moved = 0;
	ssize_t got;
	int ret;

	do {
		while ((got = read(self->save, self->buf, MIB)) > 0) {
			ret = mig_write_all(self->load, self->buf, got, WRITE, NULL);
			if (ret)
				return ret;
			moved += got;
		}
		if (got && errno != ENOMSG)
			return -errno;
	} while (got && ask_for_more(self->save));
	return moved;
}

TEST_F_TIMEOUT(large, a_large_state_moves_and_the_blackout_takes_no_page, 120)
{
	const struct nic *nic = self->rig.nic;
	struct lab *lab = &self->rig.lab;
	long long rest;
	int ret, traced;

	traced = pages_open(&self->pages);
	ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_PRE_COPY, &self->save));
	ASSERT_EQ(0, mig_set(&self->to, VFIO_DEVICE_STATE_RESUMING, &self->load));
	ASSERT_LT(STATE, move(self));

	lab_mark(lab, true);
	ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL));
	if (!traced)
		pages_begin(&self->pages);
	ret = mig_set(&self->rig.dev, VFIO_DEVICE_STATE_STOP_COPY, NULL);
	if (!traced)
		pages_end(&self->pages);
	ASSERT_EQ(0, ret);
	/* The whole state again, unless the device saves increments */
	rest = move(self);
	ASSERT_LT(0, rest);
	EXPECT_EQ(nic->increments, rest < STATE);
	ASSERT_EQ(0, mig_set(&self->to, VFIO_DEVICE_STATE_RUNNING_P2P, NULL));
	ASSERT_EQ(0, mig_set(&self->to, VFIO_DEVICE_STATE_RUNNING, NULL));
	lab_mark(lab, false);
	EXPECT_EQ(1, lab_between(lab, nic->op[NIC_SAVE]));
	EXPECT_EQ(nic->still + 1, lab_between_all(lab) - nic_ends(nic, lab));
	EXPECT_EQ(0, work_send(&self->there, 0, 1));

	if (traced) {
		TH_LOG("the kernel shows no page events");
	} else {
		/* The checkers of a debug kernel allocate pages themselves. */
		if (slowness() == 1) {
			EXPECT_EQ(0, self->pages.allocated);
			EXPECT_EQ(0, self->pages.freed);
		}
		pages_close(&self->pages);
	}
}

SNAPSHOT_TEST_MAIN
