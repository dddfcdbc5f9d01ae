/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes a device work, so that it has a state worth migrating: on virtio-net a
 * small driver with packets on several queue pairs, on the emulated ConnectX
 * its test engine. Nothing happens between two calls, so that two saves in a
 * row give the same state.
 */
#ifndef WORK_H
#define WORK_H

#include "engine.h"
#include "virtio.h"

struct work_ops;

struct work {
	const struct work_ops *ops;	/* NULL: no driver for this device */
	unsigned int lanes;		/* queue pairs, or parts of the memory */
	struct virtio_dev virtio;	/* the engine uses its memory as well */
	struct engine engine;
	uint64_t turn;			/* round of the engine: 1, 2, ... */
};

/*
 * As the functions of virtio.h. -ENODEV for a device without a driver.
 * work_alloc() and work_map() work for every device.
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
/* 0 if the registers of the two devices agree, else -EILSEQ or another -errno */
int work_moved(struct work *w, struct vfio_dev *from);

#endif /* WORK_H */
