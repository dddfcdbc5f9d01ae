// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "pages.h"

static const char events[] = "kmem:mm_page_alloc kmem:mm_page_free";

static int put(const struct pages *p, const char *file, const char *value)
{
	char path[128];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", p->trace, file);
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
	struct stat st;

	memset(p, 0, sizeof(*p));
	strcpy(p->trace, "/sys/kernel/tracing");
	if (stat("/sys/kernel/tracing/events", &st)) {
		strcpy(p->mounted, "/sys/kernel/tracing");
		if (mount("none", p->mounted, "tracefs", 0, NULL))
			return -errno;
	}
	TRY(put(p, "tracing_on", "0"));
	TRY(put(p, "buffer_size_kb", "8192"));
	TRY(put(p, "set_event", events));
	return 0;
}

void pages_begin(struct pages *p)
{
	put(p, "trace", "");
	put(p, "tracing_on", "1");
}

static void count(struct pages *p, const char *line)
{
	bool allocated = strstr(line, " mm_page_alloc: ");

	if (!allocated && !strstr(line, " mm_page_free: "))
		return;
	/* What turning the recorder on and off takes is its own. */
	if (p->allocated + p->freed < 20)
		printf("# %s", line);
	*(allocated ? &p->allocated : &p->freed) += 1;
}

void pages_end(struct pages *p)
{
	char path[128], line[512];
	FILE *f;

	put(p, "tracing_on", "0");
	p->allocated = 0;
	p->freed = 0;
	snprintf(path, sizeof(path), "%s/trace", p->trace);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		count(p, line);
	if (f)
		fclose(f);
}

void pages_close(struct pages *p)
{
	put(p, "set_event", "");
	if (p->mounted[0])
		umount(p->mounted);
}
