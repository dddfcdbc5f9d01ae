/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_VFIO_SNAPSHOT_LEVEL_H
#define _LINUX_VFIO_SNAPSHOT_LEVEL_H

/**
 * enum vfio_snapshot_level - how much of a device is quiesced
 * @VFIO_SNAPSHOT_RUN: nothing, the device runs
 * @VFIO_SNAPSHOT_NDMA: the device starts no DMA and no interrupt of its own
 * @VFIO_SNAPSHOT_STOP: as NDMA, and accesses to the device change no state
 * @VFIO_SNAPSHOT_UNKNOWN: cannot be told, only a reset makes it known again
 *
 * A device that can only halt as a whole halts for NDMA already.
 */
enum vfio_snapshot_level {
	VFIO_SNAPSHOT_RUN,
	VFIO_SNAPSHOT_NDMA,
	VFIO_SNAPSHOT_STOP,
	VFIO_SNAPSHOT_UNKNOWN,
};

#endif /* _LINUX_VFIO_SNAPSHOT_LEVEL_H */
