/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands under the lab block: counted as they arrive, carried out once their
 * delay is over, completed then or when they are released. Each waits on its
 * own.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/iov.h"
#include "lab.h"

struct LabCmd {
    PartsPF *pf;
    VirtQueueElement *elem;
    AdminFault fault;
    bool hold;
    bool held;                  /* carried out, and not completed */
    size_t used;
    QEMUTimer *timer;           /* while it waits for its turn */
    QTAILQ_ENTRY(LabCmd) next;
};

static void count(LabState *s, uint16_t opcode)
{
    s->total++;
    if (opcode < LAB_OPCODES) {
        s->count[opcode]++;
        s->between[opcode] += s->between_marks;
    }
}

/* Whether this command is the one that @nth counts down to. */
static bool is_nth(uint64_t *nth, bool and_all_later)
{
    if (*nth > 1) {
        (*nth)--;
        return false;
    }
    if (!*nth) {
        return false;
    }
    *nth = and_all_later;
    return true;
}

static bool is_opcode(uint64_t wanted, uint16_t opcode)
{
    return wanted == LAB_ANY_OPCODE || wanted == opcode;
}

static void plan(LabState *s, LabCmd *cmd, uint16_t opcode)
{
    if (is_opcode(s->fail_opcode, opcode) &&
        is_nth(&s->fail_nth, s->fail_flags & LAB_FAIL_ON)) {
        cmd->fault.fail = true;
        cmd->fault.after = s->fail_flags & LAB_FAIL_AFTER;
        cmd->fault.status = s->fail_status;
    }
    if (is_opcode(s->drop_opcode, opcode) && is_nth(&s->drop_nth, false)) {
        cmd->hold = true;
    }
    if (opcode == ADMIN_OP_PARTS_GET && is_nth(&s->corrupt_nth, false)) {
        cmd->fault.corrupt_offset = s->corrupt_offset;
        cmd->fault.corrupt_mask = s->corrupt_mask;
    }
}

static void complete(LabCmd *cmd)
{
    QTAILQ_REMOVE(&cmd->pf->lab->cmds, cmd, next);
    parts_admin_complete(cmd->pf, cmd->elem, cmd->used);
    g_free(cmd);
}

static void carry_out(void *opaque)
{
    LabCmd *cmd = opaque;

    timer_free(cmd->timer);
    cmd->timer = NULL;
    cmd->used = parts_admin_run(cmd->pf, cmd->elem, &cmd->fault);
    if (cmd->hold) {
        cmd->held = true;
    } else {
        complete(cmd);
    }
}

void parts_lab_take(PartsPF *pf, VirtQueueElement *elem)
{
    PartsLab *lab = pf->lab;
    LabCmd *cmd = g_new0(LabCmd, 1);
    uint8_t hdr[ADMIN_HDR_SIZE] = { 0 };
    uint16_t opcode;
    uint64_t delay = 0;

    iov_to_buf(elem->out_sg, elem->out_num, 0, hdr, sizeof(hdr));
    opcode = lduw_le_p(hdr);
    cmd->pf = pf;
    cmd->elem = elem;
    count(&lab->s, opcode);
    if (!lab->s.member || (lduw_le_p(hdr + 2) == ADMIN_GROUP_SRIOV &&
                           ldq_le_p(hdr + 16) == lab->s.member)) {
        plan(&lab->s, cmd, opcode);
        delay = lab->s.delay_us;
    }
    QTAILQ_INSERT_TAIL(&lab->cmds, cmd, next);
    if (!delay) {
        carry_out(cmd);
        return;
    }
    cmd->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, carry_out, cmd);
    timer_mod(cmd->timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                          (int64_t)delay * SCALE_US);
}

void lab_release(PartsPF *pf, bool delayed)
{
    LabCmd *cmd, *next;

    QTAILQ_FOREACH_SAFE(cmd, &pf->lab->cmds, next, next) {
        cmd->hold = false;
        if (cmd->held) {
            complete(cmd);
        } else if (delayed) {
            carry_out(cmd);
        }
    }
}

unsigned lab_held(PartsPF *pf)
{
    unsigned held = 0;
    LabCmd *cmd;

    QTAILQ_FOREACH(cmd, &pf->lab->cmds, next) {
        held += cmd->held;
    }
    return held;
}

void parts_lab_drop(PartsPF *pf)
{
    VirtQueue *vq = virtio_get_queue(VIRTIO_DEVICE(&pf->fn.vdev),
                                     pf->admin.index);
    LabCmd *cmd, *next;

    if (!pf->lab) {
        return;
    }
    QTAILQ_FOREACH_SAFE(cmd, &pf->lab->cmds, next, next) {
        QTAILQ_REMOVE(&pf->lab->cmds, cmd, next);
        timer_free(cmd->timer);
        virtqueue_detach_element(vq, cmd->elem, 0);
        g_free(cmd->elem);
        g_free(cmd);
    }
}
