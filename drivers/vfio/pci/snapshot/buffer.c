// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of images: few and large folios, because a firmware command takes a
 * bounded number of fragments (1,024 entries of an indirect descriptor table of
 * a virtqueue, 16 MiB if every one were a page).
 */
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pipe_fs_i.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "buffer.h"
#include "firmware.h"
#include "migration.h"

/* Better a migration that fails than a process killed to make room for it. */
#define GFP_META	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)
#define GFP_IMAGE	(GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

/*
 * What the firmware leaves unwritten of an image it says is whole goes to
 * userspace, so there is nothing of the kernel in it. Of a buffer to load from,
 * only what userspace wrote goes anywhere.
 */
static const gfp_t gfp_of[] = {
	[VFIO_SNAPSHOT_SAVE] = GFP_IMAGE | __GFP_ZERO,
	[VFIO_SNAPSHOT_LOAD] = GFP_IMAGE,
};

/* What an IOMMU maps as one: 64 MiB in pages take it 2 ms, in the blackout. */
#define PIECE	SZ_2M

/*
 * An image to be read is given back piece by piece, so there are some: what is
 * held for nothing is a piece or a 32nd part of it at most, where the back-end
 * takes as many: half of max_segs of them, as the end of the image takes more.
 */
static unsigned int largest_order(struct snapshot_buf *buf, size_t size)
{
	size_t most = SIZE_MAX;

	if (buf->dir == VFIO_SNAPSHOT_SAVE)
		most = max3((size_t)PIECE, size / 32, size / buf->max_segs * 4);
	return min_t(unsigned int, MAX_PAGE_ORDER, ilog2(most / PAGE_SIZE | 1));
}

/* @order: the largest to try; what could not be had will not be tried again. */
static struct folio *alloc_folio(struct snapshot_buf *buf, size_t bytes,
				 unsigned int *order)
{
	gfp_t gfp = gfp_of[buf->dir];
	struct folio *folio;

	*order = min_t(unsigned int, *order, ilog2(DIV_ROUND_UP(bytes, PAGE_SIZE)));
	for (; *order; --*order) {
		folio = folio_alloc(gfp | __GFP_NORETRY, *order);
		if (folio)
			return folio;
	}
	return folio_alloc(gfp | __GFP_RETRY_MAYFAIL, 0);
}

static int add_folio(struct snapshot_buf *buf, size_t bytes, unsigned int *order)
{
	struct folio *folio;

	if (buf->nr == buf->max_segs)
		return -ENOMEM;

	if (buf->nr == buf->room) {
		unsigned int room = max(2 * buf->room, 8U);
		struct folio **folios;

		folios = krealloc_array(buf->folios, room, sizeof(*folios),
					GFP_META);
		if (!folios)
			return -ENOMEM;
		buf->folios = folios;
		buf->room = room;
	}

	folio = alloc_folio(buf, bytes, order);
	if (!folio)
		return -ENOMEM;
	buf->folios[buf->nr++] = folio;
	buf->size += folio_size(folio);
	return 0;
}

static void drop_folio(struct snapshot_buf *buf)
{
	struct folio *folio = buf->folios[--buf->nr];

	if (buf->nr < buf->gone)
		return;
	buf->size -= folio_size(folio);
	folio_put(folio);
}

static void unmap(struct snapshot_buf *buf)
{
	list_del_init(&buf->mapped);
	snapshot_fw_buf_unmap(buf->sdev->mig, buf->key);
}

static void forget_table(struct snapshot_buf *buf)
{
	if (!list_empty_careful(&buf->mapped)) {
		snapshot_fw_lock(buf->sdev->mig);
		if (!list_empty(&buf->mapped))
			unmap(buf);
		snapshot_fw_unlock(buf->sdev->mig);
	}
	sg_free_table(&buf->table);
}

static int make_table(struct snapshot_buf *buf)
{
	struct scatterlist *sg;
	unsigned int i;
	int err;

	err = sg_alloc_table(&buf->table, buf->nr, GFP_META);
	if (err)
		return err;
	for_each_sgtable_sg(&buf->table, sg, i)
		sg_set_folio(sg, buf->folios[i], folio_size(buf->folios[i]), 0);
	return 0;
}

/**
 * snapshot_buf_grow - make a buffer larger
 * @buf: the buffer; what is in it stays
 * @size: bytes to have afterwards, at least
 *
 * Return: 0, or -ENOMEM, also when memory is too fragmented for the
 * back-end's max_segs; the buffer is as large as it was then, which leaves
 * the caller's cgroup some memory to go on with.
 */
int snapshot_buf_grow(struct snapshot_buf *buf, size_t size)
{
	unsigned int order = largest_order(buf, size);
	unsigned int nr = buf->nr;
	int err = 0;

	if (buf->size >= size)
		return 0;

	forget_table(buf);
	while (!err && buf->size < size)
		err = add_folio(buf, size - buf->size, &order);
	while (err && buf->nr > nr)
		drop_folio(buf);
	return err;
}

