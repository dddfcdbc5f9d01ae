// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two queue pairs of the physical function, connected to each other: the
 * firmware sends through one, the driver receives from the other.
 *
 * The driver owns all the memory. It frees memory only after the firmware has
 * destroyed the object that names it; if that fails, the memory is lost (@lost).
 * The functions need no lock: the caller serializes them, and keeps mlx5_core
 * attached, but for mlx5_snapshot_inbox_break(), which may run at any time.
 */
#include <linux/mlx5/device.h>
#include <linux/mlx5/qp.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "inbox.h"
#include "mlx5.h"

/* Enough slots that the firmware seldom waits; a queue has at least 4 entries. */
#define MEMORY_LOG	20
#define CQE_LOG		6
#define RECEIVE_LOG	4	/* of an entry: length, key, address */

static unsigned int inbox_log_slots(const struct mlx5_snapshot_inbox *inbox)
{
	return max(inbox->log_message + 2, MEMORY_LOG) - inbox->log_message;
}

static void *inbox_entry(const struct mlx5_frag_buf *buf, u64 at)
{
	return buf->frags[at >> PAGE_SHIFT].buf + offset_in_page(at);
}

static int inbox_ring_alloc(struct mlx5_core_dev *mdev, struct mlx5_frag_buf *ring,
			    unsigned int log_size, struct mlx5_db *record)
{
	int err = mlx5_db_alloc_node(mdev, record, mdev->priv.numa_node);

	if (err)
		return err;
	err = mlx5_frag_buf_alloc_node(mdev, 1 << log_size, ring, mdev->priv.numa_node);
	if (err)
		mlx5_db_free(mdev, record);
	return err;
}

static void inbox_ring_free(struct mlx5_core_dev *mdev, struct mlx5_frag_buf *ring,
			    struct mlx5_db *record)
{
	mlx5_frag_buf_free(mdev, ring);
	mlx5_db_free(mdev, record);
}

/* ---- parts ---- */

static int inbox_make_doorbells(struct mlx5_snapshot_inbox *inbox)
{
	inbox->uar = mlx5_get_uars_page(inbox->mdev);
	return PTR_ERR_OR_ZERO(inbox->uar);
}

static int inbox_unmake_doorbells(struct mlx5_snapshot_inbox *inbox)
{
	mlx5_put_uars_page(inbox->mdev, inbox->uar);
	return 0;
}

static int inbox_make_domain(struct mlx5_snapshot_inbox *inbox)
{
	return mlx5_core_alloc_pd(inbox->mdev, &inbox->pdn);
}

static int inbox_unmake_domain(struct mlx5_snapshot_inbox *inbox)
{
	return mlx5_core_dealloc_pd(inbox->mdev, inbox->pdn);
}

static void inbox_on_completion(struct mlx5_core_cq *cq, struct mlx5_eqe *unused)
{
	complete(&container_of(cq, struct mlx5_snapshot_inbox, cq)->news);
}

static void inbox_on_cq_event(struct mlx5_core_cq *cq, enum mlx5_event event)
{
	if (event == MLX5_EVENT_TYPE_CQ_ERROR)
		mlx5_snapshot_inbox_break(container_of(cq, struct mlx5_snapshot_inbox,
						       cq));
}

static int inbox_create_cq(struct mlx5_snapshot_inbox *inbox)
{
	u32 out[MLX5_ST_SZ_DW(create_cq_out)] = {};
	struct mlx5_frag_buf *ring = &inbox->cq_ring;
	int size, eqn, err;
	void *cqc;
	u32 *in;

	err = mlx5_comp_eqn_get(inbox->mdev, 0, &eqn);
	if (err)
		return err;
	size = MLX5_ST_SZ_BYTES(create_cq_in) + ring->npages * sizeof(__be64);
	in = kvzalloc(size, GFP_KERNEL);
	if (!in)
		return -ENOMEM;
	cqc = MLX5_ADDR_OF(create_cq_in, in, cq_context);
	MLX5_SET(cqc, cqc, log_cq_size, inbox_log_slots(inbox));
	MLX5_SET(cqc, cqc, c_eqn_or_apu_element, eqn);
	MLX5_SET(cqc, cqc, uar_page, inbox->uar->index);
	MLX5_SET(cqc, cqc, log_page_size, ring->page_shift - MLX5_ADAPTER_PAGE_SHIFT);
	MLX5_SET64(cqc, cqc, dbr_addr, inbox->cq_record.dma);
	mlx5_fill_page_frag_array(ring, MLX5_ADDR_OF(create_cq_in, in, pas));
	inbox->cq.cqe_sz = 1 << CQE_LOG;
	inbox->cq.set_ci_db = inbox->cq_record.db;
	inbox->cq.arm_db = inbox->cq_record.db + 1;
	inbox->cq.comp = inbox_on_completion;
	inbox->cq.event = inbox_on_cq_event;
	err = mlx5_core_create_cq(inbox->mdev, &inbox->cq, in, size, out, sizeof(out));
	kvfree(in);
	return err;
}

