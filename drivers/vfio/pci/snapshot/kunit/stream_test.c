// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data stream from one software device to another, through the data fds.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <uapi/linux/vfio_snapshot.h>

#include "fake.h"
#include "../stream.h"

#define CAP_PRECOPY	VFIO_SNAPSHOT_CAP_PRECOPY
#define HEAD		sizeof(struct vfio_snapshot_record)
#define FRAME		(3 * HEAD + sizeof(struct vfio_snapshot_ident) + \
			 sizeof(struct vfio_snapshot_end))

struct pair {
	struct fake *from;
	struct fake *to;
	u8 *stream;
	ssize_t len;
};

static struct pair *make_pair(struct kunit *test)
{
	struct pair *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	p->stream = kunit_kzalloc(test, 2 * FAKE_MAX_IMAGE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p->stream);
	p->from = fake_make(test, CAP_PRECOPY);
	p->to = fake_make(test, CAP_PRECOPY);
	fake_open(p->from);
	fake_open(p->to);
	return p;
}

static void drop_pair(struct pair *p)
{
	fake_close(p->from);
	fake_close(p->to);
	fake_drop(p->from);
	fake_drop(p->to);
}

static void save(struct pair *p)
{
	p->len = fake_save(p->from, p->stream, 2 * FAKE_MAX_IMAGE);
}

/* Return: of write(); *@end: of the exit from RESUMING. */
static ssize_t load(struct pair *p, size_t step, int *end)
{
	struct file *file = NULL;
	ssize_t put;

	p->to->loaded_len = 0;
	p->to->records = 0;
	KUNIT_ASSERT_EQ(p->to->test, fake_set(p->to, VFIO_DEVICE_STATE_RESUMING, &file), 0);
	put = fake_write(file, p->stream, p->len, step);
	*end = fake_set(p->to, VFIO_DEVICE_STATE_RUNNING, NULL);
	fake_put(file);
	return put;
}

static void expect_loaded(struct pair *p, size_t step)
{
	struct kunit *test = p->to->test;
	int end;

	KUNIT_EXPECT_EQ(test, load(p, step, &end), p->len);
	KUNIT_EXPECT_EQ(test, end, 0);
	KUNIT_EXPECT_EQ(test, fake_get(p->to), VFIO_DEVICE_STATE_RUNNING);
	KUNIT_ASSERT_EQ(test, p->to->loaded_len, p->from->state_len);
	KUNIT_EXPECT_MEMEQ(test, p->to->loaded, p->from->state, p->from->state_len);
}

static void a_state_arrives_as_it_left(struct kunit *test)
{
	static const size_t steps[] = { 1, 7, 16, 4096, 2 * FAKE_MAX_IMAGE };
	static const size_t sizes[] = { 1, 4095, 4096, 4097, 5000, FAKE_MAX_IMAGE };
	struct pair *p = make_pair(test);
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p->from->state_len = sizes[i];
		p->from->estimate = sizes[i];
		/* The reset drops the cached size. */
		snapshot_mig_reset_done(p->from->sdev.mig);
		save(p);
		KUNIT_EXPECT_EQ(test, p->len, sizes[i] + FRAME);
		for (k = 0; k < ARRAY_SIZE(steps); k++)
			if (steps[k] > 1 || sizes[i] < 5000)
				expect_loaded(p, steps[k]);
	}
	KUNIT_EXPECT_EQ(test, p->to->calls[SNAPSHOT_CMD_LOAD],
			p->to->calls[SNAPSHOT_CMD_LOAD_END]);
	drop_pair(p);
}

static void use_chunks(struct fake *fake, size_t bytes)
{
	fake->chunk = bytes;
	fake->ops.window = PAGE_SIZE;
}

static void an_image_of_several_chunks(struct kunit *test)
{
	struct pair *p = make_pair(test);

	use_chunks(p->from, 2000);
	save(p);
	KUNIT_EXPECT_EQ(test, p->len, 5000 + FRAME + 2 * HEAD);
	KUNIT_EXPECT_EQ(test, p->from->calls[SNAPSHOT_CMD_SAVE], 3);
	expect_loaded(p, 333);
	KUNIT_EXPECT_EQ(test, p->to->records, 3);
	KUNIT_EXPECT_EQ(test, p->to->calls[SNAPSHOT_CMD_LOAD_END], 1);
	drop_pair(p);
}

