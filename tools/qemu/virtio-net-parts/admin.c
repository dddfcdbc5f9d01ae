/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The administration virtqueue of the PF: VIRTIO 1.4, "Device groups" and its
 * commands. One table lists the commands of each group.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/iov.h"
#include "hw/pci/pcie_sriov.h"
#include "admin.h"

#define ADMIN_QUEUE_SIZE    PARTS_QUEUE_SIZE
#define STATUS_SIZE         8
/* More than any state needs; bounds the memory that a guest can make us use. */
#define DATA_MAX            (256 * MiB)

#define OP_LIST_QUERY   0
#define OP_LIST_USE     1

#define G_SELF          (1u << ADMIN_GROUP_SELF)
#define G_SRIOV         (1u << ADMIN_GROUP_SRIOV)

typedef struct AdminOp {
    AdminResult (*run)(AdminCmd *cmd);
    unsigned groups;            /* that accept it */
    unsigned listed;            /* other groups that list it */
    bool no_member;             /* group_member_id is not used */
} AdminOp;

static uint64_t supported(unsigned group);

static AdminResult list_query(AdminCmd *cmd)
{
    uint8_t list[8];

    stq_le_p(list, supported(cmd->group));
    g_byte_array_append(cmd->result, list, sizeof(list));
    return ADMIN_OK;
}

static AdminResult list_use(AdminCmd *cmd)
{
    PartsAdmin *admin = &cmd->pf->admin;
    uint64_t list = ldq_le_p(cmd->data);
    size_t i;

    if (list & ~supported(cmd->group)) {
        return ADMIN_BAD_FIELD;
    }
    for (i = 8; i < cmd->len; i++) {
        if (cmd->data[i]) {
            return ADMIN_BAD_FIELD;
        }
    }
    admin->used[cmd->group] = list;
    admin->chosen[cmd->group] = true;
    return ADMIN_OK;
}

/* ---- device parts ---- */

enum { METADATA_SIZE, METADATA_COUNT, METADATA_LIST };
enum { PARTS_GET_SELECTED, PARTS_GET_ALL };

static AdminResult metadata_get(AdminCmd *cmd)
{
    g_autofree PartsImage *img = g_new(PartsImage, 1);
    g_autoptr(GByteArray) hdrs = g_byte_array_new();
    uint8_t type = cmd->data[OBJ_HDR_SIZE], head[8] = { 0 };
    unsigned count;

    if (!admin_find_obj(cmd)) {
        return ADMIN_NO_OBJECT;
    }
    if (type > METADATA_LIST) {
        return ADMIN_BAD_FIELD;
    }
    parts_vf_capture(cmd->vf, img);
    count = parts_write(img, &cmd->vf->lim, hdrs, PARTS_HEADERS_ONLY, NULL, 0,
                        NULL);
    stl_le_p(head, type == METADATA_SIZE
                   ? parts_max_size(&cmd->vf->lim) + img->pad.size : count);
    if (cmd->room < sizeof(head) + (type == METADATA_LIST ? hdrs->len : 0)) {
        return ADMIN_SHORT;
    }
    g_byte_array_append(cmd->result, head, sizeof(head));
    if (type == METADATA_LIST) {
        g_byte_array_append(cmd->result, hdrs->data, hdrs->len);
    }
    return ADMIN_OK;
}

static AdminResult parts_get(AdminCmd *cmd)
{
    g_autofree PartsImage *img = g_new(PartsImage, 1);
    PartsObject *obj = admin_find_obj(cmd);
    const size_t fixed = OBJ_HDR_SIZE + 8;
    const uint8_t *pick = NULL;
    size_t npick = 0;

    if (!obj) {
        return ADMIN_NO_OBJECT;
    }
    if (obj->type != OBJ_TYPE_GET || cmd->data[OBJ_HDR_SIZE] > PARTS_GET_ALL) {
        return ADMIN_BAD_FIELD;
    }
    if (cmd->data[OBJ_HDR_SIZE] == PARTS_GET_SELECTED) {
        pick = cmd->data + fixed;
        npick = cmd->len > fixed ? (cmd->len - fixed) / PARTS_HDR_SIZE : 0;
    }
    parts_vf_capture(cmd->vf, img);
    parts_write(img, &cmd->vf->lim, cmd->result, 0, pick, npick, &cmd->pad);
    return ADMIN_OK;
}

static AdminResult parts_set(AdminCmd *cmd)
{
    PartsObject *obj = admin_find_obj(cmd);
    size_t len = cmd->len > OBJ_HDR_SIZE ? cmd->len - OBJ_HDR_SIZE : 0;

    if (!obj) {
        return ADMIN_NO_OBJECT;
    }
    if (obj->type != OBJ_TYPE_SET) {
        return ADMIN_BAD_FIELD;
    }
    if (!cmd->vf->stopped) {
        return ADMIN_BUSY;
    }
    return parts_vf_set(cmd->vf, cmd->data + OBJ_HDR_SIZE, len)
           ? ADMIN_OK : ADMIN_BAD_FIELD;
}

