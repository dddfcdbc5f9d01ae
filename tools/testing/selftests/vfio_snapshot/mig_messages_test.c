// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel log: one line when the device is bound, one when a migration
 * fails, which says what failed, where the device is, and what to do.
 */
#include "lib/harness.h"
#include "lib/kmsg.h"
#include "lib/lab.h"
#include "lib/nic.h"
#include "lib/records.h"
#include "lib/sriov.h"

#define LINE 512
#define UNKNOWN_STATUS nic_status(self->nic, NIC_UNKNOWN_ERROR)
#define SAID(err) nic_said(self->nic, err)
#define CHECK_FIRMWARE "check the firmware and the driver of the physical function"
#define RETRY "; nothing is lost, try again"
#define RESET "; reset it, then start again"

FIXTURE(say) {
	struct sriov sriov;
	const struct nic *nic;
	struct lab lab;
	struct vfio_dev dev;
	struct blob state;
	int log;
	char line[LINE];
};

/* The device is bound anew: few lines are allowed in some seconds. */
FIXTURE_SETUP(say)
{
	self->dev = (struct vfio_dev){ .container = -1, .group = -1, .fd = -1 };
	self->log = -1;
	NEEDS_OURS();
	if (sriov_open(&self->sriov) == -ENODEV)
		SKIP(return, "not a virtual function");
	NEEDS_LAB(&self->lab, test_env.bdf);
	self->nic = nic_of(test_env.bdf);
	ASSERT_NE(NULL, self->nic);
	ASSERT_EQ(0, sriov_unbind_vf(&self->sriov));
	self->log = kmsg_open();
	ASSERT_LE(0, self->log);
	ASSERT_EQ(0, sriov_restore(&self->sriov));
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_save(&self->dev, 4096, &self->state));
}

FIXTURE_TEARDOWN(say)
{
	lab_close(&self->lab);
	vfio_dev_close(&self->dev);
	blob_free(&self->state);
	if (self->log >= 0)
		close(self->log);
}

/* One line about migration since the last look, and it is this one */
#define EXPECT_SAID(...) \
	do { \
		char _text[LINE]; \
		snprintf(_text, LINE, __VA_ARGS__); \
		EXPECT_EQ(1, kmsg_count(self->log, test_env.bdf, "migrat", \
					self->line, LINE)); \
		EXPECT_STREQ(_text, self->line); \
	} while (0)

#define EXPECT_SILENCE() \
	do { \
		EXPECT_EQ(0, kmsg_count(self->log, test_env.bdf, "migrat", \
					self->line, LINE)); \
		EXPECT_STREQ("", self->line); \
	} while (0)

#define BOUND() \
	kmsg_count(self->log, test_env.bdf, "can be migrated", self->line, LINE)

TEST_F(say, once_what_the_device_can_do)
{
	EXPECT_SAID("can be migrated: %s", self->nic->bound);
}

TEST_F(say, nothing_when_all_is_well)
{
	struct load_result r;

	BOUND();
	ASSERT_EQ(0, mig_save(&self->dev, 4096, &self->state));
	blob_free(&self->state);
	ASSERT_EQ(0, mig_save(&self->dev, 4096, &self->state));
	r = mig_load(&self->dev, self->state.data, self->state.len, 4096);
	EXPECT_EQ(LOAD_OK, r.stage);
	EXPECT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_SILENCE();
}

