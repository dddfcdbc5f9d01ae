// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>

#include "virtio.h"

/* For each queue. Enough for 1,024 descriptors, if a device insists on that size. */
#define QUEUE_MEM 0x10000
#define MAX_QUEUE_SIZE 1024
#define DESC_AT 0x0000
#define AVAIL_AT 0x4000
#define USED_AT 0x5000
#define BUFFERS_AT 0x8000
#define BUFFER_SIZE 0x800

#define COMMON(field) offsetof(struct virtio_pci_common_cfg, field)

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

#define DESC_NEXT 1
#define DESC_WRITE 2

int virtio_get(struct vfio_dev *vfio, uint64_t at, void *value, size_t size)
{
	ssize_t got = pread(vfio->fd, value, size, at);

	return got == (ssize_t)size ? 0 : got < 0 ? -errno : -EIO;
}

int virtio_put(struct vfio_dev *vfio, uint64_t at, uint64_t value, size_t size)
{
	uint64_t le = htole64(value);
	ssize_t put = pwrite(vfio->fd, &le, size, at);

	return put == (ssize_t)size ? 0 : put < 0 ? -errno : -EIO;
}

static int region(struct vfio_dev *vfio, unsigned int index, uint64_t *at)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = index,
	};

	if (ioctl(vfio->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	*at = info.offset;
	return info.size ? 0 : -ENODEV;
}

static int take_capability(struct virtio_dev *vd, uint64_t cap)
{
	uint8_t type = 0, bar = 0;
	uint32_t offset = 0;
	uint64_t at;

	if (virtio_get(vd->vfio, cap + offsetof(struct virtio_pci_cap, cfg_type),
		       &type, 1) ||
	    virtio_get(vd->vfio, cap + offsetof(struct virtio_pci_cap, bar),
		       &bar, 1) ||
	    virtio_get(vd->vfio, cap + offsetof(struct virtio_pci_cap, offset),
		       &offset, 4))
		return -EIO;
	if (bar >= PCI_STD_NUM_BARS || region(vd->vfio, bar, &at))
		return 0;

	at += le32toh(offset);
	switch (type) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		vd->common = at;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		vd->device = at;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		vd->notify = at;
		return virtio_get(vd->vfio, cap + sizeof(struct virtio_pci_cap),
				  &vd->notify_step, 4);
	}
	return 0;
}

int virtio_find(struct virtio_dev *vd, struct vfio_dev *vfio)
{
	uint16_t vendor = 0, device = 0;
	uint8_t cap = 0, id = 0;
	int ret, steps;
	uint64_t config;

	*vd = (struct virtio_dev){ .vfio = vfio };
	ret = region(vfio, VFIO_PCI_CONFIG_REGION_INDEX, &config);
	if (ret)
		return ret;
	if (virtio_get(vfio, config + PCI_VENDOR_ID, &vendor, 2) ||
	    virtio_get(vfio, config + PCI_DEVICE_ID, &device, 2) ||
	    virtio_get(vfio, config + PCI_CAPABILITY_LIST, &cap, 1))
		return -EIO;
	if (le16toh(vendor) != 0x1af4 || le16toh(device) != 0x1041)
		return -ENODEV;

	for (steps = 0; cap && steps < 48; steps++) {
		if (virtio_get(vfio, config + cap, &id, 1))
			return -EIO;
		if (id == PCI_CAP_ID_VNDR && take_capability(vd, config + cap))
			return -EIO;
		if (virtio_get(vfio, config + cap + 1, &cap, 1))
			return -EIO;
	}
	if (!vd->common || !vd->notify)
		return -ENODEV;

	return virtio_put(vfio, config + PCI_COMMAND,
			  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			  PCI_COMMAND_INTX_DISABLE, 2);
}

int virtio_alloc(struct virtio_dev *vd)
{
	vd->mem_len = VIRTIO_MAX_QUEUES * QUEUE_MEM;
	vd->mem = mmap(NULL, vd->mem_len, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vd->mem == MAP_FAILED) {
		vd->mem = NULL;
		return -ENOMEM;
	}
	return 0;
}