static AdminResult mode_set(AdminCmd *cmd)
{
    switch (cmd->data[0]) {
    case 0:
        parts_vf_resume(cmd->vf);
        return ADMIN_OK;
    case 1:
        parts_vf_stop(cmd->vf);
        return ADMIN_OK;
    default:
        return ADMIN_BAD_FIELD;
    }
}

/*
 * Linux looks for the capability commands, which belong to the self group, in
 * the list of the SR-IOV group, so they are listed there too.
 *
 * The specification's table of opcodes swaps OBJ_MODIFY and OBJ_QUERY; this
 * follows the sections that define them.
 */
static const AdminOp ops[] = {
    [OP_LIST_QUERY] = { list_query, G_SELF | G_SRIOV, 0, true },
    [OP_LIST_USE] = { list_use, G_SELF | G_SRIOV, 0, true },
    [0x07] = { admin_cap_id_list, G_SELF, G_SRIOV },
    [0x08] = { admin_cap_get, G_SELF, G_SRIOV },
    [0x09] = { admin_cap_set, G_SELF, G_SRIOV },
    [0x0a] = { admin_obj_create, G_SRIOV },
    [0x0b] = { admin_obj_modify, G_SRIOV },
    [0x0c] = { admin_obj_query, G_SRIOV },
    [0x0d] = { admin_obj_destroy, G_SRIOV },
    [0x0e] = { metadata_get, G_SRIOV },
    [ADMIN_OP_PARTS_GET] = { parts_get, G_SRIOV },
    [0x10] = { parts_set, G_SRIOV },
    [0x11] = { mode_set, G_SRIOV },
};

static uint64_t supported(unsigned group)
{
    uint64_t list = 0;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(ops); i++) {
        if ((ops[i].groups | ops[i].listed) & 1u << group) {
            list |= 1ull << i;
        }
    }
    return list;
}

/*
 * Linux never sends LIST_USE for the self group. Until a driver does, all
 * commands of that group are in use.
 */
static uint64_t in_use(const PartsAdmin *admin, unsigned group)
{
    if (admin->chosen[group]) {
        return admin->used[group];
    }
    return group == ADMIN_GROUP_SELF ? supported(group)
                                     : 1 << OP_LIST_QUERY | 1 << OP_LIST_USE;
}

/* Checks group_type, opcode, group_member_id in the specified order. */
static AdminResult dispatch(AdminCmd *cmd, uint64_t member)
{
    PCIDevice *pf = PCI_DEVICE(cmd->pf);
    unsigned num_vfs = pcie_sriov_num_vfs(pf);
    bool listing = cmd->opcode == OP_LIST_QUERY || cmd->opcode == OP_LIST_USE;
    const AdminOp *op;

    /* Linux lists the SR-IOV group's commands before there are VFs. */
    if (cmd->group >= ADMIN_GROUPS ||
        (cmd->group == ADMIN_GROUP_SRIOV && !num_vfs && !listing)) {
        return ADMIN_BAD_GROUP;
    }
    if (cmd->opcode >= ARRAY_SIZE(ops) ||
        !(in_use(&cmd->pf->admin, cmd->group) & 1ull << cmd->opcode)) {
        return ADMIN_BAD_OPCODE;
    }
    op = &ops[cmd->opcode];
    if (!(op->groups & 1u << cmd->group)) {
        return ADMIN_BAD_GROUP;
    }
    if (!op->no_member && cmd->group == ADMIN_GROUP_SELF && member) {
        return ADMIN_BAD_MEMBER;
    }
    if (!op->no_member && cmd->group == ADMIN_GROUP_SRIOV) {
        if (!member || member > num_vfs) {
            return ADMIN_BAD_MEMBER;
        }
        cmd->vf = VIRTIO_NET_PARTS_VF(pcie_sriov_get_vf_at_index(pf,
                                                                 member - 1));
    }
    return op->run(cmd);
}

/* ---- the queue ---- */

/* Puts the result after the status; returns the bytes that fitted. */
static size_t put_result(const VirtQueueElement *elem, const AdminCmd *cmd)
{
    const GByteArray *result = cmd->result;
    size_t done = 0;

    if (result->len) {
        done = iov_from_buf(elem->in_sg, elem->in_num, STATUS_SIZE,
                            result->data, result->len);
    }
    if (cmd->pad.size && done == result->len) {
        done += parts_pad_put(&cmd->pad, elem->in_sg, elem->in_num,
                              STATUS_SIZE + done);
    }
    return done;
}

static void corrupt(const VirtQueueElement *elem, size_t off, uint8_t mask)
{
    uint8_t byte;

    iov_to_buf(elem->in_sg, elem->in_num, STATUS_SIZE + off, &byte, 1);
    byte ^= mask;
    iov_from_buf(elem->in_sg, elem->in_num, STATUS_SIZE + off, &byte, 1);
}

