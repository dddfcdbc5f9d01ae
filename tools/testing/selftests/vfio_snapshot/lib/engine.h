/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test engine in the BAR of a VF of the emulated ConnectX. It writes a
 * pattern to memory and counts its writes. engine-regs.h describes its
 * registers.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdint.h>

#include "vfio_mig.h"

#include "../../../../qemu/mlx5-vhca/engine-regs.h"

struct engine {
	struct vfio_dev *dev;
	uint64_t regs;		/* offset of the registers in the device's fd */
	uint64_t config;
};

/* For a device that has an engine, also when it does not answer because it is stopped */
int engine_at(struct engine *e, struct vfio_dev *dev);
/* Returns -ENODEV for a device without an engine */
int engine_find(struct engine *e, struct vfio_dev *dev);
int engine_get(struct engine *e, unsigned int reg, uint64_t *val);
int engine_set(struct engine *e, unsigned int reg, uint64_t val);
/* Turns bus mastering on */
int engine_master(struct engine *e);
/* Writes to the pages of the range in turn, one every @us, with values from @seed on */
int engine_start(struct engine *e, uint64_t iova, uint64_t len, unsigned int us,
		 uint64_t seed);
int engine_stop(struct engine *e);
/* Waits until the engine has made @count writes: 0 or -ETIMEDOUT */
int engine_wait(struct engine *e, uint64_t count);

#endif /* ENGINE_H */
