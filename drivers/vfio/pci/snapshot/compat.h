/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kernels older than the one this is written for lack. Out of a kernel
 * tree it is included before every file. No other file knows kernel versions;
 * "make check-kernels" tells when something is missing here.
 */
#ifndef VFIO_SNAPSHOT_COMPAT_H
#define VFIO_SNAPSHOT_COMPAT_H

#include <linux/bits.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vfio.h>

/* kzalloc_obj(*p, gfp): there since Linux 7.0. */
#ifndef kzalloc_obj
#define kzalloc_obj(var, gfp) kzalloc(sizeof(var), gfp)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
static inline int snapshot_compat_precopy_ioctl(unsigned int cmd, unsigned long arg,
						struct vfio_precopy_info *info)
{
	const size_t size = offsetofend(struct vfio_precopy_info, dirty_bytes);

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (copy_from_user(info, (void __user *)arg, size))
		return -EFAULT;
	return info->argsz < size ? -EINVAL : 0;
}

#define vfio_check_precopy_ioctl(vdev, cmd, arg, info) \
	((void)(vdev), snapshot_compat_precopy_ioctl(cmd, arg, info))
#endif

/* Whether userspace wants flags in struct vfio_precopy_info: since Linux 7.1. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 1, 0)
#define SNAPSHOT_PRECOPY_V2(vdev) ((vdev)->precopy_info_v2)
#else
#define SNAPSHOT_PRECOPY_V2(vdev) ((void)(vdev), false)
#define VFIO_PRECOPY_INFO_REINIT BIT(0)
#endif

/*
 * Initialisers of members that struct vfio_device_ops has since some version.
 * Before, the ioctl op answered for regions, and the match op alone for tokens.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define SNAPSHOT_SINCE_6_17(...) __VA_ARGS__,
#else
#define SNAPSHOT_SINCE_6_17(...)
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define SNAPSHOT_SINCE_6_19(...) __VA_ARGS__,
#else
#define SNAPSHOT_SINCE_6_19(...)
#endif

#endif /* VFIO_SNAPSHOT_COMPAT_H */
