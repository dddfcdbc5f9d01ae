// SPDX-License-Identifier: GPL-2.0-only
/* splice() of the saving data fd into pipes, sockets and files gives the bytes of read(). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "lib/harness.h"
#include "lib/lab.h"

#define KIB 1024ul
#define MIB (1024 * KIB)
#define PIPE (256 * KIB)
/* More than one piece of memory, and not a multiple of a page */
#define STATE (5 * MIB + 4321)

FIXTURE(splice) {
	struct vfio_dev dev;
	uint64_t flags;
	struct lab lab;
	struct blob want, got;
	int pipe[2], fd;
	uint8_t *buf;
};

FIXTURE_SETUP(splice)
{
	self->fd = -1;
	self->dev.fd = -1;
	NEEDS_OURS();
	NEEDS_LAB(&self->lab, test_env.bdf);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));
	ASSERT_EQ(0, pipe2(self->pipe, O_CLOEXEC));
	ASSERT_LE(PIPE, fcntl(self->pipe[1], F_SETPIPE_SZ, PIPE));
	self->buf = malloc(PIPE);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(splice)
{
	if (self->fd >= 0)
		close(self->fd);
	if (self->dev.fd >= 0)
		vfio_dev_close(&self->dev);
	lab_close(&self->lab);
	if (self->buf) {
		close(self->pipe[0]);
		close(self->pipe[1]);
	}
	free(self->buf);
	blob_free(&self->want);
	blob_free(&self->got);
}

/*
 * Reads a stream with read(), then starts a second session that gives the same
 * stream. The save before them is for the driver, which remembers the size of
 * the last final image.
 */
#define SAVE_TWICE(pad) \
	do { \
		lab_vf_set(&self->lab, LAB_VF_PAD, pad); \
		ASSERT_EQ(0, mig_save(&self->dev, MIB, &self->want)); \
		self->want.len = 0; \
		self->got.len = 0; \
		ASSERT_EQ(0, mig_save(&self->dev, MIB, &self->want)); \
		ASSERT_LT(pad, self->want.len); \
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, \
				     &self->fd)); \
	} while (0)

#define DONE() \
	do { \
		close(self->fd); \
		self->fd = -1; \
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL)); \
	} while (0)

/* Reads @len bytes from @fd into @b */
static int drain(FIXTURE_DATA(splice) *self, int fd, size_t len, struct blob *b)
{
	while (len) {
		ssize_t got = read(fd, self->buf, len < PIPE ? len : PIPE);

		if (got <= 0)
			return got ? -errno : -EIO;
		if (blob_add(b, self->buf, got))
			return -ENOMEM;
		len -= got;
	}
	return 0;
}

TEST_F_TIMEOUT(splice, a_pipe_gets_what_read_gives_however_it_is_cut, 60)
{
	static const struct {
		size_t pad, step;
	} ways[] = {
		{ 0, 1 }, { 0, 15 }, { 0, 16 }, { 0, 17 }, { 0, 4096 },
		{ STATE, 4095 }, { STATE, 4096 }, { STATE, PIPE }, { STATE, 16 * MIB },
	};
	unsigned int i;
	ssize_t got;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		SAVE_TWICE(ways[i].pad);
		while ((got = splice(self->fd, NULL, self->pipe[1], NULL,
				     ways[i].step, 0)) > 0) {
			ASSERT_LE(got, ways[i].step);
			ASSERT_EQ(0, drain(self, self->pipe[0], got, &self->got));
		}
		EXPECT_EQ(0, got) {
			TH_LOG("%s", strerror(errno));
		}
		EXPECT_TRUE(blob_equal(&self->want, &self->got)) {
			TH_LOG("%zu bytes in steps of %zu: %zu came",
			       self->want.len, ways[i].step, self->got.len);
		}
		DONE();
	}
}

