// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares arcs.c with vfio_mig_get_next_state() of the kernel, and the kernel with
 * fsm_expect.h, for each pair of states and each feature set.
 *
 * The results are module parameters. The module loads even if there are differences,
 * so that they can be read.
 */
#include <linux/module.h>
#include <linux/vfio.h>

#include "arcs.h"
#include "fsm_expect.h"

static unsigned int pairs;
module_param(pairs, uint, 0444);
MODULE_PARM_DESC(pairs, "pairs of states that were compared");

static unsigned int arc_differences;
module_param(arc_differences, uint, 0444);
MODULE_PARM_DESC(arc_differences, "first steps that differ between the arc table and the kernel");

static unsigned int path_differences;
module_param(path_differences, uint, 0444);
MODULE_PARM_DESC(path_differences, "paths that differ between the expectation and the kernel");

static const unsigned int feature_sets[] = {
	[0] = VFIO_MIGRATION_STOP_COPY,
	[FSM_P2P] = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P,
	[FSM_PRECOPY] = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY,
	[FSM_P2P | FSM_PRECOPY] = VFIO_MIGRATION_STOP_COPY |
				  VFIO_MIGRATION_P2P |
				  VFIO_MIGRATION_PRE_COPY,
};

/* vfio_mig_get_next_state() reads only the migration flags of a vfio_device. */
static struct vfio_device dummy;

/*
 * The kernel's next step, ERROR if it refuses. It warns if the device cannot be in
 * @from, also for ERROR, so do not ask it then.
 */
static unsigned int kernel_next(unsigned int from, unsigned int to)
{
	enum vfio_device_mig_state next = VFIO_DEVICE_STATE_ERROR;

	if (from == VFIO_DEVICE_STATE_ERROR ||
	    !snapshot_state_exists(from, dummy.migration_flags))
		return VFIO_DEVICE_STATE_ERROR;
	if (vfio_mig_get_next_state(&dummy, from, to, &next))
		return VFIO_DEVICE_STATE_ERROR;
	return next;
}

static unsigned int table_next(unsigned int from, unsigned int to)
{
	const struct snapshot_arc *arc;

	arc = snapshot_arc_next(from, to, dummy.migration_flags);
	return arc ? arc->to : VFIO_DEVICE_STATE_ERROR;
}

static void kernel_path(unsigned int from, unsigned int to, char *path)
{
	unsigned int at = from, n = 0;

	path[n++] = FSM_LETTERS[from];
	while (at != to && n <= FSM_STATES) {
		at = kernel_next(at, to);
		if (at == VFIO_DEVICE_STATE_ERROR) {
			strscpy(path, "-", 2);
			return;
		}
		path[n++] = FSM_LETTERS[at];
	}
	path[n] = '\0';
}

static void compare(unsigned int set, unsigned int from, unsigned int to)
{
	const char *want = fsm_expect[set][from][to];
	char path[FSM_STATES + 2];

	pairs++;
	/* The kernel has no next step from a state to itself. */
	if (from == to)
		return;

	if (kernel_next(from, to) != table_next(from, to)) {
		arc_differences++;
		pr_err("set %u, %c to %c: the kernel goes to %c, the table to %c\n",
		       set, FSM_LETTERS[from], FSM_LETTERS[to],
		       FSM_LETTERS[kernel_next(from, to)],
		       FSM_LETTERS[table_next(from, to)]);
	}

	kernel_path(from, to, path);
	if (strcmp(want, path)) {
		path_differences++;
		pr_err("set %u, %c to %c: expected %s, the kernel goes %s\n",
		       set, FSM_LETTERS[from], FSM_LETTERS[to], want, path);
	}
}

static int __init fsm_init(void)
{
	unsigned int set, from, to;

	for (set = 0; set < ARRAY_SIZE(feature_sets); set++) {
		dummy.migration_flags = feature_sets[set];
		for (from = 0; from < FSM_STATES; from++)
			for (to = 0; to < FSM_STATES; to++)
				compare(set, from, to);
	}
	return 0;
}
module_init(fsm_init);

static void __exit fsm_exit(void)
{
}
module_exit(fsm_exit);

MODULE_DESCRIPTION("vfio-snapshot: the arc table against vfio_mig_get_next_state()");
MODULE_LICENSE("GPL");
