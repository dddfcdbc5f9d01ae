/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the back-end for VIRTIO virtual functions share. */
#ifndef VIRTIO_SNAPSHOT_CMDS_H
#define VIRTIO_SNAPSHOT_CMDS_H

#include <linux/bitmap.h>
#include <linux/virtio_pci.h>
#include <linux/vfio_snapshot.h>

/* A device has at most so many objects: its capability's field has 8 bits. */
#define VIRTIO_SNAPSHOT_OBJECTS	256

/* Bits of @flags: reset_done() was called, and no operation has seen it yet. */
#define VIRTIO_SNAPSHOT_WAS_RESET	0

/**
 * struct virtio_snapshot_device - a VIRTIO virtual function
 * @sdev: of the core; first
 * @flags: VIRTIO_SNAPSHOT_WAS_RESET
 * @level: the last level that was certain; the device itself has two modes
 * @sure: the device is at @level; false after a reset and after a failed MODE_SET
 * @refused: the last command was a MODE_SET away from @level, and refused
 * @dir: of the session
 * @object: id of the session's device parts object
 * @has_object: there is a session
 * @unwanted: ids of objects that the device has yet to destroy
 * @set_header: the header of a DEV_PARTS_SET
 * @set_sgl: @set_header, chained to an image
 */
struct virtio_snapshot_device {
	struct vfio_snapshot_device sdev;
	unsigned long flags;
	enum vfio_snapshot_level level;
	bool sure;
	bool refused;
	enum vfio_snapshot_dir dir;
	u32 object;
	bool has_object;
	DECLARE_BITMAP(unwanted, VIRTIO_SNAPSHOT_OBJECTS);
	struct virtio_admin_cmd_resource_obj_cmd_hdr *set_header;
	struct scatterlist set_sgl[2];
};

extern const struct vfio_snapshot_ops virtio_snapshot_ops;

#endif /* VIRTIO_SNAPSHOT_CMDS_H */
