/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stops and resumes a VF, and moves its state between the device and a
 * PartsImage. Restoring acts like a driver: it writes the stock registers and
 * sends the stock control commands, so virtio-net needs no change.
 */
#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio-bus.h"
#include "standard-headers/linux/virtio_pci.h"
#include "virtio-net-parts.h"

static VirtIOPCIProxy *vf_proxy(PartsVF *vf)
{
    return &vf->fn.parent_obj;
}

static VirtIONet *vf_net(PartsVF *vf)
{
    return &vf->fn.vdev.parent_obj;
}

static VirtIODevice *vf_vdev(PartsVF *vf)
{
    return VIRTIO_DEVICE(&vf->fn.vdev);
}

bool parts_vf_bus_master(PartsVF *vf)
{
    return pci_get_word(vf_proxy(vf)->pci_dev.config + PCI_COMMAND) &
           PCI_COMMAND_MASTER;
}

void parts_vf_init_limits(PartsVF *vf)
{
    VirtIODevice *vdev = vf_vdev(vf);

    vf->lim = (PartsLimits) {
        /* what the driver reads in device_feature */
        .device_features = vdev->host_features &
                           ~VIRTIO_DEVICE_GET_CLASS(vdev)->legacy_features,
        .pairs = vf->fn.pairs,
        .nvqs = 2 * vf->fn.pairs + 1,
        .nvectors = vf_proxy(vf)->nvectors,
    };
}

/* ---- capture ---- */

static void capture_vqs(PartsVF *vf, PartsImage *img)
{
    VirtIODevice *vdev = vf_vdev(vf);
    unsigned i;

    for (i = 0; i < vf->lim.nvqs; i++) {
        const VirtIOPCIQueue *q = &vf_proxy(vf)->vqs[i];

        if (!virtio_queue_get_num(vdev, i)) {
            img->vq[i].vector = VIRTIO_NO_VECTOR;
            continue;
        }
        img->vq[i] = (PartsVq) {
            .size = q->num ?: PARTS_QUEUE_SIZE,
            .vector = virtio_queue_vector(vdev, i),
            .enabled = q->enabled,
            .desc = q->desc[0] | (uint64_t)q->desc[1] << 32,
            .driver = q->avail[0] | (uint64_t)q->avail[1] << 32,
            .device = q->used[0] | (uint64_t)q->used[1] << 32,
        };
    }
}

static void capture_net(PartsVF *vf, PartsImage *img)
{
    const VirtIONet *n = vf_net(vf);
    unsigned i;

    /*
     * A filter table that overflowed accepts everything. The parts have no
     * overflow flag, only the mode with the same effect.
     */
    img->promisc = !!n->promisc;
    img->allmulti = n->allmulti || n->mac_table.multi_overflow;
    img->alluni = n->alluni || n->mac_table.uni_overflow;
    img->nomulti = !!n->nomulti;
    img->nouni = !!n->nouni;
    img->nobcast = !!n->nobcast;
    img->pairs = n->curr_queue_pairs;
    memcpy(img->mac, n->mac, ETH_ALEN);
    img->uni = n->mac_table.first_multi;
    img->multi = n->mac_table.in_use - n->mac_table.first_multi;
    memcpy(img->macs, n->mac_table.macs, n->mac_table.in_use * ETH_ALEN);
    for (i = 0; i < PARTS_VLAN_BYTES / 4; i++) {
        stl_le_p(img->vlans + 4 * i, n->vlans[i]);
    }
}

void parts_vf_capture(PartsVF *vf, PartsImage *img)
{
    VirtIODevice *vdev = vf_vdev(vf);
    const VirtIOPCIProxy *proxy = vf_proxy(vf);

    if (vf->staged) {
        *img = *vf->staged;
        return;
    }
    memset(img, 0, sizeof(*img));
    img->driver_features = vdev->guest_features;
    img->dfselect = proxy->dfselect;
    img->gfselect = proxy->gfselect;
    img->config_vector = vdev->config_vector;
    img->num_queues = vf->lim.nvqs;
    img->queue_select = vdev->queue_sel;
    img->status = vdev->status;
    capture_vqs(vf, img);
    capture_net(vf, img);
    img->pad = vf->pad;
}

bool parts_vf_set(PartsVF *vf, const uint8_t *data, size_t len)
{
    g_autofree PartsImage *img = g_new(PartsImage, 1);
    uint32_t seen = vf->staged_seen;

    parts_vf_capture(vf, img);
    if (!parts_read(img, &seen, &vf->lim, data, len)) {
        return false;
    }
    g_free(vf->staged);
    vf->staged = g_steal_pointer(&img);
    vf->staged_seen = seen;
    return true;
}

