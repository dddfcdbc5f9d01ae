// SPDX-License-Identifier: GPL-2.0-only
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "fake.h"

/* One letter per operation, for fake->order */
static const char letters[SNAPSHOT_NR_COMMANDS] = {
	[SNAPSHOT_CMD_QUIESCE] = 'q',
	[SNAPSHOT_CMD_SESSION_BEGIN] = 'b',
	[SNAPSHOT_CMD_SESSION_END] = 'e',
	[SNAPSHOT_CMD_ESTIMATE] = 's',
	[SNAPSHOT_CMD_BUF_MAP] = 'm',
	[SNAPSHOT_CMD_BUF_UNMAP] = 'u',
	[SNAPSHOT_CMD_SAVE] = 'S',
	[SNAPSHOT_CMD_LOAD] = 'L',
	[SNAPSHOT_CMD_LOAD_END] = 'E',
};

static struct fake *to_fake(struct vfio_snapshot_device *sdev)
{
	return container_of(sdev, struct fake, sdev);
}

static bool halted(enum vfio_snapshot_level level)
{
	return level == VFIO_SNAPSHOT_NDMA || level == VFIO_SNAPSHOT_STOP;
}

/* With NDMA_STOPS no command goes from NDMA to STOP, so both count as halted. */
bool fake_is_at(struct fake *fake, enum vfio_snapshot_level level)
{
	if (fake->ops.caps & VFIO_SNAPSHOT_CAP_NDMA_STOPS && halted(fake->level))
		return halted(level);
	return fake->level == level;
}

static bool fails(struct fake *fake, enum snapshot_command command)
{
	unsigned int nth = fake->calls[command];

	return command == fake->fail && fake->fail_nth && nth >= fake->fail_nth &&
	       nth < fake->fail_nth + (fake->fail_times ?: 1);
}

/* Checks that all operations share. Return: 0, or the errno of the operation. */
static int enter(struct fake *fake, enum snapshot_command command)
{
	size_t at = strlen(fake->order);

	KUNIT_EXPECT_FALSE(fake->test, fake->busy);
	fake->busy = true;
	KUNIT_EXPECT_TRUE(fake->test, snapshot_fw_is_busy(&fake->sdev.mig->fw));
	fake->calls[command]++;
	if (at < sizeof(fake->order) - 1)
		fake->order[at] = letters[command];
	KUNIT_EXPECT_FALSE_MSG(fake->test, fake->left, "an operation after the back-end left");
	if (fake->offline)
		return -ENOTCONN;
	if (!fails(fake, command))
		return 0;
	if (!fake->during) {
		fake->followed = strlen(fake->order);
		return fake->fail_err;
	}
	fake->during(fake);
	return 0;
}

static int leave(struct fake *fake, int err)
{
	fake->busy = false;
	return err;
}

static int fake_quiesce(struct vfio_snapshot_device *sdev,
			enum vfio_snapshot_level want, enum vfio_snapshot_level *now)
{
	struct fake *fake = to_fake(sdev);
	int err = enter(fake, SNAPSHOT_CMD_QUIESCE);

	if (fake->offline) {
		/* No command was sent, so the level stays as it was, if it was known. */
		*now = fake->unsure ? VFIO_SNAPSHOT_UNKNOWN : fake->level;
		return leave(fake, err);
	}
	fake->level = err ? fake->fail_level : want;
	fake->unsure = err;
	*now = fake->level;
	return leave(fake, err);
}

static int fake_session_begin(struct vfio_snapshot_device *sdev,
			      enum vfio_snapshot_dir dir)
{
	struct fake *fake = to_fake(sdev);
	int err = enter(fake, SNAPSHOT_CMD_SESSION_BEGIN);

	KUNIT_EXPECT_FALSE(fake->test, fake->in_session);
	fake->in_session = !err;
	fake->dir = dir;
	fake->state_at = 0;
	fake->ahead = 0;
	return leave(fake, err);
}

static void fake_session_end(struct vfio_snapshot_device *sdev,
			     enum vfio_snapshot_dir dir)
{
	struct fake *fake = to_fake(sdev);

	enter(fake, SNAPSHOT_CMD_SESSION_END);
	KUNIT_EXPECT_TRUE(fake->test, fake->in_session);
	KUNIT_EXPECT_EQ(fake->test, fake->dir, dir);
	fake->in_session = false;
	leave(fake, 0);
}

