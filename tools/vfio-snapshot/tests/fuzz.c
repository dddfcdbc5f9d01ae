// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer for the readers of files. The first byte selects a stream, which is fed
 * in pieces, or a trace, which is fed line by line.
 */
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void stream(const uint8_t *data, size_t len)
{
	static struct reader whole, pieces;
	size_t step = len ? data[0] % 61 + 1 : 1, at;
	char reason[2][256], text[512];
	unsigned int i, k;

	reader_init(&whole);
	reader_init(&pieces);
	reader_feed(&whole, data, len);
	for (at = 0; at < len; at += step)
		reader_feed(&pieces, data + at, len - at < step ? len - at : step);
	/* The result does not depend on the pieces. */
	if (reader_finish(&whole) != reader_finish(&pieces))
		abort();
	reader_reason(&whole, whole.err, reason[0], sizeof(reason[0]));
	reader_reason(&pieces, pieces.err, reason[1], sizeof(reason[1]));
	if (strcmp(reason[0], reason[1]) || whole.bytes != len || pieces.bytes != len ||
	    whole.nr_records != pieces.nr_records)
		abort();
	for (i = 0; i < whole.nr_records; i++) {
		struct parts *parts = whole.records[i].parts;

		for (k = 0; parts && k < parts->nr; k++) {
			part_selected(&parts->part[k], text, sizeof(text));
			part_value(&parts->part[k], text, sizeof(text));
		}
	}
	reader_free(&whole);
	reader_free(&pieces);
}

static void trace(const uint8_t *data, size_t len)
{
	struct history *h = calloc(1, sizeof(*h));
	FILE *nowhere = fopen("/dev/null", "w");
	char *text = malloc(len + 1), *line, *rest;
	struct event e;

	if (!h || !nowhere || !text)
		abort();
	memcpy(text, data, len);
	text[len] = '\0';
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (event_parse(&e, line))
			history_add(h, &e);
	history_finish(h);
	history_print(h, nowhere);
	history_json(h, nowhere);
	history_svg(h, nowhere);
	history_free(h);
	fclose(nowhere);
	free(h);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!len)
		return 0;
	if (data[0] & 1)
		trace(data + 1, len - 1);
	else
		stream(data + 1, len - 1);
	return 0;
}
