/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI functions. Each is a stock virtio-pci proxy around our virtio-net. A
 * thin layer intercepts accesses to registers and configuration space where the
 * stock behavior is not enough.
 */
#include "qemu/osdep.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_sriov.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-bus.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "standard-headers/linux/virtio_pci.h"
#include "virtio-net-parts.h"

/* After all that virtio-pci may add; SR-IOV comes last. */
#define ARI_OFFSET      0x150
#define SRIOV_OFFSET    0x160

#define MSIX_BAR        1
#define MODERN_BAR      4

#define BIT_(n) (1ull << VIRTIO_NET_F_##n)

/*
 * Features whose whole state fits into the parts. There are no offloads, as the
 * switch moves plain frames.
 */
#define NET_FEATURES \
    (BIT_(MAC) | BIT_(STATUS) | BIT_(MRG_RXBUF) | BIT_(MTU) | \
     BIT_(SPEED_DUPLEX) | BIT_(CTRL_VQ) | BIT_(CTRL_RX) | BIT_(CTRL_VLAN) | \
     BIT_(CTRL_RX_EXTRA) | BIT_(CTRL_MAC_ADDR))

/* Their state is neither in the memory of a split ring nor in the parts. */
#define RING_FEATURES_OFF \
    (1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_IN_ORDER | \
     1ull << VIRTIO_F_NOTIFICATION_DATA)

/* ---- common to both kinds of function ---- */

static PartsFunction *fn_of(void *proxy)
{
    return VIRTIO_NET_PARTS(proxy);
}

static uint64_t fn_common_read(void *opaque, hwaddr addr, unsigned size)
{
    PartsFunction *fn = fn_of(opaque);
    PartsPF *pf = (PartsPF *)object_dynamic_cast(opaque,
                                                 TYPE_VIRTIO_NET_PARTS_PF);

    switch (addr) {
    case VIRTIO_PCI_COMMON_NUMQ:
        /* The number is constant and excludes the administration queue. */
        return 2 * fn->pairs + 1;
    case VIRTIO_PCI_COMMON_ADM_Q_IDX:
        return pf ? pf->admin.index : 0;
    case VIRTIO_PCI_COMMON_ADM_Q_NUM:
        return pf ? 1 : 0;
    case VIRTIO_PCI_COMMON_Q_SIZE:
        return MIN(fn->stock_common->read(opaque, addr, size),
                   PARTS_QUEUE_SIZE);
    default:
        return fn->stock_common->read(opaque, addr, size);
    }
}

static void fn_common_write(void *opaque, hwaddr addr, uint64_t val,
                            unsigned size)
{
    PartsFunction *fn = fn_of(opaque);
    PartsPF *pf = (PartsPF *)object_dynamic_cast(opaque,
                                                 TYPE_VIRTIO_NET_PARTS_PF);
    uint16_t sel = VIRTIO_DEVICE(&fn->vdev)->queue_sel;

    if (addr == VIRTIO_PCI_COMMON_Q_RESET && val && pf &&
        sel == pf->admin.index) {
        parts_admin_queue_reset(pf);
    }

    /* A driver that keeps the default size need not write it. */
    if (addr == VIRTIO_PCI_COMMON_Q_ENABLE && !fn->parent_obj.vqs[sel].num) {
        fn->stock_common->write(opaque, VIRTIO_PCI_COMMON_Q_SIZE,
                                PARTS_QUEUE_SIZE, 2);
    }
    fn->stock_common->write(opaque, addr, val, size);
}

static void fn_notify_write(void *opaque, hwaddr addr, uint64_t val,
                            unsigned size)
{
    PartsFunction *fn = fn_of(opaque);

    /* A resume processes every queue, so a kick now can be dropped. */
    if (!fn->vdev.held) {
        fn->stock_notify->write(opaque, addr, val, size);
    }
}

static void fn_layer_registers(PartsFunction *fn)
{
    VirtIOPCIProxy *proxy = &fn->parent_obj;

    fn->stock_common = proxy->common.mr.ops;
    fn->common = *fn->stock_common;
    fn->common.read = fn_common_read;
    fn->common.write = fn_common_write;
    proxy->common.mr.ops = &fn->common;

    fn->stock_notify = proxy->notify.mr.ops;
    fn->notify = *fn->stock_notify;
    fn->notify.write = fn_notify_write;
    proxy->notify.mr.ops = &fn->notify;
}

