// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO's and PCI's door to the core: open, close, reset, features, registration.
 * A device without @ops is what vfio-pci makes of it. Holds no lock of its own;
 * resets may come with vfio-pci-core's memory_lock held.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/vfio_snapshot.h>
#include <uapi/linux/vfio_snapshot.h>

#include "compat.h"
#include "dirty.h"
#include "migration.h"

static struct vfio_snapshot_device *to_sdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_snapshot_device, core.vdev);
}

static int device_init(struct vfio_device *vdev)
{
	struct vfio_snapshot_device *sdev = to_sdev(vdev);
	int err;

	sdev->mig = snapshot_mig_alloc(sdev);
	if (!sdev->mig)
		return -ENOMEM;
	err = vfio_pci_core_init_dev(vdev);
	if (err)
		snapshot_mig_free(sdev->mig);
	return err;
}

static void device_release(struct vfio_device *vdev)
{
	snapshot_mig_free(to_sdev(vdev)->mig);
	snapshot_dirty_free(to_sdev(vdev)->log);
	vfio_pci_core_release_dev(vdev);
}

static int device_open(struct vfio_device *vdev)
{
	struct vfio_snapshot_device *sdev = to_sdev(vdev);
	int err = 0;

	/* A load() of the last owner must not reach the device of the next one. */
	if (sdev->ops)
		err = snapshot_mig_prepare_open(sdev->mig);
	if (!err)
		err = vfio_pci_core_enable(&sdev->core);
	if (err)
		return err;
	if (sdev->ops)
		snapshot_mig_open(sdev->mig);
	vfio_pci_core_finish_enable(&sdev->core);
	return 0;
}

static void device_close(struct vfio_device *vdev)
{
	struct vfio_snapshot_device *sdev = to_sdev(vdev);

	if (sdev->ops)
		snapshot_mig_stop(sdev->mig);
	snapshot_dirty_close(sdev->log);
	vfio_pci_core_close_device(vdev);
	if (sdev->ops)
		snapshot_mig_close(sdev->mig);
}

static long device_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	struct vfio_snapshot_device *sdev = to_sdev(vdev);
	long ret = vfio_pci_core_ioctl(vdev, cmd, arg);

	if (cmd == VFIO_DEVICE_RESET && !ret && sdev->ops)
		snapshot_mig_wait_reset(sdev->mig);
	return ret;
}

static int device_mig_arc(struct vfio_snapshot_device *sdev, u32 flags,
			  void __user *arg, size_t argsz)
{
	struct vfio_device_feature_mig_arc query;
	int ret;

	if (!sdev->ops)
		return -ENOTTY;
	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET, sizeof(query));
	if (ret != 1)
		return ret;
	if (copy_from_user(&query, arg, sizeof(query)))
		return -EFAULT;
	ret = snapshot_arc_query(sdev->mig->features, &query);
	if (ret)
		return ret;
	return copy_to_user(arg, &query, sizeof(query)) ? -EFAULT : 0;
}

static int device_feature(struct vfio_device *vdev, u32 flags,
			  void __user *arg, size_t argsz)
{
	if ((flags & VFIO_DEVICE_FEATURE_MASK) == VFIO_DEVICE_FEATURE_MIG_ARC)
		return device_mig_arc(to_sdev(vdev), flags, arg, argsz);
	return vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
}

/* For vfio_snapshot_alloc(). */
const struct vfio_device_ops vfio_snapshot_device_ops = {
	.name = "vfio-snapshot",
	.init = device_init,
	.release = device_release,
	.open_device = device_open,
	.close_device = device_close,
	.ioctl = device_ioctl,
	SNAPSHOT_SINCE_6_19(.get_region_info_caps = vfio_pci_ioctl_get_region_info)
	.device_feature = device_feature,
	.read = vfio_pci_core_read,
	.write = vfio_pci_core_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
	SNAPSHOT_SINCE_6_17(.match_token_uuid = vfio_pci_core_match_token_uuid)
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
};
EXPORT_SYMBOL_GPL(vfio_snapshot_device_ops);

