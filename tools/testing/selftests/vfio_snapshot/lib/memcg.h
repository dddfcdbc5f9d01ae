/* SPDX-License-Identifier: GPL-2.0-only */
/* A memory cgroup (v2) of a test's own */
#ifndef MEMCG_H
#define MEMCG_H

#include <limits.h>
#include <sys/types.h>

struct memcg {
	char path[PATH_MAX];
	char home[PATH_MAX];	/* where the caller came from */
	char mounted[32];	/* cgroup2, if it had to be mounted */
	int peak;
};

/* -ENODEV when the kernel has no memory controller to give */
int memcg_open(struct memcg *cg, const char *name);
/* Takes the caller into it, or back to where it was */
int memcg_enter(struct memcg *cg);
int memcg_leave(struct memcg *cg);
/* What it may use at most, 0: no limit. Nothing of it goes to swap. */
int memcg_limit(struct memcg *cg, long long bytes);
/* Bytes of kernel memory charged to it now, bytes of all memory; -errno */
long long memcg_kernel(struct memcg *cg);
long long memcg_current(struct memcg *cg);
/* The most since the last call, or since it was opened; -EOPNOTSUPP before Linux 6.12 */
long long memcg_peak(struct memcg *cg);
/* Processes in it that the OOM killer took */
long long memcg_oom_kills(struct memcg *cg);
/* Waits, with a limit, until at most @bytes of kernel memory are left: what is */
long long memcg_settle(struct memcg *cg, long long bytes);
/* Back home, and rid of it */
void memcg_close(struct memcg *cg);

#endif /* MEMCG_H */