/* The extended capability list must start at its first byte. */
static void fn_init_ari(PCIDevice *dev)
{
    bool first = !pci_get_long(dev->config + PCI_CONFIG_SPACE_SIZE);

    pcie_ari_init(dev, first ? PCI_CONFIG_SPACE_SIZE : ARI_OFFSET);
}

static bool fn_realize(PartsFunction *fn, PartsPort *port, unsigned pairs,
                       const char *name, Error **errp)
{
    VirtIOPCIProxy *proxy = &fn->parent_obj;
    VirtIONet *net = &fn->vdev.parent_obj;
    VirtIODevice *vdev = VIRTIO_DEVICE(net);
    ERRP_GUARD();

    fn->port = port;
    fn->pairs = pairs;
    net->host_features &= NET_FEATURES;
    if (pairs > 1) {
        net->host_features |= BIT_(MQ);
    }
    vdev->host_features &= ~RING_FEATURES_OFF;
    /* DMA goes through the IOMMU mapping of the function. */
    virtio_add_feature(&vdev->host_features, VIRTIO_F_IOMMU_PLATFORM);

    parts_port_attach(port, net, pairs, name);
    virtio_net_set_netclient_name(net, name,
                                  object_get_typename(OBJECT(fn)));
    proxy->flags &= ~VIRTIO_PCI_FLAG_USE_IOEVENTFD;
    qdev_realize(DEVICE(net), BUS(&proxy->bus), errp);
    if (*errp) {
        return false;
    }
    fn_layer_registers(fn);
    return true;
}

static void fn_instance_init(Object *obj)
{
    PartsFunction *fn = VIRTIO_NET_PARTS(obj);

    virtio_instance_init_common(obj, &fn->vdev, sizeof(fn->vdev),
                                TYPE_VIRTIO_NET_PARTS_DEVICE);
}

static void fn_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->device_id = PCI_DEVICE_ID_VIRTIO_NET;
    k->class_id = PCI_CLASS_NETWORK_ETHERNET;
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
}

/* ---- virtual functions ---- */

/*
 * Bits that the SR-IOV specification fixes at zero for software, but that QEMU
 * needs set in a VF. The PF enables memory space; there is no INTx, but QEMU's
 * reset needs a pin.
 */
#define VF_COMMAND_SET (PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE)

static uint32_t vf_config_read(PCIDevice *dev, uint32_t addr, int len)
{
    uint32_t val = fn_of(dev)->stock_config_read(dev, addr, len);
    uint32_t mask = 0;

    if (ranges_overlap(addr, len, PCI_INTERRUPT_LINE, 2)) {
        mask = 0xffffu << 8 * (PCI_INTERRUPT_LINE & 3);
    } else if (ranges_overlap(addr, len, PCI_COMMAND, 2)) {
        mask = VF_COMMAND_SET << 8 * (PCI_COMMAND & 3);
    }
    return val & ~(mask >> 8 * (addr & 3));
}

static void vf_config_write(PCIDevice *dev, uint32_t addr, uint32_t val,
                            int len)
{
    fn_of(dev)->stock_config_write(dev, addr, val, len);
    if (range_covers_byte(addr, len, PCI_COMMAND)) {
        parts_vf_bus_master_on(VIRTIO_NET_PARTS_VF(dev));
    }
}

static void vf_msi_trigger(PCIDevice *dev, MSIMessage msg)
{
    PartsVF *vf = VIRTIO_NET_PARTS_VF(dev);

    /* A resume notifies every vector, so this one can be dropped. */
    if (!vf->fn.vdev.held) {
        vf->stock_msi_trigger(dev, msg);
    }
}

/* Must follow realize, as PCI sets the stock function there. */
static void vf_layer_msi(PCIDevice *dev)
{
    VIRTIO_NET_PARTS_VF(dev)->stock_msi_trigger = dev->msi_trigger;
    dev->msi_trigger = vf_msi_trigger;
}

static void vf_driver_reset(void *opaque)
{
    parts_vf_driver_reset(opaque);
}

static void vf_mac(const VirtIONet *pf, unsigned id, MACAddr *mac)
{
    uint32_t low = pf->nic_conf.macaddr.a[3] << 16 |
                   pf->nic_conf.macaddr.a[4] << 8 |
                   pf->nic_conf.macaddr.a[5];

    *mac = pf->nic_conf.macaddr;
    low += id;
    mac->a[3] = low >> 16;
    mac->a[4] = low >> 8;
    mac->a[5] = low;
}