int virtio_map(struct virtio_dev *vd, struct vfio_dev *vfio)
{
	return vfio_dev_map(vfio, vd->mem, VIRTIO_IOVA, vd->mem_len);
}

int virtio_adopt(struct virtio_dev *to, const struct virtio_dev *from,
		 struct vfio_dev *vfio)
{
	struct virtio_dev here;
	int ret;

	ret = virtio_find(&here, vfio);
	if (ret)
		return ret;
	if (here.common != from->common || here.notify != from->notify ||
	    here.notify_step != from->notify_step)
		return -EXDEV;
	*to = *from;
	to->vfio = vfio;
	return 0;
}

void virtio_free(struct virtio_dev *vd)
{
	if (vd->mem)
		munmap(vd->mem, vd->mem_len);
	vd->mem = NULL;
}

static int put_common(struct virtio_dev *vd, size_t field, uint64_t value,
		      size_t size)
{
	return virtio_put(vd->vfio, vd->common + field, value, size);
}

static int get_common(struct virtio_dev *vd, size_t field, void *value,
		      size_t size)
{
	return virtio_get(vd->vfio, vd->common + field, value, size);
}

static int reset_device(struct virtio_dev *vd)
{
	uint8_t status = 1;
	int tries;

	if (put_common(vd, COMMON(device_status), 0, 1))
		return -EIO;
	for (tries = 0; status && tries < 100; tries++) {
		if (get_common(vd, COMMON(device_status), &status, 1))
			return -EIO;
		usleep(1000);
	}
	return status ? -ETIMEDOUT : 0;
}

static int set_features(struct virtio_dev *vd)
{
	const uint64_t wanted = 1ull << VIRTIO_F_VERSION_1 |
				1ull << VIRTIO_F_ACCESS_PLATFORM |
				1ull << VIRTIO_NET_F_MAC |
				1ull << VIRTIO_NET_F_STATUS |
				1ull << VIRTIO_NET_F_CTRL_VQ |
				1ull << VIRTIO_NET_F_CTRL_RX |
				1ull << VIRTIO_NET_F_CTRL_VLAN |
				1ull << VIRTIO_NET_F_MQ;
	uint32_t half[2] = {};
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (put_common(vd, COMMON(device_feature_select), i, 4) ||
		    get_common(vd, COMMON(device_feature), &half[i], 4))
			return -EIO;
	vd->features = (le32toh(half[0]) | (uint64_t)le32toh(half[1]) << 32) &
		       wanted;
	for (i = 0; i < 2; i++)
		if (put_common(vd, COMMON(guest_feature_select), i, 4) ||
		    put_common(vd, COMMON(guest_feature),
			       (uint32_t)(vd->features >> 32 * i), 4))
			return -EIO;
	return 0;
}

static bool has_feature(struct virtio_dev *vd, unsigned int bit)
{
	return vd->features >> bit & 1;
}

static int set_queue(struct virtio_dev *vd, struct virtio_queue *q)
{
	uint16_t size = 0, notify = 0;

	if (put_common(vd, COMMON(queue_select), q->index, 2) ||
	    get_common(vd, COMMON(queue_size), &size, 2) ||
	    get_common(vd, COMMON(queue_notify_off), &notify, 2))
		return -EIO;
	size = le16toh(size);
	if (!size)
		return -ENODEV;
	q->size = size < VIRTIO_QUEUE_SIZE ? size : VIRTIO_QUEUE_SIZE;
	q->notify = vd->notify +
		    (uint64_t)le16toh(notify) * le32toh(vd->notify_step);

	if (put_common(vd, COMMON(queue_size), q->size, 2) ||
	    put_common(vd, COMMON(queue_msix_vector), VIRTIO_MSI_NO_VECTOR, 2))
		return -EIO;
	/* A device may insist on its own size. */
	if (get_common(vd, COMMON(queue_size), &size, 2))
		return -EIO;
	q->size = le16toh(size);
	if (q->size < VIRTIO_QUEUE_SIZE || q->size > MAX_QUEUE_SIZE)
		return -ENODEV;

	if (put_common(vd, COMMON(queue_desc_lo), q->iova + DESC_AT, 4) ||
	    put_common(vd, COMMON(queue_desc_hi), 0, 4) ||
	    put_common(vd, COMMON(queue_avail_lo), q->iova + AVAIL_AT, 4) ||
	    put_common(vd, COMMON(queue_avail_hi), 0, 4) ||
	    put_common(vd, COMMON(queue_used_lo), q->iova + USED_AT, 4) ||
	    put_common(vd, COMMON(queue_used_hi), 0, 4) ||
	    put_common(vd, COMMON(queue_enable), 1, 2))
		return -EIO;
	return 0;
}

