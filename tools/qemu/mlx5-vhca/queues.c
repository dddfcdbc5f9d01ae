/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Completion queues, and as much of queue pairs as reports of the page tracker
 * need. A queue pair of the device sends; its peer receives into buffers that
 * the driver posted.
 */
#include "qemu/osdep.h"
#include "mlx5-vhca.h"

#define CQE_SIZE        64
#define CQE_IMMEDIATE   0x24
#define CQE_BYTES       0x2c
#define CQE_WQE         0x3c
#define CQE_OP_OWN      0x3f
#define CQE_SEND_IMM    3       /* received, with an immediate */

#define WQE_MIN_LOG     4       /* a receive entry: length, key, address */
#define MAX_LOG         15

enum { QP_RESET, QP_INIT, QP_RTR, QP_RTS };

typedef struct Mlx5Cq {
    uint32_t number;
    uint32_t eqn;
    uint32_t log_size;
    uint32_t producer;
    bool armed;
    uint64_t record;            /* address of the driver's index */
    Mlx5Ring ring;
} Mlx5Cq;

typedef struct Mlx5Qp {
    unsigned state;
    uint32_t peer;
    uint32_t cqn;
    uint32_t log_size;          /* of the receive queue */
    uint32_t log_stride;
    bool receives;
    uint16_t consumer;
    uint64_t record;
    Mlx5Ring ring;
} Mlx5Qp;

static void cq_free(gpointer data)
{
    Mlx5Cq *cq = data;

    mlx5_ring_free(&cq->ring);
    g_free(cq);
}

static void qp_free(gpointer data)
{
    Mlx5Qp *qp = data;

    mlx5_ring_free(&qp->ring);
    g_free(qp);
}

void mlx5_queues_init(Mlx5PF *pf)
{
    pf->cqs = g_hash_table_new_full(NULL, NULL, NULL, cq_free);
    pf->qps = g_hash_table_new_full(NULL, NULL, NULL, qp_free);
}

void mlx5_queues_reset(Mlx5PF *pf)
{
    g_hash_table_remove_all(pf->cqs);
    g_hash_table_remove_all(pf->qps);
}

void mlx5_queues_exit(Mlx5PF *pf)
{
    g_clear_pointer(&pf->cqs, g_hash_table_destroy);
    g_clear_pointer(&pf->qps, g_hash_table_destroy);
}

/* Reads a big-endian word of a doorbell record. */
static bool read_record(Mlx5PF *pf, uint64_t addr, uint32_t *val)
{
    uint8_t buf[4];

    if (pci_dma_read(PCI_DEVICE(pf), addr, buf, sizeof(buf)) != MEMTX_OK) {
        return false;
    }
    *val = ldl_be_p(buf);
    return true;
}

/* ---- completion queues ---- */

static void cq_fire(Mlx5PF *pf, Mlx5Cq *cq)
{
    uint8_t data[28] = { 0 };

    cq->armed = false;
    stl_be_p(data + 24, cq->number);
    mlx5_event_to(pf, cq->eqn, EVENT_COMP, data);
}

/* @consumer: the driver's consumer index at the arming */
void mlx5_cq_arm(Mlx5PF *pf, uint32_t number, uint32_t consumer)
{
    Mlx5Cq *cq = g_hash_table_lookup(pf->cqs, GUINT_TO_POINTER(number));

    if (!cq) {
        return;
    }
    cq->armed = true;
    if ((cq->producer ^ consumer) & 0xffffff) {
        cq_fire(pf, cq);
    }
}

static bool cq_has_room(Mlx5PF *pf, const Mlx5Cq *cq)
{
    uint32_t consumer;

    return read_record(pf, cq->record, &consumer) &&
           ((cq->producer - consumer) & 0xffffff) < 1u << cq->log_size;
}

