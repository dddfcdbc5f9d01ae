// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every pair of the eight states, each from a freshly reset device, against the
 * expectation in fsm_expect.h: which requests are refused, which return a data
 * fd, and what happens to the fd of the session before.
 */
#include "lib/fsm_expect.h"
#include "lib/harness.h"

FIXTURE(arcs) {
	struct vfio_dev dev;
	uint64_t flags;
	struct blob stream;
	const char * const *paths;	/* of this start, indexed by target */
	int fd;				/* data fd of the session, or -1 */
};

FIXTURE_VARIANT(arcs) {
	enum vfio_device_mig_state from;
};

FIXTURE_VARIANT_ADD(arcs, from_error) {
	.from = VFIO_DEVICE_STATE_ERROR,
};

FIXTURE_VARIANT_ADD(arcs, from_stop) {
	.from = VFIO_DEVICE_STATE_STOP,
};

FIXTURE_VARIANT_ADD(arcs, from_running) {
	.from = VFIO_DEVICE_STATE_RUNNING,
};

FIXTURE_VARIANT_ADD(arcs, from_stop_copy) {
	.from = VFIO_DEVICE_STATE_STOP_COPY,
};

FIXTURE_VARIANT_ADD(arcs, from_resuming) {
	.from = VFIO_DEVICE_STATE_RESUMING,
};

FIXTURE_VARIANT_ADD(arcs, from_running_p2p) {
	.from = VFIO_DEVICE_STATE_RUNNING_P2P,
};

FIXTURE_VARIANT_ADD(arcs, from_pre_copy) {
	.from = VFIO_DEVICE_STATE_PRE_COPY,
};

FIXTURE_VARIANT_ADD(arcs, from_pre_copy_p2p) {
	.from = VFIO_DEVICE_STATE_PRE_COPY_P2P,
};

FIXTURE_SETUP(arcs)
{
	unsigned int set = 0;

	self->fd = -1;
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));
	ASSERT_EQ(0, mig_save(&self->dev, 4096, &self->stream));
	ASSERT_GT(self->stream.len, 16);

	if (self->flags & VFIO_MIGRATION_P2P)
		set |= FSM_P2P;
	if (self->flags & VFIO_MIGRATION_PRE_COPY)
		set |= FSM_PRECOPY;
	self->paths = fsm_expect[set][variant->from];

	if (variant->from == VFIO_DEVICE_STATE_ERROR)
		SKIP_PEER_FAULT("it has no ERROR state, whatever happens");
	else
		NEEDS_STATE(self->flags, variant->from);
}

FIXTURE_TEARDOWN(arcs)
{
	if (self->fd >= 0)
		close(self->fd);
	vfio_dev_close(&self->dev);
	blob_free(&self->stream);
}

static int close_session(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return 0;
}

/*
 * Brings a freshly reset device to @from. In RESUMING the stream lacks one
 * byte, so that a test can see whether the fd still accepts it.
 */
static int prepare(struct vfio_dev *dev, uint32_t from,
		   const struct blob *stream, int *fd)
{
	static const char garbage[64] = "no stream of any device begins so";
	struct load_result bad;
	int ret;

	close_session(fd);
	ret = vfio_dev_reset(dev);
	if (ret)
		return ret;

	switch (from) {
	case VFIO_DEVICE_STATE_ERROR:
		bad = mig_load(dev, garbage, sizeof(garbage), sizeof(garbage));
		return bad.state == VFIO_DEVICE_STATE_ERROR ? 0 : -EPROTO;
	case VFIO_DEVICE_STATE_RESUMING:
		ret = mig_set(dev, from, fd);
		if (ret)
			return ret;
		return mig_write_all(*fd, stream->data, stream->len - 1, 4096,
				     NULL);
	default:
		return mig_enter(dev, from, fd);
	}
}

static bool path_ends_session(const char *path)
{
	unsigned int from = fsm_state_of(path[0]);
	const char *p;

	if (from == VFIO_DEVICE_STATE_RESUMING)
		return path[1];
	if (!mig_state_saving(from))
		return false;
	for (p = path + 1; *p; p++)
		if (!mig_state_saving(fsm_state_of(*p)))
			return true;
	return false;
}

static bool path_gives_fd(const char *path)
{
	size_t last = strlen(path) - 1;
	unsigned int to = fsm_state_of(path[last]);

	if (!last)
		return false;
	if (to == VFIO_DEVICE_STATE_RESUMING)
		return true;
	return mig_state_saving(to) &&
	       !mig_state_saving(fsm_state_of(path[last - 1]));
}

