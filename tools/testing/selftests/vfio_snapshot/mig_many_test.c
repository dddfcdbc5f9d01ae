// SPDX-License-Identifier: GPL-2.0-only
/*
 * All VFs of one PF migrate at the same time: each stream is whole and its own,
 * no VF waits for another's firmware command, and drivers continue.
 */
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/harness.h"
#include "lib/lab.h"
#include "lib/work.h"

#define MAX_VFS 64
#define ENOUGH_VFS 16	/* required when VFIO_SNAPSHOT_LAB is set */
#define SECONDS 60

struct vf {
	struct vfio_dev dev;
	struct work work;
	char bdf[16];
	unsigned int nr;		/* N of virtfnN */
	struct blob saved;		/* stream that was saved */
	struct blob again;
	const struct blob *load;	/* stream to load */
	int (*run)(struct vf *vf);
	pthread_barrier_t *start;
	pthread_t thread;
	int ret;
};

FIXTURE(many) {
	struct vf vf[MAX_VFS];
	unsigned int nr_vfs;
	struct lab lab;
	uint64_t objects;
};

/* Whether VF @nr of the PF has the driver of the device under test; its address */
static bool find_vf(const char *pf, unsigned int nr, char *bdf, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX], driver[64], wanted[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/virtfn%u", pf, nr);
	got = readlink(path, target, sizeof(target) - 1);
	if (got < 0)
		return false;
	target[got] = '\0';
	snprintf(bdf, len, "%s", basename(target));
	return !pci_driver_name(bdf, driver, sizeof(driver)) &&
	       !pci_driver_name(test_env.bdf, wanted, sizeof(wanted)) &&
	       !strcmp(driver, wanted);
}

static void *thread(void *arg)
{
	struct vf *vf = arg;

	pthread_barrier_wait(vf->start);
	vf->ret = vf->run(vf);
	return NULL;
}

static unsigned int now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Runs @run on all VFs at once: the milliseconds for all of them */
static unsigned int at_once(FIXTURE_DATA(many) *self, int (*run)(struct vf *vf))
{
	pthread_barrier_t start;
	unsigned int i, began;

	pthread_barrier_init(&start, NULL, self->nr_vfs + 1);
	for (i = 0; i < self->nr_vfs; i++) {
		self->vf[i].run = run;
		self->vf[i].start = &start;
		pthread_create(&self->vf[i].thread, NULL, thread, &self->vf[i]);
	}
	began = now_ms();
	pthread_barrier_wait(&start);
	for (i = 0; i < self->nr_vfs; i++)
		pthread_join(self->vf[i].thread, NULL);
	pthread_barrier_destroy(&start);
	return now_ms() - began;
}

#define ASSERT_ALL_OK(what) \
	do { \
		for (i = 0; i < self->nr_vfs; i++) \
			ASSERT_EQ(0, self->vf[i].ret) { \
				TH_LOG(what " VF %u", self->vf[i].nr); \
			} \
	} while (0)

/* In parallel, because a device is reset when it is opened or closed. */
static int open_vf(struct vf *vf)
{
	return vfio_dev_open(&vf->dev, vf->bdf);
}

static int close_vf(struct vf *vf)
{
	vfio_dev_close(&vf->dev);
	return 0;
}

FIXTURE_SETUP(many)
{
	struct vf *vf = self->vf;
	unsigned int i;

	NEEDS_LAB(&self->lab, test_env.bdf);
	for (i = 0; i < MAX_VFS; i++) {
		if (!find_vf(self->lab.pf, i, vf->bdf, sizeof(vf->bdf)))
			continue;
		vf->nr = i;
		vf++;
	}
	self->nr_vfs = vf - self->vf;
	if (getenv("VFIO_SNAPSHOT_LAB")) {
		ASSERT_LE(ENOUGH_VFS, self->nr_vfs);
	}
	if (self->nr_vfs < 2)
		SKIP(return, "needs two VFs");
	at_once(self, open_vf);
	ASSERT_ALL_OK("opening");
	self->objects = lab_get(&self->lab, LAB_OBJECTS);
}

FIXTURE_TEARDOWN(many)
{
	struct vf *vf;

	/* First, because held commands would block the close. */
	lab_close(&self->lab);
	at_once(self, close_vf);
	for (vf = self->vf; vf < self->vf + self->nr_vfs; vf++) {
		work_free(&vf->work);
		blob_free(&vf->saved);
		blob_free(&vf->again);
	}
}

