/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio-net driver over the regions of a VFIO device, just large enough to
 * give the device a state: features, several queue pairs with buffers in
 * flight, and settings made through the control queue.
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include "vfio_mig.h"

#define VIRTIO_MAX_PAIRS 4
#define VIRTIO_MAX_QUEUES (2 * VIRTIO_MAX_PAIRS + 1)
#define VIRTIO_QUEUE_SIZE 16
/* I/O virtual address of the queues' memory */
#define VIRTIO_IOVA 0x10000000ull

struct virtio_queue {
	unsigned int index;	/* number of the queue in the device */
	unsigned int size;
	uint8_t *mem;		/* part of virtio_dev.mem */
	uint64_t iova;
	uint64_t notify;	/* offset in the notify region */
	uint16_t avail;		/* buffers offered so far */
};

struct virtio_dev {
	struct vfio_dev *vfio;
	/* Offsets in the device fd; 0: the device has no such structure */
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

/* Finds the device's structures: -ENODEV unless it is a modern virtio-net */
int virtio_find(struct virtio_dev *vd, struct vfio_dev *vfio);
/* Memory of the queues. Both sides of a migration map the same. */
int virtio_alloc(struct virtio_dev *vd);
int virtio_map(struct virtio_dev *vd, struct vfio_dev *vfio);
/* Reset, features, queues, DRIVER_OK, receive buffers, control commands */
int virtio_start(struct virtio_dev *vd);
/* virtio_find() to virtio_start(), and a few packets */
int virtio_bring_up(struct virtio_dev *vd, struct vfio_dev *vfio);
/* Sends @count small frames and waits until the device has used them */
int virtio_send(struct virtio_dev *vd, unsigned int pair, unsigned int count);
/* Waits until everything that was sent is used */
int virtio_settle(struct virtio_dev *vd, unsigned int pair);
/*
 * The driver of @from continues on @vfio, to which the device state was moved.
 * Only the PCI configuration, which a hypervisor sets up, is written there.
 */
int virtio_adopt(struct virtio_dev *to, const struct virtio_dev *from,
		 struct vfio_dev *vfio);
void virtio_free(struct virtio_dev *vd);

/* A register of 1, 2, 4 or 8 bytes; @at is an offset as in struct virtio_dev */
int virtio_get(struct vfio_dev *vfio, uint64_t at, void *value, size_t size);
int virtio_put(struct vfio_dev *vfio, uint64_t at, uint64_t value, size_t size);

#endif /* VIRTIO_H */