static void an_image_without_end_is_refused(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct fake *fake = p->from;
	struct file *file;

	use_chunks(fake, 4000);
	fake->state_len = FAKE_MAX_IMAGE;
	fake->ops.max_image = 12000;
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, &file), 0);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, FAKE_MAX_IMAGE, 700), -EFBIG);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_SAVE], 4);
	KUNIT_EXPECT_EQ(test, fake_get(fake), VFIO_DEVICE_STATE_STOP_COPY);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);
	drop_pair(p);
}

static void behind_a_failed_chunk_nothing_follows(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct file *file;

	use_chunks(p->from, 2000);
	fake_fail(p->from, SNAPSHOT_CMD_SAVE, 2, -EIO, 0);
	KUNIT_ASSERT_EQ(test, fake_set(p->from, VFIO_DEVICE_STATE_STOP_COPY, &file), 0);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, FAKE_MAX_IMAGE, 700), -EIO);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, 1, 1), -EIO);
	KUNIT_EXPECT_EQ(test, p->from->calls[SNAPSHOT_CMD_SAVE], 2);
	KUNIT_EXPECT_EQ(test, fake_set(p->from, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);
	save(p);
	expect_loaded(p, 4096);
	drop_pair(p);
}

/* Two windows of memory are enough for any state size. */
static void memory_of_a_few_windows(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct fake *fake = p->from;
	struct vfio_device *vdev = &fake->sdev.core.vdev;
	unsigned long size;
	struct file *file;

	use_chunks(fake, PAGE_SIZE);
	use_chunks(p->to, PAGE_SIZE);
	fake->later = true;
	p->to->later = true;
	fake->state_len = FAKE_MAX_IMAGE - 3;
	fake->estimate = FAKE_MAX_IMAGE;
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_PRE_COPY, &file), 0);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, FAKE_MAX_IMAGE, 4096),
			PAGE_SIZE + 2 * HEAD + 32);
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	msleep(100);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_SAVE], 3);
	KUNIT_EXPECT_EQ(test, vdev->mig_ops->migration_get_data_size(vdev, &size), 0);
	KUNIT_EXPECT_GE(test, size, fake->state_len);
	p->len = fake_read(file, p->stream, 2 * FAKE_MAX_IMAGE, 700);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_BUF_MAP], SNAPSHOT_WINDOWS);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_SAVE], 1 + FAKE_MAX_IMAGE / PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);

	save(p);
	expect_loaded(p, 4096);
	KUNIT_EXPECT_EQ(test, p->to->calls[SNAPSHOT_CMD_BUF_MAP], SNAPSHOT_WINDOWS);
	drop_pair(p);
}

