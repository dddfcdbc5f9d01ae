// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real streams with changes to their records, written in all ways. An
 * independent judge says which write fails with which errno, and whether the
 * exit from RESUMING does. A refused stream ends in ERROR, a reset leaves that,
 * and the good stream loads again.
 *   VFIO_SNAPSHOT_SEED       repeats a run
 *   VFIO_SNAPSHOT_MUTATIONS  how many streams with several random changes to try
 */
#include <pthread.h>
#include <sys/uio.h>

#include "lib/harness.h"
#include "lib/judge.h"
#include "lib/mutate.h"
#include "lib/nic.h"
#include "lib/ways.h"
#include "lib/work.h"

#define MUTATIONS 100

FIXTURE(mutator) {
	struct vfio_dev dev;
	uint64_t flags;
	struct work work;
	struct blob good;	/* with two images, as from a save with precopy */
	struct blob bad;
	struct judge_rules rules;
	struct ways ways;
};

/*
 * With a first and a final image, where the device has PRE_COPY and each image
 * is a whole state. Firmware that saves increments checks their order, which
 * the judge does not know.
 */
static int save_twice(struct vfio_dev *dev, uint64_t flags, struct blob *b)
{
	const struct nic *nic = nic_of(dev->bdf);
	int fd, ret;

	if (!mig_state_supported(flags, VFIO_DEVICE_STATE_PRE_COPY) ||
	    (nic && nic->increments))
		return mig_save(dev, 4096, b);
	ret = mig_set(dev, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	if (ret)
		return ret;
	ret = mig_read_all(fd, 4096, b);
	if (ret == -ENOMSG)
		ret = mig_set(dev, VFIO_DEVICE_STATE_STOP_COPY, NULL) ?:
		      mig_read_all(fd, 4096, b);
	close(fd);
	return ret ?: mig_set(dev, VFIO_DEVICE_STATE_RUNNING, NULL);
}

FIXTURE_SETUP(mutator)
{
	const struct nic *nic = nic_of(test_env.bdf);
	const struct record *ident, *data;
	struct records rs;
	int ret;

	NEEDS_OURS();
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));
	/* Without a driver a device has almost no state, which is enough here. */
	ret = work_bring_up(&self->work, &self->dev);
	ASSERT_TRUE(!ret || ret == -ENODEV);
	ASSERT_EQ(0, save_twice(&self->dev, self->flags, &self->good));
	ASSERT_EQ(0, records_parse(&rs, &self->good));
	ident = records_find(&rs, TAG_IDENT);
	data = records_find(&rs, TAG_DATA);
	ASSERT_NE(NULL, ident);
	ASSERT_NE(NULL, data);
	self->rules = (struct judge_rules){
		.max_data = nic ? nic->max_state : 1u << 30,
		.max_skip = 1u << 20,
		.ident = self->good.data + ident->at + RECORD_HEADER,
		.state = self->good.data + data->at + RECORD_HEADER,
		.state_len = data->size,
	};
	ASSERT_EQ(0, ways_init(&self->ways, _metadata->name));
}

FIXTURE_TEARDOWN(mutator)
{
	if (self->dev.fd > 0)
		vfio_dev_close(&self->dev);
	work_free(&self->work);
	ways_free(&self->ways);
	blob_free(&self->good);
	blob_free(&self->bad);
}

/* Progress of writing one stream */
struct writing {
	struct verdict want;
	size_t at;	/* bytes written */
	int err;	/* errno that broke it, or 0 */
};

/* Makes one call of @way and checks its result */
static void write_once(struct __test_metadata *_metadata, struct ways *ways,
		       int fd, const struct blob *b, const struct way *way,
		       struct writing *w)
{
	size_t fit = 0, end;
	ssize_t put = way->move(ways, fd, b->data + w->at, b->len - w->at, &fit,
				way->arg);

	if (way->refused) {
		EXPECT_EQ(-way->refused, put);
		return;
	}
	if (w->err) {
		/* A broken stream keeps returning its errno. */
		EXPECT_EQ(-w->err, put);
		return;
	}
	end = w->at + fit;
	if (w->want.unsure && w->want.unsure <= end && put < 0 && put != -EFAULT) {
		w->err = -put;
		return;
	}
	if (w->want.err && w->want.at <= end && put != -EFAULT &&
	    (put < 0 || !way->shorter)) {
		EXPECT_EQ(-w->want.err, put);
		w->err = w->want.err;
		return;
	}
	if (put < 0) {
		EXPECT_TRUE(way->shorter);
		EXPECT_EQ(-EFAULT, put);
		return;
	}
	if (!way->shorter) {
		EXPECT_EQ(fit, put);
	}
	ASSERT_LE(put, b->len - w->at);
	w->at += put;
	EXPECT_TRUE(!w->want.err || w->at < w->want.at);
}

