/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI functions. BAR 0 of the PF has the initialization segment, followed by
 * the UAR pages with the doorbells of the queues.
 */
#include "qemu/osdep.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_sriov.h"
#include "hw/qdev-properties.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "mlx5-vhca.h"

#define VENDOR              0x15b3
#define DEVICE_PF           0x101d      /* ConnectX-6 Dx */
#define DEVICE_VF           0x101e

#define PCIE_OFFSET         0x60
#define MSIX_OFFSET         0x9c
#define ARI_OFFSET          0x100
#define SRIOV_OFFSET        0x140

#define REGS_BAR            0
#define MSIX_BAR            4
#define BAR_TYPE            (PCI_BASE_ADDRESS_SPACE_MEMORY | \
                             PCI_BASE_ADDRESS_MEM_TYPE_64 | \
                             PCI_BASE_ADDRESS_MEM_PREFETCH)
#define MSIX_BAR_SIZE       0x1000
#define MSIX_PBA            0x800
#define VF_BAR_SIZE         0x4000

#define FW_VERSION          "28.41.1000"

#define PAGE                4096
#define PF_BAR_SIZE         (MLX5_UARS * PAGE)

/* The initialization segment */
#define ISEG_FW_REV         0x000
#define ISEG_CMDIF_REV      0x004
#define ISEG_QUEUE_HIGH     0x010
#define ISEG_QUEUE_LOW      0x014
#define ISEG_DOORBELL       0x018
#define ISEG_INITIALIZING   0x1fc
#define ISEG_HEALTH_BUFFER  0x200
#define ISEG_HEALTH_LENGTH  0x40
#define ISEG_TIMER_HIGH     0x1000
#define ISEG_TIMER_LOW      0x1004
#define ISEG_HEALTH         0x1010

#define CMDIF_REV           5
#define RESET_SUPPORTED     (1u << 30)

/* A UAR page */
#define UAR_CQ_ARM          0x20
#define UAR_CQ_NUMBER       0x24
#define UAR_EQ_ARM          0x40
#define UAR_EQ_UPDATE       0x48

static uint64_t pf_read(void *opaque, hwaddr addr, unsigned size)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    Mlx5PF *pf = opaque;

    if (pf->health & LAB_GONE) {
        return UINT32_MAX;
    }
    if (addr >= ISEG_HEALTH_BUFFER &&
        addr < ISEG_HEALTH_BUFFER + ISEG_HEALTH_LENGTH) {
        hwaddr at = addr - ISEG_HEALTH_BUFFER;
        uint32_t val = 0;
        unsigned i;

        for (i = 0; i < 4; i++) {
            val = val << 8 | mlx5_health_read(pf, at + i);
        }
        return val;
    }
    switch (addr) {
    case ISEG_FW_REV:
        return pf->fw[1] << 16 | pf->fw[0];
    case ISEG_CMDIF_REV:
        return CMDIF_REV << 16 | pf->fw[2];
    case ISEG_QUEUE_LOW:
        /* The queue's address, the NIC interface and the queue's size. */
        return (uint32_t)pf->queue | pf->interface << 8 |
               MLX5_LOG_CMDS << 4 | MLX5_LOG_STRIDE;
    case ISEG_INITIALIZING:
        return RESET_SUPPORTED;
    case ISEG_TIMER_HIGH:
        return (uint64_t)now >> 32;
    case ISEG_TIMER_LOW:
        return (uint32_t)now;
    case ISEG_HEALTH:
        return mlx5_health_counter(pf);
    default:
        return 0;
    }
}

/* Sets the lower part of the queue's address and the NIC interface. */
static void set_queue_low(Mlx5PF *pf, uint32_t val)
{
    mlx5_cmd_drop(pf);
    pf->queue = deposit64(pf->queue, 0, 32, val & ~0xfffu);
    pf->interface = extract32(val, 8, 3);
    if (pf->interface == NIC_SW_RESET) {
        mlx5_firmware_reset(pf);
    }
}

static void pf_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    Mlx5PF *pf = opaque;

    if (pf->health & LAB_GONE) {
        return;
    }
    if (addr >= MLX5_UAR_FIRST * PAGE) {
        switch (addr % PAGE) {
        case UAR_CQ_ARM:
            pf->cq_arm = val;
            break;
        case UAR_CQ_NUMBER:
            mlx5_track_go_on(pf);
            mlx5_cq_arm(pf, val & 0xffffff, pf->cq_arm & 0xffffff);
            break;
        case UAR_EQ_ARM:
        case UAR_EQ_UPDATE:
            mlx5_eq_doorbell(pf, val, addr % PAGE == UAR_EQ_ARM);
            break;
        }
        return;
    }
    switch (addr) {
    case ISEG_QUEUE_HIGH:
        pf->queue = deposit64(pf->queue, 32, 32, val);
        break;
    case ISEG_QUEUE_LOW:
        set_queue_low(pf, val);
        break;
    case ISEG_DOORBELL:
        mlx5_cmd_doorbell(pf, val);
        break;
    }
}