size_t parts_admin_run(PartsPF *pf, const VirtQueueElement *elem,
                       const LabFault *fault)
{
    size_t out_len = iov_size(elem->out_sg, elem->out_num);
    size_t in_len = iov_size(elem->in_sg, elem->in_num);
    size_t data_max = DATA_MAX + (pf->lab ? PARTS_MAX_PAD : 0);
    g_autoptr(GByteArray) result = g_byte_array_new();
    g_autofree uint8_t *buf = NULL;
    uint8_t status[STATUS_SIZE] = { 0 };
    AdminCmd cmd = { .pf = pf, .result = result };
    AdminResult res = ADMIN_BAD_COMMAND;
    size_t done, len = 0;

    if (fault->fail && !fault->after) {
        res = fault->status;
    } else if (out_len <= data_max) {
        /* Fields beyond the end of a short buffer read as zero. */
        buf = g_malloc0(MAX(out_len, ADMIN_HDR_SIZE) + ADMIN_DATA_MIN);
        iov_to_buf(elem->out_sg, elem->out_num, 0, buf, out_len);
        cmd.opcode = lduw_le_p(buf);
        cmd.group = lduw_le_p(buf + 2);
        cmd.data = buf + ADMIN_HDR_SIZE;
        cmd.len = out_len > ADMIN_HDR_SIZE ? out_len - ADMIN_HDR_SIZE : 0;
        cmd.room = in_len > STATUS_SIZE ? in_len - STATUS_SIZE : 0;
        res = dispatch(&cmd, ldq_le_p(buf + 16));
    }
    if (fault->fail) {
        res = fault->status;
    }

    stl_le_p(status, res);
    done = iov_from_buf(elem->in_sg, elem->in_num, 0, status, sizeof(status));
    if (res == ADMIN_OK) {
        len = put_result(elem, &cmd);
    }
    if (fault->corrupt_mask && fault->corrupt_offset < len) {
        corrupt(elem, fault->corrupt_offset, fault->corrupt_mask);
    }
    return done + len;
}

void parts_admin_complete(PartsPF *pf, VirtQueueElement *elem, size_t used)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(&pf->fn.vdev);
    VirtQueue *vq = virtio_get_queue(vdev, pf->admin.index);

    virtqueue_push(vq, elem, used);
    virtio_notify(vdev, vq);
    g_free(elem);
}

static void handle_admin(VirtIODevice *vdev, VirtQueue *vq)
{
    static const LabFault no_fault;
    BusState *bus = qdev_get_parent_bus(DEVICE(vdev));
    PartsPF *pf = VIRTIO_NET_PARTS_PF(bus->parent);
    VirtQueueElement *elem;

    do {
        virtio_queue_set_notification(vq, 0);
        while ((elem = virtqueue_pop(vq, sizeof(*elem)))) {
            if (pf->lab) {
                parts_lab_take(pf, elem);
            } else {
                parts_admin_complete(pf, elem,
                                     parts_admin_run(pf, elem, &no_fault));
            }
        }
        virtio_queue_set_notification(vq, 1);
    } while (!virtio_queue_empty(vq));
}

/* The stock listener stops at the first unused queue, so before this one. */
static void memory_changed(MemoryListener *listener)
{
    VirtIODevice *vdev = container_of(listener, VirtIODevice, listener);
    int i;

    for (i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        if (virtio_queue_get_num(vdev, i)) {
            virtio_init_region_cache(vdev, i);
        }
    }
}

/*
 * virtio-net counts its queues up to the first unused one, and adds or removes
 * some when features are set. A queue after an unused one is left alone.
 */
void parts_admin_init(PartsPF *pf)
{
    VirtIODevice *vdev = VIRTIO_DEVICE(&pf->fn.vdev);
    int i, first = virtio_get_num_queues(vdev);

    pf->admin.index = 2 * pf->queue_pairs + 2;
    for (i = first; i <= pf->admin.index; i++) {
        virtio_add_queue(vdev, ADMIN_QUEUE_SIZE, handle_admin);
    }
    for (i = first; i < pf->admin.index; i++) {
        virtio_del_queue(vdev, i);
    }
    vdev->listener.commit = memory_changed;
    parts_admin_reset(pf);
}

void parts_admin_exit(PartsPF *pf)
{
    parts_lab_drop(pf);
    virtio_del_queue(VIRTIO_DEVICE(&pf->fn.vdev), pf->admin.index);
}

void parts_admin_queue_reset(PartsPF *pf)
{
    parts_lab_drop(pf);
}

void parts_admin_reset(PartsPF *pf)
{
    uint16_t index = pf->admin.index;

    parts_lab_drop(pf);
    memset(&pf->admin, 0, sizeof(pf->admin));
    pf->admin.index = index;
}
