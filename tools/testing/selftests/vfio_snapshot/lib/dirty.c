// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dirty.h"

/* The engine can do 4096; a smaller batch leaves time for the rest of the machine. */
#define MAX_BATCH 1024
/* Words after each bitmap that a report must not touch */
#define GUARD_WORDS 8

int dirty_probe(struct vfio_dev *dev)
{
	return mig_feature(dev, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET |
			   VFIO_DEVICE_FEATURE_DMA_LOGGING_START, NULL, 0);
}

int dirty_start(struct dirty_log *log, struct vfio_dev *dev, uint64_t hint,
		const uint64_t (*ranges)[2], unsigned int n)
{
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = hint,
		.num_ranges = n,
		.ranges = (uintptr_t)ranges,
	};
	int ret;

	ret = mig_feature(dev, VFIO_DEVICE_FEATURE_SET |
			  VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
			  &control, sizeof(control));
	log->dev = dev;
	log->page = control.page_size;
	log->n = 0;
	return ret;
}

int dirty_stop(struct dirty_log *log)
{
	return mig_feature(log->dev, VFIO_DEVICE_FEATURE_SET |
			   VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
}

int dirty_report(struct vfio_dev *dev, uint64_t iova, uint64_t len, uint64_t page,
		 uint64_t *bitmap)
{
	struct vfio_device_feature_dma_logging_report report = {
		.iova = iova, .length = len, .page_size = page,
		.bitmap = (uintptr_t)bitmap,
	};

	return mig_feature(dev, VFIO_DEVICE_FEATURE_GET |
			   VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
			   &report, sizeof(report));
}

static int add(struct dirty_log *log, uint64_t first, uint64_t last)
{
	if (log->n == DIRTY_MAX)
		return -ENOSPC;
	log->due[log->n++] = (struct dirty_part){ first, last };
	return 0;
}

int dirty_all(struct dirty_log *log, uint64_t iova, uint64_t len)
{
	return add(log, iova, iova + len - 1);
}

int dirty_write(struct dirty_log *log, struct engine *e, uint64_t iova,
		uint64_t stride, unsigned int n, bool logged)
{
	const unsigned int batch = n < MAX_BATCH ? n : MAX_BATCH;
	const struct {
		unsigned int reg;
		uint64_t val;
	} set[] = {
		/* Leaves time between two batches */
		{ ENGINE_PERIOD_US, 2000 + 40 * batch },
		{ ENGINE_ADDRESS, iova }, { ENGINE_LENGTH, stride * n },
		{ ENGINE_STRIDE, stride },
		{ ENGINE_BATCH, batch }, { ENGINE_SEED, 1 },
		{ ENGINE_CONTROL, ENGINE_RUN },
	};
	uint64_t count = 0;
	unsigned int i;
	int ret = engine_master(e);

	for (i = 0; !ret && i < sizeof(set) / sizeof(set[0]); i++)
		ret = engine_set(e, set[i].reg, set[i].val);
	if (!ret)
		ret = engine_wait(e, n);
	if (!ret)
		ret = engine_stop(e);
	if (!ret)
		ret = engine_get(e, ENGINE_REFUSED, &count);
	if (!ret && count)
		ret = -EFAULT;
	for (i = 0; !ret && logged && i < n; i++) {
		uint64_t first = (iova + i * stride) & ~(log->page - 1);

		ret = add(log, first, first + log->page - 1);
	}
	return ret;
}

static void set_bits(uint64_t *bitmap, uint64_t first, uint64_t last)
{
	for (; first <= last; first++)
		bitmap[first / 64] |= 1ull << first % 64;
}

/* Sets the due pages of the range in the bitmap; they are not due afterwards */
static int pay(struct dirty_log *log, uint64_t iova, uint64_t len, uint64_t page,
	       uint64_t *bitmap)
{
	uint64_t end = iova + len - 1;
	unsigned int i, n = log->n;
	int ret = 0;

	log->n = 0;
	for (i = 0; i < n && !ret; i++) {
		struct dirty_part part = log->due[i];

		if (part.first > end || part.last < iova) {
			log->due[log->n++] = part;
			continue;
		}
		set_bits(bitmap, ((part.first > iova ? part.first : iova) - iova) / page,
			 ((part.last < end ? part.last : end) - iova) / page);
		/* Keep the part before the range here, append the part after it */
		if (part.first < iova)
			log->due[log->n++] = (struct dirty_part){ part.first, iova - 1 };
		if (part.last > end && part.first >= iova)
			log->due[log->n++] = (struct dirty_part){ end + 1, part.last };
		else if (part.last > end)
			ret = -EOPNOTSUPP;
	}
	return ret;
}

static int compare(struct dirty_log *log, uint64_t iova, uint64_t len, uint64_t page,
		   bool exact, uint64_t *bit)
{
	uint64_t bits = (len + page - 1) / page, words = (bits + 63) / 64 + GUARD_WORDS;
	uint64_t *want = calloc(words, 8), *got = calloc(words, 8), wrong;
	uint64_t i;
	int ret;

	*bit = ~0ull;
	ret = want && got ? dirty_report(log->dev, iova, len, page, got) : -ENOMEM;
	if (!ret)
		ret = pay(log, iova, len, page, want);
	for (i = 0; !ret && i < words; i++) {
		wrong = exact ? want[i] ^ got[i] : want[i] & ~got[i];
		if (!wrong)
			continue;
		*bit = i * 64 + __builtin_ctzll(wrong);
		ret = 1;
	}
	free(want);
	free(got);
	return ret;
}

int dirty_check(struct dirty_log *log, uint64_t iova, uint64_t len, uint64_t page,
		uint64_t *bit)
{
	return compare(log, iova, len, page, true, bit);
}

int dirty_check_least(struct dirty_log *log, uint64_t iova, uint64_t len,
		      uint64_t page, uint64_t *bit)
{
	return compare(log, iova, len, page, false, bit);
}
