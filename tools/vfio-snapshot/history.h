/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The history in a trace: states of each device over time, firmware commands, and
 * blackouts, in which a guest was stopped.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include "trace.h"

struct span {
	int64_t begin;
	int64_t end;
	char name[WORD];	/* state, command, or state before an arc */
	char arg[WORD];		/* argument of a command, or state after an arc */
	int64_t result;
	int64_t bytes;
	bool open;		/* it has no end in the trace */
};

struct spans {
	struct span *span;
	unsigned int nr;
};

struct lane {
	char device[WORD];
	struct spans states;
	struct spans arcs;
	struct spans commands;
	int64_t saved;		/* bytes of device data */
	int64_t loaded;
};

struct blackout {
	int64_t begin;
	int64_t end;
	int source;		/* lanes */
	int target;		/* -1: the guest continued at the source */
	bool open;		/* the trace ends before the guest runs again */
	int64_t firmware;	/* ns of begin..end in firmware commands of either device */
	int64_t driver;		/* ns of begin..end in arcs, without commands */
};

#define MAX_LANES 64
#define MAX_EVENTS 1000000

struct history {
	struct lane lane[MAX_LANES];
	unsigned int nr_lanes;
	struct blackout *blackout;
	unsigned int nr_blackouts;
	int64_t begin;
	int64_t end;
	unsigned int events;
	bool lost;		/* more devices or events than fit */
};

void history_add(struct history *h, const struct event *e);
/* After the last event: closes open spans and finds the blackouts */
void history_finish(struct history *h);
void history_free(struct history *h);
/* ns that a span overlaps with a blackout */
int64_t history_overlap(const struct span *s, const struct blackout *b);

/* terminal.c, svg.c */
void history_print(const struct history *h, FILE *out);
void history_json(const struct history *h, FILE *out);
void history_svg(const struct history *h, FILE *out);

#endif /* HISTORY_H */
