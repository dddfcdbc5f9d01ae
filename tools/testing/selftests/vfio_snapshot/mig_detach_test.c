// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of the PF detaches from its firmware and attaches again, here by
 * a reload. A device in RUNNING stays there and migrates afterwards. In every
 * other state the migration is over: the data fd is dead and the device is in
 * ERROR until it is reset, or closed and opened.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/dirty.h"
#include "lib/harness.h"
#include "lib/lab.h"
#include "lib/nic.h"
#include "lib/sriov.h"

FIXTURE(detach) {
	struct vfio_dev dev;
	struct sriov sriov;
	const struct nic *nic;
	int fd;
	bool saving;
};

FIXTURE_VARIANT(detach) {
	enum vfio_device_mig_state in;
};

FIXTURE_VARIANT_ADD(detach, in_running) {
	.in = VFIO_DEVICE_STATE_RUNNING,
};

FIXTURE_VARIANT_ADD(detach, in_pre_copy) {
	.in = VFIO_DEVICE_STATE_PRE_COPY,
};

FIXTURE_VARIANT_ADD(detach, in_pre_copy_p2p) {
	.in = VFIO_DEVICE_STATE_PRE_COPY_P2P,
};

FIXTURE_VARIANT_ADD(detach, in_stop_copy) {
	.in = VFIO_DEVICE_STATE_STOP_COPY,
};

FIXTURE_VARIANT_ADD(detach, in_stop) {
	.in = VFIO_DEVICE_STATE_STOP,
};

FIXTURE_VARIANT_ADD(detach, in_running_p2p) {
	.in = VFIO_DEVICE_STATE_RUNNING_P2P,
};

FIXTURE_VARIANT_ADD(detach, in_resuming) {
	.in = VFIO_DEVICE_STATE_RESUMING,
};

FIXTURE_SETUP(detach)
{
	self->fd = -1;
	self->saving = mig_state_saving(variant->in);
	NEEDS_OURS();
	self->nic = nic_of(test_env.bdf);
	ASSERT_EQ(0, sriov_open(&self->sriov));
	if (strcmp(self->sriov.pf_driver, "mlx5_core"))
		SKIP(return, "the driver of this PF never detaches from its firmware");
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	ASSERT_EQ(0, mig_enter(&self->dev, variant->in, &self->fd));
}

FIXTURE_TEARDOWN(detach)
{
	if (self->fd >= 0)
		close(self->fd);
	vfio_dev_close(&self->dev);
}

struct watcher {
	struct vfio_dev *dev;
	pthread_t thread;
	atomic_bool stop;
	unsigned int seen;	/* one bit for each state */
};

static void *watch(void *arg)
{
	struct watcher *w = arg;

	while (!atomic_load(&w->stop)) {
		int state = mig_get(w->dev);

		if (state >= 0)
			w->seen |= 1u << state;
		usleep(500);
	}
	return NULL;
}

/* Reloads the PF; the bits of the states that were seen meanwhile */
static int reload_watched(struct vfio_dev *dev, const struct sriov *s,
			  unsigned int *seen)
{
	struct watcher w = { .dev = dev };
	int ret;

	if (pthread_create(&w.thread, NULL, watch, &w))
		return -1;
	ret = sriov_reload_pf(s);
	atomic_store(&w.stop, true);
	pthread_join(w.thread, NULL);
	*seen = w.seen;
	return ret;
}

#define EXPECT_MIGRATES(_dev) \
	do { \
		struct load_result _r; \
		struct blob _b = {}; \
		ASSERT_STATE(_dev, VFIO_DEVICE_STATE_RUNNING); \
		ASSERT_EQ(0, mig_save(_dev, 4096, &_b)); \
		_r = mig_load(_dev, _b.data, _b.len, 4096); \
		EXPECT_EQ(LOAD_OK, _r.stage); \
		EXPECT_EQ(0, mig_set(_dev, VFIO_DEVICE_STATE_RUNNING, NULL)); \
		blob_free(&_b); \
	} while (0)

/* After the reload, for a device that was not in RUNNING */
#define EXPECT_IN_ERROR() \
	do { \
		EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR); \
		EXPECT_LT(mig_set(&self->dev, VFIO_DEVICE_STATE_RUNNING, NULL), 0); \
		EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR); \
		if (self->fd >= 0) { \
			EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, self->saving)); \
		} \
	} while (0)

