// SPDX-License-Identifier: GPL-2.0-only
/*
 * The back-end contract in terms of VIRTIO 1.4 group administration commands
 * for device parts, which the driver of the physical function issues for us.
 */
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/virtio_pci_admin.h>

#include "cmds.h"

/*
 * What virtio_pci_admin_*() returns: the status of the device as a negative
 * number, unchecked, or an errno of its own. Refused: the device is as it was,
 * VIRTIO 1.4 "Group administration commands" and "Device parts".
 */
static const struct {
	int err;
	bool refused;
} answers[] = {
	{ -EINVAL, true },
	{ -EAGAIN, true },
	{ -ENOMEM, true },
	{ -EBUSY, true },
	{ -ENXIO, true },
	{ -ENOSPC, true },
	{ -EOPNOTSUPP, true },
	{ -ENODEV, false },
};

/* An errno that can be shown to userspace, and whether nothing happened. */
static int check_answer(struct vfio_snapshot_device *sdev, int err, bool *refused)
{
	unsigned int i;

	*refused = false;
	if (!err)
		return 0;
	/* What comes after the first failure tries to make good for it. */
	if (!sdev->status)
		sdev->status = -err;
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		if (answers[i].err == err) {
			*refused = answers[i].refused;
			return err;
		}
	}
	return -EIO;
}

static int answer(struct vfio_snapshot_device *sdev, int err)
{
	bool refused;

	return check_answer(sdev, err, &refused);
}

static struct virtio_snapshot_device *to_virtio(struct vfio_snapshot_device *sdev)
{
	return container_of(sdev, struct virtio_snapshot_device, sdev);
}

static int set_mode(struct vfio_snapshot_device *sdev, bool stopped, bool *refused)
{
	u8 mode = stopped ? BIT(VIRTIO_ADMIN_CMD_DEV_MODE_F_STOPPED) : 0;

	return check_answer(sdev, virtio_pci_admin_mode_set(sdev->core.pdev, mode),
			    refused);
}

/*
 * Is the device still in the mode it was in, after it refused another? It is
 * told to be; one that refuses that too has done neither, or both.
 */
static bool stayed(struct virtio_snapshot_device *virtio, bool stopped)
{
	bool refused;

	if (!set_mode(&virtio->sdev, stopped, &refused)) {
		virtio->sure = true;
		return true;
	}
	return refused;
}

/*
 * A stopped device initiates nothing at all, so NDMA and STOP are one mode, and
 * going from one to the other costs no command.
 */
static int virtio_quiesce(struct vfio_snapshot_device *sdev,
			  enum vfio_snapshot_level want, enum vfio_snapshot_level *now)
{
	struct virtio_snapshot_device *virtio = to_virtio(sdev);
	bool stopped = virtio->level != VFIO_SNAPSHOT_RUN;
	bool stop = want != VFIO_SNAPSHOT_RUN;
	bool refused;
	int err = 0;

	if (!virtio->sure || stop != stopped)
		err = set_mode(sdev, stop, &refused);
	if (!err) {
		virtio->sure = true;
		virtio->level = want;
	} else if (!refused || stop == stopped || !stayed(virtio, stopped)) {
		/* A refusal does not make certain what was not. */
		virtio->sure = false;
		*now = VFIO_SNAPSHOT_UNKNOWN;
		return err;
	}
	*now = virtio->level;
	return err;
}

/*
 * There are few objects for all functions of a device. One that the device did
 * not take back is offered again before the next is asked for; -ENXIO: it has
 * none of that id.
 */
static void give_back(struct virtio_snapshot_device *virtio)
{
	unsigned int object;

	for_each_set_bit(object, virtio->unwanted, VIRTIO_SNAPSHOT_OBJECTS) {
		int err = virtio_pci_admin_obj_destroy(virtio->sdev.core.pdev,
						       VIRTIO_RESOURCE_OBJ_DEV_PARTS,
						       object);

		if (err && err != -ENXIO)
			return;
		__clear_bit(object, virtio->unwanted);
	}
}

static int create_object(struct virtio_snapshot_device *virtio,
			 enum vfio_snapshot_dir dir, u32 *object)
{
	static const u8 types[] = {
		[VFIO_SNAPSHOT_SAVE] = VIRTIO_RESOURCE_OBJ_DEV_PARTS_TYPE_GET,
		[VFIO_SNAPSHOT_LOAD] = VIRTIO_RESOURCE_OBJ_DEV_PARTS_TYPE_SET,
	};

	give_back(virtio);
	return answer(&virtio->sdev,
		      virtio_pci_admin_obj_create(virtio->sdev.core.pdev,
						  VIRTIO_RESOURCE_OBJ_DEV_PARTS,
						  types[dir], object));
}

static void destroy_object(struct virtio_snapshot_device *virtio, u32 object)
{
	if (!WARN_ON_ONCE(object >= VIRTIO_SNAPSHOT_OBJECTS))
		__set_bit(object, virtio->unwanted);
	give_back(virtio);
}

