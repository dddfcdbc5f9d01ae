/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTIO_SNAPSHOT_CMDS_H
#define VIRTIO_SNAPSHOT_CMDS_H

#include <linux/bitmap.h>
#include <linux/virtio_pci.h>
#include <linux/vfio_snapshot.h>

/* Most objects that a device has, by the width of its capability's field */
#define VIRTIO_SNAPSHOT_OBJECTS	256

/**
 * struct virtio_snapshot_device - a VIRTIO virtual function
 * @sdev: of the core; first
 * @level: last level granted; the device itself knows two modes only
 * @sure: no reset came since, so the device is at @level for certain
 * @dir: of the session
 * @object: id of the session's device parts object
 * @has_object: there is a session
 * @unwanted: ids of objects that the device has yet to take back
 * @set_header: what goes in front of the parts in a DEV_PARTS_SET
 * @set_sgl: @set_header, chained to an image
 */
struct virtio_snapshot_device {
	struct vfio_snapshot_device sdev;
	enum vfio_snapshot_level level;
	bool sure;
	enum vfio_snapshot_dir dir;
	u32 object;
	bool has_object;
	DECLARE_BITMAP(unwanted, VIRTIO_SNAPSHOT_OBJECTS);
	struct virtio_admin_cmd_resource_obj_cmd_hdr *set_header;
	struct scatterlist set_sgl[2];
};

extern const struct vfio_snapshot_ops virtio_snapshot_ops;

#endif /* VIRTIO_SNAPSHOT_CMDS_H */
