// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layer 3, loading: a parser that userspace feeds; its records of device data go
 * to the firmware.
 *
 * Everything that is written is untrusted: sizes are bounded before memory is
 * allocated, and memory grows with the data. With a back-end that has a window,
 * the firmware loads a record while userspace writes the next one into another
 * buffer. A record that could not be sent for lack of memory stays, the next
 * write() tries again; whatever else fails breaks the stream for good.
 *
 * Locks: stream->io for the writer, the firmware for a transfer.
 */
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/uio.h>

#include "load.h"
#include "trace.h"

/* Memory for a record grows by this much ahead of its data. */
#define GROW_STEP	SZ_2M

/**
 * snapshot_load_begin - set up the loading side of a stream
 * @load: all 0
 * @pool: memory of the stream, whose session has begun
 *
 * No memory yet: the first record, which comes before the blackout if there is
 * pre-copy, tells how much it takes.
 */
void snapshot_load_begin(struct snapshot_load *load, struct snapshot_pool *pool)
{
	struct vfio_snapshot_device *sdev = pool->fw->sdev;
	struct vfio_snapshot_ident ident;

	load->pool = pool;
	snapshot_ident_fill(&ident, sdev->core.pdev->vendor, sdev->core.pdev->device,
			    sdev->ops->name);
	snapshot_parser_init(&load->parser, sdev->ops->max_image, &ident);
}

/* Rather than making one more, waits for the buffer that the firmware reads. */
static struct snapshot_buf *load_get_buf(struct snapshot_load *load)
{
	struct snapshot_pool *pool = load->pool;
	int err;

	if (READ_ONCE(load->loading) && !READ_ONCE(pool->nr_spares)) {
		err = snapshot_fw_lock(pool->fw);
		if (err)
			return ERR_PTR(err);
		snapshot_fw_unlock(pool->fw);
	}
	return snapshot_pool_get(pool, 0);
}

static ssize_t load_write_data(struct snapshot_load *load, size_t len,
			       struct iov_iter *from)
{
	u64 pos = load->parser.size - load->parser.room;
	struct snapshot_buf *buf = load->buf;
	int err;

	if (!buf) {
		buf = load_get_buf(load);
		if (IS_ERR(buf))
			return PTR_ERR(buf);
		load->buf = buf;
	}
	if (pos == buf->size) {
		err = snapshot_buf_grow(buf, pos + min_t(u64, load->parser.room, GROW_STEP));
		if (err)
			return err;
	}
	return snapshot_buf_copy(buf, pos, min_t(u64, len, buf->size - pos), from);
}

/* Puts what the parser wants where it wants it: bytes, 0 for a fault, or an errno. */
static ssize_t load_write_some(struct snapshot_load *load, struct iov_iter *from)
{
	struct snapshot_parser *parser = &load->parser;
	size_t len = min_t(u64, parser->room, iov_iter_count(from));
	u8 skipped[128];

	switch (parser->want) {
	case SNAPSHOT_WANT_BYTES:
		return copy_from_iter(parser->into, len, from);
	case SNAPSHOT_WANT_SKIP:
		/* Copied, so that a bad address shows. */
		return copy_from_iter(skipped, min(len, sizeof(skipped)), from);
	case SNAPSHOT_WANT_DATA:
		return load_write_data(load, len, from);
	case SNAPSHOT_WANT_LOAD:
		break;
	}
	return 0;
}

static void load_trace(struct snapshot_load *load, u32 tag, u64 size)
{
	trace_vfio_snapshot_record(load->pool->fw, "loaded", tag, size);
}

static void load_say(struct snapshot_load *load, int err)
{
	if (snapshot_pool_is_dead(load->pool))
		return;
	snapshot_say(load->pool->fw, err, "stream refused", "; state RESUMING");
	WRITE_ONCE(load->said, true);
}

static void load_done(struct snapshot_transfer *transfer, int err)
{
	struct snapshot_load *load = container_of(transfer, struct snapshot_load, transfer);
	u64 size = transfer->io.size;

	err = snapshot_fd_errno(err);
	snapshot_buf_io_end(load->loading);
	snapshot_pool_put(load->loading);
	load->loading = NULL;
	if (!err) {
		load_trace(load, VFIO_SNAPSHOT_TAG_DEVICE_DATA, size);
		return;
	}
	WRITE_ONCE(load->load_err, err);
	load_say(load, err);
}

