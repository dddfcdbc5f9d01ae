// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts the firmware commands while the guest is stopped. The migration goes
 * from one device to another as QEMU does it.
 */
#include "lib/harness.h"
#include "lib/rig.h"

FIXTURE(blackout) {
	struct rig rig;
	struct vfio_dev to;
	struct work there;
	struct blob ahead, rest;
	int save, load;
};

FIXTURE_SETUP(blackout)
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
}

FIXTURE_TEARDOWN(blackout)
{
	if (self->save >= 0)
		close(self->save);
	if (self->load >= 0)
		close(self->load);
	vfio_dev_close(&self->to);
	rig_close(&self->rig);
	blob_free(&self->ahead);
	blob_free(&self->rest);
}

/* Everything before the guest stops */
#define PREPARE() \
	do { \
		ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_PRE_COPY, \
				     &self->save)); \
		ASSERT_EQ(0, mig_set(&self->to, VFIO_DEVICE_STATE_RESUMING, \
				     &self->load)); \
		ASSERT_EQ(-ENOMSG, mig_read_all(self->save, 4096, &self->ahead)); \
		ASSERT_EQ(0, mig_write_all(self->load, self->ahead.data, \
					   self->ahead.len, 4096, NULL)); \
	} while (0)

/* Everything while the guest is stopped, but the last step */
#define STAND_STILL() \
	do { \
		ASSERT_EQ(0, mig_set(&self->rig.dev, \
				     VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL)); \
		ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_STOP_COPY, \
				     NULL)); \
		ASSERT_EQ(0, mig_read_all(self->save, 4096, &self->rest)); \
		ASSERT_EQ(0, mig_write_all(self->load, self->rest.data, \
					   self->rest.len, 4096, NULL)); \
		ASSERT_EQ(0, mig_set(&self->to, VFIO_DEVICE_STATE_RUNNING_P2P, \
				     NULL)); \
	} while (0)

#define RUN_AGAIN() \
	ASSERT_EQ(0, mig_set(&self->to, VFIO_DEVICE_STATE_RUNNING, NULL))

/* An asynchronous load may begin after the write. */
static bool wait_count(struct lab *lab, unsigned int opcode, uint64_t want)
{
	unsigned int tries;

	for (tries = 0; tries < 1000 && lab_count(lab, opcode) < want; tries++)
		usleep(10000);
	return lab_count(lab, opcode) == want;
}

TEST_F(blackout, the_blackout_has_only_commands_that_move_the_state)
{
	const struct nic *nic = self->rig.nic;
	struct lab *lab = &self->rig.lab;
	const unsigned int load = nic->op[NIC_LOAD];
	const uint64_t loads = lab_count(lab, load);

	PREPARE();
	ASSERT_TRUE(wait_count(lab, load, loads + 1));
	lab_mark(lab, true);
	STAND_STILL();
	lab_mark(lab, false);
	EXPECT_EQ(nic->halts, lab_between(lab, nic->op[NIC_HALT]));
	EXPECT_EQ(1, lab_between(lab, nic->op[NIC_SAVE]));
	EXPECT_EQ(1, lab_between(lab, load));
	EXPECT_EQ(nic->still, lab_between_all(lab));

	/* The commands at the session's end may come before the second mark. */
	lab_mark(lab, true);
	RUN_AGAIN();
	lab_mark(lab, false);
	EXPECT_EQ(1, lab_between(lab, nic->op[NIC_RUN]));
	EXPECT_EQ(1, lab_between_all(lab) - nic_ends(nic, lab));
	EXPECT_EQ(0, work_send(&self->there, 0, 1));
}

TEST_F(blackout, objects_are_removed_after_the_blackout)
{
	PREPARE();
	STAND_STILL();
	RUN_AGAIN();
	ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0, lab_wait_objects(&self->rig.lab, self->rig.objects));
}

TEST_F(blackout, the_source_writes_memory_only_in_states_that_run)
{
	PREPARE();
	EXPECT_EQ(NULL, rig_lies(&self->rig));
	ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_PRE_COPY_P2P,
			     NULL));
	EXPECT_EQ(NULL, rig_lies(&self->rig));
	ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	EXPECT_EQ(NULL, rig_lies(&self->rig));
	ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_STOP, NULL));
	EXPECT_EQ(NULL, rig_lies(&self->rig));
	ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(NULL, rig_lies(&self->rig));
}

SNAPSHOT_TEST_MAIN
