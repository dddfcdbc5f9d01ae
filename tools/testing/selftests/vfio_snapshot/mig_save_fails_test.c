// SPDX-License-Identifier: GPL-2.0-only
/*
 * The source's firmware refuses a command of a save. The device stops and
 * enters STOP_COPY, and read() of the data fd returns the errno. From there the
 * device runs and saves again. A refused image ahead does not end the
 * migration. A refused stop or session leaves the state as it was.
 */
#include <poll.h>

#include "lib/harness.h"
#include "lib/rig.h"

#define MIB (1024ul * 1024)
#define PAD (4 * MIB)
#define SECONDS 60

FIXTURE(refused) {
	struct rig rig;
	struct blob got;
	int fd;
};

FIXTURE_SETUP(refused)
{
	int ret;

	self->fd = -1;
	NEEDS_OURS();
	ret = rig_open(&self->rig, test_env.bdf);
	if (ret == -ENODEV)
		SKIP(return, "not a NIC of lib/nic.c");
	ASSERT_EQ(0, ret);
	RIG_NEEDS_LAB(&self->rig);
}

FIXTURE_TEARDOWN(refused)
{
	if (self->fd >= 0)
		close(self->fd);
	rig_close(&self->rig);
	blob_free(&self->got);
}

/* The firmware refuses the next @command. */
static void refuse(struct rig *rig, enum nic_command command, int err, unsigned int flags)
{
	lab_fail(&rig->lab, rig->nic->op[command], 1, nic_status(rig->nic, err), flags);
}

#define SET_STATE(_state) \
	ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_##_state, NULL))

#define EXPECT_TRUE_STATE(_state) \
	do { \
		const char *_lie; \
		EXPECT_STATE(&self->rig.dev, _state); \
		_lie = rig_lies(&self->rig); \
		EXPECT_EQ(NULL, _lie) { \
			TH_LOG("%s", _lie); \
		} \
	} while (0)

/* The device loads the stream in @self->got, then runs with a new driver. */
#define EXPECT_LOADS() \
	do { \
		struct load_result _r = mig_load(&self->rig.dev, self->got.data, \
						 self->got.len, 4096); \
		EXPECT_EQ(LOAD_OK, _r.stage) { \
			TH_LOG("errno %d after %zu bytes", _r.err, _r.written); \
		} \
		SET_STATE(RUNNING); \
		EXPECT_EQ(0, rig_traffic(&self->rig, true)); \
	} while (0)

/* In RUNNING: traffic continues, a save is whole and loads, no object is left behind. */
#define EXPECT_WORKS() \
	do { \
		EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_RUNNING); \
		EXPECT_EQ(0, rig_traffic(&self->rig, false)); \
		self->got.len = 0; \
		ASSERT_EQ(0, mig_save(&self->rig.dev, 4096, &self->got)); \
		EXPECT_LE(self->rig.saved.len, self->got.len); \
		EXPECT_EQ(0, rig_traffic(&self->rig, false)); \
		EXPECT_LOADS(); \
		EXPECT_EQ(0, lab_wait_objects(&self->rig.lab, self->rig.objects)); \
	} while (0)

static const struct {
	int err;		/* errno of the firmware's status */
	int told;
	unsigned int flags;
	bool by_stop;		/* STOP_COPY -> STOP -> RUNNING instead of STOP_COPY -> RUNNING */
} refusals[] = {
	{ EBUSY, EBUSY, 0, true },
	{ EBUSY, EBUSY, LAB_FAIL_ON, false },
	/* After EAGAIN from read() a caller would try again for ever. */
	{ EAGAIN, EBUSY, 0, false },
	{ NIC_UNKNOWN_ERROR, EIO, LAB_FAIL_ON, true },
	{ NIC_UNKNOWN_ERROR, EIO, LAB_FAIL_AFTER, false },
};

/* A command that makes an object cannot be carried out and reported as failed. */
static bool can_refuse(const struct nic *nic, unsigned int opcode, unsigned int flags)
{
	unsigned int i;

	for (i = 0; nic->after[i]; i++)
		if (nic->after[i] == opcode)
			return true;
	return !(flags & LAB_FAIL_AFTER);
}

/*
 * The driver is started again, the size has to be asked for again, and the
 * device is in STOP.
 */
#define REACH_STOP() \
	do { \
		ASSERT_EQ(0, vfio_dev_reset(&self->rig.dev)); \
		ASSERT_EQ(0, rig_traffic(&self->rig, true)); \
		SET_STATE(STOP); \
	} while (0)

