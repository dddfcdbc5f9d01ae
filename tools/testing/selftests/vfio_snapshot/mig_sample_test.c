// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sample back-end: after a migration, memory and registers of one ivshmem
 * device are those of another. A refused state changes nothing. A reset clears
 * the registers and keeps the memory.
 */
#include <endian.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>

#include "lib/harness.h"
#include "lib/records.h"

#define REG_MASK	0x0
#define REG_STATUS	0x4
#define IMAGE_HEADER	16

struct ivshmem {
	struct vfio_dev dev;
	uint64_t config, regs, memory;
	size_t size;
};

static int region(struct vfio_dev *dev, unsigned int index, uint64_t *at, size_t *size)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	*at = info.offset;
	*size = info.size;
	return 0;
}

static int bars_on(struct ivshmem *s, bool on)
{
	uint16_t command = htole16(on ? PCI_COMMAND_MEMORY : 0);

	return pwrite(s->dev.fd, &command, 2, s->config + PCI_COMMAND) == 2 ? 0 : -EIO;
}

static int ivshmem_open(struct ivshmem *s, const char *bdf)
{
	uint8_t id[4] = {};
	size_t size;
	int ret;

	ret = vfio_dev_open(&s->dev, bdf) ?:
	      region(&s->dev, VFIO_PCI_CONFIG_REGION_INDEX, &s->config, &size) ?:
	      region(&s->dev, VFIO_PCI_BAR0_REGION_INDEX, &s->regs, &size) ?:
	      region(&s->dev, VFIO_PCI_BAR2_REGION_INDEX, &s->memory, &s->size);
	if (ret)
		return ret;
	if (pread(s->dev.fd, id, 4, s->config) != 4 || memcmp(id, "\xf4\x1a\x10\x11", 4))
		return -ENODEV;
	return bars_on(s, true);
}

static uint32_t get_reg(struct ivshmem *s, unsigned int reg)
{
	uint32_t value = 0xdeadbeef;

	return pread(s->dev.fd, &value, 4, s->regs + reg) == 4 ? le32toh(value) : value;
}

static int set_reg(struct ivshmem *s, unsigned int reg, uint32_t value)
{
	value = htole32(value);
	return pwrite(s->dev.fd, &value, 4, s->regs + reg) == 4 ? 0 : -EIO;
}

/* Every byte depends on its position */
static void pattern(uint8_t *to, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (i * 2654435761u + seed) >> 13;
}

static int fill(struct ivshmem *s, unsigned int seed)
{
	uint8_t *bytes = malloc(s->size);
	ssize_t put;

	pattern(bytes, s->size, seed);
	put = pwrite(s->dev.fd, bytes, s->size, s->memory);
	free(bytes);
	return put == (ssize_t)s->size ? 0 : -EIO;
}

static bool is_filled(struct ivshmem *s, unsigned int seed)
{
	uint8_t *want = malloc(s->size), *is = malloc(s->size);
	bool same;

	pattern(want, s->size, seed);
	same = pread(s->dev.fd, is, s->size, s->memory) == (ssize_t)s->size &&
	       !memcmp(want, is, s->size);
	free(want);
	free(is);
	return same;
}

FIXTURE(sample) {
	struct ivshmem a, b;
	struct blob saved;
};

FIXTURE_SETUP(sample)
{
	int ret;

	NEEDS_SECOND_DEVICE();
	ret = ivshmem_open(&self->a, test_env.bdf);
	if (ret == -ENODEV)
		SKIP(return, "not an ivshmem device");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, ivshmem_open(&self->b, test_env.bdf2));
	ASSERT_EQ(0, fill(&self->a, 1));
	ASSERT_EQ(0, fill(&self->b, 2));
	ASSERT_EQ(0, set_reg(&self->a, REG_MASK, 0x1234));
	ASSERT_EQ(0, set_reg(&self->a, REG_STATUS, 0x8001));
}

FIXTURE_TEARDOWN(sample)
{
	vfio_dev_close(&self->a.dev);
	vfio_dev_close(&self->b.dev);
	blob_free(&self->saved);
}

