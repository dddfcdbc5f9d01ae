// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-snapshot explain: what a line of the kernel log or of QEMU means, and what to do.
 * Its table is made from Documentation/admin-guide/troubleshooting.rst by explain.awk.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "vfio-snapshot.h"

static const struct row {
	const char *message;	/* as on the page */
	const char *words;	/* what to look for; * is any text */
	const char *advice;
	bool detail;		/* only explains a part of a line that another row knows */
} rows[] = {
#include "explain-rows.h"
};

/* The words are in the line, in their order. */
static bool has(const char *line, const char *words)
{
	while (*words) {
		size_t len = strcspn(words, "*");

		line = memmem(line, strlen(line), words, len);
		if (!line)
			return false;
		line += len;
		words += len + (words[len] == '*');
	}
	return true;
}

static bool is_known(const char *line)
{
	size_t i;

	for (i = 0; i < NR(rows); i++)
		if (!rows[i].detail && has(line, rows[i].words))
			return true;
	return false;
}

static void show(struct json *j, const struct options *o, const char *line)
{
	size_t i;

	if (o->json) {
		json_open(j, NULL, '{');
		json_string(j, "line", line);
		json_open(j, "explained", '[');
	} else {
		puts(line);
	}
	for (i = 0; i < NR(rows); i++) {
		if (!has(line, rows[i].words))
			continue;
		if (o->json) {
			json_open(j, NULL, '{');
			json_string(j, "message", rows[i].message);
			json_string(j, "advice", rows[i].advice);
			json_close(j, '}');
		} else {
			printf("    %s\n", rows[i].advice);
		}
	}
	if (o->json) {
		json_close(j, ']');
		json_close(j, '}');
	}
}

static bool explain(struct json *j, const struct options *o, const char *line)
{
	bool known = is_known(line);

	if (known)
		show(j, o, line);
	return known;
}

int cmd_explain(const struct options *o)
{
	struct json j = { .out = stdout };
	bool known = false;
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	if (o->json)
		json_open(&j, NULL, '[');
	if (o->nr_args) {
		known = explain(&j, o, o->args[0]);
	} else {
		while (getline(&line, &size, stdin) >= 0) {
			line[strcspn(line, "\n")] = '\0';
			known |= explain(&j, o, line);
		}
		if (!feof(stdin))
			err = errno;
		free(line);
	}
	if (o->json)
		json_close(&j, ']');
	if (err)
		return fail("cannot read the lines: %s", strerror(err));
	return known ? STATUS_OK : fail("no line is in Documentation/admin-guide/troubleshooting.rst");
}
