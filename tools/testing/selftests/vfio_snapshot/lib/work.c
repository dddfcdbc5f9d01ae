// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "work.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Parts of the engine's memory */
#define ENGINE_LANES 4
#define PAGE 4096ul
#define LANE_PAGES 16
#define LANE_LEN (LANE_PAGES * PAGE)
/* Between two batches of writes */
#define EVERY_US 200

struct work_ops {
	int (*find)(struct work *w, struct vfio_dev *dev);
	int (*start)(struct work *w);
	int (*send)(struct work *w, unsigned int lane, unsigned int count);
	int (*settle)(struct work *w, unsigned int lane);
	int (*adopt)(struct work *to, const struct work *from,
		     struct vfio_dev *dev);
	int (*moved)(struct work *w, struct vfio_dev *from);
};

/* ---- virtio-net ---- */

static int net_find(struct work *w, struct vfio_dev *dev)
{
	struct virtio_dev found;
	int ret = virtio_find(&found, dev);

	if (ret)
		return ret;
	found.mem = w->virtio.mem;
	found.mem_len = w->virtio.mem_len;
	w->virtio = found;
	return 0;
}

static int net_start(struct work *w)
{
	int ret = virtio_start(&w->virtio);

	w->lanes = w->virtio.pairs;
	return ret;
}

static int net_send(struct work *w, unsigned int lane, unsigned int count)
{
	return virtio_send(&w->virtio, lane, count);
}

static int net_settle(struct work *w, unsigned int lane)
{
	return virtio_settle(&w->virtio, lane);
}

static int net_adopt(struct work *to, const struct work *from,
		     struct vfio_dev *dev)
{
	return virtio_adopt(&to->virtio, &from->virtio, dev);
}

static int net_moved(struct work *w, struct vfio_dev *from)
{
	struct virtio_dev *vd = &w->virtio;
	struct vfio_dev *to = vd->vfio;
	uint8_t there[56], here[56];
	unsigned int i;

	for (i = 0; i < vd->nr_queues; i++) {
		/* 22: queue_select */
		if (virtio_put(from, vd->common + 22, vd->q[i].index, 2) ||
		    virtio_put(to, vd->common + 22, vd->q[i].index, 2))
			return -EIO;
		if (pread(from->fd, there, sizeof(there), vd->common) < 0 ||
		    pread(to->fd, here, sizeof(here), vd->common) < 0)
			return -EIO;
		/* 16: from the MSI-X vector on; the selectors before are free */
		if (memcmp(there + 16, here + 16, sizeof(here) - 16))
			return -EILSEQ;
	}
	return 0;
}

static const struct work_ops net_ops = {
	.find = net_find,
	.start = net_start,
	.send = net_send,
	.settle = net_settle,
	.adopt = net_adopt,
	.moved = net_moved,
};

/* ---- the engine of an emulated ConnectX ---- */

/* Registers that a driver wrote and reads back unchanged after a migration */
static const unsigned int kept[] = {
	ENGINE_SCRATCH(0), ENGINE_SCRATCH(ENGINE_SCRATCHES - 1), ENGINE_SEED,
};

#define KEPT_TAG 0x5eed000000000000ull

static uint64_t kept_value(unsigned int reg, uint64_t turn)
{
	return KEPT_TAG | (uint64_t)reg << 40 | turn << 16;
}

static int keep(struct work *w)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_LEN(kept); i++)
		ret = engine_set(&w->engine, kept[i], kept_value(kept[i], w->turn));
	return ret;
}

/* The round that the state was saved in: it may be an older one. */
static int since(struct work *w, uint64_t *turn)
{
	uint64_t val[ARRAY_LEN(kept)];
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_LEN(kept); i++) {
		ret = engine_get(&w->engine, kept[i], &val[i]);
		if (ret)
			return ret;
		/* A stopped device does not answer. */
		if (val[i] == UINT64_MAX)
			return -ETIMEDOUT;
	}
	*turn = val[0] >> 16 & 0xffffff;
	for (i = 0; i < ARRAY_LEN(kept); i++)
		if (val[i] != kept_value(kept[i], *turn))
			return -EILSEQ;
	return *turn && *turn <= w->turn ? 0 : -EILSEQ;
}

static int eng_find(struct work *w, struct vfio_dev *dev)
{
	return engine_find(&w->engine, dev);
}

static int eng_start(struct work *w)
{
	w->lanes = ENGINE_LANES;
	w->turn = 1;
	return engine_master(&w->engine) ?: engine_stop(&w->engine) ?: keep(w);
}

