// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PF's firmware dies while a VF runs or is in a session, and the PF's
 * driver resets it. A session ends: its data fd is dead and the device is in
 * ERROR until VFIO_DEVICE_RESET. A device in RUNNING stays there; changes of
 * state fail while the firmware is away. For a ConnectX, whose driver looks at
 * the health of its firmware every two to three seconds.
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
	unsigned int last_vf;	/* the other device is virtfnN */
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
	NEEDS_LAB(&self->lab, test_env.bdf2);
	self->last_vf = self->lab.vf;
	lab_close(&self->lab);
	NEEDS_LAB(&self->lab, test_env.bdf);
	/* The other device has to be the later VF: see where it is looked at. */
	ASSERT_LT(self->lab.vf, self->last_vf);
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

/*
 * Until both VFs are enabled again: the PF first, then its VFs in their order.
 * The VF's driver is told before that.
 */
static bool wait_enabled(FIXTURE_DATA(health) *self)
{
	time_t end = 0;

	while (lab_count(&self->lab, OP_ENABLE_HCA) < self->last_vf + 2)
		if (!in_time(&end))
			return false;
	return true;
}

TEST_F_TIMEOUT(health, a_dead_firmware_ends_a_session_and_a_reset_brings_the_device_back, SECONDS)
{
	struct load_result loaded;

	ASSERT_EQ(0, mig_enter(&self->dev, variant->state, &self->fd));
	if (variant->write)
		ASSERT_EQ(0, mig_write_all(self->fd, self->saved.data, 16, 16, NULL));
	lab_set(&self->lab, LAB_HEALTH, DEAD);
	ASSERT_TRUE(wait_enabled(self))
		TH_LOG("the PF's driver did not recover (devlink health; dmesg)");
	EXPECT_EQ(0, lab_get(&self->lab, LAB_HEALTH));
	if (test_env.ours)
		EXPECT_STATE(&self->dev, variant->session ? VFIO_DEVICE_STATE_ERROR :
							    VFIO_DEVICE_STATE_RUNNING);
	EXPECT_FALSE(lab_halted(&self->lab));
	if (variant->session)
		EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, !variant->write));

	if (mig_get(&self->dev) != VFIO_DEVICE_STATE_RUNNING)
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	ASSERT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	blob_free(&self->saved);
	ASSERT_EQ(0, mig_save(&self->dev, 65536, &self->saved));
	loaded = mig_load(&self->other, self->saved.data, self->saved.len, 65536);
	EXPECT_EQ(LOAD_OK, loaded.stage);
	EXPECT_EQ(0, loaded.err);
}

/* The PF's driver disables its last VF first: when the first one is told, the other one was. */
TEST_F_TIMEOUT(health, while_the_firmware_is_away_only_resets_succeed, SECONDS)
{
	struct vfio_dev *idle = &self->other;
	uint64_t before;
	time_t end = 0;

	NEEDS_OURS();
	if (!variant->session)
		SKIP(return, "the other variants look at a device in RUNNING, too");
	ASSERT_EQ(0, mig_enter(&self->dev, variant->state, &self->fd));
	lab_set(&self->lab, LAB_HEALTH, LAB_GONE);
	while (mig_get(&self->dev) != VFIO_DEVICE_STATE_ERROR)
		ASSERT_TRUE(in_time(&end));
	before = lab_get(&self->lab, LAB_TOTAL);
	EXPECT_LT(mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	EXPECT_LT(mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
	EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, !variant->write));

	EXPECT_STATE(idle, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_LT(mig_set(idle, VFIO_DEVICE_STATE_STOP, NULL), 0);
	EXPECT_STATE(idle, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_LT(mig_set(idle, VFIO_DEVICE_STATE_PRE_COPY, NULL), 0);
	EXPECT_STATE(idle, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_EQ(0, vfio_dev_reset(idle));
	EXPECT_STATE(idle, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_EQ(before, lab_get(&self->lab, LAB_TOTAL));

	lab_set(&self->lab, LAB_HEALTH, 0);
	ASSERT_TRUE(wait_enabled(self));
	blob_free(&self->saved);
	EXPECT_EQ(0, mig_save(idle, 65536, &self->saved));
	/* Firmware that is back is no way out of ERROR. */
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
	EXPECT_LT(mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, !variant->write));
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	ASSERT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	blob_free(&self->saved);
	ASSERT_EQ(0, mig_save(&self->dev, 65536, &self->saved));
}

SNAPSHOT_TEST_MAIN