/* Writes all of @b in random ways, and a little more after it broke */
static struct writing write_somehow(struct __test_metadata *_metadata,
				    struct ways *ways, int fd,
				    const struct blob *b,
				    const struct judge_rules *rules)
{
	struct writing w = { .want = judge_stream(b->data, b->len, rules) };
	int after = 3;

	while (w.at < b->len && after && !_metadata->exit_code) {
		write_once(_metadata, ways, fd, b,
			   &write_ways[rng_below(&ways->rng, nr_write_ways)], &w);
		after -= !!w.err;
	}
	EXPECT_TRUE(!w.want.err || w.want.unsure || w.err == w.want.err);
	return w;
}

static const uint32_t exits[] = {
	VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RUNNING_P2P,
	VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_STOP_COPY,
	VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY_P2P,
};

static uint32_t any_exit(FIXTURE_DATA(mutator) *self)
{
	uint32_t to;

	do {
		to = exits[rng_below(&self->ways.rng, ARRAY_SIZE(exits))];
	} while (!mig_state_supported(self->flags, to));
	return to;
}

static void expect_good_loads(struct __test_metadata *_metadata,
			      FIXTURE_DATA(mutator) *self)
{
	struct load_result r = mig_load(&self->dev, self->good.data,
					self->good.len, 4096);

	EXPECT_EQ(LOAD_OK, r.stage) {
		TH_LOG("the good stream: errno %d after %zu bytes", r.err, r.written);
	}
	EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
}

/* Expects the device state from which the good stream was saved */
static void expect_good_state(struct __test_metadata *_metadata,
			      FIXTURE_DATA(mutator) *self)
{
	self->bad.len = 0;
	ASSERT_EQ(0, save_twice(&self->dev, self->flags, &self->bad));
	EXPECT_TRUE(blob_equal(&self->good, &self->bad));
}

/* Writes @self->bad in RESUMING and leaves RESUMING: 0, or the errno of the refusal */
static int try_stream(struct __test_metadata *_metadata,
		      FIXTURE_DATA(mutator) *self)
{
	uint32_t to = any_exit(self);
	struct writing w;
	int fd, exit_err, want;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	w = write_somehow(_metadata, &self->ways, fd, &self->bad, &self->rules);
	exit_err = -mig_set(&self->dev, to, NULL);
	want = w.err ?: w.want.end;
	/* An asynchronous load was refused after the write returned. */
	if (!w.err && w.want.unsure && exit_err == EINVAL)
		want = EINVAL;
	EXPECT_EQ(want, exit_err) {
		TH_LOG("%zu of %zu bytes taken", w.at, self->bad.len);
	}
	EXPECT_EQ(ENODEV, mig_fd_errno(fd, false));
	close(fd);
	if (exit_err) {
		EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
		EXPECT_EQ(-EINVAL, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
					   NULL));
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
		ASSERT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	} else {
		EXPECT_STATE(&self->dev, to);
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	}
	expect_good_loads(_metadata, self);
	return exit_err;
}

static void log_changes(struct __test_metadata *_metadata,
			const struct mutation **done, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		TH_LOG("change: %s", done[i]->name);
}

/*
 * Tries a stream with @nr changes, with @mend also a correct END record: 0, or
 * the errno of the refusal
 */
static int try_changes(struct __test_metadata *_metadata,
		       FIXTURE_DATA(mutator) *self,
		       const struct mutation **changes, unsigned int nr, bool mend)
{
	struct sketch s;
	unsigned int i;
	int err;

	ASSERT_EQ(0, sketch_from(&s, &self->good));
	for (i = 0; i < nr; i++)
		changes[i]->apply(&s, &self->ways.rng);
	if (mend)
		sketch_mend_end(&s);
	ASSERT_EQ(0, sketch_to(&s, &self->bad));
	sketch_free(&s);
	err = try_stream(_metadata, self);
	if (_metadata->exit_code)
		log_changes(_metadata, changes, nr);
	return err;
}

