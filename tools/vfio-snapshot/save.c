// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-snapshot save: save a device's state to a file, as a trial. VFIO resets a
 * device on open, so this is the state after a reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arcs.h"
#include "clock.h"
#include "device.h"
#include "json.h"
#include "reader.h"
#include "vfio-snapshot.h"

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t put = write(fd, data, len);

		if (put < 0)
			return -errno;
		data += put;
		len -= put;
	}
	return 0;
}

static int copy(int from, int to, struct reader *r)
{
	static uint8_t buffer[1 << 20];
	ssize_t got;
	int err = 0;

	while (!err && (got = read(from, buffer, sizeof(buffer))) > 0) {
		reader_feed(r, buffer, got);
		err = write_all(to, buffer, got);
	}
	return err ? err : got < 0 ? -errno : 0;
}

/* Write a temporary file and rename it at the end, so that no incomplete file is left. */
static int open_beside(const char *name, char **temporary)
{
	int fd;

	*temporary = NULL;
	if (!strcmp(name, "-"))
		return dup(STDOUT_FILENO);
	if (asprintf(temporary, "%s.XXXXXX", name) < 0)
		return -1;
	fd = mkostemp(*temporary, O_CLOEXEC);
	if (fd < 0) {
		free(*temporary);
		*temporary = NULL;
	}
	return fd;
}

static int keep(int fd, const char *temporary, const char *name, bool good)
{
	int err = 0;

	if (good && temporary && (fchmod(fd, 0600) || fsync(fd) || rename(temporary, name)))
		err = -errno;
	if (temporary && (!good || err))
		unlink(temporary);
	return err;
}

static void report(const struct options *o, const struct vfio_dev *dev, const struct reader *r,
		   int64_t stop_ns, int64_t read_ns)
{
	/* stdout may be the stream. */
	FILE *out = !strcmp(o->args[1], "-") ? stderr : stdout;
	struct json j = { .out = out };

	if (!o->json) {
		fprintf(out, "%s: %" PRIu64 " bytes saved; to STOP_COPY %.3f ms, reading %.3f ms\n",
			dev->bdf, r->bytes, stop_ns / 1e6, read_ns / 1e6);
		return;
	}
	json_open(&j, NULL, '{');
	json_string(&j, "device", dev->bdf);
	json_number(&j, "bytes", r->bytes);
	json_ms(&j, "stop_copy_ms", stop_ns);
	json_ms(&j, "read_ms", read_ns);
	json_close(&j, '}');
}

static int save(const struct options *o, struct vfio_dev *dev, int out, struct reader *r)
{
	int64_t start = now_ns(), stopped, done;
	char reason[256];
	int fd, err, back;

	err = mig_set(dev, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	if (err)
		return fail("%s: cannot enter STOP_COPY: %s; its state is %s", dev->bdf, strerror(-err),
			    snapshot_state_name(mig_get(dev)));
	stopped = now_ns();
	err = copy(fd, out, r);
	done = now_ns();
	back = mig_set(dev, VFIO_DEVICE_STATE_RUNNING, NULL);
	close(fd);
	if (err)
		return fail("%s: saving: %s; look for \"migration:\" in the kernel log", dev->bdf,
			    strerror(-err));
	if (back)
		return fail("%s: cannot return to RUNNING: %s", dev->bdf, strerror(-back));
	err = reader_finish(r);
	if (err) {
		reader_reason(r, err, reason, sizeof(reason));
		return fail("%s: the driver's stream is not in order: %s", dev->bdf, reason);
	}
	report(o, dev, r, stopped - start, done - stopped);
	return STATUS_OK;
}

int cmd_save(const struct options *o)
{
	struct reader *r = malloc(sizeof(*r));
	char *temporary = NULL;
	struct vfio_dev dev;
	int out, status, err;
	uint64_t flags;

	if (!r)
		return fail("out of memory");
	reader_init(r);
	status = device_open_or_say(&dev, o->args[0], &flags);
	if (status != STATUS_OK) {
		free(r);
		return status;
	}
	out = open_beside(o->args[1], &temporary);
	if (out < 0) {
		status = fail("%s: %s", o->args[1], strerror(errno));
	} else {
		status = save(o, &dev, out, r);
		err = keep(out, temporary, o->args[1], status == STATUS_OK);
		if (err)
			status = fail("%s: %s", o->args[1], strerror(-err));
		close(out);
	}
	free(temporary);
	vfio_dev_close(&dev);
	reader_free(r);
	free(r);
	return status;
}
