// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sysfs.h"

static const char *root(void)
{
	const char *root = getenv("VFIO_SNAPSHOT_ROOT");

	return root ? root : "";
}

bool sys_is_fake(void)
{
	return *root();
}

#define MAKE_PATH(path, format)						\
	do {								\
		int _len = snprintf(path, sizeof(path), "%s", root());	\
		va_list _list;						\
									\
		va_start(_list, format);				\
		if (_len >= 0 && _len < (int)sizeof(path))		\
			vsnprintf(path + _len, sizeof(path) - _len, format, _list); \
		va_end(_list);						\
	} while (0)

bool sys_exists(const char *format, ...)
{
	char path[PATH_MAX];

	MAKE_PATH(path, format);
	return !access(path, F_OK);
}

FILE *sys_open(const char *format, ...)
{
	char path[PATH_MAX];

	MAKE_PATH(path, format);
	return fopen(path, "re");
}

static int read_line(char *value, size_t size, const char *path)
{
	FILE *f = fopen(path, "re");
	int ret = 0;

	*value = '\0';
	if (!f)
		return -errno;
	if (!fgets(value, size, f)) {
		ret = ferror(f) ? -EIO : 0;
		*value = '\0';
	}
	value[strcspn(value, "\n")] = '\0';
	fclose(f);
	return ret;
}

int sys_read(char *value, size_t size, const char *format, ...)
{
	char path[PATH_MAX];

	MAKE_PATH(path, format);
	return read_line(value, size, path);
}

long sys_number(const char *format, ...)
{
	char path[PATH_MAX], value[32];

	MAKE_PATH(path, format);
	if (read_line(value, sizeof(value), path) || !*value)
		return -1;
	return strtol(value, NULL, 0);
}

int sys_link(char *name, size_t size, const char *format, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t got;

	MAKE_PATH(path, format);
	*name = '\0';
	got = readlink(path, target, sizeof(target) - 1);
	if (got < 0)
		return -errno;
	target[got] = '\0';
	snprintf(name, size, "%s", strrchr(target, '/') ? strrchr(target, '/') + 1 : target);
	return 0;
}

int sys_write(const char *value, const char *format, ...)
{
	char path[PATH_MAX];
	ssize_t put;
	int fd, ret = 0;

	MAKE_PATH(path, format);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	put = write(fd, value, strlen(value));
	if (put < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int names_in(char ***names, const char *path)
{
	struct dirent **entries;
	int i, nr;

	*names = NULL;
	nr = scandir(path, &entries, not_hidden, alphasort);
	if (nr < 0)
		return -errno;
	*names = calloc(nr + 1, sizeof(**names));
	for (i = 0; i < nr; i++) {
		if (*names)
			(*names)[i] = strdup(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return *names ? nr : -ENOMEM;
}

int sys_names(char ***names, const char *format, ...)
{
	char path[PATH_MAX];

	MAKE_PATH(path, format);
	return names_in(names, path);
}

void sys_names_free(char **names, int nr)
{
	while (nr > 0)
		free(names[--nr]);
	free(names);
}

int sys_first(char *name, size_t size, const char *prefix, const char *format, ...)
{
	char path[PATH_MAX], **names;
	int i, nr, ret = -ENOENT;

	MAKE_PATH(path, format);
	*name = '\0';
	nr = names_in(&names, path);
	for (i = 0; i < nr && ret; i++) {
		if (!names[i] || strncmp(names[i], prefix, strlen(prefix)))
			continue;
		snprintf(name, size, "%s", names[i]);
		ret = 0;
	}
	sys_names_free(names, nr);
	return ret;
}

int sys_target(char *target, size_t size, const char *name)
{
	char path[PATH_MAX];
	ssize_t got;

	snprintf(path, sizeof(path), "%s%s", root(), name);
	got = readlink(path, target, size - 1);
	if (got < 0)
		return -errno;
	target[got] = '\0';
	return got;
}
