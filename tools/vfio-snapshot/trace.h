/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parses events of the tracepoints vfio_snapshot:* in text from tracefs, trace-cmd
 * report or perf script.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum event_kind {
	EVENT_ARC_BEGIN,
	EVENT_ARC_END,
	EVENT_COMMAND_BEGIN,
	EVENT_COMMAND_END,
	EVENT_RECORD,
	EVENT_DATA,
	EVENT_RESET,
	EVENT_OTHER,
};

#define WORD 24

/* Fields that an event lacks are "" or 0. */
struct event {
	enum event_kind kind;
	int64_t time;		/* ns since an unknown start */
	char device[WORD];
	char from[WORD];
	char to[WORD];
	char state[WORD];
	char level[WORD];
	char command[WORD];
	char arg[WORD];
	char dir[WORD];
	char what[WORD];
	char tag[WORD];
	char was[WORD];
	int64_t result;
	int64_t duration;	/* ns */
	int64_t bytes;
	int64_t total;
	int64_t pending;
};

/* True if the line is one of our events */
bool event_parse(struct event *e, const char *line);
const char *event_name(const struct event *e);

/* tracefs.c: uses its own instance, so that it disturbs no other tracing */
struct tracer {
	char path[128];
	int pipe;
};

/* 0; or prints an error and returns an enum status */
int tracer_start(struct tracer *t);
void tracer_stop(struct tracer *t);
/* SIGINT and SIGTERM end tracer_follow() */
void tracer_catch_signals(void);
/*
 * Calls @line for each line, and @tick at least every @every ms, for @seconds
 * (0: until a signal)
 */
void tracer_follow(struct tracer *t, double seconds, int every,
		   void (*line)(void *context, const char *text), void (*tick)(void *context),
		   void *context);

#endif /* TRACE_H */
