// SPDX-License-Identifier: GPL-2.0-only
/* What a device says about its migration before it is migrated */
#include <sys/ioctl.h>

#include "lib/harness.h"

#define GET VFIO_DEVICE_FEATURE_GET
#define SET VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE

DEVICE_FIXTURE(probe)

/* The ioctl with these header fields and @room bytes of data */
static int feature_raw(struct vfio_dev *dev, uint32_t argsz, uint32_t flags)
{
	struct {
		struct vfio_device_feature head;
		uint64_t data[4];
	} f = { .head = { .argsz = argsz, .flags = flags } };

	f.data[0] = VFIO_DEVICE_STATE_RUNNING;
	return ioctl(dev->fd, VFIO_DEVICE_FEATURE, &f) ? -errno : 0;
}

TEST_F(probe, flags_name_stop_copy_and_only_known_features)
{
	uint64_t known = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
			 VFIO_MIGRATION_PRE_COPY;

	EXPECT_TRUE(self->flags & VFIO_MIGRATION_STOP_COPY);
	EXPECT_EQ(0, self->flags & ~known);
}

TEST_F(probe, flags_are_the_same_in_every_state)
{
	unsigned int state;
	uint64_t flags;
	int fd;

	for (state = 0; state < NR_STATES; state++) {
		if (state == VFIO_DEVICE_STATE_ERROR ||
		    !mig_state_supported(self->flags, state))
			continue;
		ASSERT_EQ(0, mig_enter(&self->dev, state, &fd));
		EXPECT_EQ(0, mig_flags(&self->dev, &flags));
		EXPECT_EQ(self->flags, flags);
		if (fd >= 0)
			close(fd);
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	}
}

/* Each feature with its operations, its size, and the refused operations */
struct feature_case {
	uint32_t index;
	uint32_t ops;
	uint32_t size;
};

static const struct feature_case cases[] = {
	{ VFIO_DEVICE_FEATURE_MIGRATION, GET, 8 },
	{ VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, GET | SET, 8 },
	{ VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, GET, 8 },
};

#define for_each_case(c) \
	for ((c) = cases; (c) < cases + sizeof(cases) / sizeof(cases[0]); (c)++)

TEST_F(probe, probe_alone_and_with_every_supported_operation_succeeds)
{
	const struct feature_case *c;

	for_each_case(c) {
		EXPECT_EQ(0, feature_raw(&self->dev, 8, PROBE | c->index));
		EXPECT_EQ(0, feature_raw(&self->dev, 8,
					 PROBE | c->ops | c->index));
	}
}

TEST_F(probe, operations_a_feature_does_not_have_are_refused)
{
	const struct feature_case *c;
	uint32_t op;

	for_each_case(c) {
		for (op = GET; op <= SET; op <<= 1) {
			if (c->ops & op)
				continue;
			EXPECT_EQ(-EINVAL, feature_raw(&self->dev, 8 + c->size,
						       op | c->index));
			EXPECT_EQ(-EINVAL, feature_raw(&self->dev, 8 + c->size,
						       PROBE | op | c->index));
		}
	}
}

TEST_F(probe, a_feature_without_an_operation_is_refused)
{
	const struct feature_case *c;

	for_each_case(c)
		EXPECT_EQ(-EINVAL, feature_raw(&self->dev, 8 + c->size,
					       c->index));
}

TEST_F(probe, get_and_set_together_are_refused_without_probe)
{
	EXPECT_EQ(-EINVAL,
		  feature_raw(&self->dev, 16, GET | SET |
			      VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
}

TEST_F(probe, unknown_flag_bits_are_refused)
{
	uint32_t bit;

	for (bit = PROBE << 1; bit; bit <<= 1)
		EXPECT_EQ(-EINVAL, feature_raw(&self->dev, 16, bit | GET |
					       VFIO_DEVICE_FEATURE_MIGRATION));
}

TEST_F(probe, argsz_below_the_need_is_refused_and_above_it_accepted)
{
	const struct feature_case *c;
	uint32_t size;

	for_each_case(c) {
		for (size = 0; size < 8 + c->size; size++)
			EXPECT_EQ(-EINVAL, feature_raw(&self->dev, size,
						       GET | c->index));
		EXPECT_EQ(0, feature_raw(&self->dev, 8 + c->size,
					 GET | c->index));
		EXPECT_EQ(0, feature_raw(&self->dev, 8 + c->size + 8,
					 GET | c->index));
	}
}

TEST_F(probe, set_state_with_a_short_argsz_changes_nothing)
{
	EXPECT_EQ(-EINVAL, feature_raw(&self->dev, 15, SET |
				       VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE));
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
}

TEST_F(probe, a_bad_pointer_is_efault)
{
	EXPECT_EQ(-1, ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(probe, a_feature_nobody_has_is_enotty)
{
	EXPECT_EQ(-ENOTTY, feature_raw(&self->dev, 16, PROBE | 0xfffe));
}

TEST_F(probe, a_fresh_device_is_running)
{
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
}

TEST_F(probe, set_to_the_present_state_is_accepted_without_a_data_fd)
{
	int fd = 0;

	EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, &fd));
	EXPECT_EQ(-1, fd);
}

TEST_F(probe, data_size_is_known_in_every_state)
{
	unsigned int state;
	uint64_t size;
	int fd;

	for (state = 0; state < NR_STATES; state++) {
		if (state == VFIO_DEVICE_STATE_ERROR ||
		    !mig_state_supported(self->flags, state))
			continue;
		ASSERT_EQ(0, mig_enter(&self->dev, state, &fd));
		EXPECT_EQ(0, mig_data_size(&self->dev, &size)) {
			TH_LOG("in %s", mig_state_name(state));
		}
		EXPECT_STATE(&self->dev, state);
		if (fd >= 0)
			close(fd);
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	}
}

TEST_F(probe, data_size_is_near_what_a_save_takes)
{
	struct blob b = {};
	uint64_t size;

	ASSERT_EQ(0, mig_data_size(&self->dev, &size));
	ASSERT_EQ(0, mig_save(&self->dev, 4096, &b));
	/* The stream may be a little longer than the estimate. */
	EXPECT_GE(size + 4096, b.len);
	EXPECT_GT(size, 0);
	blob_free(&b);
}

TEST_F(probe, precopy_info_v2_can_be_set_and_probed_but_not_read)
{
	uint32_t index = VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;

	if (feature_raw(&self->dev, 8, PROBE | SET | index) == -ENOTTY)
		SKIP(return, "the kernel has no PRECOPY_INFOv2");
	NEEDS_STATE(self->flags, VFIO_DEVICE_STATE_PRE_COPY);

	EXPECT_EQ(0, feature_raw(&self->dev, 8, PROBE | SET | index));
	EXPECT_EQ(0, feature_raw(&self->dev, 8, SET | index));
	EXPECT_EQ(0, feature_raw(&self->dev, 8, SET | index));
	EXPECT_EQ(-EINVAL, feature_raw(&self->dev, 16, GET | index));
	EXPECT_EQ(-EINVAL, feature_raw(&self->dev, 8, index));
}

SNAPSHOT_TEST_MAIN