static struct mlx5_cqe64 *inbox_completion_at(const struct mlx5_snapshot_inbox *inbox,
					      u32 n)
{
	n &= BIT(inbox_log_slots(inbox)) - 1;
	return inbox_entry(&inbox->cq_ring, (u64)n << CQE_LOG);
}

static int inbox_make_cq(struct mlx5_snapshot_inbox *inbox)
{
	int err = inbox_ring_alloc(inbox->mdev, &inbox->cq_ring,
				   inbox_log_slots(inbox) + CQE_LOG, &inbox->cq_record);
	u32 i;

	if (err)
		return err;
	for (i = 0; i < BIT(inbox_log_slots(inbox)); i++)
		inbox_completion_at(inbox, i)->op_own = MLX5_CQE_INVALID << 4;
	err = inbox_create_cq(inbox);
	if (err)
		inbox_ring_free(inbox->mdev, &inbox->cq_ring, &inbox->cq_record);
	return err;
}

static int inbox_unmake_cq(struct mlx5_snapshot_inbox *inbox)
{
	int err = mlx5_core_destroy_cq(inbox->mdev, &inbox->cq);

	if (!err && !inbox->lost)
		inbox_ring_free(inbox->mdev, &inbox->cq_ring, &inbox->cq_record);
	return err;
}

static void inbox_fill(__be64 *addresses, void *memory)
{
	mlx5_fill_page_frag_array(memory, addresses);
}

static int inbox_create_mkey(struct mlx5_snapshot_inbox *inbox)
{
	const struct mlx5_snapshot_pages pages = {
		.pdn = inbox->pdn,
		.n = inbox->messages.npages,
		.shift = inbox->messages.page_shift,
		.write = true,
		.fill = inbox_fill,
		.memory = &inbox->messages,
	};
	u32 out[MLX5_ST_SZ_DW(create_mkey_out)] = {};

	return mlx5_snapshot_create_mkey(inbox->mdev, &pages, out, &inbox->mkey);
}

static int inbox_make_messages(struct mlx5_snapshot_inbox *inbox)
{
	struct mlx5_core_dev *mdev = inbox->mdev;
	int err = mlx5_frag_buf_alloc_node(mdev, 1 << (inbox_log_slots(inbox) + inbox->log_message),
					   &inbox->messages, mdev->priv.numa_node);

	if (err)
		return err;
	err = inbox_create_mkey(inbox);
	if (err)
		mlx5_frag_buf_free(mdev, &inbox->messages);
	return err;
}

static int inbox_unmake_messages(struct mlx5_snapshot_inbox *inbox)
{
	int err = mlx5_core_destroy_mkey(inbox->mdev, inbox->mkey);

	if (!err && !inbox->lost)
		mlx5_frag_buf_free(inbox->mdev, &inbox->messages);
	return err;
}