static void drop_staged(PartsVF *vf)
{
    g_free(vf->staged);
    vf->staged = NULL;
    vf->staged_seen = 0;
}

/* ---- restore ---- */

static void reg(PartsVF *vf, hwaddr addr, uint64_t val, unsigned size)
{
    vf->fn.stock_common->write(vf_proxy(vf), addr, val, size);
}

static void reg64(PartsVF *vf, hwaddr addr, uint64_t val)
{
    reg(vf, addr, (uint32_t)val, 4);
    reg(vf, addr + 4, val >> 32, 4);
}

static void ctrl(PartsVF *vf, uint8_t class, uint8_t cmd, const void *data,
                 size_t len)
{
    struct virtio_net_ctrl_hdr hdr = { .class = class, .cmd = cmd };
    virtio_net_ctrl_ack ack = VIRTIO_NET_ERR;
    struct iovec in = { .iov_base = &ack, .iov_len = sizeof(ack) };
    struct iovec out[] = {
        { .iov_base = &hdr, .iov_len = sizeof(hdr) },
        { .iov_base = (void *)data, .iov_len = len },
    };

    virtio_net_handle_ctrl_iov(vf_vdev(vf), &in, 1, out, ARRAY_SIZE(out));
    /* Checked when it was set. */
    assert(ack == VIRTIO_NET_OK);
}

static void restore_vq(PartsVF *vf, unsigned i, const PartsVq *vq)
{
    if (!vq->size) {
        return;
    }
    reg(vf, VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
    reg(vf, VIRTIO_PCI_COMMON_Q_SIZE, vq->size, 2);
    reg(vf, VIRTIO_PCI_COMMON_Q_MSIX, vq->vector, 2);
    reg64(vf, VIRTIO_PCI_COMMON_Q_DESCLO, vq->desc);
    reg64(vf, VIRTIO_PCI_COMMON_Q_AVAILLO, vq->driver);
    reg64(vf, VIRTIO_PCI_COMMON_Q_USEDLO, vq->device);
    if (vq->enabled) {
        reg(vf, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
    }
}

static void restore_net(PartsVF *vf, const PartsImage *img)
{
    const struct {
        uint8_t cmd;
        uint8_t on;
    } rx[] = {
        { VIRTIO_NET_CTRL_RX_PROMISC, img->promisc },
        { VIRTIO_NET_CTRL_RX_ALLMULTI, img->allmulti },
        { VIRTIO_NET_CTRL_RX_ALLUNI, img->alluni },
        { VIRTIO_NET_CTRL_RX_NOMULTI, img->nomulti },
        { VIRTIO_NET_CTRL_RX_NOUNI, img->nouni },
        { VIRTIO_NET_CTRL_RX_NOBCAST, img->nobcast },
    };
    size_t uni_len = img->uni * ETH_ALEN, multi_len = img->multi * ETH_ALEN;
    uint8_t table[8 + sizeof(img->macs)], pairs[2];
    VirtIONet *n = vf_net(vf);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rx); i++) {
        ctrl(vf, VIRTIO_NET_CTRL_RX, rx[i].cmd, &rx[i].on, 1);
    }
    ctrl(vf, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, img->mac,
         ETH_ALEN);

    stl_le_p(table, img->uni);
    memcpy(table + 4, img->macs, uni_len);
    stl_le_p(table + 4 + uni_len, img->multi);
    memcpy(table + 8 + uni_len, img->macs[img->uni], multi_len);
    ctrl(vf, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table,
         8 + uni_len + multi_len);

    /* The part has the whole table; the command takes one id at a time. */
    for (i = 0; i < PARTS_VLAN_BYTES / 4; i++) {
        n->vlans[i] = ldl_le_p(img->vlans + 4 * i);
    }

    if (img->driver_features & 1ull << VIRTIO_NET_F_MQ) {
        stw_le_p(pairs, img->pairs);
        ctrl(vf, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, pairs,
             sizeof(pairs));
    }
}

static void restore_status(PartsVF *vf, uint8_t status)
{
    static const uint8_t steps[] = {
        VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER,
        VIRTIO_CONFIG_S_FEATURES_OK,
    };
    uint8_t now = 0;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(steps) && (status & steps[i]); i++) {
        now |= steps[i];
        reg(vf, VIRTIO_PCI_COMMON_STATUS, now, 1);
    }
}

