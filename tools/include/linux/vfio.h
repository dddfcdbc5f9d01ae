/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TOOLS_LINUX_VFIO_H
#define TOOLS_LINUX_VFIO_H

#include_next <linux/vfio.h>

/* Debian 12 has the header of Linux 6.1, which lacks these. */
#ifndef VFIO_MIGRATION_PRE_COPY
#define VFIO_MIGRATION_PRE_COPY		4
#define VFIO_DEVICE_STATE_PRE_COPY	6
#define VFIO_DEVICE_STATE_PRE_COPY_P2P	7
#endif
#define VFIO_DEVICE_STATE_NR		8

#endif /* TOOLS_LINUX_VFIO_H */
