// SPDX-License-Identifier: GPL-2.0-only
/*
 * The back-end contract in terms of the VIRTIO 1.4 group administration commands
 * for device parts, which virtio_pci sends through the physical function. Each
 * virtio_cmd_*() sends the one command that it is named after.
 *
 * The core calls the operations of a device one at a time, so what they remember
 * needs no lock. Only virtio_reset_done() may run beside them, and sets one bit.
 */
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/virtio_pci_admin.h>

#include "cmds.h"

/*
 * virtio_pci_admin_*() returns the device's status as a negative number,
 * unchecked, or an errno of its own. These statuses say that the device refused
 * the command and is as it was: VIRTIO 1.4, "Group administration commands" and
 * "Device parts".
 */
static const int virtio_refusals[] = {
	-EINVAL, -EAGAIN, -ENOMEM, -EBUSY, -ENXIO, -ENOSPC, -EOPNOTSUPP,
};

static bool virtio_cmd_refused(int err)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(virtio_refusals); i++)
		if (virtio_refusals[i] == err)
			return true;
	return false;
}

/* Return: an errno for userspace. */
static int virtio_cmd_check(struct vfio_snapshot_device *sdev, int err)
{
	if (!err)
		return 0;
	/* Later commands of an operation only make up for the first failure. */
	if (!sdev->status)
		sdev->status = -err;
	return err == -ENODEV || virtio_cmd_refused(err) ? err : -EIO;
}

static struct virtio_snapshot_device *to_virtio(struct vfio_snapshot_device *sdev)
{
	return container_of(sdev, struct virtio_snapshot_device, sdev);
}

static int virtio_cmd_dev_mode_set(struct vfio_snapshot_device *sdev, bool stopped)
{
	u8 mode = stopped ? BIT(VIRTIO_ADMIN_CMD_DEV_MODE_F_STOPPED) : 0;

	return virtio_cmd_check(sdev, virtio_pci_admin_mode_set(sdev->core.pdev, mode));
}

/*
 * A stopped device starts no DMA, so NDMA and STOP are one mode, and going from
 * one to the other costs no command.
 *
 * A device that refuses to change its mode may have changed it anyway, so the core
 * sets the old mode again. If the device accepts, it is there. If it refuses that
 * too, it treated both commands alike, and is there as well.
 */
static int virtio_quiesce(struct vfio_snapshot_device *sdev,
			  enum vfio_snapshot_level want, enum vfio_snapshot_level *now)
{
	struct virtio_snapshot_device *virtio = to_virtio(sdev);
	bool stop = want != VFIO_SNAPSHOT_RUN, stopped;
	int err = 0;

	if (test_and_clear_bit(VIRTIO_SNAPSHOT_WAS_RESET, &virtio->flags)) {
		virtio->level = VFIO_SNAPSHOT_RUN;
		virtio->sure = false;
		virtio->refused = false;
	}
	stopped = virtio->level != VFIO_SNAPSHOT_RUN;
	if (!virtio->sure || stop != stopped) {
		err = virtio_cmd_dev_mode_set(sdev, stop);
		if (stop == stopped && virtio->refused && virtio_cmd_refused(err))
			err = 0;
		virtio->refused = stop != stopped && virtio_cmd_refused(err);
		virtio->sure = !err;
	}
	if (!err)
		virtio->level = want;
	*now = err ? VFIO_SNAPSHOT_UNKNOWN : want;
	return err;
}

static void virtio_reset_done(struct vfio_snapshot_device *sdev)
{
	set_bit(VIRTIO_SNAPSHOT_WAS_RESET, &to_virtio(sdev)->flags);
}

static int virtio_cmd_resource_obj_create(struct vfio_snapshot_device *sdev,
					  enum vfio_snapshot_dir dir, u32 *object)
{
	u8 type = dir == VFIO_SNAPSHOT_SAVE ? VIRTIO_RESOURCE_OBJ_DEV_PARTS_TYPE_GET :
					      VIRTIO_RESOURCE_OBJ_DEV_PARTS_TYPE_SET;

	return virtio_cmd_check(sdev,
				virtio_pci_admin_obj_create(sdev->core.pdev,
							    VIRTIO_RESOURCE_OBJ_DEV_PARTS,
							    type, object));
}

static int virtio_cmd_resource_obj_destroy(struct vfio_snapshot_device *sdev, u32 object)
{
	return virtio_pci_admin_obj_destroy(sdev->core.pdev,
					    VIRTIO_RESOURCE_OBJ_DEV_PARTS, object);
}

