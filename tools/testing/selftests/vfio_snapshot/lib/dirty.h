/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dirty tracking of a device, and an oracle: it is told what the device writes
 * to, and knows the bitmap of each report, bit by bit.
 */
#ifndef DIRTY_H
#define DIRTY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"
#include "vfio_mig.h"

#define DIRTY_MAX 32768

/* Addresses, the last one included */
struct dirty_part {
	uint64_t first;
	uint64_t last;
};

struct dirty_log {
	struct vfio_dev *dev;
	uint64_t page;		/* the device's, as START has answered */
	/* What the next reports have to tell */
	struct dirty_part due[DIRTY_MAX];
	unsigned int n;
};

/* Each returns 0 or a negative errno. */
int dirty_probe(struct vfio_dev *dev);
/* With the page size @hint and @n ranges {iova, length} */
int dirty_start(struct dirty_log *log, struct vfio_dev *dev, uint64_t hint,
		const uint64_t (*ranges)[2], unsigned int n);
int dirty_stop(struct dirty_log *log);
/* DMA_LOGGING_REPORT as it is */
int dirty_report(struct vfio_dev *dev, uint64_t iova, uint64_t len, uint64_t page,
		 uint64_t *bitmap);

/*
 * The engine writes to @n addresses, @stride apart, all of which are logged, or
 * none is.
 */
int dirty_write(struct dirty_log *log, struct engine *e, uint64_t iova,
		uint64_t stride, unsigned int n, bool logged);
/* What the device wrote is due in full, whatever it was. */
int dirty_all(struct dirty_log *log, uint64_t iova, uint64_t len);
/*
 * A report, compared with what is due: 0, an errno, or 1 when the bitmap is
 * another one. In *@bit is then the first wrong bit.
 */
int dirty_check(struct dirty_log *log, uint64_t iova, uint64_t len, uint64_t page,
		uint64_t *bit);
/* Likewise, but more may be set than is due. */
int dirty_check_least(struct dirty_log *log, uint64_t iova, uint64_t len,
		      uint64_t page, uint64_t *bit);

#endif /* DIRTY_H */