static const MemoryRegionOps pf_ops = {
    .read = pf_read,
    .write = pf_write,
    .endianness = DEVICE_BIG_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static bool init_function(PCIDevice *dev, Error **errp)
{
    pci_config_set_interrupt_pin(dev->config, 0);
    if (pcie_endpoint_cap_init(dev, PCIE_OFFSET) < 0) {
        error_setg(errp, "no room for the PCI Express capability");
        return false;
    }
    pcie_cap_flr_init(dev);
    pcie_ari_init(dev, ARI_OFFSET);
    return true;
}

/* ---- virtual functions ---- */

/*
 * The PF enables memory space of a VF. The bit in the VF's command register reads
 * as zero for software, but QEMU needs it set.
 */
static uint32_t vf_config_read(PCIDevice *dev, uint32_t addr, int len)
{
    uint32_t val = pci_default_read_config(dev, addr, len);

    return addr == PCI_COMMAND ? val & ~PCI_COMMAND_MEMORY : val;
}

static void config_write(PCIDevice *dev, uint32_t addr, uint32_t val, int len)
{
    pci_default_write_config(dev, addr, val, len);
    pcie_cap_flr_write_config(dev, addr, val, len);
}

static void vf_realize(PCIDevice *dev, Error **errp)
{
    Mlx5VF *vf = MLX5_VHCA_VF(dev);

    vf->pf = MLX5_VHCA_PF(pcie_sriov_get_pf(dev));
    vf->id = pcie_sriov_vf_number(dev) + 1;
    memory_region_init_io(&vf->bar, OBJECT(vf), &mlx5_engine_ops, vf,
                          "mlx5-vf", VF_BAR_SIZE);
    pci_register_bar(dev, REGS_BAR, BAR_TYPE, &vf->bar);
    if (!init_function(dev, errp)) {
        return;
    }
    pci_word_test_and_set_mask(dev->config + PCI_COMMAND, PCI_COMMAND_MEMORY);
    pci_word_test_and_clear_mask(dev->wmask + PCI_COMMAND, PCI_COMMAND_MEMORY);
    mlx5_engine_init(vf);
    mlx5_state_init(&vf->s, vf->pf->pad);
}

static void vf_exit(PCIDevice *dev)
{
    Mlx5VF *vf = MLX5_VHCA_VF(dev);

    mlx5_engine_exit(vf);
    mlx5_vf_exit(vf);
    pcie_cap_exit(dev);
}

static void vf_reset_hold(Object *obj, ResetType type)
{
    mlx5_vf_reset(MLX5_VHCA_VF(obj));
}

static void vf_class_init(ObjectClass *klass, void *data)
{
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->realize = vf_realize;
    k->exit = vf_exit;
    k->config_read = vf_config_read;
    k->config_write = config_write;
    k->vendor_id = VENDOR;
    k->device_id = DEVICE_VF;
    k->class_id = PCI_CLASS_NETWORK_ETHERNET;
    RESETTABLE_CLASS(klass)->phases.hold = vf_reset_hold;
    DEVICE_CLASS(klass)->desc = "VF of mlx5-vhca-pf";
    DEVICE_CLASS(klass)->user_creatable = false;
}

/* ---- the physical function ---- */

static void pf_realize(PCIDevice *dev, Error **errp)
{
    Mlx5PF *pf = MLX5_VHCA_PF(dev);
    PCIBus *bus = pci_get_bus(dev);
    unsigned i;
    char end;

    if (!pci_bus_is_express(bus) || pci_bus_is_root(bus)) {
        error_setg(errp, "%s must sit behind a PCI Express port",
                   TYPE_MLX5_VHCA_PF);
        return;
    }
    if (!pf->sriov_vfs || pf->sriov_vfs > MLX5_MAX_VFS) {
        error_setg(errp, "sriov-vfs must be 1 to %d", MLX5_MAX_VFS);
        return;
    }
    if (sscanf(pf->fw_version ?: FW_VERSION, "%hu.%hu.%hu%c", &pf->fw[0], &pf->fw[1],
               &pf->fw[2], &end) != 3 || pf->fw[0] > 255 || pf->fw[1] > 255) {
        error_setg(errp, "fw-version is like " FW_VERSION);
        return;
    }
    if (pf->pad > MLX5_MAX_PAD) {
        error_setg(errp, "x-pad is at most %" PRIu64, (uint64_t)MLX5_MAX_PAD);
        return;
    }
    if (pf->track_space < MLX5_TRACK_MIN_SPACE || pf->track_space > 63) {
        error_setg(errp, "x-track-space is %d to 63", MLX5_TRACK_MIN_SPACE);
        return;
    }
    pf->first_features = pf->features;
    pf->first_track_pages = pf->track_pages;
    mlx5_mkey_init(pf);
    mlx5_queues_init(pf);
    mlx5_track_init(pf);
    memory_region_init_io(&pf->bar, OBJECT(pf), &pf_ops, pf, "mlx5-pf",
                          PF_BAR_SIZE);
    pci_register_bar(dev, REGS_BAR, BAR_TYPE, &pf->bar);
    memory_region_init(&pf->msix, OBJECT(pf), "mlx5-msix", MSIX_BAR_SIZE);
    pci_register_bar(dev, MSIX_BAR, BAR_TYPE, &pf->msix);
    if (msix_init(dev, MLX5_VECTORS, &pf->msix, MSIX_BAR, 0, &pf->msix,
                  MSIX_BAR, MSIX_PBA, MSIX_OFFSET, errp)) {
        return;
    }
    for (i = 0; i < MLX5_VECTORS; i++) {
        msix_vector_use(dev, i);
    }
    if (!init_function(dev, errp) ||
        !pcie_sriov_pf_init(dev, SRIOV_OFFSET, TYPE_MLX5_VHCA_VF, DEVICE_VF,
                            pf->sriov_vfs, pf->sriov_vfs, 1, 1, errp)) {
        return;
    }
    pcie_sriov_pf_init_vf_bar(dev, REGS_BAR, BAR_TYPE, VF_BAR_SIZE);
    if (pf->x_lab) {
        mlx5_lab_init(pf);
    }
}

static void pf_exit(PCIDevice *dev)
{
    Mlx5PF *pf = MLX5_VHCA_PF(dev);

    mlx5_cmd_drop(pf);
    pcie_sriov_pf_exit(dev);
    pcie_cap_exit(dev);
    msix_unuse_all_vectors(dev);
    msix_uninit(dev, &pf->msix, &pf->msix);
    mlx5_hca_reset(pf);
    mlx5_track_exit(pf);
    mlx5_queues_exit(pf);
    mlx5_mkey_exit(pf);
}

static void pf_finalize(Object *obj)
{
    Mlx5PF *pf = MLX5_VHCA_PF(obj);

    if (pf->lab) {
        lab_free(pf->lab);
    }
}

static void pf_reset_hold(Object *obj, ResetType type)
{
    Mlx5PF *pf = MLX5_VHCA_PF(obj);
    unsigned i;

    mlx5_cmd_drop(pf);
    mlx5_hca_reset(pf);
    pf->queue = 0;
    pf->interface = NIC_FULL;
    for (i = 1; i <= pf->sriov_vfs; i++) {
        mlx5_vf(pf, i)->enabled = false;
    }
}

#define FEATURE(name_, bit_) \
    DEFINE_PROP_BIT(name_, Mlx5PF, features, __builtin_ctz(bit_), true)

static const Property pf_properties[] = {
    DEFINE_PROP_UINT16("sriov-vfs", Mlx5PF, sriov_vfs, 16),
    DEFINE_PROP_STRING("fw-version", Mlx5PF, fw_version),
    FEATURE("migration", LAB_CAN_MIGRATE),
    FEATURE("migratable", LAB_CAN_VF),
    FEATURE("precopy", LAB_CAN_PRECOPY),
    FEATURE("states", LAB_CAN_STATE),
    FEATURE("chunks", LAB_CAN_CHUNKS),
    FEATURE("tracker", LAB_CAN_TRACK),
    DEFINE_PROP_UINT64("x-pad", Mlx5PF, pad, 0),
    DEFINE_PROP_UINT32("x-track-pages", Mlx5PF, track_pages, 0),
    DEFINE_PROP_UINT8("x-track-space", Mlx5PF, track_space, MLX5_TRACK_MAX_SPACE),
    DEFINE_PROP_BOOL("x-lab", Mlx5PF, x_lab, false),
};

static void pf_class_init(ObjectClass *klass, void *data)
{
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);
    DeviceClass *dc = DEVICE_CLASS(klass);

    k->realize = pf_realize;
    k->exit = pf_exit;
    k->config_write = config_write;
    k->vendor_id = VENDOR;
    k->device_id = DEVICE_PF;
    k->class_id = PCI_CLASS_NETWORK_ETHERNET;
    RESETTABLE_CLASS(klass)->phases.hold = pf_reset_hold;
    dc->desc = "ConnectX without a network: PF with migratable VFs";
    dc->hotpluggable = false;
    device_class_set_props(dc, pf_properties);
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
}

static const TypeInfo mlx5_types[] = {
    {
        .name = TYPE_MLX5_VHCA_PF,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(Mlx5PF),
        .instance_finalize = pf_finalize,
        .class_init = pf_class_init,
        .interfaces = (InterfaceInfo[]) { { INTERFACE_PCIE_DEVICE }, { } },
    }, {
        .name = TYPE_MLX5_VHCA_VF,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(Mlx5VF),
        .class_init = vf_class_init,
        .interfaces = (InterfaceInfo[]) { { INTERFACE_PCIE_DEVICE }, { } },
    },
};

DEFINE_TYPES(mlx5_types)
