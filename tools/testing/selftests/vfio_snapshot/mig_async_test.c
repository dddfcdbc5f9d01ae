// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images that are taken ahead asynchronously: the lab holds the save command,
 * and the data fd tells what is there and what is not. Further images contain
 * only what changed, and state that was renewed is initial data again.
 */
#include <fcntl.h>
#include <poll.h>

#include "lib/call.h"
#include "lib/harness.h"
#include "lib/lab.h"
#include "lib/nic.h"
#include "lib/work.h"

#define ANSWER_MS 10000
/* How long a call must be seen waiting */
#define WAIT_MS 200
#define SECONDS 60
#define MIB (1024ul * 1024)
#define PAD (4 * MIB)

#define MEM_LEN (64 * 4096ul)
#define EVERY_US 20000

FIXTURE(async) {
	struct vfio_dev dev;
	uint64_t flags;
	const struct nic *nic;
	struct lab lab;
	struct work work;
	struct call call;
	int fd;
};

FIXTURE_SETUP(async)
{
	self->fd = -1;
	self->dev.fd = -1;
	NEEDS_OURS();
	self->nic = nic_of(test_env.bdf);
	if (!self->nic || !self->nic->late)
		SKIP(return, "the driver saves synchronously in PRE_COPY");
	NEEDS_LAB(&self->lab, test_env.bdf);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));
	NEEDS_STATE(self->flags, VFIO_DEVICE_STATE_PRE_COPY);
	ASSERT_EQ(0, work_bring_up(&self->work, &self->dev));
	lab_only_this_vf(&self->lab, true);
}

FIXTURE_TEARDOWN(async)
{
	/* First, because held commands would block the rest. */
	lab_close(&self->lab);
	if (self->call.fn)
		EXPECT_TRUE(call_over(&self->call, ANSWER_MS));
	if (self->fd >= 0)
		close(self->fd);
	if (self->dev.fd >= 0)
		vfio_dev_close(&self->dev);
	work_free(&self->work);
}

static void set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/* Reads without waiting: the bytes, and in *@err what ended it */
static size_t take_what_is_there(int fd, int *err)
{
	char some[4096];
	size_t sum = 0;
	ssize_t got;

	set_nonblock(fd, true);
	while ((got = read(fd, some, sizeof(some))) > 0)
		sum += got;
	*err = got ? errno : 0;
	set_nonblock(fd, false);
	return sum;
}

static bool is_ready(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && p.revents & POLLIN;
}

static int poll_forever(void *arg)
{
	return is_ready(*(int *)arg, -1) ? 0 : -EIO;
}

static int read_some(void *arg)
{
	char some[64];
	ssize_t got = read(*(int *)arg, some, sizeof(some));

	return got < 0 ? -errno : (int)got;
}

static bool wait_held(struct lab *lab, uint64_t held)
{
	unsigned int ms;

	for (ms = 0; ms < ANSWER_MS; ms++) {
		if (lab_get(lab, LAB_HELD) == held)
			return true;
		usleep(1000);
	}
	return false;
}

/* Goes to PRE_COPY, with the first image held and everything before it read */
#define HOLD_FIRST_IMAGE() \
	do { \
		int _err; \
		lab_drop(&self->lab, self->nic->op[NIC_SAVE], 1); \
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, \
				     &self->fd)); \
		ASSERT_TRUE(wait_held(&self->lab, 1)); \
		EXPECT_GT(take_what_is_there(self->fd, &_err), 0); \
		EXPECT_EQ(EAGAIN, _err); \
	} while (0)

TEST_F_TIMEOUT(async, pre_copy_is_reached_before_the_first_image_is_saved, SECONDS)
{
	int err;

	HOLD_FIRST_IMAGE();
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_PRE_COPY);
	EXPECT_EQ(0, take_what_is_there(self->fd, &err));
	EXPECT_EQ(EAGAIN, err);
	EXPECT_FALSE(is_ready(self->fd, WAIT_MS));
	lab_set(&self->lab, LAB_RELEASE, 1);
	EXPECT_TRUE(is_ready(self->fd, ANSWER_MS));
	EXPECT_GT(take_what_is_there(self->fd, &err), 0);
	EXPECT_EQ(ENOMSG, err);
}

