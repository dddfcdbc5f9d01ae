// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layer 2: memory of images.
 *
 * A buffer consists of few large folios, because a firmware command takes a
 * bounded number of fragments (1,024 descriptors of an indirect virtqueue table
 * are only 4 MiB in single pages). Where the back-end has buf_map(), the firmware
 * keeps a buffer mapped from one transfer to the next; a mapped buffer is neither
 * resized nor freed. A stream keeps its buffers in a pool, so that an image of a
 * size that came before needs no memory and no command.
 *
 * Locks: the firmware's for the list of mapped buffers and all that is sent, then
 * pool->lock for the spare ones. Whoever took a buffer from the pool owns it.
 */
#include <kunit/visibility.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "buffer.h"
#include "firmware.h"

/* Prefer a migration that fails to a process that the OOM killer ends. */
#define GFP_META	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)
#define GFP_IMAGE	(GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

/*
 * A saved image goes to userspace, including bytes that the firmware may have
 * left unwritten: they must not show kernel memory. A load buffer only holds
 * what userspace wrote.
 */
static const gfp_t buf_gfp[] = {
	[VFIO_SNAPSHOT_SAVE] = GFP_IMAGE | __GFP_ZERO,
	[VFIO_SNAPSHOT_LOAD] = GFP_IMAGE,
};

/* @order: the largest to try; lowered for good when an allocation fails. */
static struct folio *buf_alloc_folio(struct snapshot_buf *buf, size_t bytes,
				     unsigned int *order)
{
	gfp_t gfp = buf_gfp[buf->pool->dir];
	struct folio *folio;

	*order = min_t(unsigned int, *order, ilog2(DIV_ROUND_UP(bytes, PAGE_SIZE)));
	for (; *order; --*order) {
		folio = folio_alloc(gfp | __GFP_NORETRY, *order);
		if (folio)
			return folio;
	}
	return folio_alloc(gfp | __GFP_RETRY_MAYFAIL, 0);
}

static int buf_add_folio(struct snapshot_buf *buf, size_t bytes, unsigned int *order)
{
	struct folio *folio;

	if (buf->nr == buf->pool->fw->ops.max_segs)
		return -ENOMEM;

	if (buf->nr == buf->room) {
		unsigned int room = max(2 * buf->room, 8U);
		struct folio **folios;

		folios = krealloc_array(buf->folios, room, sizeof(*folios), GFP_META);
		if (!folios)
			return -ENOMEM;
		buf->folios = folios;
		buf->room = room;
	}

	folio = buf_alloc_folio(buf, bytes, order);
	if (!folio)
		return -ENOMEM;
	buf->folios[buf->nr++] = folio;
	buf->size += folio_size(folio);
	return 0;
}

static void buf_drop_folio(struct snapshot_buf *buf)
{
	struct folio *folio = buf->folios[--buf->nr];

	buf->size -= folio_size(folio);
	folio_put(folio);
}

/* The firmware lets go of the memory first, then the buffer leaves the list. */
static void buf_unmap(struct snapshot_buf *buf)
{
	snapshot_fw_assert_held(buf->pool->fw);
	snapshot_fw_buf_unmap(buf->pool->fw, buf->key);
	/* Pairs with list_empty_careful(). */
	list_del_init_careful(&buf->mapped);
}

static bool buf_is_mapped(struct snapshot_buf *buf)
{
	return !list_empty_careful(&buf->mapped);
}

/* Takes a buffer back from the firmware, which may take a while. */
static int buf_forget_table(struct snapshot_buf *buf)
{
	struct snapshot_fw *fw = buf->pool->fw;
	int err;

	if (buf_is_mapped(buf)) {
		err = snapshot_fw_lock(fw);
		if (err)
			return err;
		if (buf_is_mapped(buf))
			buf_unmap(buf);
		snapshot_fw_unlock(fw);
	}
	sg_free_table(&buf->table);
	return 0;
}

static int buf_make_table(struct snapshot_buf *buf)
{
	struct scatterlist *sg;
	unsigned int i;
	int err;

	if (buf->table.sgl)
		return 0;
	err = sg_alloc_table(&buf->table, buf->nr, GFP_META);
	if (err)
		return err;
	for_each_sgtable_sg(&buf->table, sg, i)
		sg_set_folio(sg, buf->folios[i], folio_size(buf->folios[i]), 0);
	return 0;
}

static int buf_map(struct snapshot_buf *buf)
{
	struct vfio_snapshot_io io = {
		.sgl = buf->table.sgl, .nents = buf->nr, .size = buf->size,
	};
	struct snapshot_pool *pool = buf->pool;

	buf->key = snapshot_fw_buf_map(pool->fw, &io, pool->dir);
	if (IS_ERR(buf->key))
		return PTR_ERR(buf->key);
	list_add(&buf->mapped, &pool->mapped);
	return 0;
}

/**
 * snapshot_buf_alloc - make an empty buffer
 * @pool: of the stream; outlives the buffer
 *
 * Return: the buffer, at the start of a zeroed structure of pool->object bytes,
 * or an ERR_PTR(-ENOMEM).
 */