TEST_F(say, which_command_failed_with_which_status)
{
	BOUND();
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	lab_fail(&self->lab, self->nic->op[NIC_SAVE], 1, UNKNOWN_STATUS, 0);
	EXPECT_EQ(-EIO, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	EXPECT_SAID("migration: STOP -> STOP_COPY failed (-5, firmware command save final, status %#x), the device is in STOP: "
		    CHECK_FIRMWARE RETRY, SAID(NIC_UNKNOWN_ERROR));
}

TEST_F(say, the_first_of_two_failures)
{
	if (self->nic->op[NIC_HALT] != self->nic->op[NIC_RUN])
		SKIP(return, "another command leads back");
	BOUND();
	lab_fail(&self->lab, self->nic->op[NIC_HALT], 1, UNKNOWN_STATUS, LAB_FAIL_ON);
	EXPECT_EQ(-EIO, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
	EXPECT_SAID("migration: RUNNING -> RESUMING_NDMA failed (-5, firmware command quiesce ndma, status %#x), the device is in ERROR: "
		    CHECK_FIRMWARE RESET, SAID(NIC_UNKNOWN_ERROR));
}

TEST_F(say, once_that_a_state_was_refused)
{
	struct load_result r;

	BOUND();
	lab_fail(&self->lab, self->nic->op[NIC_LOAD], 1, nic_status(self->nic, EINVAL), 0);
	r = mig_load(&self->dev, self->state.data, self->state.len, 4096);
	EXPECT_TRUE(nic_refuses_at(self->nic, r.stage));
	EXPECT_EQ(VFIO_DEVICE_STATE_ERROR, r.state);
	EXPECT_SAID("migration: loading the stream failed (-22, firmware command load, status %#x), the device is in RESUMING: "
		    CHECK_FIRMWARE RESET, SAID(EINVAL));
}

TEST_F(say, once_that_a_stream_is_none)
{
	uint8_t junk[64] = {};
	struct load_result r;

	BOUND();
	r = mig_load(&self->dev, junk, sizeof(junk), 4096);
	EXPECT_EQ(LOAD_WRITE, r.stage);
	EXPECT_SAID("migration: loading the stream failed (-22, no firmware command failed), the device is in RESUMING: what was loaded is no stream, or a damaged one"
		    RESET);
}

TEST_F(say, that_a_stream_is_cut_off)
{
	struct load_result r;

	BOUND();
	r = mig_load(&self->dev, self->state.data, self->state.len - 1, 4096);
	EXPECT_EQ(LOAD_EXIT, r.stage);
	EXPECT_SAID("migration: RESUMING -> STOP failed (-61, no firmware command failed), the device is in ERROR: the stream is not whole, see why the source or the connection ended"
		    RESET);
}

TEST_F(say, that_a_stream_is_of_another_device)
{
	struct load_result r;

	BOUND();
	/* The back-end's name, behind version, ids and the header */
	self->state.data[RECORD_HEADER + 8] ^= 1;
	r = mig_load(&self->dev, self->state.data, self->state.len, 4096);
	EXPECT_EQ(LOAD_WRITE, r.stage);
	EXPECT_SAID("migration: loading the stream failed (-18, no firmware command failed), the device is in RESUMING: the stream is of another kind of device, use the same on both hosts"
		    RESET);
}

TEST_F(say, that_the_device_could_not_be_made_to_run)
{
	BOUND();
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	lab_fail(&self->lab, self->nic->op[NIC_RUN], 1, UNKNOWN_STATUS, LAB_FAIL_ON);
	EXPECT_EQ(-EIO, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	/* What stops it again is another command, and carried out. */
	if (self->nic->own_ndma)
		EXPECT_SAID("migration: STOP -> RESUMING_NDMA failed (-5, firmware command quiesce ndma, status %#x), the device is in STOP: "
			    CHECK_FIRMWARE RETRY, SAID(NIC_UNKNOWN_ERROR));
	else
		EXPECT_SAID("migration: RESUMING_NDMA -> RUNNING failed (-5, firmware command quiesce run, status %#x), the device is in ERROR: "
			    CHECK_FIRMWARE RESET, SAID(NIC_UNKNOWN_ERROR));
}

TEST_F(say, little_however_much_fails)
{
	unsigned int i, said;

	BOUND();
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	lab_fail(&self->lab, self->nic->op[NIC_SAVE], 1, nic_status(self->nic, EBUSY), LAB_FAIL_ON);
	for (i = 0; i < 40; i++)
		EXPECT_EQ(-EBUSY, mig_set(&self->dev,
					  VFIO_DEVICE_STATE_STOP_COPY, NULL));
	said = kmsg_count(self->log, test_env.bdf, "migration: STOP -> STOP_COPY failed",
			  self->line, LINE);
	EXPECT_LE(1, said);
	/* 10 in 5 s */
	EXPECT_GT(40, said);
}

SNAPSHOT_TEST_MAIN
