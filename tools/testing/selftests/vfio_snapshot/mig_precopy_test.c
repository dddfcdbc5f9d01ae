// SPDX-License-Identifier: GPL-2.0-only
/* PRE_COPY: its estimates, its temporary end and the final end */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "lib/harness.h"

FIXTURE(precopy) {
	struct vfio_dev dev;
	uint64_t flags;
	int fd;
};

FIXTURE_SETUP(precopy)
{
	self->fd = -1;
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));
	NEEDS_STATE(self->flags, VFIO_DEVICE_STATE_PRE_COPY);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY,
			     &self->fd));
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(precopy)
{
	if (self->fd >= 0)
		close(self->fd);
	vfio_dev_close(&self->dev);
}

/* One read of at most @len bytes */
static ssize_t take(int fd, size_t len)
{
	uint8_t buf[4096];
	ssize_t ret = read(fd, buf, len < sizeof(buf) ? len : sizeof(buf));

	return ret < 0 ? -errno : ret;
}

/* Bytes up to the temporary end, or -errno */
static ssize_t drain(int fd)
{
	ssize_t sum = 0, got;

	while ((got = take(fd, 4096)) > 0)
		sum += got;
	return got == -ENOMSG ? sum : got ? got : -EPROTO;
}

TEST_F(precopy, there_is_initial_data_and_no_dirty_data_at_the_start)
{
	struct vfio_precopy_info info;

	ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
	EXPECT_GT(info.initial_bytes, 0);
	EXPECT_EQ(0, info.dirty_bytes);
}

TEST_F(precopy, initial_bytes_falls_by_what_was_read)
{
	struct vfio_precopy_info info;
	uint64_t before, total = 0;
	ssize_t got;

	ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
	before = info.initial_bytes;
	while (info.initial_bytes) {
		got = take(self->fd, 13);
		ASSERT_GT(got, 0);
		total += got;
		ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
		/* The last read may continue into data that is not initial. */
		EXPECT_EQ(total < before ? before - total : 0,
			  info.initial_bytes);
		if (_metadata->exit_code)
			break;
	}
	EXPECT_GE(total, before);
}

TEST_F(precopy, read_at_the_temporary_end_is_enomsg_and_stays_so)
{
	ASSERT_GT(drain(self->fd), 0);
	EXPECT_EQ(-ENOMSG, take(self->fd, 1));
	EXPECT_EQ(-ENOMSG, take(self->fd, 4096));
}

TEST_F(precopy, an_idle_device_reports_nothing_left_once_all_was_read)
{
	struct vfio_precopy_info info;

	SKIP_PEER_FAULT("its info call queues a whole record although nothing changed");
	ASSERT_GT(drain(self->fd), 0);
	ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
	EXPECT_EQ(0, info.initial_bytes);
	EXPECT_EQ(0, info.dirty_bytes);
	EXPECT_EQ(-ENOMSG, take(self->fd, 4096));
}

TEST_F(precopy, data_is_there_exactly_while_the_estimates_say_so)
{
	struct vfio_precopy_info info;
	int rounds;

	for (rounds = 0; rounds < 64; rounds++) {
		ASSERT_EQ(0, mig_precopy_info(self->fd, &info));
		if (!info.initial_bytes && !info.dirty_bytes) {
			EXPECT_EQ(-ENOMSG, take(self->fd, 4096));
			break;
		}
		ASSERT_GT(take(self->fd, 100), 0);
	}
}

TEST_F(precopy, poll_is_ready_with_data_and_not_at_the_temporary_end)
{
	struct pollfd p = { .fd = self->fd, .events = POLLIN };

	SKIP_PEER_FAULT("its data fd has no poll");
	ASSERT_EQ(1, poll(&p, 1, 0));
	EXPECT_TRUE(p.revents & POLLIN);
	ASSERT_GT(drain(self->fd), 0);
	EXPECT_EQ(0, poll(&p, 1, 0));

	/* The final data wakes a poller, and the final end keeps the fd ready. */
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	EXPECT_EQ(1, poll(&p, 1, 0));
	while (take(self->fd, 4096) > 0)
		;
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_TRUE(p.revents & POLLIN);
}

TEST_F(precopy, stop_copy_ends_with_zero_and_never_enomsg)
{
	ssize_t got;
	int i;

	ASSERT_GT(drain(self->fd), 0);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	while ((got = take(self->fd, 4096)) > 0)
		;
	EXPECT_EQ(0, got);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, take(self->fd, 1));
}

TEST_F(precopy, info_is_einval_outside_of_the_precopy_states)
{
	struct vfio_precopy_info info;
	int fd;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	EXPECT_EQ(-EINVAL, mig_precopy_info(self->fd, &info));
	while (take(self->fd, 4096) > 0)
		;
	EXPECT_EQ(-EINVAL, mig_precopy_info(self->fd, &info));

	/* A session that began in STOP_COPY has no precopy info. */
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	EXPECT_EQ(-EINVAL, mig_precopy_info(fd, &info));
	close(fd);
}