struct snapshot_buf *snapshot_buf_alloc(struct snapshot_pool *pool)
{
	struct snapshot_buf *buf = kzalloc(pool->object, GFP_META);

	if (!buf)
		return ERR_PTR(-ENOMEM);
	buf->pool = pool;
	INIT_LIST_HEAD(&buf->mapped);
	INIT_LIST_HEAD(&buf->entry);
	return buf;
}

/**
 * snapshot_buf_free - free a buffer
 * @buf: the buffer, not mapped, or NULL
 */
void snapshot_buf_free(struct snapshot_buf *buf)
{
	if (!buf)
		return;
	WARN_ON_ONCE(buf_is_mapped(buf));
	sg_free_table(&buf->table);
	while (buf->nr)
		buf_drop_folio(buf);
	kfree(buf->folios);
	kfree(buf);
}

/**
 * snapshot_buf_grow - make a buffer larger
 * @buf: the buffer; its content stays
 * @size: bytes to have afterwards, at least
 *
 * Return: 0; -ENOMEM, also when memory is too fragmented for the back-end's
 * max_segs: the buffer keeps its size, which leaves the caller's cgroup some
 * memory to go on with; -EINTR or -ENODEV as snapshot_fw_lock() when the buffer
 * is mapped.
 */
int snapshot_buf_grow(struct snapshot_buf *buf, size_t size)
{
	unsigned int order = MAX_PAGE_ORDER;
	unsigned int nr = buf->nr;
	int err;

	if (buf->size >= size)
		return 0;

	err = buf_forget_table(buf);
	if (err)
		return err;
	while (!err && buf->size < size)
		err = buf_add_folio(buf, size - buf->size, &order);
	while (err && buf->nr > nr)
		buf_drop_folio(buf);
	return err;
}

/**
 * snapshot_buf_prepare - make a buffer fit for a transfer
 * @buf: the buffer; its content stays
 * @size: bytes to have afterwards, at least
 *
 * The only way to a buffer that is large enough, has a table and is mapped. Costs
 * nothing where that was done before; waits for the firmware otherwise.
 *
 * Return: 0; as snapshot_buf_grow(); an errno of the back-end; -ENODEV when the
 * session is over.
 */
int snapshot_buf_prepare(struct snapshot_buf *buf, size_t size)
{
	struct snapshot_pool *pool = buf->pool;
	int err;

	err = snapshot_buf_grow(buf, size);
	if (!err)
		err = buf_make_table(buf);
	if (err || buf_is_mapped(buf) || !pool->fw->ops.buf_map)
		return err;
	err = snapshot_fw_lock(pool->fw);
	if (err)
		return err;
	err = snapshot_pool_is_dead(pool) ? -ENODEV : buf_map(buf);
	snapshot_fw_unlock(pool->fw);
	return err;
}

/**
 * snapshot_buf_io - describe the beginning of a buffer to the firmware
 * @buf: a buffer after snapshot_buf_prepare(), of a session that is not over
 * @size: bytes, from 1 to the size of the buffer
 * @io: filled; valid until snapshot_buf_io_end()
 *
 * Called with the firmware held. Cuts the buffer's table to @size.
 */
void snapshot_buf_io(struct snapshot_buf *buf, size_t size, struct vfio_snapshot_io *io)
{
	struct scatterlist *sg;
	size_t left = size;
	unsigned int i;

	snapshot_fw_assert_held(buf->pool->fw);
	for_each_sgtable_sg(&buf->table, sg, i) {
		if (left <= sg->length)
			break;
		left -= sg->length;
	}
	buf->trimmed = sg;
	buf->trimmed_len = sg->length;
	buf->trimmed_last = sg_is_last(sg);
	sg->length = left;
	sg_mark_end(sg);
	*io = (struct vfio_snapshot_io){
		.sgl = buf->table.sgl, .nents = i + 1, .key = buf->key, .size = size,
	};
}

/**
 * snapshot_buf_io_end - the transfer that snapshot_buf_io() described is over
 * @buf: the buffer
 */
void snapshot_buf_io_end(struct snapshot_buf *buf)
{
	buf->trimmed->length = buf->trimmed_len;
	if (!buf->trimmed_last)
		sg_unmark_end(buf->trimmed);
}

/* Folios differ in size: walk on from the last place, copies are sequential. */
static struct folio *buf_seek(struct snapshot_buf *buf, size_t pos)
{
	if (pos < buf->start) {
		buf->at = 0;
		buf->start = 0;
	}
	while (pos - buf->start >= folio_size(buf->folios[buf->at]))
		buf->start += folio_size(buf->folios[buf->at++]);
	return buf->folios[buf->at];
}

/**
 * snapshot_buf_copy - copy out of a buffer of a saving stream, or into one of a
 * loading stream
 * @buf: the buffer
 * @pos: offset to start at
 * @len: bytes; @pos + @len must not exceed the size of the buffer
 * @iter: userspace's memory
 *
 * Return: bytes copied; fewer than @len only if @iter faulted.
 */
