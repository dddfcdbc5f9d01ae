// SPDX-License-Identifier: GPL-2.0-only
/*
 * A state that is saved on one device and loaded on another: the second device
 * saves the same bytes, and the driver of the first one continues on the
 * second.
 */
#include "lib/harness.h"
#include "lib/records.h"
#include "lib/work.h"

FIXTURE(roundtrip) {
	struct vfio_dev a, b;
	uint64_t flags;
	struct work work;	/* the driver, which is on @a at first */
	struct blob saved;
	struct blob again;
};

FIXTURE_SETUP(roundtrip)
{
	NEEDS_SECOND_DEVICE();
	ASSERT_EQ(0, vfio_dev_open(&self->a, test_env.bdf));
	ASSERT_EQ(0, vfio_dev_open(&self->b, test_env.bdf2));
	ASSERT_EQ(0, mig_flags(&self->a, &self->flags));
}

FIXTURE_TEARDOWN(roundtrip)
{
	vfio_dev_close(&self->a);
	vfio_dev_close(&self->b);
	work_free(&self->work);
	blob_free(&self->saved);
	blob_free(&self->again);
}

/* The source stays stopped, as in a migration */
static int save_and_stop(struct vfio_dev *dev, struct blob *b)
{
	int fd, ret;

	b->len = 0;
	ret = mig_set(dev, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	if (ret)
		return ret;
	ret = mig_read_all(fd, 4096, b);
	if (!ret)
		ret = mig_set(dev, VFIO_DEVICE_STATE_STOP, NULL);
	close(fd);
	return ret;
}

static int save_with_precopy(struct vfio_dev *dev, struct blob *b)
{
	int fd, ret;

	b->len = 0;
	ret = mig_set(dev, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	if (ret)
		return ret;
	ret = mig_read_all(fd, 100, b);
	if (ret == -ENOMSG)
		ret = mig_set(dev, VFIO_DEVICE_STATE_STOP_COPY, NULL);
	if (!ret)
		ret = mig_read_all(fd, 100, b);
	if (!ret)
		ret = mig_set(dev, VFIO_DEVICE_STATE_STOP, NULL);
	close(fd);
	return ret;
}

static int load_and_run(struct vfio_dev *dev, const struct blob *b)
{
	struct load_result r = mig_load(dev, b->data, b->len, 4096);

	return r.stage == LOAD_OK ?
	       mig_set(dev, VFIO_DEVICE_STATE_RUNNING, NULL) : -r.err;
}

/* Starts the driver on @a: 0, or -ENODEV without a driver for this device */
static int start_driver(struct work *w, struct vfio_dev *a, struct vfio_dev *b)
{
	unsigned int lane;
	int ret;

	ret = work_find(w, a);
	if (!ret)
		ret = work_alloc(w);
	if (!ret)
		ret = work_map(w, a);
	if (!ret)
		ret = work_map(w, b);
	if (!ret)
		ret = work_start(w);
	/* An odd number of packets, so that no index is back at its start */
	for (lane = 0; !ret && lane < w->lanes; lane++)
		ret = work_send(w, lane, 5 + lane);
	return ret;
}

#define START_DRIVER_OR_SKIP() \
	do { \
		int _ret = start_driver(&self->work, &self->a, &self->b); \
		if (_ret == -ENODEV) \
			SKIP(return, "not a NIC of lib/nic.c"); \
		ASSERT_EQ(0, _ret); \
	} while (0)

TEST_F(roundtrip, an_idle_devices_state_comes_out_as_it_went_in)
{
	ASSERT_EQ(0, save_and_stop(&self->a, &self->saved));
	ASSERT_EQ(0, load_and_run(&self->b, &self->saved));
	ASSERT_EQ(0, save_and_stop(&self->b, &self->again));
	EXPECT_TRUE(blob_equal(&self->saved, &self->again)) {
		TH_LOG("%zu and %zu bytes", self->saved.len, self->again.len);
	}
}

TEST_F(roundtrip, a_running_drivers_state_comes_out_as_it_went_in)
{
	START_DRIVER_OR_SKIP();
	EXPECT_GT(self->work.lanes, 1);
	ASSERT_EQ(0, save_and_stop(&self->a, &self->saved));
	ASSERT_EQ(0, load_and_run(&self->b, &self->saved));
	ASSERT_EQ(0, save_and_stop(&self->b, &self->again));
	EXPECT_TRUE(blob_equal(&self->saved, &self->again)) {
		TH_LOG("%zu and %zu bytes", self->saved.len, self->again.len);
	}
}

TEST_F(roundtrip, the_state_of_a_driver_differs_from_that_of_a_fresh_device)
{
	/* If both were equal, the other tests would compare nothing. */
	ASSERT_EQ(0, mig_save(&self->a, 4096, &self->saved));
	START_DRIVER_OR_SKIP();
	ASSERT_EQ(0, save_and_stop(&self->a, &self->again));
	EXPECT_FALSE(blob_equal(&self->saved, &self->again));
}

TEST_F(roundtrip, the_registers_a_driver_reads_moved_along)
{
	START_DRIVER_OR_SKIP();
	ASSERT_EQ(0, save_and_stop(&self->a, &self->saved));
	ASSERT_EQ(0, work_adopt(&self->work, &self->work, &self->b));
	ASSERT_EQ(0, load_and_run(&self->b, &self->saved));
	EXPECT_EQ(0, work_moved(&self->work, &self->a));
}

TEST_F(roundtrip, the_driver_continues_to_send_on_every_queue)
{
	unsigned int lane;

	START_DRIVER_OR_SKIP();
	ASSERT_EQ(0, save_and_stop(&self->a, &self->saved));
	ASSERT_EQ(0, work_adopt(&self->work, &self->work, &self->b));
	ASSERT_EQ(0, load_and_run(&self->b, &self->saved));
	for (lane = 0; lane < self->work.lanes; lane++)
		EXPECT_EQ(0, work_send(&self->work, lane, 3)) {
			TH_LOG("lane %u", lane);
		}
}

TEST_F(roundtrip, the_driver_continues_on_the_source_after_a_cancelled_migration)
{
	START_DRIVER_OR_SKIP();
	ASSERT_EQ(0, save_and_stop(&self->a, &self->saved));
	ASSERT_EQ(0, mig_set(&self->a, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0, work_send_all(&self->work, 3));
}

TEST_F(roundtrip, there_and_back_and_there_again_with_precopy)
{
	struct vfio_dev *at = &self->a, *to = &self->b, *swap;
	int i;

	NEEDS_STATE(self->flags, VFIO_DEVICE_STATE_PRE_COPY);
	START_DRIVER_OR_SKIP();
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, save_with_precopy(at, &self->saved));
		ASSERT_EQ(0, work_adopt(&self->work, &self->work, to));
		ASSERT_EQ(0, load_and_run(to, &self->saved));
		ASSERT_EQ(0, work_send_all(&self->work, 2));
		swap = at;
		at = to;
		to = swap;
	}
}

TEST_F(roundtrip, a_stopped_device_sends_nothing_until_it_runs_again)
{
	int ret;

	START_DRIVER_OR_SKIP();
	ASSERT_EQ(0, mig_set(&self->a, VFIO_DEVICE_STATE_STOP, NULL));
	ret = work_send(&self->work, 0, 1);
	EXPECT_EQ(-ETIMEDOUT, ret);
	/* The stopped device must not forget the notification. */
	ASSERT_EQ(0, mig_set(&self->a, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0, work_settle(&self->work, 0));
	EXPECT_EQ(0, work_send(&self->work, 0, 1));
}

TEST_F(roundtrip, two_saves_of_a_stopped_device_are_the_same_bytes)
{
	START_DRIVER_OR_SKIP();
	ASSERT_EQ(0, save_and_stop(&self->a, &self->saved));
	ASSERT_EQ(0, save_and_stop(&self->a, &self->again));
	EXPECT_TRUE(blob_equal(&self->saved, &self->again));
}

TEST_F(roundtrip, a_refused_stream_leaves_no_trace_after_the_reset)
{
	struct load_result r;

	NEEDS_OURS();
	START_DRIVER_OR_SKIP();
	ASSERT_EQ(0, mig_save(&self->b, 4096, &self->again));
	ASSERT_EQ(0, save_and_stop(&self->a, &self->saved));
	r = mig_load(&self->b, self->saved.data, self->saved.len - 1, 4096);
	ASSERT_EQ(LOAD_EXIT, r.stage);
	ASSERT_EQ(0, vfio_dev_reset(&self->b));

	self->saved.len = 0;
	ASSERT_EQ(0, mig_save(&self->b, 4096, &self->saved));
	EXPECT_TRUE(blob_equal(&self->again, &self->saved));
}

SNAPSHOT_TEST_MAIN