static void device_reset_done(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);
	struct vfio_snapshot_device *sdev = to_sdev(&core->vdev);

	if (sdev->ops)
		snapshot_mig_reset_done(sdev->mig);
	snapshot_dirty_reset_done(sdev->log);
}

/* For the struct pci_driver of a back-end. */
const struct pci_error_handlers vfio_snapshot_err_handlers = {
	.reset_done = device_reset_done,
	.error_detected = vfio_pci_core_aer_err_detected,
};
EXPORT_SYMBOL_GPL(vfio_snapshot_err_handlers);

/**
 * vfio_snapshot_detached - the firmware of a device cannot be reached any more
 * @sdev: the device
 *
 * Its session is over. The state becomes ERROR unless it is RUNNING, and stays so
 * until a reset. The back-end fails operations with -ENODEV from here on. Waits for
 * the operation of a struct vfio_snapshot_dirty_ops that is under way: after this
 * none is left running.
 */
void vfio_snapshot_detached(struct vfio_snapshot_device *sdev)
{
	snapshot_mig_lost(sdev->mig);
	snapshot_dirty_detached(sdev->log);
}
EXPORT_SYMBOL_GPL(vfio_snapshot_detached);

/**
 * vfio_snapshot_attached - the firmware is back, and has reset the device
 * @sdev: the device
 *
 * Changes no state. Calls reset_done().
 */
void vfio_snapshot_attached(struct vfio_snapshot_device *sdev)
{
	if (sdev->ops)
		sdev->ops->reset_done(sdev);
	snapshot_dirty_attached(sdev->log);
}
EXPORT_SYMBOL_GPL(vfio_snapshot_attached);

/**
 * vfio_snapshot_register - make a probed device available to userspace
 * @sdev: from vfio_snapshot_alloc()
 * @ops: of the back-end, or NULL for a device that cannot migrate: it then is
 *       what vfio-pci would make of it
 *
 * Return: 0, or an errno; the caller then drops its reference with
 * vfio_put_device().
 */
int vfio_snapshot_register(struct vfio_snapshot_device *sdev,
			   const struct vfio_snapshot_ops *ops)
{
	struct vfio_device *vdev = &sdev->core.vdev;
	int err;

	if (ops) {
		sdev->ops = ops;
		snapshot_mig_offer(sdev->mig);
		vdev->mig_ops = &snapshot_migration_ops;
		vdev->migration_flags = sdev->mig->features;
		err = snapshot_dirty_alloc(sdev);
		if (err)
			return err;
	}
	dev_set_drvdata(&sdev->core.pdev->dev, &sdev->core);
	err = vfio_pci_core_register_device(&sdev->core);
	if (!err && ops)
		dev_info(vdev->dev,
			 "can be migrated: %s, stop-copy%s%s, images of at most %llu MiB\n",
			 ops->name, vdev->migration_flags & VFIO_MIGRATION_P2P ? ", P2P" : "",
			 vdev->migration_flags & VFIO_MIGRATION_PRE_COPY ? ", pre-copy" : "",
			 ops->max_image / SZ_1M);
	return err;
}
EXPORT_SYMBOL_GPL(vfio_snapshot_register);

/**
 * vfio_snapshot_unregister - undo vfio_snapshot_register()
 * @sdev: the device; gone for the caller when this returns
 *
 * Waits until userspace has closed the device, and for its last session_end(). No
 * operation is called after that.
 */
void vfio_snapshot_unregister(struct vfio_snapshot_device *sdev)
{
	vfio_pci_core_unregister_device(&sdev->core);
	if (sdev->ops)
		snapshot_mig_leave(sdev->mig);
	vfio_put_device(&sdev->core.vdev);
}
EXPORT_SYMBOL_GPL(vfio_snapshot_unregister);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-snapshot developers");
MODULE_DESCRIPTION("Snapshot-style live migration for VFIO PCI variant drivers");
