// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sample back-end, for QEMU's ivshmem-plain: a PCI device with memory in BAR 2,
 * and an interrupt mask and status in BAR 0. It has no firmware, so firmware_*()
 * do here what the firmware of a NIC does.
 *
 * The core calls the operations of a device one at a time, so no lock is needed
 * but vfio-pci's memory_lock. Only sample_reset_done() may run beside them, and
 * sets one bit. Documentation/driver-api/adding-a-nic.rst quotes this file.
 */
#include <linux/bitops.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/vfio_snapshot.h>

#define REG_MASK	0x0	/* interrupts that may be sent */
#define REG_STATUS	0x4	/* pending interrupts; a read clears it */
#define REG_POSITION	0x8	/* never all ones */

#define IMAGE_VERSION	1
#define MAX_MEMORY	SZ_16M

/* An image is this, followed by the memory. */
struct sample_image {
	__le32 version;
	__le32 mask;
	__le32 status;
	__le32 size;		/* of the memory */
};

struct sample_device {
	struct vfio_snapshot_device sdev;	/* first */
	void __iomem *regs;			/* BAR 0 */
	void __iomem *memory;			/* BAR 2 */
	u32 size;				/* of the memory */
	u16 command;				/* saved by begin_access() */
	enum vfio_snapshot_level level;		/* reached last */
	u32 mask;				/* of a quiesced device */
	u32 status;				/* of a quiesced device */
	unsigned long flags;
};

/* Bit of @flags: the device was reset, and no quiesce has seen it yet. */
#define WAS_RESET	0

static struct sample_device *to_sample(struct vfio_snapshot_device *sdev)
{
	return container_of(sdev, struct sample_device, sdev);
}

/*
 * The guest may have put the device to sleep or disabled its BARs. It cannot see
 * that they are enabled for a moment: the lock keeps it from the BARs and from
 * the command register.
 */
static int begin_access(struct sample_device *sample)
{
	struct vfio_pci_core_device *core = &sample->sdev.core;
	int err;

	err = pm_runtime_resume_and_get(&core->pdev->dev);
	if (err)
		return err;
	down_write(&core->memory_lock);
	pci_read_config_word(core->pdev, PCI_COMMAND, &sample->command);
	pci_write_config_word(core->pdev, PCI_COMMAND,
			      sample->command | PCI_COMMAND_MEMORY);
	return 0;
}

/* A device that was removed reads as all ones. */
static int end_access(struct sample_device *sample)
{
	struct vfio_pci_core_device *core = &sample->sdev.core;
	bool gone = readl(sample->regs + REG_POSITION) == U32_MAX;

	pci_write_config_word(core->pdev, PCI_COMMAND, sample->command);
	up_write(&core->memory_lock);
	pm_runtime_put(&core->pdev->dev);
	return gone ? -EIO : 0;
}

static void firmware_stop(struct sample_device *sample)
{
	sample->mask = readl(sample->regs + REG_MASK);
	writel(0, sample->regs + REG_MASK);
	sample->status = readl(sample->regs + REG_STATUS);
}

static void firmware_run(struct sample_device *sample)
{
	writel(sample->status, sample->regs + REG_STATUS);
	writel(sample->mask, sample->regs + REG_MASK);
}

/*
 * The device starts nothing but interrupts, so one halt serves NDMA and STOP.
 * After a reset it runs, and its registers are 0. A halt under way may still have
 * reached it after the reset, so only a command to run makes RUN certain.
 */
static int sample_quiesce(struct vfio_snapshot_device *sdev,
			  enum vfio_snapshot_level want, enum vfio_snapshot_level *now)
{
	struct sample_device *sample = to_sample(sdev);
	bool reset = test_and_clear_bit(WAS_RESET, &sample->flags);
	bool run = want == VFIO_SNAPSHOT_RUN, runs;
	int err = 0;

	if (reset) {
		sample->level = VFIO_SNAPSHOT_RUN;
		sample->mask = 0;
		sample->status = 0;
	}
	runs = sample->level == VFIO_SNAPSHOT_RUN;
	if (run != runs || (run && reset)) {
		err = begin_access(sample);
		if (!err) {
			if (run)
				firmware_run(sample);
			else
				firmware_stop(sample);
			err = end_access(sample);
		}
	}
	if (!err)
		sample->level = want;
	*now = err ? VFIO_SNAPSHOT_UNKNOWN : want;
	return err;
}

static void sample_reset_done(struct vfio_snapshot_device *sdev)
{
	set_bit(WAS_RESET, &to_sample(sdev)->flags);
}

/* Keeps the device awake: to wake it in the blackout would take time. */
static int sample_session_begin(struct vfio_snapshot_device *sdev,
				enum vfio_snapshot_dir dir)
{
	return pm_runtime_resume_and_get(&sdev->core.pdev->dev);
}

static void sample_session_end(struct vfio_snapshot_device *sdev,
			       enum vfio_snapshot_dir dir)
{
	pm_runtime_put(&sdev->core.pdev->dev);
}

