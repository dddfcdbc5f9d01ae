// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "sriov.h"

#define PCI "/sys/bus/pci"

static int put_attribute(const char *bdf, const char *attribute, const char *text)
{
	return write_file(text, PCI "/devices/%s/%s", bdf, attribute);
}

static int get_number(const char *bdf, const char *attribute)
{
	char path[PATH_MAX];
	int number = -1;
	FILE *f;

	snprintf(path, sizeof(path), PCI "/devices/%s/%s", bdf, attribute);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &number) != 1)
		number = -1;
	fclose(f);
	return number;
}

static int pf_of(const char *bdf, char *name, size_t len)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t got;

	snprintf(path, sizeof(path), PCI "/devices/%s/physfn", bdf);
	got = readlink(path, target, sizeof(target) - 1);
	if (got < 0)
		return -ENODEV;
	target[got] = '\0';
	snprintf(name, len, "%s", basename(target));
	return 0;
}

int sriov_open(struct sriov *s)
{
	const char *vfs[SRIOV_VFS] = { test_env.bdf, test_env.bdf2 };
	char pf[16];
	int i, ret;

	*s = (struct sriov){};
	ret = pf_of(test_env.bdf, s->pf, sizeof(s->pf));
	if (ret)
		return ret;
	ret = pci_driver_name(s->pf, s->pf_driver, sizeof(s->pf_driver));
	if (ret)
		return ret;
	for (i = 0; i < SRIOV_VFS; i++) {
		if (!vfs[i] || pf_of(vfs[i], pf, sizeof(pf)) ||
		    strcmp(pf, s->pf))
			continue;
		ret = pci_driver_name(vfs[i], s->vf_driver[i],
				      sizeof(s->vf_driver[i]));
		if (ret)
			return ret;
		s->vf[i] = vfs[i];
	}
	s->numvfs = get_number(s->pf, "sriov_numvfs");
	return s->numvfs > 0 ? 0 : -ENODEV;
}

/* Sets the driver by name, so that no other driver takes the new device. */
static int bind(const char *bdf, const char *driver)
{
	char now[64];
	int ret;

	if (!pci_driver_name(bdf, now, sizeof(now)))
		return strcmp(now, driver) ? -EBUSY : 0;
	ret = put_attribute(bdf, "driver_override", driver);
	if (!ret)
		ret = write_file(bdf, PCI "/drivers_probe");
	if (!ret)
		ret = pci_driver_name(bdf, now, sizeof(now));
	return ret;
}

static int make_vfs(struct sriov *s)
{
	int ret, tries;
	char text[16];

	if (get_number(s->pf, "sriov_numvfs") == s->numvfs)
		return 0;
	ret = put_attribute(s->pf, "sriov_drivers_autoprobe", "0");
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "%d", s->numvfs);
	/* The PF's driver, or a module that it loads, may need time. */
	for (tries = 0; tries < 500; tries++) {
		ret = put_attribute(s->pf, "sriov_numvfs", text);
		if (ret != -EBUSY)
			break;
		usleep(10000);
	}
	return ret;
}

int sriov_restore(struct sriov *s)
{
	char now[64];
	int i, ret = 0;

	if (pci_driver_name(s->pf, now, sizeof(now)))
		ret = write_file(s->pf, PCI "/drivers/%s/bind", s->pf_driver);
	if (!ret)
		ret = make_vfs(s);
	for (i = 0; i < SRIOV_VFS && !ret; i++)
		if (s->vf[i])
			ret = bind(s->vf[i], s->vf_driver[i]);
	return ret;
}

static int unbind(const char *bdf)
{
	return put_attribute(bdf, "driver/unbind", bdf);
}

int sriov_unbind_vf(struct sriov *s)
{
	return unbind(s->vf[0]);
}

int sriov_unbind_pf(struct sriov *s)
{
	return unbind(s->pf);
}

int sriov_no_vfs(struct sriov *s)
{
	return put_attribute(s->pf, "sriov_numvfs", "0");
}

int sriov_reload_pf(const struct sriov *s)
{
	char name[32];
	pid_t pid;
	int status;

	snprintf(name, sizeof(name), "pci/%s", s->pf);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);

		/* It warns that there are VFs. */
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execlp("devlink", "devlink", "dev", "reload", name, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}