/* The driver posts nothing to send; without @ring it posts nothing to receive either. */
static int inbox_create_qp(struct mlx5_snapshot_inbox *inbox, struct mlx5_frag_buf *ring,
			   u32 *number)
{
	u32 out[MLX5_ST_SZ_DW(create_qp_out)] = {};
	struct mlx5_core_dev *mdev = inbox->mdev;
	int size, err;
	void *qpc;
	u32 *in;

	size = MLX5_ST_SZ_BYTES(create_qp_in) + (ring ? ring->npages : 0) * sizeof(__be64);
	in = kvzalloc(size, GFP_KERNEL);
	if (!in)
		return -ENOMEM;
	MLX5_SET(create_qp_in, in, opcode, MLX5_CMD_OP_CREATE_QP);
	qpc = MLX5_ADDR_OF(create_qp_in, in, qpc);
	MLX5_SET(qpc, qpc, st, MLX5_QP_ST_RC);
	MLX5_SET(qpc, qpc, pm_state, MLX5_QP_PM_MIGRATED);
	MLX5_SET(qpc, qpc, pd, inbox->pdn);
	MLX5_SET(qpc, qpc, uar_page, inbox->uar->index);
	MLX5_SET(qpc, qpc, ts_format, mlx5_get_qp_default_ts(mdev));
	if (MLX5_CAP_GEN(mdev, cqe_version) == 1)
		MLX5_SET(qpc, qpc, user_index, 0xffffff);
	MLX5_SET(qpc, qpc, no_sq, 1);
	if (ring) {
		MLX5_SET(qpc, qpc, rq_type, MLX5_NON_ZERO_RQ);
		MLX5_SET(qpc, qpc, cqn_rcv, inbox->cq.cqn);
		MLX5_SET(qpc, qpc, log_rq_size, inbox_log_slots(inbox));
		MLX5_SET(qpc, qpc, log_rq_stride, RECEIVE_LOG - 4);
		MLX5_SET(qpc, qpc, log_page_size,
			 ring->page_shift - MLX5_ADAPTER_PAGE_SHIFT);
		MLX5_SET64(qpc, qpc, dbr_addr, inbox->qp_record.dma);
		mlx5_fill_page_frag_array(ring, MLX5_ADDR_OF(create_qp_in, in, pas));
	} else {
		MLX5_SET(qpc, qpc, rq_type, MLX5_ZERO_LEN_RQ);
	}
	err = mlx5_cmd_exec(mdev, in, size, out, sizeof(out));
	kvfree(in);
	*number = MLX5_GET(create_qp_out, out, qpn);
	return err;
}

static int inbox_destroy_qp(struct mlx5_snapshot_inbox *inbox, u32 number)
{
	u32 in[MLX5_ST_SZ_DW(destroy_qp_in)] = {};

	MLX5_SET(destroy_qp_in, in, opcode, MLX5_CMD_OP_DESTROY_QP);
	MLX5_SET(destroy_qp_in, in, qpn, number);
	return mlx5_cmd_exec_in(inbox->mdev, destroy_qp, in);
}

static int inbox_make_receiver(struct mlx5_snapshot_inbox *inbox)
{
	int err = inbox_ring_alloc(inbox->mdev, &inbox->qp_ring,
				   inbox_log_slots(inbox) + RECEIVE_LOG, &inbox->qp_record);

	if (err)
		return err;
	err = inbox_create_qp(inbox, &inbox->qp_ring, &inbox->qpn);
	if (err)
		inbox_ring_free(inbox->mdev, &inbox->qp_ring, &inbox->qp_record);
	return err;
}

static int inbox_unmake_receiver(struct mlx5_snapshot_inbox *inbox)
{
	int err = inbox_destroy_qp(inbox, inbox->qpn);

	if (!err && !inbox->lost)
		inbox_ring_free(inbox->mdev, &inbox->qp_ring, &inbox->qp_record);
	return err;
}

static int inbox_make_sender(struct mlx5_snapshot_inbox *inbox)
{
	return inbox_create_qp(inbox, NULL, &inbox->sender);
}

static int inbox_unmake_sender(struct mlx5_snapshot_inbox *inbox)
{
	return inbox_destroy_qp(inbox, inbox->sender);
}

/* ---- connecting ---- */

static int inbox_rst2init_qp(struct mlx5_snapshot_inbox *inbox, u32 number)
{
	u32 in[MLX5_ST_SZ_DW(rst2init_qp_in)] = {};
	void *qpc = MLX5_ADDR_OF(rst2init_qp_in, in, qpc);

	MLX5_SET(rst2init_qp_in, in, opcode, MLX5_CMD_OP_RST2INIT_QP);
	MLX5_SET(rst2init_qp_in, in, qpn, number);
	MLX5_SET(qpc, qpc, pm_state, MLX5_QP_PM_MIGRATED);
	MLX5_SET(qpc, qpc, rre, 1);
	MLX5_SET(qpc, qpc, rwe, 1);
	MLX5_SET(qpc, qpc, primary_address_path.vhca_port_num, 1);
	return mlx5_cmd_exec_in(inbox->mdev, rst2init_qp, in);
}

