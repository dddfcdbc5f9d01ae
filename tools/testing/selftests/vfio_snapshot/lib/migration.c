// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vfio_mig.h"

const char *mig_state_name(unsigned int state)
{
	static const char * const names[NR_STATES] = {
		[VFIO_DEVICE_STATE_ERROR] = "ERROR",
		[VFIO_DEVICE_STATE_STOP] = "STOP",
		[VFIO_DEVICE_STATE_RUNNING] = "RUNNING",
		[VFIO_DEVICE_STATE_STOP_COPY] = "STOP_COPY",
		[VFIO_DEVICE_STATE_RESUMING] = "RESUMING",
		[VFIO_DEVICE_STATE_RUNNING_P2P] = "RUNNING_P2P",
		[VFIO_DEVICE_STATE_PRE_COPY] = "PRE_COPY",
		[VFIO_DEVICE_STATE_PRE_COPY_P2P] = "PRE_COPY_P2P",
	};

	return state < NR_STATES ? names[state] : "(no state)";
}

int mig_feature(struct vfio_dev *dev, uint32_t flags, void *data, size_t len)
{
	struct vfio_device_feature *feature;
	size_t size = sizeof(*feature) + len;
	int ret;

	feature = calloc(1, size);
	if (!feature)
		return -ENOMEM;
	feature->argsz = size;
	feature->flags = flags;
	if (len)
		memcpy(feature->data, data, len);

	ret = ioctl(dev->fd, VFIO_DEVICE_FEATURE, feature) < 0 ? -errno : 0;
	/* Copied also after an error: the interface defines what comes back then. */
	if (len)
		memcpy(data, feature->data, len);
	free(feature);
	return ret;
}

int mig_flags(struct vfio_dev *dev, uint64_t *flags)
{
	struct vfio_device_feature_migration mig = {};
	int ret;

	ret = mig_feature(dev, VFIO_DEVICE_FEATURE_GET |
			  VFIO_DEVICE_FEATURE_MIGRATION, &mig, sizeof(mig));
	*flags = ret ? 0 : mig.flags;
	return ret;
}

int mig_data_size(struct vfio_dev *dev, uint64_t *size)
{
	struct vfio_device_feature_mig_data_size data = {};
	int ret;

	ret = mig_feature(dev, VFIO_DEVICE_FEATURE_GET |
			  VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &data,
			  sizeof(data));
	*size = data.stop_copy_length;
	return ret;
}

int mig_get(struct vfio_dev *dev)
{
	struct vfio_device_feature_mig_state mig = { .data_fd = -2 };
	int ret;

	ret = mig_feature(dev, VFIO_DEVICE_FEATURE_GET |
			  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig,
			  sizeof(mig));
	if (ret)
		return ret;
	return mig.data_fd == -1 ? (int)mig.device_state : -EPROTO;
}

int mig_set(struct vfio_dev *dev, uint32_t state, int *fd)
{
	struct vfio_device_feature_mig_state mig = {
		.device_state = state,
		.data_fd = -1,
	};
	int ret;

	ret = mig_feature(dev, VFIO_DEVICE_FEATURE_SET |
			  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig,
			  sizeof(mig));
	if (ret)
		mig.data_fd = -1;
	if (fd)
		*fd = mig.data_fd;
	else if (mig.data_fd >= 0)
		close(mig.data_fd);
	return ret;
}

int mig_precopy_info(int fd, struct vfio_precopy_info *info)
{
	*info = (struct vfio_precopy_info){ .argsz = sizeof(*info) };
	return ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, info) ? -errno : 0;
}

bool mig_state_supported(uint64_t flags, unsigned int state)
{
	uint64_t needs = VFIO_MIGRATION_STOP_COPY;

	if (state >= NR_STATES)
		return false;
	if (state == VFIO_DEVICE_STATE_RUNNING_P2P ||
	    state == VFIO_DEVICE_STATE_PRE_COPY_P2P)
		needs |= VFIO_MIGRATION_P2P;
	if (state == VFIO_DEVICE_STATE_PRE_COPY ||
	    state == VFIO_DEVICE_STATE_PRE_COPY_P2P)
		needs |= VFIO_MIGRATION_PRE_COPY;
	return (flags & needs) == needs;
}

bool mig_state_saving(unsigned int state)
{
	return state == VFIO_DEVICE_STATE_STOP_COPY ||
	       state == VFIO_DEVICE_STATE_PRE_COPY ||
	       state == VFIO_DEVICE_STATE_PRE_COPY_P2P;
}
