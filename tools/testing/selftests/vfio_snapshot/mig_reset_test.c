// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets and closes in every state, with the data fd open: the device returns
 * to RUNNING, the data fd is dead, and the device migrates again.
 */
#include <pthread.h>
#include <sys/ioctl.h>

#include "lib/harness.h"
#include "lib/lab.h"

FIXTURE(reset) {
	struct vfio_dev dev;
	uint64_t flags;
	int fd;
	bool saving;
};

FIXTURE_VARIANT(reset) {
	enum vfio_device_mig_state in;
};

FIXTURE_VARIANT_ADD(reset, in_error) {
	.in = VFIO_DEVICE_STATE_ERROR,
};

FIXTURE_VARIANT_ADD(reset, in_stop) {
	.in = VFIO_DEVICE_STATE_STOP,
};

FIXTURE_VARIANT_ADD(reset, in_running) {
	.in = VFIO_DEVICE_STATE_RUNNING,
};

FIXTURE_VARIANT_ADD(reset, in_stop_copy) {
	.in = VFIO_DEVICE_STATE_STOP_COPY,
};

FIXTURE_VARIANT_ADD(reset, in_resuming) {
	.in = VFIO_DEVICE_STATE_RESUMING,
};

FIXTURE_VARIANT_ADD(reset, in_running_p2p) {
	.in = VFIO_DEVICE_STATE_RUNNING_P2P,
};

FIXTURE_VARIANT_ADD(reset, in_pre_copy) {
	.in = VFIO_DEVICE_STATE_PRE_COPY,
};

FIXTURE_VARIANT_ADD(reset, in_pre_copy_p2p) {
	.in = VFIO_DEVICE_STATE_PRE_COPY_P2P,
};

FIXTURE_SETUP(reset)
{
	self->fd = -1;
	self->saving = mig_state_saving(variant->in);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));

	if (variant->in == VFIO_DEVICE_STATE_ERROR) {
		SKIP_PEER_FAULT("it has no ERROR state, whatever happens");
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING,
				     &self->fd));
		ASSERT_NE(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	} else {
		NEEDS_STATE(self->flags, variant->in);
		ASSERT_EQ(0, mig_enter(&self->dev, variant->in, &self->fd));
	}
	ASSERT_STATE(&self->dev, variant->in);
}

FIXTURE_TEARDOWN(reset)
{
	if (self->fd >= 0)
		close(self->fd);
	vfio_dev_close(&self->dev);
}

/* Every call on the data fd must return ENODEV */
#define EXPECT_DEAD_FD(_fd, _saving) \
	do { \
		struct vfio_precopy_info _info; \
		if ((_fd) < 0) \
			break; \
		EXPECT_EQ(ENODEV, mig_fd_errno(_fd, _saving)); \
		if (_saving) { \
			EXPECT_EQ(-ENODEV, mig_precopy_info(_fd, &_info)); \
		} \
	} while (0)

#define EXPECT_MIGRATES(_dev) \
	do { \
		struct load_result _r; \
		struct blob _b = {}; \
		ASSERT_STATE(_dev, VFIO_DEVICE_STATE_RUNNING); \
		ASSERT_EQ(0, mig_save(_dev, 4096, &_b)); \
		_r = mig_load(_dev, _b.data, _b.len, 4096); \
		EXPECT_EQ(LOAD_OK, _r.stage); \
		EXPECT_EQ(0, mig_set(_dev, VFIO_DEVICE_STATE_RUNNING, NULL)); \
		blob_free(&_b); \
	} while (0)

/* Skips what the upstream driver does wrong with dead fds */
#define SKIP_PEER_DEAD_FD() \
	do { \
		if (self->fd >= 0 && self->saving) \
			SKIP_PEER_FAULT("a dead fd answers EINVAL, not ENODEV"); \
		else if (self->fd >= 0) \
			SKIP_PEER_FAULT("a write after RESUMING was left is a NULL dereference"); \
	} while (0)

TEST_F(reset, device_reset_returns_to_running)
{
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_MIGRATES(&self->dev);
}

TEST_F(reset, device_reset_kills_the_data_fd)
{
	SKIP_PEER_DEAD_FD();
	if (self->fd < 0)
		SKIP(return, "no session is open in this state");
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_DEAD_FD(self->fd, self->saving);
	EXPECT_MIGRATES(&self->dev);
	EXPECT_DEAD_FD(self->fd, self->saving);
}

TEST_F(reset, function_reset_from_sysfs_returns_to_running)
{
	ASSERT_EQ(0, pci_function_reset(self->dev.bdf));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_MIGRATES(&self->dev);
}

