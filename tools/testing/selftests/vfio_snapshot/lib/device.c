// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "file.h"
#include "vfio_mig.h"

static int link_name(const char *bdf, const char *link, char *name, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t got;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, link);
	got = readlink(path, target, sizeof(target) - 1);
	if (got < 0)
		return -errno;
	target[got] = '\0';
	snprintf(name, len, "%s", basename(target));
	return 0;
}

int pci_driver_name(const char *bdf, char *name, size_t len)
{
	return link_name(bdf, "driver", name, len);
}

int pci_function_reset(const char *bdf)
{
	return write_file("1", "/sys/bus/pci/devices/%s/reset", bdf);
}

/*
 * A device has one user at a time, and the previous one may not have exited
 * yet. Wait a second for it.
 */
static bool try_again(int *tries)
{
	usleep(10000);
	return ++*tries < 100;
}

static int open_group(const char *bdf)
{
	char name[32], path[PATH_MAX];
	int fd, ret, tries = 0;

	ret = link_name(bdf, "iommu_group", name, sizeof(name));
	if (ret)
		return ret;

	snprintf(path, sizeof(path), "/dev/vfio/%s", name);
	do {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 || errno != EBUSY)
			return fd >= 0 ? fd : -errno;
	} while (try_again(&tries));
	return -EBUSY;
}

static int group_open(struct vfio_dev *dev, const char *bdf)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	dev->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (dev->container < 0)
		return -errno;

	dev->group = open_group(bdf);
	if (dev->group < 0)
		return dev->group;

	if (ioctl(dev->group, VFIO_GROUP_GET_STATUS, &status))
		return -errno;
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return -EPERM;
	if (ioctl(dev->group, VFIO_GROUP_SET_CONTAINER, &dev->container) ||
	    ioctl(dev->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;

	dev->fd = ioctl(dev->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return dev->fd < 0 ? -errno : 0;
}

static int group_map(struct vfio_dev *dev, void *mem, uint64_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)mem,
		.iova = iova,
		.size = len,
	};

	return ioctl(dev->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

/* The directory has one entry, named as the character device. */
static int open_cdev(const char *bdf)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int fd = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (fd == -ENODEV && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s",
			 entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	closedir(dir);
	return fd;
}

/* Anybody may open the file. The second user fails when it binds the device. */
static int bind_cdev(struct vfio_dev *dev)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = dev->container,
	};
	int tries = 0;

	do {
		if (!ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
			return 0;
		if (errno != EINVAL && errno != EBUSY)
			return -errno;
	} while (try_again(&tries));
	return -EBUSY;
}

static int cdev_open(struct vfio_dev *dev, const char *bdf)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
	};
	int ret;

	dev->container = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (dev->container < 0)
		return -errno;

	dev->fd = open_cdev(bdf);
	if (dev->fd < 0)
		return dev->fd;
	ret = bind_cdev(dev);
	if (ret)
		return ret;

	if (ioctl(dev->container, IOMMU_IOAS_ALLOC, &ioas))
		return -errno;
	dev->ioas = ioas.out_ioas_id;
	attach.pt_id = dev->ioas;
	return ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ?
	       -errno : 0;
}

static int cdev_map(struct vfio_dev *dev, void *mem, uint64_t iova, size_t len)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = dev->ioas,
		.user_va = (uintptr_t)mem,
		.iova = iova,
		.length = len,
	};

	return ioctl(dev->container, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

/* How a device is opened. VFIO_SNAPSHOT_MODE selects one, the first is the default. */
static const struct mode {
	const char *name;
	int (*open)(struct vfio_dev *dev, const char *bdf);
	int (*map)(struct vfio_dev *dev, void *mem, uint64_t iova, size_t len);
} modes[] = {
	{ "group", group_open, group_map },
	{ "cdev", cdev_open, cdev_map },
};

static const struct mode *mode(void)
{
	const char *name = getenv("VFIO_SNAPSHOT_MODE");
	size_t i;

	for (i = 0; name && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(name, modes[i].name))
			return &modes[i];
	return name ? NULL : &modes[0];
}

int vfio_dev_open(struct vfio_dev *dev, const char *bdf)
{
	int ret;

	*dev = (struct vfio_dev){ .container = -1, .group = -1, .fd = -1 };
	snprintf(dev->bdf, sizeof(dev->bdf), "%s", bdf);

	ret = mode() ? mode()->open(dev, bdf) : -EINVAL;
	if (ret)
		vfio_dev_close(dev);
	return ret;
}

void vfio_dev_close(struct vfio_dev *dev)
{
	int *fds[] = { &dev->fd, &dev->group, &dev->container };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

int vfio_dev_reset(struct vfio_dev *dev)
{
	return ioctl(dev->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

int vfio_dev_map(struct vfio_dev *dev, void *mem, uint64_t iova, size_t len)
{
	return mode() ? mode()->map(dev, mem, iova, len) : -EINVAL;
}
