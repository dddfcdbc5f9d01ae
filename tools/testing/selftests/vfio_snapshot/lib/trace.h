/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver's trace events of one device, in a buffer of their own */
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

/* Starts: 0, -ENOENT where the kernel has no such events, or another -errno */
int trace_begin(struct trace *t);
/* What came since, of @bdf: 0 or -errno */
int trace_read(struct trace *t, const char *bdf);
void trace_end(struct trace *t);
/* How @event is formatted: whether there is a field with that name */
int trace_has_field(struct trace *t, const char *event, const char *field);

#endif /* TRACE_H */
