/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command queue. The driver writes an entry, gives it to the hardware and
 * sets its bit in the doorbell. The first 16 bytes of input and output are in
 * the entry, the rest in chains of mailboxes.
 */
#include "qemu/osdep.h"
#include "mlx5-vhca.h"

/* An entry */
#define ENTRY_SIZE          64
#define ENTRY_TYPE          0x00
#define ENTRY_IN_LEN        0x04
#define ENTRY_IN_PTR        0x08
#define ENTRY_IN            0x10
#define ENTRY_OUT           0x20
#define ENTRY_OUT_PTR       0x30
#define ENTRY_OUT_LEN       0x38
#define ENTRY_TOKEN         0x3c
#define ENTRY_STATUS_OWN    0x3f
#define ENTRY_TYPE_PCI      7
#define ENTRY_OWN           1
#define INLINE_LEN          16
#define MIN_LEN             8       /* opcode and op_mod; status, syndrome */

/* A mailbox */
#define BOX_DATA            512
#define BOX_NEXT            0x230
#define BOX_NUMBER          0x238
#define BOX_TOKEN           0x23d
#define BOX_SIZE            0x240

/* The longest input is that of a key of 4 GiB. */
#define MAX_IN              (9 * MiB)
#define MAX_OUT             (64 * KiB)

static const Mlx5Op *const tables[] = {
    mlx5_hca_ops, mlx5_eq_ops, mlx5_mkey_ops, mlx5_migrate_ops,
    mlx5_queue_ops, mlx5_track_ops,
};

const Mlx5Op *mlx5_cmd_op(uint16_t opcode)
{
    const Mlx5Op *op;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(tables); i++) {
        for (op = tables[i]; op->opcode; op++) {
            if (op->opcode == opcode) {
                return op;
            }
        }
    }
    return NULL;
}

/* Copies the bytes in mailboxes into @buf, or from it if @write. */
static uint8_t walk_boxes(Mlx5Cmd *cmd, uint64_t at, uint8_t *buf,
                          uint32_t len, bool write)
{
    PCIDevice *dev = PCI_DEVICE(cmd->pf);
    uint8_t box[BOX_SIZE];
    uint32_t done, n, number = 0;

    for (done = 0; done < len; done += n) {
        n = MIN(len - done, BOX_DATA);
        if (!at || at & 0x1ff) {
            return write ? DELIVERY_OUT_PTR : DELIVERY_IN_PTR;
        }
        if (pci_dma_read(dev, at, box, sizeof(box)) != MEMTX_OK) {
            return DELIVERY_FW;
        }
        if (box[BOX_TOKEN] != cmd->token) {
            return DELIVERY_TOKEN;
        }
        if (ldl_be_p(box + BOX_NUMBER) != number++) {
            return DELIVERY_BLOCK_NUM;
        }
        if (!write) {
            memcpy(buf + done, box, n);
        } else if (pci_dma_write(dev, at, buf + done, n) != MEMTX_OK) {
            return DELIVERY_FW;
        }
        at = ldq_be_p(box + BOX_NEXT);
    }
    return 0;
}

static uint32_t beyond_entry(uint32_t len)
{
    return len > INLINE_LEN ? len - INLINE_LEN : 0;
}

static uint64_t entry_addr(const Mlx5PF *pf, unsigned index)
{
    return pf->queue + ((uint64_t)index << MLX5_LOG_STRIDE);
}

/* NULL if the entry has no command. */
static Mlx5Cmd *fetch(Mlx5PF *pf, unsigned index)
{
    uint8_t entry[ENTRY_SIZE];
    Mlx5Cmd *cmd;

    if (pci_dma_read(PCI_DEVICE(pf), entry_addr(pf, index), entry,
                     sizeof(entry)) != MEMTX_OK ||
        !(entry[ENTRY_STATUS_OWN] & ENTRY_OWN)) {
        return NULL;
    }
    pf->busy |= 1u << index;
    cmd = g_new0(Mlx5Cmd, 1);
    cmd->pf = pf;
    cmd->index = index;
    /* Decided now: the driver polls for the command that creates the event queue. */
    cmd->notify = mlx5_events_wanted(pf, EVENT_CMD);
    cmd->token = entry[ENTRY_TOKEN];
    cmd->in_len = ldl_be_p(entry + ENTRY_IN_LEN);
    cmd->out_len = ldl_be_p(entry + ENTRY_OUT_LEN);
    cmd->out_ptr = ldq_be_p(entry + ENTRY_OUT_PTR);
    if (entry[ENTRY_TYPE] != ENTRY_TYPE_PCI) {
        cmd->delivery = DELIVERY_DESCRIPTOR;
    } else if (cmd->in_len < MIN_LEN || cmd->in_len > MAX_IN) {
        cmd->delivery = DELIVERY_IN_LENGTH;
    } else if (cmd->out_len < MIN_LEN || cmd->out_len > MAX_OUT) {
        cmd->delivery = DELIVERY_OUT_LENGTH;
    }
    if (cmd->delivery) {
        return cmd;
    }
    cmd->in = g_malloc0(MAX(cmd->in_len, INLINE_LEN));
    cmd->out = g_malloc0(MAX(cmd->out_len, INLINE_LEN));
    memcpy(cmd->in, entry + ENTRY_IN, INLINE_LEN);
    cmd->delivery = walk_boxes(cmd, ldq_be_p(entry + ENTRY_IN_PTR),
                               cmd->in + INLINE_LEN,
                               beyond_entry(cmd->in_len), false);
    return cmd;
}