TEST_F(sample, memory_and_registers_arrive)
{
	struct load_result r;

	ASSERT_EQ(0, mig_save(&self->a.dev, 5000, &self->saved));
	r = mig_load(&self->b.dev, self->saved.data, self->saved.len, 5000);
	ASSERT_EQ(LOAD_OK, r.stage);
	EXPECT_EQ(0, get_reg(&self->b, REG_MASK));
	ASSERT_EQ(0, mig_set(&self->b.dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0x1234, get_reg(&self->b, REG_MASK));
	EXPECT_EQ(0x8001, get_reg(&self->b, REG_STATUS));
	EXPECT_TRUE(is_filled(&self->b, 1));
	/* The source did not change either. */
	EXPECT_EQ(0x1234, get_reg(&self->a, REG_MASK));
	EXPECT_EQ(0x8001, get_reg(&self->a, REG_STATUS));
}

TEST_F(sample, the_final_image_counts)
{
	struct load_result r;
	int fd;

	ASSERT_EQ(0, mig_set(&self->a.dev, VFIO_DEVICE_STATE_PRE_COPY, &fd));
	ASSERT_EQ(-ENOMSG, mig_read_all(fd, 4096, &self->saved));
	ASSERT_EQ(0, fill(&self->a, 3));
	ASSERT_EQ(0, set_reg(&self->a, REG_MASK, 0x5678));
	ASSERT_EQ(0, mig_set(&self->a.dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	ASSERT_EQ(0, mig_read_all(fd, 4096, &self->saved));
	close(fd);
	r = mig_load(&self->b.dev, self->saved.data, self->saved.len, 4096);
	ASSERT_EQ(LOAD_OK, r.stage);
	ASSERT_EQ(0, mig_set(&self->b.dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0x5678, get_reg(&self->b, REG_MASK));
	EXPECT_TRUE(is_filled(&self->b, 3));
}

/* The guest has turned the BARs off. Their content is state nevertheless. */
TEST_F(sample, bars_that_are_off)
{
	struct load_result r;

	ASSERT_EQ(0, bars_on(&self->a, false));
	ASSERT_EQ(0, bars_on(&self->b, false));
	ASSERT_EQ(0, mig_save(&self->a.dev, 4096, &self->saved));
	r = mig_load(&self->b.dev, self->saved.data, self->saved.len, 4096);
	ASSERT_EQ(LOAD_OK, r.stage);
	ASSERT_EQ(0, mig_set(&self->b.dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	ASSERT_EQ(0, bars_on(&self->b, true));
	EXPECT_EQ(0x1234, get_reg(&self->b, REG_MASK));
	EXPECT_TRUE(is_filled(&self->b, 1));
}

TEST_F(sample, below_run_it_starts_no_interrupt)
{
	ASSERT_EQ(0, mig_set(&self->a.dev, VFIO_DEVICE_STATE_RUNNING_P2P, NULL));
	EXPECT_EQ(0, get_reg(&self->a, REG_MASK));
	ASSERT_EQ(0, mig_set(&self->a.dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0x1234, get_reg(&self->a, REG_MASK));
}

FIXTURE(refused) {};
FIXTURE_SETUP(refused) {}
FIXTURE_TEARDOWN(refused) {}

/* What is written into the image, and where */
FIXTURE_VARIANT(refused) {
	size_t at;
	uint8_t value;
};

FIXTURE_VARIANT_ADD(refused, version) { .at = 0, .value = 2 };
FIXTURE_VARIANT_ADD(refused, size) { .at = 13, .value = 0xff };

TEST_F(refused, a_state_that_is_refused_changes_nothing)
{
	struct ivshmem a = {}, b = {};
	struct blob saved = {};
	struct load_result r;
	const struct record *data;
	struct records rs;
	int ret;

	NEEDS_SECOND_DEVICE();
	ret = ivshmem_open(&a, test_env.bdf);
	if (ret == -ENODEV)
		SKIP(return, "not an ivshmem device");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, ivshmem_open(&b, test_env.bdf2));
	ASSERT_EQ(0, fill(&b, 2));
	ASSERT_EQ(0, mig_save(&a.dev, 4096, &saved));
	ASSERT_EQ(0, records_parse(&rs, &saved));
	data = records_find(&rs, TAG_DATA);
	ASSERT_NE(NULL, data);
	ASSERT_EQ(IMAGE_HEADER + a.size, data->size);
	saved.data[data->at + RECORD_HEADER + variant->at] = variant->value;

	r = mig_load(&b.dev, saved.data, saved.len, 4096);
	EXPECT_EQ(LOAD_WRITE, r.stage);
	EXPECT_EQ(EINVAL, r.err);
	EXPECT_STREQ("ERROR", mig_state_name(r.state));
	ASSERT_EQ(0, vfio_dev_reset(&b.dev));
	ASSERT_EQ(0, bars_on(&b, true));
	EXPECT_TRUE(is_filled(&b, 2));
	vfio_dev_close(&a.dev);
	vfio_dev_close(&b.dev);
	blob_free(&saved);
}

TEST_F(sample, a_reset_clears_the_registers)
{
	ASSERT_EQ(0, mig_set(&self->a.dev, VFIO_DEVICE_STATE_STOP, NULL));
	ASSERT_EQ(0, vfio_dev_reset(&self->a.dev));
	ASSERT_EQ(0, bars_on(&self->a, true));
	EXPECT_STATE(&self->a.dev, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_EQ(0, get_reg(&self->a, REG_MASK));
	EXPECT_EQ(0, get_reg(&self->a, REG_STATUS));
	EXPECT_TRUE(is_filled(&self->a, 1));
	/* A stop and a start do not change that. */
	ASSERT_EQ(0, mig_set(&self->a.dev, VFIO_DEVICE_STATE_STOP, NULL));
	ASSERT_EQ(0, mig_set(&self->a.dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0, get_reg(&self->a, REG_MASK));
}

SNAPSHOT_TEST_MAIN
