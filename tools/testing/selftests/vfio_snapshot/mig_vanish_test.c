// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every state x everything that takes the device away while a process has it
 * open. The process closes the device when asked, or is killed in the middle of
 * its work. Nothing hangs, the data fd is dead and harmless while it is kept,
 * and the next device in that place works. mig_pairs_test.c has the events that
 * leave the device in place.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"

#include "lib/busy.h"
#include "lib/sriov.h"
#include "lib/watch.h"

/* A pair takes a second or two, on a debug kernel many. */
#define LIMIT 60

static struct sriov sriov;

/* VFIO signals this eventfd when it wants the device back. */
static int request_event(struct pair *p)
{
	struct {
		struct vfio_irq_set set;
		int fd;
	} irq = {
		.set = {
			.argsz = sizeof(irq),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_REQ_IRQ_INDEX,
			.count = 1,
		},
		.fd = eventfd(0, EFD_CLOEXEC),
	};

	if (irq.fd >= 0 && ioctl(p->dev.fd, VFIO_DEVICE_SET_IRQS, &irq)) {
		close(irq.fd);
		return -1;
	}
	return irq.fd;
}

/* A process that takes the device away when told to */
struct taker {
	pid_t pid;
	int go;
};

/* Forked while nothing is open, because it would hold what it inherits. */
static int make_taker(struct taker *taker, int (*take)(struct sriov *s))
{
	char byte;
	int go[2];

	NEED(pipe2(go, O_CLOEXEC));
	fflush(stdout);
	taker->pid = fork();
	WANT(taker->pid >= 0);
	if (!taker->pid) {
		close(go[1]);
		if (read(go[0], &byte, 1) != 1)
			_exit(PAIR_FAILED);
		_exit(take(&sriov) ? PAIR_FAILED : 0);
	}
	close(go[0]);
	taker->go = go[1];
	return 0;
}

static int start_taking(struct taker *taker)
{
	WANT(write(taker->go, "", 1) == 1);
	close(taker->go);
	return 0;
}

static int end_taking(struct taker *taker)
{
	int status;

	WANT(waitpid(taker->pid, &status, 0) == taker->pid);
	WANT(WIFEXITED(status) && !WEXITSTATUS(status));
	return 0;
}

