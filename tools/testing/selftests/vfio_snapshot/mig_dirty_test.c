// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking by the device: the engine of an emulated ConnectX writes to
 * known pages, and each report has exactly those pages.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/call.h"
#include "lib/dirty.h"
#include "lib/harness.h"
#include "lib/kmsg.h"
#include "lib/lab.h"
#include "lib/stall.h"

#define K4	0x1000ull
#define M2	0x200000ull
#define LEN	(8 * M2)	/* of the memory, which is mapped at several addresses */
#define IOVA	0x40000000ull
#define MAPS	3
#define PAGES	(LEN / K4)
/* The driver remembers at most so many ranges of pages that it has yet to report. */
#define OWED_MAX	4096

static const uint64_t all[][2] = { { IOVA, MAPS * LEN } };

struct report_to {
	struct vfio_dev *dev;
	struct dirty_log *log;
	uint64_t *bitmap;
};

FIXTURE(dirty) {
	struct vfio_dev dev;
	struct engine engine;
	struct dirty_log *log;
	struct lab lab;
	uint8_t *mem;
};

static bool kernel_has_bitmaps(void)
{
	return !access("/dev/iommu", F_OK);
}

FIXTURE_SETUP(dirty)
{
	unsigned int i;
	int ret;

	self->log = calloc(1, sizeof(*self->log));
	ASSERT_NE(NULL, self->log);
	self->mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ret = engine_find(&self->engine, &self->dev);
	if (ret == -ENODEV)
		SKIP(return, "the device has no test engine");
	ASSERT_EQ(0, ret);
	if (!kernel_has_bitmaps())
		SKIP(return, "the kernel has no IOMMUFD and reports no bitmaps");
	ASSERT_EQ(0, dirty_probe(&self->dev));
	for (i = 0; i < MAPS; i++)
		ASSERT_EQ(0, vfio_dev_map(&self->dev, self->mem, IOVA + i * LEN, LEN));
}

FIXTURE_TEARDOWN(dirty)
{
	lab_close(&self->lab);
	if (self->dev.fd > 0)
		vfio_dev_close(&self->dev);
	if (self->mem && self->mem != MAP_FAILED)
		munmap(self->mem, LEN);
	free(self->log);
}

#define START_WITH(_hint, _ranges) \
	ASSERT_EQ(0, dirty_start(self->log, &self->dev, _hint, _ranges, \
				 sizeof(_ranges) / sizeof((_ranges)[0])))
#define START()	START_WITH(K4, all)
#define STOP()	EXPECT_EQ(0, dirty_stop(self->log))
/* @_n writes, @_stride bytes apart */
#define WRITE(_iova, _stride, _n) \
	ASSERT_EQ(0, dirty_write(self->log, &self->engine, _iova, _stride, _n, true))
#define WRITE_UNSEEN(_iova, _stride, _n) \
	ASSERT_EQ(0, dirty_write(self->log, &self->engine, _iova, _stride, _n, false))
#define EXPECT_(_how, _iova, _len, _page) \
	do { \
		uint64_t _bit; \
		int _ret = _how(self->log, _iova, _len, _page, &_bit); \
		EXPECT_EQ(0, _ret) { \
			TH_LOG("bit %lld of the report of %#llx from %#llx in pages of %#llx", \
			       (long long)_bit, (unsigned long long)(_len), \
			       (unsigned long long)(_iova), (unsigned long long)(_page)); \
		} \
	} while (0)
#define EXPECT_REPORT(_iova, _len, _page) EXPECT_(dirty_check, _iova, _len, _page)
#define EXPECT_TOLD(_iova, _len, _page) EXPECT_(dirty_check_least, _iova, _len, _page)

/* A whole save, to the final image and back to RUNNING */
#define EXPECT_SAVED() \
	do { \
		struct blob _stream = {}; \
		int _fd = -1; \
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &_fd)); \
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL)); \
		EXPECT_EQ(0, mig_read_all(_fd, 65536, &_stream)); \
		EXPECT_LT(0, _stream.len); \
		close(_fd); \
		blob_free(&_stream); \
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL)); \
	} while (0)

