// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "bench.h"
#include "pages.h"
#include "works.h"

int works_begin(struct works *w)
{
	w->nr = 0;
	TRY(tracefs_open(&w->mounted));
	TRY(tracefs_put("tracing_on", "0"));
	/* The clock of now_ns() */
	TRY(tracefs_put("trace_clock", "mono"));
	TRY(tracefs_put("trace", ""));
	TRY(tracefs_put("set_event", "workqueue:workqueue_execute_start workqueue:workqueue_execute_end"));
	return tracefs_put("tracing_on", "1");
}

/* Only work of a module has a name in brackets, the module's, after the function. */
static bool begins(const char *line, unsigned long long *work)
{
	const char *what = strstr(line, " workqueue_execute_start: ");

	return what && strchr(what, '[') &&
	       sscanf(what, " workqueue_execute_start: work struct %llx", work) == 1;
}

static bool ends(const char *line, unsigned long long work)
{
	const char *what = strstr(line, " workqueue_execute_end: ");
	unsigned long long other;

	return what && sscanf(what, " workqueue_execute_end: work struct %llx",
			      &other) == 1 && other == work;
}

/* The time in seconds, which stands before the name of the event */
static double stamp(const char *line)
{
	const char *at = strstr(line, ": workqueue_execute_");

	while (at && at > line && at[-1] != ' ')
		at--;
	return at ? atof(at) : 0;
}

uint64_t works_end(struct works *w)
{
	unsigned long long work = 0;
	double began = 0, sum = 0;
	char line[512];
	FILE *f;

	tracefs_put("tracing_on", "0");
	f = fopen(TRACEFS "trace", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!work && begins(line, &work)) {
			began = stamp(line);
			printf("# %s", line);
		} else if (work && ends(line, work)) {
			sum += stamp(line) - began;
			if (w->nr < MAX_WORKS) {
				w->work[w->nr].begin = began;
				w->work[w->nr++].end = stamp(line);
			}
			work = 0;
		}
	}
	if (f)
		fclose(f);
	tracefs_put("trace_clock", "local");
	tracefs_close(w->mounted);
	return sum * 1e9 + 0.5;
}

uint64_t works_between(const struct works *w, uint64_t begin, uint64_t end)
{
	double from, to, sum = 0;
	unsigned int i;

	for (i = 0; i < w->nr; i++) {
		from = w->work[i].begin > begin / 1e9 ? w->work[i].begin : begin / 1e9;
		to = w->work[i].end < end / 1e9 ? w->work[i].end : end / 1e9;
		if (to > from)
			sum += to - from;
	}
	return sum * 1e9 + 0.5;
}
