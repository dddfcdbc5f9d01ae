// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>

#include "json.h"

/* Strings may come from a stream, so any byte must become valid JSON. */
static void text(struct json *j, const char *value)
{
	const unsigned char *c;

	fputc('"', j->out);
	for (c = (const unsigned char *)value; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(j->out, "\\%c", *c);
		else if (*c < 0x20 || *c >= 0x7f)
			fprintf(j->out, "\\u%04x", *c);
		else
			fputc(*c, j->out);
	}
	fputc('"', j->out);
}

static void lead(struct json *j, const char *key)
{
	if (j->depth) {
		fputs(j->filled[j->depth] ? ",\n" : "\n", j->out);
		fprintf(j->out, "%*s", 2 * (int)j->depth, "");
		j->filled[j->depth] = true;
	}
	if (key) {
		text(j, key);
		fputs(": ", j->out);
	}
}

void json_open(struct json *j, const char *key, char bracket)
{
	lead(j, key);
	fputc(bracket, j->out);
	if (j->depth < JSON_DEPTH - 1)
		j->depth++;
	j->filled[j->depth] = false;
}

void json_close(struct json *j, char bracket)
{
	bool filled = j->filled[j->depth];

	j->depth--;
	if (filled)
		fprintf(j->out, "\n%*s", 2 * (int)j->depth, "");
	fputc(bracket, j->out);
	if (!j->depth)
		fputc('\n', j->out);
}

void json_string(struct json *j, const char *key, const char *value)
{
	lead(j, key);
	text(j, value);
}

void json_number(struct json *j, const char *key, int64_t value)
{
	lead(j, key);
	fprintf(j->out, "%" PRId64, value);
}

void json_ms(struct json *j, const char *key, int64_t ns)
{
	lead(j, key);
	fprintf(j->out, "%.3f", ns / 1e6);
}

void json_bool(struct json *j, const char *key, bool value)
{
	lead(j, key);
	fputs(value ? "true" : "false", j->out);
}

void json_null(struct json *j, const char *key)
{
	lead(j, key);
	fputs("null", j->out);
}
