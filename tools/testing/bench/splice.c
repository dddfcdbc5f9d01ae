// SPDX-License-Identifier: GPL-2.0-only
/* The saving data fd to a pipe or a socket, without a copy through userspace */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "drive.h"

static int stop_and_copy(struct drive *d, const struct devices *devices)
{
	TRY(drive_open(d, devices));
	drive_pad(d, LARGE);
	TRY(mig_set(&d->src, VFIO_DEVICE_STATE_STOP, NULL));
	usleep(SETTLE_US);
	TRY(mig_set(&d->src, VFIO_DEVICE_STATE_STOP_COPY, &d->save));
	return 0;
}

static int none(const char *row)
{
	NOTE("splice: %s", strerror(errno));
	printf("bench %s - ns\n", row);
	return 0;
}

int run_splice(const struct devices *devices)
{
	uint64_t begin, filled = 0, all, len = 0;
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ssize_t got, gone;
	struct drive d;
	int pipefd[2];

	TRY(stop_and_copy(&d, devices));
	if (nowhere < 0 || pipe2(pipefd, O_CLOEXEC))
		return -errno;
	fcntl(pipefd[1], F_SETPIPE_SZ, MIB);
	all = now_ns();
	for (;;) {
		begin = now_ns();
		got = splice(d.save, NULL, pipefd[1], NULL, QEMU_READ, 0);
		filled += now_ns() - begin;
		if (got <= 0)
			break;
		len += got;
		for (; got > 0; got -= gone) {
			gone = splice(pipefd[0], NULL, nowhere, NULL, got, 0);
			if (gone <= 0)
				return -EIO;
		}
	}
	if (got < 0 && !len)
		return none("splice_64m");
	if (got < 0)
		TRY(-errno);
	all = now_ns() - all;
	FIGURE("ns", filled, "splice_64m");
	NOTE("%llu bytes; with the pipe emptied into /dev/null %llu ns",
	     (unsigned long long)len, (unsigned long long)all);
	close(pipefd[0]);
	close(pipefd[1]);
	close(nowhere);
	close(d.save);
	drive_close(&d);
	return 0;
}

/* The other end of the socket, which reads it all into one buffer */
struct sink {
	int fd;
	uint64_t len;
	uint64_t cpu;	/* of the thread */
	uint8_t *buf;
};

static void *drink(void *arg)
{
	struct sink *s = arg;
	struct timespec ts;
	ssize_t got;

	while ((got = read(s->fd, s->buf, MIB)) > 0)
		s->len += got;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	s->cpu = ts.tv_sec * 1000000000ull + ts.tv_nsec;
	return NULL;
}

int run_socket(const struct devices *devices)
{
	struct sink s = { .buf = touched(MIB) };
	uint64_t all, own, len = 0;
	ssize_t got, gone;
	pthread_t thread;
	struct timespec ts;
	struct drive d;
	int fd[2], pipefd[2];

	TRY(stop_and_copy(&d, devices));
	if (!s.buf || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return -errno;
	if (pipe2(pipefd, O_CLOEXEC))
		return -errno;
	fcntl(pipefd[1], F_SETPIPE_SZ, MIB);
	s.fd = fd[1];
	TRY(pthread_create(&thread, NULL, drink, &s));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	own = ts.tv_sec * 1000000000ull + ts.tv_nsec;
	all = now_ns();
	while ((got = splice(d.save, NULL, pipefd[1], NULL, QEMU_READ, 0)) > 0) {
		len += got;
		for (; got > 0; got -= gone) {
			gone = splice(pipefd[0], NULL, fd[0], NULL, got, 0);
			if (gone <= 0)
				TRY(-errno);
		}
	}
	if (got < 0 && !len)
		return none("splice_64m/socket");
	if (got < 0)
		TRY(-errno);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	own = ts.tv_sec * 1000000000ull + ts.tv_nsec - own;
	close(fd[0]);
	pthread_join(thread, NULL);
	all = now_ns() - all;
	TRY(s.len == len ? 0 : -EIO);
	FIGURE("ns", own, "splice_64m/socket");
	NOTE("%llu bytes; with the reader %llu ns, of them its own %llu",
	     (unsigned long long)len, (unsigned long long)all,
	     (unsigned long long)s.cpu);
	close(fd[1]);
	close(pipefd[0]);
	close(pipefd[1]);
	close(d.save);
	drive_close(&d);
	return 0;
}
