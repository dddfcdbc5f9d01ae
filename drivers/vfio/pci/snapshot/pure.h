/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Includes and types for the pure C files of the core, in the kernel and on the host.
 */
#ifndef VFIO_SNAPSHOT_PURE_H
#define VFIO_SNAPSHOT_PURE_H

#ifdef __KERNEL__
#include <linux/array_size.h>
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <asm/byteorder.h>
#else
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <linux/types.h>
#include <linux/vfio.h>

/* Debian 12 has the <linux/vfio.h> of Linux 6.1, which lacks these. */
#ifndef VFIO_MIGRATION_PRE_COPY
#define VFIO_MIGRATION_PRE_COPY		4
#define VFIO_DEVICE_STATE_PRE_COPY	6
#define VFIO_DEVICE_STATE_PRE_COPY_P2P	7
#endif
#define VFIO_DEVICE_STATE_NR		8

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define array_index_nospec(index, size) ((void)(size), (index))
#define le16_to_cpu(v) le16toh(v)
#define le32_to_cpu(v) le32toh(v)
#define le64_to_cpu(v) le64toh(v)
#define cpu_to_le16(v) htole16(v)
#define cpu_to_le32(v) htole32(v)
#define cpu_to_le64(v) htole64(v)
#endif

#endif /* VFIO_SNAPSHOT_PURE_H */
