// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every state x everything that can happen to a device, its data fd and their
 * owner. Each pair runs once, in its own process with a time limit. Nothing
 * hangs, nothing is left behind, and the device works afterwards.
 * mig_vanish_test.c has the events that take the device away.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest.h"

#include "lib/busy.h"
#include "lib/records.h"
#include "lib/stall.h"
#include "lib/watch.h"

/* A pair takes a second, on a debug kernel many. */
#define LIMIT 40

/* How long threads run against each other */
#define BUSY_MS 150

static int reset_by_ioctl(struct pair *p)
{
	PASS_ON(pair_enter(p));
	NEED(vfio_dev_reset(&p->dev));
	WANT(mig_get(&p->dev) == VFIO_DEVICE_STATE_RUNNING);
	return pair_fd_is_dead(p);
}

static int reset_by_sysfs(struct pair *p)
{
	PASS_ON(pair_enter(p));
	NEED(pci_function_reset(test_env.bdf));
	WANT(mig_get(&p->dev) == VFIO_DEVICE_STATE_RUNNING);
	return pair_fd_is_dead(p);
}

static int close_device_first(struct pair *p)
{
	PASS_ON(pair_enter(p));
	vfio_dev_close(&p->dev);
	PASS_ON(pair_fd_is_dead(p));
	PASS_ON(pair_open(p));
	return pair_fd_is_dead(p);
}

static int close_data_fd_first(struct pair *p)
{
	PASS_ON(pair_enter(p));
	pair_close_fd(p);
	WANT(mig_get(&p->dev) == (int)p->state);
	vfio_dev_close(&p->dev);
	return pair_open(p);
}

static int do_nothing(struct pair *p)
{
	(void)p;
	return 0;
}

static int kill_idle(struct pair *p)
{
	pid_t pid = pair_start_holder(p, do_nothing);

	WANT(pid > 0);
	PASS_ON(pair_kill_holder(pid));
	return pair_open(p);
}

static int be_busy(struct pair *p)
{
	static struct busy busy[NR_BUSY];

	return busy_start_all(busy, p);
}

/* Kills it in the middle of its calls */
static int kill_busy(struct pair *p)
{
	pid_t pid = pair_start_holder(p, be_busy);

	WANT(pid > 0);
	usleep(20000 + 7000 * p->state);
	PASS_ON(pair_kill_holder(pid));
	return pair_open(p);
}

static void pause_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

/* Sets states and resets the device while another thread uses the data fd */
static int thread_uses_data_fd(struct pair *p)
{
	struct busy using[2] = {}, setting = {};
	unsigned int i;

	PASS_ON(pair_enter(p));
	for (i = 0; i < 2; i++)
		NEED(busy_start(&using[i], p,
				busy_using(p)));
	/* First for a moment in the state of this pair */
	pause_ms(10);
	NEED(busy_start(&setting, p, busy_setting));
	pause_ms(BUSY_MS);
	NEED(vfio_dev_reset(&p->dev));
	NEED(pci_function_reset(test_env.bdf));
	PASS_ON(busy_stop(&setting));
	for (i = 0; i < 2; i++)
		PASS_ON(busy_stop(&using[i]));
	NEED(vfio_dev_reset(&p->dev));
	return 0;
}

/* Two threads set states while others ask and reset */
static int thread_sets_states(struct pair *p)
{
	struct busy setting[2] = {}, asking = {};
	unsigned int i;

	PASS_ON(pair_enter(p));
	NEED(busy_start(&asking, p, busy_asking));
	for (i = 0; i < 2; i++)
		NEED(busy_start(&setting[i], p, busy_setting));
	pause_ms(BUSY_MS);
	NEED(vfio_dev_reset(&p->dev));
	NEED(pci_function_reset(test_env.bdf));
	NEED(vfio_dev_reset(&p->dev));
	PASS_ON(busy_stop(&asking));
	for (i = 0; i < 2; i++)
		PASS_ON(busy_stop(&setting[i]));
	NEED(vfio_dev_reset(&p->dev));
	return 0;
}

