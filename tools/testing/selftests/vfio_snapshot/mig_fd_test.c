// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data fd as a file: its kind, what it refuses, and that no byte is lost or
 * repeated however it is read and written.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/file.h"
#include "lib/harness.h"
#include "lib/records.h"

#define FILE_MAX "/proc/sys/fs/file-max"

FIXTURE(fd) {
	struct vfio_dev dev;
	uint64_t flags;
	struct blob good;
};

FIXTURE_SETUP(fd)
{
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_flags(&self->dev, &self->flags));
	ASSERT_EQ(0, mig_save(&self->dev, 1 << 20, &self->good));
	ASSERT_GT(self->good.len, RECORD_HEADER);
}

FIXTURE_TEARDOWN(fd)
{
	vfio_dev_close(&self->dev);
	blob_free(&self->good);
}

TEST_F(fd, saving_fd_is_for_reading_and_closes_on_exec)
{
	char byte = 0;
	int fd;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	EXPECT_EQ(O_RDONLY, fcntl(fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(-1, write(fd, &byte, 1));
	EXPECT_EQ(EBADF, errno);
	close(fd);
}

TEST_F(fd, resuming_fd_is_for_writing_and_closes_on_exec)
{
	char byte = 0;
	int fd;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	EXPECT_EQ(O_WRONLY, fcntl(fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(EBADF, errno);
	close(fd);
}

TEST_F(fd, a_stream_has_no_position)
{
	char byte = 0;
	int fd;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pread(fd, &byte, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	close(fd);

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pwrite(fd, &byte, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	close(fd);
}

TEST_F(fd, reads_of_any_size_give_the_same_stream)
{
	static const size_t sizes[] = { 1, 3, 15, 16, 17, 61, 4096, 4097 };
	struct blob b = {};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		b.len = 0;
		ASSERT_EQ(0, mig_save(&self->dev, sizes[i], &b));
		EXPECT_TRUE(blob_equal(&self->good, &b)) {
			TH_LOG("reads of %zu: %zu bytes, want %zu", sizes[i],
			       b.len, self->good.len);
		}
	}
	blob_free(&b);
}

TEST_F(fd, one_read_fills_its_buffer_across_records)
{
	struct blob b = {};
	ssize_t got;
	int fd;

	ASSERT_EQ(0, blob_copy(&b, &self->good));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	got = read(fd, b.data, b.len);
	if (got > 0 && got < (ssize_t)b.len)
		SKIP_PEER_FAULT("STOP_COPY is reached before the final image is there");
	EXPECT_EQ((ssize_t)b.len, got);
	EXPECT_TRUE(blob_equal(&self->good, &b));
	close(fd);
	blob_free(&b);
}

TEST_F(fd, reading_and_writing_nothing_is_zero)
{
	char byte = 0;
	int fd;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	EXPECT_EQ(0, read(fd, &byte, 0));
	close(fd);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING, &fd));
	EXPECT_EQ(0, write(fd, &byte, 0));
	close(fd);
}

/* An accessible page before one that is not */
static uint8_t *edge(size_t *page)
{
	uint8_t *two;

	*page = sysconf(_SC_PAGESIZE);
	two = mmap(NULL, 2 * *page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (two == MAP_FAILED || mprotect(two + *page, *page, PROT_NONE))
		return NULL;
	return two + *page;
}

TEST_F(fd, read_into_a_bad_buffer_is_efault_and_loses_no_byte)
{
	struct blob b = {};
	size_t page, good;
	uint8_t *bad;
	ssize_t got;
	int fd;

	SKIP_PEER_FAULT("a partly bad buffer loses bytes");
	bad = edge(&page);
	ASSERT_NE(NULL, bad);
	for (good = 0; good < 40; good += 3) {
		b.len = 0;
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY,
				     &fd));
		got = read(fd, bad - good, good + 64);
		if (got < 0) {
			EXPECT_EQ(EFAULT, errno);
		} else {
			/* The bytes that read() reports have been copied. */
			EXPECT_GT(got, 0);
			ASSERT_LE(got, (ssize_t)good);
			ASSERT_EQ(0, blob_add(&b, bad - good, got));
		}
		ASSERT_EQ(0, mig_read_all(fd, 4096, &b));
		EXPECT_TRUE(blob_equal(&self->good, &b)) {
			TH_LOG("%zu good bytes of buffer: %zu, want %zu", good,
			       b.len, self->good.len);
		}
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
				     NULL));
		close(fd);
	}
	blob_free(&b);
}