/* The destination allocates its windows with the first record, not earlier. */
static void windows_come_with_the_first_record(struct kunit *test)
{
	struct pair *p = make_pair(test);
	const size_t window = 4 * PAGE_SIZE;
	const size_t first = 2 * HEAD + 32 + window;
	struct file *file;

	p->from->ops.window = window;
	p->from->chunk = window;
	p->from->state_len = FAKE_MAX_IMAGE;
	p->from->estimate = FAKE_MAX_IMAGE;
	save(p);

	p->to->ops.window = window;
	p->to->later = true;
	KUNIT_ASSERT_EQ(test, fake_set(p->to, VFIO_DEVICE_STATE_RESUMING, &file), 0);
	KUNIT_EXPECT_EQ(test, p->to->calls[SNAPSHOT_CMD_BUF_MAP], 0);
	KUNIT_EXPECT_EQ(test, p->to->calls[SNAPSHOT_CMD_ESTIMATE], 0);
	KUNIT_EXPECT_EQ(test, fake_write(file, p->stream, first, 700), first);
	KUNIT_EXPECT_EQ(test, p->to->calls[SNAPSHOT_CMD_BUF_MAP], SNAPSHOT_WINDOWS);
	KUNIT_EXPECT_EQ(test, fake_write(file, p->stream + first, p->len - first, 700),
			p->len - first);
	KUNIT_EXPECT_EQ(test, p->to->calls[SNAPSHOT_CMD_BUF_MAP], SNAPSHOT_WINDOWS);
	KUNIT_EXPECT_EQ(test, fake_set(p->to, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	KUNIT_EXPECT_EQ(test, p->to->loaded_len, FAKE_MAX_IMAGE);
	fake_put(file);
	drop_pair(p);
}

/* Like fake_read(), but waits only in poll(). */
static ssize_t read_polled(struct file *file, u8 *to, size_t room)
{
	unsigned int tries = 1000;
	size_t at = 0;
	ssize_t got;

	file->f_flags |= O_NONBLOCK;
	while ((got = kernel_read(file, to + at, room - at, NULL)) && got != -ENOMSG) {
		if (got > 0) {
			at += got;
			continue;
		}
		if (got != -EAGAIN)
			return got;
		while (!(vfs_poll(file, NULL) & EPOLLIN)) {
			if (!tries--)
				return -ETIME;
			msleep(20);
		}
	}
	return at;
}

/*
 * The state grows before the stop.
 * @asked: userspace asks for the size before it stops the device
 * @polled: userspace waits in poll(), not in read()
 */
static void move_what_grew(struct kunit *test, bool asked, bool polled)
{
	struct pair *p = make_pair(test);
	struct fake *fake = p->from;
	struct vfio_device *vdev = &fake->sdev.core.vdev;
	const size_t small = 100, large = 40000;
	unsigned long size;
	struct file *file;
	int end;

	fake->ops.window = 4 * PAGE_SIZE;
	fake->chunk = fake->ops.window;
	fake->later = true;
	p->to->ops.window = fake->ops.window;
	p->to->later = true;
	fake->state_len = small;
	fake->estimate = small;
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_PRE_COPY, &file), 0);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_BUF_MAP], 1);
	p->len = fake_read(file, p->stream, 2 * FAKE_MAX_IMAGE, 700);

	fake->state_len = large;
	fake->estimate = large;
	if (asked) {
		/* The core caches the size for a second. */
		msleep(1100);
		KUNIT_EXPECT_EQ(test, vdev->mig_ops->migration_get_data_size(vdev, &size), 0);
		KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_BUF_MAP], 2);
	}
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_BUF_MAP], 1 + asked);
	p->len += polled ? read_polled(file, p->stream + p->len, FAKE_MAX_IMAGE) :
			   fake_read(file, p->stream + p->len, FAKE_MAX_IMAGE, 700);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);

	KUNIT_EXPECT_EQ(test, load(p, 4096, &end), p->len);
	KUNIT_EXPECT_EQ(test, end, 0);
	KUNIT_ASSERT_EQ(test, p->to->loaded_len, small + large);
	KUNIT_EXPECT_MEMEQ(test, p->to->loaded + small, fake->state, large);
	drop_pair(p);
}

static void a_state_that_grew_before_the_stop(struct kunit *test)
{
	move_what_grew(test, false, false);
	move_what_grew(test, false, true);
}

static void a_state_that_grew_before_it_was_asked_for(struct kunit *test)
{
	move_what_grew(test, true, false);
	move_what_grew(test, true, true);
}

/* Of two spare buffers, the final image takes the one that needs no command. */
static void final_image_takes_the_ready_buffer(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct fake *fake = p->from;
	struct vfio_device *vdev = &fake->sdev.core.vdev;
	const size_t small = 100, large = 3 * PAGE_SIZE;
	unsigned long size;
	struct file *file;

	fake->ops.window = 4 * PAGE_SIZE;
	fake->chunk = fake->ops.window;
	fake->state_len = small;
	fake->estimate = small;
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_PRE_COPY, &file), 0);
	/* A second buffer is made while the first image waits to be read. */
	KUNIT_EXPECT_EQ(test, vdev->mig_ops->migration_get_data_size(vdev, &size), 0);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_BUF_MAP], 2);
	fake_read(file, p->stream, 2 * FAKE_MAX_IMAGE, 700);

	fake->state_len = large;
	fake->estimate = large;
	/* The core caches the size for a second. */
	msleep(1100);
	KUNIT_EXPECT_EQ(test, vdev->mig_ops->migration_get_data_size(vdev, &size), 0);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_BUF_MAP], 3);
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_BUF_MAP], 3);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_SAVE], 2);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);
	drop_pair(p);
}