static void cq_put(Mlx5PF *pf, Mlx5Cq *cq, uint8_t *cqe)
{
    uint32_t at = (cq->producer & ((1u << cq->log_size) - 1)) * CQE_SIZE;
    uint64_t addr = mlx5_ring_addr(&cq->ring, at);

    cqe[CQE_OP_OWN] = CQE_SEND_IMM << 4 | (cq->producer >> cq->log_size & 1);
    pci_dma_write(PCI_DEVICE(pf), addr, cqe, CQE_OP_OWN);
    pci_dma_write(PCI_DEVICE(pf), addr + CQE_OP_OWN, cqe + CQE_OP_OWN, 1);
    cq->producer++;
    if (cq->armed) {
        cq_fire(pf, cq);
    }
}

static uint8_t create_cq(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    const uint8_t *cqc = cmd->in + CREATE_CQ_CONTEXT;
    uint32_t log_size = mlx5_get(cqc, CQC_LOG_SIZE);
    Mlx5Cq *cq;
    uint8_t status;

    if (log_size > MAX_LOG || mlx5_get(cqc, CQC_CQE_SIZE)) {
        return STAT_BAD_PARAM;
    }
    cq = g_new0(Mlx5Cq, 1);
    status = mlx5_ring_init(&cq->ring, cmd, CREATE_CQ_PAS,
                            (uint64_t)CQE_SIZE << log_size,
                            mlx5_get(cqc, CQC_LOG_PAGE));
    if (status) {
        cq_free(cq);
        return status;
    }
    cq->number = mlx5_new_number(pf, pf->cqs);
    cq->eqn = mlx5_get(cqc, CQC_EQN);
    cq->log_size = log_size;
    cq->record = mlx5_get(cqc, CQC_RECORD);
    g_hash_table_insert(pf->cqs, GUINT_TO_POINTER(cq->number), cq);
    mlx5_set(cmd->out, CMD_OBJECT, cq->number);
    return STAT_OK;
}

static gboolean qp_completes_to(gpointer number, gpointer data, gpointer cqn)
{
    Mlx5Qp *qp = data;

    return qp->receives && qp->cqn == GPOINTER_TO_UINT(cqn);
}

static uint8_t destroy_cq(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    gpointer number = GUINT_TO_POINTER(mlx5_get(cmd->in, CMD_OBJECT));

    if (g_hash_table_find(pf->qps, qp_completes_to, number)) {
        return STAT_RES_BUSY;
    }
    return g_hash_table_remove(pf->cqs, number) ? STAT_OK : STAT_BAD_RES;
}

/* ---- queue pairs ---- */

static uint8_t create_qp(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    const uint8_t *qpc = cmd->in + CREATE_QP_CONTEXT;
    uint32_t log_size = mlx5_get(qpc, QPC_LOG_RQ_SIZE), number;
    uint32_t log_stride = mlx5_get(qpc, QPC_LOG_RQ_STRIDE) + WQE_MIN_LOG;
    uint32_t cqn = mlx5_get(qpc, QPC_CQN_RCV);
    Mlx5Qp *qp;
    uint8_t status;

    if (!mlx5_get(qpc, QPC_NO_SQ) ||
        !g_hash_table_contains(pf->pds, GUINT_TO_POINTER(
                                            mlx5_get(qpc, QPC_PD)))) {
        return STAT_BAD_PARAM;
    }
    qp = g_new0(Mlx5Qp, 1);
    qp->receives = mlx5_get(qpc, QPC_RQ_TYPE) == QPC_RQ_NORMAL;
    if (qp->receives) {
        status = !g_hash_table_contains(pf->cqs, GUINT_TO_POINTER(cqn)) ?
                 STAT_BAD_RES :
                 mlx5_ring_init(&qp->ring, cmd, CREATE_QP_PAS,
                                1ull << (log_size + log_stride),
                                mlx5_get(qpc, QPC_LOG_PAGE));
        if (status) {
            qp_free(qp);
            return status;
        }
    }
    qp->cqn = cqn;
    qp->log_size = log_size;
    qp->log_stride = log_stride;
    qp->record = mlx5_get(qpc, QPC_RECORD);
    number = mlx5_new_number(pf, pf->qps);
    g_hash_table_insert(pf->qps, GUINT_TO_POINTER(number), qp);
    mlx5_set(cmd->out, CMD_OBJECT, number);
    return STAT_OK;
}

