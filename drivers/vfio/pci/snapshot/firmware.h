/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 1: the firmware of one device, which does one operation at a time, and the
 * lines in the kernel log.
 */
#ifndef VFIO_SNAPSHOT_FIRMWARE_H
#define VFIO_SNAPSHOT_FIRMWARE_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/lockdep.h>
#include <linux/ratelimit_types.h>
#include <linux/semaphore.h>
#include <linux/vfio_snapshot.h>
#include <linux/workqueue.h>

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

/* Names, for the log and for traces. An operation without an argument has "-" for it. */
extern const struct snapshot_command_names {
	const char *name;
	const char *args[4];
} snapshot_commands[SNAPSHOT_NR_COMMANDS];

/**
 * struct snapshot_failed - the operation that failed last
 * @err: errno of the back-end, 0 when none failed
 * @command: enum snapshot_command
 * @arg: its argument
 * @status: what the firmware answered
 *
 * One machine word, so that the log can read it without a lock.
 */
struct snapshot_failed {
	s16 err;
	u8 command;
	u8 arg;
	s32 status;
} __aligned(8);

/**
 * struct snapshot_fw - the firmware of one device
 * @sdev: the device
 * @sem: held for one operation; an asynchronous transfer keeps it until it is
 *       complete. A mutex cannot be handed on like that.
 * @dep_map: shows @sem to lockdep while a thread holds it
 * @gone: the back-end left, no operation may be called; protected by @sem
 * @transfer: asynchronous transfer that keeps @sem, or NULL; protected by @sem
 * @transfer_work: the end of @transfer
 * @command: the operation under way, or the last one; protected by @sem
 * @arg: its argument; likewise
 * @began: when it began in ns, 0 when nobody traces; likewise
 * @ops: of the back-end, copied by session_begin: a data fd may outlive the back-end
 * @size: last size in bytes that the back-end named; protected by the caller's
 *        lock of the device's state
 * @sized: jiffies of that, 0 if never; likewise
 * @failed: the operation that failed last
 * @ratelimit: limits the lines in the log
 */
struct snapshot_fw {
	struct vfio_snapshot_device *sdev;
	struct semaphore sem;
	struct lockdep_map dep_map;
	bool gone;
	struct snapshot_transfer *transfer;
	struct work_struct transfer_work;
	enum snapshot_command command;
	u8 arg;
	u64 began;
	struct vfio_snapshot_ops ops;
	u64 size;
	unsigned long sized;
	struct snapshot_failed failed;
	struct ratelimit_state ratelimit;
};

/**
 * struct snapshot_transfer - one save() or load()
 * @io: the memory
 * @fw: of the device
 * @dir: save or load
 * @phase: for save()
 * @done: called when it is complete, with the firmware held, so that it may
 *        begin the next one; NULL: the caller waits for the end
 * @err: what it ended with
 * @over: without @done
 * @holds: who keeps the firmware busy: the submitter and the transfer
 */
struct snapshot_transfer {
	struct vfio_snapshot_io io;
	struct snapshot_fw *fw;
	enum vfio_snapshot_dir dir;
	enum vfio_snapshot_phase phase;
	void (*done)(struct snapshot_transfer *transfer, int err);
	int err;
	struct completion over;
	atomic_t holds;
};

/* The data fd's errno for one of the firmware: callers retry EAGAIN and EINTR for ever. */
static inline int snapshot_fd_errno(int err)
{
	return err == -EAGAIN ? -EBUSY : err == -EINTR ? -ECANCELED : err;
}

#define snapshot_fw_assert_held(fw)	lockdep_assert(lock_is_held(&(fw)->dep_map))

void snapshot_fw_init(struct snapshot_fw *fw, struct vfio_snapshot_device *sdev);
void snapshot_fw_leave(struct snapshot_fw *fw);
int snapshot_fw_lock(struct snapshot_fw *fw);
void snapshot_fw_lock_teardown(struct snapshot_fw *fw);
bool snapshot_fw_is_busy(struct snapshot_fw *fw);
void snapshot_fw_unlock(struct snapshot_fw *fw);
int snapshot_fw_quiesce(struct snapshot_fw *fw, enum vfio_snapshot_level want,
			enum vfio_snapshot_level *now);
int snapshot_fw_session_begin(struct snapshot_fw *fw, enum vfio_snapshot_dir dir);
void snapshot_fw_session_end(struct snapshot_fw *fw, enum vfio_snapshot_dir dir);
int snapshot_fw_size(struct snapshot_fw *fw, unsigned long max_age, u64 *bytes);
int snapshot_fw_changed(struct snapshot_fw *fw, struct vfio_snapshot_estimate *est);
void *snapshot_fw_buf_map(struct snapshot_fw *fw, struct vfio_snapshot_io *io,
			  enum vfio_snapshot_dir dir);
void snapshot_fw_buf_unmap(struct snapshot_fw *fw, void *key);
int snapshot_fw_transfer(struct snapshot_transfer *transfer);
int snapshot_fw_load_end(struct snapshot_fw *fw);
void snapshot_say(struct snapshot_fw *fw, int err, const char *what, const char *then);

#endif /* VFIO_SNAPSHOT_FIRMWARE_H */
