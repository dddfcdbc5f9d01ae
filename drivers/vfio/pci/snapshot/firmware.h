/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations of a back-end, each called with the device's fw_lock held and
 * seen by the tracepoints. Nothing else in the core calls them.
 */
#ifndef VFIO_SNAPSHOT_FIRMWARE_H
#define VFIO_SNAPSHOT_FIRMWARE_H

#include <linux/completion.h>
#include <linux/vfio_snapshot.h>
#include <linux/workqueue.h>

struct snapshot_mig;

/**
 * enum snapshot_command - operations of a back-end, for messages and traces
 * @SNAPSHOT_CMD_QUIESCE: quiesce(), its argument is an enum vfio_snapshot_level
 * @SNAPSHOT_CMD_SESSION_BEGIN: session_begin(), enum vfio_snapshot_dir
 * @SNAPSHOT_CMD_SESSION_END: session_end(), enum vfio_snapshot_dir
 * @SNAPSHOT_CMD_ESTIMATE: estimate(), enum vfio_snapshot_extent
 * @SNAPSHOT_CMD_BUF_MAP: buf_map(), enum vfio_snapshot_dir
 * @SNAPSHOT_CMD_BUF_UNMAP: buf_unmap(), 0
 * @SNAPSHOT_CMD_SAVE: save(), enum vfio_snapshot_phase
 * @SNAPSHOT_CMD_LOAD: load(), 0
 * @SNAPSHOT_CMD_LOAD_END: load_end(), 0
 * @SNAPSHOT_NR_COMMANDS: number of operations
 */
enum snapshot_command {
	SNAPSHOT_CMD_QUIESCE,
	SNAPSHOT_CMD_SESSION_BEGIN,
	SNAPSHOT_CMD_SESSION_END,
	SNAPSHOT_CMD_ESTIMATE,
	SNAPSHOT_CMD_BUF_MAP,
	SNAPSHOT_CMD_BUF_UNMAP,
	SNAPSHOT_CMD_SAVE,
	SNAPSHOT_CMD_LOAD,
	SNAPSHOT_CMD_LOAD_END,
	SNAPSHOT_NR_COMMANDS,
};

/**
 * struct snapshot_failed - an operation that failed
 * @command: which
 * @arg: its argument
 * @err: errno of the back-end, 0 when none failed
 * @status: what the firmware answered
 */
struct snapshot_failed {
	enum snapshot_command command;
	unsigned int arg;
	int err;
	int status;
};

/**
 * struct snapshot_transfer - one save() or load()
 * @io: the memory
 * @mig: of the device
 * @dir: save or load
 * @phase: for save()
 * @done: called when it is over, with the device's fw_lock held, so that it may
 *        begin the next one; NULL: whoever begins it waits for it
 * @err: what it ended with
 * @over: without @done
 * @began: ns, for traces
 */
struct snapshot_transfer {
	struct vfio_snapshot_io io;
	struct snapshot_mig *mig;
	enum vfio_snapshot_dir dir;
	enum vfio_snapshot_phase phase;
	void (*done)(struct snapshot_transfer *transfer, int err);
	int err;
	struct completion over;
	u64 began;
};

int snapshot_fw_lock_killable(struct snapshot_mig *mig);
void snapshot_fw_lock(struct snapshot_mig *mig);
void snapshot_fw_unlock(struct snapshot_mig *mig);
const char *snapshot_command_name(enum snapshot_command command);
const char *snapshot_command_arg(enum snapshot_command command, unsigned int arg);
int snapshot_fw_quiesce(struct snapshot_mig *mig, enum vfio_snapshot_level want,
			enum vfio_snapshot_level *now);
int snapshot_fw_session_begin(struct snapshot_mig *mig, enum vfio_snapshot_dir dir);
void snapshot_fw_session_end(struct snapshot_mig *mig, enum vfio_snapshot_dir dir);
int snapshot_fw_estimate(struct snapshot_mig *mig, enum vfio_snapshot_extent extent,
			 struct vfio_snapshot_estimate *est);
void *snapshot_fw_buf_map(struct snapshot_mig *mig, struct vfio_snapshot_io *io,
			  enum vfio_snapshot_dir dir);
void snapshot_fw_buf_unmap(struct snapshot_mig *mig, void *key);
int snapshot_fw_transfer(struct snapshot_transfer *transfer);
void snapshot_fw_transfer_work(struct work_struct *work);
int snapshot_fw_load_end(struct snapshot_mig *mig);

#endif /* VFIO_SNAPSHOT_FIRMWARE_H */
