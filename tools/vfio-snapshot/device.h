/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opens a VFIO device through its group or, if the kernel has none, through its
 * character device, with the library of the kselftests.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include "vfio_mig.h"

int device_open(struct vfio_dev *dev, const char *bdf);
/* The same, but prints the error and returns an enum status */
int device_open_or_say(struct vfio_dev *dev, const char *given, uint64_t *flags);

#endif /* DEVICE_H */
