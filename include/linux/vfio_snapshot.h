/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The back-end contract of vfio-snapshot.
 *
 * The core owns the migration states, the data stream, the file descriptors and
 * the memory of the images. A back-end owns the firmware of one kind of NIC: it
 * turns the operations below into firmware commands, and needs to know no more.
 */
#ifndef _LINUX_VFIO_SNAPSHOT_H
#define _LINUX_VFIO_SNAPSHOT_H

#include <linux/bits.h>
#include <linux/scatterlist.h>
#include <linux/types.h>
#include <linux/vfio_pci_core.h>
#include <linux/vfio_snapshot_dirty.h>
#include <linux/vfio_snapshot_level.h>

struct snapshot_dirty;
struct snapshot_mig;
struct vfio_snapshot_device;

/**
 * enum vfio_snapshot_dir - which way device state flows
 * @VFIO_SNAPSHOT_SAVE: from the device to userspace
 * @VFIO_SNAPSHOT_LOAD: from userspace to the device
 */
enum vfio_snapshot_dir {
	VFIO_SNAPSHOT_SAVE,
	VFIO_SNAPSHOT_LOAD,
};

/**
 * enum vfio_snapshot_phase - why an image is taken
 * @VFIO_SNAPSHOT_AHEAD: the device may still run, a final image will follow
 * @VFIO_SNAPSHOT_FINAL: the device is stopped, this image is the state
 */
enum vfio_snapshot_phase {
	VFIO_SNAPSHOT_AHEAD,
	VFIO_SNAPSHOT_FINAL,
};

/**
 * enum vfio_snapshot_extent - what an estimate covers
 * @VFIO_SNAPSHOT_WHOLE: an image of the whole state
 * @VFIO_SNAPSHOT_CHANGED: what changed since the last image of the session
 */
enum vfio_snapshot_extent {
	VFIO_SNAPSHOT_WHOLE,
	VFIO_SNAPSHOT_CHANGED,
};

/**
 * struct vfio_snapshot_estimate - how much there is to save
 * @bytes: largest size that an image taken now can have; 0 only for
 *         VFIO_SNAPSHOT_CHANGED: nothing changed
 * @renewed: the device was set up again since the last image, so userspace should
 *           read another one before it stops the device; never with @bytes 0
 */
struct vfio_snapshot_estimate {
	u64 bytes;
	bool renewed;
};

/**
 * struct vfio_snapshot_io - one transfer between memory and firmware
 * @sgl: the memory, terminated, exactly @size bytes; pages may have any order, and
 *       all offsets and lengths except for the last are multiples of a page
 * @nents: entries of @sgl, at most the back-end's @max_segs
 * @key: what buf_map() returned for this memory, NULL without buf_map()
 * @size: save: bytes of room; load: bytes of state
 * @done: save, set by the back-end: bytes of state that the firmware wrote
 * @more: save, set by the back-end that has a window: the image goes on in a
 *        further call
 * @private: for the core
 */
struct vfio_snapshot_io {
	struct scatterlist *sgl;
	unsigned int nents;
	void *key;
	size_t size;
	size_t done;
	bool more;
	void *private;
};

/* The device has two levels of quiesce: first it starts no DMA, then it stops. */
#define VFIO_SNAPSHOT_CAP_NDMA		BIT(0)
/* An image can be taken while the device runs. */
#define VFIO_SNAPSHOT_CAP_PRECOPY	BIT(1)
/* For this device NDMA is a full stop: from NDMA to STOP costs no command. */
#define VFIO_SNAPSHOT_CAP_NDMA_STOPS	BIT(2)
/* Each image of a session has what changed since the one before. */
#define VFIO_SNAPSHOT_CAP_INCREMENT	BIT(3)