static int inbox_init2rtr_qp(struct mlx5_snapshot_inbox *inbox, u32 number, u32 peer)
{
	u32 in[MLX5_ST_SZ_DW(init2rtr_qp_in)] = {};
	void *qpc = MLX5_ADDR_OF(init2rtr_qp_in, in, qpc);

	MLX5_SET(init2rtr_qp_in, in, opcode, MLX5_CMD_OP_INIT2RTR_QP);
	MLX5_SET(init2rtr_qp_in, in, qpn, number);
	MLX5_SET(qpc, qpc, remote_qpn, peer);
	MLX5_SET(qpc, qpc, mtu, IB_MTU_4096);
	MLX5_SET(qpc, qpc, log_msg_max, MLX5_CAP_GEN(inbox->mdev, log_max_msg));
	MLX5_SET(qpc, qpc, min_rnr_nak, 1);
	MLX5_SET(qpc, qpc, primary_address_path.vhca_port_num, 1);
	/* Force loopback: no packet leaves the device. */
	MLX5_SET(qpc, qpc, primary_address_path.fl, 1);
	return mlx5_cmd_exec_in(inbox->mdev, init2rtr_qp, in);
}

static int inbox_rtr2rts_qp(struct mlx5_snapshot_inbox *inbox, u32 number)
{
	u32 in[MLX5_ST_SZ_DW(rtr2rts_qp_in)] = {};
	void *qpc = MLX5_ADDR_OF(rtr2rts_qp_in, in, qpc);

	MLX5_SET(rtr2rts_qp_in, in, opcode, MLX5_CMD_OP_RTR2RTS_QP);
	MLX5_SET(rtr2rts_qp_in, in, qpn, number);
	MLX5_SET(qpc, qpc, retry_count, 7);
	/* 7 retries for ever: the firmware waits for receive buffers. */
	MLX5_SET(qpc, qpc, rnr_retry, 7);
	MLX5_SET(qpc, qpc, primary_address_path.ack_timeout, 8);
	return mlx5_cmd_exec_in(inbox->mdev, rtr2rts_qp, in);
}

static void inbox_post(struct mlx5_snapshot_inbox *inbox, u32 slot)
{
	u32 at = inbox->posted & (BIT(inbox_log_slots(inbox)) - 1);
	struct mlx5_wqe_data_seg *receive = inbox_entry(&inbox->qp_ring, at << RECEIVE_LOG);

	receive->byte_count = cpu_to_be32(1 << inbox->log_message);
	receive->lkey = cpu_to_be32(inbox->mkey);
	receive->addr = cpu_to_be64((u64)slot << inbox->log_message);
	inbox->posted++;
	/* The firmware may take the buffer as soon as it sees the index. */
	dma_wmb();
	inbox->qp_record.db[MLX5_RCV_DBR] = cpu_to_be32(inbox->posted);
}

static int inbox_connect(struct mlx5_snapshot_inbox *inbox)
{
	u32 slot;
	int err;

	err = inbox_rst2init_qp(inbox, inbox->qpn);
	if (!err)
		err = inbox_rst2init_qp(inbox, inbox->sender);
	if (err)
		return err;
	for (slot = 0; slot < BIT(inbox_log_slots(inbox)); slot++)
		inbox_post(inbox, slot);
	err = inbox_init2rtr_qp(inbox, inbox->qpn, inbox->sender);
	if (!err)
		err = inbox_init2rtr_qp(inbox, inbox->sender, inbox->qpn);
	return err ?: inbox_rtr2rts_qp(inbox, inbox->sender);
}

/* ---- the inbox ---- */

/* Each needs those before it. An unmake fails if the firmware kept the object. */
static const struct {
	int (*make)(struct mlx5_snapshot_inbox *inbox);
	int (*unmake)(struct mlx5_snapshot_inbox *inbox);
} inbox_steps[] = {
	{ inbox_make_doorbells, inbox_unmake_doorbells },
	{ inbox_make_domain, inbox_unmake_domain },
	{ inbox_make_cq, inbox_unmake_cq },
	{ inbox_make_messages, inbox_unmake_messages },
	{ inbox_make_receiver, inbox_unmake_receiver },
	{ inbox_make_sender, inbox_unmake_sender },
	{ inbox_connect, NULL },
};

/**
 * mlx5_snapshot_inbox_open - make an inbox
 * @inbox: all 0
 * @mdev: the physical function
 * @log_message: log2 of the size of the largest message, at least 3
 *
 * Return: 0 or an errno; mlx5_snapshot_inbox_close() is due in both cases.
 */
int mlx5_snapshot_inbox_open(struct mlx5_snapshot_inbox *inbox,
			     struct mlx5_core_dev *mdev, unsigned int log_message)
{
	int err = 0;

	inbox->mdev = mdev;
	inbox->log_message = log_message;
	init_completion(&inbox->news);
	while (!err && inbox->made < ARRAY_SIZE(inbox_steps)) {
		err = inbox_steps[inbox->made].make(inbox);
		if (!err)
			inbox->made++;
	}
	return err;
}

