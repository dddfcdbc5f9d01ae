/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LIB_FILE_H
#define LIB_FILE_H

/*
 * Write @text to an existing file; @path is a format of printf(). Return 0 or a
 * negative errno.
 */
__attribute__((format(printf, 2, 3)))
int write_file(const char *text, const char *path, ...);

#endif
