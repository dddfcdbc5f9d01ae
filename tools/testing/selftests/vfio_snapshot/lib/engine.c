// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "engine.h"

static int region_offset(struct vfio_dev *dev, unsigned int index, size_t least,
			 uint64_t *offset)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	if (info.size < least)
		return -ENODEV;
	*offset = info.offset;
	return 0;
}

int engine_at(struct engine *e, struct vfio_dev *dev)
{
	int ret;

	e->dev = dev;
	ret = region_offset(dev, VFIO_PCI_BAR0_REGION_INDEX,
			    ENGINE_BASE + ENGINE_SIZE, &e->regs);
	if (!ret)
		ret = region_offset(dev, VFIO_PCI_CONFIG_REGION_INDEX,
				    PCI_STD_HEADER_SIZEOF, &e->config);
	e->regs += ENGINE_BASE;
	return ret;
}

int engine_find(struct engine *e, struct vfio_dev *dev)
{
	uint64_t id;
	int ret;

	ret = engine_at(e, dev);
	if (!ret)
		ret = engine_get(e, ENGINE_ID, &id);
	if (!ret && id != ENGINE_ID_VALUE)
		ret = -ENODEV;
	return ret;
}

int engine_get(struct engine *e, unsigned int reg, uint64_t *val)
{
	ssize_t got = pread(e->dev->fd, val, sizeof(*val), e->regs + reg);

	*val = le64toh(*val);
	return got < 0 ? -errno : got == sizeof(*val) ? 0 : -EIO;
}

int engine_set(struct engine *e, unsigned int reg, uint64_t val)
{
	ssize_t done;

	val = htole64(val);
	done = pwrite(e->dev->fd, &val, sizeof(val), e->regs + reg);
	return done < 0 ? -errno : done == sizeof(val) ? 0 : -EIO;
}

int engine_master(struct engine *e)
{
	uint16_t command;

	if (pread(e->dev->fd, &command, 2, e->config + PCI_COMMAND) != 2)
		return -EIO;
	command |= htole16(PCI_COMMAND_MASTER);
	return pwrite(e->dev->fd, &command, 2, e->config + PCI_COMMAND) == 2 ?
	       0 : -EIO;
}

int engine_start(struct engine *e, uint64_t iova, uint64_t len, unsigned int us,
		 uint64_t seed)
{
	const struct {
		unsigned int reg;
		uint64_t val;
	} set[] = {
		{ ENGINE_ADDRESS, iova }, { ENGINE_LENGTH, len },
		{ ENGINE_STRIDE, 4096 }, { ENGINE_PERIOD_US, us },
		{ ENGINE_BATCH, 1 }, { ENGINE_SEED, seed },
		{ ENGINE_CONTROL, ENGINE_RUN },
	};
	unsigned int i;
	int ret = engine_master(e);

	for (i = 0; !ret && i < sizeof(set) / sizeof(set[0]); i++)
		ret = engine_set(e, set[i].reg, set[i].val);
	return ret;
}

int engine_stop(struct engine *e)
{
	return engine_set(e, ENGINE_CONTROL, 0);
}

int engine_wait(struct engine *e, uint64_t count)
{
	uint64_t now;
	int tries, ret;

	for (tries = 0; tries < 20000; tries++) {
		ret = engine_get(e, ENGINE_COUNT, &now);
		if (ret || now >= count)
			return ret;
		usleep(1000);
	}
	return -ETIMEDOUT;
}