/* The child keeps the device open while the parent closes it */
static int fork_and_close(struct pair *p)
{
	int closed[2], status;
	char byte = 0;
	pid_t pid;

	PASS_ON(pair_enter(p));
	NEED(pipe2(closed, O_CLOEXEC));
	fflush(stdout);
	pid = fork();
	WANT(pid >= 0);
	if (!pid) {
		close(closed[1]);
		if (read(closed[0], &byte, 1) != 1)
			_exit(PAIR_FAILED);
		status = pair_carry_on(p);
		fflush(stdout);
		_exit(status);
	}
	close(closed[0]);
	vfio_dev_close(&p->dev);
	pair_close_fd(p);
	WANT(write(closed[1], &byte, 1) == 1);
	close(closed[1]);
	WANT(waitpid(pid, &status, 0) == pid);
	WANT(WIFEXITED(status) && !WEXITSTATUS(status));
	return pair_open(p);
}

static int dup_and_close(struct pair *p)
{
	int device, data = -1;

	PASS_ON(pair_enter(p));
	device = fcntl(p->dev.fd, F_DUPFD_CLOEXEC, 0);
	WANT(device >= 0);
	close(p->dev.fd);
	p->dev.fd = device;
	if (p->fd >= 0) {
		data = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
		WANT(data >= 0);
		close(p->fd);
		p->fd = data;
	}
	return pair_carry_on(p);
}

/*
 * Registers that can be read and written without effect: those of the network
 * device, or below those of the engine
 */
#define HARMLESS_AT 0x2000
#define HARMLESS_LEN 8

static void *map_one(struct pair *p, unsigned int index, size_t *len)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };
	void *bar;

	if (ioctl(p->dev.fd, VFIO_DEVICE_GET_REGION_INFO, &info) ||
	    !(info.flags & VFIO_REGION_INFO_FLAG_MMAP) ||
	    info.size < HARMLESS_AT + 0x1000)
		return NULL;
	*len = info.size;
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   p->dev.fd, info.offset);
	return bar == MAP_FAILED ? NULL : bar;
}

static void *map_bar(struct pair *p, size_t *len)
{
	return map_one(p, VFIO_PCI_BAR4_REGION_INDEX, len) ?:
	       map_one(p, VFIO_PCI_BAR0_REGION_INDEX, len);
}

/*
 * A page fault on a BAR waits for the lock that a reset holds, and a user of
 * the data fd may be in that fault.
 */
static int data_fd_copies_to_a_bar(struct pair *p)
{
	struct busy using = {}, setting = {};
	size_t len;
	void *bar;
	int i;

	PASS_ON(pair_enter(p));
	bar = map_bar(p, &len);
	if (!bar)
		return PAIR_SKIP;
	using.buffer = (uint8_t *)bar + HARMLESS_AT;
	using.len = HARMLESS_LEN;
	NEED(busy_start(&using, p, busy_using(p)));
	NEED(busy_start(&setting, p, busy_setting));
	for (i = 0; i < 3; i++) {
		NEED(vfio_dev_reset(&p->dev));
		NEED(pci_function_reset(test_env.bdf));
	}
	PASS_ON(busy_stop(&setting));
	PASS_ON(busy_stop(&using));
	NEED(munmap(bar, len));
	NEED(vfio_dev_reset(&p->dev));
	return 0;
}

struct setter {
	struct pair *pair;
	int ret;
	bool over;
	pthread_t thread;
};

