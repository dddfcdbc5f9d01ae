// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stream is the same however it is read or written: in calls of any size,
 * into vectors, pipes and partly bad memory, mixed with calls that a stream
 * refuses. No byte is lost or repeated.
 *   VFIO_SNAPSHOT_SEED   repeats a run
 */
#include "lib/harness.h"
#include "lib/records.h"
#include "lib/ways.h"
#include "lib/work.h"

#define MIXED_SESSIONS 20

/* The stream of plain reads in a session that begins in @from */
struct plain {
	uint32_t from;
	struct blob b;
	size_t pause;	/* bytes before the temporary end, or 0 */
};

FIXTURE(ways) {
	struct vfio_dev dev;
	uint64_t flags;
	struct work work;
	struct plain plain[2];
	unsigned int nr_plain;
	struct ways ways;
	uint8_t *buf;
	size_t room;
};

static int finish_precopy(struct vfio_dev *dev)
{
	return mig_set(dev, VFIO_DEVICE_STATE_STOP_COPY, NULL);
}

/* The first image is there when this returns, also if the save is asynchronous. */
static int begin_saving(struct vfio_dev *dev, const struct plain *p, int *fd)
{
	struct vfio_precopy_info info;
	int ret = mig_set(dev, p->from, fd);

	if (!ret && p->from == VFIO_DEVICE_STATE_PRE_COPY)
		ret = mig_precopy_info(*fd, &info);
	return ret;
}

static int read_plainly(struct vfio_dev *dev, struct plain *p)
{
	int fd, ret;

	ret = begin_saving(dev, p, &fd);
	if (ret)
		return ret;
	ret = mig_read_all(fd, 4096, &p->b);
	if (ret == -ENOMSG) {
		p->pause = p->b.len;
		ret = finish_precopy(dev) ?: mig_read_all(fd, 4096, &p->b);
	}
	close(fd);
	return ret ?: mig_set(dev, VFIO_DEVICE_STATE_RUNNING, NULL);
}

FIXTURE_SETUP(ways)
{
	static const uint32_t from[] = { VFIO_DEVICE_STATE_STOP_COPY,
					 VFIO_DEVICE_STATE_PRE_COPY };
	unsigned int i;
	int ret;

	NEEDS_OURS();
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));
	ret = work_bring_up(&self->work, &self->dev);
	ASSERT_TRUE(!ret || ret == -ENODEV);
	for (i = 0; i < ARRAY_SIZE(from); i++) {
		struct plain *p = &self->plain[self->nr_plain];

		if (!mig_state_supported(self->flags, from[i]))
			continue;
		self->nr_plain++;
		p->from = from[i];
		ASSERT_EQ(0, read_plainly(&self->dev, p));
		ASSERT_GT(p->b.len, 0);
	}
	self->room = self->plain[self->nr_plain - 1].b.len + 64;
	self->buf = malloc(self->room);
	ASSERT_NE(NULL, self->buf);
	ASSERT_EQ(0, ways_init(&self->ways, _metadata->name));
}

FIXTURE_TEARDOWN(ways)
{
	unsigned int i;

	if (self->dev.fd > 0)
		vfio_dev_close(&self->dev);
	work_free(&self->work);
	ways_free(&self->ways);
	for (i = 0; i < ARRAY_SIZE(self->plain); i++)
		blob_free(&self->plain[i].b);
	free(self->buf);
}

/* Checks the result of one call; @left: bytes to the next end */
static void check_read(struct __test_metadata *_metadata, const struct way *way,
		       ssize_t got, size_t fit, size_t left)
{
	size_t most = fit < left ? fit : left;

	if (way->shorter) {
		EXPECT_TRUE(got == -EFAULT || (got > 0 && got <= most)) {
			TH_LOG("%s: %zd of %zu", way->name, got, most);
		}
	} else {
		EXPECT_EQ(most, got) {
			TH_LOG("%s", way->name);
		}
	}
}