static uint8_t destroy_qp(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    uint32_t number = mlx5_get(cmd->in, CMD_OBJECT);

    if (mlx5_track_uses_qp(pf, number)) {
        return STAT_RES_BUSY;
    }
    return g_hash_table_remove(pf->qps, GUINT_TO_POINTER(number)) ?
           STAT_OK : STAT_BAD_RES;
}

static uint8_t step_qp(Mlx5PF *pf, Mlx5Cmd *cmd, unsigned from)
{
    Mlx5Qp *qp = g_hash_table_lookup(pf->qps, GUINT_TO_POINTER(
                                                  mlx5_get(cmd->in,
                                                           CMD_OBJECT)));

    if (!qp) {
        return STAT_BAD_RES;
    }
    if (qp->state != from) {
        return STAT_BAD_QP_STATE;
    }
    if (from == QP_INIT) {
        qp->peer = mlx5_get(cmd->in + MODIFY_QP_CONTEXT, QPC_REMOTE);
    }
    qp->state = from + 1;
    return STAT_OK;
}

static uint8_t rst2init_qp(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    return step_qp(pf, cmd, QP_RESET);
}

static uint8_t init2rtr_qp(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    return step_qp(pf, cmd, QP_INIT);
}

static uint8_t rtr2rts_qp(Mlx5PF *pf, Mlx5Cmd *cmd)
{
    return step_qp(pf, cmd, QP_RTR);
}

bool mlx5_qp_sends(Mlx5PF *pf, uint32_t number)
{
    Mlx5Qp *qp = g_hash_table_lookup(pf->qps, GUINT_TO_POINTER(number));

    return qp && qp->state == QP_RTS;
}

/*
 * Sends @len bytes and an immediate from queue pair @number to its peer. False
 * if there is no receive buffer or no room for the completion.
 */
bool mlx5_qp_send(Mlx5PF *pf, uint32_t number, void *buf, uint32_t len,
                  uint32_t immediate)
{
    Mlx5Qp *from = g_hash_table_lookup(pf->qps, GUINT_TO_POINTER(number));
    Mlx5Qp *to = from && from->state == QP_RTS ?
                 g_hash_table_lookup(pf->qps, GUINT_TO_POINTER(from->peer)) :
                 NULL;
    Mlx5Cq *cq = to && to->receives && to->state >= QP_RTR ?
                 g_hash_table_lookup(pf->cqs, GUINT_TO_POINTER(to->cqn)) :
                 NULL;
    uint8_t wqe[16], cqe[CQE_SIZE] = { 0 };
    uint32_t posted, at;

    if (!cq || !cq_has_room(pf, cq) || !read_record(pf, to->record, &posted) ||
        (uint16_t)posted == to->consumer) {
        return false;
    }
    at = (to->consumer & ((1u << to->log_size) - 1)) << to->log_stride;
    if (pci_dma_read(PCI_DEVICE(pf), mlx5_ring_addr(&to->ring, at), wqe,
                     sizeof(wqe)) != MEMTX_OK || ldl_be_p(wqe) < len ||
        (len && !mlx5_mkey_rw(pf, ldl_be_p(wqe + 4), ldq_be_p(wqe + 8), buf,
                              len, true))) {
        return false;
    }
    stl_be_p(cqe + CQE_IMMEDIATE, immediate);
    stl_be_p(cqe + CQE_BYTES, len);
    stw_be_p(cqe + CQE_WQE, to->consumer);
    to->consumer++;
    cq_put(pf, cq, cqe);
    return true;
}

const Mlx5Op mlx5_queue_ops[] = {
    { OP_CREATE_CQ,   CREATE_CQ_PAS, 16, create_cq },
    { OP_DESTROY_CQ,  16, 8, destroy_cq },
    { OP_CREATE_QP,   CREATE_QP_PAS, 16, create_qp },
    { OP_DESTROY_QP,  16, 8, destroy_qp },
    { OP_RST2INIT_QP, MODIFY_QP_LENGTH, 8, rst2init_qp },
    { OP_INIT2RTR_QP, MODIFY_QP_LENGTH, 8, init2rtr_qp },
    { OP_RTR2RTS_QP,  MODIFY_QP_LENGTH, 8, rtr2rts_qp },
    { }
};