/* An image ahead that completes later: the arc does not wait for it, its reader does. */
static void an_image_that_is_taken_meanwhile(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct fake *fake = p->from;
	struct vfio_precopy_info info;
	struct file *file;
	u8 byte;

	fake->later = true;
	fake->delay = HZ / 5;
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_PRE_COPY, &file), 0);
	KUNIT_EXPECT_TRUE(test, fake->busy);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, HEAD + 32, 4096), HEAD + 32);
	file->f_flags |= O_NONBLOCK;
	KUNIT_EXPECT_EQ(test, fake_read(file, &byte, 1, 1), -EAGAIN);
	file->f_flags &= ~O_NONBLOCK;
	KUNIT_EXPECT_EQ(test, fake_precopy_info(file, &info), 0);
	KUNIT_EXPECT_GE(test, info.initial_bytes, HEAD + 5000);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, 0);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, FAKE_MAX_IMAGE, 4096), HEAD + 5000);
	KUNIT_EXPECT_FALSE(test, fake->busy);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);

	/* An image ahead that fails ends with ENOMSG, and the final image is whole. */
	fake->later_err = -EREMOTEIO;
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_PRE_COPY, &file), 0);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, FAKE_MAX_IMAGE, 4096), HEAD + 32);
	KUNIT_EXPECT_EQ(test, fake_precopy_info(file, &info), 0);
	KUNIT_EXPECT_EQ(test, info.initial_bytes, 0);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, 0);
	fake->later_err = 0;
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, FAKE_MAX_IMAGE, 4096),
			5000 + HEAD + HEAD + 16);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);

	/* EAGAIN of the firmware becomes EBUSY, because a reader would retry it forever. */
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_PRE_COPY, &file), 0);
	fake_read(file, p->stream, FAKE_MAX_IMAGE, 4096);
	fake->later_err = -EAGAIN;
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	file->f_flags |= O_NONBLOCK;
	KUNIT_ASSERT_EQ(test, fake_read(file, &byte, 1, 1), -EBUSY);
	file->f_flags &= ~O_NONBLOCK;
	KUNIT_EXPECT_EQ(test, fake_read(file, &byte, 1, 1), -EBUSY);
	fake->later_err = 0;
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);

	/* The next operation waits for the image; the fake checks that. */
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_PRE_COPY, &file), 0);
	KUNIT_EXPECT_TRUE(test, fake->busy);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, FAKE_MAX_IMAGE, 4096),
			HEAD + 32 + 2 * (HEAD + 5000) + HEAD + 16);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);
	drop_pair(p);
}

static void what_changed_is_taken_when_all_was_read(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct fake *fake = p->from;
	const size_t first = 3 * HEAD + 32 + 8 + 5000;
	struct vfio_precopy_info info;
	struct file *file;

	fake->ops.caps |= VFIO_SNAPSHOT_CAP_INCREMENT;
	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_PRE_COPY, &file), 0);
	fake->changed = 300;
	KUNIT_EXPECT_EQ(test, fake_precopy_info(file, &info), 0);
	KUNIT_EXPECT_EQ(test, info.initial_bytes, first);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, HEAD + 300);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_SAVE], 1);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, FAKE_MAX_IMAGE, 4096), first);

	KUNIT_EXPECT_EQ(test, fake_precopy_info(file, &info), 0);
	KUNIT_EXPECT_EQ(test, info.initial_bytes, 0);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, HEAD + 300);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, FAKE_MAX_IMAGE, 4096), HEAD + 300);
	KUNIT_EXPECT_EQ(test, fake_precopy_info(file, &info), 0);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, 0);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_SAVE], 2);

	/* After a new set-up the change is initial bytes, to be read before the stop. */
	fake->sdev.core.vdev.precopy_info_v2 = 1;
	fake->changed = 200;
	fake->renewed = true;
	info.flags = 0;
	KUNIT_EXPECT_EQ(test, fake_precopy_info(file, &info), 0);
	KUNIT_EXPECT_EQ(test, info.flags, VFIO_PRECOPY_INFO_REINIT);
	KUNIT_EXPECT_EQ(test, info.initial_bytes, HEAD + 200);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, 0);

	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);
	drop_pair(p);
}

static void transfers_that_complete_later(struct kunit *test)
{
	struct pair *p = make_pair(test);

	p->from->later = true;
	use_chunks(p->from, 2000);
	p->to->later = true;
	save(p);
	expect_loaded(p, 4096);
	KUNIT_EXPECT_EQ(test, p->to->records, 3);
	drop_pair(p);
}