TEST_F_TIMEOUT(async, poll_sleeps_until_the_image_is_there, SECONDS)
{
	HOLD_FIRST_IMAGE();
	ASSERT_EQ(0, call_start(&self->call, poll_forever, &self->fd));
	EXPECT_FALSE(call_over(&self->call, WAIT_MS));
	lab_set(&self->lab, LAB_RELEASE, 1);
	ASSERT_TRUE(call_over(&self->call, ANSWER_MS));
	EXPECT_EQ(0, self->call.ret);
}

TEST_F_TIMEOUT(async, read_waits_until_the_image_is_there, SECONDS)
{
	HOLD_FIRST_IMAGE();
	ASSERT_EQ(0, call_start(&self->call, read_some, &self->fd));
	EXPECT_FALSE(call_over(&self->call, WAIT_MS));
	/* The state can be read meanwhile. */
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_PRE_COPY);
	lab_set(&self->lab, LAB_RELEASE, 1);
	ASSERT_TRUE(call_over(&self->call, ANSWER_MS));
	EXPECT_EQ(64, self->call.ret);
}

/* O_NONBLOCK is of the fd, so the first reader begins without it. */
TEST_F_TIMEOUT(async, a_nonblocking_read_does_not_wait_for_another_reader, SECONDS)
{
	struct call other = {};
	char byte;

	HOLD_FIRST_IMAGE();
	/* With no room to read into there is nothing to wait for. */
	EXPECT_EQ(0, read(self->fd, &byte, 0));
	ASSERT_EQ(0, call_start(&self->call, read_some, &self->fd));
	EXPECT_FALSE(call_over(&self->call, WAIT_MS));
	set_nonblock(self->fd, true);
	ASSERT_EQ(0, call_start(&other, read_some, &self->fd));
	EXPECT_TRUE(call_over(&other, ANSWER_MS / 2));
	EXPECT_FALSE(call_over(&self->call, 0));
	lab_set(&self->lab, LAB_RELEASE, 1);
	ASSERT_TRUE(call_over(&self->call, ANSWER_MS));
	ASSERT_TRUE(call_over(&other, ANSWER_MS));
	EXPECT_EQ(64, self->call.ret);
	EXPECT_EQ(-EAGAIN, other.ret);
}

TEST_F_TIMEOUT(async, a_reset_ends_the_wait_of_poll_and_read, SECONDS)
{
	static int (*const waits[])(void *arg) = { poll_forever, read_some };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		HOLD_FIRST_IMAGE();
		ASSERT_EQ(0, call_start(&self->call, waits[i], &self->fd));
		EXPECT_FALSE(call_over(&self->call, WAIT_MS));
		EXPECT_EQ(0, vfio_dev_reset(&self->dev));
		EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
		ASSERT_TRUE(call_over(&self->call, ANSWER_MS));
		EXPECT_EQ(waits[i] == read_some ? -ENODEV : 0, self->call.ret);
		lab_set(&self->lab, LAB_RELEASE, 1);
		EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, true));
		close(self->fd);
		self->fd = -1;
	}
}

static int stop_copy(void *arg)
{
	return mig_set(arg, VFIO_DEVICE_STATE_STOP_COPY, NULL);
}

TEST_F_TIMEOUT(async, the_next_command_waits_for_the_image, SECONDS)
{
	uint64_t halts;

	HOLD_FIRST_IMAGE();
	halts = lab_count(&self->lab, self->nic->op[NIC_HALT]);
	ASSERT_EQ(0, call_start(&self->call, stop_copy, &self->dev));
	EXPECT_FALSE(call_over(&self->call, WAIT_MS));
	EXPECT_EQ(halts, lab_count(&self->lab, self->nic->op[NIC_HALT]));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_PRE_COPY);
	lab_set(&self->lab, LAB_RELEASE, 1);
	ASSERT_TRUE(call_over(&self->call, ANSWER_MS));
	EXPECT_EQ(0, self->call.ret);
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_STOP_COPY);
}

