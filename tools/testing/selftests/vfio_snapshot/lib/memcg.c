// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "memcg.h"

/* The number in @file, or the number after @key in it */
static long long get(const char *dir, const char *file, const char *key)
{
	char path[PATH_MAX + 64], name[64];
	long long value, found = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (!key && fscanf(f, "%lld", &value) == 1)
		found = value;
	while (key && found < 0 && fscanf(f, "%63s %lld", name, &value) == 2)
		if (!strcmp(name, key))
			found = value;
	fclose(f);
	return found;
}

static int find_mount(char *path)
{
	struct mntent *m;
	FILE *f = setmntent("/proc/self/mounts", "re");
	int ret = -ENOENT;

	while (f && ret && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2"))
			continue;
		snprintf(path, PATH_MAX, "%s", m->mnt_dir);
		ret = 0;
	}
	if (f)
		endmntent(f);
	return ret;
}

static int mount_it(struct memcg *cg, char *path)
{
	snprintf(cg->mounted, sizeof(cg->mounted), "/tmp/memcg.XXXXXX");
	if (!mkdtemp(cg->mounted))
		return -errno;
	snprintf(path, PATH_MAX, "%s", cg->mounted);
	return mount("none", path, "cgroup2", 0, NULL) ? -errno : 0;
}

/* The caller's own cgroup, below @root */
static int find_home(struct memcg *cg, const char *root)
{
	char line[PATH_MAX / 2] = "";
	FILE *f = fopen("/proc/self/cgroup", "re");
	int ret = -ENODEV;

	while (f && ret && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::", 3))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(cg->home, sizeof(cg->home), "%.2000s%s", root, line + 3);
		ret = 0;
	}
	if (f)
		fclose(f);
	return ret;
}

int memcg_open(struct memcg *cg, const char *name)
{
	char root[PATH_MAX];
	int ret;

	memset(cg, 0, sizeof(*cg));
	ret = find_mount(root);
	if (ret)
		ret = mount_it(cg, root);
	if (!ret)
		ret = find_home(cg, root);
	if (ret)
		return -ENODEV;
	/* When this fails because another hierarchy has the controller, memcg_current() fails. */
	write_file("+memory", "%s/cgroup.subtree_control", root);
	snprintf(cg->path, sizeof(cg->path), "%.2000s/vfio_snapshot.%.64s.%d", root,
		 name, getpid());
	if (mkdir(cg->path, 0755))
		return -errno;
	snprintf(root, sizeof(root), "%.2000s/memory.peak", cg->path);
	cg->peak = open(root, O_RDWR | O_CLOEXEC);
	return memcg_current(cg) < 0 ? -ENODEV : 0;
}

int memcg_enter(struct memcg *cg)
{
	return write_file("0", "%s/cgroup.procs", cg->path);
}

int memcg_leave(struct memcg *cg)
{
	return write_file("0", "%s/cgroup.procs", cg->home);
}

int memcg_limit(struct memcg *cg, long long bytes)
{
	char value[32] = "max";

	if (bytes)
		snprintf(value, sizeof(value), "%lld", bytes);
	/* Fails on a kernel without swap. */
	write_file("0", "%s/memory.swap.max", cg->path);
	return write_file(value, "%s/memory.max", cg->path);
}

long long memcg_kernel(struct memcg *cg)
{
	return get(cg->path, "memory.stat", "kernel");
}

long long memcg_current(struct memcg *cg)
{
	return get(cg->path, "memory.current", NULL);
}

long long memcg_peak(struct memcg *cg)
{
	char value[32] = "";

	if (pread(cg->peak, value, sizeof(value) - 1, 0) <= 0 ||
	    write(cg->peak, "1", 1) != 1)
		return -EOPNOTSUPP;
	return atoll(value);
}

long long memcg_oom_kills(struct memcg *cg)
{
	return get(cg->path, "memory.events", "oom_kill");
}

long long memcg_settle(struct memcg *cg, long long bytes)
{
	long long left;
	int i;

	for (i = 0; i < 500; i++) {
		left = memcg_kernel(cg);
		if (left <= bytes)
			break;
		usleep(10000);
	}
	return left;
}

void memcg_close(struct memcg *cg)
{
	int i;

	if (!cg->path[0])
		return;
	memcg_leave(cg);
	if (cg->peak >= 0)
		close(cg->peak);
	for (i = 0; i < 100 && rmdir(cg->path) && errno == EBUSY; i++)
		usleep(10000);
	if (cg->mounted[0]) {
		umount(cg->mounted);
		rmdir(cg->mounted);
	}
	memset(cg, 0, sizeof(*cg));
}