/**
 * snapshot_buf_alloc - allocate a buffer
 * @sdev: the device whose image it will hold; must outlive it
 * @dir: direction of the transfers it will be used for
 * @size: bytes, at least; 0 is allowed
 *
 * All that a transfer needs is allocated here, so that the transfer itself
 * allocates nothing.
 *
 * Return: the buffer, or -ENOMEM as an ERR_PTR().
 */
struct snapshot_buf *snapshot_buf_alloc(struct vfio_snapshot_device *sdev,
					enum vfio_snapshot_dir dir, size_t size)
{
	struct snapshot_buf *buf = kzalloc_obj(*buf, GFP_META);
	int err;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	buf->sdev = sdev;
	buf->dir = dir;
	buf->max_segs = sdev->mig->max_segs;
	INIT_LIST_HEAD(&buf->mapped);
	INIT_LIST_HEAD(&buf->entry);

	err = snapshot_buf_grow(buf, size);
	if (!err && buf->nr)
		err = make_table(buf);
	if (err) {
		snapshot_buf_free(buf);
		return ERR_PTR(err);
	}
	return buf;
}

/**
 * snapshot_buf_free - free a buffer
 * @buf: the buffer, may be NULL; no transfer may be under way
 *
 * Waits for the firmware where the back-end has to unmap it.
 */
void snapshot_buf_free(struct snapshot_buf *buf)
{
	if (!buf)
		return;
	forget_table(buf);
	while (buf->nr)
		drop_folio(buf);
	kfree(buf->folios);
	kfree(buf);
}

/**
 * snapshot_buf_map - make a buffer known to the firmware, where that is needed
 * @buf: the buffer, with a size
 *
 * Called with @fw_lock held. Costs nothing if that was done before.
 *
 * Return: 0, or an errno.
 */
int snapshot_buf_map(struct snapshot_buf *buf)
{
	struct vfio_snapshot_io io;
	int err;

	lockdep_assert_held(&buf->sdev->mig->fw_lock);
	if (!buf->table.sgl) {
		err = make_table(buf);
		if (err)
			return err;
	}
	if (!buf->sdev->ops->buf_map || !list_empty(&buf->mapped))
		return 0;

	io = (struct vfio_snapshot_io){
		.sgl = buf->table.sgl, .nents = buf->nr, .size = buf->size,
	};
	buf->key = snapshot_fw_buf_map(buf->sdev->mig, &io, buf->dir);
	if (IS_ERR(buf->key))
		return PTR_ERR(buf->key);
	list_add(&buf->mapped, &buf->sdev->mig->mapped);
	return 0;
}

/**
 * snapshot_buf_ready - whether a transfer can begin with no more ado
 * @buf: the buffer
 * @size: bytes that it is to have
 *
 * Called with @fw_lock held.
 *
 * Return: true if it has that size, is mapped, and is nobody else's.
 */
bool snapshot_buf_ready(struct snapshot_buf *buf, size_t size)
{
	unsigned int i;

	lockdep_assert_held(&buf->sdev->mig->fw_lock);
	if (buf->size < size || buf->gone || !buf->table.sgl ||
	    (buf->sdev->ops->buf_map && list_empty(&buf->mapped)))
		return false;
	for (i = 0; i < buf->nr; i++)
		if (folio_ref_count(buf->folios[i]) > 1)
			return false;
	return true;
}

/**
 * snapshot_buf_io - describe the beginning of a buffer to the firmware
 * @buf: the buffer
 * @size: bytes, from 1 to the size of the buffer
 * @io: to be filled; valid until snapshot_buf_io_end()
 *
 * Called with @fw_lock held.
 *
 * Return: 0, or an errno.
 */
int snapshot_buf_io(struct snapshot_buf *buf, size_t size,
		    struct vfio_snapshot_io *io)
{
	struct scatterlist *sg;
	size_t left = size;
	unsigned int i;
	int err;