/**
 * struct vfio_snapshot_ops - what a back-end does for the core
 *
 * The core calls one operation of a device at a time, except for @reset_done; a
 * transfer is over when it is complete. Operations may sleep. While one waits for
 * the firmware, neither another device nor an access to user memory waits for it.
 *
 * Errors are negative errnos, and go to userspace as they are. A back-end tries
 * once: it repeats nothing and undoes nothing.
 *
 * Between quiesce(NDMA) on the source and quiesce(RUN) on the destination the
 * guest stands still. In this blackout the core calls @quiesce, @save with
 * VFIO_SNAPSHOT_FINAL, @load and @load_end; it calls @estimate and @buf_map only if
 * no image was taken ahead, or if the state no longer fits, or if userspace asks
 * for the size. A back-end sends only the commands that these need.
 */
struct vfio_snapshot_ops {
	/**
	 * @name: of the back-end, at most VFIO_SNAPSHOT_BACKEND_LEN - 1 bytes;
	 * part of the stream; a stream with another name is refused
	 */
	const char *name;

	/** @caps: VFIO_SNAPSHOT_CAP_* */
	unsigned int caps;

	/**
	 * @max_image: bytes of the largest image, in both directions; it bounds
	 * what a writer can make the kernel allocate
	 */
	u64 max_image;

	/** @max_segs: most scatterlist entries that one firmware command takes */
	unsigned int max_segs;

	/**
	 * @window: most bytes that one @save is offered, a multiple of a page,
	 * or 0: an image has to fit into one transfer. With a window an image
	 * may come in chunks: the core uses two windows of memory for a state
	 * of any size, and less for a state of less than one.
	 */
	size_t window;

	/**
	 * @quiesce: bring the device to level @want
	 *
	 * Absolute and idempotent: a device that is there already costs no
	 * command. Stops at the first command that fails. The core then calls
	 * this once more, with the level that the device came from: one command
	 * should be enough to prove that the device is there.
	 *
	 * @now is set in every case: to @want on success, on failure to the
	 * level that the device is at, VFIO_SNAPSHOT_UNKNOWN if the failed
	 * command leaves that open. A status alone proves nothing where the
	 * firmware may carry a command out and report an error.
	 *
	 * Return: 0 or the errno of the failed command.
	 */
	int (*quiesce)(struct vfio_snapshot_device *sdev,
		       enum vfio_snapshot_level want,
		       enum vfio_snapshot_level *now);

	/**
	 * @session_begin: make the firmware objects that a transfer needs
	 *
	 * Called before the blackout if there is pre-copy or the device loads;
	 * never twice without @session_end.
	 *
	 * Return: 0 or an errno; after an errno nothing is left behind.
	 */
	int (*session_begin)(struct vfio_snapshot_device *sdev,
			     enum vfio_snapshot_dir dir);

	/**
	 * @session_end: undo @session_begin
	 *
	 * Called some time after the transfer, outside of the blackout; also
	 * after a reset, and when the device is closed: as for @quiesce, the
	 * function may be disabled or in D3hot then. Cannot fail: the driver
	 * gives up an object that the firmware keeps.
	 */
	void (*session_end)(struct vfio_snapshot_device *sdev,
			    enum vfio_snapshot_dir dir);

	/**
	 * @estimate: how much there is to save
	 *
	 * VFIO_SNAPSHOT_WHOLE: called with and without a session, at every
	 * level. VFIO_SNAPSHOT_CHANGED: only with VFIO_SNAPSHOT_CAP_INCREMENT,
	 * at level RUN, in a session in which an image was taken.
	 *
	 * Return: 0 with @est set (it was all 0), or an errno.
	 */
	int (*estimate)(struct vfio_snapshot_device *sdev,
			enum vfio_snapshot_extent extent,
			struct vfio_snapshot_estimate *est);

	/**
	 * @buf_map: optional: make memory known to the firmware, once for all
	 * transfers that use it; the memory stays until @buf_unmap returned
	 *
	 * Return: a key for @save and @load, or an ERR_PTR().
	 */
	void *(*buf_map)(struct vfio_snapshot_device *sdev,
			 struct vfio_snapshot_io *io, enum vfio_snapshot_dir dir);

