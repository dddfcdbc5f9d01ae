// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-snapshot list: which functions can be migrated, and why others cannot.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/vfio.h>

#include "function.h"
#include "json.h"
#include "sysfs.h"
#include "vfio-snapshot.h"
#include "why.h"

static const struct {
	uint64_t bit;
	const char *name;
} flag_names[] = {
	{ VFIO_MIGRATION_STOP_COPY, "stop-copy" },
	{ VFIO_MIGRATION_P2P, "p2p" },
	{ VFIO_MIGRATION_PRE_COPY, "pre-copy" },
};

static bool blocked(const struct function *f)
{
	unsigned int i;

	for (i = 0; i < nr_whys; i++)
		if (strcmp(whys[i].id, "in-use") && why_holds(&whys[i], f))
			return true;
	return false;
}

static const char *answer(const struct function *f)
{
	if (blocked(f))
		return "no";
	return f->user ? "in use" : "yes";
}

/* Without it, the hypervisor sends all guest memory again in the blackout. */
#define DIRTY_TRACKING "dirty-tracking"

static void show(const struct function *f)
{
	size_t i;

	printf("%s  %04lx:%04lx  driver %s", f->bdf, f->vendor & 0xffff, f->device & 0xffff,
	       *f->driver ? f->driver : "none");
	if (f->vf)
		printf("  VF of %s", f->pf);
	printf("\n    migratable: %s", answer(f));
	for (i = 0; i < NR(flag_names); i++)
		if (f->flags & flag_names[i].bit)
			printf(" %s", flag_names[i].name);
	printf("%s\n", f->dirty_tracking ? " " DIRTY_TRACKING : "");
	why_print(stdout, f);
}

static void show_json(struct json *j, const struct function *f)
{
	char text[512];
	unsigned int i;

	json_open(j, NULL, '{');
	json_string(j, "device", f->bdf);
	snprintf(text, sizeof(text), "%04lx:%04lx", f->vendor & 0xffff, f->device & 0xffff);
	json_string(j, "id", text);
	if (*f->driver)
		json_string(j, "driver", f->driver);
	else
		json_null(j, "driver");
	if (*f->wanted)
		json_string(j, "migration_driver", f->wanted);
	else
		json_null(j, "migration_driver");
	if (f->vf)
		json_string(j, "pf", f->pf);
	else
		json_null(j, "pf");
	json_string(j, "migratable", answer(f));
	json_open(j, "flags", '[');
	for (i = 0; i < NR(flag_names); i++)
		if (f->flags & flag_names[i].bit)
			json_string(j, NULL, flag_names[i].name);
	if (f->dirty_tracking)
		json_string(j, NULL, DIRTY_TRACKING);
	json_close(j, ']');
	if (*f->firmware)
		json_string(j, "firmware", f->firmware);
	else
		json_null(j, "firmware");
	json_open(j, "why", '[');
	for (i = 0; i < nr_whys; i++) {
		if (!why_holds(&whys[i], f))
			continue;
		json_open(j, NULL, '{');
		json_string(j, "id", whys[i].id);
		why_text(text, sizeof(text), whys[i].reason, f);
		json_string(j, "reason", text);
		why_text(text, sizeof(text), whys[i].next, f);
		json_string(j, "next", text);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

/* Shown without --all */
static bool interesting(const struct function *f)
{
	return f->vf || f->vfio || (*f->wanted && f->vfs >= 0);
}

static int all_names(const struct options *o, char ***names)
{
	int i, nr = o->nr_args;

	if (!nr)
		return sys_names(names, "/sys/bus/pci/devices");
	*names = calloc(nr, sizeof(**names));
	for (i = 0; *names && i < nr; i++) {
		char bdf[16];

		if (full_bdf(o->args[i], bdf)) {
			fail("%s is not a PCI address like 0000:3b:00.1", o->args[i]);
			sys_names_free(*names, i);
			return -1;
		}
		(*names)[i] = strdup(bdf);
	}
	return nr;
}

int cmd_list(const struct options *o)
{
	struct json j = { .out = stdout };
	int i, nr, status = STATUS_OK, shown = 0;
	struct function f;
	char **names;

	nr = all_names(o, &names);
	if (nr < 0)
		return o->nr_args ? STATUS_USAGE : fail("this host has no PCI bus");
	if (o->json)
		json_open(&j, NULL, '[');
	for (i = 0; i < nr; i++) {
		if (function_read(&f, names[i])) {
			status = fail("there is no PCI function %s", names[i]);
			continue;
		}
		if (!o->nr_args && !o->all && !interesting(&f))
			continue;
		function_probe(&f);
		/* If devices are named, the exit code is the answer. */
		if (o->nr_args && strcmp(answer(&f), "yes") && status == STATUS_OK)
			status = STATUS_NOT_MIGRATABLE;
		if (o->json)
			show_json(&j, &f);
		else
			show(&f);
		shown++;
	}
	if (o->json)
		json_close(&j, ']');
	else if (!shown && status == STATUS_OK)
		puts("no virtual functions here, and nothing is bound to VFIO\n"
		     "    next: echo 4 > /sys/bus/pci/devices/PF/sriov_numvfs");
	sys_names_free(names, nr);
	return status;
}
