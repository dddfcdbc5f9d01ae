/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dirty tracking of a device and a model of it. The test tells the model which
 * pages the device writes; the model then knows every bit of each report.
 */
#ifndef DIRTY_H
#define DIRTY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"
#include "vfio_mig.h"

#define DIRTY_MAX 32768

/* A range of addresses, @last included */
struct dirty_part {
	uint64_t first;
	uint64_t last;
};

struct dirty_log {
	struct vfio_dev *dev;
	uint64_t page;		/* page size of the device, from the reply to START */
	/* Ranges that the next reports must show as dirty */
	struct dirty_part due[DIRTY_MAX];
	unsigned int n;
};

/* All functions return 0 or a negative errno unless they say otherwise. */
int dirty_probe(struct vfio_dev *dev);
/* Starts with page size @hint and @n ranges {iova, length} */
int dirty_start(struct dirty_log *log, struct vfio_dev *dev, uint64_t hint,
		const uint64_t (*ranges)[2], unsigned int n);
int dirty_stop(struct dirty_log *log);
/* One DMA_LOGGING_REPORT, not compared with the model */
int dirty_report(struct vfio_dev *dev, uint64_t iova, uint64_t len, uint64_t page,
		 uint64_t *bitmap);

/*
 * The engine writes to @n addresses, @stride apart. @logged: all of them are in
 * the logged ranges, else none is.
 */
int dirty_write(struct dirty_log *log, struct engine *e, uint64_t iova,
		uint64_t stride, unsigned int n, bool logged);
/* From now on the whole range must be reported as dirty, whatever the device wrote. */
int dirty_all(struct dirty_log *log, uint64_t iova, uint64_t len);
/*
 * Compares a report with the model: 0, an errno, or 1 with the first wrong bit
 * in *@bit.
 */
int dirty_check(struct dirty_log *log, uint64_t iova, uint64_t len, uint64_t page,
		uint64_t *bit);
/* As dirty_check(), but additional bits may be set. */
int dirty_check_least(struct dirty_log *log, uint64_t iova, uint64_t len,
		      uint64_t page, uint64_t *bit);

#endif /* DIRTY_H */
