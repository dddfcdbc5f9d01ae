// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "vfio-snapshot.h"

static struct lane *lane_of(struct history *h, const char *device)
{
	unsigned int i;

	for (i = 0; i < h->nr_lanes; i++)
		if (!strcmp(h->lane[i].device, device))
			return &h->lane[i];
	if (h->nr_lanes == MAX_LANES)
		return NULL;
	snprintf(h->lane[h->nr_lanes].device, WORD, "%s", device);
	return &h->lane[h->nr_lanes++];
}

static struct span *add(struct spans *s, const char *name, int64_t begin)
{
	struct span *more;

	if (!(s->nr & (s->nr - 1))) {
		more = realloc(s->span, (s->nr ? 2 * s->nr : 1) * sizeof(*more));
		if (!more)
			abort();
		s->span = more;
	}
	more = &s->span[s->nr++];
	*more = (struct span){ .begin = begin, .end = begin, .open = true };
	snprintf(more->name, sizeof(more->name), "%s", name);
	return more;
}

static struct span *last(struct spans *s)
{
	return s->nr ? &s->span[s->nr - 1] : NULL;
}

static void close_span(struct span *s, int64_t end)
{
	if (s && s->open) {
		s->end = end;
		s->open = false;
	}
}

static void enter(struct lane *lane, const char *state, int64_t now)
{
	struct span *current = last(&lane->states);

	if (current && current->open && !strcmp(current->name, state))
		return;
	close_span(current, now);
	add(&lane->states, state, now);
}

/* The first event tells the state before it. */
static void know(struct history *h, struct lane *lane, const char *state)
{
	if (!lane->states.nr && *state)
		add(&lane->states, state, h->begin);
}

static void arc_begin(struct history *h, struct lane *lane, const struct event *e)
{
	struct span *arc;

	know(h, lane, e->from);
	close_span(last(&lane->arcs), e->time);
	arc = add(&lane->arcs, e->from, e->time);
	snprintf(arc->arg, sizeof(arc->arg), "%s", e->to);
}

static void arc_end(struct history *h, struct lane *lane, const struct event *e)
{
	struct span *arc = last(&lane->arcs);

	know(h, lane, e->from);
	if (arc && arc->open) {
		close_span(arc, e->time);
		arc->result = e->result;
	}
	if (*e->state)
		enter(lane, e->state, e->time);
}

static void command_begin(struct history *h, struct lane *lane, const struct event *e)
{
	struct span *command = add(&lane->commands, e->command, e->time);

	(void)h;
	snprintf(command->arg, sizeof(command->arg), "%s", e->arg);
}

/* The duration in the event has ns, the time of a line has us. */
static void command_end(struct history *h, struct lane *lane, const struct event *e)
{
	struct span *command = last(&lane->commands);

	(void)h;
	if (!command || !command->open || strcmp(command->name, e->command))
		return;
	close_span(command, e->time);
	if (e->duration > 0)
		command->end = command->begin + e->duration;
	command->result = e->result;
	command->bytes = e->bytes;
}

static void record(struct history *h, struct lane *lane, const struct event *e)
{
	(void)h;
	if (strcmp(e->tag, "data"))
		return;
	if (!strcmp(e->what, "queued"))
		lane->saved += e->bytes;
	else if (!strcmp(e->what, "loaded"))
		lane->loaded += e->bytes;
}

static void reset(struct history *h, struct lane *lane, const struct event *e)
{
	know(h, lane, e->was);
	close_span(last(&lane->arcs), e->time);
	enter(lane, e->state, e->time);
}

static void (*const handlers[])(struct history *, struct lane *, const struct event *) = {
	[EVENT_ARC_BEGIN] = arc_begin,
	[EVENT_ARC_END] = arc_end,
	[EVENT_COMMAND_BEGIN] = command_begin,
	[EVENT_COMMAND_END] = command_end,
	[EVENT_RECORD] = record,
	[EVENT_RESET] = reset,
};

void history_add(struct history *h, const struct event *e)
{
	struct lane *lane = lane_of(h, e->device);

	if (!lane || h->events == MAX_EVENTS) {
		h->lost = true;
		return;
	}
	if (!h->events++)
		h->begin = e->time;
	/* Lines are sorted by time; drop a line that is not. */
	if (h->events > 1 && e->time < h->end)
		return;
	h->end = e->time;
	if (e->kind < NR(handlers) && handlers[e->kind])
		handlers[e->kind](h, lane, e);
}

static bool is(const char *name, const char *const *set, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (!strcmp(name, set[i]))
			return true;
	return false;
}

static bool runs(const char *state)
{
	static const char *const set[] = { "RUNNING", "PRE_COPY" };

	return is(state, set, NR(set));
}

/* An arc's name is the state before it, its arg the state after it. */
static bool leaves_running(const struct span *arc)
{
	return runs(arc->name) && !runs(arc->arg);
}

/* When the device first runs again after @after, or -1 */
static int64_t runs_again(const struct lane *lane, int64_t after)
{
	unsigned int i;

	for (i = 0; i < lane->states.nr; i++)
		if (lane->states.span[i].begin > after && runs(lane->states.span[i].name))
			return lane->states.span[i].begin;
	return -1;
}

static bool was_in(const struct lane *lane, const char *state, int64_t from, int64_t to)
{
	unsigned int i;

	for (i = 0; i < lane->states.nr; i++) {
		const struct span *s = &lane->states.span[i];

		if (!strcmp(s->name, state) && s->begin <= to && s->end >= from)
			return true;
	}
	return false;
}