TEST_F(detach, leaves_running_alone_and_ends_a_migration_until_a_reset)
{
	unsigned int seen;

	ASSERT_EQ(0, reload_watched(&self->dev, &self->sriov, &seen));
	if (variant->in == VFIO_DEVICE_STATE_RUNNING) {
		EXPECT_EQ(1u << VFIO_DEVICE_STATE_RUNNING, seen);
	} else {
		EXPECT_NE(0, seen & 1u << VFIO_DEVICE_STATE_ERROR);
		EXPECT_EQ(0, seen & ~(1u << variant->in | 1u << VFIO_DEVICE_STATE_ERROR));
		EXPECT_IN_ERROR();
		ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	}
	EXPECT_MIGRATES(&self->dev);
	if (self->fd >= 0) {
		EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, self->saving));
	}
}

TEST_F(detach, the_next_open_finds_the_device_in_running)
{
	ASSERT_EQ(0, sriov_reload_pf(&self->sriov));
	if (variant->in != VFIO_DEVICE_STATE_RUNNING)
		EXPECT_IN_ERROR();
	vfio_dev_close(&self->dev);
	ASSERT_EQ(0, vfio_dev_open(&self->dev, test_env.bdf));
	EXPECT_MIGRATES(&self->dev);
	if (self->fd >= 0) {
		EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, self->saving));
	}
}

/* An image ahead is taken asynchronously. */
TEST_F(detach, a_save_under_way_ends_once)
{
	struct pollfd pfd = { .events = POLLIN };
	struct lab lab;

	if (variant->in != VFIO_DEVICE_STATE_RUNNING)
		SKIP(return, "tested in RUNNING only");
	NEEDS_LAB(&lab, test_env.bdf);
	lab_only_this_vf(&lab, true);
	lab_drop(&lab, self->nic->op[NIC_SAVE], 1);
	ASSERT_EQ(0, mig_set(&self->dev, VFIO_DEVICE_STATE_PRE_COPY, &self->fd));
	pfd.fd = self->fd;
	/* The reload waits for the command, which the lab holds until it is released. */
	if (!fork()) {
		usleep(300000);
		lab_set(&lab, LAB_RELEASE, 1);
		_exit(0);
	}
	EXPECT_EQ(0, sriov_reload_pf(&self->sriov));
	wait(NULL);
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(ENODEV, mig_fd_errno(self->fd, true));
	lab_close(&lab);
	EXPECT_STATE(&self->dev, VFIO_DEVICE_STATE_ERROR);
	ASSERT_EQ(0, vfio_dev_reset(&self->dev));
	EXPECT_MIGRATES(&self->dev);
}

#define LOGGED	0x40000000ull
#define LEN	0x100000ull
#define PAGE	0x1000ull

struct reporter {
	struct vfio_dev *dev;
	atomic_bool stop;
	unsigned int gone;
	int err;
};

/* Reports on addresses that are not logged, so no dirty bit is lost */
static void *report_often(void *arg)
{
	struct reporter *r = arg;

	while (!atomic_load(&r->stop)) {
		uint64_t bitmap = 0;
		int ret = dirty_report(r->dev, 1ull << 40, 64 * PAGE, PAGE, &bitmap);

		if (ret == -ENOTCONN)
			r->gone++;
		else if (ret || bitmap)
			r->err = ret ?: -EILSEQ;
		usleep(1000);
	}
	return NULL;
}

/* Writes during the reload are not logged, so everything must be dirty. */
TEST_F_TIMEOUT(detach, a_log_goes_on_and_everything_is_dirty, 60)
{
	static const uint64_t range[][2] = { { LOGGED, LEN } };
	struct reporter r = { .dev = &self->dev };
	struct dirty_log *log;
	pthread_t thread;
	uint64_t bit;

	if (variant->in != VFIO_DEVICE_STATE_RUNNING)
		SKIP(return, "tested in RUNNING only");
	if (access("/dev/iommu", F_OK))
		SKIP(return, "the kernel has no IOMMUFD and reports no bitmaps");
	log = calloc(1, sizeof(*log));
	ASSERT_NE(NULL, log);
	ASSERT_EQ(0, dirty_start(log, &self->dev, PAGE, range, 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, report_often, &r));
	EXPECT_EQ(0, sriov_reload_pf(&self->sriov));
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	EXPECT_NE(0, r.gone);
	EXPECT_EQ(0, r.err);
	ASSERT_EQ(0, dirty_all(log, LOGGED, LEN));
	EXPECT_EQ(0, dirty_check(log, LOGGED, LEN, PAGE, &bit));
	EXPECT_EQ(0, dirty_check(log, LOGGED, LEN, PAGE, &bit));
	EXPECT_EQ(0, dirty_stop(log));
	free(log);
}

SNAPSHOT_TEST_MAIN