static int fake_estimate(struct vfio_snapshot_device *sdev,
			 enum vfio_snapshot_extent extent,
			 struct vfio_snapshot_estimate *est)
{
	struct fake *fake = to_fake(sdev);
	int err = enter(fake, SNAPSHOT_CMD_ESTIMATE);

	if (extent == VFIO_SNAPSHOT_CHANGED) {
		KUNIT_EXPECT_GT(fake->test, fake->ahead, 0);
		KUNIT_EXPECT_EQ(fake->test, fake->level, VFIO_SNAPSHOT_RUN);
		KUNIT_EXPECT_TRUE(fake->test, fake->in_session);
		est->bytes = fake->changed;
		est->renewed = fake->renewed;
		return leave(fake, err);
	}
	est->bytes = fake->estimate;
	if (fake->grows_to)
		fake->estimate = fake->grows_to;
	return leave(fake, err);
}

static void *fake_buf_map(struct vfio_snapshot_device *sdev,
			  struct vfio_snapshot_io *io, enum vfio_snapshot_dir dir)
{
	struct fake *fake = to_fake(sdev);
	int err = enter(fake, SNAPSHOT_CMD_BUF_MAP);
	unsigned int i;

	KUNIT_EXPECT_EQ(fake->test, fake->dir, dir);
	KUNIT_EXPECT_TRUE(fake->test, fake->in_session);
	leave(fake, 0);
	if (err)
		return ERR_PTR(err);
	for (i = 0; i < FAKE_MAX_KEYS; i++) {
		if (fake->keys[i])
			continue;
		fake->keys[i] = io->sgl;
		return &fake->keys[i];
	}
	return ERR_PTR(-ENOSPC);
}

/* No mapped page may be free: the device can still write to it. */
static void check_pages(struct fake *fake, struct scatterlist *sgl)
{
	struct scatterlist *sg;

	for (sg = sgl; sg; sg = sg_next(sg))
		KUNIT_EXPECT_GT_MSG(fake->test, page_count(sg_page(sg)), 0,
				    "a mapped page was freed");
}

static void fake_buf_unmap(struct vfio_snapshot_device *sdev, void *key)
{
	struct fake *fake = to_fake(sdev);
	void **slot = key;

	enter(fake, SNAPSHOT_CMD_BUF_UNMAP);
	KUNIT_EXPECT_TRUE(fake->test, fake->in_session);
	KUNIT_EXPECT_TRUE(fake->test, slot >= fake->keys &&
			  slot < fake->keys + FAKE_MAX_KEYS && *slot);
	if (fake->unmapping)
		fake->unmapping(fake, *slot);
	check_pages(fake, *slot);
	*slot = NULL;
	leave(fake, 0);
}

/* The memory matches @io, and is mapped if the back-end has buf_map(). */
static void check_io(struct fake *fake, struct vfio_snapshot_io *io)
{
	struct scatterlist *sg;
	size_t size = 0;
	unsigned int i;

	for_each_sg(io->sgl, sg, io->nents, i) {
		size += sg->length;
		KUNIT_EXPECT_EQ(fake->test, sg_is_last(sg), i == io->nents - 1);
	}
	fake->sgl = io->sgl;
	KUNIT_EXPECT_EQ(fake->test, size, io->size);
	KUNIT_EXPECT_LE(fake->test, io->nents, fake->ops.max_segs);
	KUNIT_EXPECT_TRUE(fake->test, fake->in_session);
	if (fake->ops.buf_map)
		KUNIT_EXPECT_PTR_EQ(fake->test, *(void **)io->key, (void *)io->sgl);
	else
		KUNIT_EXPECT_NULL(fake->test, io->key);
}

/* Completes in atomic context, like a device's interrupt handler. */
static void complete_later(struct timer_list *timer)
{
	struct fake *fake = timer_container_of(fake, timer, timer);

	leave(fake, 0);
	vfio_snapshot_io_complete(fake->io, fake->later_err ?: fake->io_err);
}

static int end_io(struct fake *fake, struct vfio_snapshot_io *io, int err)
{
	if (!fake->later || (err && !fake->fail_late))
		return leave(fake, err);
	fake->io = io;
	fake->io_err = err;
	mod_timer(&fake->timer, jiffies + (fake->delay ?: 2));
	return -EINPROGRESS;
}

