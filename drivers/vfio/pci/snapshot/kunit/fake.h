/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device without hardware, whose back-end does as a test wants, and holds the
 * core to the contract: every operation checks what it may rely on.
 */
#ifndef VFIO_SNAPSHOT_FAKE_H
#define VFIO_SNAPSHOT_FAKE_H

#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/timer.h>
#include <linux/vfio_snapshot.h>

#include "../firmware.h"
#include "../migration.h"

#define FAKE_MAX_IMAGE	SZ_64K
#define FAKE_MAX_KEYS	16

/**
 * struct fake - a device and its back-end
 * @sdev: the device; first
 * @test: that it is for
 * @pdev: what it would be, for its name and its ids
 * @ops: of the back-end; a test may change them before it opens the device
 * @level: the device is at
 * @in_session: between session_begin() and session_end()
 * @dir: of the session
 * @busy: an operation is under way
 * @calls: how often each operation was called
 * @order: the operations in that order, one letter each, see letters[]
 * @fail: operation that fails
 * @fail_nth: its how manieth call, 0: none
 * @fail_times: calls that fail in a row from there on, 0: one
 * @fail_late: with @later, save() fails when it completes
 * @fail_err: errno that it fails with
 * @fail_level: level that the device is at after a quiesce() that failed
 * @during: called within the operation @fail instead, if set
 * @followed: what follows the last failed operation in @order
 * @unmapping: called within buf_unmap() if set, with the mapped memory
 * @priv: of the test, for its hooks
 * @offline: every operation fails with -ENOTCONN
 * @unsure: the back-end cannot tell the level without its firmware
 * @left: the back-end left; no operation may follow
 * @state: what save() takes
 * @state_len: bytes of it
 * @state_at: bytes of it that were taken
 * @chunk: bytes that one save() of the final image takes at most, 0: all
 * @ahead: images taken ahead in the session
 * @changed: bytes that changed since the last of them
 * @renewed: they were set up anew
 * @estimate: what estimate() answers
 * @grows_to: what it answers from the second time on, 0: the same
 * @lie: added to the bytes that save() says were written
 * @loaded: what load() was given, one record behind the other
 * @loaded_len: bytes of it
 * @records: load()s
 * @later: save() and load() complete after they returned
 * @later_err: with this
 * @delay: jiffies after that, 0: two
 * @timer: which does that
 * @io: what it completes
 * @io_err: errno that it completes with, after @later_err
 * @sgl: memory of the last save() or load()
 * @keys: of the mapped buffers, NULL: free
 */
struct fake {
	struct vfio_snapshot_device sdev;
	struct kunit *test;
	struct pci_dev *pdev;
	struct vfio_snapshot_ops ops;
	enum vfio_snapshot_level level;
	bool in_session;
	enum vfio_snapshot_dir dir;
	bool busy;
	unsigned int calls[SNAPSHOT_NR_COMMANDS];
	char order[64];
	enum snapshot_command fail;
	unsigned int fail_nth;
	unsigned int fail_times;
	bool fail_late;
	int fail_err;
	enum vfio_snapshot_level fail_level;
	void (*during)(struct fake *fake);
	size_t followed;
	void (*unmapping)(struct fake *fake, struct scatterlist *sgl);
	void *priv;
	bool offline;
	bool unsure;
	bool left;
	u8 *state;
	size_t state_len;
	size_t state_at;
	size_t chunk;
	unsigned int ahead;
	size_t changed;
	bool renewed;
	u64 estimate;
	u64 grows_to;
	ssize_t lie;
	u8 *loaded;
	size_t loaded_len;
	unsigned int records;
	bool later;
	int later_err;
	unsigned long delay;
	struct timer_list timer;
	struct vfio_snapshot_io *io;
	int io_err;
	struct scatterlist *sgl;
	void *keys[FAKE_MAX_KEYS];
};

struct fake *fake_make(struct kunit *test, unsigned int caps);
int fake_try_open(struct fake *fake);
void fake_open(struct fake *fake);
void fake_close(struct fake *fake);
void fake_settle(struct fake *fake);
void fake_drop(struct fake *fake);
void fake_fail(struct fake *fake, enum snapshot_command command, unsigned int nth,
	       int err, enum vfio_snapshot_level level);
void fake_hook(struct fake *fake, enum snapshot_command command, unsigned int nth,
	       void (*during)(struct fake *fake));
void fake_complete_now(struct fake *fake);
void fake_reset(struct fake *fake);
void fake_reset_pending(struct fake *fake);
void fake_hold(struct fake *fake);
void fake_release_firmware(struct fake *fake);
void fake_leave(struct fake *fake);
unsigned int fake_mapped(struct fake *fake);
bool fake_is_at(struct fake *fake, enum vfio_snapshot_level level);

int fake_set(struct fake *fake, enum vfio_device_mig_state state, struct file **file);
enum vfio_device_mig_state fake_get(struct fake *fake);
void fake_put(struct file *file);
ssize_t fake_read(struct file *file, u8 *to, size_t room, size_t step);
ssize_t fake_write(struct file *file, const u8 *from, size_t len, size_t step);
int fake_precopy_info(struct file *file, struct vfio_precopy_info *info);
ssize_t fake_save(struct fake *fake, u8 *to, size_t room);

#endif /* VFIO_SNAPSHOT_FAKE_H */