TEST_F_TIMEOUT(mutator, each_change_of_a_stream_is_accepted_or_refused_as_documented, 120)
{
	static const int all[] = { 0, EINVAL, EFBIG, EOPNOTSUPP, EXDEV, EBADMSG,
				   ENODATA };
	unsigned int met[ARRAY_SIZE(all)] = {};
	const struct mutation *change;
	unsigned int i, k;
	int err;

	for (i = 0; i < nr_mutations && !_metadata->exit_code; i++) {
		change = &mutations[i];
		err = try_changes(_metadata, self, &change, 1, false);
		for (k = 0; k < ARRAY_SIZE(all); k++)
			met[k] += all[k] == err;
	}
	/* Changes that all have the same result would test nothing. */
	for (k = 0; k < ARRAY_SIZE(all); k++) {
		EXPECT_GT(met[k], 0) {
			TH_LOG("no change leads to errno %d", all[k]);
		}
	}
	expect_good_state(_metadata, self);
}

TEST_F_TIMEOUT(mutator, random_changes_are_accepted_or_refused_as_documented, 120)
{
	const struct mutation *changes[3];
	unsigned int rounds = MUTATIONS / slowness(), refused = 0, i, k, nr;
	const char *more = getenv("VFIO_SNAPSHOT_MUTATIONS");

	if (more)
		rounds = atoi(more);
	for (i = 0; i < rounds && !_metadata->exit_code; i++) {
		nr = 1 + rng_below(&self->ways.rng, ARRAY_SIZE(changes));
		for (k = 0; k < nr; k++)
			changes[k] = &mutations[rng_below(&self->ways.rng, nr_mutations)];
		refused += !!try_changes(_metadata, self, changes, nr,
					 rng_below(&self->ways.rng, 2));
	}
	TH_LOG("%u streams, %u of them refused", i, refused);
	expect_good_state(_metadata, self);
}

TEST_F_TIMEOUT(mutator, a_write_cut_in_two_at_any_byte_loads, 120)
{
	size_t cut;
	int fd;

	/* On a slow machine some cuts are left out, other ones in each record. */
	for (cut = 0; cut <= self->good.len && !_metadata->exit_code;
	     cut += 2 * slowness() - 1) {
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
		EXPECT_EQ(cut, write(fd, self->good.data, cut));
		EXPECT_EQ(self->good.len - cut,
			  write(fd, self->good.data + cut, self->good.len - cut));
		EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL)) {
			TH_LOG("cut at %zu of %zu", cut, self->good.len);
		}
		close(fd);
	}
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	expect_good_state(_metadata, self);
}

/* Bytes written before RESUMING is left, by records */
static size_t stage_bytes(FIXTURE_DATA(mutator) *self, unsigned int stage)
{
	struct records rs;

	if (records_parse(&rs, &self->good) || rs.nr < 2)
		return 0;
	switch (stage) {
	case 0: return 0;
	case 1: return 7;				/* inside a header */
	case 2: return RECORD_HEADER + 5;		/* inside one of our records */
	case 3: return rs.r[1].at + RECORD_HEADER;	/* before the device data */
	case 4: return rs.r[1].at + RECORD_HEADER + rs.r[1].size / 2;
	default: return self->good.len;
	}
}

#define STAGES 6

static void expect_dead(struct __test_metadata *_metadata,
			FIXTURE_DATA(mutator) *self, int fd)
{
	struct iovec iov[] = { { self->good.data, 0 }, { self->good.data, 9 } };

	EXPECT_EQ(-1, write(fd, self->good.data, self->good.len));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, write(fd, self->good.data, 1));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, writev(fd, iov, 2));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-ENODEV, write_at_edge(&self->ways, fd, self->good.data, 0,
					 EDGE_NO_ACCESS));
}