/**
 * mlx5_snapshot_inbox_close - free the parts of an inbox
 * @inbox: the inbox; nothing is sent to it any more
 *
 * Return: whether @inbox itself may be freed: false if the firmware kept a part.
 */
bool mlx5_snapshot_inbox_close(struct mlx5_snapshot_inbox *inbox)
{
	while (inbox->made) {
		inbox->made--;
		if (inbox_steps[inbox->made].unmake && inbox_steps[inbox->made].unmake(inbox))
			inbox->lost = true;
	}
	return !inbox->lost;
}

/**
 * mlx5_snapshot_inbox_break - wake the reader: no more messages will arrive
 * @inbox: the inbox
 */
void mlx5_snapshot_inbox_break(struct mlx5_snapshot_inbox *inbox)
{
	WRITE_ONCE(inbox->broken, true);
	complete(&inbox->news);
}

/* Return: whether the next completion is there. */
static bool inbox_has_one(struct mlx5_snapshot_inbox *inbox)
{
	const struct mlx5_cqe64 *cqe = inbox_completion_at(inbox, inbox->cq.cons_index);
	bool lap = inbox->cq.cons_index >> inbox_log_slots(inbox) & 1;
	u8 op_own = READ_ONCE(cqe->op_own);

	if (op_own >> 4 == MLX5_CQE_INVALID || (op_own & MLX5_CQE_OWNER_MASK) != lap)
		return false;
	/* Read the rest only after the ownership bit. */
	dma_rmb();
	return true;
}

/* Takes the completion that is there. */
static int inbox_take(struct mlx5_snapshot_inbox *inbox, struct mlx5_snapshot_message *msg)
{
	const struct mlx5_cqe64 *cqe = inbox_completion_at(inbox, inbox->cq.cons_index);

	if (cqe->op_own >> 4 != MLX5_CQE_RESP_SEND_IMM)
		return -EIO;
	msg->immediate = be32_to_cpu(cqe->immediate);
	msg->bytes = be32_to_cpu(cqe->byte_cnt);
	msg->slot = be16_to_cpu(cqe->wqe_counter) & (BIT(inbox_log_slots(inbox)) - 1);
	if (msg->bytes > 1 << inbox->log_message)
		return -EIO;
	inbox->cq.cons_index++;
	mlx5_cq_set_ci(&inbox->cq);
	return 0;
}

/**
 * mlx5_snapshot_inbox_next - the next message
 * @inbox: the inbox
 * @timeout: jiffies to wait, at most
 * @msg: set to the message; mlx5_snapshot_inbox_reuse() is due for it
 *
 * Return: 0; -EAGAIN if no message is there after an event or after @timeout;
 * -EIO if none will come.
 */
int mlx5_snapshot_inbox_next(struct mlx5_snapshot_inbox *inbox,
			     unsigned long timeout, struct mlx5_snapshot_message *msg)
{
	if (!inbox_has_one(inbox)) {
		/* From here a completion sets @news; the poll below sees earlier ones. */
		reinit_completion(&inbox->news);
		mlx5_cq_arm(&inbox->cq, MLX5_CQ_DB_REQ_NOT, inbox->uar->map,
			    inbox->cq.cons_index);
		if (!inbox_has_one(inbox) && !READ_ONCE(inbox->broken))
			wait_for_completion_timeout(&inbox->news, timeout);
		if (READ_ONCE(inbox->broken))
			return -EIO;
		if (!inbox_has_one(inbox))
			return -EAGAIN;
	}
	return inbox_take(inbox, msg);
}

/**
 * mlx5_snapshot_inbox_word - 64 bits of a message
 * @inbox: the inbox
 * @msg: the message
 * @n: index of the word
 *
 * Return: its value.
 */
u64 mlx5_snapshot_inbox_word(const struct mlx5_snapshot_inbox *inbox,
			     const struct mlx5_snapshot_message *msg, u32 n)
{
	u64 at = ((u64)msg->slot << inbox->log_message) + n * sizeof(u64);

	return be64_to_cpup(inbox_entry(&inbox->messages, at));
}

/**
 * mlx5_snapshot_inbox_reuse - receive another message into the same memory
 * @inbox: the inbox
 * @msg: the message
 */
void mlx5_snapshot_inbox_reuse(struct mlx5_snapshot_inbox *inbox,
			       const struct mlx5_snapshot_message *msg)
{
	inbox_post(inbox, msg->slot);
}