/* Reads one session in the way @only or, if that is NULL, in random ways */
static void read_session(struct __test_metadata *_metadata,
			 FIXTURE_DATA(ways) *self, const struct plain *p,
			 const struct way *only)
{
	struct blob b = {};
	size_t end = p->pause ?: p->b.len, fit;
	const struct way *way;
	bool plainly = false;
	ssize_t got;
	int fd;

	/* Report only the first failure. */
	if (_metadata->exit_code)
		return;
	ASSERT_EQ(0, begin_saving(&self->dev, p, &fd));
	while (!_metadata->exit_code) {
		way = only && !plainly ? only :
		      only ? &read_ways[0] :
		      &read_ways[rng_below(&self->ways.rng, nr_read_ways)];
		fit = 0;
		got = way->move(&self->ways, fd, self->buf,
				plainly ? 50 : self->room, &fit, way->arg);
		/* A refused call alternates with a plain read. */
		plainly = only && only->refused && !plainly;
		if (way->refused) {
			EXPECT_EQ(-way->refused, got) {
				TH_LOG("%s", way->name);
			}
			continue;
		}
		if (b.len < end) {
			check_read(_metadata, way, got, fit, end - b.len);
			ASSERT_EQ(0, blob_add(&b, self->buf, got > 0 ? got : 0));
			continue;
		}
		if (end == p->b.len) {
			EXPECT_EQ(0, got) {
				TH_LOG("%s", way->name);
			}
			break;
		}
		EXPECT_EQ(-ENOMSG, got) {
			TH_LOG("%s", way->name);
		}
		ASSERT_EQ(0, finish_precopy(&self->dev));
		end = p->b.len;
	}
	EXPECT_TRUE(blob_equal(&p->b, &b)) {
		TH_LOG("%s: %zu bytes, want %zu", only ? only->name : "mixed",
		       b.len, p->b.len);
	}
	close(fd);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	blob_free(&b);
}

TEST_F_TIMEOUT(ways, every_way_of_reading_gives_the_same_stream, 60)
{
	unsigned int i, k;

	for (k = 0; k < self->nr_plain; k++)
		for (i = 0; i < nr_read_ways; i++)
			read_session(_metadata, self, &self->plain[k], &read_ways[i]);
}

TEST_F_TIMEOUT(ways, any_mix_of_ways_of_reading_gives_the_same_stream, 60)
{
	unsigned int i;

	for (i = 0; i < MIXED_SESSIONS; i++)
		read_session(_metadata, self, &self->plain[i % self->nr_plain], NULL);
}

TEST_F_TIMEOUT(ways, reads_of_every_size_give_the_same_stream, 60)
{
	const struct plain *p = &self->plain[0];
	struct blob b = {};
	size_t size;

	for (size = 1; size <= p->b.len + 1 && !_metadata->exit_code;
	     size += 2 * slowness() - 1) {
		b.len = 0;
		ASSERT_EQ(0, mig_save(&self->dev, size, &b));
		EXPECT_TRUE(blob_equal(&p->b, &b)) {
			TH_LOG("reads of %zu", size);
		}
	}
	blob_free(&b);
}

/* With one good byte per call, each byte is followed by a fault. */
TEST_F_TIMEOUT(ways, a_fault_at_any_byte_of_a_read_loses_nothing, 60)
{
	struct blob b = {};
	unsigned int i;
	int edge, fd;

	for (i = 0; i < self->nr_plain; i++) {
		for (edge = 0; edge < NR_EDGES; edge++) {
			const struct plain *p = &self->plain[i];
			size_t end = p->pause ?: p->b.len;

			b.len = 0;
			ASSERT_EQ(0, begin_saving(&self->dev, p, &fd));
			while (b.len < p->b.len && !_metadata->exit_code) {
				if (b.len == end) {
					ASSERT_EQ(0, finish_precopy(&self->dev));
					end = p->b.len;
				}
				EXPECT_EQ(-EFAULT, read_at_edge(&self->ways, fd,
								self->buf, 0, edge));
				EXPECT_EQ(1, read_at_edge(&self->ways, fd,
							  self->buf, 1, edge));
				ASSERT_EQ(0, blob_add(&b, self->buf, 1));
			}
			EXPECT_TRUE(blob_equal(&p->b, &b));
			close(fd);
			ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
					     NULL));
		}
	}
	blob_free(&b);
}

/* An idle device accepts the stream and saves it again. */
static int begin_loading(struct vfio_dev *dev, int *fd)
{
	return vfio_dev_reset(dev) ?: mig_set(dev, VFIO_DEVICE_STATE_RESUMING, fd);
}

static void end_loading(struct __test_metadata *_metadata,
			FIXTURE_DATA(ways) *self, int fd, const struct plain *p,
			const char *name)
{
	struct plain again = { .from = p->from };

	EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL)) {
		TH_LOG("%s", name);
	}
	close(fd);
	EXPECT_EQ(0, read_plainly(&self->dev, &again));
	EXPECT_TRUE(blob_equal(&p->b, &again.b)) {
		TH_LOG("%s", name);
	}
	blob_free(&again.b);
}

