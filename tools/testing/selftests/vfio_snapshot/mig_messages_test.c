// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel log: one line when a device is bound, one for each failure. It
 * names what failed, the errno, the firmware command with its status, and the
 * state that the device is in.
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
#define NO_COMMAND "no firmware command failed"

FIXTURE(say) {
	struct sriov sriov;
	const struct nic *nic;
	struct lab lab;
	struct vfio_dev dev;
	struct blob state;
	int log;
	char line[LINE];
};

/* Binding the device again resets the limit of lines in a time. */
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

/* One line about migration since the last look: this one */
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

/* All of the open stream; 0, or the errno that read() ends with */
static int read_errno(int fd)
{
	struct blob b = {};
	int ret = mig_read_all(fd, 4096, &b);

	blob_free(&b);
	return -ret;
}

TEST_F(say, which_command_of_the_final_image_failed)
{
	struct blob again = {};
	int fd;

	BOUND();
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	lab_fail(&self->lab, self->nic->op[NIC_SAVE], 1, UNKNOWN_STATUS, 0);
	/* The device is stopped, so the state is reached; read() has the error. */
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	EXPECT_EQ(EIO, read_errno(fd));
	close(fd);
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_STOP_COPY);
	EXPECT_SAID("migration: final image failed: -5, firmware command save final, status %#x; read() of the data fd returns it",
		    SAID(NIC_UNKNOWN_ERROR));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0, mig_save(&self->dev, 4096, &again));
	blob_free(&again);
	EXPECT_SILENCE();
}

TEST_F(say, that_an_image_ahead_failed)
{
	uint64_t flags;
	int fd;

	ASSERT_EQ(0, mig_flags(&self->dev, &flags));
	if (!(flags & VFIO_MIGRATION_PRE_COPY))
		SKIP(return, "no pre-copy");
	BOUND();
	lab_fail(&self->lab, self->nic->op[NIC_SAVE], 1, UNKNOWN_STATUS, 0);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &fd));
	EXPECT_EQ(ENOMSG, read_errno(fd));
	EXPECT_SAID("migration: image ahead failed: -5, firmware command save ahead, status %#x; no further image ahead",
		    SAID(NIC_UNKNOWN_ERROR));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	EXPECT_EQ(0, read_errno(fd));
	close(fd);
	EXPECT_SILENCE();
}

TEST_F(say, that_the_size_cannot_be_asked_for)
{
	uint64_t size;

	/* A reset forgets the size that a save has asked for. */
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	BOUND();
	lab_fail(&self->lab, self->nic->op[NIC_ESTIMATE], 1, nic_status(self->nic, EBUSY), 0);
	EXPECT_EQ(-EBUSY, mig_data_size(&self->dev, &size));
	EXPECT_SAID("migration: size unknown: -16, firmware command estimate whole, status %#x",
		    SAID(EBUSY));
	EXPECT_EQ(0, mig_data_size(&self->dev, &size));
	EXPECT_SILENCE();
}

TEST_F(say, the_first_of_two_failures)
{
	if (self->nic->op[NIC_HALT] != self->nic->op[NIC_RUN])
		SKIP(return, "another command leads back");
	BOUND();
	lab_fail(&self->lab, self->nic->op[NIC_HALT], 1, UNKNOWN_STATUS, LAB_FAIL_ON);
	EXPECT_EQ(-EIO, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
	EXPECT_SAID("migration: RUNNING -> RUNNING_P2P failed: -5, firmware command quiesce ndma, status %#x; state ERROR",
		    SAID(NIC_UNKNOWN_ERROR));
}

TEST_F(say, once_that_the_firmware_refused_a_state)
{
	struct load_result r;

	BOUND();
	lab_fail(&self->lab, self->nic->op[NIC_LOAD], 1, nic_status(self->nic, EINVAL), 0);
	r = mig_load(&self->dev, self->state.data, self->state.len, 4096);
	EXPECT_TRUE(nic_refuses_at(self->nic, r.stage));
	EXPECT_EQ(VFIO_DEVICE_STATE_ERROR, r.state);
	EXPECT_SAID("migration: stream refused: -22, firmware command load, status %#x; state RESUMING",
		    SAID(EINVAL));
}

TEST_F(say, once_that_what_came_is_no_stream)
{
	uint8_t junk[64] = {};
	struct load_result r;

	BOUND();
	r = mig_load(&self->dev, junk, sizeof(junk), 4096);
	EXPECT_EQ(LOAD_WRITE, r.stage);
	EXPECT_SAID("migration: stream refused: -22, " NO_COMMAND "; state RESUMING");
}

TEST_F(say, that_a_stream_is_cut_off)
{
	struct load_result r;

	BOUND();
	r = mig_load(&self->dev, self->state.data, self->state.len - 1, 4096);
	EXPECT_EQ(LOAD_EXIT, r.stage);
	EXPECT_SAID("migration: RESUMING -> STOP failed: -61, " NO_COMMAND "; state ERROR");
}

TEST_F(say, that_a_stream_is_of_another_device)
{
	struct load_result r;

	BOUND();
	/* The back-end's name, after the header, version and ids */
	self->state.data[RECORD_HEADER + 8] ^= 1;
	r = mig_load(&self->dev, self->state.data, self->state.len, 4096);
	EXPECT_EQ(LOAD_WRITE, r.stage);
	EXPECT_SAID("migration: stream refused: -18, " NO_COMMAND "; state RESUMING");
}

TEST_F(say, that_the_firmware_refused_to_run)
{
	BOUND();
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	lab_fail(&self->lab, self->nic->op[NIC_RUN], 1, UNKNOWN_STATUS, LAB_FAIL_ON);
	EXPECT_EQ(-EIO, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	/* The command that stops it again is another one, and succeeds. */
	if (self->nic->own_ndma)
		EXPECT_SAID("migration: STOP -> RUNNING_P2P failed: -5, firmware command quiesce ndma, status %#x; state STOP",
			    SAID(NIC_UNKNOWN_ERROR));
	else
		EXPECT_SAID("migration: RUNNING_P2P -> RUNNING failed: -5, firmware command quiesce run, status %#x; state ERROR",
			    SAID(NIC_UNKNOWN_ERROR));
}

TEST_F(say, at_most_some_lines_in_a_time)
{
	unsigned int i, said;
	int fd;

	BOUND();
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	lab_fail(&self->lab, self->nic->op[NIC_SAVE], 1, nic_status(self->nic, EBUSY), LAB_FAIL_ON);
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
		EXPECT_EQ(EBUSY, read_errno(fd));
		close(fd);
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	}
	said = kmsg_count(self->log, test_env.bdf, "migration: final image failed",
			  self->line, LINE);
	EXPECT_LE(1, said);
	/* 10 in 5 s */
	EXPECT_GT(40, said);
}

SNAPSHOT_TEST_MAIN
