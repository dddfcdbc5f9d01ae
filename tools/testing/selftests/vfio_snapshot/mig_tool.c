// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves a device's state to and from files, for tests that change the driver in
 * between:
 *   mig_tool save BDF FILE    sets the device to work and saves it
 *   mig_tool presave BDF FILE PLAIN   saves with PRE_COPY, then again as "save" does
 *   mig_tool load BDF FILE    loads and runs
 *   mig_tool resave BDF IN OUT   loads, runs, saves
 *   mig_tool data IN OUT      copies only the device data of a stream
 *   mig_tool has FILE TAG     whether a stream has a record with this tag
 * and keeps a data fd while the driver goes away:
 *   mig_tool orphan BDF save|load   prints "ready", waits for a line, uses the fd
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/records.h"
#include "lib/work.h"

static int fail(const char *what, int err)
{
	fprintf(stderr, "mig_tool: %s: %s\n", what, strerror(err < 0 ? -err : err));
	return 1;
}

static int from_file(const char *name, struct blob *b)
{
	FILE *f = fopen(name, "rb");
	uint8_t buf[4096];
	size_t got;
	int ret = 0;

	if (!f)
		return -errno;
	while (!ret && (got = fread(buf, 1, sizeof(buf), f)) > 0)
		ret = blob_add(b, buf, got);
	fclose(f);
	return ret;
}

static int to_file(const char *name, const struct blob *b)
{
	FILE *f = fopen(name, "wb");
	int ret = 0;

	if (!f)
		return -errno;
	if (fwrite(b->data, 1, b->len, f) != b->len)
		ret = -EIO;
	if (fclose(f))
		ret = -errno;
	return ret;
}

/* From PRE_COPY to STOP_COPY, with everything read on the way */
static int read_precopy(struct vfio_dev *dev, struct blob *b)
{
	struct vfio_precopy_info info = {};
	int fd, ret;

	ret = mig_set(dev, VFIO_DEVICE_STATE_PRE_COPY, &fd);
	if (ret)
		return ret;
	do {
		ret = mig_read_all(fd, 4096, b);
		if (ret == -ENOMSG)
			ret = mig_precopy_info(fd, &info);
	} while (!ret && info.initial_bytes);
	if (!ret)
		ret = mig_set(dev, VFIO_DEVICE_STATE_STOP_COPY, NULL) ?:
		      mig_read_all(fd, 4096, b);
	close(fd);
	return ret;
}

/* One state in two streams: with PRE_COPY, and of the same stopped device without */
static int presave(struct vfio_dev *dev, const char *file, const char *plain)
{
	struct blob b = {}, again = {};
	struct work w = {};
	int ret;

	ret = work_bring_up(&w, dev);
	if (ret && ret != -ENODEV)
		return fail("start the driver", ret);
	ret = read_precopy(dev, &b);
	if (!ret)
		ret = mig_set(dev, VFIO_DEVICE_STATE_STOP, NULL) ?:
		      mig_save(dev, 4096, &again);
	if (ret)
		return fail("save with precopy", ret);
	ret = to_file(file, &b) ?: to_file(plain, &again);
	return ret ? fail(file, ret) : 0;
}

static int has(const char *file, const char *tag)
{
	struct records rs;
	struct blob b = {};
	int ret = from_file(file, &b) ?: records_parse(&rs, &b);

	if (ret)
		return fail(file, ret);
	return records_find(&rs, strtoul(tag, NULL, 0)) ? 0 : fail(tag, -ENOENT);
}

static int save(struct vfio_dev *dev, const char *file)
{
	struct work w = {};
	struct blob b = {};
	int ret;

	/* Without a driver a device has almost no state. */
	ret = work_bring_up(&w, dev);
	if (ret && ret != -ENODEV)
		return fail("start the driver", ret);
	ret = mig_save(dev, 4096, &b);
	if (ret)
		return fail("save", ret);
	ret = to_file(file, &b);
	return ret ? fail(file, ret) : 0;
}

static int load(struct vfio_dev *dev, const char *file, const char *again)
{
	struct work w = {};
	struct blob b = {}, second = {};
	struct load_result r;
	int ret;

	ret = from_file(file, &b);
	if (ret)
		return fail(file, ret);
	/* The state has addresses of queues, which must be mapped. */
	ret = work_find(&w, dev);
	if (!ret)
		ret = work_alloc(&w) ?: work_map(&w, dev);
	if (ret && ret != -ENODEV)
		return fail("memory", ret);

	r = mig_load(dev, b.data, b.len, 4096);
	if (r.stage != LOAD_OK)
		return fail("load", r.err);
	ret = mig_set(dev, VFIO_DEVICE_STATE_RUNNING, NULL);
	if (ret)
		return fail("run", ret);
	if (!again)
		return 0;
	ret = mig_save(dev, 4096, &second);
	if (ret)
		return fail("save again", ret);
	ret = to_file(again, &second);
	return ret ? fail(again, ret) : 0;
}

static int keep_data(const char *in, const char *out)
{
	struct blob b = {}, data = {};
	int ret;

	ret = from_file(in, &b) ?: records_to_upstream(&data, &b) ?:
	      to_file(out, &data);
	return ret ? fail(in, ret) : 0;
}

/* Closes the device and keeps its data fd */
static int orphan(struct vfio_dev *dev, bool saving)
{
	int fd, ret;

	ret = mig_set(dev, saving ? VFIO_DEVICE_STATE_STOP_COPY :
				    VFIO_DEVICE_STATE_RESUMING, &fd);
	if (ret)
		return fail("open a session", ret);
	vfio_dev_close(dev);

	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		return fail("stdin", -EPIPE);
	ret = mig_fd_errno(fd, saving);
	close(fd);
	return ret == ENODEV ? 0 : fail("the data fd, which should be dead", ret);
}

static const struct {
	const char *name;
	int argc;
} commands[] = {
	{ "save", 4 }, { "load", 4 }, { "resave", 5 }, { "data", 4 },
	{ "orphan", 4 }, { "presave", 5 }, { "has", 4 },
};

int main(int argc, char *argv[])
{
	struct vfio_dev dev;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc == commands[i].argc && !strcmp(argv[1], commands[i].name))
			break;
	if (i == sizeof(commands) / sizeof(commands[0])) {
		fprintf(stderr, "usage: mig_tool save|load BDF FILE | presave BDF FILE PLAIN | resave BDF IN OUT | data IN OUT | has FILE TAG | orphan BDF save|load\n");
		return 2;
	}
	if (!strcmp(argv[1], "data"))
		return keep_data(argv[2], argv[3]);
	if (!strcmp(argv[1], "has"))
		return has(argv[2], argv[3]);

	ret = vfio_dev_open(&dev, argv[2]);
	if (ret)
		return fail(argv[2], ret);
	if (!strcmp(argv[1], "orphan"))
		ret = orphan(&dev, !strcmp(argv[3], "save"));
	else if (!strcmp(argv[1], "presave"))
		ret = presave(&dev, argv[3], argv[4]);
	else if (!strcmp(argv[1], "save"))
		ret = save(&dev, argv[3]);
	else
		ret = load(&dev, argv[3], argc > 4 ? argv[4] : NULL);
	vfio_dev_close(&dev);
	return ret;
}
