/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory whose first access blocks, in user space and in the kernel, until
 * stall_release(): userfaultfd.
 */
#ifndef STALL_H
#define STALL_H

#include <stddef.h>
#include <stdint.h>

struct stall {
	int uffd;
	uint8_t *mem;
	size_t len;
};

/* 0; -ENOSYS or -EPERM when the kernel cannot do that */
int stall_open(struct stall *stall);
/* Waits until somebody accesses the memory: 0 or -ETIMEDOUT */
int stall_wait(struct stall *stall);
/* Fills the memory with @len bytes of @data and lets the access continue */
int stall_release(struct stall *stall, const void *data, size_t len);
void stall_close(struct stall *stall);

#endif /* STALL_H */