static int virtio_session_begin(struct vfio_snapshot_device *sdev,
				enum vfio_snapshot_dir dir)
{
	struct virtio_snapshot_device *virtio = to_virtio(sdev);
	int err;

	virtio->set_header = kzalloc_obj(*virtio->set_header, GFP_KERNEL_ACCOUNT);
	if (!virtio->set_header)
		return -ENOMEM;

	err = create_object(virtio, dir, &virtio->object);
	if (err) {
		kfree(virtio->set_header);
		virtio->set_header = NULL;
		return err;
	}
	virtio->set_header->type = cpu_to_le16(VIRTIO_RESOURCE_OBJ_DEV_PARTS);
	virtio->set_header->id = cpu_to_le32(virtio->object);
	virtio->dir = dir;
	virtio->has_object = true;
	return 0;
}

static void virtio_session_end(struct vfio_snapshot_device *sdev,
			       enum vfio_snapshot_dir dir)
{
	struct virtio_snapshot_device *virtio = to_virtio(sdev);

	destroy_object(virtio, virtio->object);
	virtio->has_object = false;
	kfree(virtio->set_header);
	virtio->set_header = NULL;
}

static int get_size(struct vfio_snapshot_device *sdev, u32 object, u32 *size)
{
	const u8 what = VIRTIO_ADMIN_CMD_DEV_PARTS_METADATA_TYPE_SIZE;

	return answer(sdev,
		      virtio_pci_admin_dev_parts_metadata_get(sdev->core.pdev,
							      VIRTIO_RESOURCE_OBJ_DEV_PARTS,
							      object, what, size));
}

static int virtio_estimate(struct vfio_snapshot_device *sdev,
			   enum vfio_snapshot_extent extent,
			   struct vfio_snapshot_estimate *est)
{
	struct virtio_snapshot_device *virtio = to_virtio(sdev);
	bool borrow = virtio->has_object && virtio->dir == VFIO_SNAPSHOT_SAVE;
	u32 object = virtio->object;
	u32 size;
	int err;

	if (!borrow) {
		err = create_object(virtio, VFIO_SNAPSHOT_SAVE, &object);
		if (err)
			return err;
	}
	err = get_size(sdev, object, &size);
	if (!borrow)
		destroy_object(virtio, object);
	if (!err)
		est->bytes = size;
	return err;
}

static int virtio_save(struct vfio_snapshot_device *sdev,
		       enum vfio_snapshot_phase phase, struct vfio_snapshot_io *io)
{
	struct virtio_snapshot_device *virtio = to_virtio(sdev);
	u32 size = 0, all;
	int err;

	err = answer(sdev,
		     virtio_pci_admin_dev_parts_get(sdev->core.pdev,
						    VIRTIO_RESOURCE_OBJ_DEV_PARTS,
						    virtio->object,
						    VIRTIO_ADMIN_CMD_DEV_PARTS_GET_TYPE_ALL,
						    io->sgl, &size));
	/* A result that does not fit is cut off, and called a success. */
	if (!err && size == io->size) {
		err = get_size(sdev, virtio->object, &all);
		if (!err && all > size)
			err = -ENOSPC;
	}
	io->done = size;
	io->more = false;
	return err;
}

static int virtio_load(struct vfio_snapshot_device *sdev, struct vfio_snapshot_io *io)
{
	struct virtio_snapshot_device *virtio = to_virtio(sdev);

	sg_init_table(virtio->set_sgl, ARRAY_SIZE(virtio->set_sgl));
	sg_set_buf(&virtio->set_sgl[0], virtio->set_header,
		   sizeof(*virtio->set_header));
	sg_chain(virtio->set_sgl, ARRAY_SIZE(virtio->set_sgl), io->sgl);
	return answer(sdev, virtio_pci_admin_dev_parts_set(sdev->core.pdev,
							   virtio->set_sgl));
}

static void virtio_reset_done(struct vfio_snapshot_device *sdev)
{
	struct virtio_snapshot_device *virtio = to_virtio(sdev);

	virtio->level = VFIO_SNAPSHOT_RUN;
	virtio->sure = false;
}

/* VIRTIO 1.4, "Device parts" of "Group administration commands". */
const struct vfio_snapshot_ops virtio_snapshot_ops = {
	.name = "virtio",
	.caps = VFIO_SNAPSHOT_CAP_NDMA | VFIO_SNAPSHOT_CAP_NDMA_STOPS |
		VFIO_SNAPSHOT_CAP_PRECOPY,
	.max_image = SZ_1G,
	/* 1,024 descriptors, less the header, the status and set_header. */
	.max_segs = 1020,
	.quiesce = virtio_quiesce,
	.session_begin = virtio_session_begin,
	.session_end = virtio_session_end,
	.estimate = virtio_estimate,
	.save = virtio_save,
	.load = virtio_load,
	.reset_done = virtio_reset_done,
};