static void write_session(struct __test_metadata *_metadata,
			  FIXTURE_DATA(ways) *self, const struct plain *p,
			  const struct way *only)
{
	size_t at = 0, fit;
	const struct way *way;
	bool plainly = false;
	ssize_t put;
	int fd;

	if (_metadata->exit_code)
		return;
	ASSERT_EQ(0, begin_loading(&self->dev, &fd));
	while (at < p->b.len && !_metadata->exit_code) {
		size_t left = p->b.len - at;

		way = only && !plainly ? only :
		      only ? &write_ways[0] :
		      &write_ways[rng_below(&self->ways.rng, nr_write_ways)];
		fit = 0;
		put = way->move(&self->ways, fd, p->b.data + at,
				plainly && left > 50 ? 50 : left, &fit, way->arg);
		if (way->refused) {
			EXPECT_EQ(-way->refused, put) {
				TH_LOG("%s", way->name);
			}
		} else if (way->shorter) {
			EXPECT_TRUE(put == -EFAULT || (put > 0 && put <= fit)) {
				TH_LOG("%s: %zd of %zu", way->name, put, fit);
			}
		} else {
			EXPECT_EQ(fit, put) {
				TH_LOG("%s", way->name);
			}
		}
		at += put > 0 ? put : 0;
		plainly = only && put <= 0 && !plainly;
	}
	end_loading(_metadata, self, fd, p, only ? only->name : "mixed");
}

TEST_F_TIMEOUT(ways, every_way_of_writing_loads_the_stream, 60)
{
	unsigned int i;

	for (i = 0; i < nr_write_ways; i++)
		write_session(_metadata, self, &self->plain[i % self->nr_plain],
			      &write_ways[i]);
}

TEST_F_TIMEOUT(ways, any_mix_of_ways_of_writing_loads_the_stream, 60)
{
	unsigned int i;

	for (i = 0; i < MIXED_SESSIONS; i++)
		write_session(_metadata, self, &self->plain[i % self->nr_plain], NULL);
}

TEST_F_TIMEOUT(ways, a_fault_at_any_byte_of_a_write_loses_nothing, 60)
{
	unsigned int i;
	int edge, fd;
	size_t at;

	for (i = 0; i < self->nr_plain; i++) {
		for (edge = 0; edge < EDGE_READ_ONLY; edge++) {
			const struct plain *p = &self->plain[i];

			ASSERT_EQ(0, begin_loading(&self->dev, &fd));
			for (at = 0; at < p->b.len && !_metadata->exit_code; at++) {
				EXPECT_EQ(-EFAULT, write_at_edge(&self->ways, fd,
								 p->b.data + at, 0,
								 edge));
				EXPECT_EQ(1, write_at_edge(&self->ways, fd,
							   p->b.data + at, 1, edge));
			}
			end_loading(_metadata, self, fd, p, "byte by byte");
		}
	}
}

/* Also where the bytes are thrown away */
TEST_F(ways, a_fault_in_a_skipped_record_is_a_fault_too)
{
	static const uint8_t nothing[40];
	struct blob skipped = {}, data = {};
	size_t at;
	int fd;

	ASSERT_EQ(0, record_add(&skipped, 0x77, RECORD_OPTIONAL, nothing,
				sizeof(nothing)));
	ASSERT_EQ(0, records_to_upstream(&data, &self->plain[0].b));
	ASSERT_EQ(0, begin_loading(&self->dev, &fd));
	for (at = 0; at < skipped.len && !_metadata->exit_code; at++) {
		EXPECT_EQ(-EFAULT, write_at_edge(&self->ways, fd,
						 skipped.data + at, 0,
						 EDGE_UNMAPPED));
		EXPECT_EQ(1, write_at_edge(&self->ways, fd, skipped.data + at, 1,
					   EDGE_UNMAPPED));
	}
	EXPECT_EQ(0, mig_write_all(fd, data.data, data.len, 4096, NULL));
	end_loading(_metadata, self, fd, &self->plain[0], "after a skipped record");
	blob_free(&skipped);
	blob_free(&data);
}

int main(int argc, char *argv[])
{
	test_env_init(&argc, argv);
	stretch_timeouts();
	rng_init();
	return test_harness_run(argc, argv);
}
