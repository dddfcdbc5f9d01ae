/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 3: from the records that userspace writes to the device.
 */
#ifndef VFIO_SNAPSHOT_LOAD_H
#define VFIO_SNAPSHOT_LOAD_H

#include "buffer.h"
#include "firmware.h"
#include "format.h"

struct iov_iter;

/**
 * struct snapshot_load - the loading side of a stream
 * @pool: memory of the stream
 * @parser: takes the stream apart
 * @buf: data of the current record, or NULL
 * @taken: bytes that were written
 * @err: the stream is broken for this reason
 * @loading: buffer of an asynchronous load(); belongs to @transfer
 * @transfer: the load() under way
 * @load_err: an asynchronous load() failed; set with the firmware held
 * @said: the log has the reason
 *
 * stream->io protects all but @load_err and @said.
 */
struct snapshot_load {
	struct snapshot_pool *pool;
	struct snapshot_parser parser;
	struct snapshot_buf *buf;
	u64 taken;
	int err;
	struct snapshot_buf *loading;
	struct snapshot_transfer transfer;
	int load_err;
	bool said;
};

void snapshot_load_begin(struct snapshot_load *load, struct snapshot_pool *pool);
ssize_t snapshot_load_write(struct snapshot_load *load, struct iov_iter *from);
int snapshot_load_finish(struct snapshot_load *load);
void snapshot_load_drain(struct snapshot_load *load);

#endif /* VFIO_SNAPSHOT_LOAD_H */
