// SPDX-License-Identifier: GPL-2.0-only
/*
 * Draws a history: all of it, then each blackout enlarged. The colours follow the
 * reader's choice of light or dark; each colour also has a label.
 */
#include <string.h>

#include "history.h"
#include "vfio-snapshot.h"

#define WIDTH 960
#define LEFT 130		/* of the drawing, after the names */
#define RIGHT 20
#define LANE 26
#define GAP 8
#define ROW 17			/* of the list of commands */
#define MAX_PANELS 4
#define MAX_COMMANDS 64		/* in one panel */
#define LETTER 6.6		/* width at most */

/* For each state: class in the style sheet, light and dark colour. */
static const struct { const char *state, *class, *light, *dark; } colours[] = {
	{ "RUNNING", "run", "#bfe3c6", "#2e6b3c" },
	{ "PRE_COPY", "pre", "#cfe2f9", "#28517f" },
	{ "PRE_COPY_P2P", "prn", "#9cc0ee", "#3a6fb0" },
	{ "STOP_COPY", "cop", "#f6c9a0", "#8f5519" },
	{ "STOP", "stp", "#dcdcdc", "#555c66" },
	{ "RESUMING", "res", "#e4d3f5", "#5f4484" },
	{ "RUNNING_P2P", "rsn", "#f7e7a6", "#75640f" },
	{ "ERROR", "err", "#f4a6a6", "#8f2a2a" },
};

struct view {
	const struct history *h;
	FILE *out;
	int64_t begin, end;	/* of what is drawn */
	int y;
};

static double x_of(const struct view *v, int64_t at)
{
	int64_t whole = v->end > v->begin ? v->end - v->begin : 1;

	if (at < v->begin)
		at = v->begin;
	if (at > v->end)
		at = v->end;
	return LEFT + (double)(at - v->begin) * (WIDTH - LEFT - RIGHT) / whole;
}

static void style(FILE *out)
{
	size_t i;

	fputs("<style>\n"
	      "text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}\n"
	      ".h{font-size:14px;font-weight:600}.s{font-size:11px}.d{fill:#59636e}\n"
	      ".bg{fill:#fff}.axis{stroke:#818b98;fill:none}.blk{fill:#cf222e;fill-opacity:.14}\n"
	      ".cmd{fill:#0b5cad}.drv{fill:#d99a2b}.els{fill:#c3c9d1}\n", out);
	for (i = 0; i < NR(colours); i++)
		fprintf(out, ".%s{fill:%s}", colours[i].class, colours[i].light);
	fputs("\n@media (prefers-color-scheme:dark){\n"
	      "text{fill:#f0f6fc}.d{fill:#9198a1}.bg{fill:#0d1117}.blk{fill:#ff7b72;fill-opacity:.2}\n"
	      ".cmd{fill:#6cb6ff}.drv{fill:#d99a2b}.els{fill:#4b535d}\n", out);
	for (i = 0; i < NR(colours); i++)
		fprintf(out, ".%s{fill:%s}", colours[i].class, colours[i].dark);
	fputs("\n}\n</style>\n", out);
}

static const char *class_of(const char *state)
{
	size_t i;

	for (i = 0; i < NR(colours); i++)
		if (!strcmp(colours[i].state, state))
			return colours[i].class;
	return "stp";
}

/* 1, 2 or 5 times a power of ten, for about eight steps */
static double step_of(double whole)
{
	double step = 0.001;
	const int next[] = { 2, 5, 10 };
	size_t i = 0;
	double base = step;

	while (whole / step > 10 && base < 1e9) {
		step = base * next[i];
		if (++i == NR(next)) {
			i = 0;
			base = step;
		}
	}
	return step;
}

