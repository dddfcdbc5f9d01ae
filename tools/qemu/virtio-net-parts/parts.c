/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wire format of device parts: VIRTIO 1.4, "Device parts", and for part
 * 0x200 the section of the network device. One table, in the specified order,
 * serves writing and reading. Nothing here touches a device.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/virtio/virtio-bus.h"
#include "standard-headers/linux/virtio_pci.h"
#include "virtio-net-parts.h"

enum {
    PART_DEV_FEATURES = 0x100,
    PART_DRV_FEATURES = 0x101,
    PART_PCI_COMMON_CFG = 0x102,
    PART_DEVICE_STATUS = 0x103,
    PART_VQ_CFG = 0x104,
    PART_VQ_NOTIFY_CFG = 0x105,
    PART_NET_CVQ_CFG = 0x200,
    PART_PAD = 0x4ab,           /* "lab", in the range for device types */
};

#define PART_OPTIONAL   1       /* bit 0 of the flags */

#define SEL_SIZE        8
#define KEY_SIZE        (2 + SEL_SIZE)
#define VQ_CFG_SIZE     32
#define MAC_TABLE_MAX   (8 + MAC_TABLE_ENTRIES * ETH_ALEN)

/* Features without which the device refuses FEATURES_OK. */
#define NEEDED_FEATURES \
    (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_IOMMU_PLATFORM)

typedef struct Writer {
    const PartsImage *img;
    const PartsLimits *lim;
    GByteArray *out;
    unsigned flags;
    const uint8_t *pick;
    size_t npick;
    PartsPad *pad;
    unsigned count;
} Writer;

typedef struct Reader {
    PartsImage *img;
    const PartsLimits *lim;
} Reader;

typedef struct PartType {
    uint16_t type;
    uint8_t flags;
    bool selects;               /* its selector may differ from zero */
    uint32_t needs;             /* types that must come before it, as bits */
    void (*write)(Writer *w);
    bool (*read)(Reader *r, const uint8_t *sel, const uint8_t *val,
                 uint32_t len);
} PartType;

/* Fields of struct virtio_pci_common_cfg that are state of the whole device. */
static const struct {
    uint32_t offset;
    unsigned len;
    size_t field;
} common_fields[] = {
    { VIRTIO_PCI_COMMON_DFSELECT, 4, offsetof(PartsImage, dfselect) },
    { VIRTIO_PCI_COMMON_GFSELECT, 4, offsetof(PartsImage, gfselect) },
    { VIRTIO_PCI_COMMON_MSIX, 2, offsetof(PartsImage, config_vector) },
    { VIRTIO_PCI_COMMON_NUMQ, 2, offsetof(PartsImage, num_queues) },
    { VIRTIO_PCI_COMMON_Q_SELECT, 2, offsetof(PartsImage, queue_select) },
};

/* Control virtqueue commands that set one value. */
static const struct {
    uint8_t class;
    uint8_t cmd;
    unsigned len;
    bool bytes;                 /* an array of bytes, not a number */
    size_t field;
} cvq_fields[] = {
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1, false,
      offsetof(PartsImage, promisc) },
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, 1, false,
      offsetof(PartsImage, allmulti) },
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, 1, false,
      offsetof(PartsImage, alluni) },
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, 1, false,
      offsetof(PartsImage, nomulti) },
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, 1, false,
      offsetof(PartsImage, nouni) },
    { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, 1, false,
      offsetof(PartsImage, nobcast) },
    { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, ETH_ALEN, true,
      offsetof(PartsImage, mac) },
    { VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, PARTS_VLAN_BYTES, true,
      offsetof(PartsImage, vlans) },
    { VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, false,
      offsetof(PartsImage, pairs) },
};

/* ---- writing ---- */

static bool picked(const Writer *w, const uint8_t *hdr)
{
    size_t i;

    for (i = 0; i < w->npick; i++) {
        const uint8_t *p = w->pick + i * PARTS_HDR_SIZE;

        if (!memcmp(p, hdr, 2) && !memcmp(p + 4, hdr + 4, SEL_SIZE)) {
            return true;
        }
    }
    return false;
}

