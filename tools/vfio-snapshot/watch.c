// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-snapshot watch: show migrations while they run. A hypervisor has the devices
 * open, so the tracepoints are the only source.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "trace.h"
#include "vfio-snapshot.h"

#define MAX_WATCHED 64
#define BAR 24
#define REFRESH_NS 200000000LL

struct watched {
	char device[WORD];
	char state[WORD];
	char dir[WORD];
	int64_t total;		/* moved in this session */
	int64_t pending;	/* waiting to be read */
	int64_t rate_from;	/* bytes, at rate_at */
	int64_t rate_at;	/* ns in the trace: start of this state */
	double rate;		/* bytes a second since then */
};

struct screen {
	const struct options *o;
	struct watched device[MAX_WATCHED];
	unsigned int nr;
	bool live;		/* on a terminal, drawn in place */
	unsigned int drawn;	/* lines drawn last time */
	int64_t drawn_at;
};

static struct watched *find(struct screen *s, const char *device)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (!strcmp(s->device[i].device, device))
			return &s->device[i];
	if (s->nr == MAX_WATCHED)
		return NULL;
	s->device[s->nr] = (struct watched){ .state = "RUNNING" };
	snprintf(s->device[s->nr].device, WORD, "%s", device);
	return &s->device[s->nr++];
}

static bool asked_for(const struct options *o, const char *device)
{
	char bdf[16];
	int i;

	for (i = 0; i < o->nr_args; i++)
		if (!full_bdf(o->args[i], bdf) && !strcmp(bdf, device))
			return true;
	return !o->nr_args;
}

static void enter(struct watched *w, const struct event *e)
{
	static const char *const opening[] = { "PRE_COPY", "STOP_COPY", "RESUMING" };
	bool was_saving = !strncmp(w->state, "PRE_COPY", 8);
	size_t i;

	for (i = 0; i < NR(opening); i++) {
		if (strcmp(e->state, opening[i]))
			continue;
		/* After pre-copy the session goes on: keep its total. */
		w->rate_from = was_saving ? w->total : 0;
		w->rate_at = e->time;
		w->rate = 0;
	}
	snprintf(w->state, sizeof(w->state), "%s", e->state);
}

static void move(struct watched *w, const struct event *e)
{
	/* The trace starts in a session. */
	if (!w->rate_at) {
		w->rate_from = e->total - e->bytes;
		w->rate_at = e->time;
	}
	snprintf(w->dir, sizeof(w->dir), "%s", e->dir);
	w->total = e->total;
	w->pending = e->pending;
	if (e->time > w->rate_at)
		w->rate = (w->total - w->rate_from) * 1e9 / (e->time - w->rate_at);
}

static const char *unit(double *value)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	size_t i = 0;

	while (*value >= 1000 && i < NR(units) - 1) {
		*value /= 1000;
		i++;
	}
	return units[i];
}

static void amount(FILE *out, double value, const char *per)
{
	const char *name = unit(&value);

	fprintf(out, "%7.1f %-2s%s", value, name, per);
}

/* Saving: the part of the known bytes that was read. Loading: the end is not known. */
static void bar(FILE *out, const struct watched *w)
{
	double all = (double)w->total + w->pending;
	int full = all > 0 ? w->total * BAR / all : 0, i;

	fputc('[', out);
	for (i = 0; i < BAR; i++)
		fputc(!strcmp(w->dir, "load") ? '.' : i < full ? '#' : ' ', out);
	fputc(']', out);
}

static void line_of(FILE *out, const struct watched *w)
{
	fprintf(out, "%-12s %s", w->device, w->state);
	if (*w->dir) {
		fprintf(out, "%*s %-4s ", 13 - (int)strlen(w->state), "", w->dir);
		amount(out, w->total, "");
		amount(out, w->rate, "/s");
		fputc(' ', out);
		bar(out, w);
	}
}