static int fake_save_op(struct vfio_snapshot_device *sdev,
			enum vfio_snapshot_phase phase, struct vfio_snapshot_io *io)
{
	struct fake *fake = to_fake(sdev);
	int err = enter(fake, SNAPSHOT_CMD_SAVE);
	size_t len;

	check_io(fake, io);
	KUNIT_EXPECT_EQ(fake->test, fake->dir, VFIO_SNAPSHOT_SAVE);
	if (phase == VFIO_SNAPSHOT_FINAL)
		KUNIT_EXPECT_TRUE(fake->test, fake_is_at(fake, VFIO_SNAPSHOT_STOP));
	if (err) {
		fake->state_at = 0;
		return end_io(fake, io, err);
	}
	if (phase == VFIO_SNAPSHOT_AHEAD) {
		len = min(fake->ahead++ ? fake->changed : fake->state_len, io->size);
		fake->changed = 0;
		fake->renewed = false;
		io->done = len;
		io->more = false;
		sg_copy_from_buffer(io->sgl, io->nents, fake->state, len);
		return end_io(fake, io, 0);
	}
	len = fake->state_len - fake->state_at;
	if (fake->chunk)
		len = min3(len, fake->chunk, io->size);
	if (len > io->size) {
		fake->state_at = 0;
		return leave(fake, -ENOSPC);
	}
	sg_copy_from_buffer(io->sgl, io->nents, fake->state + fake->state_at, len);
	fake->state_at += len;
	io->done = len + fake->lie;
	io->more = fake->state_at < fake->state_len;
	if (!io->more)
		fake->state_at = 0;
	return end_io(fake, io, 0);
}

static int fake_load_op(struct vfio_snapshot_device *sdev, struct vfio_snapshot_io *io)
{
	struct fake *fake = to_fake(sdev);
	/* Read before enter(), whose hook may reset the device. */
	bool stopped = fake_is_at(fake, VFIO_SNAPSHOT_STOP);
	int err = enter(fake, SNAPSHOT_CMD_LOAD);

	check_io(fake, io);
	KUNIT_EXPECT_EQ(fake->test, fake->dir, VFIO_SNAPSHOT_LOAD);
	KUNIT_EXPECT_TRUE(fake->test, stopped);
	if (err || fake->loaded_len + io->size > FAKE_MAX_IMAGE)
		return leave(fake, err ?: -ENOSPC);
	sg_copy_to_buffer(io->sgl, io->nents, fake->loaded + fake->loaded_len, io->size);
	fake->loaded_len += io->size;
	fake->records++;
	return end_io(fake, io, 0);
}

static int fake_load_end(struct vfio_snapshot_device *sdev)
{
	struct fake *fake = to_fake(sdev);
	int err = enter(fake, SNAPSHOT_CMD_LOAD_END);

	KUNIT_EXPECT_GT(fake->test, fake->records, 0);
	return leave(fake, err);
}

static void fake_reset_done(struct vfio_snapshot_device *sdev)
{
	struct fake *fake = to_fake(sdev);

	KUNIT_EXPECT_FALSE_MSG(fake->test, fake->left, "reset_done() after the back-end left");
	fake->level = VFIO_SNAPSHOT_RUN;
	fake->unsure = true;
}

static const struct vfio_snapshot_ops fake_ops = {
	.name = "fake",
	.max_image = FAKE_MAX_IMAGE,
	.max_segs = 8,
	.quiesce = fake_quiesce,
	.session_begin = fake_session_begin,
	.session_end = fake_session_end,
	.estimate = fake_estimate,
	.buf_map = fake_buf_map,
	.buf_unmap = fake_buf_unmap,
	.save = fake_save_op,
	.load = fake_load_op,
	.load_end = fake_load_end,
	.reset_done = fake_reset_done,
};

static int fake_init(struct vfio_device *vdev)
{
	struct fake *fake = container_of(vdev, struct fake, sdev.core.vdev);

	fake->sdev.core.pdev = to_pci_dev(vdev->dev);
	return 0;
}

/* Like vfio_snapshot_device_ops, without the parts that need a real PCI device. */
static void fake_release(struct vfio_device *vdev)
{
	struct fake *fake = container_of(vdev, struct fake, sdev.core.vdev);

	snapshot_mig_free(fake->sdev.mig);
}

static const struct vfio_device_ops fake_vfio_ops = {
	.name = "vfio-snapshot-fake",
	.init = fake_init,
	.release = fake_release,
};