	/** @buf_unmap: optional: undo @buf_map */
	void (*buf_unmap)(struct vfio_snapshot_device *sdev, void *key);

	/**
	 * @save: take an image of the device, or its next chunk
	 *
	 * Sets @io->done, 1 to @io->size, and @io->more if the next call brings
	 * the next chunk of a FINAL image. An image taken ahead has one chunk:
	 * the next image has the rest. Each chunk becomes a record, loaded one
	 * by one. After a failure the next call starts a new image of the whole
	 * state.
	 *
	 * Return: 0, -EINPROGRESS if vfio_snapshot_io_complete() follows, or an
	 * errno. -ENOMEM or -ENOSPC mean that @io->size is too small: for a FINAL
	 * image the core asks @estimate again and comes back once with more if
	 * it grew. An image ahead that fails is given up.
	 */
	int (*save)(struct vfio_snapshot_device *sdev,
		    enum vfio_snapshot_phase phase, struct vfio_snapshot_io *io);

	/**
	 * @load: give one record of state, as @save made it, to the device
	 *
	 * The firmware validates it. A later record replaces or completes the
	 * earlier ones, as the firmware defines.
	 *
	 * Return: as @save; -EINVAL if the firmware refuses the state.
	 */
	int (*load)(struct vfio_snapshot_device *sdev, struct vfio_snapshot_io *io);

	/**
	 * @load_end: optional: a last check of the loaded state
	 *
	 * Return: 0, or an errno, which ends in ERROR.
	 */
	int (*load_end)(struct vfio_snapshot_device *sdev);

	/**
	 * @reset_done: the device was reset
	 *
	 * A command may have crossed the reset, so the level is unknown. Where
	 * it may not be RUN, the core calls @quiesce with VFIO_SNAPSHOT_RUN next,
	 * and the back-end must send a command. Must not sleep and must not take a lock that
	 * another operation holds across a command.
	 */
	void (*reset_done)(struct vfio_snapshot_device *sdev);
};

/**
 * struct vfio_snapshot_device - a VFIO PCI device that may be migratable
 * @core: of vfio-pci; first, as vfio_alloc_device() demands
 * @ops: of the back-end, NULL for a device without migration support
 * @mig: of the core
 * @dirty: dirty tracking, set by a back-end that has it before it registers
 * @log: of the core, NULL for a device without dirty tracking
 * @status: set by the back-end when an operation fails, for messages: what the
 *          firmware answered; the core sets it to 0 before each operation
 *
 * A back-end embeds this at the start of its own structure.
 */
struct vfio_snapshot_device {
	struct vfio_pci_core_device core;
	const struct vfio_snapshot_ops *ops;
	struct snapshot_mig *mig;
	const struct vfio_snapshot_dirty_ops *dirty;
	struct snapshot_dirty *log;
	int status;
};

/**
 * vfio_snapshot_alloc - allocate a device structure of a back-end
 * @type: name of the structure
 * @member: its struct vfio_snapshot_device, at offset 0
 * @pdev: the struct pci_dev that is probed
 *
 * Return: a zeroed structure with one reference, or an ERR_PTR().
 */
#define vfio_snapshot_alloc(type, member, pdev)				\
	vfio_alloc_device(type, member.core.vdev, &(pdev)->dev,		\
			  &vfio_snapshot_device_ops)

extern const struct vfio_device_ops vfio_snapshot_device_ops;
extern const struct pci_error_handlers vfio_snapshot_err_handlers;

void vfio_snapshot_detached(struct vfio_snapshot_device *sdev);
void vfio_snapshot_attached(struct vfio_snapshot_device *sdev);
int vfio_snapshot_register(struct vfio_snapshot_device *sdev,
			   const struct vfio_snapshot_ops *ops);
void vfio_snapshot_unregister(struct vfio_snapshot_device *sdev);
void vfio_snapshot_io_complete(struct vfio_snapshot_io *io, int err);

#endif /* _LINUX_VFIO_SNAPSHOT_H */
