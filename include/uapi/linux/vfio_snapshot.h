/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The migration stream of vfio-snapshot drivers, and the arc query.
 */
#ifndef _UAPI_LINUX_VFIO_SNAPSHOT_H
#define _UAPI_LINUX_VFIO_SNAPSHOT_H

#include <linux/types.h>

/**
 * struct vfio_snapshot_record - header in front of every record of a stream
 * @size: bytes of payload that follow this header; never 0
 * @flags: VFIO_SNAPSHOT_RECORD_F_*; all other bits are 0
 * @tag: VFIO_SNAPSHOT_TAG_*
 *
 * All fields are little-endian. A stream is a sequence of records without
 * padding. A receiver skips a record that it does not know if the record is
 * marked optional, and refuses the stream if it is not.
 *
 * A stream of this driver is: one IDENT record, of some devices one
 * STOP_COPY_SIZE record, one or more DEVICE_DATA records, one END record. A
 * stream of DEVICE_DATA records alone, which is what the virtio_vfio_pci driver
 * writes, is accepted as well, with a STOP_COPY_SIZE record among them.
 */
struct vfio_snapshot_record {
	__le64 size;
	__le32 flags;
	__le32 tag;
};

/* The record may be skipped by a receiver that does not know its tag. */
#define VFIO_SNAPSHOT_RECORD_F_OPTIONAL	0x00000001U

/* State made by the firmware of the device, opaque to the driver; mandatory. */
#define VFIO_SNAPSHOT_TAG_DEVICE_DATA	0x00000000U
/* struct vfio_snapshot_stop_copy_size; optional. */
#define VFIO_SNAPSHOT_TAG_STOP_COPY_SIZE	0x00000001U
/* struct vfio_snapshot_ident, the first record of a stream; optional. */
#define VFIO_SNAPSHOT_TAG_IDENT		0x44494e53U
/* struct vfio_snapshot_end, the last record of a stream; optional. */
#define VFIO_SNAPSHOT_TAG_END		0x444e4553U

#define VFIO_SNAPSHOT_IDENT_VERSION	1
#define VFIO_SNAPSHOT_BACKEND_LEN	24

/**
 * struct vfio_snapshot_ident - which device a stream was taken from
 * @version: VFIO_SNAPSHOT_IDENT_VERSION
 * @reserved: 0
 * @vendor: PCI vendor id of the device
 * @device: PCI device id of the device
 * @backend: name of the back-end, padded with 0, the last byte always 0
 *
 * All fields are little-endian. A receiver whose device or back-end differs
 * refuses the stream when this record arrives, that is before the source stops.
 */
struct vfio_snapshot_ident {
	__le16 version;
	__le16 reserved;
	__le16 vendor;
	__le16 device;
	__u8 backend[VFIO_SNAPSHOT_BACKEND_LEN];
};

/**
 * struct vfio_snapshot_stop_copy_size - what the final image will need
 * @bytes: of one record of it, at most, as far as that is known
 *
 * Little-endian. In front of the first image of devices that save in increments,
 * so that a receiver can have its memory ready; the mlx5_vfio_pci driver writes
 * and reads it as well. It may be wrong: nothing but time depends on it.
 */
struct vfio_snapshot_stop_copy_size {
	__le64 bytes;
};

/**
 * struct vfio_snapshot_end - proof that the stream is whole
 * @records: records in front of this one
 * @length: bytes in front of the header of this record
 *
 * All fields are little-endian.
 */
struct vfio_snapshot_end {
	__le64 records;
	__le64 length;
};

/**
 * struct vfio_device_feature_mig_arc - ask what a state change would do
 * @from: in: a state, enum vfio_device_mig_state
 * @to: in: a state, enum vfio_device_mig_state
 * @next: out: the first state on the way from @from to @to; @to itself when
 *        @from equals @to, VFIO_DEVICE_STATE_ERROR when there is no way
 * @flags: out: VFIO_MIG_ARC_*
 *
 * VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_ARC answers for the device
 * it is called on, in any state, and changes nothing. Following @next until it
 * equals @to lists every state that setting @to would pass through.
 *
 * Return: 0, -EINVAL when @from or @to is not a state, -EFAULT, or -ENOTTY when
 * the device does not support migration.
 */
struct vfio_device_feature_mig_arc {
	__u32 from;
	__u32 to;
	__u32 next;
	__u32 flags;
#define VFIO_MIG_ARC_SUPPORTED	0x00000001U /* @to can be reached from @from */
#define VFIO_MIG_ARC_DIRECT	0x00000002U /* one arc, no state in between */
#define VFIO_MIG_ARC_DATA_FD	0x00000004U /* setting @to returns a data_fd */
};

/* At the far end of the 16-bit feature space, away from upstream's numbers. */
#define VFIO_DEVICE_FEATURE_MIG_ARC	0xfa01

#endif /* _UAPI_LINUX_VFIO_SNAPSHOT_H */
