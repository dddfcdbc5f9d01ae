/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 2: memory of images, and the pool of buffers that a stream reuses.
 */
#ifndef VFIO_SNAPSHOT_BUFFER_H
#define VFIO_SNAPSHOT_BUFFER_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/vfio_snapshot.h>

struct iov_iter;
struct snapshot_fw;

/* Buffers for a large state: one is copied while the firmware uses the other. */
#define SNAPSHOT_WINDOWS	2

/**
 * struct snapshot_pool - the memory of a stream
 * @fw: of the device
 * @dir: saving or loading
 * @object: bytes of the structure that each struct snapshot_buf begins
 * @dead: the session is over; set without a lock. Whoever holds the firmware and
 *        sees it clear may start a transfer
 * @mapped: buffers that the firmware knows; protected by the firmware's lock
 * @lock: taken last; protects @spares, @nr_spares, and what the layer above keeps
 * @spares: buffers that are not in use
 * @nr_spares: how many
 */
struct snapshot_pool {
	struct snapshot_fw *fw;
	enum vfio_snapshot_dir dir;
	size_t object;
	bool dead;
	struct list_head mapped;
	spinlock_t lock;	/* see above */
	struct list_head spares;
	unsigned int nr_spares;
};

/**
 * struct snapshot_buf - memory of one image
 * @pool: of the stream
 * @folios: the memory, in order
 * @nr: entries of @folios in use
 * @room: entries that @folios has room for
 * @size: bytes of memory
 * @at: entry of @folios that was copied from or to last
 * @start: offset of that entry in the buffer
 * @table: all of @folios, for the firmware
 * @trimmed: entry of @table that was cut by snapshot_buf_io()
 * @trimmed_len: its length before
 * @trimmed_last: it ended @table before
 * @mapped: in the pool's list of buffers with a valid @key, or empty. Removed
 *          after the firmware let go of @table: an empty entry may be freed.
 * @entry: in a list of buffers
 * @key: from the back-end's buf_map(), for all of @table
 */
struct snapshot_buf {
	struct snapshot_pool *pool;
	struct folio **folios;
	unsigned int nr;
	unsigned int room;
	size_t size;
	unsigned int at;
	size_t start;
	struct sg_table table;
	struct scatterlist *trimmed;
	unsigned int trimmed_len;
	bool trimmed_last;
	struct list_head mapped;
	struct list_head entry;
	void *key;
};

static inline bool snapshot_pool_is_dead(const struct snapshot_pool *pool)
{
	return READ_ONCE(pool->dead);
}

void snapshot_pool_init(struct snapshot_pool *pool, struct snapshot_fw *fw,
			enum vfio_snapshot_dir dir, size_t object);
struct snapshot_buf *snapshot_pool_get(struct snapshot_pool *pool, size_t size);
struct snapshot_buf *snapshot_pool_get_ready(struct snapshot_pool *pool, size_t size);
void snapshot_pool_put(struct snapshot_buf *buf);
int snapshot_pool_reserve(struct snapshot_pool *pool, size_t size, unsigned int count);
void snapshot_pool_unmap(struct snapshot_pool *pool);
void snapshot_pool_drain(struct snapshot_pool *pool);

struct snapshot_buf *snapshot_buf_alloc(struct snapshot_pool *pool);
void snapshot_buf_free(struct snapshot_buf *buf);
int snapshot_buf_grow(struct snapshot_buf *buf, size_t size);
int snapshot_buf_prepare(struct snapshot_buf *buf, size_t size);
void snapshot_buf_io(struct snapshot_buf *buf, size_t size, struct vfio_snapshot_io *io);
void snapshot_buf_io_end(struct snapshot_buf *buf);
size_t snapshot_buf_copy(struct snapshot_buf *buf, size_t pos, size_t len,
			 struct iov_iter *iter);

#endif /* VFIO_SNAPSHOT_BUFFER_H */
