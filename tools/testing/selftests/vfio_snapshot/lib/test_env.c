// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfio_mig.h"

#define EXIT_SKIP 4	/* the kselftest runner's exit status for a skip */

struct test_env test_env;

static bool is_bdf(const char *s)
{
	unsigned int domain, bus, slot, function;
	int used = 0;

	return sscanf(s, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function,
		      &used) == 4 && !s[used];
}

void test_env_init(int *argc, char *argv[])
{
	const char *found[2] = { getenv("VFIO_SNAPSHOT_BDF"),
				 getenv("VFIO_SNAPSHOT_BDF2") };
	int first = *argc;
	char driver[64];

	/* The harness's own options come before the addresses. */
	while (first > 1 && *argc - first < 2 && is_bdf(argv[first - 1]))
		first--;
	if (first < *argc) {
		found[0] = argv[first];
		found[1] = first + 1 < *argc ? argv[first + 1] : NULL;
		*argc = first;
		argv[first] = NULL;
	}

	if (!found[0] || !is_bdf(found[0])) {
		printf("TAP version 13\n1..0 # SKIP give the address of a migratable VFIO device\n");
		exit(EXIT_SKIP);
	}

	test_env.bdf = found[0];
	test_env.bdf2 = found[1];
	test_env.peer = getenv("VFIO_SNAPSHOT_PEER") &&
			!strcmp(getenv("VFIO_SNAPSHOT_PEER"), "1");
	test_env.ours = !pci_driver_name(found[0], driver, sizeof(driver)) &&
			strstr(driver, "snapshot");
}
