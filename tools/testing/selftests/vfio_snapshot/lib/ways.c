// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ways.h"

#define BEHIND 64	/* bytes after the boundary that a call asks for */
#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))

static ssize_t result(ssize_t ret)
{
	return ret < 0 ? -errno : ret;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static uint8_t *make_edge(enum edge edge, int file)
{
	size_t page = sysconf(_SC_PAGESIZE), len = EDGE_ROOM + page;
	bool mapped = edge == EDGE_BEYOND_FILE;
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  mapped ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS,
			  mapped ? file : -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p += EDGE_ROOM;
	if ((edge == EDGE_NO_ACCESS && mprotect(p, page, PROT_NONE)) ||
	    (edge == EDGE_READ_ONLY && mprotect(p, page, PROT_READ)) ||
	    (edge == EDGE_UNMAPPED && munmap(p, page)))
		return NULL;
	return p;
}

int ways_init(struct ways *w, const char *name)
{
	int i;

	memset(w, 0, sizeof(*w));
	w->rng = rng_make(name);
	w->file = memfd_create("ways", MFD_CLOEXEC);
	if (w->file < 0 || ftruncate(w->file, EDGE_ROOM) ||
	    pipe2(w->pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	for (i = 0; i < NR_EDGES; i++) {
		w->edge[i] = make_edge(i, w->file);
		if (!w->edge[i])
			return -errno;
	}
	return 0;
}

void ways_free(struct ways *w)
{
	int i;

	if (!w->edge[0])
		return;
	for (i = 0; i < NR_EDGES; i++)
		if (w->edge[i])
			munmap(w->edge[i] - EDGE_ROOM, EDGE_ROOM + sysconf(_SC_PAGESIZE));
	close(w->pipe[0]);
	close(w->pipe[1]);
	close(w->file);
}

/* Splits @len bytes into segments of random lengths, some empty: their number */
static int make_vector(struct ways *w, struct iovec *iov, int max, uint8_t *buf,
		       size_t *len, size_t longest)
{
	size_t at = 0;
	int n;

	for (n = 0; n < max && at < *len; n++) {
		iov[n].iov_base = buf + at;
		iov[n].iov_len = longest == 1 ? 1 :
				 least(rng_below(&w->rng, longest + 1), *len - at);
		at += iov[n].iov_len;
	}
	*len = at;
	return n;
}

/* Reading */

ssize_t read_at_edge(struct ways *w, int fd, uint8_t *buf, size_t good,
		     enum edge edge)
{
	uint8_t *to = w->edge[edge] - good;
	ssize_t ret = result(read(fd, to, good + BEHIND));

	if (ret > 0)
		memcpy(buf, to, least(ret, good));
	return ret;
}

static ssize_t read_plain(struct ways *w, int fd, uint8_t *buf, size_t len,
			  size_t *fit, int most)
{
	*fit = most ? 1 + rng_below(&w->rng, least(most, len)) : len;
	return result(read(fd, buf, *fit));
}

static ssize_t read_bytes(struct ways *w, int fd, uint8_t *buf, size_t len,
			  size_t *fit, int longest)
{
	struct iovec iov[IOV_MAX];
	int n;

	*fit = len;
	n = make_vector(w, iov, IOV_MAX, buf, fit, longest);
	return result(readv(fd, iov, n));
}

static ssize_t read_without_position(struct ways *w, int fd, uint8_t *buf,
				     size_t len, size_t *fit, int arg)
{
	struct iovec iov = { buf, 1 + rng_below(&w->rng, len) };

	(void)arg;
	*fit = iov.iov_len;
	return result(preadv2(fd, &iov, 1, -1, 0));
}

static ssize_t read_nonblocking(struct ways *w, int fd, uint8_t *buf, size_t len,
				size_t *fit, int arg)
{
	ssize_t ret;

	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		return -errno;
	ret = read_plain(w, fd, buf, len, fit, arg);
	return fcntl(fd, F_SETFL, 0) ? -errno : ret;
}

static ssize_t read_bad_end(struct ways *w, int fd, uint8_t *buf, size_t len,
			    size_t *fit, int edge)
{
	*fit = rng_below(&w->rng, least(len, 100));
	return read_at_edge(w, fd, buf, *fit, edge);
}

static ssize_t read_bad_middle(struct ways *w, int fd, uint8_t *buf, size_t len,
			       size_t *fit, int edge)
{
	size_t good = rng_below(&w->rng, least(len, 100));
	struct iovec iov[] = {
		{ buf, good }, { NULL, 0 }, { w->edge[edge], 8 },
		{ w->edge[edge] - 100, 100 },
	};

	*fit = good;
	return result(readv(fd, iov, ARRAY(iov)));
}

static ssize_t drain_pipe(struct ways *w, uint8_t *buf, ssize_t len)
{
	ssize_t at = 0, got;

	while (at < len) {
		got = read(w->pipe[0], buf + at, len - at);
		if (got <= 0)
			return -EPIPE;
		at += got;
	}
	return len;
}

static ssize_t read_splice(struct ways *w, int fd, uint8_t *buf, size_t len,
			   size_t *fit, int most)
{
	ssize_t ret;

	*fit = most ? 1 + rng_below(&w->rng, least(most, len)) : len;
	ret = result(splice(fd, NULL, w->pipe[1], NULL, *fit, 0));
	return ret > 0 ? drain_pipe(w, buf, ret) : ret;
}

static ssize_t read_sendfile(struct ways *w, int fd, uint8_t *buf, size_t len,
			     size_t *fit, int arg)
{
	ssize_t ret;

	(void)arg;
	*fit = 1 + rng_below(&w->rng, len);
	ret = result(sendfile(w->pipe[1], fd, NULL, *fit));
	return ret > 0 ? drain_pipe(w, buf, ret) : ret;
}

/* Bytes that did not fit into the pipe must come with the next call. */
static ssize_t read_full_pipe(struct ways *w, int fd, uint8_t *buf, size_t len,
			      size_t *fit, int arg)
{
	static char block[4096];
	ssize_t full = 0, put, ret;

	(void)buf;
	(void)arg;
	*fit = len;
	while ((put = write(w->pipe[1], block, sizeof(block))) > 0)
		full += put;
	ret = result(splice(fd, NULL, w->pipe[1], NULL, len, SPLICE_F_NONBLOCK));
	while (full > 0 && (put = read(w->pipe[0], block, sizeof(block))) > 0)
		full -= put;
	return full ? -EPIPE : ret;
}

/* Calls that a stream refuses */

static ssize_t not_pread(struct ways *w, int fd, uint8_t *buf, size_t len,
			 size_t *fit, int arg)
{
	(void)w; (void)fit; (void)arg;
	return result(pread(fd, buf, len, 0));
}

static ssize_t not_pwrite(struct ways *w, int fd, uint8_t *buf, size_t len,
			  size_t *fit, int arg)
{
	(void)w; (void)fit; (void)arg;
	return result(pwrite(fd, buf, len, 0));
}

static ssize_t not_read(struct ways *w, int fd, uint8_t *buf, size_t len,
			size_t *fit, int arg)
{
	(void)w; (void)fit; (void)arg;
	return result(read(fd, buf, len));
}

static ssize_t not_write(struct ways *w, int fd, uint8_t *buf, size_t len,
			 size_t *fit, int arg)
{
	(void)w; (void)fit; (void)arg;
	return result(write(fd, buf, len));
}

static ssize_t not_lseek(struct ways *w, int fd, uint8_t *buf, size_t len,
			 size_t *fit, int whence)
{
	(void)w; (void)buf; (void)len; (void)fit;
	return result(lseek(fd, 0, whence));
}

static ssize_t not_nowait_read(struct ways *w, int fd, uint8_t *buf, size_t len,
			       size_t *fit, int arg)
{
	struct iovec iov = { buf, len };

	(void)w; (void)fit; (void)arg;
	return result(preadv2(fd, &iov, 1, -1, RWF_NOWAIT));
}

static ssize_t not_nowait_write(struct ways *w, int fd, uint8_t *buf, size_t len,
				size_t *fit, int arg)
{
	struct iovec iov = { buf, len };

	(void)w; (void)fit; (void)arg;
	return result(pwritev2(fd, &iov, 1, -1, RWF_NOWAIT));
}

static ssize_t not_splice_at(struct ways *w, int fd, uint8_t *buf, size_t len,
			     size_t *fit, int arg)
{
	loff_t at = 0;

	(void)buf; (void)fit; (void)arg;
	return result(splice(fd, &at, w->pipe[1], NULL, len, 0));
}

static ssize_t not_splice_to(struct ways *w, int fd, uint8_t *buf, size_t len,
			     size_t *fit, int arg)
{
	loff_t at = 0;

	(void)buf; (void)fit; (void)arg;
	return result(splice(w->pipe[0], NULL, fd, &at, len, 0));
}

static ssize_t not_sendfile_to_file(struct ways *w, int fd, uint8_t *buf,
				    size_t len, size_t *fit, int arg)
{
	(void)buf; (void)fit; (void)arg;
	return result(sendfile(w->file, fd, NULL, len));
}

static ssize_t not_mmap(struct ways *w, int fd, uint8_t *buf, size_t len,
			size_t *fit, int prot)
{
	void *p = mmap(NULL, sysconf(_SC_PAGESIZE), prot, MAP_PRIVATE, fd, 0);

	(void)w; (void)buf; (void)len; (void)fit;
	return p == MAP_FAILED ? -errno : 1;
}

static ssize_t not_sync(struct ways *w, int fd, uint8_t *buf, size_t len,
			size_t *fit, int arg)
{
	(void)w; (void)buf; (void)len; (void)fit; (void)arg;
	return result(fsync(fd));
}

static ssize_t not_truncate(struct ways *w, int fd, uint8_t *buf, size_t len,
			    size_t *fit, int arg)
{
	(void)w; (void)buf; (void)len; (void)fit; (void)arg;
	return result(ftruncate(fd, 0));
}

static ssize_t not_ioctl(struct ways *w, int fd, uint8_t *buf, size_t len,
			 size_t *fit, int request)
{
	(void)w; (void)len; (void)fit;
	return result(ioctl(fd, request, buf));
}

/* Writing */

ssize_t write_at_edge(struct ways *w, int fd, const uint8_t *buf, size_t good,
		      enum edge edge)
{
	uint8_t *from = w->edge[edge] - good;

	memcpy(from, buf, good);
	return result(write(fd, from, good + BEHIND));
}

static ssize_t write_plain(struct ways *w, int fd, uint8_t *buf, size_t len,
			   size_t *fit, int most)
{
	*fit = most ? 1 + rng_below(&w->rng, least(most, len)) : len;
	return result(write(fd, buf, *fit));
}

static ssize_t write_nothing(struct ways *w, int fd, uint8_t *buf, size_t len,
			     size_t *fit, int arg)
{
	(void)w; (void)len; (void)arg;
	*fit = 0;
	return result(write(fd, buf, 0));
}

static ssize_t write_bytes(struct ways *w, int fd, uint8_t *buf, size_t len,
			   size_t *fit, int longest)
{
	struct iovec iov[IOV_MAX];
	int n;

	*fit = len;
	n = make_vector(w, iov, IOV_MAX, buf, fit, longest);
	return result(writev(fd, iov, n));
}

static ssize_t write_nonblocking(struct ways *w, int fd, uint8_t *buf, size_t len,
				 size_t *fit, int arg)
{
	ssize_t ret;

	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		return -errno;
	ret = write_plain(w, fd, buf, len, fit, arg);
	return fcntl(fd, F_SETFL, 0) ? -errno : ret;
}

static ssize_t write_without_position(struct ways *w, int fd, uint8_t *buf,
				      size_t len, size_t *fit, int arg)
{
	struct iovec iov = { buf, 1 + rng_below(&w->rng, len) };

	(void)arg;
	*fit = iov.iov_len;
	return result(pwritev2(fd, &iov, 1, -1, 0));
}

/* From read-only memory, which is enough for a write */
static ssize_t write_read_only(struct ways *w, int fd, uint8_t *buf, size_t len,
			       size_t *fit, int arg)
{
	uint8_t *page = w->edge[EDGE_READ_ONLY];
	size_t size = sysconf(_SC_PAGESIZE);

	(void)arg;
	*fit = 1 + rng_below(&w->rng, least(len, size));
	if (mprotect(page, size, PROT_READ | PROT_WRITE))
		return -errno;
	memcpy(page, buf, *fit);
	if (mprotect(page, size, PROT_READ))
		return -errno;
	return result(write(fd, page, *fit));
}

static ssize_t write_splice(struct ways *w, int fd, uint8_t *buf, size_t len,
			    size_t *fit, int most)
{
	static uint8_t rest[EDGE_ROOM];
	ssize_t put, ret;

	put = write(w->pipe[1], buf, 1 + rng_below(&w->rng, least(most, len)));
	if (put <= 0)
		return -EPIPE;
	*fit = put;
	ret = result(splice(w->pipe[0], NULL, fd, NULL, put, 0));
	put -= ret > 0 ? ret : 0;
	return drain_pipe(w, rest, put) < 0 ? -EPIPE : ret;
}

static ssize_t write_sendfile(struct ways *w, int fd, uint8_t *buf, size_t len,
			      size_t *fit, int arg)
{
	off_t at = 0;

	(void)arg;
	*fit = 1 + rng_below(&w->rng, least(len, 4096));
	if (pwrite(w->file, buf, *fit, 0) != (ssize_t)*fit)
		return -EIO;
	return result(sendfile(fd, w->file, &at, *fit));
}

static ssize_t write_bad_end(struct ways *w, int fd, uint8_t *buf, size_t len,
			     size_t *fit, int edge)
{
	*fit = rng_below(&w->rng, least(len, 100));
	return write_at_edge(w, fd, buf, *fit, edge);
}

static ssize_t write_bad_middle(struct ways *w, int fd, uint8_t *buf, size_t len,
				size_t *fit, int edge)
{
	size_t good = rng_below(&w->rng, least(len, 100));
	struct iovec iov[] = {
		{ buf, good }, { NULL, 0 }, { w->edge[edge], 8 },
		{ w->edge[edge] - 100, 100 },
	};

	*fit = good;
	return result(writev(fd, iov, ARRAY(iov)));
}

#define REFUSED(_name, _move, _arg, _errno) \
	{ .name = _name, .move = _move, .arg = _arg, .refused = _errno }
#define BAD(_name, _move, _edge) \
	{ .name = _name, .move = _move, .arg = _edge, .shorter = true }

const struct way read_ways[] = {
	{ "read", read_plain, 0, 0, false },
	{ "read of a byte", read_plain, 1, 0, false },
	{ "read of a few bytes", read_plain, 61, 0, false },
	{ "readv, some segments empty", read_bytes, 40, 0, false },
	{ "readv of single bytes", read_bytes, 1, 0, false },
	{ "preadv2 without a position", read_without_position, 0, 0, false },
	{ "read with O_NONBLOCK", read_nonblocking, 200, 0, false },
	{ "splice", read_splice, 0, 0, true },
	{ "splice of a few bytes", read_splice, 40, 0, true },
	{ "sendfile to a pipe", read_sendfile, 0, 0, true },
	BAD("read up to a page without access", read_bad_end, EDGE_NO_ACCESS),
	BAD("read up to an unmapped page", read_bad_end, EDGE_UNMAPPED),
	BAD("read up to the end of a mapped file", read_bad_end, EDGE_BEYOND_FILE),
	BAD("read up to a read-only page", read_bad_end, EDGE_READ_ONLY),
	BAD("readv with a hole", read_bad_middle, EDGE_NO_ACCESS),
	BAD("readv with a read-only segment", read_bad_middle, EDGE_READ_ONLY),
	REFUSED("splice to a full pipe", read_full_pipe, 0, EAGAIN),
	REFUSED("pread", not_pread, 0, ESPIPE),
	REFUSED("write", not_write, 0, EBADF),
	REFUSED("lseek", not_lseek, SEEK_SET, ESPIPE),
	REFUSED("lseek to where it is", not_lseek, SEEK_CUR, ESPIPE),
	REFUSED("read with RWF_NOWAIT", not_nowait_read, 0, EOPNOTSUPP),
	REFUSED("splice with a position", not_splice_at, 0, EINVAL),
	REFUSED("sendfile to a file", not_sendfile_to_file, 0, EINVAL),
	REFUSED("mmap", not_mmap, PROT_READ, ENODEV),
	REFUSED("fsync", not_sync, 0, EINVAL),
	REFUSED("ftruncate", not_truncate, 0, EINVAL),
	REFUSED("an ioctl of terminals", not_ioctl, TIOCGWINSZ, ENOTTY),
};

const struct way write_ways[] = {
	{ "write", write_plain, 0, 0, false },
	{ "write of a byte", write_plain, 1, 0, false },
	{ "write of a few bytes", write_plain, 61, 0, false },
	{ "writev, some segments empty", write_bytes, 40, 0, false },
	{ "writev of single bytes", write_bytes, 1, 0, false },
	{ "pwritev2 without a position", write_without_position, 0, 0, false },
	{ "write with O_NONBLOCK", write_nonblocking, 200, 0, false },
	{ "write of read-only memory", write_read_only, 0, 0, false },
	{ "write of nothing", write_nothing, 0, 0, false },
	{ "splice", write_splice, EDGE_ROOM, 0, false },
	{ "splice of a few bytes", write_splice, 40, 0, false },
	{ "sendfile from a file", write_sendfile, 0, 0, false },
	BAD("write up to a page without access", write_bad_end, EDGE_NO_ACCESS),
	BAD("write up to an unmapped page", write_bad_end, EDGE_UNMAPPED),
	BAD("write up to the end of a mapped file", write_bad_end, EDGE_BEYOND_FILE),
	BAD("writev with a hole", write_bad_middle, EDGE_UNMAPPED),
	REFUSED("pwrite", not_pwrite, 0, ESPIPE),
	REFUSED("read", not_read, 0, EBADF),
	REFUSED("lseek", not_lseek, SEEK_SET, ESPIPE),
	REFUSED("write with RWF_NOWAIT", not_nowait_write, 0, EOPNOTSUPP),
	REFUSED("splice with a position", not_splice_to, 0, EINVAL),
	REFUSED("mmap", not_mmap, PROT_READ, EACCES),
	REFUSED("fsync", not_sync, 0, EINVAL),
	REFUSED("ftruncate", not_truncate, 0, EINVAL),
	REFUSED("an ioctl of terminals", not_ioctl, TIOCGWINSZ, ENOTTY),
};

const unsigned int nr_read_ways = ARRAY(read_ways);
const unsigned int nr_write_ways = ARRAY(write_ways);
