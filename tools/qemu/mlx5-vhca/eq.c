/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event queues: rings of 64-byte entries in the driver's memory. The owner bit
 * of an entry flips in each round. An armed queue sends one interrupt.
 */
#include "qemu/osdep.h"
#include "hw/pci/msix.h"
#include "mlx5-vhca.h"

#define EQE_SIZE        64
#define EQE_TYPE        0x01
#define EQE_DATA        0x20
#define EQE_DATA_LEN    28
#define EQE_OWNER       0x3f
#define EQ_MAX_LOG      16

static void eq_free(Mlx5Eq *eq)
{
    mlx5_ring_free(&eq->ring);
    memset(eq, 0, sizeof(*eq));
}

void mlx5_eq_reset(Mlx5PF *pf)
{
    unsigned i;

    for (i = 0; i < MLX5_MAX_EQS; i++) {
        eq_free(&pf->eqs[i]);
    }
}

static void eq_fire(Mlx5PF *pf, Mlx5Eq *eq)
{
    if (eq->armed && eq->producer != eq->consumer) {
        eq->armed = false;
        msix_notify(PCI_DEVICE(pf), eq->vector);
    }
}

static bool wants(const Mlx5Eq *eq, uint8_t type)
{
    return eq->used && eq->events[type / 64] & 1ull << type % 64;
}

bool mlx5_events_wanted(const Mlx5PF *pf, uint8_t type)
{
    unsigned i;

    for (i = 0; i < MLX5_MAX_EQS; i++) {
        if (wants(&pf->eqs[i], type)) {
            return true;
        }
    }
    return false;
}

static void eq_put(Mlx5PF *pf, Mlx5Eq *eq, uint8_t type, const uint8_t *data)
{
    uint32_t at = (eq->producer & ((1u << eq->log_size) - 1)) * EQE_SIZE;
    uint64_t addr = mlx5_ring_addr(&eq->ring, at);
    uint8_t eqe[EQE_SIZE] = { [EQE_TYPE] = type };

    memcpy(eqe + EQE_DATA, data, EQE_DATA_LEN);
    eqe[EQE_OWNER] = eq->producer >> eq->log_size & 1;
    pci_dma_write(PCI_DEVICE(pf), addr, eqe, EQE_OWNER);
    pci_dma_write(PCI_DEVICE(pf), addr + EQE_OWNER, eqe + EQE_OWNER, 1);
    eq->producer++;
    eq_fire(pf, eq);
}

void mlx5_event(Mlx5PF *pf, uint8_t type, const uint8_t *data)
{
    unsigned i;

    for (i = 0; i < MLX5_MAX_EQS; i++) {
        if (wants(&pf->eqs[i], type)) {
            eq_put(pf, &pf->eqs[i], type, data);
        }
    }
}

void mlx5_event_to(Mlx5PF *pf, uint32_t eqn, uint8_t type, const uint8_t *data)
{
    if (eqn < MLX5_MAX_EQS && pf->eqs[eqn].used) {
        eq_put(pf, &pf->eqs[eqn], type, data);
    }
}

/* The lower 24 bits are the consumer index, the upper 8 the queue number. */
void mlx5_eq_doorbell(Mlx5PF *pf, uint32_t val, bool arm)
{
    unsigned n = val >> 24;
    Mlx5Eq *eq = n < MLX5_MAX_EQS ? &pf->eqs[n] : NULL;

    if (!eq || !eq->used) {
        return;
    }
    eq->consumer += ((val & 0xffffff) - eq->consumer) & 0xffffff;
    eq->armed |= arm;
    eq_fire(pf, eq);
}

static uint8_t create_eq(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    const uint8_t *eqc = cmd->in + CREATE_EQ_CONTEXT;
    uint32_t log_size = mlx5_get(eqc, EQC_LOG_SIZE);
    uint32_t vector = mlx5_get(eqc, EQC_INTR);
    uint32_t i, n;
    uint8_t status;
    Mlx5Eq *eq;

    if (log_size > EQ_MAX_LOG || vector >= MLX5_VECTORS) {
        return STAT_BAD_PARAM;
    }
    for (n = 1; n < MLX5_MAX_EQS && pf->eqs[n].used; n++) {
    }
    if (n == MLX5_MAX_EQS) {
        return STAT_NO_RES;
    }
    eq = &pf->eqs[n];
    status = mlx5_ring_init(&eq->ring, cmd, CREATE_EQ_PAS,
                            EQE_SIZE << log_size,
                            mlx5_get(eqc, EQC_LOG_PAGE));
    if (status) {
        return status;
    }
    eq->used = true;
    eq->log_size = log_size;
    eq->vector = vector;
    for (i = 0; i < 4; i++) {
        eq->events[i] = ldq_be_p(cmd->in + CREATE_EQ_EVENTS + 8 * i);
    }
    mlx5_set(cmd->out, CMD_EQN, n);
    return STAT_OK;
}

static uint8_t destroy_eq(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    unsigned n = mlx5_get(cmd->in, CMD_EQN);

    if (n >= MLX5_MAX_EQS || !pf->eqs[n].used) {
        return STAT_BAD_RES;
    }
    eq_free(&pf->eqs[n]);
    return STAT_OK;
}

const Mlx5Op mlx5_eq_ops[] = {
    { OP_CREATE_EQ,  CREATE_EQ_PAS, 16, create_eq },
    { OP_DESTROY_EQ, 16,            8,  destroy_eq },
    { }
};