static void draw(struct screen *s)
{
	unsigned int i;

	if (s->drawn)
		printf("\033[%uA", s->drawn);
	for (i = 0; i < s->nr; i++) {
		line_of(stdout, &s->device[i]);
		printf("\033[K\n");
	}
	s->drawn = s->nr;
	fflush(stdout);
}

static void json_line(const struct event *e, const struct watched *w)
{
	printf("{\"time_ms\": %.3f, \"event\": \"%s\", \"device\": \"%s\", \"state\": \"%s\"",
	       e->time / 1e6, event_name(e), e->device, w->state);
	if (e->kind == EVENT_DATA)
		printf(", \"dir\": \"%s\", \"bytes\": %" PRId64 ", \"total\": %" PRId64
		       ", \"pending\": %" PRId64 ", \"bytes_per_s\": %.0f", w->dir, e->bytes, w->total,
		       w->pending, w->rate);
	if (e->kind == EVENT_ARC_END)
		printf(", \"from\": \"%s\", \"to\": \"%s\", \"result\": %" PRId64, e->from, e->to,
		       e->result);
	printf("}\n");
}

/* If stdout is not a terminal: a line for each change */
static void text_line(const struct event *e, const struct watched *w)
{
	printf("%12.3f  ", e->time / 1e6);
	line_of(stdout, w);
	if (e->kind == EVENT_ARC_END && e->result)
		printf("  %s to %s failed: %s", e->from, e->to, strerror(-e->result));
	if (e->kind == EVENT_RESET)
		printf("  reset");
	putchar('\n');
}

static void take(void *context, const char *line)
{
	struct screen *s = context;
	struct watched *w;
	struct event e;

	if (!event_parse(&e, line) || !asked_for(s->o, e.device))
		return;
	w = find(s, e.device);
	if (!w)
		return;
	switch (e.kind) {
	case EVENT_ARC_BEGIN:
		snprintf(w->state, sizeof(w->state), "%s", e.from);
		return;
	case EVENT_ARC_END:
	case EVENT_RESET:
		enter(w, &e);
		break;
	case EVENT_DATA:
		move(w, &e);
		break;
	default:
		return;
	}
	if (s->o->json)
		json_line(&e, w);
	else if (!s->live && (e.kind != EVENT_DATA || !e.pending))
		text_line(&e, w);
}

static void tick(void *context)
{
	struct screen *s = context;

	if (s->live && now_ns() - s->drawn_at > REFRESH_NS) {
		draw(s);
		s->drawn_at = now_ns();
	}
	fflush(stdout);
}

static int from_file(struct screen *s)
{
	bool from_stdin = !strcmp(s->o->from, "-");
	FILE *in = from_stdin ? stdin : fopen(s->o->from, "re");
	char line[4096];

	if (!in)
		return fail("%s: %s", s->o->from, strerror(errno));
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		take(s, line);
	}
	if (!from_stdin)
		fclose(in);
	return s->nr ? STATUS_OK : fail("there are no events of vfio_snapshot in the trace");
}

int cmd_watch(const struct options *o)
{
	static struct screen screen;
	struct tracer tracer;
	int i, status;
	char bdf[16];

	screen.o = o;
	for (i = 0; i < o->nr_args; i++) {
		if (full_bdf(o->args[i], bdf)) {
			fail("%s is not a PCI address like 0000:3b:00.1", o->args[i]);
			return STATUS_USAGE;
		}
	}
	if (o->from)
		return from_file(&screen);

	status = tracer_start(&tracer);
	if (status != STATUS_OK)
		return status;
	screen.live = isatty(STDOUT_FILENO) && !o->json;
	if (screen.live)
		puts("waiting for migrations; Ctrl-C ends this");
	tracer_catch_signals();
	tracer_follow(&tracer, o->seconds, 50, take, tick, &screen);
	if (screen.live)
		draw(&screen);
	tracer_stop(&tracer);
	return STATUS_OK;
}
