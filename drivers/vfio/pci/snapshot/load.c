// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loading side of a stream: a parser that userspace feeds, and whose records
 * of device data go to the firmware.
 *
 * With a back-end that has a window, a record that is no longer than that is
 * loaded while userspace writes the next one into another buffer.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/uio.h>

#include "buffer.h"
#include "messages.h"
#include "migration.h"
#include "stream.h"
#include "trace.h"

/* Memory for a record being written grows by this much ahead of its data. */
#define GROW_STEP	SZ_2M

/**
 * snapshot_load_begin - make a stream ready to be written to
 * @stream: a loading stream whose session has begun
 *
 * Return: 0, or an errno; what was made is freed with the stream.
 */
int snapshot_load_begin(struct snapshot_stream *stream)
{
	struct snapshot_mig *mig = stream->mig;
	struct vfio_snapshot_device *sdev = mig->sdev;
	struct vfio_snapshot_ident ident;
	struct snapshot_buf *buf;
	u64 bytes;
	int err;

	snapshot_ident_fill(&ident, sdev->core.pdev->vendor, sdev->core.pdev->device,
			    sdev->ops->name);
	snapshot_parser_init(&stream->load.parser, sdev->ops->max_image, &ident);
	if (mig->window) {
		/* What this device has is a good guess of what is to come. */
		err = snapshot_mig_estimate(mig, MAX_JIFFY_OFFSET, &bytes);
		if (!err)
			err = snapshot_stream_prepare(stream, min(mig->window, bytes),
						      SNAPSHOT_WINDOWS);
		if (err)
			return err;
	}
	buf = snapshot_stream_spare(stream) ?:
	      snapshot_buf_alloc(sdev, VFIO_SNAPSHOT_LOAD, 0);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	stream->load.buf = buf;
	return 0;
}

/* Takes what the parser wants from @from: 0 for a fault, or an errno. */
static ssize_t write_in(struct snapshot_stream *stream, struct iov_iter *from)
{
	struct snapshot_load *load = &stream->load;
	struct snapshot_parser *parser = &load->parser;
	size_t len = min_t(u64, parser->room, iov_iter_count(from));
	u8 skipped[128];
	u64 pos;
	int err;

	switch (parser->want) {
	case SNAPSHOT_WANT_BYTES:
		return copy_from_iter(parser->into, len, from);
	case SNAPSHOT_WANT_SKIP:
		/* Copied, so that memory that is not there is found out. */
		return copy_from_iter(skipped, min(len, sizeof(skipped)), from);
	case SNAPSHOT_WANT_DATA:
		pos = parser->size - parser->room;
		if (pos == load->buf->size) {
			err = snapshot_buf_grow(load->buf, pos +
						min_t(u64, parser->room, GROW_STEP));
			if (err)
				return err;
		}
		len = min_t(u64, len, load->buf->size - pos);
		return snapshot_buf_write(load->buf, pos, len, from);
	case SNAPSHOT_WANT_LOAD:
		break;
	}
	return 0;
}

static void trace_loaded(struct snapshot_stream *stream, u32 tag, u64 size)
{
	trace_vfio_snapshot_record(snapshot_mig_name(stream->mig),
				   SNAPSHOT_RECORD_LOADED, tag, size);
}

static void record_loaded(struct snapshot_transfer *transfer, int err)
{
	struct snapshot_stream *stream = container_of(transfer, struct snapshot_stream,
						      load.transfer);
	struct snapshot_load *load = &stream->load;
	struct snapshot_buf *buf = load->loading;

	err = snapshot_stream_told(err);
	snapshot_buf_io_end(buf);
	load->loading = NULL;
	snapshot_stream_put_spare(stream, buf);
	if (!err) {
		trace_loaded(stream, VFIO_SNAPSHOT_TAG_DEVICE_DATA, transfer->io.size);
		return;
	}
	WRITE_ONCE(load->load_err, err);
	if (!snapshot_stream_is_dead(stream))
		snapshot_say_load_failed(stream->mig, err);
}

/* Gives the record in @buf to the firmware, which is idle. */
static int load_locked(struct snapshot_stream *stream, u64 size)
{
	struct snapshot_load *load = &stream->load;
	struct snapshot_transfer *transfer = &load->transfer;
	int err;

	/* The session may have ended by a reset since the caller looked. */
	if (snapshot_stream_is_dead(stream))
		return -ENODEV;
	if (load->load_err)
		return load->load_err;
	err = snapshot_buf_io(load->buf, size, &transfer->io);
	if (err)
		return err;
	transfer->mig = stream->mig;
	transfer->dir = VFIO_SNAPSHOT_LOAD;
	transfer->phase = VFIO_SNAPSHOT_FINAL;
	transfer->done = stream->nr_spares && size <= stream->mig->window ?
			 record_loaded : NULL;
	err = snapshot_fw_transfer(transfer);
	if (err == -EINPROGRESS) {
		load->loading = load->buf;
		load->buf = snapshot_stream_spare(stream);
		return 0;
	}
	snapshot_buf_io_end(load->buf);
	if (!err)
		trace_loaded(stream, VFIO_SNAPSHOT_TAG_DEVICE_DATA, size);
	return err;
}