static void transfers_that_fail_later(struct kunit *test)
{
	struct pair *p = make_pair(test);
	int end;

	p->from->later = true;
	p->from->later_err = -EREMOTEIO;
	save(p);
	KUNIT_EXPECT_EQ(test, p->len, -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, fake_get(p->from), VFIO_DEVICE_STATE_RUNNING);
	p->from->later_err = 0;
	save(p);
	p->to->later = true;
	p->to->later_err = -EREMOTEIO;
	KUNIT_EXPECT_EQ(test, load(p, 4096, &end), -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, end, -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, fake_get(p->to), VFIO_DEVICE_STATE_ERROR);
	KUNIT_EXPECT_EQ(test, p->to->calls[SNAPSHOT_CMD_LOAD_END], 0);
	drop_pair(p);
}

/* EAGAIN of a load() or buf_map() becomes EBUSY, because a writer would retry it forever. */
static void a_load_is_not_to_be_tried_again(struct kunit *test)
{
	static const struct {
		size_t window;
		enum snapshot_command fails;
	} ways[] = {
		{ 0, SNAPSHOT_CMD_LOAD },
		{ 0, SNAPSHOT_CMD_BUF_MAP },
		{ 8192, SNAPSHOT_NR_COMMANDS },
	};
	unsigned int i;
	int end;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		struct pair *p = make_pair(test);

		save(p);
		p->to->ops.window = ways[i].window;
		p->to->later = ways[i].window;
		p->to->later_err = -EAGAIN;
		if (ways[i].fails < SNAPSHOT_NR_COMMANDS)
			fake_fail(p->to, ways[i].fails, 1, -EAGAIN, 0);
		load(p, 4096, &end);
		KUNIT_EXPECT_EQ(test, end, -EBUSY);
		KUNIT_EXPECT_EQ(test, fake_get(p->to), VFIO_DEVICE_STATE_ERROR);
		drop_pair(p);
	}
}

static void load_end_has_the_last_word(struct kunit *test)
{
	struct pair *p = make_pair(test);
	int end;

	save(p);
	fake_fail(p->to, SNAPSHOT_CMD_LOAD_END, 1, -EUCLEAN, 0);
	KUNIT_EXPECT_EQ(test, load(p, 4096, &end), p->len);
	KUNIT_EXPECT_EQ(test, end, -EUCLEAN);
	KUNIT_EXPECT_EQ(test, fake_get(p->to), VFIO_DEVICE_STATE_ERROR);
	drop_pair(p);
}

static void load_end_is_not_asked_about_half_a_state(struct kunit *test)
{
	struct pair *p = make_pair(test);
	int end;

	save(p);
	p->len--;
	KUNIT_EXPECT_EQ(test, load(p, 4096, &end), p->len);
	KUNIT_EXPECT_EQ(test, end, -ENODATA);
	KUNIT_EXPECT_EQ(test, p->to->calls[SNAPSHOT_CMD_LOAD_END], 0);
	KUNIT_EXPECT_EQ(test, fake_get(p->to), VFIO_DEVICE_STATE_ERROR);
	drop_pair(p);
}

static void without_optional_operations(struct kunit *test)
{
	struct pair *p = make_pair(test);

	p->from->ops.buf_map = NULL;
	p->from->ops.buf_unmap = NULL;
	p->to->ops.buf_map = NULL;
	p->to->ops.buf_unmap = NULL;
	p->to->ops.load_end = NULL;
	save(p);
	expect_loaded(p, 4096);
	KUNIT_EXPECT_EQ(test, p->to->calls[SNAPSHOT_CMD_BUF_MAP], 0);
	drop_pair(p);
}

/* The buffer of an image that was read serves the next image. */
static void a_buffer_is_mapped_once(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct fake *fake = p->from;
	struct file *file;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_PRE_COPY, &file), 0);
	fake_read(file, p->stream, FAKE_MAX_IMAGE, 4096);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_SAVE], 2);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_BUF_MAP], 1);
	fake_read(file, p->stream, FAKE_MAX_IMAGE, 4096);
	KUNIT_EXPECT_EQ(test, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	fake_put(file);

	for (i = 0; i < 3; i++)
		save(p);
	expect_loaded(p, 4096);
	drop_pair(p);
}