/* Returns whether the part is wanted. If @val is NULL, the caller adds the value. */
static bool emit(Writer *w, uint16_t type, uint8_t flags, const uint8_t *sel,
                 const void *val, uint32_t len)
{
    uint8_t hdr[PARTS_HDR_SIZE] = { 0 };

    stw_le_p(hdr, type);
    hdr[2] = flags;
    memcpy(hdr + 4, sel, SEL_SIZE);
    stl_le_p(hdr + 12, len);

    if (w->pick && !picked(w, hdr)) {
        return false;
    }
    g_byte_array_append(w->out, hdr, sizeof(hdr));
    if (val && !(w->flags & PARTS_HEADERS_ONLY)) {
        g_byte_array_append(w->out, val, len);
    }
    w->count++;
    return true;
}

static const uint8_t no_sel[SEL_SIZE];

static void write_dev_features(Writer *w)
{
    uint8_t val[8];

    stq_le_p(val, w->lim->device_features);
    emit(w, PART_DEV_FEATURES, PART_OPTIONAL, no_sel, val, sizeof(val));
}

static void write_drv_features(Writer *w)
{
    uint8_t val[8];

    stq_le_p(val, w->img->driver_features);
    emit(w, PART_DRV_FEATURES, 0, no_sel, val, sizeof(val));
}

static void write_common_cfg(Writer *w)
{
    size_t i;

    for (i = 0; i < ARRAY_SIZE(common_fields); i++) {
        const void *field = (const uint8_t *)w->img + common_fields[i].field;
        uint8_t sel[SEL_SIZE] = { 0 }, val[4];

        stl_le_p(sel, common_fields[i].offset);
        stl_le_p(val, *(const uint32_t *)field);
        emit(w, PART_PCI_COMMON_CFG, 0, sel, val, common_fields[i].len);
    }
}

static void write_status(Writer *w)
{
    emit(w, PART_DEVICE_STATUS, 0, no_sel, &w->img->status, 1);
}

static void write_vq_cfg(Writer *w)
{
    unsigned i;

    for (i = 0; i < w->lim->nvqs; i++) {
        const PartsVq *vq = &w->img->vq[i];
        uint8_t sel[SEL_SIZE] = { 0 }, val[VQ_CFG_SIZE] = { 0 };

        stw_le_p(sel, i);
        stw_le_p(val, vq->size);
        stw_le_p(val + 2, vq->vector);
        stw_le_p(val + 4, vq->enabled);
        stq_le_p(val + 8, vq->desc);
        stq_le_p(val + 16, vq->driver);
        stq_le_p(val + 24, vq->device);
        emit(w, PART_VQ_CFG, 0, sel, val, sizeof(val));
    }
}

/* The device fixes these: queue n has notification offset n and no data. */
static void vq_notify_val(unsigned index, uint8_t val[8])
{
    memset(val, 0, 8);
    stw_le_p(val, index);
}

static void write_vq_notify(Writer *w)
{
    unsigned i;

    for (i = 0; i < w->lim->nvqs; i++) {
        uint8_t sel[SEL_SIZE] = { 0 }, val[8];

        stw_le_p(sel, i);
        vq_notify_val(i, val);
        emit(w, PART_VQ_NOTIFY_CFG, 0, sel, val, sizeof(val));
    }
}

static void write_cvq(Writer *w)
{
    const PartsImage *img = w->img;
    uint8_t sel[SEL_SIZE] = { VIRTIO_NET_CTRL_MAC,
                              VIRTIO_NET_CTRL_MAC_TABLE_SET };
    uint8_t val[MAC_TABLE_MAX];
    size_t i, uni_len = img->uni * ETH_ALEN, multi_len = img->multi * ETH_ALEN;

    for (i = 0; i < ARRAY_SIZE(cvq_fields); i++) {
        const uint8_t *field = (const uint8_t *)img + cvq_fields[i].field;
        uint8_t fsel[SEL_SIZE] = { cvq_fields[i].class, cvq_fields[i].cmd };
        uint8_t num[4];

        if (!cvq_fields[i].bytes) {
            stl_le_p(num, *(const uint32_t *)field);
            field = num;
        }
        emit(w, PART_NET_CVQ_CFG, 0, fsel, field, cvq_fields[i].len);
    }

    stl_le_p(val, img->uni);
    memcpy(val + 4, img->macs, uni_len);
    stl_le_p(val + 4 + uni_len, img->multi);
    memcpy(val + 8 + uni_len, img->macs[img->uni], multi_len);
    emit(w, PART_NET_CVQ_CFG, 0, sel, val, 8 + uni_len + multi_len);
}

