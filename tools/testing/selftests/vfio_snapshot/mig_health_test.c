// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PF's firmware dies while a VF of it is in each kind of session. The PF's
 * driver has it reset and goes on; the VF's driver is told that the VF is gone
 * and that it is back. What it says of the device is true at each point, the
 * data fd is dead, and the device migrates again. For a ConnectX, whose driver
 * looks after its firmware every two to three seconds.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "lib/harness.h"
#include "lib/lab.h"
#include "lib/nic.h"

#define DEAD (LAB_FATAL | LAB_STILL | LAB_MUTE)
#define OP_ENABLE_HCA 0x104
#define SECONDS 60
#define WAIT_S (20 * slowness())

FIXTURE(health) {
	struct vfio_dev dev, other;
	struct lab lab;
	struct blob saved;
	int fd;
};

FIXTURE_VARIANT(health) {
	uint32_t state;
	bool session;
	bool write;
};

FIXTURE_VARIANT_ADD(health, in_running) {
	.state = VFIO_DEVICE_STATE_RUNNING,
};

FIXTURE_VARIANT_ADD(health, in_pre_copy) {
	.state = VFIO_DEVICE_STATE_PRE_COPY,
	.session = true,
};

FIXTURE_VARIANT_ADD(health, in_stop_copy) {
	.state = VFIO_DEVICE_STATE_STOP_COPY,
	.session = true,
};

FIXTURE_VARIANT_ADD(health, in_resuming) {
	.state = VFIO_DEVICE_STATE_RESUMING,
	.session = true,
	.write = true,
};

FIXTURE_SETUP(health)
{
	char cmd[128];

	self->fd = -1;
	self->other = (struct vfio_dev){ .container = -1, .group = -1, .fd = -1 };
	if (!nic_of(test_env.bdf) || nic_of(test_env.bdf)->vendor != 0x15b3)
		SKIP(return, "not a ConnectX");
	NEEDS_SECOND_DEVICE();
	NEEDS_LAB(&self->lab, test_env.bdf);
	/* Once a minute is all that it would recover. */
	snprintf(cmd, sizeof(cmd), "devlink health set pci/%s reporter fw_fatal grace_period 0",
		 self->lab.pf);
	ASSERT_EQ(0, system(cmd));
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, vfio_dev_open(&self->other, test_env.bdf2));
	ASSERT_EQ(0, mig_save(&self->other, 65536, &self->saved));
}

FIXTURE_TEARDOWN(health)
{
	if (self->fd >= 0)
		close(self->fd);
	vfio_dev_close(&self->other);
	vfio_dev_close(&self->dev);
	lab_close(&self->lab);
	blob_free(&self->saved);
}

static bool in_time(time_t *end)
{
	if (!*end)
		*end = time(NULL) + WAIT_S;
	usleep(20000);
	return time(NULL) <= *end;
}

/* Until the VF is enabled again: the PF first, then all its VFs in their order */
static bool wait_enabled(struct lab *lab)
{
	time_t end = 0;

	while (lab_count(lab, OP_ENABLE_HCA) < lab->vf + 2)
		if (!in_time(&end))
			return false;
	return true;
}

static bool wait_running(struct vfio_dev *dev)
{
	time_t end = 0;

	while (mig_get(dev) != VFIO_DEVICE_STATE_RUNNING)
		if (!in_time(&end))
			return false;
	return true;
}

TEST_F_TIMEOUT(health, a_dead_firmware_ends_a_session_and_the_device_comes_back, SECONDS)
{
	struct load_result loaded;
	int state;

	ASSERT_EQ(0, mig_enter(&self->dev, variant->state, &self->fd));
	if (variant->write)
		ASSERT_EQ(0, mig_write_all(self->fd, self->saved.data, 16, 16, NULL));
	lab_set(&self->lab, LAB_HEALTH, DEAD);
	ASSERT_TRUE(wait_enabled(&self->lab))
		TH_LOG("the PF's driver did not recover (devlink health; dmesg)");
	EXPECT_EQ(0, lab_get(&self->lab, LAB_HEALTH));
	if (test_env.ours)
		EXPECT_TRUE(wait_running(&self->dev))
			TH_LOG("the device runs, and its driver says %s",
			       mig_state_name(mig_get(&self->dev)));
	EXPECT_FALSE(lab_halted(&self->lab));
	if (variant->session)
		EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, !variant->write));

	/* A driver that still says that it is elsewhere */
	state = mig_get(&self->dev);
	if (state != VFIO_DEVICE_STATE_RUNNING)
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	ASSERT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	blob_free(&self->saved);
	ASSERT_EQ(0, mig_save(&self->dev, 65536, &self->saved));
	loaded = mig_load(&self->other, self->saved.data, self->saved.len, 65536);
	EXPECT_EQ(LOAD_OK, loaded.stage);
	EXPECT_EQ(0, loaded.err);
}

/* The state while the VF is gone, which is long when the PF does not answer */
TEST_F_TIMEOUT(health, nothing_is_promised_while_the_firmware_is_away, SECONDS)
{
	uint64_t before;
	time_t end = 0;

	NEEDS_OURS();
	ASSERT_EQ(0, mig_enter(&self->dev, variant->state, &self->fd));
	lab_set(&self->lab, LAB_HEALTH, LAB_GONE);
	while (mig_get(&self->dev) != VFIO_DEVICE_STATE_ERROR)
		ASSERT_TRUE(in_time(&end));
	before = lab_get(&self->lab, LAB_TOTAL);
	EXPECT_LT(mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	EXPECT_LT(mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	EXPECT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
	EXPECT_EQ(before, lab_get(&self->lab, LAB_TOTAL));
	if (variant->session)
		EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, !variant->write));
	lab_set(&self->lab, LAB_HEALTH, 0);
	ASSERT_TRUE(wait_enabled(&self->lab));
	ASSERT_TRUE(wait_running(&self->dev));
	blob_free(&self->saved);
	ASSERT_EQ(0, mig_save(&self->dev, 65536, &self->saved));
}

SNAPSHOT_TEST_MAIN
