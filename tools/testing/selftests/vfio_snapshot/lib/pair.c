// SPDX-License-Identifier: GPL-2.0-only
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

const uint32_t pair_states[NR_PAIR_STATES] = {
	VFIO_DEVICE_STATE_RUNNING,
	VFIO_DEVICE_STATE_PRE_COPY,
	VFIO_DEVICE_STATE_PRE_COPY_P2P,
	VFIO_DEVICE_STATE_STOP_COPY,
	VFIO_DEVICE_STATE_STOP,
	VFIO_DEVICE_STATE_RESUMING,
	VFIO_DEVICE_STATE_RUNNING_P2P,
	VFIO_DEVICE_STATE_ERROR,
};

void pair_init(struct pair *p, uint32_t state)
{
	*p = (struct pair){ .state = state, .fd = -1,
			    .dev = { .container = -1, .group = -1, .fd = -1 } };
}

int pair_open(struct pair *p)
{
	NEED(vfio_dev_open(&p->dev, test_env.bdf));
	if (!p->work.virtio.mem)
		NEED(work_alloc(&p->work));
	NEED(work_map(&p->work, &p->dev));
	return 0;
}

/* A driver that starts from scratch */
static int start_driver(struct pair *p)
{
	unsigned int lane;
	int ret = work_find(&p->work, &p->dev);

	/* Without a driver for this device, there is no traffic and no lane. */
	if (ret == -ENODEV)
		return 0;
	NEED(ret);
	NEED(work_start(&p->work));
	for (lane = 0; lane < p->work.lanes; lane++)
		NEED(work_send(&p->work, lane, 1 + lane));
	return 0;
}

/* Half of a good stream */
static int begin_loading(struct pair *p)
{
	p->stream.len = 0;
	NEED(mig_save(&p->dev, 4096, &p->stream));
	NEED(mig_set(&p->dev, VFIO_DEVICE_STATE_RESUMING, &p->fd));
	NEED(mig_write_all(p->fd, p->stream.data, p->stream.len / 2, 4096,
			   &p->written));
	return 0;
}

int pair_enter(struct pair *p)
{
	char some[50];

	PASS_ON(pair_open(p));
	PASS_ON(start_driver(p));
	switch (p->state) {
	case VFIO_DEVICE_STATE_RESUMING:
		PASS_ON(begin_loading(p));
		break;
	case VFIO_DEVICE_STATE_ERROR:
		PASS_ON(begin_loading(p));
		WANT(mig_set(&p->dev, VFIO_DEVICE_STATE_STOP, NULL));
		break;
	default:
		NEED(mig_enter(&p->dev, p->state, &p->fd));
	}
	if (mig_state_saving(p->state))
		WANT(read(p->fd, some, sizeof(some)) == sizeof(some));
	WANT(mig_get(&p->dev) == (int)p->state);
	return 0;
}

