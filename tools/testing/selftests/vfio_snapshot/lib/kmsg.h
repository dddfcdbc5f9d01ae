/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel log says about a device from a moment on */
#ifndef KMSG_H
#define KMSG_H

#include <stddef.h>

/* An fd that stands at the end of the log, or -errno */
int kmsg_open(void);
/*
 * Reads on to the end: how many lines are of driver and device ("... @bdf: ")
 * and have @what in them. The last of them is put into @line, without its head.
 */
int kmsg_count(int fd, const char *bdf, const char *what, char *line, size_t len);

#endif /* KMSG_H */
