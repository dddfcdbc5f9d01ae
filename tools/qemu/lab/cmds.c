/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands under the lab block. A command is counted when it arrives, runs when
 * its delay is over, and completes then, or at a release if it is held. No
 * command waits for another.
 */
#include "qemu/osdep.h"
#include "lab-int.h"

struct LabCmd {
    Lab *lab;
    void *cmd;                  /* the device's */
    LabFault fault;
    bool hold;
    bool held;                  /* ran, not completed */
    QEMUTimer *timer;           /* while it is delayed */
    QTAILQ_ENTRY(LabCmd) next;
};

static void count(LabState *s, uint16_t opcode)
{
    s->total++;
    if (opcode < LAB_WIDE_OPCODES) {
        s->count[opcode]++;
        s->between[opcode] += s->between_marks;
    }
}

/* Counts @nth down; true for the command that takes it from 1 to 0. */
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

static void plan(LabState *s, LabCmd *cmd, uint16_t opcode, bool result)
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
    if (result && is_nth(&s->corrupt_nth, false)) {
        cmd->fault.corrupt_offset = s->corrupt_offset;
        cmd->fault.corrupt_mask = s->corrupt_mask;
    }
}

static void complete(LabCmd *cmd)
{
    Lab *lab = cmd->lab;

    QTAILQ_REMOVE(&lab->cmds, cmd, next);
    lab->device->complete(lab->pf, cmd->cmd);
    g_free(cmd);
}

static void carry_out(void *opaque)
{
    LabCmd *cmd = opaque;

    timer_free(cmd->timer);
    cmd->timer = NULL;
    cmd->lab->device->run(cmd->lab->pf, cmd->cmd, &cmd->fault);
    if (cmd->hold) {
        cmd->held = true;
    } else {
        complete(cmd);
    }
}

void lab_take(Lab *lab, void *device_cmd, uint16_t opcode, unsigned member,
              bool result)
{
    LabCmd *cmd = g_new0(LabCmd, 1);
    uint64_t delay = 0;

    cmd->lab = lab;
    cmd->cmd = device_cmd;
    count(&lab->s, opcode);
    if (!lab->s.member || member == lab->s.member) {
        plan(&lab->s, cmd, opcode, result);
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

void lab_release(Lab *lab, bool delayed)
{
    LabCmd *cmd, *next;

    QTAILQ_FOREACH_SAFE(cmd, &lab->cmds, next, next) {
        cmd->hold = false;
        if (cmd->held) {
            complete(cmd);
        } else if (delayed) {
            carry_out(cmd);
        }
    }
}

unsigned lab_held(Lab *lab)
{
    unsigned held = 0;
    LabCmd *cmd;

    QTAILQ_FOREACH(cmd, &lab->cmds, next) {
        held += cmd->held;
    }
    return held;
}

void lab_drop(Lab *lab)
{
    LabCmd *cmd, *next;

    QTAILQ_FOREACH_SAFE(cmd, &lab->cmds, next, next) {
        QTAILQ_REMOVE(&lab->cmds, cmd, next);
        timer_free(cmd->timer);
        lab->device->drop(lab->pf, cmd->cmd);
        g_free(cmd);
    }
}