size_t snapshot_buf_copy(struct snapshot_buf *buf, size_t pos, size_t len,
			 struct iov_iter *iter)
{
	bool saving = buf->pool->dir == VFIO_SNAPSHOT_SAVE;
	size_t done = 0;

	while (done < len) {
		struct folio *folio = buf_seek(buf, pos + done);
		size_t offset = pos + done - buf->start;
		size_t bytes = min(len - done, folio_size(folio) - offset);
		void *at = folio_address(folio) + offset;
		size_t copied = saving ? copy_to_iter(at, bytes, iter) :
					 copy_from_iter(at, bytes, iter);

		done += copied;
		if (copied < bytes)
			break;
	}
	return done;
}

/**
 * snapshot_pool_init - set up the memory of a stream
 * @pool: all 0
 * @fw: of the device
 * @dir: saving or loading
 * @object: bytes of the structure that begins with a struct snapshot_buf
 */
void snapshot_pool_init(struct snapshot_pool *pool, struct snapshot_fw *fw,
			enum vfio_snapshot_dir dir, size_t object)
{
	pool->fw = fw;
	pool->dir = dir;
	pool->object = object;
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->mapped);
	INIT_LIST_HEAD(&pool->spares);
}

static bool buf_is_ready(struct snapshot_buf *buf, size_t size)
{
	return buf->size >= size && buf->table.sgl &&
	       (!buf->pool->fw->ops.buf_map || buf_is_mapped(buf));
}

/**
 * snapshot_pool_get_ready - take a buffer that needs no memory and no command
 * @pool: of the stream
 * @size: bytes that it must be ready for, or 0: any buffer that is not in use
 *
 * Return: the buffer, or NULL.
 */
struct snapshot_buf *snapshot_pool_get_ready(struct snapshot_pool *pool, size_t size)
{
	struct snapshot_buf *buf;

	guard(spinlock)(&pool->lock);
	list_for_each_entry(buf, &pool->spares, entry) {
		if (size && !buf_is_ready(buf, size))
			continue;
		list_del_init(&buf->entry);
		pool->nr_spares--;
		return buf;
	}
	return NULL;
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_pool_get_ready);

/**
 * snapshot_pool_get - take a buffer: one that is not in use, or a new one
 * @pool: of the stream
 * @size: bytes that it is made ready for, or 0: any buffer will do
 *
 * Return: the buffer, or an ERR_PTR() as snapshot_buf_prepare().
 */
struct snapshot_buf *snapshot_pool_get(struct snapshot_pool *pool, size_t size)
{
	struct snapshot_buf *buf = snapshot_pool_get_ready(pool, 0) ?:
				   snapshot_buf_alloc(pool);
	int err;

	if (IS_ERR(buf) || !size)
		return buf;
	err = snapshot_buf_prepare(buf, size);
	if (!err)
		return buf;
	snapshot_pool_put(buf);
	return ERR_PTR(err);
}

/**
 * snapshot_pool_put - give a buffer back
 * @buf: the buffer
 *
 * The pool keeps what the next image needs. It also keeps a mapped buffer, as
 * unmapping would make the caller wait for the firmware.
 */
void snapshot_pool_put(struct snapshot_buf *buf)
{
	struct snapshot_pool *pool = buf->pool;

	scoped_guard(spinlock, &pool->lock) {
		if (buf_is_mapped(buf) ||
		    pool->nr_spares < (pool->fw->ops.window ? SNAPSHOT_WINDOWS : 1)) {
			list_add_tail(&buf->entry, &pool->spares);
			pool->nr_spares++;
			return;
		}
	}
	snapshot_buf_free(buf);
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_pool_put);

/**
 * snapshot_pool_reserve - have buffers ready before the blackout
 * @pool: of the stream
 * @size: bytes of each
 * @count: how many, at most SNAPSHOT_WINDOWS
 *
 * Return: 0, or as snapshot_buf_prepare(); the pool keeps buffers that were made as
 * snapshot_pool_put() does.
 */
int snapshot_pool_reserve(struct snapshot_pool *pool, size_t size, unsigned int count)
{
	struct snapshot_buf *bufs[SNAPSHOT_WINDOWS];
	unsigned int n = 0;
	int err = 0;

	while (!err && n < count) {
		bufs[n] = snapshot_pool_get(pool, size);
		err = PTR_ERR_OR_ZERO(bufs[n]);
		n += !err;
	}
	while (n--)
		snapshot_pool_put(bufs[n]);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(snapshot_pool_reserve);

/**
 * snapshot_pool_unmap - take all buffers of a stream back from the firmware
 * @pool: of a dead stream, with the firmware held
 */
void snapshot_pool_unmap(struct snapshot_pool *pool)
{
	struct snapshot_buf *buf, *next;

	list_for_each_entry_safe(buf, next, &pool->mapped, mapped)
		buf_unmap(buf);
}

/**
 * snapshot_pool_drain - free the buffers that are not in use
 * @pool: of a stream after snapshot_pool_unmap()
 */
void snapshot_pool_drain(struct snapshot_pool *pool)
{
	struct snapshot_buf *buf;

	while ((buf = snapshot_pool_get_ready(pool, 0)))
		snapshot_buf_free(buf);
}
