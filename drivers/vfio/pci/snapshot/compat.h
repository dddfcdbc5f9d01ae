/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kernels older than the one this is written for lack. Out of a kernel
 * tree it is included before every file. No other file knows kernel versions;
 * "make check-kernels" tells when something is missing here.
 */
#ifndef VFIO_SNAPSHOT_COMPAT_H
#define VFIO_SNAPSHOT_COMPAT_H

#include <linux/bits.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vfio.h>

/* kzalloc_obj(*p[, gfp]): there since Linux 7.0. */
#ifndef kzalloc_obj
#define SNAPSHOT_SECOND(first, second, ...) second
#define kzalloc_obj(var, ...) \
	kzalloc(sizeof(var), SNAPSHOT_SECOND(var, ##__VA_ARGS__, GFP_KERNEL))
#endif

/* The name of a namespace is a string since Linux 6.13. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(name) MODULE_INFO(import_ns, name)
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
 * Where the firmware of a ConnectX tells the state of a migration, and that it
 * does. The names take the place of the kernel's, which lack these fields.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0) && IS_ENABLED(CONFIG_MLX5_CORE)
#include <linux/mlx5/mlx5_ifc.h>

struct snapshot_compat_migration_state_out_bits {
	u8 status[0x8];
	u8 reserved_at_8[0x18];
	u8 syndrome[0x20];
	u8 reserved_at_40[0x20];
	u8 migration_state[0x4];
	u8 reserved_at_64[0x1c];
	u8 required_umem_size[0x20];
	u8 reserved_at_a0[0x20];
	u8 remaining_total_size[0x40];
	u8 reserved_at_100[0x100];
};

struct snapshot_compat_hca_cap_2_bits {
	u8 reserved_at_0[0xc8];
	u8 migration_multi_load[0x1];
	u8 migration_tracking_state[0x1];
	u8 reserved_at_ca[0x6];
	u8 migration_in_chunks[0x1];
	u8 reserved_at_d1[0x8];
	u8 migration_state[0x1];
	u8 reserved_at_da[0x6];
};

#define mlx5_ifc_query_vhca_migration_state_out_bits snapshot_compat_migration_state_out_bits
#define mlx5_ifc_cmd_hca_cap_2_bits snapshot_compat_hca_cap_2_bits
#define MLX5_QUERY_VHCA_MIG_STATE_OPER_MIGRATION_INIT 4
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
