// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints a history as text and as JSON.
 */
#include <inttypes.h>
#include <string.h>

#include "history.h"
#include "json.h"

#define BAR 36

static double ms(int64_t ns)
{
	return ns / 1e6;
}

static void bar(FILE *out, int64_t begin, int64_t end, int64_t first, int64_t last)
{
	double scale = last > first ? (double)BAR / (last - first) : 0;
	int left = (begin - first) * scale, right = (end - first) * scale + 0.999;
	int i;

	if (left > BAR - 1)
		left = BAR - 1;
	if (right <= left)
		right = left + 1;
	fputc('|', out);
	for (i = 0; i < BAR; i++)
		fputc(i >= left && i < right ? '=' : ' ', out);
	fputc('|', out);
}

static void print_lane(const struct history *h, const struct lane *lane, FILE *out)
{
	unsigned int i;

	fprintf(out, "%s", lane->device);
	if (lane->saved)
		fprintf(out, "   saved %" PRId64 " bytes of state", lane->saved);
	if (lane->loaded)
		fprintf(out, "   loaded %" PRId64 " bytes of state", lane->loaded);
	fprintf(out, "\n  %-14s %11s %11s\n", "state", "from ms", "for ms");
	for (i = 0; i < lane->states.nr; i++) {
		const struct span *s = &lane->states.span[i];

		fprintf(out, "  %-14s %11.3f %11.3f%c ", s->name, ms(s->begin - h->begin),
			ms(s->end - s->begin), s->open ? '+' : ' ');
		bar(out, s->begin, s->end, h->begin, h->end);
		fputc('\n', out);
	}
	for (i = 0; i < lane->arcs.nr; i++) {
		const struct span *s = &lane->arcs.span[i];

		if (s->result || s->open)
			fprintf(out, "  %s to %s at %.3f ms: %s%" PRId64 "\n", s->name, s->arg,
				ms(s->begin - h->begin), s->open ? "not over, " : "failed, ", s->result);
	}
	fputc('\n', out);
}

static void print_commands(const struct history *h, const struct blackout *b, int lane,
			   const char *role, FILE *out)
{
	unsigned int i;

	if (lane < 0)
		return;
	for (i = 0; i < h->lane[lane].commands.nr; i++) {
		const struct span *s = &h->lane[lane].commands.span[i];
		char name[2 * WORD + 2];

		if (s->end < b->begin || s->begin > b->end || !history_overlap(s, b))
			continue;
		snprintf(name, sizeof(name), "%s%s%s", s->name, strcmp(s->arg, "-") ? " " : "",
			 strcmp(s->arg, "-") ? s->arg : "");
		fprintf(out, "  %-11s %-20s %11.3f %11.3f  ", role, name, ms(s->begin - b->begin),
			ms(history_overlap(s, b)));
		bar(out, s->begin, s->end, b->begin, b->end);
		if (s->result)
			fprintf(out, " failed %" PRId64, s->result);
		fputc('\n', out);
	}
}

static void share(FILE *out, const char *what, int64_t part, int64_t whole)
{
	fprintf(out, "  %11.3f ms %6.2f %%  %s\n", ms(part), whole ? 100.0 * part / whole : 0, what);
}

static void print_blackout(const struct history *h, const struct blackout *b, unsigned int number,
			   FILE *out)
{
	int64_t whole = b->end - b->begin;

	fprintf(out, "blackout %u: %.3f ms%s, from %.3f ms\n", number, ms(whole),
		b->open ? " and on" : "", ms(b->begin - h->begin));
	if (b->target >= 0)
		fprintf(out, "  the guest left %s and continued on %s\n", h->lane[b->source].device,
			h->lane[b->target].device);
	else if (!b->open)
		fprintf(out, "  the guest continued on %s, where it was\n", h->lane[b->source].device);
	else
		fprintf(out, "  the guest left %s; this trace does not show where it continued\n",
			h->lane[b->source].device);
	share(out, "in firmware commands", b->firmware, whole);
	share(out, "in the rest of the driver", b->driver, whole);
	share(out, "elsewhere: the hypervisor, guest memory, the network",
	      whole - b->firmware - b->driver, whole);
	fprintf(out, "  %-11s %-20s %11s %11s\n", "device", "command", "at ms", "for ms");
	print_commands(h, b, b->source, "source", out);
	print_commands(h, b, b->target, "destination", out);
	fputc('\n', out);
}

void history_print(const struct history *h, FILE *out)
{
	unsigned int i;

	for (i = 0; i < h->nr_lanes; i++)
		print_lane(h, &h->lane[i], out);
	for (i = 0; i < h->nr_blackouts; i++)
		print_blackout(h, &h->blackout[i], i + 1, out);
	if (!h->nr_blackouts)
		fprintf(out, "no blackout in this trace\n");
	if (h->lost)
		fprintf(out, "the trace has more devices or events than fit; the others are missing here\n");
}

static void json_spans(struct json *j, const struct history *h, const char *key,
		       const struct spans *s)
{
	unsigned int i;

	json_open(j, key, '[');
	for (i = 0; i < s->nr; i++) {
		json_open(j, NULL, '{');
		json_string(j, "name", s->span[i].name);
		if (*s->span[i].arg)
			json_string(j, "arg", s->span[i].arg);
		json_ms(j, "from_ms", s->span[i].begin - h->begin);
		json_ms(j, "for_ms", s->span[i].end - s->span[i].begin);
		json_number(j, "result", s->span[i].result);
		json_bool(j, "open", s->span[i].open);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void history_json(const struct history *h, FILE *out)
{
	struct json j = { .out = out };
	unsigned int i;

	json_open(&j, NULL, '{');
	json_open(&j, "devices", '[');
	for (i = 0; i < h->nr_lanes; i++) {
		json_open(&j, NULL, '{');
		json_string(&j, "device", h->lane[i].device);
		json_number(&j, "saved_bytes", h->lane[i].saved);
		json_number(&j, "loaded_bytes", h->lane[i].loaded);
		json_spans(&j, h, "states", &h->lane[i].states);
		json_spans(&j, h, "arcs", &h->lane[i].arcs);
		json_spans(&j, h, "commands", &h->lane[i].commands);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "blackouts", '[');
	for (i = 0; i < h->nr_blackouts; i++) {
		const struct blackout *b = &h->blackout[i];

		json_open(&j, NULL, '{');
		json_string(&j, "source", h->lane[b->source].device);
		if (b->target >= 0)
			json_string(&j, "destination", h->lane[b->target].device);
		else
			json_null(&j, "destination");
		json_ms(&j, "from_ms", b->begin - h->begin);
		json_ms(&j, "for_ms", b->end - b->begin);
		json_ms(&j, "firmware_ms", b->firmware);
		json_ms(&j, "driver_ms", b->driver);
		json_ms(&j, "elsewhere_ms", b->end - b->begin - b->firmware - b->driver);
		json_bool(&j, "open", b->open);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
}
