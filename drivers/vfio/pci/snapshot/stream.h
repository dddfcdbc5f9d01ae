/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layer 4: the data fd, and the session of a device that it belongs to.
 */
#ifndef VFIO_SNAPSHOT_STREAM_H
#define VFIO_SNAPSHOT_STREAM_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "buffer.h"
#include "load.h"
#include "save.h"

struct file;
struct snapshot_stream;
struct vfio_precopy_info;

/**
 * struct snapshot_session - the session of a device: at most one stream
 * @fw: of the device
 * @precopy_info: VFIO_MIG_GET_PRECOPY_INFO, which needs the device's state
 * @stream: the open stream, or NULL; protected by the lock of the device's state,
 *          and for snapshot_session_kill() by @kill_lock
 * @kill_lock: taken last
 * @dead: the dead stream that is not closed yet, or NULL; never set together with
 *        a later @stream. @teardown alone clears it.
 * @quiet: no load() runs and none can start. @teardown sets it when it holds the
 *         firmware, snapshot_session_begin() clears it for a load
 * @changed: woken when @dead or @quiet changes
 * @teardown: closes @dead. It sends commands, so it runs a while after the end of
 *            the session, or before the next one.
 */
struct snapshot_session {
	struct snapshot_fw *fw;
	int (*precopy_info)(struct snapshot_stream *stream, struct vfio_precopy_info *info);
	struct snapshot_stream *stream;
	spinlock_t kill_lock;	/* @stream against a close that takes no mutex */
	struct snapshot_stream *dead;
	bool quiet;
	wait_queue_head_t changed;
	struct delayed_work teardown;
};

/**
 * struct snapshot_stream - the data stream of one session
 * @ref: one for the session, one for the file
 * @session: of the device; the file holds a reference on the device
 * @closed: the session's firmware objects are gone; set without a lock
 * @io: held by the user of the data fd, also while user memory is copied, which
 *      may take for ever. So no change of state waits for it, except for the end
 *      of loading.
 * @pool: memory; its flag @dead is that of the stream
 * @save: for a saving stream
 * @load: for a loading stream
 */
struct snapshot_stream {
	struct kref ref;
	struct snapshot_session *session;
	bool closed;
	struct mutex io;	/* use of the data fd */
	struct snapshot_pool pool;
	union {
		struct snapshot_save save;
		struct snapshot_load load;
	};
};

void snapshot_session_init(struct snapshot_session *session, struct snapshot_fw *fw,
			   int (*precopy_info)(struct snapshot_stream *stream,
					       struct vfio_precopy_info *info));
int snapshot_session_begin(struct snapshot_session *session, enum vfio_snapshot_dir dir,
			   struct file **file);
void snapshot_session_end(struct snapshot_session *session);
void snapshot_session_kill(struct snapshot_session *session);
void snapshot_session_hurry(struct snapshot_session *session);
int snapshot_session_wait_quiet(struct snapshot_session *session);
void snapshot_session_flush(struct snapshot_session *session);
int snapshot_stream_finish_load(struct snapshot_stream *stream);

#endif /* VFIO_SNAPSHOT_STREAM_H */