TEST_F_TIMEOUT(async, a_failed_first_image_ends_with_enomsg_and_the_final_image_is_whole, SECONDS)
{
	struct vfio_precopy_info info;
	struct blob b = {};
	struct load_result r;
	int err;

	lab_fail(&self->lab, self->nic->op[NIC_SAVE], 1,
		 nic_status(self->nic, EBUSY), 0);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &self->fd));
	EXPECT_EQ(-ENOMSG, mig_read_all(self->fd, 4096, &b));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_PRE_COPY);
	EXPECT_EQ(0, mig_precopy_info(self->fd, &info));
	EXPECT_EQ(0, info.initial_bytes);
	EXPECT_EQ(0, info.dirty_bytes);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	err = mig_read_all(self->fd, 4096, &b);
	EXPECT_EQ(0, err);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	r = mig_load(&self->dev, b.data, b.len, 4096);
	EXPECT_EQ(LOAD_OK, r.stage);
	EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0, work_send(&self->work, 0, 1));
	blob_free(&b);
}

/* Bytes up to the temporary end; -1 when the stream ends otherwise */
static long long drain(int fd)
{
	struct blob b = {};
	int ret = mig_read_all(fd, MIB, &b);
	long long len = b.len;

	blob_free(&b);
	return ret == -ENOMSG ? len : -1;
}

TEST_F_TIMEOUT(async, an_image_holds_what_changed_since_the_one_before, SECONDS)
{
	struct vfio_precopy_info info;
	struct blob rest = {};
	uint64_t saves, written;

	if (!self->nic->increments)
		SKIP(return, "each image is whole");
	lab_vf_set(&self->lab, LAB_VF_PAD, PAD);
	/*
	 * Nobody writes the engine's registers while it runs, so its state is not
	 * renewed.
	 */
	ASSERT_EQ(0, engine_start(&self->work.engine, VIRTIO_IOVA, MEM_LEN,
				  EVERY_US, 0));
	ASSERT_EQ(0, engine_wait(&self->work.engine, 3));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &self->fd));
	EXPECT_LT(PAD, drain(self->fd));
	ASSERT_EQ(0, engine_get(&self->work.engine, ENGINE_COUNT, &written));
	ASSERT_EQ(0, engine_wait(&self->work.engine, written + 1));

	ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
	EXPECT_EQ(0, info.initial_bytes);
	EXPECT_LT(0, info.dirty_bytes);
	EXPECT_GT(PAD / 4, info.dirty_bytes);
	EXPECT_GT(PAD / 4, drain(self->fd));

	/* A halted device changes nothing. */
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL));
	saves = lab_count(&self->lab, self->nic->op[NIC_SAVE]);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	ASSERT_EQ(0, mig_read_all(self->fd, MIB, &rest));
	EXPECT_GT(PAD / 4, rest.len);
	EXPECT_EQ(saves + 1, lab_count(&self->lab, self->nic->op[NIC_SAVE]));
	blob_free(&rest);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	ASSERT_EQ(0, engine_stop(&self->work.engine));
}

TEST_F_TIMEOUT(async, without_changes_no_image_is_taken, SECONDS)
{
	struct vfio_precopy_info info;
	uint64_t saves;
	int i;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &self->fd));
	EXPECT_LT(0, drain(self->fd));
	saves = lab_count(&self->lab, self->nic->op[NIC_SAVE]);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
		EXPECT_EQ(0, info.initial_bytes);
		EXPECT_EQ(0, info.dirty_bytes);
		EXPECT_EQ(0, drain(self->fd));
	}
	EXPECT_EQ(saves, lab_count(&self->lab, self->nic->op[NIC_SAVE]));
}

TEST_F_TIMEOUT(async, renewed_state_is_initial_data_again, SECONDS)
{
	uint32_t v2 = VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;
	struct vfio_precopy_info info;
	bool has_v2;

	has_v2 = !mig_feature(&self->dev, VFIO_DEVICE_FEATURE_SET | v2, NULL, 0);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &self->fd));
	EXPECT_LT(0, drain(self->fd));
	ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
	EXPECT_EQ(0, info.flags);

	/* The driver writes registers, which renews the state. */
	ASSERT_EQ(0, work_send(&self->work, 0, 1));
	ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
	if (!has_v2) {
		EXPECT_EQ(0, info.flags);
		EXPECT_LT(0, info.dirty_bytes);
		SKIP(return, "the kernel has no PRECOPY_INFOv2");
	}
	EXPECT_EQ(VFIO_PRECOPY_INFO_REINIT, info.flags);
	EXPECT_LT(0, info.initial_bytes);
	EXPECT_EQ(0, info.dirty_bytes);
	EXPECT_LT(0, drain(self->fd));
	/* Reported only once */
	ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(0, info.initial_bytes);
}

SNAPSHOT_TEST_MAIN