/* read() and splice() share one position. */
TEST_F_TIMEOUT(splice, splice_and_read_take_turns, 60)
{
	ssize_t got;

	SAVE_TWICE(STATE);
	do {
		got = read(self->fd, self->buf, 5000);
		ASSERT_LE(0, got);
		ASSERT_EQ(0, blob_add(&self->got, self->buf, got));
		got = splice(self->fd, NULL, self->pipe[1], NULL, 70000, 0);
		ASSERT_LE(0, got);
		ASSERT_EQ(0, drain(self, self->pipe[0], got, &self->got));
	} while (got);
	EXPECT_TRUE(blob_equal(&self->want, &self->got));
	DONE();
}

/* From the stream through the pipe to @to: bytes, or -errno */
static ssize_t pass_on(FIXTURE_DATA(splice) *self, int to, size_t len)
{
	ssize_t got = splice(self->fd, NULL, self->pipe[1], NULL, len, 0), gone;
	ssize_t left;

	for (left = got; left > 0; left -= gone) {
		gone = splice(self->pipe[0], NULL, to, NULL, left, 0);
		if (gone <= 0)
			return -EIO;
	}
	return got < 0 ? -errno : got;
}

TEST_F_TIMEOUT(splice, sockets_and_files_get_what_read_gives, 60)
{
	int file = memfd_create("stream", MFD_CLOEXEC), pair[2];
	ssize_t got;

	SAVE_TWICE(STATE);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	while ((got = pass_on(self, pair[0], 32 * KIB)) > 0)
		ASSERT_EQ(0, drain(self, pair[1], got, &self->got));
	EXPECT_EQ(0, got);
	EXPECT_TRUE(blob_equal(&self->want, &self->got));
	close(pair[0]);
	close(pair[1]);
	DONE();

	SAVE_TWICE(STATE);
	/* sendfile() needs a file with a position, which a stream has not. */
	EXPECT_EQ(-1, sendfile(file, self->fd, NULL, KIB));
	EXPECT_EQ(EINVAL, errno);
	while ((got = pass_on(self, file, PIPE)) > 0)
		;
	EXPECT_EQ(0, got);
	ASSERT_EQ(0, lseek(file, 0, SEEK_SET));
	ASSERT_EQ(0, drain(self, file, self->want.len, &self->got));
	EXPECT_TRUE(blob_equal(&self->want, &self->got));
	EXPECT_EQ(0, read(file, self->buf, 1));
	close(file);
	DONE();
}

TEST_F_TIMEOUT(splice, the_temporary_end_is_enomsg, 60)
{
	ssize_t got;

	NEEDS_STATE(self->flags, VFIO_DEVICE_STATE_PRE_COPY);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &self->fd));
	while ((got = splice(self->fd, NULL, self->pipe[1], NULL, PIPE, 0)) > 0)
		ASSERT_EQ(0, drain(self, self->pipe[0], got, &self->got));
	EXPECT_EQ(-1, got);
	EXPECT_EQ(ENOMSG, errno);
	EXPECT_LT(0, self->got.len);
	/* Together with the final image it is a whole stream. */
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	while ((got = splice(self->fd, NULL, self->pipe[1], NULL, PIPE, 0)) > 0)
		ASSERT_EQ(0, drain(self, self->pipe[0], got, &self->got));
	EXPECT_EQ(0, got);
	DONE();
	EXPECT_EQ(LOAD_OK, mig_load(&self->dev, self->got.data, self->got.len, MIB).stage);
}

TEST_F_TIMEOUT(splice, a_dead_fd_is_enodev, 60)
{
	SAVE_TWICE(STATE);
	ASSERT_LT(0, splice(self->fd, NULL, self->pipe[1], NULL, KIB, 0));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	EXPECT_EQ(-1, splice(self->fd, NULL, self->pipe[1], NULL, 1, 0));
	EXPECT_EQ(ENODEV, errno);
	DONE();
}

SNAPSHOT_TEST_MAIN
