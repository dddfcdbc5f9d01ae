/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An SR-IOV virtio-net device whose PF captures and restores the state of its
 * VFs through a VIRTIO 1.4 administration virtqueue. This header is private.
 */
#ifndef HW_NET_VIRTIO_NET_PARTS_H
#define HW_NET_VIRTIO_NET_PARTS_H

#include "hw/virtio/virtio-net.h"
#include "hw/virtio/virtio-pci.h"
#include "net/net.h"
#include "qemu/units.h"

#define PARTS_MAX_PAIRS   64
#define PARTS_MAX_VQS     (2 * PARTS_MAX_PAIRS + 1)
#define PARTS_MAX_VFS     128
/*
 * The largest queue, smaller than virtio-net's. A write of QEMU to a ring behind
 * an IOMMU translates only its first byte, so a used-ring entry that straddles a
 * page would damage another page. At this size Linux places a used ring within
 * one page.
 */
#define PARTS_QUEUE_SIZE  256
#define PARTS_VLAN_BYTES  (MAX_VLAN / 8)

/* ---- the switch: one segment of PF, VFs and an optional uplink ---- */

typedef struct PartsSwitch PartsSwitch;
typedef struct PartsPort PartsPort;

struct PartsPort {
    PartsSwitch *sw;
    VirtIONet *net;             /* NULL until the function is realized */
    bool blocked;               /* stopped: packets are dropped */
    unsigned nqueues;
    NetClientState *ncs[PARTS_MAX_PAIRS];
};

struct PartsSwitch {
    unsigned nports;
    PartsPort *ports;           /* 0 is the PF, n is VF n */
    NICConf uplink_conf;
    NICState *uplink;
};

void parts_switch_init(PartsSwitch *sw, DeviceState *dev, unsigned nports,
                       NICPeers *uplink);
/* Connects @net, which is not realized yet, to the port. */
void parts_port_attach(PartsPort *port, VirtIONet *net, unsigned nqueues,
                       const char *name);
void parts_port_block(PartsPort *port, bool block);

/* ---- virtio-net with a hold: it starts nothing, whatever the VM does ---- */

#define TYPE_VIRTIO_NET_PARTS_DEVICE "virtio-net-parts-device"
OBJECT_DECLARE_TYPE(VirtIONetParts, VirtIONetPartsClass,
                    VIRTIO_NET_PARTS_DEVICE)

struct VirtIONetParts {
    VirtIONet parent_obj;
    bool held;
    void (*on_reset)(void *opaque);
    void *opaque;
};

struct VirtIONetPartsClass {
    VirtioDeviceClass parent_class;
    void (*parent_set_status)(VirtIODevice *vdev, uint8_t status);
    void (*parent_reset)(VirtIODevice *vdev);
};

void parts_vdev_hold(VirtIONetParts *vp, bool hold);

/* ---- the state of a VF, in the terms of its device parts ---- */

typedef struct PartsVq {
    uint16_t size;
    uint16_t vector;
    uint16_t enabled;
    uint64_t desc;
    uint64_t driver;
    uint64_t device;
} PartsVq;

/* A part of any length; the seed determines its content. */
typedef struct PartsPad {
    uint32_t size;              /* with its header; 0: no pad */
    uint32_t seed;
} PartsPad;

#define PARTS_MAX_PAD   (1u * GiB)

/* Scalars listed in tables are uint32_t, whatever their wire format. */
typedef struct PartsImage {
    uint64_t driver_features;
    uint32_t dfselect;
    uint32_t gfselect;
    uint32_t config_vector;
    uint32_t num_queues;
    uint32_t queue_select;
    uint8_t status;
    PartsVq vq[PARTS_MAX_VQS];
    uint32_t promisc;
    uint32_t allmulti;
    uint32_t alluni;
    uint32_t nomulti;
    uint32_t nouni;
    uint32_t nobcast;
    uint32_t pairs;
    uint8_t mac[ETH_ALEN];
    uint32_t uni;               /* unicast entries in macs; multicast follows */
    uint32_t multi;
    uint8_t macs[MAC_TABLE_ENTRIES][ETH_ALEN];
    uint8_t vlans[PARTS_VLAN_BYTES];
    PartsPad pad;
} PartsImage;

/* Values that the device sets, not its driver */
typedef struct PartsLimits {
    uint64_t device_features;
    unsigned pairs;
    unsigned nvqs;
    unsigned nvectors;
    uint32_t max_pad;           /* 0: a pad is treated as an unknown part */
} PartsLimits;

#define PARTS_HDR_SIZE 16

enum { PARTS_HEADERS_ONLY = 1 };

static inline size_t parts_pad_len(const PartsPad *pad)
{
    return pad->size ? pad->size - PARTS_HDR_SIZE : 0;
}

/* Copies content from @off on to @iov; returns the bytes that fitted. */
size_t parts_pad_put(const PartsPad *pad, const struct iovec *iov,
                     unsigned niov, size_t off);
bool parts_pad_check(const PartsPad *pad, const uint8_t *val);

