// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking on a kernel without IOMMUFD, which cannot report a device's
 * log. Offering it would make a migration fail that works without it.
 */
#include <unistd.h>

#include "lib/dirty.h"
#include "lib/harness.h"

#define IOVA	0x40000000ull

static const uint64_t range[][2] = { { IOVA, 0x10000 } };

FIXTURE(no_log) {
	struct vfio_dev dev;
	struct dirty_log log;
	uint64_t bitmap[2];
};

FIXTURE_SETUP(no_log)
{
	if (!access("/dev/iommu", F_OK))
		SKIP(return, "the kernel has IOMMUFD");
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
}

FIXTURE_TEARDOWN(no_log)
{
	if (self->dev.fd > 0)
		vfio_dev_close(&self->dev);
}

TEST_F(no_log, without_iommufd_no_log_is_offered)
{
	SKIP_PEER_FAULT("it starts a log that the kernel cannot report");
	EXPECT_EQ(-ENOTTY, dirty_probe(&self->dev));
	EXPECT_EQ(-ENOTTY, dirty_start(&self->log, &self->dev, 4096, range, 1));
	EXPECT_EQ(-ENOTTY, dirty_stop(&self->log));
	EXPECT_EQ(-ENOTTY, dirty_report(&self->dev, IOVA, 0x10000, 4096, self->bitmap));
}

TEST_F(no_log, without_iommufd_a_report_is_not_supported)
{
	if (dirty_probe(&self->dev))
		SKIP(return, "dirty tracking is not offered");
	ASSERT_EQ(0, dirty_start(&self->log, &self->dev, 4096, range, 1));
	EXPECT_EQ(-EOPNOTSUPP, dirty_report(&self->dev, IOVA, 0x10000, 4096,
					    self->bitmap));
	EXPECT_EQ(0, dirty_stop(&self->log));
}

int main(int argc, char *argv[])
{
	test_env_init(&argc, argv);
	return test_harness_run(argc, argv);
}