/*
 * In TCG of QEMU 10.0, a change of the memory map diverts a store that another
 * vCPU has in flight, if the new map reuses the section number. A lost interrupt
 * acknowledgment blocks all further interrupts of that vCPU. So a VF's BARs stay
 * mapped from VF Enable on: the command register does not unmap them, and
 * without power management Linux cannot put an idle VF into D3hot.
 */
static void vf_drop_pm(VirtIOPCIProxy *proxy)
{
    PCIDevice *dev = &proxy->pci_dev;

    pci_del_capability(dev, PCI_CAP_ID_PM, PCI_PM_SIZEOF);
    dev->cap_present &= ~QEMU_PCI_CAP_PM;
    dev->pm_cap = 0;
    proxy->flags &= ~VIRTIO_PCI_FLAG_INIT_PM;
}

static void vf_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    PCIDevice *dev = &proxy->pci_dev;
    PartsVF *vf = VIRTIO_NET_PARTS_VF(proxy);
    g_autofree char *name = NULL;

    vf->pf = VIRTIO_NET_PARTS_PF(pcie_sriov_get_pf(dev));
    vf->id = pcie_sriov_vf_number(dev) + 1;
    name = g_strdup_printf("%s-vf%u", DEVICE(vf->pf)->id ?: "parts", vf->id);

    vf_mac(&vf->pf->fn.vdev.parent_obj, vf->id,
           &vf->fn.vdev.parent_obj.nic_conf.macaddr);
    proxy->nvectors = 2 * vf->pf->queue_pairs + 2;
    if (!fn_realize(&vf->fn, &vf->pf->sw.ports[vf->id],
                    vf->pf->queue_pairs, name, errp)) {
        return;
    }

    vf_drop_pm(proxy);
    vf->fn.vdev.on_reset = vf_driver_reset;
    vf->fn.vdev.opaque = vf;
    vf->fn.stock_config_read = dev->config_read;
    vf->fn.stock_config_write = dev->config_write;
    dev->config_read = vf_config_read;
    dev->config_write = vf_config_write;

    pci_word_test_and_set_mask(dev->config + PCI_COMMAND, VF_COMMAND_SET);
    pci_word_test_and_clear_mask(dev->wmask + PCI_COMMAND, VF_COMMAND_SET);
    fn_init_ari(dev);
    parts_vf_init_limits(vf);
}

static void vf_reset_hold(Object *obj, ResetType type)
{
    PartsVF *vf = VIRTIO_NET_PARTS_VF(obj);
    PartsFunctionClass *c = VIRTIO_NET_PARTS_GET_CLASS(obj);

    /* Hold the device until its reset, so that it cannot start earlier. */
    c->parent_phases.hold(obj, type);
    parts_vf_forget(vf);
    if (!vf->fn.parent_obj.pci_dev.enabled) {
        parts_admin_forget_member(vf->pf, vf->id);
    }
}

static void vf_class_init(ObjectClass *klass, void *data)
{
    PartsFunctionClass *c = VIRTIO_NET_PARTS_CLASS(klass);

    VIRTIO_PCI_CLASS(klass)->realize = vf_realize;
    resettable_class_set_parent_phases(RESETTABLE_CLASS(klass), NULL,
                                       vf_reset_hold, NULL,
                                       &c->parent_phases);
    DEVICE_CLASS(klass)->desc = "VF of virtio-net-parts-pf";
    DEVICE_CLASS(klass)->user_creatable = false;
}

/* ---- the physical function ---- */

static void pf_driver_reset(void *opaque)
{
    parts_admin_reset(opaque);
}

static bool pf_check(PartsPF *pf, Error **errp)
{
    PCIBus *bus = pci_get_bus(&pf->fn.parent_obj.pci_dev);

    if (!pci_bus_is_express(bus) || pci_bus_is_root(bus)) {
        error_setg(errp, "%s must sit behind a PCI Express port",
                   TYPE_VIRTIO_NET_PARTS_PF);
        return false;
    }
    if (!pf->sriov_vfs || pf->sriov_vfs > PARTS_MAX_VFS) {
        error_setg(errp, "sriov-vfs must be 1 to %d", PARTS_MAX_VFS);
        return false;
    }
    if (!pf->queue_pairs || pf->queue_pairs > PARTS_MAX_PAIRS) {
        error_setg(errp, "queue-pairs must be 1 to %d", PARTS_MAX_PAIRS);
        return false;
    }
    return true;
}

