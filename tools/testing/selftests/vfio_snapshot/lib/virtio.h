/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Just enough of a virtio-net driver, over the regions of a VFIO device, to
 * give it a state worth migrating: features, several queue pairs with buffers
 * in flight, and settings made through the control queue.
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include "vfio_mig.h"

#define VIRTIO_MAX_PAIRS 4
#define VIRTIO_MAX_QUEUES (2 * VIRTIO_MAX_PAIRS + 1)
#define VIRTIO_QUEUE_SIZE 16
/* Where a device finds the memory of its queues */
#define VIRTIO_IOVA 0x10000000ull

struct virtio_queue {
	unsigned int index;	/* the device's number for it */
	unsigned int size;
	uint8_t *mem;		/* a slice of virtio_dev.mem */
	uint64_t iova;
	uint64_t notify;	/* offset in its region */
	uint16_t avail;		/* buffers offered so far */
};

struct virtio_dev {
	struct vfio_dev *vfio;
	/* offsets into the device fd; 0: the device has no such part */
	uint64_t common;
	uint64_t device;
	uint64_t notify;
	uint32_t notify_step;
	uint64_t features;
	unsigned int pairs;
	struct virtio_queue q[VIRTIO_MAX_QUEUES];
	unsigned int nr_queues;
	uint8_t *mem;
	size_t mem_len;
};

/* Finds the device's parts: -ENODEV for what is no modern virtio-net */
int virtio_find(struct virtio_dev *vd, struct vfio_dev *vfio);
/* Memory of the queues: both sides of a migration map the same */
int virtio_alloc(struct virtio_dev *vd);
int virtio_map(struct virtio_dev *vd, struct vfio_dev *vfio);
/* Reset, features, queues, DRIVER_OK, receive buffers, control commands */
int virtio_start(struct virtio_dev *vd);
/* All of the above and a few packets, for a device to have a state worth having */
int virtio_bring_up(struct virtio_dev *vd, struct vfio_dev *vfio);
/* Sends @count small frames and waits, with a limit, until they are used */
int virtio_send(struct virtio_dev *vd, unsigned int pair, unsigned int count);
/* Waits, with a limit, for all that was sent */
int virtio_settle(struct virtio_dev *vd, unsigned int pair);
/*
 * The driver of @from goes on with @vfio, which was given the device's state:
 * only what a hypervisor sets up, the PCI configuration, is written there.
 */
int virtio_adopt(struct virtio_dev *to, const struct virtio_dev *from,
		 struct vfio_dev *vfio);
void virtio_free(struct virtio_dev *vd);

/* A 1, 2, 4 or 8 byte register, @at as in struct virtio_dev */
int virtio_get(struct vfio_dev *vfio, uint64_t at, void *value, size_t size);
int virtio_put(struct vfio_dev *vfio, uint64_t at, uint64_t value, size_t size);

#endif /* VIRTIO_H */