TEST_F(dirty, unwritten_pages_are_clean)
{
	START();
	ASSERT_EQ(K4, self->log->page);
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	STOP();
}

TEST_F(dirty, writes_before_the_start_are_not_reported)
{
	WRITE_UNSEEN(IOVA, K4, 16);
	START();
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, each_page_is_reported_once)
{
	START();
	WRITE(IOVA, K4, 1);
	WRITE(IOVA + 7 * K4 + 0xff8, K4, 3);
	WRITE(IOVA + 100 * K4, 17 * K4, 40);
	EXPECT_REPORT(IOVA, LEN, K4);
	EXPECT_REPORT(IOVA, LEN, K4);
	WRITE(IOVA + 7 * K4, K4, 1);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, the_edges_of_a_range_belong_to_it)
{
	static const uint64_t ranges[][2] = {
		{ IOVA + 16 * K4, 16 * K4 }, { IOVA + 63 * K4, K4 },
		{ IOVA + 64 * K4, K4 }, { IOVA + 129 * K4, 191 * K4 },
	};
	unsigned int i;

	START_WITH(K4, ranges);
	for (i = 0; i < 4; i++) {
		WRITE(ranges[i][0], K4, 1);
		WRITE(ranges[i][0] + ranges[i][1] - 8, K4, 1);
	}
	/* Neighbours of the reported pages */
	WRITE_UNSEEN(IOVA + 15 * K4 + 0xff8, K4, 1);
	WRITE_UNSEEN(IOVA + 32 * K4, K4, 31);
	WRITE_UNSEEN(IOVA + 65 * K4, K4, 1);
	WRITE_UNSEEN(IOVA + 128 * K4, K4, 1);
	WRITE_UNSEEN(IOVA + 320 * K4, K4, 1);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, a_report_may_begin_and_end_anywhere)
{
	static const unsigned int begins[] = { 0, 1, 63, 64, 65, 127 };
	static const unsigned int lens[] = { 1, 2, 63, 64, 65, 129 };
	unsigned int i, j;

	START();
	for (i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		for (j = 0; j < sizeof(lens) / sizeof(lens[0]); j++) {
			uint64_t first = IOVA + begins[i] * K4, len = lens[j] * K4;

			WRITE(first, len > K4 ? len - K4 : K4, 2);
			EXPECT_REPORT(first, len, K4);
			EXPECT_REPORT(IOVA, LEN, K4);
		}
	}
	STOP();
}

TEST_F(dirty, a_report_leaves_the_rest_for_later)
{
	unsigned int i;

	START();
	WRITE(IOVA, K4, 256);
	for (i = 0; i < 256; i += 32)
		EXPECT_REPORT(IOVA + (224 - i) * K4, 32 * K4, K4);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, overlapping_reports_have_a_page_once)
{
	START();
	WRITE(IOVA, 3 * K4, 100);
	EXPECT_REPORT(IOVA + 10 * K4, 100 * K4, K4);
	EXPECT_REPORT(IOVA + 50 * K4, 100 * K4, K4);
	WRITE(IOVA + 60 * K4, K4, 5);
	EXPECT_REPORT(IOVA, 62 * K4, K4);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, a_report_in_larger_pages)
{
	static const uint64_t pages[] = { 2 * K4, 16 * K4, M2, 4 * M2, 1ull << 30 };
	unsigned int i;

	START();
	for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		WRITE(IOVA + 5 * K4, K4, 1);
		WRITE(IOVA + M2 - 8, 3 * M2, 2);
		EXPECT_REPORT(IOVA, MAPS * LEN, pages[i]);
		WRITE(IOVA + 3 * K4, M2, 2);
		EXPECT_REPORT(IOVA + K4, LEN, pages[i]);
		EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	}
	STOP();
}

