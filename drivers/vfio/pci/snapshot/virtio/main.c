// SPDX-License-Identifier: GPL-2.0-only
/*
 * Variant driver for the virtual functions of VIRTIO SR-IOV network and block
 * devices: probe and remove.
 *
 * A device that cannot be migrated is registered without operations, and then
 * works as with vfio-pci. The log says why, as a fact; what to do is in
 * Documentation/admin-guide/troubleshooting.rst.
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/virtio_pci_admin.h>

#include "cmds.h"

static int virtio_snapshot_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	bool migratable = pdev->is_virtfn && virtio_pci_admin_has_dev_parts(pdev);
	struct virtio_snapshot_device *virtio;
	int err;

	virtio = vfio_snapshot_alloc(virtio_snapshot_device, sdev, pdev);
	if (IS_ERR(virtio))
		return PTR_ERR(virtio);

	if (!migratable)
		pci_info(pdev, "cannot be migrated: %s\n",
			 !pdev->is_virtfn ? "not a virtual function" :
			 "no device parts from the physical function, or virtio_pci does not drive it");

	err = vfio_snapshot_register(&virtio->sdev,
				     migratable ? &virtio_snapshot_ops : NULL);
	if (err)
		vfio_put_device(&virtio->sdev.core.vdev);
	return err;
}

static void virtio_snapshot_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	vfio_snapshot_unregister(container_of(core, struct vfio_snapshot_device, core));
}

static const struct pci_device_id virtio_snapshot_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1041) },
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1042) },
	{}
};
MODULE_DEVICE_TABLE(pci, virtio_snapshot_ids);

static struct pci_driver virtio_snapshot_driver = {
	.name = KBUILD_MODNAME,
	.id_table = virtio_snapshot_ids,
	.probe = virtio_snapshot_probe,
	.remove = virtio_snapshot_remove,
	.err_handler = &vfio_snapshot_err_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(virtio_snapshot_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-snapshot developers");
MODULE_DESCRIPTION("VFIO live migration for VIRTIO network and block VFs");
