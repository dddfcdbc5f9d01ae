// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "trace.h"

#define TRACEFS "/sys/kernel/tracing"
#define PREFIX "vfio_snapshot_"

/* A field: a word, or a number */
struct field {
	const char *name;
	size_t at;
	size_t len;	/* 0: a number */
};

#define WORD(f) { #f, offsetof(struct event, f), sizeof(((struct event *)0)->f) }
#define NUMBER(f) { #f, offsetof(struct event, f), 0 }

static const struct field fields[] = {
	WORD(from), WORD(to), WORD(state), WORD(was), WORD(level), WORD(command),
	WORD(arg), WORD(what), WORD(tag), WORD(dir), NUMBER(result), NUMBER(bytes),
	NUMBER(duration), NUMBER(total), NUMBER(pending), NUMBER(raced),
};

static FILE *open_file(struct trace *t, const char *name, const char *mode)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", t->dir, name);
	return fopen(path, mode);
}

int trace_begin(struct trace *t)
{
	int ret;

	memset(t, 0, sizeof(*t));
	if (access(TRACEFS "/events", F_OK))
		mount("none", TRACEFS, "tracefs", 0, NULL);
	snprintf(t->dir, sizeof(t->dir), TRACEFS "/instances/snapshot%d", getpid());
	if (mkdir(t->dir, 0700)) {
		t->dir[0] = '\0';
		return -errno;
	}
	t->events = calloc(MAX_EVENTS, sizeof(*t->events));
	ret = t->events ? write_file("1", "%s/events/vfio_snapshot/enable", t->dir) : -ENOMEM;
	if (ret)
		trace_end(t);
	return ret;
}

void trace_end(struct trace *t)
{
	if (t->dir[0])
		rmdir(t->dir);
	t->dir[0] = '\0';
	free(t->events);
	t->events = NULL;
}

static void take_field(struct event *e, const char *name, const char *value)
{
	unsigned int i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(fields[i].name, name))
			continue;
		if (fields[i].len)
			snprintf((char *)e + fields[i].at, fields[i].len, "%s", value);
		else
			*(int64_t *)((char *)e + fields[i].at) = atoll(value);
	}
}

/* "TASK-PID [CPU] FLAGS TIME: vfio_snapshot_NAME: device=BDF FIELD=VALUE ..." */
static void take_line(struct trace *t, char *line, const char *bdf)
{
	char *name = strstr(line, " " PREFIX), *word, *rest, *value;
	struct event e = {};

	if (!name || line[0] == '#' || t->nr == MAX_EVENTS)
		return;
	word = strtok_r(name, " \n", &rest);
	snprintf(e.name, sizeof(e.name), "%s", word + strlen(PREFIX));
	e.name[strcspn(e.name, ":")] = '\0';
	while ((word = strtok_r(NULL, " \n", &rest))) {
		value = strchr(word, '=');
		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(word, "device") && strcmp(value, bdf))
			return;
		take_field(&e, word, value);
	}
	t->events[t->nr++] = e;
}

int trace_read(struct trace *t, const char *bdf)
{
	FILE *f = open_file(t, "trace", "r");
	char line[512];

	if (!f)
		return -errno;
	t->nr = 0;
	while (fgets(line, sizeof(line), f))
		take_line(t, line, bdf);
	fclose(f);
	return 0;
}

int trace_filter(struct trace *t, const char *event, const char *filter)
{
	char name[96];

	snprintf(name, sizeof(name), "events/vfio_snapshot/" PREFIX "%s/filter", event);
	return write_file(filter, "%s/%s", t->dir, name);
}

int trace_has_field(struct trace *t, const char *event, const char *field)
{
	char name[96], line[1024], want[40];
	int found = 0;
	FILE *f;

	snprintf(name, sizeof(name), "events/vfio_snapshot/" PREFIX "%s/format", event);
	f = open_file(t, name, "r");
	if (!f)
		return 0;
	snprintf(want, sizeof(want), " %s;", field);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "field:") && strstr(line, want))
			found = 1;
	fclose(f);
	return found;
}