static void restore(PartsVF *vf, const PartsImage *img)
{
    VirtIODevice *vdev = vf_vdev(vf);
    unsigned i;

    vf->applying = true;
    reg(vf, VIRTIO_PCI_COMMON_STATUS, 0, 1);
    for (i = 0; i < 2; i++) {
        reg(vf, VIRTIO_PCI_COMMON_GFSELECT, i, 4);
        reg(vf, VIRTIO_PCI_COMMON_GF,
            (uint32_t)(img->driver_features >> 32 * i), 4);
    }
    restore_status(vf, img->status);
    reg(vf, VIRTIO_PCI_COMMON_MSIX, img->config_vector, 2);
    for (i = 0; i < vf->lim.nvqs; i++) {
        restore_vq(vf, i, &img->vq[i]);
    }
    restore_net(vf, img);
    if (img->status) {
        /* The device is held, so DRIVER_OK does not start it. */
        reg(vf, VIRTIO_PCI_COMMON_STATUS, img->status, 1);
    }
    vdev->broken = img->status & VIRTIO_CONFIG_S_NEEDS_RESET;
    reg(vf, VIRTIO_PCI_COMMON_DFSELECT, img->dfselect, 4);
    reg(vf, VIRTIO_PCI_COMMON_GFSELECT, img->gfselect, 4);
    reg(vf, VIRTIO_PCI_COMMON_Q_SELECT, img->queue_select, 2);
    vf->pad = img->pad;
    vf->applying = false;
}

/*
 * The parts have no ring positions. A stopped device has used every buffer it
 * saw, so both its indexes equal the used index in memory.
 */
static void find_rings(PartsVF *vf)
{
    VirtIODevice *vdev = vf_vdev(vf);
    unsigned i;

    for (i = 0; i < vf->lim.nvqs; i++) {
        if (vf_proxy(vf)->vqs[i].enabled) {
            virtio_queue_restore_last_avail_idx(vdev, i);
            virtio_queue_update_used_idx(vdev, i);
        }
    }
}

/* Process what arrived, and interrupt the driver for what it missed. */
static void wake(PartsVF *vf, bool config)
{
    VirtIODevice *vdev = vf_vdev(vf);
    BusState *bus = qdev_get_parent_bus(DEVICE(vdev));
    unsigned i;

    if (!(vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        return;
    }
    for (i = 0; i < vf->lim.nvqs; i++) {
        if (vf_proxy(vf)->vqs[i].enabled) {
            virtio_queue_notify(vdev, i);
            VIRTIO_BUS_GET_CLASS(bus)->notify(bus->parent,
                                              virtio_queue_vector(vdev, i));
        }
    }
    if (config) {
        virtio_notify_config(vdev);
    }
}

/* Runs the device, or keeps it held until the ring positions can be read. */
static void let_run(PartsVF *vf, bool config)
{
    if (vf->rings_due && !parts_vf_bus_master(vf)) {
        return;
    }
    if (vf->rings_due) {
        vf->rings_due = false;
        find_rings(vf);
    }
    parts_port_block(vf->fn.port, false);
    parts_vdev_hold(&vf->fn.vdev, false);
    wake(vf, config);
}

void parts_vf_stop(PartsVF *vf)
{
    if (vf->stopped) {
        return;
    }
    vf->stopped = true;
    vf->stop_generation = vf_vdev(vf)->generation;
    parts_port_block(vf->fn.port, true);
    parts_vdev_hold(&vf->fn.vdev, true);
}

void parts_vf_resume(PartsVF *vf)
{
    bool config;

    if (!vf->stopped) {
        return;
    }
    config = vf->staged || vf->stop_generation != vf_vdev(vf)->generation;
    if (vf->staged) {
        restore(vf, vf->staged);
        drop_staged(vf);
        vf->rings_due = true;
    }
    vf->stopped = false;
    let_run(vf, config);
}

void parts_vf_bus_master_on(PartsVF *vf)
{
    if (vf->rings_due && !vf->stopped) {
        let_run(vf, true);
    }
}

/* A pad is no shorter than its header. */
void parts_vf_set_pad(PartsVF *vf, uint32_t size)
{
    vf->pad.size = size ? MAX(size, PARTS_HDR_SIZE) : 0;
    vf->pad.seed = vf->id;
    if (vf->staged) {
        vf->staged->pad = vf->pad;
    }
}

void parts_vf_driver_reset(PartsVF *vf)
{
    VirtIOPCIProxy *proxy = vf_proxy(vf);

    if (vf->applying) {
        return;
    }
    drop_staged(vf);
    /* The stock reset keeps these, but they are in the parts. */
    proxy->dfselect = 0;
    proxy->gfselect = 0;
    memset(proxy->guest_features, 0, sizeof(proxy->guest_features));
    vf->rings_due = false;
    if (!vf->stopped) {
        parts_port_block(vf->fn.port, false);
        parts_vdev_hold(&vf->fn.vdev, false);
    }
}

void parts_vf_forget(PartsVF *vf)
{
    vf->stopped = false;
    parts_vf_driver_reset(vf);
}