static int read_the_rest(struct pair *p)
{
	struct blob rest = {};

	if (p->state != VFIO_DEVICE_STATE_STOP_COPY)
		NEED(mig_set(&p->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	NEED(mig_read_all(p->fd, 4096, &rest));
	WANT(rest.len);
	blob_free(&rest);
	return 0;
}

int pair_carry_on(struct pair *p)
{
	WANT(mig_get(&p->dev) == (int)p->state);
	if (mig_state_saving(p->state))
		PASS_ON(read_the_rest(p));
	if (p->state == VFIO_DEVICE_STATE_RESUMING)
		NEED(mig_write_all(p->fd, p->stream.data + p->written,
				   p->stream.len - p->written, 4096, NULL));
	if (p->state == VFIO_DEVICE_STATE_ERROR) {
		NEED(vfio_dev_reset(&p->dev));
		PASS_ON(start_driver(p));
	}
	NEED(mig_set(&p->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	NEED(work_send_all(&p->work, 2));
	return 0;
}

int pair_fd_is_dead(struct pair *p)
{
	bool saving = mig_state_saving(p->state);
	struct vfio_precopy_info info;

	if (p->fd < 0)
		return 0;
	WANT(mig_fd_errno(p->fd, saving) == ENODEV);
	if (saving)
		WANT(mig_precopy_info(p->fd, &info) == -ENODEV);
	return 0;
}

int pair_works(struct pair *p)
{
	struct load_result r;
	struct blob b = {};
	int fd;

	WANT(mig_get(&p->dev) == VFIO_DEVICE_STATE_RUNNING);
	PASS_ON(start_driver(p));
	NEED(mig_set(&p->dev, VFIO_DEVICE_STATE_STOP_COPY, &fd));
	NEED(mig_read_all(fd, 4096, &b));
	close(fd);

	/* The reset clears the device. Only the saved stream is left. */
	NEED(vfio_dev_reset(&p->dev));
	r = mig_load(&p->dev, b.data, b.len, 4096);
	WANT(r.stage == LOAD_OK);
	NEED(mig_set(&p->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
	NEED(work_send_all(&p->work, 2));
	blob_free(&b);
	return 0;
}

void pair_close_fd(struct pair *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void pair_close(struct pair *p)
{
	vfio_dev_close(&p->dev);
	pair_close_fd(p);
	work_free(&p->work);
	blob_free(&p->stream);
}

int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

static int module_users(const char *module)
{
	char path[128];
	int users = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &users) != 1)
		users = -1;
	fclose(f);
	return users;
}

int ledger_open(struct pair_ledger *ledger)
{
	int ret = pci_driver_name(test_env.bdf, ledger->modules[0].name,
				  sizeof(ledger->modules[0].name));
	size_t i;

	if (ret)
		return ret;
	strcpy(ledger->modules[1].name, "vfio_snapshot");
	for (i = 0; i < 2; i++)
		ledger->modules[i].users = module_users(ledger->modules[i].name);
	ret = lab_open(&ledger->lab, test_env.bdf);
	if (!ret)
		ledger->objects = lab_get(&ledger->lab, LAB_OBJECTS);
	return ret == -ENODEV && !getenv("VFIO_SNAPSHOT_LAB") ? 0 : ret;
}

/* An exiting process or a work item may hold it for a moment. */
static int check_module(const char *name, int users)
{
	int now = -1, tries;

	for (tries = 0; tries < 1000; tries++) {
		now = module_users(name);
		if (now == users)
			return 0;
		usleep(1000);
	}
	printf("# the module %s has %d users, it had %d\n", name, now, users);
	return PAIR_FAILED;
}

/* Fewer objects are no leak: an earlier test's may have been removed late. */
static int check_objects(struct pair_ledger *ledger)
{
	uint64_t now = 0;
	int tries;

	if (!ledger->lab.regs)
		return 0;
	for (tries = 0; tries < 3000; tries++) {
		now = lab_get(&ledger->lab, LAB_OBJECTS);
		if (now <= ledger->objects)
			return 0;
		usleep(1000);
	}
	printf("# the firmware keeps %llu objects, it had %llu\n",
	       (unsigned long long)now, (unsigned long long)ledger->objects);
	return PAIR_FAILED;
}

int ledger_check(struct pair_ledger *ledger)
{
	size_t i;

	for (i = 0; i < 2; i++)
		PASS_ON(check_module(ledger->modules[i].name,
				     ledger->modules[i].users));
	return check_objects(ledger);
}

pid_t pair_start_holder(struct pair *p, int (*then)(struct pair *p))
{
	int ready[2];
	char byte = 0;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return -1;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid) {
		if (pair_enter(p) || then(p))
			_exit(PAIR_FAILED);
		if (write(ready[1], &byte, 1) != 1)
			_exit(PAIR_FAILED);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

int pair_kill_holder(pid_t pid)
{
	int status;

	NEED(kill(pid, SIGKILL));
	WANT(waitpid(pid, &status, 0) == pid);
	WANT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return 0;
}