/*
 * The functions of a device share few objects. An object that the device failed
 * to destroy is offered again before the next is created. -ENXIO: the device has
 * no object of that id.
 */
static void virtio_object_retry(struct virtio_snapshot_device *virtio)
{
	unsigned int object;
	int err;

	for_each_set_bit(object, virtio->unwanted, VIRTIO_SNAPSHOT_OBJECTS) {
		err = virtio_cmd_resource_obj_destroy(&virtio->sdev, object);
		if (err && err != -ENXIO)
			return;
		__clear_bit(object, virtio->unwanted);
	}
}

static int virtio_object_create(struct virtio_snapshot_device *virtio,
				enum vfio_snapshot_dir dir, u32 *object)
{
	virtio_object_retry(virtio);
	return virtio_cmd_resource_obj_create(&virtio->sdev, dir, object);
}

static void virtio_object_destroy(struct virtio_snapshot_device *virtio, u32 object)
{
	if (!WARN_ON_ONCE(object >= VIRTIO_SNAPSHOT_OBJECTS))
		__set_bit(object, virtio->unwanted);
	virtio_object_retry(virtio);
}

static int virtio_session_begin(struct vfio_snapshot_device *sdev,
				enum vfio_snapshot_dir dir)
{
	struct virtio_snapshot_device *virtio = to_virtio(sdev);
	int err;

	virtio->set_header = kzalloc_obj(*virtio->set_header, GFP_KERNEL_ACCOUNT);
	if (!virtio->set_header)
		return -ENOMEM;

	err = virtio_object_create(virtio, dir, &virtio->object);
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

	virtio_object_destroy(virtio, virtio->object);
	virtio->has_object = false;
	kfree(virtio->set_header);
	virtio->set_header = NULL;
}

static int virtio_cmd_metadata_get(struct vfio_snapshot_device *sdev, u32 object,
				   u32 *size)
{
	const u8 what = VIRTIO_ADMIN_CMD_DEV_PARTS_METADATA_TYPE_SIZE;
	int err;

	err = virtio_pci_admin_dev_parts_metadata_get(sdev->core.pdev,
						      VIRTIO_RESOURCE_OBJ_DEV_PARTS,
						      object, what, size);
	return virtio_cmd_check(sdev, err);
}

static int virtio_cmd_dev_parts_get(struct vfio_snapshot_device *sdev, u32 object,
				    struct scatterlist *sgl, u32 *size)
{
	const u8 what = VIRTIO_ADMIN_CMD_DEV_PARTS_GET_TYPE_ALL;
	int err;

	err = virtio_pci_admin_dev_parts_get(sdev->core.pdev,
					     VIRTIO_RESOURCE_OBJ_DEV_PARTS, object, what,
					     sgl, size);
	return virtio_cmd_check(sdev, err);
}

static int virtio_cmd_dev_parts_set(struct vfio_snapshot_device *sdev,
				    struct scatterlist *sgl)
{
	return virtio_cmd_check(sdev, virtio_pci_admin_dev_parts_set(sdev->core.pdev, sgl));
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
		err = virtio_object_create(virtio, VFIO_SNAPSHOT_SAVE, &object);
		if (err)
			return err;
	}
	err = virtio_cmd_metadata_get(sdev, object, &size);
	if (!borrow)
		virtio_object_destroy(virtio, object);
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

	err = virtio_cmd_dev_parts_get(sdev, virtio->object, io->sgl, &size);
	/* The device cuts off what does not fit, and calls that a success. */
	if (!err && size == io->size) {
		err = virtio_cmd_metadata_get(sdev, virtio->object, &all);
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
	return virtio_cmd_dev_parts_set(sdev, virtio->set_sgl);
}

const struct vfio_snapshot_ops virtio_snapshot_ops = {
	.name = "virtio",
	.caps = VFIO_SNAPSHOT_CAP_NDMA | VFIO_SNAPSHOT_CAP_NDMA_STOPS |
		VFIO_SNAPSHOT_CAP_PRECOPY,
	.max_image = SZ_1G,
	/* Of 1024 descriptors, the command itself takes a few. */
	.max_segs = 1020,
	.quiesce = virtio_quiesce,
	.session_begin = virtio_session_begin,
	.session_end = virtio_session_end,
	.estimate = virtio_estimate,
	.save = virtio_save,
	.load = virtio_load,
	.reset_done = virtio_reset_done,
};
