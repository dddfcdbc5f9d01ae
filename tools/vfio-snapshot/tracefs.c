// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "trace.h"
#include "vfio-snapshot.h"

#define TRACEFS "/sys/kernel/tracing"

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

void tracer_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static int put(const struct tracer *t, const char *name, const char *value)
{
	char path[192];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", t->path, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int say(int err)
{
	if (err == -EACCES || err == -EPERM)
		return fail("tracing needs root");
	return fail("cannot trace in " TRACEFS ": %s", strerror(-err));
}

int tracer_start(struct tracer *t)
{
	char path[192];
	int err;

	t->pipe = -1;
	if (access(TRACEFS "/instances", F_OK) &&
	    mount("tracefs", TRACEFS, "tracefs", 0, NULL) && errno != EBUSY)
		return say(-errno);
	if (access(TRACEFS "/events/vfio_snapshot", F_OK))
		return fail("the kernel has no events vfio_snapshot: load the driver first (vfio-snapshot bind)");
	snprintf(t->path, sizeof(t->path), TRACEFS "/instances/vfio-snapshot-%d", (int)getpid());
	if (mkdir(t->path, 0700))
		return say(-errno);
	/* One clock for all CPUs, as arcs and commands run on several. */
	err = put(t, "trace_clock", "mono");
	if (!err)
		err = put(t, "events/vfio_snapshot/enable", "1");
	if (!err)
		err = put(t, "tracing_on", "1");
	snprintf(path, sizeof(path), "%s/trace_pipe", t->path);
	if (!err) {
		t->pipe = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		err = t->pipe < 0 ? -errno : 0;
	}
	if (err) {
		tracer_stop(t);
		return say(err);
	}
	return STATUS_OK;
}

void tracer_stop(struct tracer *t)
{
	if (t->pipe >= 0)
		close(t->pipe);
	t->pipe = -1;
	rmdir(t->path);
}

/* Pass on complete lines; an incomplete one stays in the buffer. */
static size_t split(char *buffer, size_t len, void (*line)(void *, const char *), void *context)
{
	char *at = buffer, *end;

	while ((end = memchr(at, '\n', len - (at - buffer)))) {
		*end = '\0';
		line(context, at);
		at = end + 1;
	}
	len -= at - buffer;
	memmove(buffer, at, len);
	return len;
}

static void drain(struct tracer *t, char *buffer, size_t size, size_t *have,
		  void (*line)(void *, const char *), void *context)
{
	ssize_t got;

	while ((got = read(t->pipe, buffer + *have, size - *have)) > 0) {
		*have = split(buffer, *have + got, line, context);
		if (*have == size)
			*have = 0;
	}
}

void tracer_follow(struct tracer *t, double seconds, int every,
		   void (*line)(void *context, const char *text), void (*tick)(void *context),
		   void *context)
{
	int64_t end = now_ns() + (int64_t)(seconds * 1e9);
	struct pollfd poller = { .fd = t->pipe, .events = POLLIN };
	static char buffer[65536];
	size_t have = 0;

	while (!interrupted && (!seconds || now_ns() < end)) {
		/* tracefs does not wake us before its buffer is half full, so poll. */
		poll(&poller, 1, every);
		drain(t, buffer, sizeof(buffer), &have, line, context);
		if (tick)
			tick(context);
		if (!(poller.revents & ~POLLIN) && poller.revents)
			usleep(every * 100);
	}
	/* Read what is there and stop: more may come without end. */
	put(t, "tracing_on", "0");
	drain(t, buffer, sizeof(buffer), &have, line, context);
}
