/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFIO_SNAPSHOT_STREAM_H
#define VFIO_SNAPSHOT_STREAM_H

#include <linux/vfio_snapshot.h>

struct file;
struct snapshot_mig;
struct snapshot_stream;
struct vfio_precopy_info;

struct snapshot_stream *snapshot_stream_open(struct snapshot_mig *mig,
					     enum vfio_snapshot_dir dir,
					     struct file **file);
int snapshot_stream_save(struct snapshot_stream *stream,
			 enum vfio_snapshot_phase phase);
void snapshot_stream_reserve(struct snapshot_stream *stream, u64 bytes);
int snapshot_stream_load_end(struct snapshot_stream *stream);
u64 snapshot_stream_pending(struct snapshot_stream *stream);
void snapshot_stream_precopy_info(struct snapshot_stream *stream,
				  struct vfio_precopy_info *info);
void snapshot_stream_kill(struct snapshot_stream *stream);
void snapshot_stream_close(struct snapshot_stream *stream);

#endif /* VFIO_SNAPSHOT_STREAM_H */