static void free_pdev(struct device *dev)
{
	kfree(to_pci_dev(dev));
}

static struct pci_dev *make_pdev(struct kunit *test)
{
	struct pci_dev *pdev = kzalloc(sizeof(*pdev), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pdev);
	pdev->vendor = 0x1af4;
	pdev->device = 0x1041;
	device_initialize(&pdev->dev);
	pdev->dev.release = free_pdev;
	KUNIT_ASSERT_EQ(test, 0, dev_set_name(&pdev->dev, "fake"));
	return pdev;
}

/* A closed device with 5,000 bytes of state and no chunks. */
struct fake *fake_make(struct kunit *test, unsigned int caps)
{
	struct pci_dev *pdev = make_pdev(test);
	struct vfio_device *vdev;
	struct fake *fake;
	size_t i;

	fake = vfio_alloc_device(fake, sdev.core.vdev, &pdev->dev, &fake_vfio_ops);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake);
	fake->test = test;
	fake->pdev = pdev;
	fake->ops = fake_ops;
	fake->ops.caps = caps;
	fake->state_len = 5000;
	fake->estimate = fake->state_len;
	fake->state = kunit_kzalloc(test, FAKE_MAX_IMAGE, GFP_KERNEL);
	fake->loaded = kunit_kzalloc(test, FAKE_MAX_IMAGE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->state);
	KUNIT_ASSERT_NOT_NULL(test, fake->loaded);
	for (i = 0; i < FAKE_MAX_IMAGE; i++)
		fake->state[i] = i ^ (i >> 8);
	timer_setup(&fake->timer, complete_later, 0);

	fake->sdev.ops = &fake->ops;
	fake->sdev.mig = snapshot_mig_alloc(&fake->sdev);
	KUNIT_ASSERT_NOT_NULL(test, fake->sdev.mig);
	snapshot_mig_offer(fake->sdev.mig);
	vdev = &fake->sdev.core.vdev;
	vdev->mig_ops = &snapshot_migration_ops;
	vdev->migration_flags = fake->sdev.mig->features;
	return fake;
}

/* Opens the device like device.c. Return: 0 or an errno. */
int fake_try_open(struct fake *fake)
{
	int err = snapshot_mig_prepare_open(fake->sdev.mig);

	if (!err)
		snapshot_mig_open(fake->sdev.mig);
	return err;
}

void fake_open(struct fake *fake)
{
	KUNIT_EXPECT_EQ(fake->test, 0, fake_try_open(fake));
}

void fake_settle(struct fake *fake)
{
	struct snapshot_mig *mig = fake->sdev.mig;

	flush_work(&mig->fw.transfer_work);
	flush_work(&mig->event_work);
	snapshot_session_flush(&mig->session);
}

void fake_reset(struct fake *fake)
{
	fake->level = VFIO_SNAPSHOT_RUN;
	snapshot_mig_reset_done(fake->sdev.mig);
}

/* Leaves a reset pending, so that the next user of mig->lock has to apply it. */
void fake_reset_pending(struct fake *fake)
{
	struct snapshot_mig *mig = fake->sdev.mig;

	mutex_lock(&mig->lock);
	snapshot_mig_reset_done(mig);
	mutex_unlock(&mig->lock);
}

/* Keeps the firmware busy until fake_release_firmware(). */
void fake_hold(struct fake *fake)
{
	down(&fake->sdev.mig->fw.sem);
}

void fake_release_firmware(struct fake *fake)
{
	up(&fake->sdev.mig->fw.sem);
}

/* The back-end leaves; the device must be closed. */
void fake_leave(struct fake *fake)
{
	snapshot_mig_leave(fake->sdev.mig);
	fake->left = true;
}

/* Closes the device, and checks that it runs and that no session or mapping is left. */
void fake_close(struct fake *fake)
{
	fake->fail_nth = 0;
	snapshot_mig_stop(fake->sdev.mig);
	snapshot_mig_close(fake->sdev.mig);
	fake_settle(fake);
	KUNIT_EXPECT_EQ(fake->test, fake->level, VFIO_SNAPSHOT_RUN);
	KUNIT_EXPECT_FALSE(fake->test, fake->in_session);
	KUNIT_EXPECT_EQ(fake->test, fake_mapped(fake), 0);
	KUNIT_EXPECT_EQ(fake->test, fake->calls[SNAPSHOT_CMD_BUF_UNMAP],
			fake->calls[SNAPSHOT_CMD_BUF_MAP] -
			(fake->fail == SNAPSHOT_CMD_BUF_MAP));
}

