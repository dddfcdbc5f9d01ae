/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory whose first use stalls whoever uses it, the kernel included, until the
 * test lets it go on: userfaultfd.
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

/* 0; -ENOSYS or -EPERM where the kernel has no userfaultfd for this */
int stall_open(struct stall *stall);
/* Waits, with a limit, until somebody stalls: 0 or -ETIMEDOUT */
int stall_wait(struct stall *stall);
/* Gives the memory its content, @len bytes of @data: who stalled goes on */
int stall_release(struct stall *stall, const void *data, size_t len);
void stall_close(struct stall *stall);

#endif /* STALL_H */