static void more_room_is_offered_once(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct fake *fake = p->from;

	fake->state_len = 3 * PAGE_SIZE;
	fake->estimate = 100;
	fake->grows_to = fake->state_len;
	save(p);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_SAVE], 2);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_ESTIMATE], 2);
	expect_loaded(p, 4096);

	/* Not twice, if the larger buffer is too small as well. */
	snapshot_mig_reset_done(fake->sdev.mig);
	fake_settle(fake);
	memset(fake->calls, 0, sizeof(fake->calls));
	fake->state_len = 8 * PAGE_SIZE;
	fake->estimate = 100;
	fake->grows_to = 2 * PAGE_SIZE;
	save(p);
	KUNIT_EXPECT_EQ(test, p->len, -ENOSPC);
	KUNIT_EXPECT_EQ(test, fake->calls[SNAPSHOT_CMD_SAVE], 2);
	drop_pair(p);
}

static const struct answer {
	const char *name;
	u64 estimate;
	ssize_t lie;
	int err;
} answers[] = {
	{ "an estimate of 0", 0, 0, -EIO },
	{ "an estimate above the largest image", FAKE_MAX_IMAGE + 1, 0, -EFBIG },
	{ "an estimate of U64_MAX", U64_MAX, 0, -EFBIG },
	{ "a save of 0 bytes", 5000, -5000, -EIO },
	{ "a save larger than its buffer", 5000, 4096, -EIO },
	{ "a save of a negative size", 5000, -5001, -EIO },
};

KUNIT_ARRAY_PARAM_DESC(answer, answers, name);

static void an_answer_that_cannot_be(struct kunit *test)
{
	const struct answer *answer = test->param_value;
	struct pair *p = make_pair(test);
	struct fake *fake = p->from;

	fake->estimate = answer->estimate;
	fake->lie = answer->lie;
	save(p);
	KUNIT_EXPECT_EQ(test, p->len, answer->err);
	drop_pair(p);
}

/* One changed byte in the header or body of a record */
static const struct damage {
	const char *name;
	size_t at;
	u8 xor;
	int err;
} damages[] = {
	{ "IDENT: another size", 0, 1, -EINVAL },
	{ "IDENT: an unknown flag", 8, 2, -EINVAL },
	{ "IDENT: not optional", 8, 1, -EINVAL },
	{ "IDENT: another version", HEAD, 1, -EXDEV },
	{ "IDENT: another device", HEAD + 6, 1, -EXDEV },
	{ "IDENT: another back-end", HEAD + 8, 1, -EXDEV },
	{ "DATA: too large", HEAD + 32 + 3, 1, -EFBIG },
	{ "DATA: optional", HEAD + 32 + 8, 1, -EINVAL },
	{ "DATA: unknown and not optional", HEAD + 32 + 12, 1, -EOPNOTSUPP },
	{ "END: another count", 2 * HEAD + 32 + 5000 + HEAD, 1, -EBADMSG },
	{ "END: another length", 2 * HEAD + 32 + 5000 + HEAD + 8, 1, -EBADMSG },
};

KUNIT_ARRAY_PARAM_DESC(damage, damages, name);

static void a_damaged_stream(struct kunit *test)
{
	const struct damage *damage = test->param_value;
	struct pair *p = make_pair(test);
	int end;

	save(p);
	KUNIT_ASSERT_LT(test, damage->at, p->len);
	p->stream[damage->at] ^= damage->xor;
	KUNIT_EXPECT_EQ(test, load(p, 64, &end), damage->err);
	KUNIT_EXPECT_EQ(test, end, damage->err);
	KUNIT_EXPECT_EQ(test, fake_get(p->to), VFIO_DEVICE_STATE_ERROR);
	p->stream[damage->at] ^= damage->xor;
	p->to->level = VFIO_SNAPSHOT_RUN;
	snapshot_mig_reset_done(p->to->sdev.mig);
	expect_loaded(p, 64);
	/* A byte after the END record makes the exit from RESUMING fail. */
	p->len++;
	KUNIT_EXPECT_EQ(test, load(p, p->len, &end), p->len);
	KUNIT_EXPECT_EQ(test, end, -ENODATA);
	drop_pair(p);
}

