// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-snapshot restore: try whether a device accepts a state. The device is reset
 * when the command closes it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arcs.h"
#include "clock.h"
#include "device.h"
#include "json.h"
#include "reader.h"
#include "vfio-snapshot.h"

/* What an errno of the driver says about the file. */
static const struct { int err; const char *text; } refusals[] = {
	{ EXDEV, "the state is of another kind of device" },
	{ EFBIG, "a record is larger than this device's state can be" },
	{ EOPNOTSUPP, "there is a record that this driver does not know and may not skip" },
	{ EBADMSG, "the records are not in order: vfio-snapshot info shows which" },
	{ ENODATA, "the stream is incomplete: vfio-snapshot info shows what is missing" },
	{ EINVAL, "the stream is malformed, or the firmware refuses the state" },
};

static const char *refusal(int err)
{
	size_t i;

	for (i = 0; i < NR(refusals); i++)
		if (refusals[i].err == -err)
			return refusals[i].text;
	return strerror(-err);
}

static int feed(FILE *in, int fd, uint64_t *bytes)
{
	static uint8_t buffer[1 << 20];
	size_t got, done = 0;
	int err = 0;

	while (!err && (got = fread(buffer, 1, sizeof(buffer), in)) > 0) {
		err = mig_write_all(fd, buffer, got, got, &done);
		*bytes += done;
	}
	return err;
}

static int restore(const struct options *o, struct vfio_dev *dev, FILE *in)
{
	struct json j = { .out = stdout };
	int64_t start, loaded, done;
	uint64_t bytes = 0;
	int fd, err;

	err = mig_set(dev, VFIO_DEVICE_STATE_RESUMING, &fd);
	if (err)
		return fail("%s: cannot enter RESUMING: %s; its state is %s", dev->bdf, strerror(-err),
			    snapshot_state_name(mig_get(dev)));
	start = now_ns();
	err = feed(in, fd, &bytes);
	close(fd);
	if (ferror(in))
		return fail("%s: cannot be read", o->args[1]);
	if (err)
		return fail("%s: not accepted after %" PRIu64 " bytes: %s (%s)", dev->bdf, bytes,
			    refusal(err), strerror(-err));
	loaded = now_ns();
	err = mig_set(dev, VFIO_DEVICE_STATE_STOP, NULL);
	if (!err)
		err = mig_set(dev, VFIO_DEVICE_STATE_RUNNING, NULL);
	done = now_ns();
	if (err)
		return fail("%s: not accepted at its end, %" PRIu64 " bytes: %s (%s)", dev->bdf,
			    bytes, refusal(err), strerror(-err));
	if (!o->json) {
		printf("%s: %" PRIu64 " bytes accepted, the device ran; writing %.3f ms, to RUNNING %.3f ms\n",
		       dev->bdf, bytes, (loaded - start) / 1e6, (done - loaded) / 1e6);
		return STATUS_OK;
	}
	json_open(&j, NULL, '{');
	json_string(&j, "device", dev->bdf);
	json_number(&j, "bytes", bytes);
	json_ms(&j, "write_ms", loaded - start);
	json_ms(&j, "running_ms", done - loaded);
	json_close(&j, '}');
	return STATUS_OK;
}

int cmd_restore(const struct options *o)
{
	bool from_stdin = !strcmp(o->args[1], "-");
	FILE *in = from_stdin ? stdin : fopen(o->args[1], "rbe");
	struct vfio_dev dev;
	uint64_t flags;
	int status;

	if (!in)
		return fail("%s: %s", o->args[1], strerror(errno));
	status = device_open_or_say(&dev, o->args[0], &flags);
	if (status == STATUS_OK) {
		status = restore(o, &dev, in);
		vfio_dev_close(&dev);
	}
	if (!from_stdin)
		fclose(in);
	return status;
}