TEST_F(fd, write_from_a_bad_buffer_is_efault_and_loses_no_byte)
{
	size_t page, good, at;
	uint8_t *bad;
	ssize_t put;
	int fd;

	SKIP_PEER_FAULT("a bad buffer ends the session");
	bad = edge(&page);
	ASSERT_NE(NULL, bad);
	for (good = 0; good < 96; good += 7) {
		ASSERT_LT(good + 64, self->good.len);
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING,
				     &fd));
		memcpy(bad - good, self->good.data, good);
		put = write(fd, bad - good, good + 64);
		at = 0;
		if (put < 0) {
			EXPECT_EQ(EFAULT, errno);
		} else {
			EXPECT_GT(put, 0);
			ASSERT_LE(put, (ssize_t)good);
			at = put;
		}
		EXPECT_EQ(0, mig_write_all(fd, self->good.data + at,
					   self->good.len - at, 4096, NULL));
		EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
				     NULL)) {
			TH_LOG("%zu good bytes of buffer", good);
		}
		close(fd);
		ASSERT_STATE(&self->dev, VFIO_DEVICE_STATE_RUNNING);
	}
}

#define THREADS 4

struct worker {
	pthread_t thread;
	int fd;
	size_t chunk;
	struct blob got;
	size_t todo;
	int err;
};

static void *read_some(void *arg)
{
	struct worker *w = arg;

	w->err = mig_read_all(w->fd, w->chunk, &w->got);
	return NULL;
}

/* Counts the byte values, as the order between threads is not known */
static void count(const struct blob *b, size_t *histogram)
{
	size_t i;

	for (i = 0; i < b->len; i++)
		histogram[b->data[i]]++;
}

TEST_F(fd, concurrent_readers_share_the_stream_byte_by_byte)
{
	size_t want[256] = {}, have[256] = {}, sum;
	struct worker w[THREADS];
	int i, round, fd;

	count(&self->good, want);
	for (round = 0; round < 10; round++) {
		memset(w, 0, sizeof(w));
		memset(have, 0, sizeof(have));
		sum = 0;
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY,
				     &fd));
		for (i = 0; i < THREADS; i++) {
			w[i].fd = fd;
			w[i].chunk = i + 1;
			ASSERT_EQ(0, pthread_create(&w[i].thread, NULL,
						    read_some, &w[i]));
		}
		for (i = 0; i < THREADS; i++) {
			pthread_join(w[i].thread, NULL);
			EXPECT_EQ(0, w[i].err);
			count(&w[i].got, have);
			sum += w[i].got.len;
			blob_free(&w[i].got);
		}
		EXPECT_EQ(self->good.len, sum);
		EXPECT_EQ(0, memcmp(want, have, sizeof(want)));
		close(fd);
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
				     NULL));
	}
}

static void *write_some(void *arg)
{
	static const uint8_t same[64];
	struct worker *w = arg;

	while (w->todo && !w->err) {
		size_t n = w->todo < w->chunk ? w->todo : w->chunk;

		w->err = mig_write_all(w->fd, same, n, n, NULL);
		w->todo -= n;
	}
	return NULL;
}

/*
 * All threads write one skipped record together. With one byte more or less,
 * the next header is not where the driver looks for it.
 */
TEST_F(fd, concurrent_writers_add_up_to_the_byte)
{
	const size_t each = 3000;
	struct blob head = {}, data = {};
	struct worker w[THREADS];
	int i, round, fd;

	SKIP_PEER_FAULT("two writers race");
	ASSERT_EQ(0, record_add_header(&head, 0x77, RECORD_OPTIONAL,
				       each * THREADS));
	if (records_to_upstream(&data, &self->good))
		SKIP(return, "not a stream of records");
	for (round = 0; round < 10; round++) {
		memset(w, 0, sizeof(w));
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RESUMING,
				     &fd));
		ASSERT_EQ(0, mig_write_all(fd, head.data, head.len, 4096,
					   NULL));
		for (i = 0; i < THREADS; i++) {
			w[i].fd = fd;
			w[i].chunk = i * 7 + 1;
			w[i].todo = each;
			ASSERT_EQ(0, pthread_create(&w[i].thread, NULL,
						    write_some, &w[i]));
		}
		for (i = 0; i < THREADS; i++) {
			pthread_join(w[i].thread, NULL);
			EXPECT_EQ(0, w[i].err);
		}
		EXPECT_EQ(0, mig_write_all(fd, data.data, data.len, 4096,
					   NULL));
		ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING,
				     NULL));
		close(fd);
	}
	blob_free(&head);
	blob_free(&data);
}

