// SPDX-License-Identifier: GPL-2.0-only
/*
 * mig_bench SCENARIO SRC_BDF DST_BDF [MORE_BDF...]: runs one scenario, with any driver
 * that supports VFIO migration. Prints each figure as a line
 *	bench NAME VALUE UNIT
 * All other lines begin with "# ". Boot before each scenario: only figures of a fresh
 * machine can be compared.
 */
#include "bench.h"

const struct scenario scenarios[] = {
	{ "small", run_small, 2, "a migration of a small state: blackout_commands, small_arcs, instructions" },
	{ "arcs", run_arcs, 2, "small_arcs: the other arcs" },
	{ "precopy", run_precopy, 2, "64 MiB, with pre-copy: to_stop_copy_64m, to_running_64m" },
	{ "drained", run_drained, 2, "the same, when all was read before the stop" },
	{ "direct", run_direct, 2, "64 MiB, without pre-copy: direct_stop_copy_64m, read_64m, write_64m" },
	{ "pages", run_pages, 2, "64 MiB: pages taken and given back while the guest stands still" },
	{ "memory", run_memory, 2, "a small state, then 64 MiB: memory_save, memory_resume" },
	{ "memory_1g", run_memory_1g, 2, "1 GiB, without pre-copy: memory_save_1g, memory_resume_1g" },
	{ "delay", run_delay, 2, "blackout_1ms" },
	{ "alone", run_alone, 2, "parallel_16: one device" },
	{ "parallel", run_parallel, 32, "parallel_16: 16 at once" },
	{ "changed", run_changed, 2, "64 MiB that all change after pre-copy: changed_commands, changed_64m" },
	{ "changed_delay", run_changed_delay, 2, "the same: changed_1ms" },
	{ "idle", run_idle, 2, "precopy_idle" },
	{ "fragmented", run_fragmented, 2, "64 MiB where memory is in single pages: size_max/fragmented" },
	{ "size", run_size, 2, "size_max" },
};
const unsigned int nr_scenarios = ARRAY_SIZE(scenarios);

static int usage(void)
{
	unsigned int i;

	fprintf(stderr, "usage: mig_bench SCENARIO SRC_BDF DST_BDF [MORE_BDF...]\n");
	for (i = 0; i < nr_scenarios; i++)
		fprintf(stderr, "%-13s %s (%u devices)\n", scenarios[i].name,
			scenarios[i].measures, scenarios[i].devices);
	return 2;
}

int main(int argc, char *argv[])
{
	struct devices devices = { .bdf = argv + 2, .nr = argc - 2 };
	unsigned int i;
	char driver[64];

	if (argc < 4)
		return usage();
	for (i = 0; i < nr_scenarios && strcmp(argv[1], scenarios[i].name); i++)
		;
	if (i == nr_scenarios || devices.nr < scenarios[i].devices)
		return usage();
	if (pci_driver_name(argv[2], driver, sizeof(driver)))
		strcpy(driver, "none");
	NOTE("%s: %s, driver %s", scenarios[i].name, scenarios[i].measures, driver);
	return scenarios[i].run(&devices) ? 1 : 0;
}
