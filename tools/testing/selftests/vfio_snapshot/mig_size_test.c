// SPDX-License-Identifier: GPL-2.0-only
/*
 * A state of VFIO_SNAPSHOT_STATE_MIB (default 64) moves from one device to
 * another while it is read; the test keeps only one piece of it.
 * VFIO_SNAPSHOT_CHUNKS=1: the firmware must be asked for several chunks; 0: for
 * the state as a whole.
 */
#include "lib/harness.h"
#include "lib/lab.h"
#include "lib/nic.h"

#define MIB (1024ull * 1024)
#define SECONDS 600

FIXTURE(size) {
	struct vfio_dev from, to;
	struct lab lab, lab_to;
	const struct nic *nic;
	int save, load;
	uint8_t *buf;
};

FIXTURE_SETUP(size)
{
	self->to = (struct vfio_dev){ .container = -1, .group = -1, .fd = -1 };
	self->save = -1;
	self->load = -1;
	NEEDS_SECOND_DEVICE();
	NEEDS_LAB(&self->lab, test_env.bdf);
	self->nic = nic_of(test_env.bdf);
	ASSERT_NE(NULL, self->nic);
	ASSERT_EQ(0, lab_open(&self->lab_to, test_env.bdf2));
	ASSERT_EQ(0, vfio_dev_open(&self->from, test_env.bdf));
	ASSERT_EQ(0, vfio_dev_open(&self->to, test_env.bdf2));
	self->buf = malloc(MIB);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(size)
{
	if (self->save >= 0)
		close(self->save);
	if (self->load >= 0)
		close(self->load);
	free(self->buf);
	vfio_dev_close(&self->to);
	vfio_dev_close(&self->from);
	lab_close(&self->lab_to);
	lab_close(&self->lab);
}

TEST_F_TIMEOUT(size, a_large_state_moves, SECONDS)
{
	const char *mib = getenv("VFIO_SNAPSHOT_STATE_MIB");
	const char *chunks = getenv("VFIO_SNAPSHOT_CHUNKS");
	uint64_t size = (mib ? atoi(mib) : 64) * MIB, moved = 0, saves;
	unsigned int op_save = self->nic->op[NIC_SAVE];
	ssize_t got;

	lab_vf_set(&self->lab, LAB_VF_PAD, size);
	ASSERT_EQ(0, mig_set(&self->to, VFIO_DEVICE_STATE_RESUMING, &self->load));
	lab_mark(&self->lab, true);
	ASSERT_EQ(0, mig_set(&self->from, VFIO_DEVICE_STATE_STOP_COPY, &self->save));
	while ((got = read(self->save, self->buf, MIB)) > 0) {
		ASSERT_EQ(0, mig_write_all(self->load, self->buf, got, MIB, NULL));
		moved += got;
	}
	ASSERT_EQ(0, got);
	lab_mark(&self->lab, false);
	EXPECT_LE(size, moved);
	saves = lab_between(&self->lab, op_save);
	TH_LOG("%llu bytes, %llu commands that save", (unsigned long long)moved,
	       (unsigned long long)saves);
	if (chunks)
		EXPECT_EQ(atoi(chunks), saves > 1);
	ASSERT_EQ(0, mig_set(&self->to, VFIO_DEVICE_STATE_RUNNING, NULL));
	ASSERT_EQ(0, mig_set(&self->from, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(size, lab_vf_get(&self->lab_to, LAB_VF_PAD));
}

SNAPSHOT_TEST_MAIN
