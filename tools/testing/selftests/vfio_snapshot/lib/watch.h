/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a test in its own process group with a time limit. Whatever hangs, the
 * program continues and prints what hangs where.
 */
#ifndef WATCH_H
#define WATCH_H

/* Call once: this process becomes the parent of orphaned descendants. */
void watch_init(void);

/*
 * Runs @test(@arg) for at most @seconds times VFIO_SNAPSHOT_SLOW and kills what
 * it leaves running. Returns the test's value (0 to 127); -ETIMEDOUT when it
 * had to be killed, after printing the kernel stacks of its threads and of all
 * tasks in uninterruptible sleep; -EDEADLK when the kill did not end it; -EINTR
 * when a signal killed it.
 */
int watch_run(const char *name, unsigned int seconds, int (*test)(void *arg),
	      void *arg);

#endif /* WATCH_H */