static void what_is_left_to_read(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct vfio_precopy_info info;
	struct file *file;

	KUNIT_ASSERT_EQ(test, fake_set(p->from, VFIO_DEVICE_STATE_PRE_COPY, &file), 0);
	KUNIT_EXPECT_EQ(test, fake_precopy_info(file, &info), 0);
	KUNIT_EXPECT_EQ(test, info.initial_bytes, 2 * HEAD + 32 + 5000);
	KUNIT_EXPECT_EQ(test, info.dirty_bytes, 0);
	KUNIT_EXPECT_EQ(test, fake_read(file, p->stream, 1000, 100), 1000);
	KUNIT_EXPECT_EQ(test, fake_precopy_info(file, &info), 0);
	KUNIT_EXPECT_EQ(test, info.initial_bytes, 2 * HEAD + 32 + 4000);
	KUNIT_EXPECT_EQ(test, fake_set(p->from, VFIO_DEVICE_STATE_STOP_COPY, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake_precopy_info(file, &info), -EINVAL);
	KUNIT_EXPECT_EQ(test, fake_set(p->from, VFIO_DEVICE_STATE_RUNNING, NULL), 0);
	KUNIT_EXPECT_EQ(test, fake_precopy_info(file, &info), -ENODEV);
	fake_put(file);
	drop_pair(p);
}

static void a_size_is_asked_for_once_a_while(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct vfio_device *vdev = &p->from->sdev.core.vdev;
	unsigned long size;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		KUNIT_EXPECT_EQ(test, vdev->mig_ops->migration_get_data_size(vdev, &size),
				0);
		KUNIT_EXPECT_EQ(test, size, 5000 + FRAME);
	}
	KUNIT_EXPECT_LE(test, p->from->calls[SNAPSHOT_CMD_ESTIMATE], 2);
	drop_pair(p);
}

static void a_file_that_outlives_its_device(struct kunit *test)
{
	struct pair *p = make_pair(test);
	struct file *saving, *loading;
	u8 byte = 0;

	KUNIT_ASSERT_EQ(test, fake_set(p->from, VFIO_DEVICE_STATE_STOP_COPY, &saving), 0);
	KUNIT_ASSERT_EQ(test, fake_set(p->to, VFIO_DEVICE_STATE_RESUMING, &loading), 0);
	KUNIT_EXPECT_EQ(test, fake_write(loading, &byte, 1, 1), 1);
	drop_pair(p);
	KUNIT_EXPECT_EQ(test, fake_read(saving, &byte, 1, 1), -ENODEV);
	KUNIT_EXPECT_EQ(test, fake_write(loading, &byte, 1, 1), -ENODEV);
	fake_put(saving);
	fake_put(loading);
}

static struct kunit_case stream_cases[] = {
	KUNIT_CASE(a_state_arrives_as_it_left),
	KUNIT_CASE(an_image_of_several_chunks),
	KUNIT_CASE(an_image_without_end_is_refused),
	KUNIT_CASE(behind_a_failed_chunk_nothing_follows),
	KUNIT_CASE(memory_of_a_few_windows),
	KUNIT_CASE(windows_come_with_the_first_record),
	KUNIT_CASE(a_state_that_grew_before_the_stop),
	KUNIT_CASE(a_state_that_grew_before_it_was_asked_for),
	KUNIT_CASE(final_image_takes_the_ready_buffer),
	KUNIT_CASE(an_image_that_is_taken_meanwhile),
	KUNIT_CASE(what_changed_is_taken_when_all_was_read),
	KUNIT_CASE(transfers_that_complete_later),
	KUNIT_CASE(transfers_that_fail_later),
	KUNIT_CASE(a_load_is_not_to_be_tried_again),
	KUNIT_CASE(load_end_has_the_last_word),
	KUNIT_CASE(load_end_is_not_asked_about_half_a_state),
	KUNIT_CASE(without_optional_operations),
	KUNIT_CASE(a_buffer_is_mapped_once),
	KUNIT_CASE(more_room_is_offered_once),
	KUNIT_CASE_PARAM(an_answer_that_cannot_be, answer_gen_params),
	KUNIT_CASE_PARAM(a_damaged_stream, damage_gen_params),
	KUNIT_CASE(what_is_left_to_read),
	KUNIT_CASE(a_size_is_asked_for_once_a_while),
	KUNIT_CASE(a_file_that_outlives_its_device),
	{}
};

static struct kunit_suite stream_suite = {
	.name = "vfio_snapshot_stream",
	.test_cases = stream_cases,
};

kunit_test_suite(stream_suite);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vfio-snapshot developers");
MODULE_DESCRIPTION("KUnit tests of the vfio-snapshot core");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