/* Gives the record in @buf to the firmware, which is idle. */
static int load_send(struct snapshot_load *load, u64 size)
{
	struct snapshot_transfer *transfer = &load->transfer;
	struct snapshot_pool *pool = load->pool;
	int err;

	/* The session may have ended since the caller looked. */
	if (snapshot_pool_is_dead(pool))
		return -ENODEV;
	if (load->load_err)
		return load->load_err;
	snapshot_buf_io(load->buf, size, &transfer->io);
	transfer->fw = pool->fw;
	transfer->dir = VFIO_SNAPSHOT_LOAD;
	transfer->phase = VFIO_SNAPSHOT_FINAL;
	transfer->done = size <= pool->fw->ops.window ? load_done : NULL;
	err = snapshot_fw_transfer(transfer);
	if (err == -EINPROGRESS) {
		load->loading = load->buf;
		load->buf = NULL;
		return 0;
	}
	snapshot_buf_io_end(load->buf);
	if (!err)
		load_trace(load, VFIO_SNAPSHOT_TAG_DEVICE_DATA, size);
	return err;
}

/*
 * Loads a record that was wholly written. An errno that breaks the stream is in
 * load->err, too. After a record of about a window others follow, for which there is
 * another buffer. It is made, and grows, before this record is sent: that waits for
 * the firmware, which is busy afterwards.
 */
static int load_record(struct snapshot_load *load)
{
	u64 size = load->parser.size;
	struct snapshot_pool *pool = load->pool;
	size_t window = pool->fw->ops.window;
	int err;

	err = snapshot_buf_prepare(load->buf, size);
	if (!err && size <= window && (READ_ONCE(pool->nr_spares) ||
				       (size > window / 2 && !READ_ONCE(load->loading))))
		snapshot_pool_reserve(pool, size, 1);
	if (!err)
		err = snapshot_fw_lock(pool->fw);
	if (err == -ENOMEM || err == -EINTR)
		return err;
	if (!err) {
		err = load_send(load, size);
		snapshot_fw_unlock(pool->fw);
	}
	load->err = snapshot_fd_errno(err);
	if (!err)
		snapshot_parser_loaded(&load->parser);
	return load->err;
}

/* @len bytes more are where the parser wanted them. */
static int load_feed(struct snapshot_load *load, size_t len)
{
	u64 records = load->parser.tally.records;
	int err;

	load->taken += len;
	err = snapshot_parser_feed(&load->parser, len);
	if (!err && load->parser.tally.records != records)
		load_trace(load, load->parser.tag, load->parser.size);
	return err;
}

static void load_break(struct snapshot_load *load, int err)
{
	load->err = err;
	if (!READ_ONCE(load->load_err))
		load_say(load, err);
}

/**
 * snapshot_load_write - write to a stream
 * @load: a loading stream, with stream->io held
 * @from: source
 *
 * Return: bytes taken; -ENODEV when the session is over; -EFAULT; -ENOMEM or
 * -EINTR, which lose nothing; or what broke the stream, which may be what the
 * firmware answered to an earlier record, -EBUSY in place of -EAGAIN.
 */
ssize_t snapshot_load_write(struct snapshot_load *load, struct iov_iter *from)
{
	ssize_t done = 0, taken;
	int err;

	for (;;) {
		if (snapshot_pool_is_dead(load->pool))
			return done ?: -ENODEV;
		if (!load->err)
			load->err = READ_ONCE(load->load_err);
		/* It does not matter how much of a broken stream was taken. */
		if (load->err)
			return load->err;
		if (load->parser.want == SNAPSHOT_WANT_LOAD) {
			err = load_record(load);
			if (load->err)
				load_break(load, err);
			if (err)
				return load->err ?: done ?: err;
		}
		if (!iov_iter_count(from))
			return done;
		taken = load_write_some(load, from);
		if (taken <= 0)
			return done ?: taken ?: -EFAULT;
		done += taken;
		err = load_feed(load, taken);
		if (err) {
			load_break(load, err);
			return err;
		}
	}
}

/**
 * snapshot_load_finish - whether a whole state was loaded
 * @load: a loading stream, with stream->io held
 *
 * Waits for the firmware.
 *
 * Return: 0, or the errno that broke the stream, -ENODATA if it is not
 * complete, what the back-end's last check returned, -EINTR when the caller is
 * killed.
 */
int snapshot_load_finish(struct snapshot_load *load)
{
	struct snapshot_fw *fw = load->pool->fw;
	int err;

	/* The last write() may have left one for lack of memory. */
	if (!load->err && load->parser.want == SNAPSHOT_WANT_LOAD) {
		err = load_record(load);
		if (err)
			return err;
	}
	err = snapshot_fw_lock(fw);
	if (err)
		return err;
	err = load->err ?: load->load_err ?: snapshot_parser_finish(&load->parser);
	if (!err)
		err = snapshot_fw_load_end(fw);
	snapshot_fw_unlock(fw);
	return err;
}

/**
 * snapshot_load_drain - free what a closed stream holds
 * @load: a loading stream that nobody writes
 */
void snapshot_load_drain(struct snapshot_load *load)
{
	snapshot_buf_free(load->buf);
	load->buf = NULL;
}
