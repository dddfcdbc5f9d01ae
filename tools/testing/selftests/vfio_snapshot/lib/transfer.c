// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "vfio_mig.h"

int mig_read_all(int fd, size_t chunk, struct blob *b)
{
	uint8_t *buf = malloc(chunk);
	ssize_t got;
	int ret = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		got = read(fd, buf, chunk);
		if (got < 0)
			ret = -errno;
		if (got <= 0)
			break;
		ret = blob_add(b, buf, got);
		if (ret)
			break;
	}
	free(buf);
	return ret;
}

int mig_write_all(int fd, const void *data, size_t len, size_t chunk,
		  size_t *done)
{
	const uint8_t *from = data;
	size_t at = 0;
	int ret = 0;

	while (at < len) {
		size_t want = len - at < chunk ? len - at : chunk;
		ssize_t put = write(fd, from + at, want);

		if (put <= 0) {
			ret = put < 0 ? -errno : -EIO;
			break;
		}
		at += put;
	}
	if (done)
		*done = at;
	return ret;
}

int mig_save(struct vfio_dev *dev, size_t chunk, struct blob *b)
{
	int fd, ret, back;

	ret = mig_set(dev, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	if (ret)
		return ret;
	ret = mig_read_all(fd, chunk, b);
	back = mig_set(dev, VFIO_DEVICE_STATE_RUNNING, NULL);
	close(fd);
	return ret ? ret : back;
}

struct load_result mig_load(struct vfio_dev *dev, const void *data, size_t len,
			    size_t chunk)
{
	struct load_result r = {};
	int fd, ret;

	ret = mig_set(dev, VFIO_DEVICE_STATE_RESUMING, &fd);
	if (ret) {
		r.stage = LOAD_ENTER;
		r.err = -ret;
		r.state = mig_get(dev);
		return r;
	}

	ret = mig_write_all(fd, data, len, chunk, &r.written);
	if (ret) {
		r.stage = LOAD_WRITE;
		r.err = -ret;
	}

	ret = mig_set(dev, VFIO_DEVICE_STATE_STOP, NULL);
	r.exit_err = -ret;
	if (ret && r.stage == LOAD_OK) {
		r.stage = LOAD_EXIT;
		r.err = -ret;
	}
	close(fd);
	r.state = mig_get(dev);
	return r;
}

int mig_enter(struct vfio_dev *dev, uint32_t state, int *fd)
{
	*fd = -1;
	if (mig_get(dev) == (int)state)
		return 0;
	return mig_set(dev, state, fd);
}

int mig_fd_errno(int fd, bool saving)
{
	uint8_t byte = 0;
	ssize_t ret;

	ret = saving ? read(fd, &byte, 1) : write(fd, &byte, 1);
	return ret < 0 ? errno : 0;
}
