// SPDX-License-Identifier: GPL-2.0-only
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

int write_file(const char *text, const char *path, ...)
{
	size_t left = strlen(text);
	char name[PATH_MAX];
	int fd, ret = 0;
	ssize_t put;
	va_list ap;

	va_start(ap, path);
	vsnprintf(name, sizeof(name), path, ap);
	va_end(ap);
	fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Some files of tracefs take one word per write. */
	do {
		put = write(fd, text, left);
		if (put < 0) {
			ret = -errno;
			break;
		}
		text += put;
		left -= put;
	} while (put && left);
	close(fd);
	return ret;
}