	lockdep_assert_held(&buf->sdev->mig->fw_lock);
	if (WARN_ON_ONCE(buf->gone))
		return -EIO;
	err = snapshot_buf_map(buf);
	if (err)
		return err;
	*io = (struct vfio_snapshot_io){
		.sgl = buf->table.sgl, .key = buf->key,
	};

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
	io->nents = i + 1;
	io->size = size;
	return 0;
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

/**
 * snapshot_buf_unmap_all - take all buffers of a device back from the firmware
 * @mig: of the device, with @mig->fw_lock held; its session is over
 */
void snapshot_buf_unmap_all(struct snapshot_mig *mig)
{
	struct snapshot_buf *buf, *next;

	list_for_each_entry_safe(buf, next, &mig->mapped, mapped)
		unmap(buf);
}

/**
 * snapshot_buf_release - give back memory that has been read
 * @buf: the buffer; no transfer of it may follow
 * @pos: nothing below this will be read again
 *
 * Memory that the firmware has mapped stays until the buffer is freed.
 */
void snapshot_buf_release(struct snapshot_buf *buf, size_t pos)
{
	if (!list_empty_careful(&buf->mapped))
		return;
	while (buf->gone < buf->nr) {
		struct folio *folio = buf->folios[buf->gone];

		if (pos - buf->gone_bytes < folio_size(folio))
			break;
		buf->gone_bytes += folio_size(folio);
		buf->gone++;
		folio_put(folio);
	}
	if (buf->at < buf->gone) {
		buf->at = buf->gone;
		buf->start = buf->gone_bytes;
	}
}

/*
 * Gives up memory that a pipe still holds: the firmware would write to what is
 * on its way to somebody.
 */
static void drop_shared(struct snapshot_buf *buf)
{
	unsigned int i, kept = 0;

	for (i = 0; i < buf->nr; i++) {
		struct folio *folio = buf->folios[i];

		if (folio_ref_count(folio) == 1) {
			buf->folios[kept++] = folio;
		} else {
			buf->size -= folio_size(folio);
			folio_put(folio);
		}
	}
	if (kept < buf->nr)
		forget_table(buf);
	buf->nr = kept;
	buf->at = 0;
	buf->start = 0;
}

/**
 * snapshot_buf_reserve - make a buffer ready for an image
 * @buf: the buffer; what is in it is lost, nothing of it was released
 * @size: bytes to have afterwards, at least
 *
 * If that was done before, and the size is the same and nobody else holds any
 * of the memory, then nothing is allocated.
 *
 * Return: 0, or -ENOMEM as snapshot_buf_grow().
 */
int snapshot_buf_reserve(struct snapshot_buf *buf, size_t size)
{
	int err;

	drop_shared(buf);
	err = snapshot_buf_grow(buf, size);
	if (!err && !buf->table.sgl)
		err = make_table(buf);
	return err;
}

/* Folios differ in size: walk on from the last place, copies are sequential. */
static struct folio *seek(struct snapshot_buf *buf, size_t pos)
{
	if (pos < buf->start) {
		buf->at = 0;
		buf->start = 0;
	}
	while (pos - buf->start >= folio_size(buf->folios[buf->at]))
		buf->start += folio_size(buf->folios[buf->at++]);
	return buf->folios[buf->at];
}

/* The longest piece of at most @len bytes at @pos that is in one folio. */
static struct folio *piece(struct snapshot_buf *buf, size_t pos, size_t len,
			   size_t *offset, size_t *bytes)
{
	struct folio *folio = seek(buf, pos);

	*offset = pos - buf->start;
	*bytes = min(len, folio_size(folio) - *offset);
	return folio;
}

/**
 * snapshot_buf_read - copy out of a buffer
 * @buf: the buffer
 * @pos: offset to start at
 * @len: bytes; @pos + @len must not exceed the size of the buffer
 * @to: where to
 *
 * Return: bytes copied; fewer than @len only if @to faulted.
 */
size_t snapshot_buf_read(struct snapshot_buf *buf, size_t pos, size_t len,
			 struct iov_iter *to)
{
	size_t offset, bytes, copied, done = 0;

	while (done < len) {
		struct folio *folio = piece(buf, pos + done, len - done, &offset, &bytes);

		copied = copy_to_iter(folio_address(folio) + offset, bytes, to);
		done += copied;
		if (copied < bytes)
			break;
	}
	return done;
}

/**
 * snapshot_buf_write - copy into a buffer
 * @buf: the buffer
 * @pos: offset to start at
 * @len: bytes; @pos + @len must not exceed the size of the buffer
 * @from: where from
 *
 * Return: bytes copied; fewer than @len only if @from faulted.
 */
size_t snapshot_buf_write(struct snapshot_buf *buf, size_t pos, size_t len,
			  struct iov_iter *from)
{
	size_t offset, bytes, copied, done = 0;

	while (done < len) {
		struct folio *folio = piece(buf, pos + done, len - done, &offset, &bytes);

		copied = copy_from_iter(folio_address(folio) + offset, bytes, from);
		done += copied;
		if (copied < bytes)
			break;
	}
	return done;
}

/**
 * snapshot_buf_splice - hand memory of a buffer to a pipe, without a copy
 * @buf: the buffer
 * @pos: offset to start at
 * @len: bytes, not 0; @pos + @len must not exceed the size of the buffer
 * @pipe: where to, locked by the caller
 *
 * The pipe holds that memory on its own from then on.
 *
 * Return: bytes handed over, which is fewer than @len at the end of a piece of
 * memory; -EPIPE without a reader, -EAGAIN when the pipe is full.
 */
ssize_t snapshot_buf_splice(struct snapshot_buf *buf, size_t pos, size_t len,
			    struct pipe_inode_info *pipe)
{
	struct pipe_buffer slot = { .ops = &nosteal_pipe_buf_ops };
	struct folio *folio;
	size_t offset, bytes;

	folio = piece(buf, pos, len, &offset, &bytes);
	folio_get(folio);
	slot.page = folio_page(folio, offset / PAGE_SIZE);
	slot.offset = offset % PAGE_SIZE;
	slot.len = bytes;
	return add_to_pipe(pipe, &slot);
}