/* Leaves the device stopped, as in a migration */
static int save_to(struct vfio_dev *dev, struct blob *b)
{
	int fd, ret;

	b->len = 0;
	ret = mig_set(dev, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	if (ret)
		return ret;
	ret = mig_read_all(fd, 65536, b);
	if (ret == -ENOMSG)
		ret = mig_set(dev, VFIO_DEVICE_STATE_STOP_COPY, NULL);
	if (!ret)
		ret = mig_read_all(fd, 65536, b);
	if (!ret)
		ret = mig_set(dev, VFIO_DEVICE_STATE_STOP, NULL);
	close(fd);
	return ret;
}

static int save(struct vf *vf)
{
	return save_to(&vf->dev, &vf->saved);
}

static int save_again(struct vf *vf)
{
	return save_to(&vf->dev, &vf->again);
}

static int load(struct vf *vf)
{
	struct load_result r = mig_load(&vf->dev, vf->load->data, vf->load->len, 65536);

	return r.stage == LOAD_OK ?
	       mig_set(&vf->dev, VFIO_DEVICE_STATE_RUNNING, NULL) : -r.err;
}

FIXTURE_VARIANT(many) {
	unsigned int delay_us;
	bool overlap;		/* most of the time is spent in delays */
};

FIXTURE_VARIANT_ADD(many, commands_of_1_ms) {
	.delay_us = 1000,
};

FIXTURE_VARIANT_ADD(many, commands_of_50_ms) {
	.delay_us = 50000,
	.overlap = true,
};

TEST_F_TIMEOUT(many, each_state_moves_to_the_next_vf, SECONDS)
{
	/* The time of the kernel itself must be small against the delay. */
	unsigned int delay_us = variant->delay_us * slowness();
	unsigned int i, saving, loading, sum;
	uint64_t commands;

	/* All states differ, and are longer than a page */
	for (i = 0; i < self->nr_vfs; i++)
		lab_set(&self->lab, LAB_VF(self->vf[i].nr) + LAB_VF_PAD,
			4097 * (self->vf[i].nr + 1));
	commands = lab_get(&self->lab, LAB_TOTAL);
	lab_delay(&self->lab, delay_us);
	saving = at_once(self, save);
	ASSERT_ALL_OK("saving");
	for (i = 0; i < self->nr_vfs; i++)
		self->vf[(i + 1) % self->nr_vfs].load = &self->vf[i].saved;
	loading = at_once(self, load);
	ASSERT_ALL_OK("loading");
	commands = lab_get(&self->lab, LAB_TOTAL) - commands;
	lab_delay(&self->lab, 0);

	sum = commands * delay_us / 1000;
	TH_LOG("%u VFs: saved in %u ms, loaded in %u ms; %u commands of %u us",
	       self->nr_vfs, saving, loading, (unsigned int)commands,
	       delay_us);
	if (variant->overlap) {
		EXPECT_LT(2 * (saving + loading), sum);
	}

	at_once(self, save_again);
	ASSERT_ALL_OK("saving again");
	for (i = 0; i < self->nr_vfs; i++) {
		struct vf *vf = &self->vf[i];

		EXPECT_TRUE(blob_equal(vf->load, &vf->again)) {
			TH_LOG("VF %u: %zu and %zu bytes", vf->nr,
			       vf->load->len, vf->again.len);
		}
		EXPECT_FALSE(blob_equal(&vf->saved, &vf->again));
	}
}

static int start_driver(struct vf *vf)
{
	return work_bring_up(&vf->work, &vf->dev);
}

/* After the load, the driver continues with the state that it left. */
static int reset_and_load(struct vf *vf)
{
	vf->load = &vf->saved;
	return vfio_dev_reset(&vf->dev) ?: load(vf);
}

static int send_on_all(struct vf *vf)
{
	return work_send_all(&vf->work, 3);
}

TEST_F_TIMEOUT(many, drivers_continue_after_a_reset_and_a_load, SECONDS)
{
	unsigned int i;

	for (i = 0; i < self->nr_vfs; i++) {
		ASSERT_EQ(0, start_driver(&self->vf[i]));
		ASSERT_EQ(0, send_on_all(&self->vf[i]));
	}
	lab_delay(&self->lab, variant->delay_us);
	at_once(self, save);
	ASSERT_ALL_OK("saving");
	at_once(self, reset_and_load);
	ASSERT_ALL_OK("loading");
	lab_delay(&self->lab, 0);
	at_once(self, send_on_all);
	ASSERT_ALL_OK("traffic of");
	EXPECT_EQ(0, lab_wait_objects(&self->lab, self->objects));
}

/* The session's objects are removed once the device runs. */
static int save_and_run(struct vf *vf)
{
	return save(vf) ?: mig_set(&vf->dev, VFIO_DEVICE_STATE_RUNNING, NULL);
}

static void migrate_for_ever(struct vf *vf)
{
	for (;;) {
		if (save(vf))
			break;
		vf->load = &vf->saved;
		if (load(vf))
			break;
	}
	_exit(1);
}

TEST_F_TIMEOUT(many, killed_in_the_middle_they_leave_nothing, SECONDS)
{
	pid_t pid[MAX_VFS];
	unsigned int i;
	int status;

	at_once(self, close_vf);
	lab_delay(&self->lab, variant->delay_us);
	for (i = 0; i < self->nr_vfs; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (!open_vf(&self->vf[i]))
				migrate_for_ever(&self->vf[i]);
			_exit(2);
		}
	}
	usleep(1500000);
	for (i = 0; i < self->nr_vfs; i++) {
		EXPECT_EQ(0, waitpid(pid[i], &status, WNOHANG)) {
			TH_LOG("VF %u: ended with %#x", self->vf[i].nr, status);
		}
		kill(pid[i], SIGKILL);
	}
	for (i = 0; i < self->nr_vfs; i++)
		waitpid(pid[i], &status, 0);
	lab_delay(&self->lab, 0);

	at_once(self, open_vf);
	ASSERT_ALL_OK("opening");
	for (i = 0; i < self->nr_vfs; i++)
		EXPECT_STATE(&self->vf[i].dev, VFIO_DEVICE_STATE_RUNNING);
	at_once(self, save_and_run);
	ASSERT_ALL_OK("saving");
	EXPECT_EQ(0, lab_wait_objects(&self->lab, self->objects));
}

SNAPSHOT_TEST_MAIN