/*
 * What one record took, the next will take: the other buffer is made as large,
 * and known to the firmware, before the blackout. Without memory, or when the
 * caller is killed, that is tried again when it is needed.
 */
static void keep_up(struct snapshot_stream *stream, u64 size)
{
	struct snapshot_buf *buf = stream->load.buf;

	if (buf->size >= size || snapshot_fw_lock_killable(stream->mig))
		return;
	snapshot_fw_unlock(stream->mig);
	if (snapshot_buf_grow(buf, size) || snapshot_fw_lock_killable(stream->mig))
		return;
	if (!snapshot_stream_is_dead(stream))
		snapshot_buf_map(buf);
	snapshot_fw_unlock(stream->mig);
}

static int load_record(struct snapshot_stream *stream)
{
	struct snapshot_parser *parser = &stream->load.parser;
	int err = snapshot_fw_lock_killable(stream->mig);

	if (err)
		return err;
	err = snapshot_stream_told(load_locked(stream, parser->size));
	snapshot_fw_unlock(stream->mig);
	if (err)
		return err;
	keep_up(stream, parser->size);
	snapshot_parser_loaded(parser);
	return 0;
}

/* @len bytes more went where the parser wanted them. */
static int feed(struct snapshot_stream *stream, size_t len)
{
	struct snapshot_load *load = &stream->load;
	u64 records = load->parser.tally.records;
	int err;

	load->taken += len;
	err = snapshot_parser_feed(&load->parser, len);
	if (!err && load->parser.want == SNAPSHOT_WANT_LOAD)
		return load_record(stream);
	if (!err && load->parser.tally.records != records)
		trace_loaded(stream, load->parser.tag, load->parser.size);
	return err;
}

static ssize_t write_all(struct snapshot_stream *stream, struct iov_iter *from)
{
	struct snapshot_load *load = &stream->load;
	ssize_t done = 0;

	for (;;) {
		ssize_t taken;

		if (snapshot_stream_is_dead(stream))
			return done ?: -ENODEV;
		/* What failed while nobody waited was told then. */
		if (!load->err)
			load->err = READ_ONCE(load->load_err);
		/* Of a broken stream it does not matter how much was taken. */
		if (load->err)
			return load->err;
		if (!iov_iter_count(from))
			return done;
		taken = write_in(stream, from);
		if (taken <= 0)
			return done ?: taken ?: -EFAULT;
		done += taken;
		load->err = feed(stream, taken);
		if (load->err && !READ_ONCE(load->load_err) &&
		    !snapshot_stream_is_dead(stream))
			snapshot_say_load_failed(stream->mig, load->err);
	}
}

/**
 * snapshot_load_write - write to a stream
 * @stream: a loading stream
 * @from: where from
 *
 * Return: bytes taken; -ENODEV when the session is over, or what broke the
 * stream, which may be what the firmware said of an earlier record: -EBUSY if
 * that was -EAGAIN.
 */
ssize_t snapshot_load_write(struct snapshot_stream *stream, struct iov_iter *from)
{
	ssize_t done = snapshot_stream_begin_io(stream);

	if (!done) {
		done = write_all(stream, from);
		snapshot_stream_end_io(stream, done);
	}
	return done;
}

/**
 * snapshot_load_finish - whether a whole state was loaded
 * @stream: a loading stream, with @mig->lock held
 *
 * Waits for a write that is under way, as that may be what completes the stream,
 * and for the firmware.
 *
 * Return: 0, or the errno that broke the stream, -ENODATA if it is not
 * complete, what the back-end's last check returned, -EINTR when the caller is
 * killed.
 */
int snapshot_load_finish(struct snapshot_stream *stream)
{
	struct snapshot_load *load = &stream->load;
	int err;

	lockdep_assert_held(&stream->mig->lock);
	if (mutex_lock_killable(&stream->io))
		return -EINTR;
	err = snapshot_fw_lock_killable(stream->mig);
	if (!err) {
		err = load->err ?: load->load_err ?: snapshot_parser_finish(&load->parser);
		if (!err)
			err = snapshot_fw_load_end(stream->mig);
		snapshot_fw_unlock(stream->mig);
	}
	mutex_unlock(&stream->io);
	return err;
}

/**
 * snapshot_load_drop - free what a stream without a session holds
 * @stream: a loading stream; nobody writes
 */
void snapshot_load_drop(struct snapshot_stream *stream)
{
	snapshot_buf_free(stream->load.buf);
	stream->load.buf = NULL;
}
