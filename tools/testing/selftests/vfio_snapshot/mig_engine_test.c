// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that works during its migration: the engine of an emulated ConnectX
 * writes numbers to memory, page by page. Whatever happens to the device, each
 * page must have the last number written to it.
 */
#include <sys/mman.h>

#include "lib/engine.h"
#include "lib/harness.h"

#define PAGES	64
#define LEN	(PAGES * 4096UL)
#define IOVA	0x10000000
#define SEED	0x5eed000000000000
#define EVERY	500	/* microseconds */

FIXTURE(engine) {
	struct vfio_dev dev[2];
	struct engine engine[2];
	uint8_t *mem;
	struct blob stream;
};

FIXTURE_SETUP(engine)
{
	const char *bdf[2] = { test_env.bdf, test_env.bdf2 };
	int i, ret;

	NEEDS_SECOND_DEVICE();
	self->mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vfio_dev_open(&self->dev[i], bdf[i]));
		ret = engine_find(&self->engine[i], &self->dev[i]);
		if (ret == -ENODEV)
			SKIP(return, "the device has no test engine");
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, vfio_dev_map(&self->dev[i], self->mem, IOVA, LEN));
	}
	ASSERT_EQ(0, engine_start(&self->engine[0], IOVA, LEN, EVERY, SEED));
	ASSERT_EQ(0, engine_wait(&self->engine[0], PAGES + 5));
}

FIXTURE_TEARDOWN(engine)
{
	int i;

	for (i = 0; i < 2; i++)
		if (self->dev[i].fd > 0)
			vfio_dev_close(&self->dev[i]);
	if (self->mem && self->mem != MAP_FAILED)
		munmap(self->mem, LEN);
	blob_free(&self->stream);
}

static uint64_t number_in(const uint8_t *mem, unsigned int page)
{
	return *(volatile const uint64_t *)(mem + 4096UL * page);
}

/* The first page without the number that @count writes leave there, or PAGES */
static unsigned int first_wrong(const uint8_t *mem, uint64_t count)
{
	unsigned int page;

	for (page = 0; page < PAGES; page++) {
		uint64_t last = (count - 1 - page) / PAGES * PAGES + page;

		if (number_in(mem, page) != SEED + last)
			break;
	}
	return page;
}

#define EXPECT_ALL_WRITTEN(_engine) \
	do { \
		uint64_t _count = 0; \
		unsigned int _page; \
		ASSERT_EQ(0, engine_stop(_engine)); \
		ASSERT_EQ(0, engine_get(_engine, ENGINE_COUNT, &_count)); \
		_page = first_wrong(self->mem, _count); \
		EXPECT_EQ(PAGES, _page) { \
			TH_LOG("after %llu writes page %u has %#llx", \
			       (unsigned long long)_count, _page, \
			       (unsigned long long)number_in(self->mem, _page)); \
		} \
	} while (0)

static int load_and_run(struct vfio_dev *dev, const struct blob *b)
{
	struct load_result r = mig_load(dev, b->data, b->len, 4096);

	return r.stage == LOAD_OK ?
	       mig_set(dev, VFIO_DEVICE_STATE_RUNNING, NULL) : -r.err;
}

/* Saves up to STOP, with @rounds in PRE_COPY, or without PRE_COPY for 0 */
static int save(struct vfio_dev *dev, unsigned int rounds, struct blob *b)
{
	uint32_t first = rounds ? VFIO_DEVICE_STATE_PRE_COPY :
				  VFIO_DEVICE_STATE_STOP_COPY;
	struct vfio_precopy_info info;
	int fd, ret;

	ret = mig_set(dev, first, &fd);
	if (ret)
		return ret;
	while (!ret && rounds--) {
		ret = mig_read_all(fd, 4096, b);
		if (ret == -ENOMSG)
			ret = mig_precopy_info(fd, &info);
	}
	if (!ret)
		ret = mig_set(dev, VFIO_DEVICE_STATE_STOP_COPY, NULL);
	if (!ret)
		ret = mig_read_all(fd, 4096, b);
	if (!ret)
		ret = mig_set(dev, VFIO_DEVICE_STATE_STOP, NULL);
	close(fd);
	return ret;
}

static int migrate(FIXTURE_DATA(engine) *self, int from, unsigned int rounds)
{
	int ret;

	self->stream.len = 0;
	ret = save(&self->dev[from], rounds, &self->stream);
	if (!ret)
		ret = engine_master(&self->engine[!from]);
	return ret ? ret : load_and_run(&self->dev[!from], &self->stream);
}

TEST_F(engine, continues_on_the_destination)
{
	uint64_t before, after;

	ASSERT_EQ(0, engine_get(&self->engine[0], ENGINE_COUNT, &before));
	ASSERT_EQ(0, migrate(self, 0, 0));
	ASSERT_EQ(0, engine_get(&self->engine[1], ENGINE_COUNT, &after));
	EXPECT_GE(after, before);
	ASSERT_EQ(0, engine_wait(&self->engine[1], after + PAGES));
	EXPECT_ALL_WRITTEN(&self->engine[1]);
}

TEST_F(engine, moves_there_and_back_with_precopy)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, migrate(self, i % 2, 3));
		/* Its old state is useless, the next migration loads over it. */
		ASSERT_EQ(0, vfio_dev_reset(&self->dev[i % 2]));
	}
	EXPECT_ALL_WRITTEN(&self->engine[0]);
}

TEST_F(engine, continues_on_the_source_after_a_cancelled_migration)
{
	uint64_t count;

	ASSERT_EQ(0, save(&self->dev[0], 2, &self->stream));
	ASSERT_EQ(0, mig_set(&self->dev[0], VFIO_DEVICE_STATE_RUNNING, NULL));
	ASSERT_EQ(0, engine_get(&self->engine[0], ENGINE_COUNT, &count));
	ASSERT_EQ(0, engine_wait(&self->engine[0], count + 3));
	EXPECT_ALL_WRITTEN(&self->engine[0]);
}

TEST_F(engine, writes_nothing_in_p2p_and_answers)
{
	uint64_t count, later;

	ASSERT_EQ(0, mig_set(&self->dev[0], VFIO_DEVICE_STATE_RUNNING_P2P, NULL));
	ASSERT_EQ(0, engine_get(&self->engine[0], ENGINE_COUNT, &count));
	usleep(20 * EVERY);
	ASSERT_EQ(0, engine_get(&self->engine[0], ENGINE_COUNT, &later));
	EXPECT_EQ(count, later);
	EXPECT_EQ(PAGES, first_wrong(self->mem, count));
	ASSERT_EQ(0, mig_set(&self->dev[0], VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0, engine_wait(&self->engine[0], count + 3));
}

TEST_F(engine, does_not_answer_in_stop)
{
	uint64_t val;

	ASSERT_EQ(0, mig_set(&self->dev[0], VFIO_DEVICE_STATE_STOP, NULL));
	ASSERT_EQ(0, engine_get(&self->engine[0], ENGINE_ID, &val));
	EXPECT_EQ(UINT64_MAX, val);
	ASSERT_EQ(0, mig_set(&self->dev[0], VFIO_DEVICE_STATE_RUNNING, NULL));
	ASSERT_EQ(0, engine_get(&self->engine[0], ENGINE_ID, &val));
	EXPECT_EQ(ENGINE_ID_VALUE, val);
}

SNAPSHOT_TEST_MAIN