TEST_F(precopy, info_on_the_resuming_fd_is_refused)
{
	struct vfio_precopy_info info;
	int fd, ret;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	ret = mig_precopy_info(fd, &info);
	EXPECT_TRUE(ret == -EINVAL || ret == -ENOTTY);
	close(fd);
}

TEST_F(precopy, info_works_in_pre_copy_p2p_and_counts_the_same_session)
{
	struct vfio_precopy_info before, after;

	NEEDS_STATE(self->flags, VFIO_DEVICE_STATE_PRE_COPY_P2P);
	ASSERT_EQ(16, take(self->fd, 16));
	ASSERT_EQ(0, mig_precopy_info(self->fd, &before));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY_P2P, NULL));
	ASSERT_EQ(0, mig_precopy_info(self->fd, &after));
	EXPECT_EQ(before.initial_bytes, after.initial_bytes);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, NULL));
	ASSERT_EQ(0, mig_precopy_info(self->fd, &after));
	EXPECT_EQ(before.initial_bytes, after.initial_bytes);
}

TEST_F(precopy, argsz_below_the_structure_is_einval_and_above_it_accepted)
{
	struct vfio_precopy_info info = {};
	uint32_t size;

	for (size = 0; size < sizeof(info); size += 4) {
		info.argsz = size;
		EXPECT_EQ(-1, ioctl(self->fd, VFIO_MIG_GET_PRECOPY_INFO, &info));
		EXPECT_EQ(EINVAL, errno);
	}
	info.argsz = sizeof(info) + 64;
	EXPECT_EQ(0, ioctl(self->fd, VFIO_MIG_GET_PRECOPY_INFO, &info));
}

TEST_F(precopy, a_bad_pointer_is_efault_and_an_unknown_ioctl_enotty)
{
	EXPECT_EQ(-1, ioctl(self->fd, VFIO_MIG_GET_PRECOPY_INFO, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(precopy, flags_are_an_output_only_with_precopy_info_v2)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info) };
	uint32_t v2 = VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;

	if (mig_feature(&self->dev, VFIO_DEVICE_FEATURE_PROBE | v2, NULL, 0))
		SKIP(return, "the kernel has no PRECOPY_INFOv2");

	/* Before it is enabled: flags are reserved and never say REINIT */
	ASSERT_EQ(0, ioctl(self->fd, VFIO_MIG_GET_PRECOPY_INFO, &info));
	EXPECT_EQ(0, info.flags);

	ASSERT_EQ(0, mig_feature(&self->dev, VFIO_DEVICE_FEATURE_SET | v2, NULL,
				 0));
	info.flags = ~VFIO_PRECOPY_INFO_REINIT;
	ASSERT_EQ(0, ioctl(self->fd, VFIO_MIG_GET_PRECOPY_INFO, &info));
	EXPECT_EQ(0, info.flags & ~VFIO_PRECOPY_INFO_REINIT);
	/* New initial data comes with REINIT only. */
	if (info.flags & VFIO_PRECOPY_INFO_REINIT)
		EXPECT_EQ(0, info.dirty_bytes);
}

TEST_F(precopy, what_was_read_before_the_stop_is_part_of_the_stream)
{
	struct load_result r;
	struct blob b = {};

	ASSERT_EQ(-ENOMSG, mig_read_all(self->fd, 7, &b));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	ASSERT_EQ(0, mig_read_all(self->fd, 7, &b));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));

	r = mig_load(&self->dev, b.data, b.len, 4096);
	EXPECT_EQ(LOAD_OK, r.stage) {
		TH_LOG("errno %d after %zu bytes", r.err, r.written);
	}
	EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	blob_free(&b);
}

TEST_F(precopy, a_session_cut_short_in_precopy_can_be_begun_again)
{
	int i, fd;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(16, take(self->fd, 16));
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
				     NULL));
		EXPECT_EQ(-ENODEV, take(self->fd, 1));
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY,
				     &fd));
		close(self->fd);
		self->fd = fd;
	}
	EXPECT_GT(drain(self->fd), 0);
}

TEST_F(precopy, precopy_left_unread_does_not_shorten_the_final_stream)
{
	struct load_result r;
	struct blob b = {};

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	ASSERT_EQ(0, mig_read_all(self->fd, 4096, &b));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	r = mig_load(&self->dev, b.data, b.len, b.len);
	EXPECT_EQ(LOAD_OK, r.stage) {
		TH_LOG("errno %d after %zu bytes", r.err, r.written);
	}
	blob_free(&b);
}

SNAPSHOT_TEST_MAIN