TEST_F_TIMEOUT(mutator, a_write_after_any_exit_from_resuming_is_enodev, 120)
{
	enum { RESET = ARRAY_SIZE(exits), FUNCTION_RESET, WAYS };
	unsigned int how, stage;
	int fd, next, err = 0;

	for (how = 0; how < WAYS; how++) {
		if (how < RESET && !mig_state_supported(self->flags, exits[how]))
			continue;
		for (stage = 0; stage < STAGES && !_metadata->exit_code; stage++) {
			size_t len = stage_bytes(self, stage);

			ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING,
					     &fd));
			ASSERT_EQ(0, mig_write_all(fd, self->good.data, len, 4096,
						   NULL));
			if (how < RESET) {
				err = mig_set(&self->dev, exits[how], NULL);
				EXPECT_EQ(len == self->good.len ? 0 : -ENODATA, err);
				expect_dead(_metadata, self, fd);
			}
			ASSERT_EQ(0, how == FUNCTION_RESET ?
				     pci_function_reset(self->dev.bdf) :
				     how == RESET || err ?
				     vfio_dev_reset(&self->dev) : 0);
			expect_dead(_metadata, self, fd);

			/* A dead fd does not write to the next session. */
			ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
					     NULL));
			ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING,
					     &next));
			EXPECT_EQ(100, write(next, self->good.data, 100));
			expect_dead(_metadata, self, fd);
			EXPECT_EQ(0, mig_write_all(next, self->good.data + 100,
						   self->good.len - 100, 64, NULL));
			EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
					     NULL)) {
				TH_LOG("exit %u, stage %u", how, stage);
			}
			close(next);
			close(fd);
		}
	}
	expect_good_state(_metadata, self);
}

struct writer {
	pthread_t thread;
	int fd;
	const struct blob *b;	/* written one record per call, or in pieces */
	size_t piece;
	int err;
};

static void *write_records(void *arg)
{
	struct writer *w = arg;
	struct records rs;
	unsigned int i;

	w->err = records_parse(&rs, w->b);
	for (i = 0; !w->err && i < rs.nr; i++) {
		size_t len = RECORD_HEADER + rs.r[i].size;

		w->err = mig_write_all(w->fd, w->b->data + rs.r[i].at, len, len, NULL);
	}
	return NULL;
}

static void *write_pieces(void *arg)
{
	struct writer *w = arg;

	w->err = mig_write_all(w->fd, w->b->data, w->b->len, w->piece, NULL);
	return NULL;
}

static void write_together(struct __test_metadata *_metadata, int fd,
			   struct writer *w, unsigned int nr,
			   void *(*write_it)(void *))
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		w[i].fd = fd;
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, write_it, &w[i]));
	}
	for (i = 0; i < nr; i++)
		pthread_join(w[i].thread, NULL);
}

/* Every call writes a whole record. Two writers must not mix them. */
TEST_F_TIMEOUT(mutator, two_writers_of_whole_records_do_not_tear_them, 120)
{
	static uint8_t ballast[300];
	struct blob images[2] = {};
	struct writer w[2] = { { .b = &images[0] }, { .b = &images[1] } };
	unsigned int round, i, k;
	int fd;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, records_to_upstream(&images[i], &self->good));
		for (k = 0; k < 10; k++)
			ASSERT_EQ(0, record_add(&images[i], 0x70 + i, RECORD_OPTIONAL,
						ballast, 1 + 29 * k));
	}
	for (round = 0; round < 20 && !_metadata->exit_code; round++) {
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
		write_together(_metadata, fd, w, 2, write_records);
		EXPECT_EQ(0, w[0].err);
		EXPECT_EQ(0, w[1].err);
		EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
		close(fd);
	}
	expect_good_state(_metadata, self);
	blob_free(&images[0]);
	blob_free(&images[1]);
}

/* Written in pieces, the result is any stream and must be handled as one. */
TEST_F_TIMEOUT(mutator, two_writers_of_torn_records_end_in_an_error_or_a_whole_state, 120)
{
	struct writer w[2] = { { .b = &self->good, .piece = 7 },
			       { .b = &self->good, .piece = 50 } };
	unsigned int round, i;
	int fd, err;

	for (round = 0; round < 20 && !_metadata->exit_code; round++) {
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
		write_together(_metadata, fd, w, 2, write_pieces);
		err = mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL);
		/* Two streams in one: a writer was refused. */
		EXPECT_NE(0, err);
		for (i = 0; i < 2; i++) {
			EXPECT_TRUE(!w[i].err || w[i].err == err) {
				TH_LOG("writer %u: %d, exit: %d", i, w[i].err, err);
			}
		}
		EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
		close(fd);
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
		expect_good_loads(_metadata, self);
	}
	expect_good_state(_metadata, self);
}

int main(int argc, char *argv[])
{
	test_env_init(&argc, argv);
	stretch_timeouts();
	rng_init();
	return test_harness_run(argc, argv);
}