static struct virtio_queue *add_queue(struct virtio_dev *vd, unsigned int index)
{
	struct virtio_queue *q = &vd->q[vd->nr_queues];

	q->index = index;
	q->iova = VIRTIO_IOVA + (uint64_t)vd->nr_queues * QUEUE_MEM;
	q->mem = vd->mem + (size_t)vd->nr_queues * QUEUE_MEM;
	q->avail = 0;
	memset(q->mem, 0, QUEUE_MEM);
	vd->nr_queues++;
	return q;
}

static uint16_t *avail_idx(struct virtio_queue *q)
{
	return (uint16_t *)(q->mem + AVAIL_AT) + 1;
}

static uint16_t used_idx(struct virtio_queue *q)
{
	return le16toh(*((volatile uint16_t *)(q->mem + USED_AT) + 1));
}

/* Offers the chain that begins at descriptor @head */
static void offer(struct virtio_queue *q, uint16_t head)
{
	uint16_t *ring = (uint16_t *)(q->mem + AVAIL_AT) + 2;

	ring[q->avail % q->size] = htole16(head);
	q->avail++;
	__sync_synchronize();
	*avail_idx(q) = htole16(q->avail);
}

static int kick(struct virtio_dev *vd, struct virtio_queue *q)
{
	return virtio_put(vd->vfio, q->notify, q->index, 2);
}

static void set_desc(struct virtio_queue *q, unsigned int i, uint32_t offset,
		     uint32_t len, uint16_t flags, uint16_t next)
{
	struct desc *d = (struct desc *)(q->mem + DESC_AT) + i;

	d->addr = htole64(q->iova + BUFFERS_AT + offset);
	d->len = htole32(len);
	d->flags = htole16(flags);
	d->next = htole16(next);
}

