/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lab block's interface to this NIC. */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/iov.h"
#include "../lab/lab-regs.h"
#include "admin.h"

/* A command that the lab block owns. */
typedef struct PartsCmd {
    VirtQueueElement *elem;
    size_t used;
} PartsCmd;

static PartsVF *nth_vf(void *pf, unsigned n)
{
    return VIRTIO_NET_PARTS_VF(PCI_DEVICE(pf)->exp.sriov_pf.vf[n]);
}

static uint64_t objects(void *pf)
{
    return parts_admin_count_objs(pf);
}

static PCIDevice *vf_device(void *pf, unsigned n)
{
    return PCI_DEVICE(nth_vf(pf, n));
}

static uint64_t vf_status(void *pf, unsigned n)
{
    PartsVF *vf = nth_vf(pf, n);
    bool driver_ok = VIRTIO_DEVICE(&vf->fn.vdev)->status &
                     VIRTIO_CONFIG_S_DRIVER_OK;

    return (vf->stopped ? LAB_VF_STOPPED : 0) |
           (vf->staged ? LAB_VF_STAGED : 0) |
           (parts_vf_bus_master(vf) ? LAB_VF_MASTER : 0) |
           (driver_ok ? LAB_VF_DRIVER_OK : 0);
}

static uint64_t vf_pad(void *pf, unsigned n)
{
    return nth_vf(pf, n)->pad.size;
}

static void vf_set_pad(void *pf, unsigned n, uint64_t pad)
{
    parts_vf_set_pad(nth_vf(pf, n), pad);
}

static bool vf_may_write(void *pf, unsigned n)
{
    PartsVF *vf = nth_vf(pf, n);

    return !vf->fn.vdev.held && parts_vf_bus_master(vf);
}

static void run(void *pf, void *opaque, const LabFault *fault)
{
    PartsCmd *cmd = opaque;

    cmd->used = parts_admin_run(pf, cmd->elem, fault);
}

static void complete(void *pf, void *opaque)
{
    PartsCmd *cmd = opaque;

    parts_admin_complete(pf, cmd->elem, cmd->used);
    g_free(cmd);
}

static void drop(void *opaque_pf, void *opaque)
{
    PartsPF *pf = opaque_pf;
    VirtQueue *vq = virtio_get_queue(VIRTIO_DEVICE(&pf->fn.vdev),
                                     pf->admin.index);
    PartsCmd *cmd = opaque;

    virtqueue_detach_element(vq, cmd->elem, 0);
    g_free(cmd->elem);
    g_free(cmd);
}

static const LabDevice lab_device = {
    .max_vfs = PARTS_MAX_VFS,
    .max_pad = PARTS_MAX_PAD,
    .objects = objects,
    .vf = vf_device,
    .vf_status = vf_status,
    .vf_pad = vf_pad,
    .vf_set_pad = vf_set_pad,
    .vf_may_write = vf_may_write,
    .run = run,
    .complete = complete,
    .drop = drop,
};

void parts_lab_take(PartsPF *pf, VirtQueueElement *elem)
{
    uint8_t hdr[ADMIN_HDR_SIZE] = { 0 };
    PartsCmd *cmd = g_new0(PartsCmd, 1);
    uint16_t opcode;
    uint64_t member;

    iov_to_buf(elem->out_sg, elem->out_num, 0, hdr, sizeof(hdr));
    opcode = lduw_le_p(hdr);
    member = ldq_le_p(hdr + 16);
    if (lduw_le_p(hdr + 2) != ADMIN_GROUP_SRIOV || member > PARTS_MAX_VFS) {
        member = 0;
    }
    cmd->elem = elem;
    lab_take(pf->lab, cmd, opcode, member, opcode == ADMIN_OP_PARTS_GET);
}

void parts_lab_drop(PartsPF *pf)
{
    if (pf->lab) {
        lab_drop(pf->lab);
    }
}

void parts_lab_init(PartsPF *pf)
{
    unsigned i;

    for (i = 0; i < pf->sriov_vfs; i++) {
        nth_vf(pf, i)->lim.max_pad = PARTS_MAX_PAD;
    }
    pf->lab = lab_new(&lab_device, PCI_DEVICE(pf), pf->sriov_vfs);
}

void parts_lab_free(PartsPF *pf)
{
    if (pf->lab) {
        lab_free(pf->lab);
    }
}
