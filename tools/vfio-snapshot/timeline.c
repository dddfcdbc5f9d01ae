// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-snapshot timeline: where the time of a migration went, from tracepoints that
 * are recorded now or were recorded before.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "history.h"
#include "vfio-snapshot.h"

struct recording {
	struct history *history;
	FILE *keep;
};

static void take(void *context, const char *line)
{
	struct recording *r = context;
	struct event e;

	if (!event_parse(&e, line))
		return;
	history_add(r->history, &e);
	if (r->keep)
		fprintf(r->keep, "%s\n", line);
}

static int from_file(const struct options *o, struct recording *r)
{
	bool from_stdin = !strcmp(o->from, "-");
	FILE *in = from_stdin ? stdin : fopen(o->from, "re");
	char line[4096];
	int bad;

	if (!in)
		return fail("%s: %s", o->from, strerror(errno));
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		take(r, line);
	}
	bad = ferror(in);
	if (!from_stdin)
		fclose(in);
	return bad ? fail("%s: cannot be read", o->from) : STATUS_OK;
}

static int from_kernel(const struct options *o, struct recording *r)
{
	struct tracer tracer;
	int status = tracer_start(&tracer);

	if (status != STATUS_OK)
		return status;
	tracer_catch_signals();
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "recording%s; Ctrl-C ends it\n", o->record ? "" : " until the end");
	tracer_follow(&tracer, o->seconds, 50, take, NULL, r);
	tracer_stop(&tracer);
	return STATUS_OK;
}

static int draw(const struct options *o, const struct history *h)
{
	FILE *out = fopen(o->svg, "we");

	if (!out)
		return fail("%s: %s", o->svg, strerror(errno));
	history_svg(h, out);
	if (ferror(out) | fclose(out))
		return fail("%s: cannot be written", o->svg);
	return STATUS_OK;
}

int cmd_timeline(const struct options *o)
{
	static struct history history;
	struct recording r = { .history = &history };
	int status;

	if (o->trace) {
		r.keep = fopen(o->trace, "we");
		if (!r.keep)
			return fail("%s: %s", o->trace, strerror(errno));
	}
	status = o->from ? from_file(o, &r) : from_kernel(o, &r);
	if (r.keep && (ferror(r.keep) | fclose(r.keep)) && status == STATUS_OK)
		status = fail("%s: cannot be written", o->trace);
	history_finish(&history);
	if (status == STATUS_OK && !history.events)
		status = fail("there are no events of vfio_snapshot in the trace");
	if (status == STATUS_OK) {
		o->json ? history_json(&history, stdout) : history_print(&history, stdout);
		if (o->svg)
			status = draw(o, &history);
	}
	history_free(&history);
	return status;
}
