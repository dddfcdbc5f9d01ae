// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device whose state moves through two windows of memory: it takes no more
 * memory, however large the state is. The firmware fills or empties one window
 * while user space uses the other.
 */
#include <time.h>

#include "lib/harness.h"
#include "lib/lab.h"
#include "lib/memcg.h"
#include "lib/nic.h"
#include "lib/records.h"

#define KIB 1024ll
#define MIB (1024 * KIB)
#define CHUNKS 8
/* Inaccuracy of a cgroup's counters, and lists of pages */
#define SLACK (2 * MIB)
#define SECONDS 120
/* Time of the firmware per command, and of user space per chunk */
#define TAKE_MS 300

FIXTURE(windows) {
	struct vfio_dev dev;
	const struct nic *nic;
	struct lab lab;
	struct memcg cg;
	struct blob stream;
	uint8_t *buf;
	long long size;		/* size of the state, roughly */
	int fd;
};

FIXTURE_SETUP(windows)
{
	int ret;

	self->fd = -1;
	self->dev.fd = -1;
	NEEDS_OURS();
	self->nic = nic_of(test_env.bdf);
	if (!self->nic || !self->nic->window)
		SKIP(return, "the driver has the whole state in memory");
	NEEDS_LAB(&self->lab, test_env.bdf);
	ret = memcg_open(&self->cg, _metadata->name);
	if (ret == -ENODEV || ret == -EACCES)
		SKIP(return, "no memory controller of cgroup v2");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	self->size = CHUNKS * self->nic->window - MIB;
	lab_vf_set(&self->lab, LAB_VF_PAD, self->size);
	self->buf = malloc(self->nic->window);
	ASSERT_NE(NULL, self->buf);
	/* Touch it now, so that it is not charged later */
	memset(self->buf, 1, self->nic->window);
}

FIXTURE_TEARDOWN(windows)
{
	if (self->fd >= 0)
		close(self->fd);
	if (self->dev.fd >= 0)
		vfio_dev_close(&self->dev);
	lab_close(&self->lab);
	memcg_close(&self->cg);
	blob_free(&self->stream);
	free(self->buf);
}

static unsigned int now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Reads the whole stream with a pause after each window: bytes, or -errno */
static long long read_slowly(int fd, uint8_t *buf, size_t window, unsigned int ms)
{
	long long sum = 0;
	size_t at = 0;
	ssize_t got;

	/* In small pieces, each of which could make the driver take another window */
	while ((got = read(fd, buf + at, window - at < 256 * KIB ? window - at :
						 256 * KIB)) > 0) {
		sum += got;
		at += got;
		if (at < window)
			continue;
		at = 0;
		usleep(ms * 1000);
	}
	return got ? -errno : sum;
}

static int write_slowly(int fd, const struct blob *b, size_t window, unsigned int ms)
{
	size_t at, len;
	int ret = 0;

	for (at = 0; !ret && at < b->len; at += len) {
		len = b->len - at < window ? b->len - at : window;
		ret = mig_write_all(fd, b->data + at, len, MIB, NULL);
		usleep(ms * 1000);
	}
	return ret;
}

/* One window for user space, one for the firmware */
#define MAY_TAKE() ((long long)(2 * self->nic->window + SLACK))

TEST_F_TIMEOUT(windows, saving_takes_no_more_memory_than_two_windows, SECONDS)
{
	long long before, peak, held, sum;

	ASSERT_EQ(0, memcg_enter(&self->cg));
	before = memcg_kernel(&self->cg);
	peak = memcg_current(&self->cg);
	memcg_peak(&self->cg);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &self->fd));
	held = memcg_kernel(&self->cg) - before;
	/* Less means that the cgroup was not charged. */
	EXPECT_LE(self->nic->window - SLACK, held);
	EXPECT_GE(MAY_TAKE(), held);
	sum = read_slowly(self->fd, self->buf, self->nic->window, 0);
	EXPECT_LT(self->size, sum);
	held = memcg_kernel(&self->cg) - before;
	EXPECT_GE(MAY_TAKE(), held);
	peak = memcg_peak(&self->cg) - peak;
	EXPECT_GE(MAY_TAKE(), peak);
	TH_LOG("%lld MiB saved: peak %lld kB, held %lld kB", sum / MIB, peak / KIB,
	       held / KIB);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_LE(memcg_settle(&self->cg, before + SLACK), before + SLACK);
}