static void axis(struct view *v, int64_t zero)
{
	double first = (v->begin - zero) / 1e6, last = (v->end - zero) / 1e6;
	double step = step_of(last - first), at;

	fprintf(v->out, "<path class=\"axis\" d=\"M%d %dH%d\"/>\n", LEFT, v->y, WIDTH - RIGHT);
	for (at = 0; at <= last; at += step) {
		double x = x_of(v, zero + (int64_t)(at * 1e6));

		if (at < first)
			continue;
		fprintf(v->out, "<path class=\"axis\" d=\"M%.1f %dv4\"/>"
			"<text class=\"s d\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
			x, v->y, x, v->y + 16, at);
	}
	fprintf(v->out, "<text class=\"s d\" x=\"%d\" y=\"%d\" text-anchor=\"end\">ms</text>\n",
		LEFT - 8, v->y + 16);
	v->y += 30;
}

static void states(struct view *v, const struct lane *lane, const char *label)
{
	unsigned int i;

	fprintf(v->out, "<text x=\"8\" y=\"%d\">%s</text>\n", v->y + 17, label);
	for (i = 0; i < lane->states.nr; i++) {
		const struct span *s = &lane->states.span[i];
		double x = x_of(v, s->begin), width = x_of(v, s->end) - x;

		if (s->end < v->begin || s->begin > v->end || width < 0.05)
			continue;
		fprintf(v->out, "<rect class=\"%s\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\">"
			"<title>%s, %.3f ms</title></rect>\n", class_of(s->name), x, v->y, width, LANE,
			s->name, (s->end - s->begin) / 1e6);
		if (width > LETTER * strlen(s->name) + 6)
			fprintf(v->out, "<text class=\"s\" x=\"%.2f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
				x + width / 2, v->y + 17, s->name);
	}
	v->y += LANE + GAP;
}

static unsigned int in_blackout(const struct lane *lane, const struct blackout *b,
				const struct span *found[MAX_COMMANDS])
{
	unsigned int i, nr = 0;

	for (i = 0; i < lane->commands.nr && nr < MAX_COMMANDS; i++)
		if (history_overlap(&lane->commands.span[i], b))
			found[nr++] = &lane->commands.span[i];
	return nr;
}

static void commands(struct view *v, const struct blackout *b, const struct lane *lane,
		     unsigned int first)
{
	const struct span *found[MAX_COMMANDS];
	unsigned int i, nr = in_blackout(lane, b, found);
	double free_from = 0;

	fprintf(v->out, "<text class=\"s d\" x=\"8\" y=\"%d\">firmware commands</text>\n", v->y + 11);
	for (i = 0; i < nr; i++) {
		double x = x_of(v, found[i]->begin), width = x_of(v, found[i]->end) - x;
		double at = x > free_from ? x : free_from;

		fprintf(v->out, "<rect class=\"cmd\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\"/>"
			"<text class=\"s\" x=\"%.2f\" y=\"%d\">%u</text>\n", x, v->y,
			width < 1 ? 1 : width, LANE / 2, at, v->y + LANE / 2 + 11, first + i);
		free_from = at + 2 * LETTER + 3;
	}
	v->y += LANE / 2 + 16 + GAP;
}

static void list(struct view *v, const struct blackout *b, const struct lane *lane,
		 const char *role, unsigned int first)
{
	const struct span *found[MAX_COMMANDS];
	unsigned int i, nr = in_blackout(lane, b, found);

	for (i = 0; i < nr; i++) {
		const char *arg = strcmp(found[i]->arg, "-") ? found[i]->arg : "";

		fprintf(v->out, "<text class=\"s\" x=\"%d\" y=\"%d\">%u</text>"
			"<text class=\"s\" x=\"%d\" y=\"%d\">%s: %s %s</text>"
			"<text class=\"s\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%.3f ms</text>\n",
			LEFT, v->y, first + i, LEFT + 24, v->y, role, found[i]->name, arg, LEFT + 340,
			v->y, history_overlap(found[i], b) / 1e6);
		v->y += ROW;
	}
}

