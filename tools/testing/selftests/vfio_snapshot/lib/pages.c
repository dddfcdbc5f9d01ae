// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "file.h"
#include "pages.h"

#define SHOWN 20	/* events to print */

int tracefs_put(const char *file, const char *value)
{
	return write_file(value, TRACEFS "%s", file);
}

int tracefs_open(bool *mounted)
{
	*mounted = false;
	if (!access(TRACEFS "events", F_OK))
		return 0;
	if (mount("none", TRACEFS, "tracefs", 0, NULL))
		return -ENODEV;
	*mounted = true;
	return 0;
}

void tracefs_close(bool mounted)
{
	tracefs_put("set_event", "");
	tracefs_put("set_event_pid", "");
	tracefs_put("tracing_on", "1");
	if (mounted)
		umount(TRACEFS);
}

int pages_open(struct pages *p)
{
	char pid[16];
	int ret;

	memset(p, 0, sizeof(*p));
	ret = tracefs_open(&p->mounted);
	if (ret)
		return ret;
	if (access(TRACEFS "events/kmem/mm_page_alloc", F_OK)) {
		pages_close(p);
		return -ENODEV;
	}
	snprintf(pid, sizeof(pid), "%d", getpid());
	ret = tracefs_put("tracing_on", "0");
	if (!ret)
		ret = tracefs_put("buffer_size_kb", "8192");
	if (!ret)
		ret = tracefs_put("set_event_pid", pid);
	if (!ret)
		ret = tracefs_put("set_event", "kmem:mm_page_alloc kmem:mm_page_free");
	if (ret)
		pages_close(p);
	return ret;
}

void pages_begin(struct pages *p)
{
	p->allocated = 0;
	p->freed = 0;
	tracefs_put("trace", "");
	tracefs_put("tracing_on", "1");
}

/*
 * Whether an event happened in an interrupt: the third flag of "task-pid [cpu]
 * FLAGS time: event". Pages that are freed there, for instance after a grace
 * period, are not the driver's.
 */
static bool in_interrupt(const char *line)
{
	const char *flags = strstr(line, "] ");

	return flags && strlen(flags) > 4 && flags[4] != '.';
}

void pages_end(struct pages *p)
{
	char line[512];
	FILE *f;

	tracefs_put("tracing_on", "0");
	f = fopen(TRACEFS "trace", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (in_interrupt(line))
			continue;
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
	tracefs_close(p->mounted);
	p->mounted = false;
}