TEST_F_TIMEOUT(windows, loading_takes_no_more_memory_than_two_windows, SECONDS)
{
	long long before, peak, held;

	ASSERT_EQ(0, mig_save(&self->dev, MIB, &self->stream));
	ASSERT_EQ(0, memcg_enter(&self->cg));
	before = memcg_kernel(&self->cg);
	peak = memcg_current(&self->cg);
	memcg_peak(&self->cg);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &self->fd));
	ASSERT_EQ(0, write_slowly(self->fd, &self->stream, self->nic->window, 0));
	held = memcg_kernel(&self->cg) - before;
	EXPECT_LE(self->nic->window - SLACK, held);
	EXPECT_GE(MAY_TAKE(), held);
	peak = memcg_peak(&self->cg) - peak;
	EXPECT_GE(MAY_TAKE(), peak);
	TH_LOG("%zu MiB loaded: peak %lld kB, held %lld kB",
	       (size_t)(self->stream.len / MIB), peak / KIB, held / KIB);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_LE(memcg_settle(&self->cg, before + SLACK), before + SLACK);
}

/* On a busy machine one try may take longer, so the best of some counts. */
#define TRIES 3

/* The pauses overlap: together they take less than three quarters of their sum. */
#define OVERLAPS(took, without, ms) \
	((took) < (without) + 2 * CHUNKS * (ms) * 3 / 4)

/*
 * Milliseconds of a save, or -errno. @ms: pause of the firmware per command and
 * of the reader per chunk
 */
static int time_save(FIXTURE_DATA(windows) *self, unsigned int ms)
{
	unsigned int began;
	long long got;
	int ret;

	ret = mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL);
	if (ret)
		return ret;
	lab_delay(&self->lab, ms * 1000);
	began = now_ms();
	ret = mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &self->fd);
	if (ret)
		return ret;
	got = read_slowly(self->fd, self->buf, self->nic->window, ms);
	began = now_ms() - began;
	lab_delay(&self->lab, 0);
	close(self->fd);
	self->fd = -1;
	return got < self->size ? -EIO : (int)began;
}

static int time_load(FIXTURE_DATA(windows) *self, unsigned int ms)
{
	unsigned int began;
	int ret;

	ret = mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &self->fd);
	if (ret)
		return ret;
	lab_delay(&self->lab, ms * 1000);
	began = now_ms();
	ret = write_slowly(self->fd, &self->stream, self->nic->window, ms) ?:
	      mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL);
	began = now_ms() - began;
	lab_delay(&self->lab, 0);
	close(self->fd);
	self->fd = -1;
	return ret ? ret : (int)began;
}

#define EXPECT_OVERLAP(time) \
	do { \
		int _ms = TAKE_MS * slowness(), _without, _took, _tries = 0; \
		lab_only_this_vf(&self->lab, true); \
		do { \
			_without = time(self, 0); \
			ASSERT_LE(0, _without); \
			_took = time(self, _ms); \
			/* Less means that nothing was delayed. */ \
			ASSERT_LE((CHUNKS - 1) * _ms, _took); \
			TH_LOG("%d ms, %d ms if nobody pauses; firmware and user pause %d ms each", \
			       _took, _without, CHUNKS * _ms); \
		} while (!OVERLAPS(_took, _without, _ms) && ++_tries < TRIES); \
		EXPECT_TRUE(OVERLAPS(_took, _without, _ms)); \
		EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL)); \
	} while (0)

TEST_F_TIMEOUT(windows, the_firmware_saves_a_chunk_while_another_is_read, SECONDS)
{
	EXPECT_OVERLAP(time_save);
}

TEST_F_TIMEOUT(windows, the_firmware_loads_a_chunk_while_another_is_written, SECONDS)
{
	ASSERT_EQ(0, mig_save(&self->dev, MIB, &self->stream));
	EXPECT_OVERLAP(time_load);
}

TEST_F_TIMEOUT(windows, a_chunk_that_fails_ends_the_stream_and_not_the_device, SECONDS)
{
	long long got;

	lab_fail(&self->lab, self->nic->op[NIC_SAVE], CHUNKS / 2,
		 nic_status(self->nic, EBUSY), 0);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &self->fd));
	got = read_slowly(self->fd, self->buf, self->nic->window, 0);
	EXPECT_EQ(-EBUSY, got);
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_STOP_COPY);
	lab_fail_off(&self->lab);
	EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	EXPECT_EQ(0, mig_save(&self->dev, MIB, &self->stream));
	EXPECT_LT(self->size, self->stream.len);
}

SNAPSHOT_TEST_MAIN