static void write_pad(Writer *w)
{
    const PartsPad *pad = &w->img->pad;
    uint8_t sel[SEL_SIZE] = { 0 };

    stl_le_p(sel, pad->seed);
    if (pad->size && emit(w, PART_PAD, 0, sel, NULL, parts_pad_len(pad)) &&
        w->pad) {
        *w->pad = *pad;
    }
}

/* ---- reading ---- */

static bool read_dev_features(Reader *r, const uint8_t *sel,
                              const uint8_t *val, uint32_t len)
{
    return len == 8 && ldq_le_p(val) == r->lim->device_features;
}

static bool read_drv_features(Reader *r, const uint8_t *sel,
                              const uint8_t *val, uint32_t len)
{
    if (len != 8) {
        return false;
    }
    r->img->driver_features = ldq_le_p(val);
    return true;
}

static bool read_common_cfg(Reader *r, const uint8_t *sel, const uint8_t *val,
                            uint32_t len)
{
    size_t i;

    for (i = 0; i < ARRAY_SIZE(common_fields); i++) {
        void *field = (uint8_t *)r->img + common_fields[i].field;

        if (common_fields[i].offset == ldl_le_p(sel)) {
            if (len != common_fields[i].len || ldl_le_p(sel + 4)) {
                return false;
            }
            *(uint32_t *)field = ldn_le_p(val, len);
            return true;
        }
    }
    return false;
}

static bool read_status(Reader *r, const uint8_t *sel, const uint8_t *val,
                        uint32_t len)
{
    if (len != 1) {
        return false;
    }
    r->img->status = *val;
    return true;
}

static bool vq_index(const Reader *r, const uint8_t *sel, unsigned *index)
{
    *index = lduw_le_p(sel);
    return *index < r->lim->nvqs && !memcmp(sel + 2, no_sel, SEL_SIZE - 2);
}

static bool read_vq_cfg(Reader *r, const uint8_t *sel, const uint8_t *val,
                        uint32_t len)
{
    unsigned index;

    if (!vq_index(r, sel, &index) || len != VQ_CFG_SIZE || lduw_le_p(val + 6)) {
        return false;
    }
    r->img->vq[index] = (PartsVq) {
        .size = lduw_le_p(val),
        .vector = lduw_le_p(val + 2),
        .enabled = lduw_le_p(val + 4),
        .desc = ldq_le_p(val + 8),
        .driver = ldq_le_p(val + 16),
        .device = ldq_le_p(val + 24),
    };
    return true;
}

static bool read_vq_notify(Reader *r, const uint8_t *sel, const uint8_t *val,
                           uint32_t len)
{
    uint8_t want[8];
    unsigned index;

    if (!vq_index(r, sel, &index) || len != sizeof(want)) {
        return false;
    }
    vq_notify_val(index, want);
    return !memcmp(val, want, sizeof(want));
}

static bool read_mac_table(Reader *r, const uint8_t *val, uint32_t len)
{
    PartsImage *img = r->img;
    uint32_t uni, multi;

    if (len < 8) {
        return false;
    }
    uni = ldl_le_p(val);
    if (uni > MAC_TABLE_ENTRIES || len < 8 + uni * ETH_ALEN) {
        return false;
    }
    multi = ldl_le_p(val + 4 + uni * ETH_ALEN);
    if (multi > MAC_TABLE_ENTRIES - uni ||
        len != 8 + (uni + multi) * ETH_ALEN) {
        return false;
    }
    img->uni = uni;
    img->multi = multi;
    memset(img->macs, 0, sizeof(img->macs));
    memcpy(img->macs, val + 4, uni * ETH_ALEN);
    memcpy(img->macs[uni], val + 8 + uni * ETH_ALEN, multi * ETH_ALEN);
    return true;
}