static void pf_init_vf_bar(PCIDevice *dev, int bar)
{
    const PCIIORegion *r = &dev->exp.sriov_pf.vf[0]->io_regions[bar];

    pcie_sriov_pf_init_vf_bar(dev, bar, r->type, r->size);
}

static void pf_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    PCIDevice *dev = &proxy->pci_dev;
    PartsPF *pf = VIRTIO_NET_PARTS_PF(proxy);
    VirtIONet *net = &pf->fn.vdev.parent_obj;
    VirtIODevice *vdev = VIRTIO_DEVICE(net);
    unsigned i;

    if (!pf_check(pf, errp)) {
        return;
    }
    qemu_macaddr_default_if_unset(&net->nic_conf.macaddr);
    parts_switch_init(&pf->sw, DEVICE(pf), 1 + pf->sriov_vfs,
                      &net->nic_conf.peers);

    virtio_add_feature(&vdev->host_features, VIRTIO_F_SR_IOV);
    virtio_add_feature(&vdev->host_features, VIRTIO_F_ADMIN_VQ);
    proxy->nvectors = 2 * pf->queue_pairs + 3;
    if (!fn_realize(&pf->fn, &pf->sw.ports[0], pf->queue_pairs,
                    DEVICE(pf)->id ?: "parts-pf", errp)) {
        return;
    }
    parts_admin_init(pf);
    pf->fn.vdev.on_reset = pf_driver_reset;
    pf->fn.vdev.opaque = pf;

    fn_init_ari(dev);
    if (!pcie_sriov_pf_init(dev, SRIOV_OFFSET, TYPE_VIRTIO_NET_PARTS_VF,
                            pci_get_word(dev->config + PCI_DEVICE_ID),
                            pf->sriov_vfs, pf->sriov_vfs, 1, 1, errp)) {
        return;
    }
    pf_init_vf_bar(dev, MSIX_BAR);
    pf_init_vf_bar(dev, MODERN_BAR);
    for (i = 0; i < pf->sriov_vfs; i++) {
        vf_layer_msi(dev->exp.sriov_pf.vf[i]);
    }
    if (pf->x_lab) {
        parts_lab_init(pf);
    }
}

static void pf_finalize(Object *obj)
{
    parts_lab_free(VIRTIO_NET_PARTS_PF(obj));
}

static void pf_exit(PCIDevice *dev)
{
    PartsPF *pf = VIRTIO_NET_PARTS_PF(dev);

    pcie_sriov_pf_exit(dev);
    parts_admin_exit(pf);
    VIRTIO_NET_PARTS_GET_CLASS(pf)->parent_exit(dev);
}

static const Property pf_properties[] = {
    DEFINE_PROP_UINT16("sriov-vfs", PartsPF, sriov_vfs, 16),
    DEFINE_PROP_UINT16("queue-pairs", PartsPF, queue_pairs, 1),
    DEFINE_PROP_BOOL("x-lab", PartsPF, x_lab, false),
};

static void pf_class_init(ObjectClass *klass, void *data)
{
    PartsFunctionClass *c = VIRTIO_NET_PARTS_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    VIRTIO_PCI_CLASS(klass)->realize = pf_realize;
    c->parent_exit = k->exit;
    k->exit = pf_exit;
    DEVICE_CLASS(klass)->desc = "SR-IOV virtio-net with device parts";
    device_class_set_props(DEVICE_CLASS(klass), pf_properties);
}

static const TypeInfo parts_types[] = {
    {
        .name = TYPE_VIRTIO_NET_PARTS,
        .parent = TYPE_VIRTIO_PCI,
        .abstract = true,
        .instance_size = sizeof(PartsFunction),
        .instance_init = fn_instance_init,
        .class_size = sizeof(PartsFunctionClass),
        .class_init = fn_class_init,
        .interfaces = (InterfaceInfo[]) {
            { INTERFACE_PCIE_DEVICE },
            { }
        },
    }, {
        .name = TYPE_VIRTIO_NET_PARTS_PF,
        .parent = TYPE_VIRTIO_NET_PARTS,
        .instance_size = sizeof(PartsPF),
        .instance_finalize = pf_finalize,
        .class_init = pf_class_init,
    }, {
        .name = TYPE_VIRTIO_NET_PARTS_VF,
        .parent = TYPE_VIRTIO_NET_PARTS,
        .instance_size = sizeof(PartsVF),
        .class_init = vf_class_init,
    },
};

DEFINE_TYPES(parts_types)
