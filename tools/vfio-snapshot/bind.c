// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-snapshot bind, unbind: set and clear driver_override, which lasts until
 * unbind or a reboot. No configuration file is written.
 */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "function.h"
#include "json.h"
#include "sysfs.h"
#include "vfio-snapshot.h"

#define DEVICES "/sys/bus/pci/devices"

extern char **environ;

/* By modprobe, which loads the modules that it depends on. */
static int load(const char *module)
{
	char *argv[] = { "modprobe", (char *)module, NULL };
	int status;
	pid_t pid;

	if (driver_loaded(module))
		return 0;
	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ))
		return -ENOENT;
	if (waitpid(pid, &status, 0) < 0 || status)
		return -ENOEXEC;
	return driver_loaded(module) ? 0 : -ENOENT;
}

static int release(const struct function *f)
{
	return *f->driver ? sys_write(f->bdf, DEVICES "/%s/driver/unbind", f->bdf) : 0;
}

static void override_of(const struct function *f, char *driver, size_t size)
{
	sys_read(driver, size, DEVICES "/%s/driver_override", f->bdf);
	if (!strcmp(driver, "(null)"))
		*driver = '\0';
}

static int set_override(const struct function *f, const char *driver)
{
	char line[72];

	snprintf(line, sizeof(line), "%s\n", driver);
	return sys_write(line, DEVICES "/%s/driver_override", f->bdf);
}

/* The kernel chooses the driver, as driver_override allows. */
static void probe(const char *bdf, char *driver, size_t size)
{
	sys_write(bdf, "/sys/bus/pci/drivers_probe");
	sys_link(driver, size, DEVICES "/%s/driver", bdf);
}

/* Bind the driver it had, which drivers_probe might not choose. */
static void put_back(const struct function *f, const char *override)
{
	set_override(f, *override ? override : f->driver);
	if (*f->driver)
		sys_write(f->bdf, "/sys/bus/pci/drivers/%s/bind", f->driver);
	if (!*override)
		set_override(f, "");
}

/* Unbinding a device in use waits until it is closed; unbinding a PF removes its VFs. */
static int may_move(const struct function *f, const char *to)
{
	if (f->user)
		return fail("%s is in use by process %d (%s): stop that first", f->bdf, f->user,
			    f->user_name);
	if (f->vfs > 0 && strcmp(f->driver, to))
		return fail("%s is a physical function with %ld virtual functions: write 0 to its sriov_numvfs first",
			    f->bdf, f->vfs);
	return STATUS_OK;
}

static int bind_one(const struct function *f, const char *driver)
{
	char before[64], now[64];
	int err;

	if (!strcmp(f->driver, driver))
		return STATUS_OK;
	err = load(driver);
	if (err)
		return fail("%s: the module %s cannot be loaded: install the vfio-snapshot DKMS package, or run make modules modules_install in its source",
			    f->bdf, driver);
	override_of(f, before, sizeof(before));
	err = release(f);
	if (err)
		return fail("%s: cannot unbind %s: %s", f->bdf, f->driver, strerror(-err));
	err = set_override(f, driver);
	if (!err) {
		probe(f->bdf, now, sizeof(now));
		if (!strcmp(now, driver))
			return STATUS_OK;
	}
	put_back(f, before);
	return fail("%s: %s did not take it%s%s; it is back as it was: look at the end of the kernel log",
		    f->bdf, driver, err ? ": " : "", err ? strerror(-err) : "");
}

static int unbind_one(const struct function *f)
{
	char before[64];
	int err;

	override_of(f, before, sizeof(before));
	if (!f->vfio && !*before)
		return STATUS_OK;
	if (f->vfio) {
		err = release(f);
		if (err)
			return fail("%s: cannot unbind %s: %s", f->bdf, f->driver, strerror(-err));
	}
	err = set_override(f, "");
	return err ? fail("%s: cannot clear driver_override: %s", f->bdf, strerror(-err)) :
		     STATUS_OK;
}

static void show(struct json *j, const struct options *o, const struct function *f)
{
	char now[64];

	sys_link(now, sizeof(now), DEVICES "/%s/driver", f->bdf);
	if (!o->json) {
		printf("%s: %s -> %s\n", f->bdf, *f->driver ? f->driver : "no driver",
		       *now ? now : "no driver");
		if (!*now && !f->autoprobe)
			printf("    the physical function's sriov_drivers_autoprobe is 0: the kernel binds none\n");
		return;
	}
	json_open(j, NULL, '{');
	json_string(j, "device", f->bdf);
	*f->driver ? json_string(j, "from", f->driver) : json_null(j, "from");
	*now ? json_string(j, "to", now) : json_null(j, "to");
	json_close(j, '}');
}

/* If one device fails, go on with the next. */
static int each(const struct options *o, bool binds)
{
	struct json j = { .out = stdout };
	int i, one, status = STATUS_OK;
	struct function f;
	char bdf[16], now[64];

	for (i = 0; i < o->nr_args; i++) {
		if (full_bdf(o->args[i], bdf)) {
			fail("%s is not a PCI address like 0000:3b:00.1", o->args[i]);
			return STATUS_USAGE;
		}
	}
	if (o->json)
		json_open(&j, NULL, '[');
	for (i = 0; i < o->nr_args; i++) {
		const char *driver;

		full_bdf(o->args[i], bdf);
		if (function_read(&f, bdf)) {
			status = fail("there is no PCI function %s", bdf);
			continue;
		}
		driver = o->driver ? o->driver : f.wanted;
		if (binds && !*driver) {
			fail("%s: no driver on this host is known to migrate it; --driver names one", bdf);
			status = STATUS_NOT_MIGRATABLE;
			continue;
		}
		one = may_move(&f, binds ? driver : "");
		if (one == STATUS_OK)
			one = binds ? bind_one(&f, driver) : unbind_one(&f);
		if (!binds && one == STATUS_OK)
			probe(bdf, now, sizeof(now));
		if (one != STATUS_OK)
			status = one;
		else
			show(&j, o, &f);
	}
	if (o->json)
		json_close(&j, ']');
	return status;
}

int cmd_bind(const struct options *o)
{
	return each(o, true);
}

int cmd_unbind(const struct options *o)
{
	return each(o, false);
}