static int finish_stream(const struct blob *stream, int fd)
{
	return mig_write_all(fd, stream->data + stream->len - 1, 1, 1, NULL);
}

TEST_F(arcs, legal_request_reaches_its_state_and_gives_a_data_fd_only_for_a_new_session)
{
	unsigned int to;
	int fd;

	for (to = 0; to < NR_STATES; to++) {
		if (!strcmp(self->paths[to], "-"))
			continue;
		ASSERT_EQ(0, prepare(&self->dev, variant->from, &self->stream,
				     &self->fd));
		if (variant->from == VFIO_DEVICE_STATE_RESUMING)
			ASSERT_EQ(0, finish_stream(&self->stream, self->fd));

		fd = -2;
		EXPECT_EQ(0, mig_set(&self->dev, to, &fd));
		EXPECT_STATE(&self->dev, to);
		EXPECT_EQ(path_gives_fd(self->paths[to]), fd >= 0);
		if (_metadata->exit_code)
			TH_LOG("on the path %s", self->paths[to]);
		if (fd >= 0)
			close(fd);
	}
}

TEST_F(arcs, the_old_data_fd_lives_on_exactly_when_its_session_does)
{
	bool resuming = variant->from == VFIO_DEVICE_STATE_RESUMING;
	unsigned int to;
	int fd, want;

	if (resuming)
		SKIP_PEER_FAULT("a write after RESUMING was left is a NULL dereference");
	if (!resuming && !mig_state_saving(variant->from))
		SKIP(return, "no session is open in this state");

	for (to = 0; to < NR_STATES; to++) {
		if (!strcmp(self->paths[to], "-"))
			continue;
		ASSERT_EQ(0, prepare(&self->dev, variant->from, &self->stream,
				     &self->fd));
		if (resuming && to != variant->from)
			ASSERT_EQ(0, finish_stream(&self->stream, self->fd));
		ASSERT_EQ(0, mig_set(&self->dev, to, &fd));

		want = path_ends_session(self->paths[to]) ? ENODEV : 0;
		if (resuming && !want) {
			EXPECT_EQ(0, finish_stream(&self->stream, self->fd));
		} else {
			EXPECT_EQ(want, mig_fd_errno(self->fd, !resuming));
		}
		if (_metadata->exit_code)
			TH_LOG("on the path %s", self->paths[to]);
		if (fd >= 0)
			close(fd);
	}
}

/* 0 while the session of @from continues */
static int use_session(uint32_t from, const struct blob *stream, int fd)
{
	return from == VFIO_DEVICE_STATE_RESUMING ? finish_stream(stream, fd) :
	       mig_fd_errno(fd, true);
}

TEST_F(arcs, refused_request_is_einval_and_leaves_state_and_session_alone)
{
	unsigned int to;
	int fd;

	for (to = 0; to < NR_STATES; to++) {
		if (strcmp(self->paths[to], "-"))
			continue;
		ASSERT_EQ(0, prepare(&self->dev, variant->from, &self->stream,
				     &self->fd));
		fd = -2;
		EXPECT_EQ(-EINVAL, mig_set(&self->dev, to, &fd)) {
			TH_LOG("%s to %s", mig_state_name(variant->from),
			       mig_state_name(to));
		}
		EXPECT_EQ(-1, fd);
		EXPECT_STATE(&self->dev, variant->from);

		if (self->fd >= 0) {
			EXPECT_EQ(0, use_session(variant->from, &self->stream,
						 self->fd));
		}
	}
}

TEST_F(arcs, values_that_are_no_state_are_refused)
{
	static const uint32_t none[] = { NR_STATES, NR_STATES + 1, 31, 32, 64,
					 0xff, 0x100, 0x80000000, 0xffffffff };
	size_t i;

	ASSERT_EQ(0, prepare(&self->dev, variant->from, &self->stream,
			     &self->fd));
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		EXPECT_EQ(-EINVAL, mig_set(&self->dev, none[i], NULL)) {
			TH_LOG("state %#x", none[i]);
		}
		EXPECT_STATE(&self->dev, variant->from);
	}
}

TEST_F(arcs, a_reset_returns_to_running_and_the_device_migrates_again)
{
	struct blob again = {};

	ASSERT_EQ(0, prepare(&self->dev, variant->from, &self->stream,
			     &self->fd));
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	ASSERT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	ASSERT_EQ(0, mig_save(&self->dev, 4096, &again));
	EXPECT_EQ(self->stream.len, again.len);
	blob_free(&again);
}

SNAPSHOT_TEST_MAIN