static void *set_stop(void *arg)
{
	struct setter *s = arg;

	s->ret = mig_set(&s->pair->dev, VFIO_DEVICE_STATE_STOP, NULL);
	__atomic_store_n(&s->over, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Reading registers for about 10 ms: as many pieces as one call takes */
#define PIECES 1024

struct slow_write {
	int fd;
	struct iovec pieces[PIECES];
	pthread_t thread;
};

static void *write_slowly(void *arg)
{
	struct slow_write *w = arg;

	/* The session may end at any byte. */
	if (writev(w->fd, w->pieces, PIECES) < 0)
		return NULL;
	return w;
}

/*
 * A lock cycle if one of them waits wrongly: a reset has the lock that a page
 * fault on a BAR needs, a write is in that fault, and the end of loading waits
 * for the write. On a slow machine the reset may come first.
 */
static int end_loading_in_a_reset(struct pair *p, uint8_t *bar, bool *met)
{
	struct setter setter = { .pair = p };
	struct slow_write w = {};
	struct blob head = {};
	size_t i;

	pair_close_fd(p);
	NEED(vfio_dev_reset(&p->dev));
	NEED(mig_set(&p->dev, VFIO_DEVICE_STATE_RESUMING, &p->fd));
	NEED(record_add_header(&head, TAG_DATA, 0, 16 << 20));
	NEED(mig_write_all(p->fd, head.data, head.len, head.len, NULL));
	blob_free(&head);

	w.fd = p->fd;
	for (i = 0; i < PIECES; i++)
		w.pieces[i] = (struct iovec){ bar + HARMLESS_AT, 0x1000 };
	NEED(pthread_create(&w.thread, NULL, write_slowly, &w));
	pause_ms(2);
	NEED(pthread_create(&setter.thread, NULL, set_stop, &setter));
	pause_ms(2);
	NEED(vfio_dev_reset(&p->dev));
	NEED(pthread_join(w.thread, NULL));
	NEED(pthread_join(setter.thread, NULL));
	*met = setter.ret;
	WANT(mig_get(&p->dev) == (*met ? VFIO_DEVICE_STATE_RUNNING :
					 VFIO_DEVICE_STATE_STOP));
	return pair_fd_is_dead(p);
}

static int loading_ends_in_a_reset(struct pair *p)
{
	bool met = false;
	size_t len;
	void *bar;
	int tries;

	PASS_ON(pair_enter(p));
	bar = map_bar(p, &len);
	if (!bar)
		return PAIR_SKIP;
	for (tries = 0; tries < 20 && !met; tries++)
		PASS_ON(end_loading_in_a_reset(p, bar, &met));
	WANT(met);
	NEED(munmap(bar, len));
	return 0;
}

/* A thread that is stuck in a read or write of the data fd */
struct stuck {
	struct stall stall;
	int fd;
	bool saving;
	ssize_t got;
	int err;
	bool over;
	pthread_t thread;
};

static void *use_stalled(void *arg)
{
	struct stuck *s = arg;

	s->got = s->saving ? read(s->fd, s->stall.mem, 64) :
			     write(s->fd, s->stall.mem, 64);
	s->err = s->got < 0 ? errno : 0;
	__atomic_store_n(&s->over, true, __ATOMIC_RELEASE);
	return NULL;
}

static int start_stuck(struct stuck *s, struct pair *p)
{
	int ret = stall_open(&s->stall);

	if (ret == -ENOSYS)
		return PAIR_SKIP;
	NEED(ret);
	/* p->fd may be replaced meanwhile. */
	s->fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
	WANT(s->fd >= 0);
	s->saving = mig_state_saving(p->state);
	NEED(pthread_create(&s->thread, NULL, use_stalled, s));
	NEED(stall_wait(&s->stall));
	return 0;
}

static int release_stuck(struct stuck *s, struct pair *p)
{
	WANT(!__atomic_load_n(&s->over, __ATOMIC_ACQUIRE));
	if (s->saving)
		NEED(stall_release(&s->stall, "", 1));
	else
		NEED(stall_release(&s->stall, p->stream.data + p->written, 64));
	NEED(pthread_join(s->thread, NULL));
	/* It moved bytes, or the session had ended. */
	WANT(s->got > 0 || s->err == ENODEV);
	return 0;
}

static int end_stuck(struct stuck *s)
{
	WANT(mig_fd_errno(s->fd, s->saving) == ENODEV);
	close(s->fd);
	stall_close(&s->stall);
	return 0;
}

/* A stuck reader of the data fd blocks nothing else. */
static int data_fd_is_stuck(struct pair *p)
{
	struct vfio_precopy_info info;
	struct stuck s = {};
	uint64_t size;

	PASS_ON(pair_enter(p));
	PASS_ON(start_stuck(&s, p));
	WANT(mig_get(&p->dev) == (int)p->state);
	NEED(mig_data_size(&p->dev, &size));
	if (s.saving) {
		if (p->state != VFIO_DEVICE_STATE_STOP_COPY)
			NEED(mig_precopy_info(p->fd, &info));
		NEED(mig_set(&p->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
		NEED(mig_set(&p->dev, VFIO_DEVICE_STATE_RUNNING, NULL));
		NEED(mig_set(&p->dev, VFIO_DEVICE_STATE_STOP_COPY, NULL));
	}
	NEED(vfio_dev_reset(&p->dev));
	WANT(mig_get(&p->dev) == VFIO_DEVICE_STATE_RUNNING);
	NEED(pci_function_reset(test_env.bdf));
	PASS_ON(pair_works(p));
	vfio_dev_close(&p->dev);
	PASS_ON(pair_open(p));
	PASS_ON(pair_works(p));
	PASS_ON(release_stuck(&s, p));
	return end_stuck(&s);
}

/*
 * The end of loading waits for the write that is in progress, and other changes
 * of state wait for that. Nothing else waits.
 */
static int end_of_loading_waits(struct pair *p)
{
	struct setter setter = { .pair = p };
	struct stuck s = {};

	PASS_ON(pair_enter(p));
	PASS_ON(start_stuck(&s, p));
	NEED(pthread_create(&setter.thread, NULL, set_stop, &setter));
	pause_ms(50);
	WANT(!__atomic_load_n(&setter.over, __ATOMIC_ACQUIRE));
	WANT(mig_get(&p->dev) == VFIO_DEVICE_STATE_RESUMING);
	NEED(vfio_dev_reset(&p->dev));
	WANT(mig_get(&p->dev) == VFIO_DEVICE_STATE_RUNNING);
	NEED(pci_function_reset(test_env.bdf));
	WANT(mig_get(&p->dev) == VFIO_DEVICE_STATE_RUNNING);
	WANT(!__atomic_load_n(&setter.over, __ATOMIC_ACQUIRE));
	PASS_ON(release_stuck(&s, p));
	/* When the set returns, the session is over and the data fd is dead. */
	NEED(pthread_join(setter.thread, NULL));
	WANT(setter.ret);
	return end_stuck(&s);
}

static struct stuck held;

static int get_stuck(struct pair *p)
{
	return start_stuck(&held, p);
}

static int get_stuck_twice(struct pair *p)
{
	static struct setter setter;

	PASS_ON(start_stuck(&held, p));
	setter.pair = p;
	NEED(pthread_create(&setter.thread, NULL, set_stop, &setter));
	pause_ms(50);
	WANT(!__atomic_load_n(&setter.over, __ATOMIC_ACQUIRE) || held.saving);
	return 0;
}

static int kill_stuck(struct pair *p)
{
	pid_t pid = pair_start_holder(p, get_stuck);

	WANT(pid > 0);
	PASS_ON(pair_kill_holder(pid));
	return pair_open(p);
}

static int kill_stuck_twice(struct pair *p)
{
	pid_t pid = pair_start_holder(p, get_stuck_twice);

	WANT(pid > 0);
	PASS_ON(pair_kill_holder(pid));
	return pair_open(p);
}

#define BIT(n) (1u << (n))
#define IN_ALL ~0u
#define IN_LOADING BIT(VFIO_DEVICE_STATE_RESUMING)
/* States with a data fd that can be read or written */
#define IN_SESSION \
	(BIT(VFIO_DEVICE_STATE_PRE_COPY) | BIT(VFIO_DEVICE_STATE_PRE_COPY_P2P) | \
	 BIT(VFIO_DEVICE_STATE_STOP_COPY) | IN_LOADING)

/* Events that leave the device open and in RUNNING */
static const struct {
	const char *name;
	unsigned int in;
	int (*happen)(struct pair *p);
} events[] = {
	{ "reset by ioctl", IN_ALL, reset_by_ioctl },
	{ "function reset from sysfs", IN_ALL, reset_by_sysfs },
	{ "close of everything, the device first", IN_ALL, close_device_first },
	{ "close of everything, the data fd first", IN_ALL, close_data_fd_first },
	{ "kill -9 of the process that has it open", IN_ALL, kill_idle },
	{ "kill -9 of a process with three busy threads", IN_ALL, kill_busy },
	{ "threads use the data fd all the time", IN_ALL, thread_uses_data_fd },
	{ "threads set the state all the time", IN_ALL, thread_sets_states },
	{ "the child continues after a fork", IN_ALL, fork_and_close },
	{ "duplicates of the fds continue", IN_ALL, dup_and_close },
	{ "the data is copied to or from a BAR during resets", IN_SESSION,
	  data_fd_copies_to_a_bar },
	{ "loading ends in a page fault on a BAR in a reset", IN_LOADING,
	  loading_ends_in_a_reset },
	{ "a page fault keeps the data fd, nothing else waits", IN_SESSION,
	  data_fd_is_stuck },
	{ "kill -9 while a page fault keeps the data fd", IN_SESSION, kill_stuck },
	{ "kill -9 while a page fault keeps the data fd and a set waits",
	  IN_LOADING, kill_stuck_twice },
	{ "a page fault keeps the data fd, only changes of state wait",
	  IN_LOADING, end_of_loading_waits },
};

struct task {
	uint32_t state;
	int (*happen)(struct pair *p);
};

static int run_pair(void *arg)
{
	const struct task *task = arg;
	struct pair p;
	int ret, fds = count_fds();

	pair_init(&p, task->state);
	PASS_ON(task->happen(&p));
	ret = pair_works(&p);
	pair_close(&p);
	WANT(count_fds() == fds);
	return ret;
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

int main(int argc, char *argv[])
{
	unsigned int i, n, plan = 0;
	struct pair_ledger ledger = {};
	uint64_t flags;
	char name[128];

	setvbuf(stdout, NULL, _IOLBF, 0);
	test_env_init(&argc, argv);
	ksft_print_header();
	if (test_env.peer)
		ksft_exit_skip("known faults of this driver crash the kernel here\n");
	watch_init();
	if (device_flags(&flags) || ledger_open(&ledger))
		ksft_exit_fail_msg("%s cannot be tested\n", test_env.bdf);

	for (i = 0; i < ARRAY_SIZE(events); i++)
		for (n = 0; n < NR_PAIR_STATES; n++)
			plan += !!(events[i].in & BIT(pair_states[n]));
	ksft_set_plan(plan);

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		for (n = 0; n < NR_PAIR_STATES; n++) {
			struct task task = { pair_states[n], events[i].happen };
			int ret;

			if (!(events[i].in & BIT(pair_states[n])))
				continue;
			snprintf(name, sizeof(name), "%s: %s",
				 mig_state_name(pair_states[n]), events[i].name);
			if (argc > 1 && !strstr(name, argv[1])) {
				ksft_test_result_skip("%s\n", name);
				continue;
			}
			if (!mig_state_supported(flags, pair_states[n])) {
				ksft_test_result_skip("%s: no such state\n", name);
				continue;
			}
			ret = watch_run(name, LIMIT, run_pair, &task);
			if (ret == PAIR_SKIP) {
				ksft_test_result_skip("%s: not possible here\n", name);
				continue;
			}
			if (!ret)
				ret = ledger_check(&ledger);
			ksft_test_result(!ret, "%s\n", name);
			/* A process holds the device for ever. */
			if (ret == -EDEADLK)
				ksft_exit_fail();
		}
	}
	ksft_finished();
}
