/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VFIO device, opened by its group or, where there are none, by its character
 * device. What opens it and talks to it is the library of the kselftests.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include "vfio_mig.h"

int device_open(struct vfio_dev *dev, const char *bdf);
/* The same for a subcommand: says what is wrong and returns an enum status */
int device_open_or_say(struct vfio_dev *dev, const char *given, uint64_t *flags);

#endif /* DEVICE_H */
