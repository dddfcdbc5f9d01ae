/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PF of the device under test, its VFs and their drivers, over sysfs: taken
 * away, and put back as they were.
 */
#ifndef SRIOV_H
#define SRIOV_H

#include "vfio_mig.h"

#define SRIOV_VFS 2	/* test_env.bdf and test_env.bdf2 */

struct sriov {
	char pf[16];
	char pf_driver[64];
	int numvfs;
	const char *vf[SRIOV_VFS];	/* NULL: not given, or not of this PF */
	char vf_driver[SRIOV_VFS][64];
};

/* Notes how things are: -ENODEV when the device under test is not a VF */
int sriov_open(struct sriov *s);
/* Makes them so again, whatever is missing */
int sriov_restore(struct sriov *s);

/* What takes the device under test away; they return when that is done. */
int sriov_unbind_vf(struct sriov *s);
int sriov_unbind_pf(struct sriov *s);
int sriov_no_vfs(struct sriov *s);

/*
 * The PF's driver lets go of the firmware, and takes it again (devlink dev
 * reload): 0, or what the command ended with
 */
int sriov_reload_pf(const struct sriov *s);

#endif /* SRIOV_H */