TEST_F(reset, function_reset_from_sysfs_kills_the_data_fd)
{
	SKIP_PEER_DEAD_FD();
	if (self->fd < 0)
		SKIP(return, "no session is open in this state");
	ASSERT_EQ(0, pci_function_reset(self->dev.bdf));
	EXPECT_DEAD_FD(self->fd, self->saving);
	EXPECT_MIGRATES(&self->dev);
	EXPECT_DEAD_FD(self->fd, self->saving);
}

TEST_F(reset, two_resets_in_a_row_are_as_good_as_one)
{
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	ASSERT_EQ(0, pci_function_reset(self->dev.bdf));
	EXPECT_MIGRATES(&self->dev);
}

TEST_F(reset, closed_device_is_running_when_opened_again)
{
	vfio_dev_close(&self->dev);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	EXPECT_MIGRATES(&self->dev);
}

TEST_F(reset, an_fd_that_outlives_its_device_is_dead_and_harmless)
{
	if (self->fd < 0)
		SKIP(return, "no session is open in this state");
	SKIP_PEER_FAULT("the data fd holds no reference on the device");
	vfio_dev_close(&self->dev);
	EXPECT_DEAD_FD(self->fd, self->saving);

	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	EXPECT_DEAD_FD(self->fd, self->saving);
	EXPECT_MIGRATES(&self->dev);
	EXPECT_DEAD_FD(self->fd, self->saving);
}

TEST_F(reset, the_data_fd_may_be_closed_before_the_reset)
{
	if (self->fd >= 0)
		close(self->fd);
	self->fd = -1;
	EXPECT_STATE(&self->dev, variant->in);
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_MIGRATES(&self->dev);
}

/* Without variants: resets that race with other calls */
DEVICE_FIXTURE(race)

struct resetter {
	struct vfio_dev *dev;
	bool from_sysfs;
	int err;
	volatile bool done;
};

static void *reset_often(void *arg)
{
	struct resetter *r = arg;
	int i;

	for (i = 0; i < 12 && !r->err; i++)
		r->err = r->from_sysfs ? pci_function_reset(r->dev->bdf) :
					 vfio_dev_reset(r->dev);
	r->done = true;
	return NULL;
}

static int save_and_load_once(struct vfio_dev *dev, struct blob *b)
{
	int err;

	b->len = 0;
	err = mig_save(dev, 64, b);
	if (!err)
		err = -mig_load(dev, b->data, b->len, 64).err;
	return err;
}

static int race(struct vfio_dev *dev, bool from_sysfs)
{
	struct resetter r = { .dev = dev, .from_sysfs = from_sysfs };
	struct blob b = {};
	pthread_t thread;

	if (pthread_create(&thread, NULL, reset_often, &r))
		return -errno;
	/* The migration may fail at any point, but it must end. */
	while (!r.done)
		save_and_load_once(dev, &b);
	pthread_join(thread, NULL);
	blob_free(&b);
	return r.err;
}

TEST_F(race, device_reset_may_meet_a_migration_at_any_point)
{
	SKIP_PEER_FAULT("a write after RESUMING was left is a NULL dereference");
	EXPECT_EQ(0, race(&self->dev, false));
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_MIGRATES(&self->dev);
}

TEST_F(race, function_reset_may_meet_a_migration_at_any_point)
{
	SKIP_PEER_FAULT("a write after RESUMING was left is a NULL dereference");
	EXPECT_EQ(0, race(&self->dev, true));
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_MIGRATES(&self->dev);
}

static void *reset_once(void *arg)
{
	struct resetter *r = arg;

	r->err = vfio_dev_reset(r->dev);
	r->done = true;
	return NULL;
}

/* A function reset takes 100 ms, and the driver is told afterwards. */
TEST_F(race, a_device_halted_within_a_reset_runs_after_it)
{
	unsigned int crossed = 0, tries;
	struct lab lab;

	NEEDS_LAB(&lab, test_env.bdf);
	for (tries = 0; tries < 30 && crossed < 3; tries++) {
		struct resetter r = { .dev = &self->dev };
		pthread_t thread;

		ASSERT_EQ(0, pthread_create(&thread, NULL, reset_once, &r));
		usleep(10000 + 10000 * (tries % 8));
		/*
		 * Refused or not, the command must have reached the device during
		 * the reset.
		 */
		if (!mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL) && !r.done &&
		    lab_halted(&lab))
			crossed++;
		pthread_join(thread, NULL);
		ASSERT_EQ(0, r.err);
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
		EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
		EXPECT_EQ(0, lab_halted(&lab));
	}
	lab_close(&lab);
	EXPECT_EQ(3, crossed)
		TH_LOG("no command reached the device during a reset");
	EXPECT_MIGRATES(&self->dev);
}

SNAPSHOT_TEST_MAIN
