// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-snapshot: the command line.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "vfio-snapshot.h"

enum {
	JSON = 1 << 0, ALL = 1 << 1, DRIVER = 1 << 2, FROM = 1 << 3, SVG = 1 << 4,
	RECORD = 1 << 5, SECONDS = 1 << 6, TRACE = 1 << 7,
};

static const struct command {
	const char *name;
	const char *args;
	int min, max;	/* arguments */
	int options;
	int (*run)(const struct options *o);
	const char *help;
} commands[] = {
	{ "list", "[--all] [BDF...]", 0, INT16_MAX, JSON | ALL, cmd_list,
	  "which functions can be migrated, and why the others cannot" },
	{ "bind", "[--driver NAME] BDF...", 1, INT16_MAX, JSON | DRIVER, cmd_bind,
	  "bind functions to the driver that can migrate them" },
	{ "unbind", "BDF...", 1, INT16_MAX, JSON, cmd_unbind,
	  "give functions back to the host" },
	{ "arcs", "BDF", 1, 1, JSON, cmd_arcs,
	  "the state changes that a device supports" },
	{ "save", "BDF FILE", 2, 2, JSON, cmd_save,
	  "save the state of a device to a file" },
	{ "restore", "BDF FILE", 2, 2, JSON, cmd_restore,
	  "load the state in a file into a device" },
	{ "info", "FILE", 1, 1, JSON, cmd_info,
	  "what is in such a file, and whether it is complete" },
	{ "explain", "[LINE]", 0, 1, JSON, cmd_explain,
	  "what a line of the kernel log or of QEMU means, and what to do" },
	{ "watch", "[--seconds N] [--from TRACE] [BDF...]", 0, INT16_MAX, JSON | FROM | SECONDS,
	  cmd_watch, "show migrations while they run" },
	{ "timeline", "[--from TRACE | --record SECONDS] [--trace FILE] [--svg FILE]", 0, 0,
	  JSON | FROM | SVG | RECORD | TRACE, cmd_timeline,
	  "where the time of a migration went" },
};

static const struct {
	struct option option;
	int mask;
} options[] = {
	{ { "json", no_argument, NULL, 'j' }, JSON },
	{ { "all", no_argument, NULL, 'a' }, ALL },
	{ { "driver", required_argument, NULL, 'd' }, DRIVER },
	{ { "from", required_argument, NULL, 'f' }, FROM },
	{ { "svg", required_argument, NULL, 's' }, SVG },
	{ { "record", required_argument, NULL, 'r' }, RECORD },
	{ { "seconds", required_argument, NULL, 'n' }, SECONDS },
	{ { "trace", required_argument, NULL, 't' }, TRACE },
};

int fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("vfio-snapshot: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	return STATUS_FAILED;
}

int full_bdf(const char *given, char bdf[16])
{
	unsigned int domain = 0, bus, slot, function;
	int end = 0;

	if (sscanf(given, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
	    given[end]) {
		domain = 0;
		end = 0;
		if (sscanf(given, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 ||
		    given[end])
			return -EINVAL;
	}
	snprintf(bdf, 16, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff, slot & 0xff,
		 function & 0xf);
	return 0;
}

static int usage(FILE *out, const struct command *only)
{
	size_t i;

	fputs("usage:\n", out);
	for (i = 0; i < NR(commands); i++) {
		const struct command *c = &commands[i];

		if (!only || only == c)
			fprintf(out, "  vfio-snapshot %s %s\n        %s\n", c->name, c->args, c->help);
	}
	fputs("Every subcommand takes --json. The manual page is vfio-snapshot(8).\n", out);
	return out == stdout ? STATUS_OK : STATUS_USAGE;
}

static bool seconds(const char *text, double *value)
{
	char *end;

	*value = strtod(text, &end);
	return end != text && !*end && *value >= 0 && *value < 1e6;
}

/* An option of another subcommand is an error, too. */
static bool take(struct options *o, const struct command *c, int letter)
{
	size_t i;

	for (i = 0; i < NR(options); i++)
		if (options[i].option.val == letter && !(options[i].mask & c->options))
			return false;

	switch (letter) {
	case 'j': o->json = true; return true;
	case 'a': o->all = true; return true;
	case 'd': o->driver = optarg; return true;
	case 'f': o->from = optarg; return true;
	case 's': o->svg = optarg; return true;
	case 't': o->trace = optarg; return true;
	case 'r': o->record = true; return seconds(optarg, &o->seconds);
	case 'n': return seconds(optarg, &o->seconds);
	default: return false;
	}
}

int main(int argc, char *argv[])
{
	struct option known[NR(options) + 1] = {};
	const struct command *c = NULL;
	struct options o = {};
	int letter, status;
	size_t i;

	for (i = 0; i < NR(options); i++)
		known[i] = options[i].option;
	if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")))
		return usage(stdout, NULL);
	for (i = 0; argc >= 2 && i < NR(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			c = &commands[i];
	if (!c)
		return usage(stderr, NULL);

	argc--;
	argv++;
	while ((letter = getopt_long(argc, argv, "j", known, NULL)) != -1)
		if (!take(&o, c, letter))
			return usage(stderr, c);
	o.args = argv + optind;
	o.nr_args = argc - optind;
	if (o.nr_args < c->min || o.nr_args > c->max || (o.from && o.record))
		return usage(stderr, c);

	status = c->run(&o);
	if (fflush(stdout) || ferror(stdout))
		return status == STATUS_OK ? fail("cannot write the output") : status;
	return status;
}
