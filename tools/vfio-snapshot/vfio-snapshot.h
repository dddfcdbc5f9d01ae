/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio-snapshot: shared by the subcommands.
 */
#ifndef VFIO_SNAPSHOT_H
#define VFIO_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes, as the manual page lists them */
enum status {
	STATUS_OK,
	STATUS_FAILED,
	STATUS_USAGE,
	STATUS_NOT_MIGRATABLE,
};

struct options {
	bool json;
	bool all;		/* list: every function */
	const char *driver;	/* bind: instead of the best one */
	const char *from;	/* watch, timeline: a recorded trace */
	const char *svg;	/* timeline: write a picture there */
	const char *trace;	/* timeline: keep the recorded trace there */
	double seconds;		/* watch, timeline: 0 is until interrupted */
	bool record;		/* timeline: record now */
	char **args;		/* the other arguments, then NULL */
	int nr_args;
};

int cmd_list(const struct options *o);
int cmd_bind(const struct options *o);
int cmd_unbind(const struct options *o);
int cmd_arcs(const struct options *o);
int cmd_save(const struct options *o);
int cmd_restore(const struct options *o);
int cmd_info(const struct options *o);
int cmd_explain(const struct options *o);
int cmd_watch(const struct options *o);
int cmd_timeline(const struct options *o);

/* "vfio-snapshot: ..." on stderr; returns STATUS_FAILED */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Completes a PCI address, which may lack its domain: 0 or -EINVAL */
int full_bdf(const char *given, char bdf[16]);

#define NR(array) (sizeof(array) / sizeof((array)[0]))

#endif /* VFIO_SNAPSHOT_H */
