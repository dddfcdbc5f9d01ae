// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failures and races: a reader against the end of its session, an open against the
 * previous owner's load(), a reset against a command, SIGKILL against firmware that
 * hangs. The tests call only what userspace, PCI and back-ends can call.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pipe_fs_i.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vfio.h>
#include <uapi/linux/vfio_snapshot.h>

#include "fake.h"
#include "../stream.h"

#define CAP_NDMA	VFIO_SNAPSHOT_CAP_NDMA
#define CAP_PRECOPY	VFIO_SNAPSHOT_CAP_PRECOPY
#define CAP_INCREMENT	VFIO_SNAPSHOT_CAP_INCREMENT

#define RUNNING		VFIO_DEVICE_STATE_RUNNING
#define STOP		VFIO_DEVICE_STATE_STOP
#define STOP_COPY	VFIO_DEVICE_STATE_STOP_COPY
#define RESUMING	VFIO_DEVICE_STATE_RESUMING
#define PRE_COPY	VFIO_DEVICE_STATE_PRE_COPY
#define ERROR		VFIO_DEVICE_STATE_ERROR

#define HEAD		sizeof(struct vfio_snapshot_record)
#define IDENT		(HEAD + sizeof(struct vfio_snapshot_ident))
#define SIZE		(HEAD + sizeof(struct vfio_snapshot_stop_copy_size))
#define IMAGE		(HEAD + 5000)
#define END		(HEAD + sizeof(struct vfio_snapshot_end))

/* A thread that takes longer than SHORT waits; one that takes longer than LONG hangs. */
#define SHORT		msecs_to_jiffies(200)
#define LONG		msecs_to_jiffies(3000)
#define FOREVER		(600 * HZ)

/**
 * struct faults - one test
 * @fake: the device, open
 * @file: its data fd, or NULL
 * @bytes: buffer for the stream
 * @entered: a hook was reached
 * @release: the hook may return
 * @addr: user memory whose first access completes @entered and waits for @release
 * @page: the page at @addr
 * @pipe: receives spliced data
 * @sgl: mapped memory whose buf_unmap() completes @release
 */
struct faults {
	struct fake *fake;
	struct file *file;
	u8 *bytes;
	struct completion entered;
	struct completion release;
	unsigned long addr;
	struct page *page;
	struct pipe_inode_info *pipe;
	struct scatterlist *sgl;
};

static struct faults *begin(struct kunit *test, unsigned int caps)
{
	struct faults *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->bytes = kunit_kzalloc(test, 2 * FAKE_MAX_IMAGE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->bytes);
	init_completion(&f->entered);
	init_completion(&f->release);
	f->fake = fake_make(test, caps);
	f->fake->priv = f;
	f->fake->sdev.core.vdev.precopy_info_v2 = 1;
	fake_open(f->fake);
	return f;
}

static void put_file(struct faults *f)
{
	if (f->file)
		fake_put(f->file);
	f->file = NULL;
}

static void finish(struct faults *f)
{
	/* The tests subtract failed buf_map()s themselves; fake_close() must not. */
	f->fake->fail = SNAPSHOT_NR_COMMANDS;
	fake_close(f->fake);
	put_file(f);
	fake_drop(f->fake);
}

/* Sets a state; a new data fd replaces the last one. */
static int set(struct faults *f, enum vfio_device_mig_state state)
{
	struct file *file = NULL;
	int err = fake_set(f->fake, state, &file);

	if (file) {
		put_file(f);
		f->file = file;
	}
	return err;
}

static enum vfio_device_mig_state get(struct faults *f)
{
	return fake_get(f->fake);
}

static void forget_order(struct faults *f)
{
	memset(f->fake->order, 0, sizeof(f->fake->order));
	f->fake->followed = 0;
}

static unsigned int count(const char *order, char letter)
{
	unsigned int n = 0;

	while (*order)
		n += *order++ == letter;
	return n;
}

/* Reads until read() returns 0 or an errno, which is *@end. Return: bytes read. */
static size_t read_all(struct faults *f, ssize_t *end)
{
	size_t at = 0;

	for (;;) {
		*end = kernel_read(f->file, f->bytes + at, 2 * FAKE_MAX_IMAGE - at, NULL);
		if (*end <= 0)
			return at;
		at += *end;
	}
}

/* The stream ends with the whole state and the END record. */
static void expect_whole(struct faults *f, size_t len)
{
	struct fake *fake = f->fake;

	KUNIT_ASSERT_GE(fake->test, len, fake->state_len + END);
	KUNIT_EXPECT_MEMEQ(fake->test, f->bytes + len - END - fake->state_len, fake->state,
			   fake->state_len);
}

/* A hook that holds its operation until @release. */
static void wait_in_hook(struct fake *fake)
{
	struct faults *f = fake->priv;

	complete(&f->entered);
	wait_for_completion(&f->release);
}

/**
 * struct thread - a thread of a test
 * @f: the test
 * @work: what the thread does
 * @mm: user memory for @work, or NULL
 * @task: the thread
 * @begun: the thread can be killed
 * @done: @work returned
 * @ret: return value of @work
 */
struct thread {
	struct faults *f;
	ssize_t (*work)(struct faults *f);
	struct mm_struct *mm;
	struct task_struct *task;
	struct completion begun;
	struct completion done;
	ssize_t ret;
};

static int thread_run(void *data)
{
	struct thread *t = data;

	allow_signal(SIGKILL);
	complete(&t->begun);
	if (t->mm)
		kthread_use_mm(t->mm);
	t->ret = t->work(t->f);
	if (t->mm)
		kthread_unuse_mm(t->mm);
	complete(&t->done);
	return 0;
}

static void thread_begin(struct faults *f, struct thread *t, struct mm_struct *mm,
			 ssize_t (*work)(struct faults *f))
{
	t->f = f;
	t->work = work;
	t->mm = mm;
	init_completion(&t->begun);
	init_completion(&t->done);
	t->task = kthread_create(thread_run, t, "fake-thread");
	KUNIT_ASSERT_FALSE(f->fake->test, IS_ERR(t->task));
	get_task_struct(t->task);
	wake_up_process(t->task);
	wait_for_completion(&t->begun);
}