static int wait_used(struct virtio_queue *q, uint16_t want)
{
	int tries;

	for (tries = 0; tries < 1000; tries++) {
		if (used_idx(q) == want)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

static int fill_receive(struct virtio_dev *vd, struct virtio_queue *q)
{
	unsigned int i;

	for (i = 0; i < VIRTIO_QUEUE_SIZE; i++) {
		set_desc(q, i, i * BUFFER_SIZE, BUFFER_SIZE, DESC_WRITE, 0);
		offer(q, i);
	}
	return kick(vd, q);
}

/* The device writes its answer to the control queue's second buffer. */
static int control(struct virtio_dev *vd, uint8_t class, uint8_t command,
		   const void *data, size_t len)
{
	struct virtio_queue *q = &vd->q[vd->nr_queues - 1];
	uint8_t *out = q->mem + BUFFERS_AT;
	uint8_t *ack = out + BUFFER_SIZE;
	int ret;

	out[0] = class;
	out[1] = command;
	memcpy(out + 2, data, len);
	*ack = 0xff;
	set_desc(q, 0, 0, 2 + len, DESC_NEXT, 1);
	set_desc(q, 1, BUFFER_SIZE, 1, DESC_WRITE, 0);
	offer(q, 0);
	ret = kick(vd, q);
	if (!ret)
		ret = wait_used(q, q->avail);
	return ret ? ret : *ack == VIRTIO_NET_OK ? 0 : -EPROTO;
}

static int set_up_control(struct virtio_dev *vd)
{
	static const uint8_t macs[] = {
		1, 0, 0, 0, 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x01,
		2, 0, 0, 0, 0x33, 0x33, 0, 0, 0, 1,
			    0x01, 0x00, 0x5e, 0, 0, 1,
	};
	uint16_t vlan = htole16(42), pairs = htole16(vd->pairs);
	uint8_t on = 1;
	int ret = 0;

	if (has_feature(vd, VIRTIO_NET_F_CTRL_RX)) {
		ret = control(vd, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI,
			      &on, 1);
		if (!ret)
			ret = control(vd, VIRTIO_NET_CTRL_MAC,
				      VIRTIO_NET_CTRL_MAC_TABLE_SET, macs,
				      sizeof(macs));
	}
	if (!ret && has_feature(vd, VIRTIO_NET_F_CTRL_VLAN))
		ret = control(vd, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD,
			      &vlan, 2);
	if (!ret && has_feature(vd, VIRTIO_NET_F_MQ))
		ret = control(vd, VIRTIO_NET_CTRL_MQ,
			      VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, 2);
	return ret;
}

int virtio_start(struct virtio_dev *vd)
{
	const uint8_t found = VIRTIO_CONFIG_S_ACKNOWLEDGE |
			      VIRTIO_CONFIG_S_DRIVER;
	uint16_t max_pairs = htole16(1);
	uint8_t status = 0;
	unsigned int i;
	int ret;

	ret = reset_device(vd);
	if (ret)
		return ret;
	if (put_common(vd, COMMON(device_status), found, 1) || set_features(vd) ||
	    put_common(vd, COMMON(device_status),
		       found | VIRTIO_CONFIG_S_FEATURES_OK, 1) ||
	    get_common(vd, COMMON(device_status), &status, 1))
		return -EIO;
	if (!(status & VIRTIO_CONFIG_S_FEATURES_OK))
		return -EPROTO;

	if (has_feature(vd, VIRTIO_NET_F_MQ) &&
	    virtio_get(vd->vfio, vd->device +
		       offsetof(struct virtio_net_config, max_virtqueue_pairs),
		       &max_pairs, 2))
		return -EIO;
	max_pairs = le16toh(max_pairs);
	vd->pairs = max_pairs < VIRTIO_MAX_PAIRS ? max_pairs : VIRTIO_MAX_PAIRS;

	vd->nr_queues = 0;
	for (i = 0; i < 2 * vd->pairs; i++) {
		ret = set_queue(vd, add_queue(vd, i));
		if (ret)
			return ret;
	}
	if (has_feature(vd, VIRTIO_NET_F_CTRL_VQ)) {
		ret = set_queue(vd, add_queue(vd, 2 * max_pairs));
		if (ret)
			return ret;
	}
	if (put_common(vd, COMMON(device_status),
		       found | VIRTIO_CONFIG_S_FEATURES_OK |
		       VIRTIO_CONFIG_S_DRIVER_OK, 1))
		return -EIO;

	for (i = 0; i < vd->pairs && !ret; i++)
		ret = fill_receive(vd, &vd->q[2 * i]);
	if (!ret && has_feature(vd, VIRTIO_NET_F_CTRL_VQ))
		ret = set_up_control(vd);
	return ret;
}

int virtio_send(struct virtio_dev *vd, unsigned int pair, unsigned int count)
{
	struct virtio_queue *q = &vd->q[2 * pair + 1];
	const size_t head = sizeof(struct virtio_net_hdr_v1);
	uint8_t *frame = q->mem + BUFFERS_AT + head;
	unsigned int i;
	int ret = 0;

	/* A frame that nobody receives, of a local experimental ethertype */
	memset(q->mem + BUFFERS_AT, 0, BUFFER_SIZE);
	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88,
				   0xb5 }, 14);
	for (i = 0; i < count && !ret; i++) {
		set_desc(q, 0, 0, head + 60, 0, 0);
		offer(q, 0);
		ret = kick(vd, q);
		if (!ret)
			ret = wait_used(q, q->avail);
	}
	return ret;
}

int virtio_settle(struct virtio_dev *vd, unsigned int pair)
{
	struct virtio_queue *q = &vd->q[2 * pair + 1];

	return wait_used(q, q->avail);
}

int virtio_bring_up(struct virtio_dev *vd, struct vfio_dev *vfio)
{
	return virtio_find(vd, vfio) ?: virtio_alloc(vd) ?:
	       virtio_map(vd, vfio) ?: virtio_start(vd) ?:
	       virtio_send(vd, 0, 3);
}