/* As a hypervisor does: read all that there is */
#define REACH_PRE_COPY() \
	do { \
		self->got.len = 0; \
		ASSERT_EQ(0, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_PRE_COPY, \
				     &self->fd)); \
		ASSERT_EQ(-ENOMSG, mig_read_all(self->fd, 4096, &self->got)); \
	} while (0)

#define REACH_PRE_COPY_P2P() \
	do { \
		REACH_PRE_COPY(); \
		SET_STATE(PRE_COPY_P2P); \
	} while (0)

#define CLOSE_FD() \
	do { \
		close(self->fd); \
		self->fd = -1; \
	} while (0)

/* To STOP_COPY. In PRE_COPY the data fd exists already. */
static int stop_copy(FIXTURE_DATA(refused) *self)
{
	int fd, ret = mig_set(&self->rig.dev, VFIO_DEVICE_STATE_STOP_COPY, &fd);

	if (fd >= 0)
		self->fd = fd;
	return ret;
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

/* STOP_COPY without a fault: the stream is whole. */
#define EXPECT_WHOLE() \
	do { \
		self->got.len = 0; \
		ASSERT_EQ(0, stop_copy(self)); \
		EXPECT_EQ(0, mig_read_all(self->fd, 4096, &self->got)); \
		EXPECT_LE(self->rig.saved.len, self->got.len); \
	} while (0)

#define EXPECT_TOLD_BY_READ(_command, _reach) \
	do { \
		const unsigned int _op = self->rig.nic->op[_command]; \
		unsigned int _i; \
		for (_i = 0; _i < ARRAY_SIZE(refusals); _i++) { \
			if (!can_refuse(self->rig.nic, _op, refusals[_i].flags)) \
				continue; \
			_reach(); \
			refuse(&self->rig, _command, refusals[_i].err, \
			       refusals[_i].flags); \
			ASSERT_EQ(0, stop_copy(self)); \
			EXPECT_TRUE(lab_fail_met(&self->rig.lab)); \
			EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_STOP_COPY); \
			EXPECT_EQ(-refusals[_i].told, \
				  mig_read_all(self->fd, 4096, &self->got)); \
			EXPECT_TRUE(is_readable(self->fd)); \
			EXPECT_EQ(refusals[_i].told, mig_fd_errno(self->fd, true)); \
			if (refusals[_i].by_stop) { \
				lab_fail_off(&self->rig.lab); \
				SET_STATE(STOP); \
				EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_STOP); \
				EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, true)); \
				CLOSE_FD(); \
				EXPECT_WHOLE(); \
			} \
			SET_STATE(RUNNING); \
			EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, true)); \
			CLOSE_FD(); \
			EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_RUNNING); \
			lab_fail_off(&self->rig.lab); \
			EXPECT_WORKS(); \
		} \
	} while (0)

TEST_F_TIMEOUT(refused, a_refused_size_query_from_stop_is_told_by_read, SECONDS)
{
	EXPECT_TOLD_BY_READ(NIC_ESTIMATE, REACH_STOP);
}

TEST_F_TIMEOUT(refused, a_refused_buffer_from_stop_is_told_by_read, SECONDS)
{
	if (!self->rig.nic->op[NIC_MAP])
		SKIP(return, "the firmware has no command for buffers");
	EXPECT_TOLD_BY_READ(NIC_MAP, REACH_STOP);
}

TEST_F_TIMEOUT(refused, a_refused_save_from_stop_is_told_by_read, SECONDS)
{
	EXPECT_TOLD_BY_READ(NIC_SAVE, REACH_STOP);
}

TEST_F_TIMEOUT(refused, a_refused_save_from_pre_copy_p2p_is_told_by_read, SECONDS)
{
	EXPECT_TOLD_BY_READ(NIC_SAVE, REACH_PRE_COPY_P2P);
}

static const unsigned int once[] = { 0, LAB_FAIL_AFTER };

TEST_F_TIMEOUT(refused, a_refused_stop_leaves_the_state_as_it_was, SECONDS)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(once); i++) {
		refuse(&self->rig, NIC_HALT, EBUSY, once[i]);
		EXPECT_EQ(-EBUSY, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_STOP, NULL));
		EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_RUNNING);
		EXPECT_EQ(0, rig_traffic(&self->rig, false));

		REACH_PRE_COPY();
		refuse(&self->rig, NIC_HALT, EBUSY, once[i]);
		EXPECT_EQ(-EBUSY, stop_copy(self));
		EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_PRE_COPY);
		SET_STATE(PRE_COPY_P2P);
		/* If P2P is a full stop, no command is left to refuse. */
		if (self->rig.nic->own_ndma) {
			refuse(&self->rig, NIC_HALT, EBUSY, once[i]);
			EXPECT_EQ(-EBUSY, stop_copy(self));
			EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_PRE_COPY_P2P);
		}
		ASSERT_EQ(0, stop_copy(self));
		EXPECT_EQ(0, mig_read_all(self->fd, 4096, &self->got));
		SET_STATE(RUNNING);
		CLOSE_FD();
		EXPECT_LOADS();
		EXPECT_WORKS();
	}
}