static bool thread_is_done(struct thread *t, unsigned long jiffies)
{
	bool done = wait_for_completion_timeout(&t->done, jiffies);

	if (done)
		complete(&t->done);
	return done;
}

static ssize_t thread_end(struct thread *t)
{
	wait_for_completion(&t->done);
	kthread_stop(t->task);
	put_task_struct(t->task);
	return t->ret;
}

/* Return: whether SIGKILL ends the thread soon. */
static bool thread_kill(struct thread *t)
{
	send_sig(SIGKILL, t->task, 1);
	return thread_is_done(t, LONG);
}

/* ---- user memory whose first access waits ---- */

static vm_fault_t stall_fault(struct vm_fault *vmf)
{
	struct faults *f = vmf->vma->vm_private_data;

	complete(&f->entered);
	wait_for_completion(&f->release);
	get_page(f->page);
	vmf->page = f->page;
	return 0;
}

static const struct vm_operations_struct stall_vm_ops = { .fault = stall_fault };

static int stall_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_private_data = file->private_data;
	vma->vm_ops = &stall_vm_ops;
	return 0;
}

static const struct file_operations stall_fops = {
	.owner = THIS_MODULE,
	.mmap = stall_mmap,
};

static void free_stall_page(void *page)
{
	put_page(page);
}

static void make_stall(struct faults *f)
{
	struct kunit *test = f->fake->test;
	struct file *file;

	f->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, f->page);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_stall_page, f->page));
	file = anon_inode_getfile("stall", &stall_fops, f, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	f->addr = kunit_vm_mmap(test, file, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				MAP_SHARED, 0);
	fput(file);
	KUNIT_ASSERT_NE(test, f->addr, 0);
	KUNIT_ASSERT_LT(test, f->addr, (unsigned long)TASK_SIZE);
}

/* Reads 100 bytes into memory whose page fault waits. */
static ssize_t read_into_stall(struct faults *f)
{
	struct kiocb kiocb;
	struct iov_iter to;

	init_sync_kiocb(&kiocb, f->file);
	iov_iter_ubuf(&to, ITER_DEST, (void __user *)f->addr, 100);
	return f->file->f_op->read_iter(&kiocb, &to);
}

/* ---- mapped memory ---- */

static void finish_reading(struct fake *fake, struct scatterlist *sgl)
{
	struct faults *f = fake->priv;

	if (sgl != f->sgl)
		return;
	complete(&f->release);
	/* By then the reader has finished, or it waits for this command. */
	msleep(300);
}

/* A reader finishes with a buffer while buf_unmap() of that buffer runs. */
static void reader_ends_within_buf_unmap(struct kunit *test)
{
	struct faults *f = begin(test, CAP_PRECOPY);
	struct thread reader = {};

	make_stall(f);
	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	KUNIT_ASSERT_EQ(test, set(f, STOP_COPY), 0);
	f->sgl = f->fake->sgl;
	/* All but the last bytes of the final image */
	KUNIT_ASSERT_EQ(test, fake_read(f->file, f->bytes, IDENT + 2 * IMAGE - 100, 4096),
			IDENT + 2 * IMAGE - 100);
	thread_begin(f, &reader, current->mm, read_into_stall);
	wait_for_completion(&f->entered);
	f->fake->unmapping = finish_reading;
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	fake_settle(f->fake);
	KUNIT_EXPECT_EQ(test, thread_end(&reader), 100);
	f->fake->unmapping = NULL;
	finish(f);
}

static void empty_pipe(struct faults *f)
{
	struct pipe_inode_info *pipe = f->pipe;

	while (!pipe_empty(pipe->head, pipe->tail))
		pipe_buf_release(pipe, pipe_buf(pipe, pipe->tail++));
}

static void empty_pipe_within(struct fake *fake, struct scatterlist *sgl)
{
	empty_pipe(fake->priv);
}