TEST_F(dirty, huge_pages_are_reported_whole)
{
	static const uint64_t hints[] = { 16 * K4, M2, 2 * M2 };
	unsigned int i;

	for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		START_WITH(hints[i], all);
		ASSERT_EQ(hints[i], self->log->page);
		WRITE(IOVA + 5 * M2 + 0x123 * 8, K4, 3);
		WRITE(IOVA + LEN - 8, LEN, 2);
		EXPECT_REPORT(IOVA, MAPS * LEN, K4);
		WRITE(IOVA + 3 * M2, K4, 1);
		EXPECT_REPORT(IOVA, MAPS * LEN, hints[i]);
		EXPECT_REPORT(IOVA, MAPS * LEN, K4);
		STOP();
	}
}

TEST_F(dirty, the_unreported_part_of_a_huge_page_is_reported_later)
{
	SKIP_PEER_FAULT("it forgets the unreported part of a page");
	START_WITH(M2, all);
	WRITE(IOVA + M2 + 100 * K4, K4, 1);
	EXPECT_REPORT(IOVA, M2 + 3 * K4, K4);
	EXPECT_REPORT(IOVA + M2 + 3 * K4, K4, K4);
	EXPECT_REPORT(IOVA + M2 + 500 * K4, M2, K4);
	EXPECT_REPORT(IOVA, LEN, K4);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, a_page_size_is_a_hint)
{
	/* The device replies with the page size that it uses. */
	static const uint64_t whole[][2] = { { 0, 1ull << 40 } };

	START_WITH(1ull << 40, whole);
	EXPECT_GT(1ull << 40, self->log->page);
	EXPECT_REPORT(IOVA, LEN, K4);
	WRITE(IOVA + 9 * K4, K4, 1);
	EXPECT_REPORT(IOVA & ~(self->log->page - 1), self->log->page, K4 * 1024);
	STOP();

	START_WITH(1, all);
	EXPECT_EQ(K4, self->log->page);
	WRITE(IOVA + 9 * K4, K4, 1);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, more_ranges_than_the_device_takes)
{
	uint64_t ranges[64][2];
	unsigned int i;

	/* Ranges in random order, some adjacent */
	for (i = 0; i < 64; i++) {
		ranges[i][0] = IOVA + (i * 29 % 64) * 4 * K4;
		ranges[i][1] = (i % 4 + 1) * K4;
	}
	START_WITH(K4, ranges);
	for (i = 0; i < 64; i++) {
		WRITE(ranges[i][0], K4, 1);
		WRITE(ranges[i][0] + ranges[i][1] - K4, K4, 1);
	}
	EXPECT_REPORT(IOVA, LEN, K4);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

/* More pages than one message holds, more messages than there are buffers */
TEST_F_TIMEOUT(dirty, reports_of_many_messages, 300)
{
	unsigned int i;

	START();
	for (i = 0; i < 9; i++) {
		WRITE(IOVA + i * 8, K4, MAPS * PAGES);
		EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	}
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	STOP();
}

static int report_to(void *arg)
{
	struct report_to *r = arg;

	return dirty_report(r->dev, IOVA, 64 * K4, K4, r->bitmap);
}

static int probe_and_restart(void *arg)
{
	struct report_to *r = arg;

	return report_to(r) ?: dirty_stop(r->log) ?:
	       dirty_start(r->log, r->dev, K4, all, 1);
}

/* Nobody else waits for memory of one user that takes for ever to be there. */
TEST_F(dirty, a_report_into_memory_that_is_not_there)
{
	uint64_t bitmap = 0;
	struct report_to stalled = { .dev = &self->dev, .log = self->log };
	struct report_to other = { &self->dev, self->log, &bitmap };
	struct call first = {}, second = {};
	struct stall stall;

	SKIP_PEER_FAULT("it waits for the memory with its lock held");
	ASSERT_EQ(0, stall_open(&stall));
	stalled.bitmap = (uint64_t *)stall.mem;
	START();
	WRITE(IOVA + 3 * K4, K4, 1);
	ASSERT_EQ(0, call_start(&first, report_to, &stalled));
	ASSERT_EQ(0, stall_wait(&stall));
	ASSERT_EQ(0, call_start(&second, probe_and_restart, &other));
	EXPECT_TRUE(call_over(&second, 5000));
	EXPECT_FALSE(call_over(&first, 0));
	ASSERT_EQ(0, stall_release(&stall, "", 1));
	ASSERT_TRUE(call_over(&first, 5000));
	ASSERT_TRUE(call_over(&second, 5000));
	EXPECT_EQ(0, first.ret);
	EXPECT_EQ(0, second.ret);
	EXPECT_EQ(1 << 3, *stalled.bitmap);
	EXPECT_EQ(0, bitmap);
	STOP();
	stall_close(&stall);
}

static int report_half(void *arg)
{
	struct report_to *r = arg;

	return dirty_report(r->dev, 0, 1ull << 63, 1ull << 50, r->bitmap);
}

/* Half of all addresses, of which the device logs 48 MiB */
TEST_F(dirty, a_report_of_a_huge_range_takes_no_longer)
{
	uint64_t bitmap[(1 << 13) / 64] = {};
	struct report_to half = { &self->dev, self->log, bitmap };
	struct call call = {};
	unsigned int i;

	START();
	WRITE(IOVA + 7 * K4, K4, 3);
	ASSERT_EQ(0, call_start(&call, report_half, &half));
	ASSERT_TRUE(call_over(&call, 5000));
	EXPECT_EQ(0, call.ret);
	for (i = 0; i < sizeof(bitmap) / sizeof(bitmap[0]); i++)
		EXPECT_EQ(!i, bitmap[i]);
	self->log->n = 0;
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	STOP();
}

/* More pages than a report can have in a short time */
TEST_F(dirty, a_long_report_can_be_killed)
{
	static const uint64_t large[][2] = { { 0, 1ull << 47 } };
	uint64_t bitmap[2] = {};
	pid_t child;

	NEEDS_OURS();
	START_WITH(K4, large);
	ASSERT_EQ(K4, self->log->page);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		dirty_report(&self->dev, 0, 1ull << 47, 1ull << 40, bitmap);
		_exit(0);
	}
	ASSERT_FALSE(process_over(child, 200));
	kill(child, SIGKILL);
	ASSERT_TRUE(process_over(child, 1000));
	WRITE(IOVA + 7 * K4, K4, 3);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, bits_are_set_and_never_cleared)
{
	uint64_t bitmap[5] = { 0xa5a5, 0, ~0ull, 0, 0x5a };

	START();
	WRITE(IOVA + 64 * K4, K4, 1);
	ASSERT_EQ(0, dirty_report(&self->dev, IOVA, 256 * K4, K4, bitmap));
	EXPECT_EQ(0xa5a5, bitmap[0]);
	EXPECT_EQ(1, bitmap[1]);
	EXPECT_EQ(~0ull, bitmap[2]);
	EXPECT_EQ(0, bitmap[3]);
	EXPECT_EQ(0x5a, bitmap[4]);
	STOP();
}