static bool read_cvq(Reader *r, const uint8_t *sel, const uint8_t *val,
                     uint32_t len)
{
    size_t i;

    if (memcmp(sel + 2, no_sel, SEL_SIZE - 2)) {
        return false;
    }
    if (sel[0] == VIRTIO_NET_CTRL_MAC &&
        sel[1] == VIRTIO_NET_CTRL_MAC_TABLE_SET) {
        return read_mac_table(r, val, len);
    }
    for (i = 0; i < ARRAY_SIZE(cvq_fields); i++) {
        uint8_t *field = (uint8_t *)r->img + cvq_fields[i].field;

        if (cvq_fields[i].class != sel[0] || cvq_fields[i].cmd != sel[1]) {
            continue;
        }
        if (cvq_fields[i].len != len) {
            return false;
        }
        if (cvq_fields[i].bytes) {
            memcpy(field, val, len);
        } else {
            *(uint32_t *)field = ldn_le_p(val, len);
        }
        return true;
    }
    return false;
}

static bool read_pad(Reader *r, const uint8_t *sel, const uint8_t *val,
                     uint32_t len)
{
    if (len > r->lim->max_pad - PARTS_HDR_SIZE || ldl_le_p(sel + 4)) {
        return false;
    }
    r->img->pad = (PartsPad) { .size = len + PARTS_HDR_SIZE,
                               .seed = ldl_le_p(sel) };
    return parts_pad_check(&r->img->pad, val);
}

/*
 * Parts that must come before another. DEV_FEATURES is optional, so no part
 * needs it; if present, it must match and come first.
 */
#define N_DRV       (1u << 1)
#define N_COMMON    (1u << 2)
#define N_STATUS    (1u << 3)
#define N_VQ        (1u << 4)

static const PartType part_types[] = {
    { PART_DEV_FEATURES, PART_OPTIONAL, false, 0,
      write_dev_features, read_dev_features },
    { PART_DRV_FEATURES, 0, false, 0,
      write_drv_features, read_drv_features },
    { PART_PCI_COMMON_CFG, 0, true, N_DRV,
      write_common_cfg, read_common_cfg },
    { PART_DEVICE_STATUS, 0, false, N_DRV | N_COMMON,
      write_status, read_status },
    { PART_VQ_CFG, 0, true, N_DRV | N_COMMON | N_STATUS,
      write_vq_cfg, read_vq_cfg },
    { PART_VQ_NOTIFY_CFG, 0, true, N_DRV | N_COMMON | N_STATUS | N_VQ,
      write_vq_notify, read_vq_notify },
    { PART_NET_CVQ_CFG, 0, true, 0,
      write_cvq, read_cvq },
    { PART_PAD, 0, true, 0,
      write_pad, read_pad },
};

/* ---- the image as a whole ---- */

static bool vq_valid(const PartsVq *vq, unsigned max, unsigned nvectors)
{
    if (vq->enabled > 1 || vq->size > max || (vq->size & (vq->size - 1)) ||
        (vq->vector >= nvectors && vq->vector != VIRTIO_NO_VECTOR)) {
        return false;
    }
    if (!vq->size) {
        return !vq->enabled && !vq->desc && !vq->driver && !vq->device;
    }
    return !(vq->desc & 15) && !(vq->driver & 1) && !(vq->device & 3);
}

/* A driver sets the status bits one after the other. */
static bool status_valid(uint8_t status)
{
    static const uint8_t steps[] = {
        VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER,
        VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER_OK,
    };
    uint8_t ends = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;
    uint8_t walked = 0;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(steps) && (status & steps[i]); i++) {
        walked |= steps[i];
    }
    return (status & ~ends) == walked;
}