static uint8_t carry_out(Mlx5Cmd *cmd)
{
    const Mlx5Op *op = cmd->op;

    if (!op) {
        return STAT_BAD_OP;
    }
    if (cmd->in_len < op->in_len) {
        return STAT_BAD_INP_LEN;
    }
    if (cmd->out_len < op->out_len) {
        return STAT_BAD_OUTP_LEN;
    }
    return op->run(cmd->pf, cmd);
}

void mlx5_cmd_run(Mlx5Cmd *cmd, const LabFault *fault)
{
    uint8_t status = STAT_OK;

    cmd->fault = fault;
    if (!fault->fail || fault->after) {
        status = carry_out(cmd);
    }
    cmd->fault = NULL;
    if (fault->fail) {
        memset(cmd->out, 0, cmd->out_len);
        status = fault->status;
        mlx5_set(cmd->out, CMD_SYNDROME, fault->status >> 16);
    }
    mlx5_set(cmd->out, CMD_STATUS, status);
}

void mlx5_cmd_free(Mlx5Cmd *cmd)
{
    cmd->pf->busy &= ~(1u << cmd->index);
    g_free(cmd->in);
    g_free(cmd->out);
    g_free(cmd);
}

/* Writing the last byte returns the entry to the driver. */
void mlx5_cmd_complete(Mlx5Cmd *cmd)
{
    Mlx5PF *pf = cmd->pf;
    PCIDevice *dev = PCI_DEVICE(pf);
    uint64_t entry = entry_addr(pf, cmd->index);
    uint8_t data[28] = { 0 };
    uint8_t own;

    if (!cmd->delivery) {
        pci_dma_write(dev, entry + ENTRY_OUT, cmd->out, INLINE_LEN);
        cmd->delivery = walk_boxes(cmd, cmd->out_ptr, cmd->out + INLINE_LEN,
                                   beyond_entry(cmd->out_len), true);
    }
    own = cmd->delivery << 1;
    pci_dma_write(dev, entry + ENTRY_STATUS_OWN, &own, 1);
    if (cmd->notify) {
        stl_be_p(data, 1u << cmd->index);
        mlx5_event(pf, EVENT_CMD, data);
    }
    mlx5_cmd_free(cmd);
}

void mlx5_cmd_drop(Mlx5PF *pf)
{
    pf->rung = 0;
    if (pf->lab) {
        lab_drop(pf->lab);
    }
}

/* The VF of the command, or 0. */
static unsigned member(const Mlx5Cmd *cmd)
{
    unsigned id = mlx5_get(cmd->in, CMD_FUNCTION_ID);

    switch (cmd->op ? cmd->op->names : NAMES_NOBODY) {
    case NAMES_VHCA:
        return id ? id - MLX5_VHCA_ID(0) : 0;
    case NAMES_FUNCTION:
        return id;
    default:
        return 0;
    }
}

void mlx5_cmd_doorbell(Mlx5PF *pf, uint32_t bits)
{
    static const LabFault no_fault;
    unsigned i;

    if (mlx5_is_mute(pf)) {
        pf->rung |= bits;
        return;
    }
    for (i = 0; i < 1u << MLX5_LOG_CMDS; i++) {
        Mlx5Cmd *cmd = bits & ~pf->busy & 1u << i ? fetch(pf, i) : NULL;
        uint16_t opcode;

        if (!cmd) {
            continue;
        }
        if (cmd->delivery) {
            mlx5_cmd_complete(cmd);
            continue;
        }
        opcode = mlx5_get(cmd->in, CMD_OPCODE);
        cmd->op = mlx5_cmd_op(opcode);
        if (pf->lab) {
            lab_take(pf->lab, cmd, opcode, member(cmd),
                     opcode == OP_SAVE_VHCA_STATE);
        } else {
            mlx5_cmd_run(cmd, &no_fault);
            mlx5_cmd_complete(cmd);
        }
    }
}