int64_t history_overlap(const struct span *s, const struct blackout *b)
{
	int64_t begin = s->begin > b->begin ? s->begin : b->begin;
	int64_t end = s->end < b->end ? s->end : b->end;

	return end > begin ? end - begin : 0;
}

/* The guest continues on the first device that runs after a load. */
static void find_target(const struct history *h, struct blackout *b, int64_t back)
{
	unsigned int i;

	for (i = 0; i < h->nr_lanes; i++) {
		int64_t there = runs_again(&h->lane[i], b->begin);

		if ((int)i == b->source || there < 0 || (back >= 0 && there > back) ||
		    !was_in(&h->lane[i], "RESUMING", b->begin, there))
			continue;
		if (b->target >= 0 && there >= b->end)
			continue;
		b->target = i;
		b->end = there;
	}
}

static int order(const void *a, const void *b)
{
	const struct span *one = a, *two = b;

	return one->begin < two->begin ? -1 : one->begin > two->begin;
}

/* Time of the blackout that the spans cover; overlaps count once. */
static int64_t covered(struct span *s, unsigned int nr, const struct blackout *b)
{
	int64_t sum = 0, at = b->begin;
	unsigned int i;

	qsort(s, nr, sizeof(*s), order);
	for (i = 0; i < nr; i++) {
		int64_t begin = s[i].begin > at ? s[i].begin : at;
		int64_t end = s[i].end < b->end ? s[i].end : b->end;

		if (end <= begin)
			continue;
		sum += end - begin;
		at = end;
	}
	return sum;
}

static unsigned int append(struct span *to, unsigned int nr, const struct spans *from)
{
	if (from->nr)
		memcpy(to + nr, from->span, from->nr * sizeof(*to));
	return nr + from->nr;
}

static void divide(const struct history *h, struct blackout *b)
{
	const int lanes[] = { b->source, b->target };
	unsigned int nr = 0, room = 0, i;
	struct span *all;

	for (i = 0; i < NR(lanes); i++)
		if (lanes[i] >= 0)
			room += h->lane[lanes[i]].commands.nr + h->lane[lanes[i]].arcs.nr;
	all = calloc(room + 1, sizeof(*all));
	if (!all)
		return;
	for (i = 0; i < NR(lanes); i++)
		if (lanes[i] >= 0)
			nr = append(all, nr, &h->lane[lanes[i]].commands);
	b->firmware = covered(all, nr, b);
	for (i = 0; i < NR(lanes); i++)
		if (lanes[i] >= 0)
			nr = append(all, nr, &h->lane[lanes[i]].arcs);
	b->driver = covered(all, nr, b) - b->firmware;
	free(all);
}

static void find_blackout(struct history *h, int source, const struct span *arc)
{
	int64_t back = runs_again(&h->lane[source], arc->begin);
	struct blackout b = { .begin = arc->begin, .source = source, .target = -1, .end = h->end };
	struct blackout *more;

	/* No STOP_COPY: the guest is only paused, or the device is about to load. */
	if (!was_in(&h->lane[source], "STOP_COPY", arc->begin, back < 0 ? h->end : back))
		return;
	find_target(h, &b, back);
	if (b.target < 0) {
		b.open = back < 0;
		b.end = back < 0 ? h->end : back;
	}
	divide(h, &b);
	more = realloc(h->blackout, (h->nr_blackouts + 1) * sizeof(*more));
	if (!more)
		abort();
	h->blackout = more;
	h->blackout[h->nr_blackouts++] = b;
}

static void end_spans(struct spans *s, int64_t end)
{
	unsigned int i;

	/* The last span may still be open. Others without an end lost an event: ignore them. */
	for (i = 0; i < s->nr; i++)
		if (s->span[i].open && i + 1 == s->nr)
			s->span[i].end = end;
}

static int by_begin(const void *a, const void *b)
{
	const struct blackout *one = a, *two = b;

	return one->begin < two->begin ? -1 : one->begin > two->begin;
}

/* When saving of the device began */
static int64_t saved_from(const struct lane *lane)
{
	static const char *const set[] = { "PRE_COPY", "STOP_COPY" };
	unsigned int i;

	for (i = 0; i < lane->states.nr; i++)
		if (is(lane->states.span[i].name, set, NR(set)))
			return lane->states.span[i].begin;
	return INT64_MAX;
}

/* Sort sources before destinations. */
static int by_saving(const void *a, const void *b)
{
	int64_t one = saved_from(a), two = saved_from(b);

	return one != two ? (one < two ? -1 : 1) : strcmp(((const struct lane *)a)->device,
							  ((const struct lane *)b)->device);
}

void history_finish(struct history *h)
{
	unsigned int i, k;

	qsort(h->lane, h->nr_lanes, sizeof(*h->lane), by_saving);

	for (i = 0; i < h->nr_lanes; i++) {
		end_spans(&h->lane[i].states, h->end);
		end_spans(&h->lane[i].arcs, h->end);
		end_spans(&h->lane[i].commands, h->end);
	}
	for (i = 0; i < h->nr_lanes; i++)
		for (k = 0; k < h->lane[i].arcs.nr; k++)
			if (leaves_running(&h->lane[i].arcs.span[k]))
				find_blackout(h, i, &h->lane[i].arcs.span[k]);
	if (h->nr_blackouts)
		qsort(h->blackout, h->nr_blackouts, sizeof(*h->blackout), by_begin);
}

void history_free(struct history *h)
{
	unsigned int i;

	for (i = 0; i < h->nr_lanes; i++) {
		free(h->lane[i].states.span);
		free(h->lane[i].arcs.span);
		free(h->lane[i].commands.span);
	}
	free(h->blackout);
}
