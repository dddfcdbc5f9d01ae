// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "vfio-snapshot.h"

static const char *const names[] = {
	[EVENT_ARC_BEGIN] = "arc_begin",
	[EVENT_ARC_END] = "arc_end",
	[EVENT_COMMAND_BEGIN] = "command_begin",
	[EVENT_COMMAND_END] = "command_end",
	[EVENT_RECORD] = "record",
	[EVENT_DATA] = "data",
	[EVENT_RESET] = "reset",
	[EVENT_OTHER] = "other",
};

const char *event_name(const struct event *e)
{
	return names[e->kind];
}

static const struct { const char *name; size_t at; } words[] = {
	{ "device", offsetof(struct event, device) },
	{ "from", offsetof(struct event, from) },
	{ "to", offsetof(struct event, to) },
	{ "state", offsetof(struct event, state) },
	{ "level", offsetof(struct event, level) },
	{ "command", offsetof(struct event, command) },
	{ "arg", offsetof(struct event, arg) },
	{ "dir", offsetof(struct event, dir) },
	{ "what", offsetof(struct event, what) },
	{ "tag", offsetof(struct event, tag) },
	{ "was", offsetof(struct event, was) },
};

static const struct { const char *name; size_t at; } numbers[] = {
	{ "result", offsetof(struct event, result) },
	{ "duration", offsetof(struct event, duration) },
	{ "bytes", offsetof(struct event, bytes) },
	{ "total", offsetof(struct event, total) },
	{ "pending", offsetof(struct event, pending) },
};

#define MOST_NS (1LL << 50)	/* 13 days: sums do not overflow */

static int64_t bounded(const char *text)
{
	long long value = strtoll(text, NULL, 10);

	return value > MOST_NS ? MOST_NS : value < -MOST_NS ? -MOST_NS : value;
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       strchr(":._-/", c);
}

/* The characters of names and numbers in our events */
static void take_word(char to[WORD], const char *from)
{
	size_t len = 0;

	while (from[len] && len < WORD - 1 && is_word(from[len])) {
		to[len] = from[len];
		len++;
	}
	to[len] = '\0';
}

static void take_field(struct event *e, const char *name, size_t len, const char *value)
{
	size_t i;

	for (i = 0; i < NR(words); i++)
		if (strlen(words[i].name) == len && !strncmp(words[i].name, name, len))
			take_word((char *)e + words[i].at, value);
	for (i = 0; i < NR(numbers); i++)
		if (strlen(numbers[i].name) == len && !strncmp(numbers[i].name, name, len))
			*(int64_t *)((char *)e + numbers[i].at) = bounded(value);
}

/* "SECONDS.FRACTION: ", which ends at @end */
static bool take_time(struct event *e, const char *line, const char *end)
{
	int64_t seconds, fraction = 0, unit = 1000000000;
	const char *c;

	if (end - line < 2 || strncmp(end - 2, ": ", 2))
		return false;
	for (c = end - 2; c > line && strchr("0123456789.", c[-1]); c--)
		;
	seconds = bounded(c);
	c = memchr(c, '.', end - c);
	if (!c || seconds < 0 || seconds > MOST_NS / 1000000000)
		return false;
	for (c++; *c >= '0' && *c <= '9' && unit > 1; c++) {
		fraction = fraction * 10 + (*c - '0');
		unit /= 10;
	}
	e->time = seconds * 1000000000 + fraction * unit;
	return true;
}

bool event_parse(struct event *e, const char *line)
{
	const char *event = strstr(line, ": vfio_snapshot_");
	const char *field, *prefix = "vfio_snapshot:vfio_snapshot_";
	size_t len;

	*e = (struct event){ .kind = EVENT_OTHER };
	/* perf script writes the system before the event. */
	if (event)
		event += 2;
	else
		event = strstr(line, prefix);
	if (!event || !take_time(e, line, event))
		return false;
	event = strstr(event, "vfio_snapshot_") + strlen("vfio_snapshot_");
	len = strcspn(event, ": ");
	for (e->kind = 0; e->kind < EVENT_OTHER; e->kind++)
		if (strlen(names[e->kind]) == len && !strncmp(event, names[e->kind], len))
			break;

	for (field = event; (field = strchr(field, ' ')); ) {
		field++;
		len = strcspn(field, "= ");
		if (field[len] == '=')
			take_field(e, field, len, field + len + 1);
	}
	return *e->device;
}
