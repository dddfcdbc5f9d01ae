/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test engine behind the BAR of a VF of the emulated ConnectX: it writes a
 * pattern to memory, and counts. Its registers are described where they are
 * defined.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdint.h>

#include "vfio_mig.h"

#include "../../../../qemu/mlx5-vhca/engine-regs.h"

struct engine {
	struct vfio_dev *dev;
	uint64_t regs;		/* offset in the device's fd */
	uint64_t config;
};

/* The engine of a device that is known to have one, and may not answer now */
int engine_at(struct engine *e, struct vfio_dev *dev);
/* -ENODEV where there is none */
int engine_find(struct engine *e, struct vfio_dev *dev);
int engine_get(struct engine *e, unsigned int reg, uint64_t *val);
int engine_set(struct engine *e, unsigned int reg, uint64_t val);
/* It may do DMA, as far as its PCI function is concerned. */
int engine_master(struct engine *e);
/* A write to each page of the area in turn, each @us, from @seed on */
int engine_start(struct engine *e, uint64_t iova, uint64_t len, unsigned int us,
		 uint64_t seed);
int engine_stop(struct engine *e);
/* Waits, with a limit, until it has made @count writes: 0 or -ETIMEDOUT */
int engine_wait(struct engine *e, uint64_t count);

#endif /* ENGINE_H */
