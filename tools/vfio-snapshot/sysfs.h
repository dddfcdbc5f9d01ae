/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads files of /sys, /proc and /lib/modules. Paths are formatted as by printf, and
 * below $VFIO_SNAPSHOT_ROOT, which the tests set.
 */
#ifndef SYSFS_H
#define SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PATH_FORMAT(n) __attribute__((format(printf, n, n + 1)))

bool sys_is_fake(void);
bool sys_exists(const char *format, ...) PATH_FORMAT(1);
/* The first line; 0, or -errno with @value "" */
int sys_read(char *value, size_t size, const char *format, ...) PATH_FORMAT(3);
long sys_number(const char *format, ...) PATH_FORMAT(1);	/* -1: none */
/* The last part of a link's target */
int sys_link(char *name, size_t size, const char *format, ...) PATH_FORMAT(3);
int sys_write(const char *value, const char *format, ...) PATH_FORMAT(2);
FILE *sys_open(const char *format, ...) PATH_FORMAT(1);
/* A link's whole target; its length, or -errno */
int sys_target(char *target, size_t size, const char *name);
/* Sorted names in a folder; the caller frees each and the array. Their number, or -errno */
int sys_names(char ***names, const char *format, ...) PATH_FORMAT(2);
void sys_names_free(char **names, int nr);
/* The first name in a folder that begins with @prefix */
int sys_first(char *name, size_t size, const char *prefix, const char *format, ...)
	PATH_FORMAT(4);

#endif /* SYSFS_H */
