// SPDX-License-Identifier: GPL-2.0-only
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/vfio_snapshot.h>

#include "busy.h"

#define BUFFER 4096

/* Allowed while another thread sets states or resets the device */
static const int may_set[] = {
	0,
	EINVAL,		/* no arc leads there */
	ENODATA,	/* RESUMING was left before the stream was complete */
	EBADMSG, EXDEV, EOPNOTSUPP, EFBIG,	/* a stream that is not one */
	ENODEV,		/* the device was reset meanwhile */
	EBUSY,		/* likewise: the firmware only loads a stopped device */
};

static const int may_use[] = {
	0,
	ENOMSG,		/* the temporary end */
	ENODEV,		/* the session is over */
	EBADF,		/* the fd is for the other direction */
	EBADMSG, EINVAL, EXDEV, EOPNOTSUPP, EFBIG,
	EBUSY,		/* a reset started the device during a load */
	ENOTTY,		/* precopy ioctl of a loading fd, or of a file that is not a data fd */
};

static bool one_of(int err, const int *list, size_t nr, const char *what)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (list[i] == err)
			return true;
	printf("# %s: %d (%s)\n", what, err, strerror(err));
	return false;
}

#define ONE_OF(err, list, what) \
	one_of(err, list, sizeof(list) / sizeof((list)[0]), what)

bool busy_reading(struct busy *busy)
{
	struct pollfd poll_in = { .fd = busy->pair->fd, .events = POLLIN };
	struct vfio_precopy_info info;
	size_t len = 1 + rand_r(&busy->seed) % busy->len;
	ssize_t got = read(busy->pair->fd, busy->buffer, len);

	if (!ONE_OF(got < 0 ? errno : 0, may_use, "read of the data fd"))
		return false;
	poll(&poll_in, 1, 0);
	return ONE_OF(-mig_precopy_info(busy->pair->fd, &info), may_use,
		      "precopy ioctl");
}

bool busy_writing(struct busy *busy)
{
	struct pair *p = busy->pair;
	size_t len = 1 + rand_r(&busy->seed) % busy->len;
	size_t at = p->written;
	ssize_t put;

	if (at >= p->stream.len)
		at = 0;
	if (len > p->stream.len - at)
		len = p->stream.len - at;
	/* The caller's buffer may be a BAR, which does not keep what is written to it. */
	memcpy(busy->buffer, p->stream.data + at, len);
	put = write(p->fd, busy->buffer, len);
	if (put > 0)
		p->written = at + put;
	return ONE_OF(put < 0 ? errno : 0, may_use, "write to the data fd");
}

int busy_set_state(struct pair *p, uint32_t state)
{
	int fd, ret = mig_set(&p->dev, state, &fd);

	if (ret || fd < 0)
		return ret;
	/* Replaces the fd while another thread uses it */
	dup3(fd, p->fd, O_CLOEXEC);
	close(fd);
	return 0;
}

bool busy_setting(struct busy *busy)
{
	uint32_t state = 1 + rand_r(&busy->seed) % (NR_STATES - 1);

	return ONE_OF(-busy_set_state(busy->pair, state), may_set,
		      mig_state_name(state));
}

bool busy_asking(struct busy *busy)
{
	static const int may_get[] = { ENODEV };
	static const int may_ask[] = { 0, ENODEV, EINVAL };
	struct vfio_device_feature_mig_arc arc = {
		.from = rand_r(&busy->seed) % NR_STATES,
		.to = rand_r(&busy->seed) % NR_STATES,
	};
	struct pair *p = busy->pair;
	int state = mig_get(&p->dev);
	uint64_t size;

	if (state < 0 || state >= NR_STATES)
		return ONE_OF(-state, may_get, "get state");
	if (!ONE_OF(-mig_data_size(&p->dev, &size), may_ask, "data size"))
		return false;
	if (test_env.ours &&
	    !ONE_OF(-mig_feature(&p->dev, VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_MIG_ARC, &arc, sizeof(arc)),
		    may_ask, "arc query"))
		return false;
	return busy_reading(busy);
}

static void *run(void *arg)
{
	struct busy *busy = arg;

	do {
		busy->failed = !busy->use(busy);
	} while (!busy->failed && !__atomic_load_n(&busy->stop, __ATOMIC_ACQUIRE));
	return NULL;
}

int busy_start(struct busy *busy, struct pair *p, bool (*use)(struct busy *busy))
{
	static unsigned int seed;

	if (!busy->buffer) {
		busy->buffer = malloc(BUFFER);
		busy->len = BUFFER;
	}
	if (!busy->buffer)
		return -ENOMEM;
	/* In a state without a data fd, any open file keeps the number in use. */
	if (p->fd < 0)
		p->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (p->fd < 0)
		return -errno;
	busy->pair = p;
	busy->use = use;
	busy->seed = ++seed;
	return -pthread_create(&busy->thread, NULL, run, busy);
}

bool (*busy_using(const struct pair *p))(struct busy *busy)
{
	return p->state == VFIO_DEVICE_STATE_RESUMING ? busy_writing : busy_reading;
}

int busy_start_all(struct busy busy[NR_BUSY], struct pair *p)
{
	NEED(busy_start(&busy[0], p, busy_setting));
	NEED(busy_start(&busy[1], p, busy_asking));
	NEED(busy_start(&busy[2], p, busy_using(p)));
	return 0;
}

int busy_stop(struct busy *busy)
{
	__atomic_store_n(&busy->stop, true, __ATOMIC_RELEASE);
	NEED(pthread_join(busy->thread, NULL));
	WANT(!busy->failed);
	return 0;
}
