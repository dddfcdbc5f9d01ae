/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device at work: whatever makes a NIC move data, so that it has a state worth
 * migrating. On virtio-net that is a small driver with packets on several queue
 * pairs, on the emulated ConnectX its test engine. Between two calls nothing
 * goes on, so that a device that is saved twice is the same twice.
 */
#ifndef WORK_H
#define WORK_H

#include "engine.h"
#include "virtio.h"

struct work_ops;

struct work {
	const struct work_ops *ops;	/* NULL: nothing that we know to work with */
	unsigned int lanes;		/* queue pairs, or parts of the memory */
	struct virtio_dev virtio;	/* its memory serves the engine, too */
	struct engine engine;
	uint64_t turn;			/* of the engine: 1, 2, ... */
};

/*
 * As the functions of virtio.h: -ENODEV where there is nothing to work with.
 * work_alloc() and work_map() do not need to know the device.
 */
int work_find(struct work *w, struct vfio_dev *dev);
int work_alloc(struct work *w);
int work_map(struct work *w, struct vfio_dev *dev);
int work_start(struct work *w);
int work_bring_up(struct work *w, struct vfio_dev *dev);
int work_send(struct work *w, unsigned int lane, unsigned int count);
int work_settle(struct work *w, unsigned int lane);
int work_adopt(struct work *to, const struct work *from, struct vfio_dev *dev);
void work_free(struct work *w);
/* On all lanes */
int work_send_all(struct work *w, unsigned int count);
/* 0 if a driver reads from its device what it would have from @from: or -EILSEQ */
int work_moved(struct work *w, struct vfio_dev *from);

#endif /* WORK_H */
