/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFIO_SNAPSHOT_BUFFER_H
#define VFIO_SNAPSHOT_BUFFER_H

#include <linux/list.h>
#include <linux/vfio_snapshot.h>

struct iov_iter;
struct pipe_inode_info;
struct snapshot_mig;

/**
 * struct snapshot_buf - memory of one image
 * @sdev: the device it is for
 * @dir: direction of the transfers it is used for
 * @max_segs: of the back-end, which may be gone before a buffer is that somebody
 *            is copying from or to
 * @folios: the memory, in order
 * @nr: entries of @folios in use
 * @gone: of them, those at the beginning that were given back
 * @gone_bytes: bytes of those
 * @room: entries that @folios has room for
 * @size: bytes of memory, those given back included
 * @at: entry of @folios that was copied from or to last
 * @start: offset of that entry in the buffer
 * @table: all of @folios, for the firmware
 * @trimmed: entry of @table that was cut by snapshot_buf_io()
 * @trimmed_len: its length before
 * @trimmed_last: it ended @table before
 * @mapped: in the device's list of buffers with a valid @key, or empty;
 *          protected by the device's fw_lock
 * @entry: in a list of buffers that are not in use
 * @key: from the back-end's buf_map(), for all of @table
 */
struct snapshot_buf {
	struct vfio_snapshot_device *sdev;
	enum vfio_snapshot_dir dir;
	unsigned int max_segs;
	struct folio **folios;
	unsigned int nr;
	unsigned int gone;
	size_t gone_bytes;
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

struct snapshot_buf *snapshot_buf_alloc(struct vfio_snapshot_device *sdev,
					enum vfio_snapshot_dir dir, size_t size);
int snapshot_buf_grow(struct snapshot_buf *buf, size_t size);
void snapshot_buf_free(struct snapshot_buf *buf);
int snapshot_buf_map(struct snapshot_buf *buf);
bool snapshot_buf_ready(struct snapshot_buf *buf, size_t size);
int snapshot_buf_io(struct snapshot_buf *buf, size_t size,
		    struct vfio_snapshot_io *io);
void snapshot_buf_io_end(struct snapshot_buf *buf);
void snapshot_buf_release(struct snapshot_buf *buf, size_t pos);
int snapshot_buf_reserve(struct snapshot_buf *buf, size_t size);
void snapshot_buf_unmap_all(struct snapshot_mig *mig);
size_t snapshot_buf_read(struct snapshot_buf *buf, size_t pos, size_t len,
			 struct iov_iter *to);
size_t snapshot_buf_write(struct snapshot_buf *buf, size_t pos, size_t len,
			  struct iov_iter *from);
ssize_t snapshot_buf_splice(struct snapshot_buf *buf, size_t pos, size_t len,
			    struct pipe_inode_info *pipe);

#endif /* VFIO_SNAPSHOT_BUFFER_H */
