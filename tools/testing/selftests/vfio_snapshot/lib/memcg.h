/* SPDX-License-Identifier: GPL-2.0-only */
/* A memory cgroup (v2) of the test's own */
#ifndef MEMCG_H
#define MEMCG_H

#include <limits.h>
#include <sys/types.h>

struct memcg {
	char path[PATH_MAX];
	char home[PATH_MAX];	/* cgroup of the caller before */
	char mounted[32];	/* mount point of cgroup2, if memcg_open() mounted it */
	int peak;
};

/* -ENODEV without a memory controller */
int memcg_open(struct memcg *cg, const char *name);
/* Move the caller into the cgroup, and back to its own */
int memcg_enter(struct memcg *cg);
int memcg_leave(struct memcg *cg);
/* Limit in bytes, 0: none. Swap is off. */
int memcg_limit(struct memcg *cg, long long bytes);
/* Bytes of kernel memory, and of all memory, charged now; or -errno */
long long memcg_kernel(struct memcg *cg);
long long memcg_current(struct memcg *cg);
/*
 * Largest charge since the last call or since memcg_open(); -EOPNOTSUPP before
 * Linux 6.12
 */
long long memcg_peak(struct memcg *cg);
/* Processes of the cgroup that the OOM killer killed */
long long memcg_oom_kills(struct memcg *cg);
/*
 * Waits until at most @bytes of kernel memory are charged. Returns what is
 * charged then.
 */
long long memcg_settle(struct memcg *cg, long long bytes);
/* Leaves the cgroup and removes it */
void memcg_close(struct memcg *cg);

#endif /* MEMCG_H */
