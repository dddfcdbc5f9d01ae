// SPDX-License-Identifier: GPL-2.0-only
/* A device that cannot be migrated works as with vfio-pci. */
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio_snapshot.h>

#include "lib/harness.h"

#define GET VFIO_DEVICE_FEATURE_GET
#define SET VFIO_DEVICE_FEATURE_SET

FIXTURE(plain) {
	struct vfio_dev dev;
};

FIXTURE_SETUP(plain)
{
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
}

FIXTURE_TEARDOWN(plain)
{
	vfio_dev_close(&self->dev);
}

TEST_F(plain, has_no_migration_feature)
{
	struct vfio_device_feature_mig_state state = {
		.device_state = VFIO_DEVICE_STATE_STOP,
	};
	struct vfio_device_feature_mig_arc arc = {
		.from = VFIO_DEVICE_STATE_RUNNING, .to = VFIO_DEVICE_STATE_STOP,
	};
	uint64_t data;

	EXPECT_EQ(-ENOTTY, mig_flags(&self->dev, &data));
	EXPECT_EQ(-ENOTTY, mig_data_size(&self->dev, &data));
	EXPECT_EQ(-ENOTTY, mig_feature(&self->dev, GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
				       &state, sizeof(state)));
	EXPECT_EQ(-ENOTTY, mig_feature(&self->dev, SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
				       &state, sizeof(state)));
	EXPECT_EQ(-ENOTTY, mig_feature(&self->dev, GET | VFIO_DEVICE_FEATURE_MIG_ARC,
				       &arc, sizeof(arc)));
}

TEST_F(plain, is_a_pci_device_to_vfio)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = {
		.argsz = sizeof(region), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t vendor = 0;

	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_TRUE(info.flags & VFIO_DEVICE_FLAGS_PCI);
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_GET_REGION_INFO, &region));
	ASSERT_EQ((ssize_t)sizeof(vendor),
		  pread(self->dev.fd, &vendor, sizeof(vendor), region.offset));
	EXPECT_NE(0, vendor);
	EXPECT_NE(0xffff, vendor);
}

TEST_F(plain, is_opened_again)
{
	vfio_dev_close(&self->dev);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
}

SNAPSHOT_TEST_MAIN
