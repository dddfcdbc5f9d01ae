/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An inbox: memory, a receive queue and a completion queue on the physical
 * function, and a queue pair through which the firmware sends messages to them.
 */
#ifndef MLX5_SNAPSHOT_INBOX_H
#define MLX5_SNAPSHOT_INBOX_H

#include <linux/completion.h>
#include <linux/mlx5/cq.h>
#include <linux/mlx5/driver.h>

/**
 * struct mlx5_snapshot_message - what the firmware sent
 * @immediate: the immediate value of the send
 * @bytes: its length
 * @slot: index of its memory, see mlx5_snapshot_inbox_word()
 */
struct mlx5_snapshot_message {
	u32 immediate;
	u32 bytes;
	u32 slot;
};

/**
 * struct mlx5_snapshot_inbox - where messages of the firmware arrive
 * @mdev: the physical function
 * @log_message: log2 of the size of the largest message
 * @made: steps of its making that are done
 * @lost: the firmware kept an object, and may still write to its memory
 * @news: completed when a message or an error arrives
 * @broken: no more messages will arrive
 * @uar: its doorbells
 * @pdn: its protection domain
 * @cq: completion queue
 * @cq_record: consumer and arm index, written by the driver
 * @cq_ring: its entries
 * @messages: memory for messages, a slot for each
 * @mkey: the firmware's key of @messages
 * @qpn: of the queue pair that receives
 * @qp_record: producer index of the receive buffers, written by the driver
 * @qp_ring: receive buffers
 * @posted: the same index
 * @sender: number of the queue pair through which the firmware sends
 */
struct mlx5_snapshot_inbox {
	struct mlx5_core_dev *mdev;
	unsigned int log_message;
	unsigned int made;
	bool lost;
	struct completion news;
	bool broken;
	struct mlx5_uars_page *uar;
	u32 pdn;
	struct mlx5_core_cq cq;
	struct mlx5_db cq_record;
	struct mlx5_frag_buf cq_ring;
	struct mlx5_frag_buf messages;
	u32 mkey;
	u32 qpn;
	struct mlx5_db qp_record;
	struct mlx5_frag_buf qp_ring;
	u16 posted;
	u32 sender;
};

int mlx5_snapshot_inbox_open(struct mlx5_snapshot_inbox *inbox,
			     struct mlx5_core_dev *mdev, unsigned int log_message);
bool mlx5_snapshot_inbox_close(struct mlx5_snapshot_inbox *inbox);
void mlx5_snapshot_inbox_break(struct mlx5_snapshot_inbox *inbox);
int mlx5_snapshot_inbox_next(struct mlx5_snapshot_inbox *inbox,
			     unsigned long timeout, struct mlx5_snapshot_message *msg);
u64 mlx5_snapshot_inbox_word(const struct mlx5_snapshot_inbox *inbox,
			     const struct mlx5_snapshot_message *msg, u32 n);
void mlx5_snapshot_inbox_reuse(struct mlx5_snapshot_inbox *inbox,
			       const struct mlx5_snapshot_message *msg);

#endif /* MLX5_SNAPSHOT_INBOX_H */