static bool still_taking(struct taker *taker)
{
	siginfo_t info = {};

	return !waitid(P_PID, taker->pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

/* Waits until VFIO asks for the device, runs @then and closes it */
static int close_after(struct pair *p, int (*take)(struct sriov *s),
		       int (*then)(struct pair *p))
{
	struct pollfd wait = { .events = POLLIN };
	struct taker taker;

	PASS_ON(make_taker(&taker, take));
	PASS_ON(pair_enter(p));
	wait.fd = request_event(p);
	WANT(wait.fd >= 0);
	PASS_ON(start_taking(&taker));
	WANT(poll(&wait, 1, 10000) == 1);
	PASS_ON(then(p));
	WANT(still_taking(&taker));
	vfio_dev_close(&p->dev);
	close(wait.fd);
	return end_taking(&taker);
}

/* Closes in the present state, with the data fd open */
static int at_once(struct pair *p)
{
	WANT(mig_get(&p->dev) == (int)p->state);
	return 0;
}

/* A migration may be completed after VFIO has asked. */
static int in_due_course(struct pair *p)
{
	if (p->state != VFIO_DEVICE_STATE_ERROR)
		return pair_carry_on(p);
	/* The removal holds the lock that a reset needs. */
	WANT(vfio_dev_reset(&p->dev) == -EAGAIN);
	return 0;
}

static int close_at_once(struct pair *p, int (*take)(struct sriov *s))
{
	return close_after(p, take, at_once);
}

static int close_in_due_course(struct pair *p, int (*take)(struct sriov *s))
{
	return close_after(p, take, in_due_course);
}

/* VFIO asks in the middle of the process's work */
static int close_when_busy(struct pair *p, int (*take)(struct sriov *s))
{
	struct pollfd wait = { .events = POLLIN };
	struct busy busy[NR_BUSY] = {};
	int i, first = -1;
	struct taker taker;

	PASS_ON(make_taker(&taker, take));
	PASS_ON(pair_enter(p));
	wait.fd = request_event(p);
	WANT(wait.fd >= 0);
	/* p->fd will be another file. */
	if (p->fd >= 0)
		first = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
	PASS_ON(start_taking(&taker));
	PASS_ON(busy_start_all(busy, p));
	WANT(poll(&wait, 1, 10000) == 1);
	usleep(30000);
	for (i = 0; i < NR_BUSY; i++)
		PASS_ON(busy_stop(&busy[i]));
	vfio_dev_close(&p->dev);
	close(wait.fd);
	pair_close_fd(p);
	p->fd = first;
	return end_taking(&taker);
}

static int be_busy(struct pair *p)
{
	static struct busy busy[NR_BUSY];

	return busy_start_all(busy, p);
}

static int killed_when_busy(struct pair *p, int (*take)(struct sriov *s))
{
	struct taker taker;
	pid_t holder;

	PASS_ON(make_taker(&taker, take));
	holder = pair_start_holder(p, be_busy);
	WANT(holder > 0);
	PASS_ON(start_taking(&taker));
	usleep(30000);
	WANT(still_taking(&taker));
	PASS_ON(pair_kill_holder(holder));
	return end_taking(&taker);
}

static const struct {
	const char *name;
	int (*hold)(struct pair *p, int (*take)(struct sriov *s));
} holders[] = {
	{ "closes it on request", close_at_once },
	{ "is killed in the middle of its work", killed_when_busy },
	{ "ends its migration on request and closes it", close_in_due_course },
	{ "closes it on request in the middle of its work", close_when_busy },
};

/* Linux takes more than a second to remove VFs, so not every state is tried with that. */
static const struct {
	const char *name;
	int (*take)(struct sriov *s);
	unsigned int nr_holders;
} ways[] = {
	{ "its driver is unbound", sriov_unbind_vf, 4 },
	{ "the PF's driver is unbound", sriov_unbind_pf, 2 },
	{ "sriov_numvfs is set to 0", sriov_no_vfs, 2 },
};

struct task {
	uint32_t state;
	int (*take)(struct sriov *s);
	int (*hold)(struct pair *p, int (*take)(struct sriov *s));
};

static int run_pair(void *arg)
{
	const struct task *task = arg;
	int fds = count_fds();
	struct pair p;

	pair_init(&p, task->state);
	PASS_ON(task->hold(&p, task->take));
	/* The data fd outlives the device, and the next one with the same address. */
	PASS_ON(pair_fd_is_dead(&p));
	NEED(sriov_restore(&sriov));
	PASS_ON(pair_open(&p));
	PASS_ON(pair_works(&p));
	PASS_ON(pair_fd_is_dead(&p));
	pair_close(&p);
	WANT(count_fds() == fds);
	return 0;
}

static int device_flags(void *arg)
{
	struct vfio_dev dev;
	int ret;

	ret = vfio_dev_open(&dev, test_env.bdf);
	if (!ret)
		ret = mig_flags(&dev, arg);
	vfio_dev_close(&dev);
	return -ret;
}

static int restore(void *arg)
{
	NEED(sriov_restore(arg));
	return 0;
}

int main(int argc, char *argv[])
{
	struct pair_ledger ledger = {};
	unsigned int w, h, n, plan = 0;
	uint64_t flags;
	char name[160];

	setvbuf(stdout, NULL, _IOLBF, 0);
	test_env_init(&argc, argv);
	ksft_print_header();
	if (test_env.peer)
		ksft_exit_skip("known faults of this driver crash the kernel here\n");
	if (sriov_open(&sriov))
		ksft_exit_skip("%s is not a VF\n", test_env.bdf);
	watch_init();
	if (device_flags(&flags) || ledger_open(&ledger))
		ksft_exit_fail_msg("%s cannot be tested\n", test_env.bdf);
	for (w = 0; w < ARRAY_SIZE(ways); w++)
		plan += ways[w].nr_holders * NR_PAIR_STATES;
	ksft_set_plan(plan);

	for (w = 0; w < ARRAY_SIZE(ways); w++)
	for (h = 0; h < ways[w].nr_holders; h++)
	for (n = 0; n < NR_PAIR_STATES; n++) {
		struct task task = { pair_states[n], ways[w].take, holders[h].hold };
		int ret, back;

		snprintf(name, sizeof(name), "%s: %s, its holder %s",
			 mig_state_name(pair_states[n]), ways[w].name,
			 holders[h].name);
		if ((argc > 1 && !strstr(name, argv[1])) ||
		    !mig_state_supported(flags, pair_states[n])) {
			ksft_test_result_skip("%s\n", name);
			continue;
		}
		ret = watch_run(name, LIMIT, run_pair, &task);
		if (!ret)
			ret = ledger_check(&ledger);
		ksft_test_result(!ret, "%s\n", name);
		back = watch_run("restore", LIMIT, restore, &sriov);
		if (ret == -EDEADLK || back)
			ksft_exit_fail_msg("the device did not come back\n");
	}
	ksft_finished();
}
