/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Removes the PF of the device under test, its VFs or their drivers by sysfs,
 * and restores them.
 */
#ifndef SRIOV_H
#define SRIOV_H

#include "vfio_mig.h"

#define SRIOV_VFS 2	/* test_env.bdf and test_env.bdf2 */

struct sriov {
	char pf[16];
	char pf_driver[64];
	int numvfs;
	const char *vf[SRIOV_VFS];	/* NULL: not given, or not a VF of this PF */
	char vf_driver[SRIOV_VFS][64];
};

/* Records the present setup. -ENODEV when the device under test is not a VF. */
int sriov_open(struct sriov *s);
/* Restores that setup, whatever is missing */
int sriov_restore(struct sriov *s);

/* Three ways to take the device away. They return when it is gone. */
int sriov_unbind_vf(struct sriov *s);
int sriov_unbind_pf(struct sriov *s);
int sriov_no_vfs(struct sriov *s);

/*
 * devlink dev reload: the PF's driver detaches from the firmware and attaches
 * again. 0, or the exit status of the command.
 */
int sriov_reload_pf(const struct sriov *s);

#endif /* SRIOV_H */
