/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A software device with a back-end that fails, delays or hooks operations as a test
 * asks. Every operation checks that the core keeps the contract of vfio_snapshot.h. No
 * locks: the core calls one operation at a time, which @busy checks.
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
 * @test: the test that uses it
 * @pdev: its PCI device, for the name and the ids
 * @ops: the back-end's operations; a test may change them before a session begins
 * @level: level of the device
 * @in_session: between session_begin() and session_end()
 * @dir: direction of the session
 * @busy: an operation is in progress
 * @calls: calls of each operation
 * @order: the operations in the order of their calls, one letter each, see letters[]
 * @fail: operation that fails
 * @fail_nth: number of the call that fails, 0: none
 * @fail_times: calls in a row that fail, 0: one
 * @fail_late: with @later, save() fails on completion
 * @fail_err: errno of the failure
 * @fail_level: level after a quiesce() that failed
 * @during: if set, called within operation @fail, which then succeeds
 * @followed: index in @order of what follows the last failure, 0: none failed
 * @unmapping: if set, called within buf_unmap() with the mapped memory
 * @priv: the test's data, for its hooks
 * @offline: every operation fails with -ENOTCONN
 * @unsure: the back-end does not know the level until a command succeeds
 * @left: the back-end left; no operation may follow
 * @state: the device state that save() returns
 * @state_len: bytes of @state
 * @state_at: bytes of @state that the current final image has
 * @chunk: bytes of the largest chunk of a final image, 0: one chunk for all
 * @ahead: images taken ahead in the session
 * @changed: bytes that changed since the last image ahead
 * @renewed: the device was set up again since the last image ahead
 * @estimate: answer of estimate()
 * @grows_to: answer of estimate() from the second call on, 0: the same
 * @lie: added to the size that save() reports
 * @loaded: all records that load() got, concatenated
 * @loaded_len: bytes of @loaded
 * @records: records loaded
 * @later: save() and load() complete asynchronously
 * @later_err: errno of the completion
 * @delay: jiffies until the completion, 0: two
 * @timer: completes the transfer
 * @io: the asynchronous transfer
 * @io_err: errno of the completion if @later_err is 0
 * @sgl: memory of the last save() or load()
 * @keys: mapped buffers, NULL: free slot
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