TEST_F(dirty, between_stop_and_start_there_is_nothing_to_report)
{
	uint64_t bitmap[2] = {};

	EXPECT_EQ(-EINVAL, dirty_report(&self->dev, IOVA, 64 * K4, K4, bitmap));
	START();
	WRITE(IOVA, K4, 8);
	STOP();
	EXPECT_EQ(-EINVAL, dirty_report(&self->dev, IOVA, 64 * K4, K4, bitmap));
	EXPECT_EQ(0, bitmap[0]);
	/* A second stop does no harm. */
	STOP();
	START();
	EXPECT_REPORT(IOVA, LEN, K4);
	WRITE(IOVA + K4, K4, 1);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, a_second_start_is_refused_and_changes_nothing)
{
	START();
	WRITE(IOVA, K4, 8);
	EXPECT_EQ(-EINVAL, mig_feature(&self->dev, VFIO_DEVICE_FEATURE_SET |
				       VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
				       &(struct vfio_device_feature_dma_logging_control){
					.page_size = K4, .num_ranges = 1,
					.ranges = (uintptr_t)all },
				       sizeof(struct vfio_device_feature_dma_logging_control)));
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, each_bad_start_has_its_errno)
{
	static const uint64_t unaligned[][2] = { { IOVA + 8, K4 } };
	static const uint64_t odd[][2] = { { IOVA, K4 + 1 } };
	static const uint64_t over[][2] = { { ~0ull - K4 + 1, K4 } };
	static const uint64_t twice[][2] = { { IOVA, 2 * K4 }, { IOVA + K4, K4 } };
	static uint64_t many[4096][2];
	static const struct {
		uint64_t hint;
		const uint64_t (*ranges)[2];
		unsigned int n;
		int err;
	} bad[] = {
		{ K4, unaligned, 1, EINVAL },	/* an unaligned address */
		{ K4, odd, 1, EINVAL },	/* an unaligned length */
		{ K4, over, 1, EOVERFLOW },	/* a range beyond the last address */
		{ K4, twice, 2, EINVAL },	/* ranges that overlap */
		{ K4, all, 0, EINVAL },	/* no range */
		{ K4, many, 4096, E2BIG },	/* too many ranges */
		{ K4, NULL, 1, EFAULT },	/* no memory behind the ranges */
	};
	unsigned int i;

	for (i = 0; i < 4096; i++) {
		many[i][0] = 2 * i * K4;
		many[i][1] = K4;
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_EQ(-bad[i].err, dirty_start(self->log, &self->dev, bad[i].hint,
						   bad[i].ranges, bad[i].n)) {
			TH_LOG("case %u", i);
		}
	START();
	STOP();
}

/* The tracker covers fewer addresses in all than its ranges may span. */
TEST_F(dirty, a_start_beyond_the_size_of_the_tracker_is_refused)
{
	static const uint64_t huge[][2] = { { 0, 1ull << 62 } };
	int said = kmsg_open();
	uint64_t bitmap = 0;
	char line[512];

	ASSERT_LE(0, said);
	EXPECT_EQ(-EOPNOTSUPP, dirty_start(self->log, &self->dev, 1ull << 30, huge, 1));
	if (test_env.ours) {
		EXPECT_EQ(1, kmsg_count(said, test_env.bdf, "dirty", line, sizeof(line)));
		EXPECT_STREQ("dirty tracking refused: asked for 0x4000000000000000 bytes in 1 ranges at 0x0 to 0x3fffffffffffffff, the device tracks 2^48",
			     line);
	}
	close(said);
	EXPECT_EQ(-EINVAL, dirty_report(&self->dev, IOVA, 64 * K4, K4, &bitmap));
	/* The device can be saved, without tracking and with. */
	EXPECT_SAVED();
	START();
	WRITE(IOVA, K4, 8);
	EXPECT_SAVED();
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, bad_requests_that_vfio_lets_through_are_refused)
{
	static const uint64_t empty[][2] = { { IOVA, 0 } };
	static const uint64_t nothing[][2] = { { 0, 0 } };
	static const struct {
		uint64_t hint;
		const uint64_t (*ranges)[2];
	} bad[] = {
		{ 0, nothing },	/* page size 0 */
		{ 3 * K4, all },	/* page size 12 KiB */
		{ K4, empty },	/* a range of length 0 */
		{ K4, nothing },	/* a range of length 0 at address 0 */
	};
	unsigned int i;

	SKIP_PEER_FAULT("it does not check page sizes and ranges");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT_EQ(-EINVAL, dirty_start(self->log, &self->dev, bad[i].hint,
					       bad[i].ranges, 1)) {
			TH_LOG("case %u", i);
		}
	START();
	STOP();
}

TEST_F(dirty, each_bad_report_has_its_errno_and_loses_nothing)
{
	uint64_t bitmap[8] = {};

	START();
	WRITE(IOVA, K4, 8);
	EXPECT_EQ(-EINVAL, dirty_report(&self->dev, IOVA, LEN, 3 * K4, bitmap));
	EXPECT_EQ(-EINVAL, dirty_report(&self->dev, IOVA, LEN, 512, bitmap));
	EXPECT_EQ(-EINVAL, dirty_report(&self->dev, IOVA, LEN, 0, bitmap));
	EXPECT_EQ(-EOVERFLOW, dirty_report(&self->dev, ~0ull - K4 + 1, 2 * K4, K4,
					   bitmap));
	EXPECT_EQ(0, bitmap[0]);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, a_report_of_other_addresses_is_empty)
{
	static const uint64_t some[][2] = { { IOVA + LEN, LEN } };

	START_WITH(K4, some);
	WRITE_UNSEEN(IOVA, K4, 100);
	EXPECT_REPORT(IOVA, LEN, K4);
	EXPECT_REPORT(0, 64 * K4, K4);
	EXPECT_REPORT(1ull << 40, 64 * K4, K4);
	STOP();
}

TEST_F(dirty, a_reset_loses_no_page)
{
	START();
	WRITE(IOVA, K4, 8);
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	WRITE(IOVA + 100 * K4, K4, 8);
	EXPECT_TOLD(IOVA, LEN, K4);
	/* The second report must be right again */
	EXPECT_EQ(0, dirty_check_least(self->log, IOVA, MAPS * LEN, K4, &(uint64_t){ 0 }));
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	WRITE(IOVA + 50 * K4, K4, 8);
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	STOP();
}

/* The firmware does not say whether a log survives a reset. */
TEST_F(dirty, everything_is_dirty_after_a_reset)
{
	NEEDS_OURS();
	START();
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	ASSERT_EQ(0, dirty_all(self->log, IOVA, MAPS * LEN));
	EXPECT_REPORT(IOVA, LEN, K4);
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	STOP();
}

/*
 * After a reset all pages are owed. A report of one page between two others leaves
 * one range more, so their number is how often the last report changes from clean
 * to dirty.
 */
TEST_F_TIMEOUT(dirty, ranges_that_are_owed_are_bounded, 300)
{
	const uint64_t pages = MAPS * PAGES, reports = OWED_MAX + 100;
	uint64_t got[MAPS * PAGES / 64] = {}, one, i;
	unsigned int ranges = 0, lost = 0;
	bool dirty, before = false;

	NEEDS_OURS();
	START();
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	for (i = 0; i < reports; i++) {
		one = 0;
		ASSERT_EQ(0, dirty_report(&self->dev, IOVA + (pages - 1 - 2 * i) * K4, K4,
					  K4, &one));
		lost += one != 1;
	}
	EXPECT_EQ(0, lost);
	/* Of the pages that were reported, the highest and two others */
	WRITE(IOVA + (pages - 1) * K4, K4, 1);
	WRITE(IOVA + (pages - 1 - 2 * 1000) * K4, 2 * K4, 2);
	ASSERT_EQ(0, dirty_report(&self->dev, IOVA, pages * K4, K4, got));
	lost = 0;
	for (i = 0; i < pages; i++) {
		dirty = got[i / 64] >> i % 64 & 1;
		ranges += dirty && !before;
		before = dirty;
		/* From the top: every second page was reported, and three written since. */
		if (i < pages - 2 * reports || (pages - 1 - i) % 2 || i == pages - 1 ||
		    i == pages - 1 - 2 * 1000 || i == pages - 1 - 2 * 999)
			lost += !dirty;
	}
	EXPECT_EQ(0, lost);
	EXPECT_GE(OWED_MAX, ranges);
	self->log->n = 0;
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	STOP();
}

/* First more pages than the tracker holds, then without that limit */
TEST_F(dirty, a_tracker_that_overflows_loses_no_page)
{
	SKIP_PEER_FAULT("after an overflow each report is an error");
	NEEDS_LAB(&self->lab, test_env.bdf);
	lab_set(&self->lab, LAB_TRACK_PAGES, 8);
	START();
	WRITE(IOVA, K4, 5);
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	WRITE(IOVA, K4, 20);
	lab_set(&self->lab, LAB_TRACK_PAGES, 0);
	/* Everything is reported as dirty. */
	self->log->n = 0;
	ASSERT_EQ(0, dirty_all(self->log, IOVA, MAPS * LEN));
	EXPECT_REPORT(IOVA, LEN, K4);
	WRITE(IOVA + 7 * K4, K4, 1);
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	WRITE(IOVA, K4, 20);
	EXPECT_REPORT(IOVA, MAPS * LEN, K4);
	STOP();
}

TEST_F(dirty, an_overflow_never_hides_a_page)
{
	NEEDS_LAB(&self->lab, test_env.bdf);
	lab_set(&self->lab, LAB_TRACK_PAGES, 8);
	START();
	WRITE(IOVA, K4, 20);
	/* All pages, or an error: 1 means that a page is missing. */
	EXPECT_NE(1, dirty_check_least(self->log, IOVA, LEN, K4, &(uint64_t){ 0 }));
	lab_set(&self->lab, LAB_TRACK_PAGES, 0);
	STOP();
	START();
	WRITE(IOVA, K4, 20);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, a_stopped_device_reports)
{
	START();
	WRITE(IOVA, K4, 8);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	EXPECT_REPORT(IOVA, LEN, K4);
	EXPECT_REPORT(IOVA, LEN, K4);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	WRITE(IOVA, K4, 8);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

TEST_F(dirty, a_device_that_is_saved_reports)
{
	struct blob stream = {};
	int fd = -1;

	START();
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &fd));
	WRITE(IOVA, K4, 8);
	EXPECT_REPORT(IOVA, LEN, K4);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	EXPECT_REPORT(IOVA, LEN, K4);
	ASSERT_EQ(0, mig_read_all(fd, 65536, &stream));
	close(fd);
	blob_free(&stream);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	WRITE(IOVA + K4, K4, 8);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

/* All reports together have every page that was written meanwhile. */
TEST_F(dirty, reports_while_the_device_writes_miss_no_page)
{
	uint64_t bitmap[PAGES / 64] = {}, got[PAGES / 64], count = 0;
	unsigned int i, round;

	START();
	ASSERT_EQ(0, engine_start(&self->engine, IOVA, LEN, 50, 1));
	for (round = 0; round < 20; round++)
		ASSERT_EQ(0, dirty_report(&self->dev, IOVA, LEN, K4, bitmap));
	ASSERT_EQ(0, engine_wait(&self->engine, 200));
	ASSERT_EQ(0, engine_stop(&self->engine));
	ASSERT_EQ(0, dirty_report(&self->dev, IOVA, LEN, K4, bitmap));
	ASSERT_EQ(0, engine_get(&self->engine, ENGINE_COUNT, &count));
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(i < count, bitmap[i / 64] >> i % 64 & 1) {
			TH_LOG("page %u after %llu writes", i, (unsigned long long)count);
			break;
		}
	memset(got, 0, sizeof(got));
	ASSERT_EQ(0, dirty_report(&self->dev, IOVA, LEN, K4, got));
	for (i = 0; i < PAGES / 64; i++)
		EXPECT_EQ(0, got[i]);
	STOP();
}

TEST_F(dirty, closing_the_device_ends_its_log)
{
	uint64_t bitmap[2] = {};

	START();
	WRITE(IOVA, K4, 8);
	vfio_dev_close(&self->dev);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, vfio_dev_map(&self->dev, self->mem, IOVA, LEN));
	EXPECT_EQ(-EINVAL, dirty_report(&self->dev, IOVA, 64 * K4, K4, bitmap));
	START();
	WRITE(IOVA, K4, 8);
	EXPECT_REPORT(IOVA, LEN, K4);
	STOP();
}

int main(int argc, char *argv[])
{
	test_env_init(&argc, argv);
	return test_harness_run(argc, argv);
}
