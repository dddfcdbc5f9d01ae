/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver's trace events of one device */
#ifndef TRACE_H
#define TRACE_H

#include <stdint.h>

struct event {
	char name[32];		/* without "vfio_snapshot_" */
	char from[20], to[20], state[20], was[20];
	char level[12], command[20], arg[12], what[12], tag[16], dir[8];
	int64_t result, bytes, duration, total, pending, raced;
};

#define MAX_EVENTS 512

struct trace {
	char dir[64];
	struct event *events;
	unsigned int nr;
};

/* 0, -ENOENT when the kernel has no such events, or another -errno */
int trace_begin(struct trace *t);
/* Adds the new events of @bdf: 0 or -errno */
int trace_read(struct trace *t, const char *bdf);
void trace_end(struct trace *t);
/* Records an event @event only if it matches @filter: 0 or -errno */
int trace_filter(struct trace *t, const char *event, const char *filter);
/* Whether the format of @event has @field */
int trace_has_field(struct trace *t, const char *event, const char *field);

#endif /* TRACE_H */