/* The reader of a pipe frees the spliced pages while buf_unmap() runs. */
static void pipe_is_read_within_buf_unmap(struct kunit *test)
{
	struct faults *f = begin(test, CAP_PRECOPY);
	loff_t pos = 0;
	ssize_t done;

	f->pipe = kunit_kzalloc(test, sizeof(*f->pipe), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->pipe);
	f->pipe->bufs = kunit_kcalloc(test, 16, sizeof(*f->pipe->bufs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->pipe->bufs);
	f->pipe->ring_size = 16;
	f->pipe->max_usage = 16;
	f->pipe->readers = 1;
	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	do {
		done = f->file->f_op->splice_read(f->file, &pos, f->pipe, FAKE_MAX_IMAGE, 0);
	} while (done > 0);
	KUNIT_EXPECT_EQ(test, done, -ENOMSG);
	KUNIT_EXPECT_FALSE(test, pipe_empty(f->pipe->head, f->pipe->tail));
	f->fake->unmapping = empty_pipe_within;
	KUNIT_EXPECT_EQ(test, set(f, STOP_COPY), 0);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	fake_settle(f->fake);
	f->fake->unmapping = NULL;
	empty_pipe(f);
	finish(f);
}

/* ---- the back-end leaves ---- */

static ssize_t ask_precopy_info(struct faults *f)
{
	struct vfio_precopy_info info;

	return fake_precopy_info(f->file, &info);
}

static ssize_t leave_device(struct faults *f)
{
	fake_leave(f->fake);
	return 0;
}

/* After the close an ioctl of the data fd may apply a reset; leaving waits for its command. */
static void back_end_leaves_within_its_command(struct kunit *test)
{
	struct faults *f = begin(test, CAP_PRECOPY);
	struct thread user = {}, leaver = {};
	struct fake *fake = f->fake;
	ssize_t end;

	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	fake_close(fake);
	fake_reset_pending(fake);
	fake_hook(fake, SNAPSHOT_CMD_QUIESCE, 1, wait_in_hook);
	thread_begin(f, &user, NULL, ask_precopy_info);
	KUNIT_ASSERT_NE(test, 0, wait_for_completion_timeout(&f->entered, LONG));
	thread_begin(f, &leaver, NULL, leave_device);
	KUNIT_EXPECT_FALSE_MSG(test, thread_is_done(&leaver, SHORT),
			       "the back-end left within its command");
	complete(&f->release);
	KUNIT_EXPECT_LT(test, thread_end(&user), 0);
	thread_end(&leaver);

	/* From here on any operation fails the test. */
	fake_reset(fake);
	KUNIT_EXPECT_LT(test, ask_precopy_info(f), 0);
	KUNIT_EXPECT_EQ(test, read_all(f, &end), 0);
	KUNIT_EXPECT_EQ(test, end, -ENODEV);
	fake_settle(fake);
	put_file(f);
	fake_drop(fake);
}

/* ---- the next owner ---- */

static ssize_t write_stream(struct faults *f)
{
	return fake_write(f->file, f->bytes, IDENT + IMAGE + END, FAKE_MAX_IMAGE);
}

static ssize_t try_open(struct faults *f)
{
	return fake_try_open(f->fake);
}

/* Closes the device while a load() is in progress. */
static void leave_a_load(struct faults *f, struct thread *writer)
{
	struct fake *fake = f->fake;

	KUNIT_ASSERT_EQ(fake->test, fake_save(fake, f->bytes, FAKE_MAX_IMAGE),
			IDENT + IMAGE + END);
	KUNIT_ASSERT_EQ(fake->test, set(f, RESUMING), 0);
	fake_hook(fake, SNAPSHOT_CMD_LOAD, 1, wait_in_hook);
	thread_begin(f, writer, NULL, write_stream);
	wait_for_completion(&f->entered);
	snapshot_mig_stop(fake->sdev.mig);
	snapshot_mig_close(fake->sdev.mig);
}

static void open_waits_for_a_load(struct kunit *test)
{
	struct faults *f = begin(test, 0);
	struct thread writer = {}, opener = {};

	leave_a_load(f, &writer);
	thread_begin(f, &opener, NULL, try_open);
	KUNIT_EXPECT_FALSE_MSG(test, thread_is_done(&opener, SHORT),
			       "the next owner has the device during a load()");
	complete(&f->release);
	thread_end(&writer);
	KUNIT_EXPECT_EQ(test, thread_end(&opener), 0);
	fake_settle(f->fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	KUNIT_EXPECT_EQ(test, f->fake->level, VFIO_SNAPSHOT_RUN);
	finish(f);
}

static void open_can_be_killed(struct kunit *test)
{
	struct faults *f = begin(test, 0);
	struct thread writer = {}, opener = {};

	leave_a_load(f, &writer);
	thread_begin(f, &opener, NULL, try_open);
	KUNIT_EXPECT_TRUE(test, thread_kill(&opener));
	KUNIT_EXPECT_EQ(test, opener.ret, -EINTR);
	complete(&f->release);
	thread_end(&writer);
	thread_end(&opener);
	fake_settle(f->fake);
	fake_open(f->fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	finish(f);
}

/* ---- resets ---- */

/* The load() may reach the device after the reset, so one quiesce follows. */
static void reset_crosses_a_load(struct kunit *test)
{
	struct faults *f = begin(test, 0);
	struct fake *fake = f->fake;
	struct thread writer = {};

	KUNIT_ASSERT_EQ(test, fake_save(fake, f->bytes, FAKE_MAX_IMAGE), IDENT + IMAGE + END);
	KUNIT_ASSERT_EQ(test, set(f, RESUMING), 0);
	forget_order(f);
	fake_hook(fake, SNAPSHOT_CMD_LOAD, 1, wait_in_hook);
	thread_begin(f, &writer, NULL, write_stream);
	wait_for_completion(&f->entered);
	fake_reset(fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	complete(&f->release);
	thread_end(&writer);
	fake_settle(fake);
	KUNIT_EXPECT_EQ_MSG(test, count(fake->order, 'q'), 1, "%s", fake->order);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	finish(f);
}

/* An asynchronous save() ahead does not change the device: nothing has to follow. */
static void reset_crosses_a_save(struct kunit *test)
{
	struct faults *f = begin(test, CAP_PRECOPY);
	struct fake *fake = f->fake;

	fake->later = true;
	fake->delay = HZ / 5;
	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	KUNIT_ASSERT_TRUE(test, READ_ONCE(fake->busy));
	forget_order(f);
	fake_reset(fake);
	fake_settle(fake);
	KUNIT_EXPECT_EQ_MSG(test, count(fake->order, 'q'), 0, "%s", fake->order);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	finish(f);
}

static const struct place {
	const char *name;
	enum vfio_device_mig_state state;
	unsigned int commands;
} places[] = {
	{ "RUNNING", RUNNING, 0 },
	{ "PRE_COPY", PRE_COPY, 0 },
	{ "RUNNING_P2P", VFIO_DEVICE_STATE_RUNNING_P2P, 1 },
	{ "PRE_COPY_P2P", VFIO_DEVICE_STATE_PRE_COPY_P2P, 1 },
	{ "STOP", STOP, 1 },
	{ "STOP_COPY", STOP_COPY, 1 },
	{ "RESUMING", RESUMING, 1 },
	{ "ERROR", ERROR, 1 },
};

KUNIT_ARRAY_PARAM_DESC(place, places, name);

static void go(struct faults *f, enum vfio_device_mig_state state)
{
	struct fake *fake = f->fake;

	if (state != ERROR) {
		KUNIT_ASSERT_EQ(fake->test, set(f, state), 0);
		return;
	}
	fake_fail(fake, SNAPSHOT_CMD_QUIESCE, 1, -EIO, VFIO_SNAPSHOT_UNKNOWN);
	fake->fail_times = 2;
	KUNIT_ASSERT_EQ(fake->test, set(f, STOP), -EIO);
	KUNIT_ASSERT_EQ(fake->test, get(f), ERROR);
}

/* A reset costs one quiesce if the device may not be at RUN, and none otherwise. */
static void reset_in_each_state(struct kunit *test)
{
	const struct place *place = test->param_value;
	struct faults *f = begin(test, CAP_NDMA | CAP_PRECOPY);
	struct fake *fake = f->fake;

	go(f, place->state);
	forget_order(f);
	fake_reset(fake);
	fake_settle(fake);
	KUNIT_EXPECT_EQ_MSG(test, count(fake->order, 'q'), place->commands, "%s", fake->order);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	KUNIT_EXPECT_EQ(test, set(f, STOP), 0);
	finish(f);
}

static void reset_after_which_the_command_fails(struct kunit *test)
{
	const struct place *place = test->param_value;
	struct faults *f = begin(test, CAP_NDMA | CAP_PRECOPY);
	struct fake *fake = f->fake;

	go(f, place->state);
	fake_fail(fake, SNAPSHOT_CMD_QUIESCE, 1, -EIO, VFIO_SNAPSHOT_UNKNOWN);
	fake_reset(fake);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), place->commands ? ERROR : RUNNING);
	fake->fail_nth = 0;
	fake_reset(fake);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	finish(f);
}

/* ---- images ahead ---- */

static const struct ahead {
	const char *name;
	bool late;
	unsigned int nth;
	int err;
} aheads[] = {
	{ "the first, at once, EREMOTEIO", false, 1, -EREMOTEIO },
	{ "the first, at once, EINVAL", false, 1, -EINVAL },
	{ "the first, later, EREMOTEIO", true, 1, -EREMOTEIO },
	{ "the first, later, EINVAL", true, 1, -EINVAL },
	{ "the second, at once, EREMOTEIO", false, 2, -EREMOTEIO },
	{ "the second, at once, EINVAL", false, 2, -EINVAL },
	{ "the second, later, EREMOTEIO", true, 2, -EREMOTEIO },
	{ "the second, later, EINVAL", true, 2, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(ahead, aheads, name);

/* After a failed image ahead no other is taken in the session, and the final image is whole. */
static void image_ahead_fails(struct kunit *test)
{
	const struct ahead *ahead = test->param_value;
	struct faults *f = begin(test, CAP_PRECOPY | CAP_INCREMENT);
	struct fake *fake = f->fake;
	struct vfio_precopy_info info;
	ssize_t end;

	fake->later = ahead->late;
	fake->fail_late = true;
	fake_fail(fake, SNAPSHOT_CMD_SAVE, ahead->nth, ahead->err, 0);
	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	KUNIT_EXPECT_EQ(test, read_all(f, &end),
			IDENT + SIZE + (ahead->nth == 2 ? IMAGE : 0));
	KUNIT_EXPECT_EQ(test, end, -ENOMSG);
	if (ahead->nth == 2) {
		fake->changed = 300;
		KUNIT_EXPECT_EQ(test, fake_precopy_info(f->file, &info), 0);
		KUNIT_EXPECT_EQ(test, read_all(f, &end), 0);
		KUNIT_EXPECT_EQ(test, end, -ENOMSG);
	}

	fake->changed = 300;
	fake->renewed = true;
	forget_order(f);
	KUNIT_EXPECT_EQ(test, fake_precopy_info(f->file, &info), 0);
	KUNIT_EXPECT_EQ(test, info.initial_bytes, 0);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, 0);
	KUNIT_EXPECT_EQ(test, read_all(f, &end), 0);
	KUNIT_EXPECT_EQ(test, end, -ENOMSG);
	KUNIT_EXPECT_STREQ(test, fake->order, "");

	KUNIT_EXPECT_EQ(test, set(f, STOP_COPY), 0);
	KUNIT_EXPECT_EQ(test, read_all(f, &end), IMAGE + END);
	KUNIT_EXPECT_EQ(test, end, 0);
	expect_whole(f, IMAGE + END);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

/* A reader that does not sleep sees an image ahead end and be given up at one moment. */
static void image_ahead_fails_before_a_reader_that_spins(struct kunit *test)
{
	struct faults *f = begin(test, CAP_PRECOPY | CAP_INCREMENT);
	unsigned long until = jiffies + LONG;
	struct fake *fake = f->fake;
	struct vfio_precopy_info info;
	ssize_t got;
	u8 byte;

	fake->later = true;
	fake->delay = SHORT;
	fake->later_err = -EREMOTEIO;
	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	KUNIT_EXPECT_EQ(test, fake_read(f->file, f->bytes, IDENT + SIZE, PAGE_SIZE), IDENT + SIZE);
	fake->changed = 300;
	forget_order(f);
	f->file->f_flags |= O_NONBLOCK;
	do {
		cond_resched();
		got = kernel_read(f->file, &byte, 1, NULL);
	} while (got == -EAGAIN && time_before(jiffies, until));
	KUNIT_EXPECT_EQ(test, got, -ENOMSG);
	KUNIT_EXPECT_EQ(test, fake_precopy_info(f->file, &info), 0);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, 0);
	KUNIT_EXPECT_STREQ(test, fake->order, "");
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

static const struct way {
	const char *name;
	bool later;
} ways[] = {
	{ "at once", false },
	{ "later", true },
};

KUNIT_ARRAY_PARAM_DESC(way, ways, name);

/*
 * The state outgrew the estimate. The arc retries a save() that fails at once with a
 * larger buffer; a save() that fails on completion is given up.
 */
static void image_ahead_needs_more_room(struct kunit *test)
{
	const struct way *way = test->param_value;
	struct faults *f = begin(test, CAP_PRECOPY);
	struct fake *fake = f->fake;
	struct vfio_precopy_info info;
	size_t len = 0;
	ssize_t end;
	int i;

	fake->estimate = 100;
	fake->grows_to = fake->state_len;
	fake->later = way->later;
	fake->fail_late = true;
	fake_fail(fake, SNAPSHOT_CMD_SAVE, 1, -ENOSPC, 0);
	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	for (i = 0; i < 3; i++) {
		len += read_all(f, &end);
		KUNIT_EXPECT_EQ(test, end, -ENOMSG);
		KUNIT_EXPECT_EQ(test, fake_precopy_info(f->file, &info), 0);
		fake_settle(fake);
	}
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_SAVE], way->later ? 1 : 2);
	KUNIT_EXPECT_EQ(test, len, way->later ? IDENT : IDENT + IMAGE);
	KUNIT_EXPECT_EQ(test, set(f, STOP_COPY), 0);
	len = read_all(f, &end);
	KUNIT_EXPECT_EQ(test, end, 0);
	expect_whole(f, len);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

static const struct reason {
	const char *name;
	int err;
} reasons[] = {
	{ "EIO", -EIO },
	{ "ENOMEM", -ENOMEM },
	{ "ENOSPC", -ENOSPC },
};

KUNIT_ARRAY_PARAM_DESC(reason, reasons, name);

/* Pre-copy info does not announce bytes of an image that failed. */
static void announced_bytes_of_an_image_that_fails(struct kunit *test)
{
	const struct reason *reason = test->param_value;
	struct faults *f = begin(test, CAP_PRECOPY | CAP_INCREMENT);
	struct fake *fake = f->fake;
	struct vfio_precopy_info info;
	ssize_t end;

	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	read_all(f, &end);
	fake->changed = 100;
	fake->renewed = true;
	fake_fail(fake, SNAPSHOT_CMD_SAVE, 1, reason->err, 0);
	fake_precopy_info(f->file, &info);
	KUNIT_EXPECT_LE(test, info.dirty_bytes, HEAD + 100);
	fake->changed = 0;
	fake->renewed = false;
	fake_precopy_info(f->file, &info);
	KUNIT_EXPECT_EQ(test, info.initial_bytes, 0);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, 0);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

/* At most two images are taken while nobody reads, however often the device is set up again. */
static void images_ahead_that_wait(struct kunit *test)
{
	const struct way *way = test->param_value;
	struct faults *f = begin(test, CAP_PRECOPY | CAP_INCREMENT);
	struct fake *fake = f->fake;
	struct vfio_precopy_info info;
	ssize_t end;
	int i;

	fake->later = way->later;
	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	for (i = 0; i < 20; i++) {
		fake->changed = 100;
		fake->renewed = true;
		KUNIT_EXPECT_EQ(test, fake_precopy_info(f->file, &info), 0);
		msleep(20);
	}
	KUNIT_EXPECT_LE(test, fake->calls[SNAPSHOT_CMD_SAVE], 2);
	KUNIT_EXPECT_EQ(test, info.flags, VFIO_PRECOPY_INFO_REINIT);
	/* The waiting image is not lost, and the next one is taken after it. */
	KUNIT_EXPECT_GE(test, read_all(f, &end), IDENT + SIZE + IMAGE);
	KUNIT_EXPECT_EQ(test, fake_precopy_info(f->file, &info), 0);
	KUNIT_EXPECT_EQ(test, read_all(f, &end), HEAD + 100);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

/* ---- firmware that hangs ---- */

static ssize_t write_two_records(struct faults *f)
{
	return fake_write(f->file, f->bytes, IDENT + 2 * HEAD + 3 * PAGE_SIZE, PAGE_SIZE);
}

static void put_head(u8 *at, u64 size)
{
	struct vfio_snapshot_record record = {
		.size = cpu_to_le64(size),
		.tag = cpu_to_le32(VFIO_SNAPSHOT_TAG_DEVICE_DATA),
	};

	memcpy(at, &record, sizeof(record));
}

/* load() of the first record hangs, and the second record needs a larger buffer. */
static void writer_can_be_killed(struct kunit *test)
{
	struct faults *f = begin(test, 0);
	struct fake *fake = f->fake;
	struct thread writer = {};

	fake->state_len = 100;
	fake->estimate = 100;
	KUNIT_ASSERT_EQ(test, fake_save(fake, f->bytes, FAKE_MAX_IMAGE),
			IDENT + HEAD + 100 + END);
	put_head(f->bytes + IDENT, PAGE_SIZE);
	put_head(f->bytes + IDENT + HEAD + PAGE_SIZE, 2 * PAGE_SIZE);
	fake->ops.window = 2 * PAGE_SIZE;
	fake->later = true;
	fake->delay = FOREVER;
	KUNIT_ASSERT_EQ(test, set(f, RESUMING), 0);
	thread_begin(f, &writer, NULL, write_two_records);
	KUNIT_EXPECT_FALSE(test, thread_is_done(&writer, SHORT));
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_LOAD], 1);
	KUNIT_EXPECT_TRUE_MSG(test, thread_kill(&writer), "the writer cannot be killed");
	fake_complete_now(fake);
	thread_end(&writer);
	fake_settle(fake);
	fake_reset(fake);
	finish(f);
}

static ssize_t read_much(struct faults *f)
{
	return kernel_read(f->file, f->bytes, 2 * FAKE_MAX_IMAGE, NULL);
}

/* A save() hangs while the reader frees the buffers of earlier images. */
static void reader_can_be_killed(struct kunit *test)
{
	struct faults *f = begin(test, CAP_PRECOPY | CAP_INCREMENT);
	struct fake *fake = f->fake;
	struct vfio_precopy_info info;
	struct thread reader = {};
	int i;

	fake->later = true;
	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	for (i = 0; i < 2; i++) {
		msleep(100);
		fake->delay = i ? FOREVER : 0;
		fake->changed = 100;
		fake->renewed = true;
		KUNIT_EXPECT_EQ(test, fake_precopy_info(f->file, &info), 0);
	}
	thread_begin(f, &reader, NULL, read_much);
	KUNIT_EXPECT_TRUE_MSG(test, thread_kill(&reader), "the reader cannot be killed");
	fake_complete_now(fake);
	thread_end(&reader);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

/* ---- waiting for data ---- */

/**
 * struct sleeper - a sleeper in poll() that needs no thread
 * @table: for poll()
 * @head: wait queue
 * @entry: entry in @head
 * @woken: @entry was woken
 */
struct sleeper {
	struct poll_table_struct table;
	wait_queue_head_t *head;
	wait_queue_entry_t entry;
	bool woken;
};

static int sleeper_wake(wait_queue_entry_t *entry, unsigned int mode, int flags, void *key)
{
	WRITE_ONCE(container_of(entry, struct sleeper, entry)->woken, true);
	return 0;
}

static void sleeper_add(struct file *file, wait_queue_head_t *head,
			struct poll_table_struct *table)
{
	struct sleeper *s = container_of(table, struct sleeper, table);

	s->head = head;
	init_waitqueue_func_entry(&s->entry, sleeper_wake);
	add_wait_queue(head, &s->entry);
}

static ssize_t read_while_killed(struct faults *f)
{
	send_sig(SIGKILL, current, 1);
	return read_much(f);
}

/*
 * A killed reader takes a chunk and does not begin the next save(). poll() then reports
 * the fd readable, and the next read() begins it. Its end must wake sleepers in poll().
 */
static void wake_others(struct kunit *test, int err)
{
	struct faults *f = begin(test, 0);
	struct fake *fake = f->fake;
	struct thread killed = {};
	struct sleeper s = {};
	unsigned long until;
	u8 byte;

	fake->ops.window = PAGE_SIZE;
	fake->chunk = PAGE_SIZE;
	/* buf_unmap() would wait for the firmware, too. */
	fake->ops.buf_map = NULL;
	fake->ops.buf_unmap = NULL;
	KUNIT_ASSERT_EQ(test, set(f, STOP_COPY), 0);
	fake_hold(fake);
	thread_begin(f, &killed, NULL, read_while_killed);
	KUNIT_EXPECT_TRUE(test, thread_is_done(&killed, LONG));
	fake_release_firmware(fake);
	KUNIT_EXPECT_EQ(test, thread_end(&killed), IDENT + HEAD + PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, vfs_poll(f->file, NULL), EPOLLIN | EPOLLRDNORM);
	fake->later = true;
	fake->delay = SHORT;
	fake->later_err = err;
	f->file->f_flags |= O_NONBLOCK;
	KUNIT_EXPECT_EQ(test, kernel_read(f->file, &byte, 1, NULL), -EAGAIN);
	init_poll_funcptr(&s.table, sleeper_add);
	s.table._key = EPOLLIN;
	KUNIT_EXPECT_EQ(test, vfs_poll(f->file, &s.table), 0);
	KUNIT_ASSERT_NOT_NULL(test, s.head);
	until = jiffies + LONG;
	while (!READ_ONCE(s.woken) && time_before(jiffies, until))
		msleep(20);
	KUNIT_EXPECT_TRUE_MSG(test, READ_ONCE(s.woken), "a sleeper in poll() was not woken");
	remove_wait_queue(s.head, &s.entry);
	KUNIT_EXPECT_EQ(test, kernel_read(f->file, &byte, 1, NULL), err ?: 1);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

static void sleepers_are_woken_by_a_chunk(struct kunit *test)
{
	wake_others(test, 0);
}

static void sleepers_are_woken_by_an_error(struct kunit *test)
{
	wake_others(test, -EIO);
}

/* ---- what follows a failure ---- */

static const enum vfio_device_mig_state saves[] = {
	PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY_P2P, STOP_COPY, STOP, STOP_COPY, RUNNING,
	VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_PRE_COPY_P2P, PRE_COPY, RUNNING,
};

static const enum vfio_device_mig_state loads[] = {
	RESUMING, STOP, RESUMING, RUNNING,
};

static const struct failure {
	const char *name;
	enum snapshot_command command;
	enum vfio_snapshot_level level;
	unsigned int times;
	bool loading;
} failures[] = {
	{ "quiesce, at RUN", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_RUN, 1 },
	{ "quiesce, at NDMA", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_NDMA, 1 },
	{ "quiesce, at STOP", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_STOP, 1 },
	{ "quiesce, unknown", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_UNKNOWN, 1 },
	{ "quiesce from then on, unknown", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_UNKNOWN, 99 },
	{ "quiesce from then on, at NDMA", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_NDMA, 99 },
	{ "session_begin", SNAPSHOT_CMD_SESSION_BEGIN, 0, 1 },
	{ "estimate", SNAPSHOT_CMD_ESTIMATE, 0, 1 },
	{ "buf_map", SNAPSHOT_CMD_BUF_MAP, 0, 1 },
	{ "save", SNAPSHOT_CMD_SAVE, 0, 1 },
	{ "session_begin of a load", SNAPSHOT_CMD_SESSION_BEGIN, 0, 1, true },
	{ "buf_map of a load", SNAPSHOT_CMD_BUF_MAP, 0, 1, true },
	{ "load", SNAPSHOT_CMD_LOAD, 0, 1, true },
	{ "load_end", SNAPSHOT_CMD_LOAD_END, 0, 1, true },
	{ "quiesce of a load, unknown", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_UNKNOWN, 1, true },
	{ "quiesce of a load from then on", SNAPSHOT_CMD_QUIESCE, VFIO_SNAPSHOT_UNKNOWN,
	  99, true },
};

KUNIT_ARRAY_PARAM_DESC(failure, failures, name);

/* In ERROR no command follows but the teardown's: buf_unmap and session_end. */
static void expect_silence(struct faults *f)
{
	struct fake *fake = f->fake;
	struct vfio_precopy_info info;
	unsigned int state;

	forget_order(f);
	for (state = 0; state < VFIO_DEVICE_STATE_NR; state++)
		KUNIT_EXPECT_EQ(fake->test, fake_set(fake, state, NULL), -EINVAL);
	if (f->file) {
		if (f->file->f_mode & FMODE_READ) {
			KUNIT_EXPECT_LT(fake->test, fake_precopy_info(f->file, &info), 0);
			KUNIT_EXPECT_EQ(fake->test,
					fake_read(f->file, f->bytes, 1, 1), -ENODEV);
		} else {
			KUNIT_EXPECT_EQ(fake->test,
					fake_write(f->file, f->bytes, 1, 1), -ENODEV);
		}
	}
	fake_settle(fake);
	KUNIT_EXPECT_EQ_MSG(fake->test, strspn(fake->order, "ue"), strlen(fake->order),
			    "%s", fake->order);
	KUNIT_EXPECT_EQ(fake->test, get(f), ERROR);
}

/* A walk whose @nth call of the command fails. Return: false if there are fewer calls. */
static bool fail_once(struct kunit *test, const struct failure *failure, unsigned int nth)
{
	const enum vfio_device_mig_state *walk = failure->loading ? loads : saves;
	size_t steps = failure->loading ? ARRAY_SIZE(loads) : ARRAY_SIZE(saves);
	struct faults *f = begin(test, CAP_NDMA | CAP_PRECOPY);
	struct fake *fake = f->fake;
	ssize_t len = IDENT + IMAGE + END;
	size_t i;
	bool met;

	if (failure->loading)
		KUNIT_ASSERT_EQ(test, fake_save(fake, f->bytes, FAKE_MAX_IMAGE), len);
	fake_fail(fake, failure->command, nth, -EREMOTEIO, failure->level);
	fake->fail_times = failure->times;
	forget_order(f);
	for (i = 0; i < steps && !fake->followed; i++) {
		set(f, walk[i]);
		if (get(f) == RESUMING && f->file && !fake->followed)
			fake_write(f->file, f->bytes, len, len);
	}
	met = fake->followed;
	if (met) {
		/* With times > 1 the last failure is the quiesce back. */
		if (failure->times == 1)
			KUNIT_EXPECT_LE_MSG(test, count(fake->order + fake->followed, 'q'), 1,
					    "%u: %s", nth, fake->order);
		KUNIT_EXPECT_LE_MSG(test, fake->calls[failure->command] -
				    (fake->fail_nth - 1), 2, "%u: %s", nth, fake->order);
		if (get(f) == ERROR)
			expect_silence(f);
	}
	fake->fail_nth = 0;
	put_file(f);
	fake_reset(fake);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	/* A failed buf_map() needs no buf_unmap(). */
	if (met && failure->command == SNAPSHOT_CMD_BUF_MAP)
		fake->calls[SNAPSHOT_CMD_BUF_MAP]--;
	finish(f);
	return met;
}

static void one_quiesce_follows_a_failure(struct kunit *test)
{
	unsigned int nth = 1;

	while (nth < 40 && fail_once(test, test->param_value, nth))
		nth++;
	KUNIT_EXPECT_GT(test, nth, 1);
	KUNIT_EXPECT_LT(test, nth, 40);
}

static const struct final {
	const char *name;
	enum snapshot_command command;
	bool ahead;
	bool late;
	int err;
	int told;
} finals[] = {
	{ "save at once", SNAPSHOT_CMD_SAVE, false, false, -EREMOTEIO, -EREMOTEIO },
	{ "save later", SNAPSHOT_CMD_SAVE, false, true, -EREMOTEIO, -EREMOTEIO },
	{ "save at once, after images ahead", SNAPSHOT_CMD_SAVE, true, false, -EIO, -EIO },
	{ "save later, after images ahead", SNAPSHOT_CMD_SAVE, true, true, -EIO, -EIO },
	{ "save, EAGAIN", SNAPSHOT_CMD_SAVE, true, false, -EAGAIN, -EBUSY },
	{ "save later, EAGAIN", SNAPSHOT_CMD_SAVE, true, true, -EAGAIN, -EBUSY },
	{ "save, EINTR", SNAPSHOT_CMD_SAVE, true, false, -EINTR, -ECANCELED },
	{ "save later, EINTR", SNAPSHOT_CMD_SAVE, true, true, -EINTR, -ECANCELED },
	{ "estimate", SNAPSHOT_CMD_ESTIMATE, false, false, -EREMOTEIO, -EREMOTEIO },
	{ "estimate, EAGAIN", SNAPSHOT_CMD_ESTIMATE, false, false, -EAGAIN, -EBUSY },
	{ "buf_map", SNAPSHOT_CMD_BUF_MAP, false, false, -EREMOTEIO, -EREMOTEIO },
	{ "buf_map, ENOMEM", SNAPSHOT_CMD_BUF_MAP, false, false, -ENOMEM, -ENOMEM },
};

KUNIT_ARRAY_PARAM_DESC(final, finals, name);

/* The arc succeeds once the device is stopped; read() returns the errno of the save. */
static void final_save_fails(struct kunit *test)
{
	const struct final *final = test->param_value;
	struct faults *f = begin(test, CAP_PRECOPY);
	struct fake *fake = f->fake;
	ssize_t end;

	fake->later = final->late;
	fake->fail_late = true;
	if (final->ahead) {
		KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
		KUNIT_EXPECT_EQ(test, read_all(f, &end), IDENT + IMAGE);
	}
	fake_fail(fake, final->command, 1, final->err, 0);
	/* The core may try once more after ENOMEM. */
	fake->fail_times = final->err == -ENOMEM ? 2 : 1;
	forget_order(f);
	KUNIT_EXPECT_EQ(test, set(f, STOP_COPY), 0);
	KUNIT_EXPECT_EQ(test, get(f), STOP_COPY);
	KUNIT_EXPECT_EQ_MSG(test, count(fake->order + fake->followed, 'q'), 0, "%s",
			    fake->order);
	if (f->file) {
		read_all(f, &end);
		KUNIT_EXPECT_EQ(test, end, final->told);
	}
	KUNIT_EXPECT_EQ(test, set(f, STOP), 0);
	if (final->command == SNAPSHOT_CMD_BUF_MAP)
		fake->calls[SNAPSHOT_CMD_BUF_MAP] -= min(fake->fail_times,
							 fake->calls[SNAPSHOT_CMD_BUF_MAP]);
	fake->fail_nth = 0;
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	KUNIT_EXPECT_EQ(test, fake->level, VFIO_SNAPSHOT_RUN);
	KUNIT_EXPECT_EQ(test, set(f, STOP_COPY), 0);
	KUNIT_EXPECT_EQ(test, read_all(f, &end), IDENT + IMAGE + END);
	KUNIT_EXPECT_EQ(test, end, 0);
	expect_whole(f, IDENT + IMAGE + END);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

/* Without a session no data fd could return the errno, so the arc fails. */
static void final_session_cannot_begin(struct kunit *test)
{
	struct faults *f = begin(test, 0);
	ssize_t end;

	fake_fail(f->fake, SNAPSHOT_CMD_SESSION_BEGIN, 1, -EREMOTEIO, 0);
	forget_order(f);
	KUNIT_EXPECT_EQ(test, set(f, STOP_COPY), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, get(f), STOP);
	KUNIT_EXPECT_STREQ(test, f->fake->order, "qb");
	KUNIT_EXPECT_EQ(test, set(f, STOP_COPY), 0);
	KUNIT_EXPECT_EQ(test, read_all(f, &end), IDENT + IMAGE + END);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

/* ---- loss of the firmware ---- */

/* RUNNING stays, because it is true without firmware. */
static void firmware_goes_away_while_running(struct kunit *test)
{
	struct faults *f = begin(test, CAP_NDMA | CAP_PRECOPY);
	struct fake *fake = f->fake;

	vfio_snapshot_detached(&fake->sdev);
	fake->offline = true;
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	KUNIT_EXPECT_EQ(test, set(f, STOP), -ENOTCONN);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	KUNIT_EXPECT_EQ(test, set(f, PRE_COPY), -ENOTCONN);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	fake_reset(fake);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	fake->offline = false;
	vfio_snapshot_attached(&fake->sdev);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	KUNIT_EXPECT_EQ(test, set(f, STOP), 0);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

static void expect_dead_fd(struct faults *f)
{
	if (!f->file)
		return;
	if (f->file->f_mode & FMODE_READ)
		KUNIT_EXPECT_EQ(f->fake->test, fake_read(f->file, f->bytes, 1, 1), -ENODEV);
	else
		KUNIT_EXPECT_EQ(f->fake->test, fake_write(f->file, f->bytes, 1, 1), -ENODEV);
}

/* Any other state becomes ERROR and the session dies; only a reset with firmware leaves ERROR. */
static void firmware_goes_away_in_each_state(struct kunit *test)
{
	const struct place *place = test->param_value;
	struct faults *f = begin(test, CAP_NDMA | CAP_PRECOPY);
	struct fake *fake = f->fake;

	if (place->state == RUNNING) {
		finish(f);
		return;
	}
	go(f, place->state);
	vfio_snapshot_detached(&fake->sdev);
	fake->offline = true;
	KUNIT_EXPECT_EQ(test, get(f), ERROR);
	expect_dead_fd(f);
	expect_silence(f);
	fake_reset(fake);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), ERROR);
	fake->offline = false;
	vfio_snapshot_attached(&fake->sdev);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), ERROR);
	expect_silence(f);
	forget_order(f);
	fake_reset(fake);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	KUNIT_EXPECT_EQ_MSG(test, count(fake->order, 'q'), 1, "%s", fake->order);
	KUNIT_EXPECT_EQ(test, set(f, STOP), 0);
	finish(f);
}

static ssize_t set_running(struct faults *f)
{
	return set(f, RUNNING);
}

/* get_state must not say ERROR first and RUNNING afterwards, nor the arc success. */
static void firmware_goes_away_within_the_arc_to_running(struct kunit *test)
{
	struct faults *f = begin(test, CAP_NDMA | CAP_PRECOPY);
	struct fake *fake = f->fake;
	struct thread walker = {};

	KUNIT_ASSERT_EQ(test, set(f, VFIO_DEVICE_STATE_RUNNING_P2P), 0);
	fake_hold(fake);
	thread_begin(f, &walker, NULL, set_running);
	KUNIT_EXPECT_FALSE(test, thread_is_done(&walker, SHORT));
	vfio_snapshot_detached(&fake->sdev);
	KUNIT_EXPECT_EQ(test, get(f), ERROR);
	fake_release_firmware(fake);
	KUNIT_EXPECT_EQ(test, thread_end(&walker), -ENODEV);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), ERROR);
	vfio_snapshot_attached(&fake->sdev);
	fake_reset(fake);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	finish(f);
}

static ssize_t ask_size(struct faults *f)
{
	struct vfio_device *vdev = &f->fake->sdev.core.vdev;
	unsigned long size;

	return vdev->mig_ops->migration_get_data_size(vdev, &size);
}

/* Whoever holds the lock of the state does not keep the data fd alive. */
static void reset_while_a_query_waits(struct kunit *test)
{
	struct faults *f = begin(test, CAP_PRECOPY);
	struct fake *fake = f->fake;
	struct thread asker = {};

	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	msleep(1100);
	fake_hold(fake);
	thread_begin(f, &asker, NULL, ask_size);
	KUNIT_EXPECT_FALSE(test, thread_is_done(&asker, SHORT));
	fake_reset(fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	expect_dead_fd(f);
	fake_release_firmware(fake);
	thread_end(&asker);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(test, get(f), RUNNING);
	finish(f);
}

/* A reader would look for it for ever. */
static void ready_buffer_behind_a_small_one(struct kunit *test)
{
	struct faults *f = begin(test, CAP_PRECOPY);
	struct snapshot_stream *stream;
	struct snapshot_buf *buf;

	f->fake->ops.window = 4 * PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, set(f, PRE_COPY), 0);
	stream = f->file->private_data;
	KUNIT_ASSERT_EQ(test, snapshot_pool_reserve(&stream->pool, PAGE_SIZE, 2), 0);
	KUNIT_ASSERT_EQ(test, snapshot_pool_reserve(&stream->pool, 4 * PAGE_SIZE, 1), 0);
	buf = snapshot_pool_get_ready(&stream->pool, 4 * PAGE_SIZE);
	KUNIT_EXPECT_NOT_NULL(test, buf);
	if (buf)
		snapshot_pool_put(buf);
	KUNIT_EXPECT_EQ(test, set(f, RUNNING), 0);
	finish(f);
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(reader_ends_within_buf_unmap),
	KUNIT_CASE(pipe_is_read_within_buf_unmap),
	KUNIT_CASE(back_end_leaves_within_its_command),
	KUNIT_CASE(open_waits_for_a_load),
	KUNIT_CASE(open_can_be_killed),
	KUNIT_CASE(reset_crosses_a_load),
	KUNIT_CASE(reset_crosses_a_save),
	KUNIT_CASE_PARAM(reset_in_each_state, place_gen_params),
	KUNIT_CASE_PARAM(reset_after_which_the_command_fails, place_gen_params),
	KUNIT_CASE_PARAM(image_ahead_fails, ahead_gen_params),
	KUNIT_CASE(image_ahead_fails_before_a_reader_that_spins),
	KUNIT_CASE_PARAM(image_ahead_needs_more_room, way_gen_params),
	KUNIT_CASE_PARAM(announced_bytes_of_an_image_that_fails, reason_gen_params),
	KUNIT_CASE_PARAM(images_ahead_that_wait, way_gen_params),
	KUNIT_CASE(writer_can_be_killed),
	KUNIT_CASE(reader_can_be_killed),
	KUNIT_CASE(sleepers_are_woken_by_a_chunk),
	KUNIT_CASE(sleepers_are_woken_by_an_error),
	KUNIT_CASE_PARAM(one_quiesce_follows_a_failure, failure_gen_params),
	KUNIT_CASE_PARAM(final_save_fails, final_gen_params),
	KUNIT_CASE(final_session_cannot_begin),
	KUNIT_CASE(firmware_goes_away_while_running),
	KUNIT_CASE_PARAM(firmware_goes_away_in_each_state, place_gen_params),
	KUNIT_CASE(firmware_goes_away_within_the_arc_to_running),
	KUNIT_CASE(reset_while_a_query_waits),
	KUNIT_CASE(ready_buffer_behind_a_small_one),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "vfio_snapshot_fault",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);