static int sample_estimate(struct vfio_snapshot_device *sdev,
			   enum vfio_snapshot_extent extent,
			   struct vfio_snapshot_estimate *est)
{
	est->bytes = sizeof(struct sample_image) + to_sample(sdev)->size;
	return 0;
}

/* Copies between the memory of the device and an image, after its header. */
static void firmware_copy(struct sample_device *sample, struct vfio_snapshot_io *io,
			  bool save)
{
	struct sg_mapping_iter miter;
	u32 pos = 0, len;

	sg_miter_start(&miter, io->sgl, io->nents,
		       save ? SG_MITER_TO_SG : SG_MITER_FROM_SG);
	sg_miter_skip(&miter, sizeof(struct sample_image));
	for (; pos < sample->size && sg_miter_next(&miter); pos += len) {
		len = min_t(size_t, miter.length, sample->size - pos);
		if (save)
			memcpy_fromio(miter.addr, sample->memory + pos, len);
		else
			memcpy_toio(sample->memory + pos, miter.addr, len);
	}
	sg_miter_stop(&miter);
}

static int sample_save(struct vfio_snapshot_device *sdev,
		       enum vfio_snapshot_phase phase, struct vfio_snapshot_io *io)
{
	struct sample_device *sample = to_sample(sdev);
	struct sample_image image = {
		.version = cpu_to_le32(IMAGE_VERSION),
		.size = cpu_to_le32(sample->size),
	};
	int err;

	if (io->size < sizeof(image) + sample->size)
		return -ENOSPC;

	/* To read the status of a running device would clear it. */
	if (phase == VFIO_SNAPSHOT_FINAL) {
		image.mask = cpu_to_le32(sample->mask);
		image.status = cpu_to_le32(sample->status);
	}
	sg_copy_from_buffer(io->sgl, io->nents, &image, sizeof(image));

	err = begin_access(sample);
	if (err)
		return err;
	firmware_copy(sample, io, true);
	io->done = sizeof(image) + sample->size;
	io->more = false;
	return end_access(sample);
}

/* Checks the whole image before it changes the device. */
static int sample_load(struct vfio_snapshot_device *sdev, struct vfio_snapshot_io *io)
{
	struct sample_device *sample = to_sample(sdev);
	struct sample_image image;
	int err;

	if (io->size != sizeof(image) + sample->size)
		return -EINVAL;
	sg_copy_to_buffer(io->sgl, io->nents, &image, sizeof(image));
	if (le32_to_cpu(image.version) != IMAGE_VERSION ||
	    le32_to_cpu(image.size) != sample->size)
		return -EINVAL;

	err = begin_access(sample);
	if (err)
		return err;
	firmware_copy(sample, io, false);
	sample->mask = le32_to_cpu(image.mask);
	sample->status = le32_to_cpu(image.status);
	return end_access(sample);
}

static const struct vfio_snapshot_ops sample_ops = {
	.name = "ivshmem",
	.caps = VFIO_SNAPSHOT_CAP_NDMA | VFIO_SNAPSHOT_CAP_NDMA_STOPS |
		VFIO_SNAPSHOT_CAP_PRECOPY,
	.max_image = sizeof(struct sample_image) + MAX_MEMORY,
	/* The CPU copies, so one entry for each page costs nothing. */
	.max_segs = MAX_MEMORY / PAGE_SIZE + 1,
	.quiesce = sample_quiesce,
	.session_begin = sample_session_begin,
	.session_end = sample_session_end,
	.estimate = sample_estimate,
	.save = sample_save,
	.load = sample_load,
	.reset_done = sample_reset_done,
};

static int sample_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct sample_device *sample;
	bool migratable;
	int err;

	sample = vfio_snapshot_alloc(sample_device, sdev, pdev);
	if (IS_ERR(sample))
		return PTR_ERR(sample);

	/* ivshmem-doorbell has MSI-X, and peers that know the device's number. */
	migratable = !pdev->msix_cap && pci_resource_len(pdev, 2) <= MAX_MEMORY;
	if (migratable) {
		sample->regs = pcim_iomap(pdev, 0, 0);
		sample->memory = pcim_iomap(pdev, 2, 0);
		sample->size = pci_resource_len(pdev, 2);
		migratable = sample->regs && sample->memory;
	}
	if (!migratable)
		pci_info(pdev, "cannot be migrated: not an ivshmem-plain of at most %u bytes\n",
			 MAX_MEMORY);

	err = vfio_snapshot_register(&sample->sdev, migratable ? &sample_ops : NULL);
	if (err)
		vfio_put_device(&sample->sdev.core.vdev);
	return err;
}

static void sample_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	vfio_snapshot_unregister(container_of(core, struct vfio_snapshot_device, core));
}

static const struct pci_device_id sample_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) },
	{}
};
MODULE_DEVICE_TABLE(pci, sample_ids);

static struct pci_driver sample_driver = {
	.name = KBUILD_MODNAME,
	.id_table = sample_ids,
	.probe = sample_probe,
	.remove = sample_remove,
	.err_handler = &vfio_snapshot_err_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(sample_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-snapshot developers");
MODULE_DESCRIPTION("VFIO live migration for ivshmem-plain, a sample back-end");