struct switcher {
	struct vfio_dev *dev;
	volatile bool stop;
	int err;
};

static void *switch_states(void *arg)
{
	struct switcher *s = arg;
	int i;

	for (i = 0; i < 50 && !s->err; i++) {
		s->err = mig_set(s->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL);
		if (!s->err)
			s->err = mig_set(s->dev, VFIO_DEVICE_STATE_RUNNING,
					 NULL);
	}
	s->stop = true;
	return NULL;
}

TEST_F(fd, use_of_an_fd_while_its_session_ends_gives_data_or_enodev)
{
	struct switcher s = { .dev = &self->dev };
	pthread_t thread;
	uint8_t buf[8];
	ssize_t got;
	int fd;

	SKIP_PEER_FAULT("it frees the buffers while they are read");
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	ASSERT_EQ(0, pthread_create(&thread, NULL, switch_states, &s));
	while (!s.stop) {
		got = read(fd, buf, sizeof(buf));
		if (got < 0)
			EXPECT_EQ(ENODEV, errno);
	}
	pthread_join(thread, NULL);
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(ENODEV, mig_fd_errno(fd, true));
	close(fd);
}

TEST_F(fd, a_stale_fd_is_of_no_use_to_the_next_session)
{
	int old, new;
	struct blob b = {};

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &old));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP, NULL));
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &new));
	EXPECT_EQ(ENODEV, mig_fd_errno(old, true));
	ASSERT_EQ(0, mig_read_all(new, 4096, &b));
	EXPECT_TRUE(blob_equal(&self->good, &b));
	close(old);
	close(new);
	blob_free(&b);
}

TEST_F(fd, closing_the_data_fd_does_not_change_the_state)
{
	int fd;

	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	close(fd);
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_STOP_COPY);
	EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
}

/* Of this process, without which the limit of open files holds for it */
static int set_sys_admin(bool on)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	const uint32_t mask = 1U << CAP_SYS_ADMIN;

	if (syscall(SYS_capget, &head, data))
		return -errno;
	data[0].effective = on ? data[0].effective | mask : data[0].effective & ~mask;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

TEST_F(fd, no_data_fd_beyond_the_limit_of_open_files)
{
	const enum vfio_device_mig_state states[] = {
		VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_RESUMING,
		VFIO_DEVICE_STATE_PRE_COPY,
	};
	char most[32] = "";
	unsigned int i;
	int fd, ret;
	FILE *f;

	/* The limit is that of the whole machine. */
	if (!getenv("VFIO_SNAPSHOT_LAB"))
		SKIP(return, "only in the test VM (VFIO_SNAPSHOT_LAB)");
	f = fopen(FILE_MAX, "re");
	ASSERT_NE(NULL, f);
	EXPECT_NE(NULL, fgets(most, sizeof(most), f));
	fclose(f);
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (states[i] == VFIO_DEVICE_STATE_PRE_COPY &&
		    !(self->flags & VFIO_MIGRATION_PRE_COPY))
			continue;
		ASSERT_EQ(0, write_file("1", FILE_MAX));
		ASSERT_EQ(0, set_sys_admin(false));
		ret = mig_set(&self->dev, states[i], &fd);
		EXPECT_EQ(0, set_sys_admin(true));
		EXPECT_EQ(0, write_file(most, FILE_MAX));
		EXPECT_EQ(-ENFILE, ret);
		EXPECT_STATE(&self->dev, states[i] == VFIO_DEVICE_STATE_PRE_COPY ?
			     VFIO_DEVICE_STATE_RUNNING : VFIO_DEVICE_STATE_STOP);
		EXPECT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	}
}

SNAPSHOT_TEST_MAIN