static bool image_valid(const PartsImage *img, const PartsLimits *lim)
{
    bool mq = img->driver_features & 1ull << VIRTIO_NET_F_MQ;
    const uint32_t flags[] = { img->promisc, img->allmulti, img->alluni,
                               img->nomulti, img->nouni, img->nobcast };
    unsigned i, nvqs = mq ? lim->nvqs : 3;

    if (img->driver_features & ~lim->device_features ||
        !status_valid(img->status) ||
        img->num_queues != lim->nvqs ||
        img->queue_select >= VIRTIO_QUEUE_MAX ||
        (img->config_vector >= lim->nvectors &&
         img->config_vector != VIRTIO_NO_VECTOR) ||
        !img->pairs || img->pairs > (mq ? lim->pairs : 1)) {
        return false;
    }
    if ((img->status & VIRTIO_CONFIG_S_FEATURES_OK) &&
        (img->driver_features & NEEDED_FEATURES) != NEEDED_FEATURES) {
        return false;
    }
    for (i = 0; i < ARRAY_SIZE(flags); i++) {
        if (flags[i] > 1) {
            return false;
        }
    }
    for (i = 0; i < lim->nvqs; i++) {
        unsigned max = i < nvqs ? PARTS_QUEUE_SIZE : 0;

        if (!vq_valid(&img->vq[i], max, lim->nvectors)) {
            return false;
        }
    }
    return true;
}

/* ---- entry points ---- */

unsigned parts_write(const PartsImage *img, const PartsLimits *lim,
                     GByteArray *out, unsigned flags, const uint8_t *pick,
                     size_t npick, PartsPad *pad)
{
    Writer w = { .img = img, .lim = lim, .out = out, .flags = flags,
                 .pick = pick, .npick = npick, .pad = pad };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(part_types); i++) {
        part_types[i].write(&w);
    }
    return w.count;
}

size_t parts_max_size(const PartsLimits *lim)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autofree PartsImage *img = g_new0(PartsImage, 1);

    img->uni = MAC_TABLE_ENTRIES;
    parts_write(img, lim, all, 0, NULL, 0, NULL);
    return all->len;
}

static const PartType *find_type(const PartsLimits *lim, uint16_t type,
                                 unsigned *index)
{
    if (type == PART_PAD && !lim->max_pad) {
        return NULL;
    }
    for (*index = 0; *index < ARRAY_SIZE(part_types); (*index)++) {
        if (part_types[*index].type == type) {
            return &part_types[*index];
        }
    }
    return NULL;
}

/* Data is padded with zeros to a multiple of 8 bytes. */
static bool is_padding(const uint8_t *data, size_t len)
{
    return len < 8 && !memcmp(data, no_sel, len);
}

bool parts_read(PartsImage *img, uint32_t *seen, const PartsLimits *lim,
                const uint8_t *data, size_t len)
{
    g_autoptr(GHashTable) keys = g_hash_table_new_full(g_bytes_hash,
                                            g_bytes_equal,
                                            (GDestroyNotify)g_bytes_unref,
                                            NULL);
    Reader r = { .img = img, .lim = lim };
    uint16_t last = 0;

    while (len >= PARTS_HDR_SIZE) {
        uint16_t type = lduw_le_p(data);
        uint8_t flags = data[2];
        uint32_t size = ldl_le_p(data + 12);
        const uint8_t *val = data + PARTS_HDR_SIZE;
        const PartType *pt;
        unsigned index;
        uint8_t key[KEY_SIZE];

        if (size > len - PARTS_HDR_SIZE || data[3] || type < last) {
            return false;
        }
        last = type;
        pt = find_type(lim, type, &index);
        if (!pt) {
            if (!(flags & PART_OPTIONAL)) {
                return false;
            }
        } else {
            memcpy(key, data, 2);
            memcpy(key + 2, data + 4, SEL_SIZE);
            if (flags != pt->flags || (pt->needs & ~*seen) ||
                (!pt->selects && memcmp(data + 4, no_sel, SEL_SIZE)) ||
                !g_hash_table_add(keys, g_bytes_new(key, sizeof(key))) ||
                !pt->read(&r, data + 4, val, size)) {
                return false;
            }
            *seen |= 1u << index;
        }
        data = val + size;
        len -= PARTS_HDR_SIZE + size;
    }
    return is_padding(data, len) && image_valid(img, lim);
}
