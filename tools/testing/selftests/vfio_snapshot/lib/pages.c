// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "pages.h"

#define TRACEFS "/sys/kernel/tracing/"
#define SHOWN 20	/* events that are printed */

static int put(const char *file, const char *value)
{
	char path[128];
	int fd, ret = 0;

	snprintf(path, sizeof(path), TRACEFS "%s", file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int pages_open(struct pages *p)
{
	char pid[16];
	int ret;

	memset(p, 0, sizeof(*p));
	if (access(TRACEFS "events", F_OK)) {
		if (mount("none", TRACEFS, "tracefs", 0, NULL))
			return -ENODEV;
		p->mounted = true;
	}
	if (access(TRACEFS "events/kmem/mm_page_alloc", F_OK)) {
		pages_close(p);
		return -ENODEV;
	}
	snprintf(pid, sizeof(pid), "%d", getpid());
	ret = put("tracing_on", "0");
	if (!ret)
		ret = put("buffer_size_kb", "8192");
	if (!ret)
		ret = put("set_event_pid", pid);
	if (!ret)
		ret = put("set_event", "kmem:mm_page_alloc kmem:mm_page_free");
	if (ret)
		pages_close(p);
	return ret;
}

void pages_begin(struct pages *p)
{
	p->allocated = 0;
	p->freed = 0;
	put("trace", "");
	put("tracing_on", "1");
}

void pages_end(struct pages *p)
{
	char line[512];
	FILE *f;

	put("tracing_on", "0");
	f = fopen(TRACEFS "trace", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, " mm_page_alloc: "))
			p->allocated++;
		else if (strstr(line, " mm_page_free: "))
			p->freed++;
		else
			continue;
		if (p->allocated + p->freed <= SHOWN)
			printf("# %s", line);
	}
	if (f)
		fclose(f);
}

void pages_close(struct pages *p)
{
	put("set_event", "");
	put("set_event_pid", "");
	put("tracing_on", "1");
	if (p->mounted)
		umount(TRACEFS);
	p->mounted = false;
}