TEST_F_TIMEOUT(refused, a_refused_session_leaves_the_state_as_it_was, SECONDS)
{
	if (!self->rig.nic->op[NIC_BEGIN])
		SKIP(return, "no command begins a session");
	refuse(&self->rig, NIC_BEGIN, EBUSY, 0);
	EXPECT_EQ(-EBUSY, mig_set(&self->rig.dev, VFIO_DEVICE_STATE_PRE_COPY, NULL));
	EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_RUNNING);

	SET_STATE(STOP);
	refuse(&self->rig, NIC_BEGIN, EBUSY, 0);
	EXPECT_EQ(-EBUSY, stop_copy(self));
	EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_STOP);
	EXPECT_WHOLE();
	SET_STATE(RUNNING);
	CLOSE_FD();
	EXPECT_WORKS();
}

#define EXPECT_NOTHING_LEFT() \
	do { \
		struct vfio_precopy_info _info; \
		EXPECT_EQ(0, mig_precopy_info(self->fd, &_info)); \
		EXPECT_EQ(0, _info.initial_bytes); \
		EXPECT_EQ(0, _info.dirty_bytes); \
		EXPECT_EQ(ENOMSG, mig_fd_errno(self->fd, true)); \
	} while (0)

/* From PRE_COPY on: the final image is whole, and the stream loads. */
#define EXPECT_WHOLE_FINAL_IMAGE() \
	do { \
		size_t _ahead = self->got.len; \
		SET_STATE(PRE_COPY_P2P); \
		ASSERT_EQ(0, stop_copy(self)); \
		ASSERT_EQ(0, mig_read_all(self->fd, 4096, &self->got)); \
		EXPECT_LT(PAD, self->got.len - _ahead); \
		SET_STATE(RUNNING); \
		CLOSE_FD(); \
		EXPECT_LOADS(); \
		EXPECT_WORKS(); \
	} while (0)

TEST_F_TIMEOUT(refused, a_refused_first_image_ahead_costs_the_migration_nothing, SECONDS)
{
	unsigned int i;

	lab_vf_set(&self->rig.lab, LAB_VF_PAD, PAD);
	for (i = 0; i < ARRAY_SIZE(once); i++) {
		refuse(&self->rig, NIC_SAVE, EBUSY, once[i]);
		REACH_PRE_COPY();
		EXPECT_TRUE(lab_fail_met(&self->rig.lab));
		EXPECT_GT(PAD, self->got.len);
		EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_PRE_COPY);
		EXPECT_NOTHING_LEFT();
		EXPECT_WHOLE_FINAL_IMAGE();
	}
}

TEST_F_TIMEOUT(refused, a_refused_second_image_ahead_costs_the_migration_nothing, SECONDS)
{
	const unsigned int save = self->rig.nic->op[NIC_SAVE];
	struct vfio_precopy_info info;
	unsigned int i;
	uint64_t saves;

	if (!self->rig.nic->increments)
		SKIP(return, "the driver takes one image ahead only");
	lab_vf_set(&self->rig.lab, LAB_VF_PAD, PAD);
	for (i = 0; i < ARRAY_SIZE(once); i++) {
		REACH_PRE_COPY();
		EXPECT_LT(PAD, self->got.len);
		refuse(&self->rig, NIC_SAVE, EBUSY, once[i]);
		ASSERT_EQ(0, rig_traffic(&self->rig, false));
		ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
		EXPECT_LT(0, info.initial_bytes + info.dirty_bytes);
		EXPECT_EQ(ENOMSG, mig_fd_errno(self->fd, true));
		EXPECT_TRUE(lab_fail_met(&self->rig.lab));
		EXPECT_NOTHING_LEFT();

		/* The driver takes no further image ahead, whatever changes. */
		saves = lab_count(&self->rig.lab, save);
		ASSERT_EQ(0, rig_traffic(&self->rig, false));
		EXPECT_NOTHING_LEFT();
		EXPECT_EQ(saves, lab_count(&self->rig.lab, save));
		EXPECT_TRUE_STATE(VFIO_DEVICE_STATE_PRE_COPY);
		EXPECT_WHOLE_FINAL_IMAGE();
	}
}

SNAPSHOT_TEST_MAIN
