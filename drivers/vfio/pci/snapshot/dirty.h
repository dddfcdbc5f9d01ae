/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFIO_SNAPSHOT_DIRTY_H
#define VFIO_SNAPSHOT_DIRTY_H

struct snapshot_dirty;
struct vfio_snapshot_device;

/* All but snapshot_dirty_alloc() do nothing for a device without dirty tracking. */
int snapshot_dirty_alloc(struct vfio_snapshot_device *sdev);
void snapshot_dirty_free(struct snapshot_dirty *dirty);
void snapshot_dirty_close(struct snapshot_dirty *dirty);
void snapshot_dirty_reset_done(struct snapshot_dirty *dirty);
void snapshot_dirty_detached(struct snapshot_dirty *dirty);
void snapshot_dirty_attached(struct snapshot_dirty *dirty);

#endif /* VFIO_SNAPSHOT_DIRTY_H */
