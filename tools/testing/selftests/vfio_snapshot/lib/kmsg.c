// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kmsg.h"

int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (lseek(fd, 0, SEEK_END) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

int kmsg_count(int fd, const char *bdf, const char *what, char *line, size_t len)
{
	char record[2048], head[32], *text;
	int count = 0;
	ssize_t got;

	line[0] = '\0';
	snprintf(head, sizeof(head), " %s: ", bdf);
	for (;;) {
		got = read(fd, record, sizeof(record) - 1);
		/* EPIPE: lines were overwritten before they were read. */
		if (got < 0 && errno == EPIPE)
			continue;
		if (got <= 0)
			return count;
		/* "priority,number,time,flags;driver device: text\n dictionary" */
		record[got] = '\0';
		record[strcspn(record, "\n")] = '\0';
		text = strstr(record, head);
		if (!text || !strstr(text, what))
			continue;
		count++;
		snprintf(line, len, "%s", text + strlen(head));
	}
}
