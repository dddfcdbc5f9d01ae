// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "function.h"
#include "vfio-snapshot.h"
#include "why.h"

/* Ways to open a device, each with the errno if the host lacks it. */
static const struct {
	const char *mode;
	int absent;
} ways[] = {
	{ "group", -ENOENT },
	{ "cdev", -ENOENT },
};

int device_open(struct vfio_dev *dev, const char *bdf)
{
	int ret = -ENOENT;
	size_t i;

	/* The tests set it. */
	if (getenv("VFIO_SNAPSHOT_MODE"))
		return vfio_dev_open(dev, bdf);
	for (i = 0; i < NR(ways) && ret == ways[i].absent; i++) {
		setenv("VFIO_SNAPSHOT_MODE", ways[i].mode, 1);
		ret = vfio_dev_open(dev, bdf);
	}
	unsetenv("VFIO_SNAPSHOT_MODE");
	return ret;
}

int device_open_or_say(struct vfio_dev *dev, const char *given, uint64_t *flags)
{
	struct function f;
	char bdf[16];
	int ret;

	if (full_bdf(given, bdf)) {
		fail("%s is not a PCI address like 0000:3b:00.1", given);
		return STATUS_USAGE;
	}
	if (function_read(&f, bdf))
		return fail("there is no PCI function %s", bdf);
	if (f.user)
		return fail("%s is in use by process %d (%s)", bdf, f.user, f.user_name);
	function_probe(&f);
	if (!f.migratable) {
		fail("%s cannot be migrated", bdf);
		why_print(stderr, &f);
		return STATUS_NOT_MIGRATABLE;
	}
	ret = device_open(dev, bdf);
	if (ret)
		return fail("cannot open %s: %s", bdf, strerror(-ret));
	*flags = f.flags;
	return STATUS_OK;
}