/* The engine has continued until it was stopped: each page has its last number. */
static int arrived(struct work *w, unsigned int lane, uint64_t count)
{
	const uint8_t *mem = w->virtio.mem + (size_t)lane * LANE_LEN;
	const uint64_t seed = kept_value(ENGINE_SEED, w->turn);
	uint64_t page, last;

	for (page = 0; page < LANE_PAGES && page < count; page++) {
		last = (count - 1 - page) / LANE_PAGES * LANE_PAGES + page;
		if (*(volatile const uint64_t *)(mem + page * PAGE) != seed + last)
			return -EILSEQ;
	}
	return 0;
}

static int eng_send(struct work *w, unsigned int lane, unsigned int count)
{
	const struct {
		unsigned int reg;
		uint64_t val;
	} set[] = {
		{ ENGINE_ADDRESS, VIRTIO_IOVA + lane * LANE_LEN },
		{ ENGINE_LENGTH, LANE_LEN }, { ENGINE_STRIDE, PAGE },
		{ ENGINE_PERIOD_US, EVERY_US }, { ENGINE_BATCH, count },
		{ ENGINE_CONTROL, ENGINE_RUN },
	};
	uint64_t made = 0, turn;
	unsigned int i;
	int ret;

	ret = since(w, &turn);
	if (ret)
		return ret;
	w->turn++;
	ret = keep(w);
	for (i = 0; !ret && i < ARRAY_LEN(set); i++)
		ret = engine_set(&w->engine, set[i].reg, set[i].val);
	if (!ret)
		ret = engine_wait(&w->engine, count) ?: engine_stop(&w->engine) ?:
		      engine_get(&w->engine, ENGINE_COUNT, &made);
	return ret ? ret : arrived(w, lane, made);
}

static int eng_settle(struct work *w, unsigned int lane)
{
	uint64_t turn;

	(void)lane;
	return since(w, &turn);
}

static int eng_adopt(struct work *to, const struct work *from,
		     struct vfio_dev *dev)
{
	(void)from;
	return engine_at(&to->engine, dev) ?: engine_master(&to->engine);
}

/* @from is stopped and does not answer. */
static int eng_moved(struct work *w, struct vfio_dev *from)
{
	uint64_t turn;
	int ret = since(w, &turn);

	(void)from;
	return ret ? ret : turn == w->turn ? 0 : -EILSEQ;
}

static const struct work_ops engine_ops = {
	.find = eng_find,
	.start = eng_start,
	.send = eng_send,
	.settle = eng_settle,
	.adopt = eng_adopt,
	.moved = eng_moved,
};

/* ---- both ---- */

static const struct work_ops *const all[] = { &net_ops, &engine_ops };

int work_find(struct work *w, struct vfio_dev *dev)
{
	unsigned int i;
	int ret = -ENODEV;

	for (i = 0; i < ARRAY_LEN(all) && ret == -ENODEV; i++) {
		w->ops = all[i];
		ret = all[i]->find(w, dev);
	}
	if (ret)
		w->ops = NULL;
	return ret;
}

int work_alloc(struct work *w)
{
	return virtio_alloc(&w->virtio);
}

int work_map(struct work *w, struct vfio_dev *dev)
{
	return virtio_map(&w->virtio, dev);
}

int work_start(struct work *w)
{
	return w->ops->start(w);
}

int work_bring_up(struct work *w, struct vfio_dev *dev)
{
	return work_find(w, dev) ?: work_alloc(w) ?: work_map(w, dev) ?:
	       work_start(w) ?: work_send(w, 0, 3);
}

int work_send(struct work *w, unsigned int lane, unsigned int count)
{
	return w->ops->send(w, lane, count);
}

int work_send_all(struct work *w, unsigned int count)
{
	unsigned int lane;
	int ret = 0;

	for (lane = 0; !ret && lane < w->lanes; lane++)
		ret = work_send(w, lane, count);
	return ret;
}

int work_settle(struct work *w, unsigned int lane)
{
	return w->ops->settle(w, lane);
}

int work_adopt(struct work *to, const struct work *from, struct vfio_dev *dev)
{
	if (to != from)
		*to = *from;
	return to->ops->adopt(to, from, dev);
}

int work_moved(struct work *w, struct vfio_dev *from)
{
	return w->ops->moved(w, from);
}

void work_free(struct work *w)
{
	virtio_free(&w->virtio);
}
