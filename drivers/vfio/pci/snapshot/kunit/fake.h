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
 * @fail_err: errno that it fails with
 * @fail_level: level that the device is at after a quiesce() that failed
 * @during: called within the operation @fail instead, if set
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
 * @reader: buffer that a reader is in, or NULL
 * @left: the back-end left
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
	int fail_err;
	enum vfio_snapshot_level fail_level;
	void (*during)(struct fake *fake);
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
	struct snapshot_buf *reader;
	struct completion left;
	void *keys[FAKE_MAX_KEYS];
};

struct fake *fake_make(struct kunit *test, unsigned int caps);
void fake_open(struct fake *fake);
void fake_close(struct fake *fake);
void fake_settle(struct fake *fake);
void fake_drop(struct fake *fake);
void fake_fail(struct fake *fake, enum snapshot_command command, unsigned int nth,
	       int err, enum vfio_snapshot_level level);
unsigned int fake_mapped(struct fake *fake);
bool fake_is_at(struct fake *fake, enum vfio_snapshot_level level);

int fake_set(struct fake *fake, enum vfio_device_mig_state state, struct file **file);
enum vfio_device_mig_state fake_get(struct fake *fake);
void fake_put(struct file *file);
ssize_t fake_read(struct file *file, u8 *to, size_t room, size_t step);
ssize_t fake_write(struct file *file, const u8 *from, size_t len, size_t step);
int fake_precopy_info(struct snapshot_stream *stream, struct vfio_precopy_info *info);
ssize_t fake_save(struct fake *fake, u8 *to, size_t room);

#endif /* VFIO_SNAPSHOT_FAKE_H */
