// SPDX-License-Identifier: GPL-2.0-only
/*
 * Variant driver for the virtual functions of NVIDIA ConnectX and BlueField
 * network devices: probe, remove, and the events of mlx5_core.
 *
 * A device that cannot be migrated is registered without operations, and then
 * works as with vfio-pci. The log says why, as a fact; what to do is in
 * Documentation/admin-guide/troubleshooting.rst.
 */
#include <linux/mlx5/device.h>
#include <linux/mlx5/vport.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "mlx5.h"

static int mlx5_snapshot_event(struct notifier_block *events, unsigned long event,
			       void *unused)
{
	struct mlx5_snapshot_device *mlx5 =
		container_of(events, struct mlx5_snapshot_device, events);

	switch (event) {
	case MLX5_PF_NOTIFY_DISABLE_VF:
		vfio_snapshot_detached(&mlx5->sdev);
		mlx5_snapshot_detach(mlx5, true);
		break;
	case MLX5_PF_NOTIFY_ENABLE_VF:
		mlx5_snapshot_attach(mlx5);
		vfio_snapshot_attached(&mlx5->sdev);
		break;
	}
	return NOTIFY_OK;
}

/* Reads the capabilities of the virtual function, and its vhca_id. */
static int mlx5_probe_function(struct mlx5_snapshot_device *mlx5, bool *migratable)
{
	u32 in[MLX5_ST_SZ_DW(query_hca_cap_in)] = {};
	size_t size = MLX5_ST_SZ_BYTES(query_hca_cap_out);
	void *out = kzalloc(size, GFP_KERNEL);
	int err;

	if (!out)
		return -ENOMEM;
	err = mlx5_vport_get_other_func_cap(mlx5->mdev, mlx5->vf + 1, out, MLX5_CAP_GENERAL_2);
	if (err)
		goto out_free;
	*migratable = MLX5_GET(query_hca_cap_out, out, capability.cmd_hca_cap_2.migratable);

	memset(out, 0, size);
	MLX5_SET(query_hca_cap_in, in, opcode, MLX5_CMD_OP_QUERY_HCA_CAP);
	MLX5_SET(query_hca_cap_in, in, other_function, 1);
	MLX5_SET(query_hca_cap_in, in, function_id, mlx5->vf + 1);
	MLX5_SET(query_hca_cap_in, in, op_mod,
		 MLX5_SET_HCA_CAP_OP_MOD_GENERAL_DEVICE << 1 | HCA_CAP_OPMOD_GET_CUR);
	err = mlx5_cmd_exec(mlx5->mdev, in, sizeof(in), out, size);
	mlx5->vhca_id = MLX5_GET(query_hca_cap_out, out, capability.cmd_hca_cap.vhca_id);
out_free:
	kfree(out);
	return err;
}

/* Return: why the device cannot be migrated, or NULL. */
static const char *mlx5_probe_firmware(struct mlx5_snapshot_device *mlx5)
{
	struct mlx5_core_dev *mdev = mlx5->mdev;
	bool migratable = false;

	if (!MLX5_CAP_GEN(mdev, migration))
		return "firmware lacks migration";
	if (!MLX5_CAP_GEN_2(mdev, migration_multi_load) ||
	    !MLX5_CAP_GEN_2(mdev, migration_tracking_state))
		return "firmware lacks pre-copy (migration_multi_load, migration_tracking_state)";
	if (mlx5_probe_function(mlx5, &migratable))
		return "firmware refuses the VF's capabilities";
	if (!migratable)
		return "migratable is off for this VF";
	mlx5->chunks = MLX5_CAP_GEN_2(mdev, migration_in_chunks);
	mlx5->has_state = MLX5_CAP_GEN_2(mdev, migration_state);
	mlx5_snapshot_offer_tracking(mlx5);
	if (mlx5_sriov_blocking_notifier_register(mdev, mlx5->vf, &mlx5->events))
		return "mlx5_core does not know this VF";
	return NULL;
}

static const char *mlx5_probe_vf(struct mlx5_snapshot_device *mlx5, struct pci_dev *pdev)
{
	const char *why;

	if (!pdev->is_virtfn)
		return "not a virtual function";
	mlx5->vf = pci_iov_vf_id(pdev);
	mlx5->mdev = mlx5_vf_get_core_dev(pdev);
	if (!mlx5->mdev)
		return "mlx5_core does not drive the physical function";
	why = mlx5_probe_firmware(mlx5);
	if (!why)
		mlx5_snapshot_attach(mlx5);
	mlx5_vf_put_core_dev(mlx5->mdev);
	return why;
}

static void mlx5_probe_undo(struct mlx5_snapshot_device *mlx5)
{
	mlx5_sriov_blocking_notifier_unregister(mlx5->mdev, mlx5->vf, &mlx5->events);
	mlx5_snapshot_detach(mlx5, false);
}

static int mlx5_snapshot_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	const struct vfio_snapshot_ops *ops = NULL;
	struct mlx5_snapshot_device *mlx5;
	const char *why;
	int err;

	mlx5 = vfio_snapshot_alloc(mlx5_snapshot_device, sdev, pdev);
	if (IS_ERR(mlx5))
		return PTR_ERR(mlx5);
	init_rwsem(&mlx5->attach);
	mlx5->events.notifier_call = mlx5_snapshot_event;

	why = mlx5_probe_vf(mlx5, pdev);
	if (why)
		pci_info(pdev, "cannot be migrated: %s\n", why);
	else
		ops = mlx5->chunks ? &mlx5_snapshot_chunk_ops : &mlx5_snapshot_ops;

	err = vfio_snapshot_register(&mlx5->sdev, ops);
	if (err) {
		if (ops)
			mlx5_probe_undo(mlx5);
		vfio_put_device(&mlx5->sdev.core.vdev);
	}
	return err;
}

static void mlx5_snapshot_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);
	struct vfio_snapshot_device *sdev =
		container_of(core, struct vfio_snapshot_device, core);
	struct device *dev = &core->vdev.device;
	bool migratable = sdev->ops;

	/* An open device hears of mlx5_core's events until userspace closes it. */
	get_device(dev);
	vfio_snapshot_unregister(sdev);
	if (migratable)
		mlx5_probe_undo(to_mlx5(sdev));
	put_device(dev);
}

static const struct pci_device_id mlx5_snapshot_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_MELLANOX, 0x101e) },
	{}
};
MODULE_DEVICE_TABLE(pci, mlx5_snapshot_ids);

static struct pci_driver mlx5_snapshot_driver = {
	.name = KBUILD_MODNAME,
	.id_table = mlx5_snapshot_ids,
	.probe = mlx5_snapshot_probe,
	.remove = mlx5_snapshot_remove,
	.err_handler = &vfio_snapshot_err_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(mlx5_snapshot_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-snapshot developers");
MODULE_DESCRIPTION("VFIO live migration for NVIDIA ConnectX and BlueField VFs");
