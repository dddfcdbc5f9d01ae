/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small library for tests of VFIO migration: opens a device by its PCI
 * address, sets its migration state, moves its stream. The device is opened
 * through its group and a type1 container, with VFIO_SNAPSHOT_MODE=cdev through
 * its character device and an iommufd.
 *
 * Every function returns 0 (or a count) or -errno and never asserts: the test
 * decides whether an error is wrong.
 */
#ifndef VFIO_MIG_H
#define VFIO_MIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vfio.h>

#ifndef VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2
#define VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 12
#endif
#ifndef VFIO_PRECOPY_INFO_REINIT
#define VFIO_PRECOPY_INFO_REINIT (1 << 0)
#endif

#define NR_STATES VFIO_DEVICE_STATE_NR

/* test_env.c: the command line and the environment */
struct test_env {
	const char *bdf;	/* the device under test */
	const char *bdf2;	/* a second one of the same kind, or NULL */
	bool peer;		/* skip what the other driver is known to fail */
	bool ours;		/* the device is bound to a driver of this project */
};

extern struct test_env test_env;

/*
 * Takes the device addresses from the end of argv, or from VFIO_SNAPSHOT_BDF
 * and VFIO_SNAPSHOT_BDF2. Without any, the program exits as skipped.
 */
void test_env_init(int *argc, char *argv[]);

/* device.c */
struct vfio_dev {
	char bdf[16];
	int container;	/* or the iommufd */
	int group;
	int fd;
	uint32_t ioas;
};

int vfio_dev_open(struct vfio_dev *dev, const char *bdf);
void vfio_dev_close(struct vfio_dev *dev);
int vfio_dev_reset(struct vfio_dev *dev);
int vfio_dev_map(struct vfio_dev *dev, void *mem, uint64_t iova, size_t len);
int pci_function_reset(const char *bdf);
int pci_driver_name(const char *bdf, char *name, size_t len);

/* migration.c */
const char *mig_state_name(unsigned int state);
int mig_feature(struct vfio_dev *dev, uint32_t flags, void *data, size_t len);
int mig_flags(struct vfio_dev *dev, uint64_t *flags);
int mig_data_size(struct vfio_dev *dev, uint64_t *size);
/* The state, or -errno */
int mig_get(struct vfio_dev *dev);
/* *@fd is the data fd, or -1. With @fd NULL a new data fd is closed. */
int mig_set(struct vfio_dev *dev, uint32_t state, int *fd);
int mig_precopy_info(int fd, struct vfio_precopy_info *info);
bool mig_state_supported(uint64_t flags, unsigned int state);
bool mig_state_saving(unsigned int state);

/* blob.c: bytes of a stream */
struct blob {
	uint8_t *data;
	size_t len;
	size_t room;
};

int blob_add(struct blob *b, const void *data, size_t len);
int blob_copy(struct blob *to, const struct blob *from);
bool blob_equal(const struct blob *a, const struct blob *b);
void blob_free(struct blob *b);

/* transfer.c */
/* Reads to the end: 0, or -ENOMSG at the temporary end */
int mig_read_all(int fd, size_t chunk, struct blob *b);
/* Writes everything, @chunk bytes a call. *@done (may be NULL): bytes written */
int mig_write_all(int fd, const void *data, size_t len, size_t chunk,
		  size_t *done);
/* RUNNING -> STOP_COPY, read the whole stream, -> RUNNING */
int mig_save(struct vfio_dev *dev, size_t chunk, struct blob *b);

enum load_stage { LOAD_OK, LOAD_ENTER, LOAD_WRITE, LOAD_EXIT };

struct load_result {
	enum load_stage stage;	/* the step that failed */
	int err;		/* its errno */
	size_t written;
	int exit_err;		/* errno of RESUMING -> STOP, which is tried in any case */
	int state;		/* state after that */
};

/* From any state to RESUMING, write the stream, go to STOP */
struct load_result mig_load(struct vfio_dev *dev, const void *data, size_t len,
			    size_t chunk);
/* Sets @state, from a state without a data fd; *@fd is the new data fd or -1 */
int mig_enter(struct vfio_dev *dev, uint32_t state, int *fd);
/* errno of one read or write, 0 while the fd works */
int mig_fd_errno(int fd, bool saving);

#endif /* VFIO_MIG_H */
