/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines of the kernel log about one device, from the moment of kmsg_open() on */
#ifndef KMSG_H
#define KMSG_H

#include <stddef.h>

/* An fd at the end of the log, or -errno */
int kmsg_open(void);
/*
 * Reads to the end of the log and counts the lines of a driver and device ("...
 * @bdf: ") that contain @what. Copies the last one, without its prefix, to
 * @line.
 */
int kmsg_count(int fd, const char *bdf, const char *what, char *line, size_t len);

#endif /* KMSG_H */