/*
 * Appends the parts of @img to @out in the specified order; with
 * PARTS_HEADERS_ONLY only the headers; with @pick (@npick headers) only the
 * parts named there. Returns how many were appended. The content of a pad, the
 * last part, is not appended; @pad, if not NULL, is set to describe it.
 */
unsigned parts_write(const PartsImage *img, const PartsLimits *lim,
                     GByteArray *out, unsigned flags, const uint8_t *pick,
                     size_t npick, PartsPad *pad);
/* The most bytes that parts_write() appends, without a pad. */
size_t parts_max_size(const PartsLimits *lim);
/*
 * Reads @len bytes of parts into @img, which holds the previous state. @seen has
 * a bit for each type of part set so far. If it returns false, the caller must
 * discard both.
 */
bool parts_read(PartsImage *img, uint32_t *seen, const PartsLimits *lim,
                const uint8_t *data, size_t len);

/* ---- the PCI functions ---- */

#define TYPE_VIRTIO_NET_PARTS "virtio-net-parts"
OBJECT_DECLARE_TYPE(PartsFunction, PartsFunctionClass, VIRTIO_NET_PARTS)

#define TYPE_VIRTIO_NET_PARTS_PF "virtio-net-parts-pf"
OBJECT_DECLARE_SIMPLE_TYPE(PartsPF, VIRTIO_NET_PARTS_PF)

#define TYPE_VIRTIO_NET_PARTS_VF "virtio-net-parts-vf"
OBJECT_DECLARE_SIMPLE_TYPE(PartsVF, VIRTIO_NET_PARTS_VF)

struct PartsFunctionClass {
    VirtioPCIClass parent_class;
    ResettablePhases parent_phases;
    PCIUnregisterFunc *parent_exit;
};

struct PartsFunction {
    VirtIOPCIProxy parent_obj;
    VirtIONetParts vdev;
    PartsPort *port;
    unsigned pairs;
    /* the stock register blocks, which ours wrap */
    const MemoryRegionOps *stock_common;
    const MemoryRegionOps *stock_notify;
    MemoryRegionOps common;
    MemoryRegionOps notify;
    PCIConfigReadFunc *stock_config_read;
    PCIConfigWriteFunc *stock_config_write;
};

struct PartsVF {
    PartsFunction fn;
    PartsPF *pf;
    unsigned id;                /* member id: the VF number, from 1 */
    PartsLimits lim;
    bool stopped;
    bool applying;              /* our own writes to the registers */
    bool rings_due;             /* ring positions wait for bus mastering */
    uint32_t stop_generation;   /* config generation at the stop */
    PartsImage *staged;         /* loaded, takes effect on resume */
    uint32_t staged_seen;
    PartsPad pad;
    MSITriggerFunc *stock_msi_trigger;
};

/* ---- stop, resume, capture and restore of one VF ---- */

void parts_vf_init_limits(PartsVF *vf);
void parts_vf_stop(PartsVF *vf);
void parts_vf_resume(PartsVF *vf);
/* The state after a resume: the staged state, or else the live one. */
void parts_vf_capture(PartsVF *vf, PartsImage *img);
bool parts_vf_set(PartsVF *vf, const uint8_t *data, size_t len);
/* The driver reset its device: drops the staged state, keeps a stop. */
void parts_vf_driver_reset(PartsVF *vf);
/* The function was reset and runs again. */
void parts_vf_forget(PartsVF *vf);
/* Called whenever bus mastering may have been enabled. */
void parts_vf_bus_master_on(PartsVF *vf);
bool parts_vf_bus_master(PartsVF *vf);
/* Makes the state @size bytes longer. */
void parts_vf_set_pad(PartsVF *vf, uint32_t size);

/* ---- the administration virtqueue ---- */

/* Both directions share the object ids of a PF. */
#define PARTS_OBJ_LIMIT 255
#define PARTS_MAX_OBJS  (2 * PARTS_OBJ_LIMIT)

typedef struct PartsObject {
    uint16_t member;            /* 0: no such object */
    uint8_t type;
} PartsObject;

typedef struct PartsAdmin {
    uint16_t index;             /* of its virtqueue */
    bool chosen[2];             /* by group: LIST_USE was received */
    uint64_t used[2];
    uint8_t limit[2];           /* by object type; 0 until the driver sets it */
    PartsObject objs[PARTS_MAX_OBJS];
} PartsAdmin;

struct PartsPF {
    PartsFunction fn;
    PartsSwitch sw;
    PartsAdmin admin;
    struct Lab *lab;            /* NULL without x-lab=on */
    uint16_t sriov_vfs;
    uint16_t queue_pairs;
    bool x_lab;
};

void parts_admin_init(PartsPF *pf);
void parts_admin_exit(PartsPF *pf);
void parts_admin_reset(PartsPF *pf);
void parts_admin_forget_member(PartsPF *pf, unsigned id);
/* The driver reset the queue: drops all commands in it. */
void parts_admin_queue_reset(PartsPF *pf);

/* ---- the lab block, for tests: tools/qemu/LAB.md ---- */

void parts_lab_init(PartsPF *pf);
void parts_lab_free(PartsPF *pf);
/* Forgets the commands that are not completed yet. */
void parts_lab_drop(PartsPF *pf);

#endif