/* One bar: the parts of the time */
static void shares(struct view *v, const struct blackout *b)
{
	int64_t whole = b->end - b->begin;
	const struct { const char *class, *name; int64_t part; } parts[] = {
		{ "cmd", "firmware commands", b->firmware },
		{ "drv", "rest of the driver", b->driver },
		{ "els", "hypervisor, memory, network", whole - b->firmware - b->driver },
	};
	double x = LEFT, legend = LEFT;
	size_t i;

	fprintf(v->out, "<text x=\"8\" y=\"%d\">went to</text>\n", v->y + 12);
	for (i = 0; i < NR(parts); i++) {
		double width = whole ? (double)parts[i].part * (WIDTH - LEFT - RIGHT) / whole : 0;

		fprintf(v->out, "<rect class=\"%s\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"16\"/>"
			"<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"10\" height=\"10\"/>"
			"<text class=\"s\" x=\"%.1f\" y=\"%d\">%s %.3f ms (%.2f %%)</text>\n",
			parts[i].class, x, v->y, width, parts[i].class, legend, v->y + 24, legend + 15,
			v->y + 33, parts[i].name, parts[i].part / 1e6,
			whole ? 100.0 * parts[i].part / whole : 0);
		x += width;
		legend += i ? 235 : 260;
	}
	v->y += 52;
}

static void panel(struct view *v, const struct blackout *b)
{
	const struct history *h = v->h;
	const struct lane *source = &h->lane[b->source];
	const struct lane *target = b->target >= 0 ? &h->lane[b->target] : NULL;
	const struct span *found[MAX_COMMANDS];
	unsigned int second = 1 + in_blackout(source, b, found);

	v->begin = b->begin;
	v->end = b->end;
	v->y += 12;
	fprintf(v->out, "<text class=\"h\" x=\"8\" y=\"%d\">Blackout: the guest is stopped for %.3f ms%s</text>\n",
		v->y, (b->end - b->begin) / 1e6, b->open ? " and on" : "");
	v->y += 14;
	states(v, source, "source");
	commands(v, b, source, 1);
	if (target) {
		states(v, target, "destination");
		commands(v, b, target, second);
	}
	axis(v, b->begin);
	shares(v, b);
	list(v, b, source, "source", 1);
	if (target)
		list(v, b, target, "destination", second);
	v->y += GAP;
}

static void draw(struct view *v)
{
	const struct history *h = v->h;
	unsigned int i;
	int top = 36;

	v->begin = h->begin;
	v->end = h->end;
	v->y = 22;
	fprintf(v->out, "<text class=\"h\" x=\"8\" y=\"%d\">States of the devices</text>\n", v->y);
	v->y = top;
	for (i = 0; i < h->nr_lanes; i++)
		states(v, &h->lane[i], h->lane[i].device);
	for (i = 0; i < h->nr_blackouts; i++) {
		double x = x_of(v, h->blackout[i].begin), width = x_of(v, h->blackout[i].end) - x;

		fprintf(v->out, "<rect class=\"blk\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\">"
			"<title>blackout %u</title></rect>\n", x, top - 4, width < 1 ? 1 : width,
			v->y - top + 4, i + 1);
	}
	axis(v, h->begin);
	for (i = 0; i < h->nr_blackouts && i < MAX_PANELS; i++)
		panel(v, &h->blackout[i]);
}

void history_svg(const struct history *h, FILE *out)
{
	struct view v = { .h = h, .out = fopen("/dev/null", "we") };

	/* Draw once to learn the height. */
	if (!v.out)
		return;
	draw(&v);
	fclose(v.out);

	v.out = out;
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\""
		" role=\"img\" aria-label=\"Timeline of a migration\">\n", WIDTH, v.y, WIDTH, v.y);
	style(out);
	fprintf(out, "<rect class=\"bg\" width=\"%d\" height=\"%d\"/>\n", WIDTH, v.y);
	draw(&v);
	fputs("</svg>\n", out);
}