/* Drops the test's reference; open files have their own. */
void fake_drop(struct fake *fake)
{
	struct pci_dev *pdev = fake->pdev;

	if (!fake->left)
		snapshot_mig_leave(fake->sdev.mig);
	vfio_put_device(&fake->sdev.core.vdev);
	put_device(&pdev->dev);
}

void fake_fail(struct fake *fake, enum snapshot_command command, unsigned int nth,
	       int err, enum vfio_snapshot_level level)
{
	fake->fail = command;
	fake->fail_nth = fake->calls[command] + nth;
	fake->fail_err = err;
	fake->fail_level = level;
	fake->fail_times = 1;
	fake->during = NULL;
}

/* Runs @during within the @nth next call of @command, which then succeeds. */
void fake_hook(struct fake *fake, enum snapshot_command command, unsigned int nth,
	       void (*during)(struct fake *fake))
{
	fake_fail(fake, command, nth, 0, fake->level);
	fake->during = during;
}

/* Completes the pending transfer now, and later ones after the default delay. */
void fake_complete_now(struct fake *fake)
{
	fake->delay = 0;
	if (timer_pending(&fake->timer))
		mod_timer(&fake->timer, jiffies + 1);
}

unsigned int fake_mapped(struct fake *fake)
{
	unsigned int i, mapped = 0;

	for (i = 0; i < FAKE_MAX_KEYS; i++)
		mapped += !!fake->keys[i];
	return mapped;
}

/* A new data fd goes to @file, or is closed without @file. Return: 0 or an errno. */
int fake_set(struct fake *fake, enum vfio_device_mig_state state, struct file **file)
{
	struct vfio_device *vdev = &fake->sdev.core.vdev;
	struct file *opened;

	opened = vdev->mig_ops->migration_set_state(vdev,
						    (enum vfio_device_mig_state)state);
	if (IS_ERR(opened))
		return PTR_ERR(opened);
	if (file)
		*file = opened;
	else if (opened)
		fake_put(opened);
	return 0;
}

enum vfio_device_mig_state fake_get(struct fake *fake)
{
	struct vfio_device *vdev = &fake->sdev.core.vdev;
	enum vfio_device_mig_state state;

	KUNIT_EXPECT_EQ(fake->test, 0, vdev->mig_ops->migration_get_state(vdev, &state));
	return (enum vfio_device_mig_state)state;
}

/* The file is released when this returns. */
void fake_put(struct file *file)
{
	fput(file);
	flush_delayed_fput();
}

/* VFIO_MIG_GET_PRECOPY_INFO on a data fd */
int fake_precopy_info(struct file *file, struct vfio_precopy_info *info)
{
	struct snapshot_stream *stream = file->private_data;

	*info = (struct vfio_precopy_info){};
	return stream->session->precopy_info(stream, info);
}

/* Reads until the end or ENOMSG. Return: bytes read, or any other errno. */
ssize_t fake_read(struct file *file, u8 *to, size_t room, size_t step)
{
	size_t at = 0;

	while (at < room) {
		ssize_t got = kernel_read(file, to + at, min(step, room - at), NULL);

		if (got == -ENOMSG || !got)
			break;
		if (got < 0)
			return got;
		at += got;
	}
	return at;
}

ssize_t fake_write(struct file *file, const u8 *from, size_t len, size_t step)
{
	size_t at = 0;

	while (at < len) {
		ssize_t put = kernel_write(file, from + at, min(step, len - at), NULL);

		if (put <= 0)
			return put;
		at += put;
	}
	return at;
}

/* Saves a running device, which then runs again. Return: bytes of the stream, or an errno. */
ssize_t fake_save(struct fake *fake, u8 *to, size_t room)
{
	struct file *file;
	ssize_t got;

	KUNIT_ASSERT_EQ(fake->test, 0, fake_set(fake, VFIO_DEVICE_STATE_STOP_COPY, &file));
	got = fake_read(file, to, room, 700);
	KUNIT_EXPECT_EQ(fake->test, 0, fake_set(fake, VFIO_DEVICE_STATE_RUNNING, NULL));
	fake_put(file);
	return got;
}
