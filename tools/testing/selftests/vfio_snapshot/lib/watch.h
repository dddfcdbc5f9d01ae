/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A test in a process group of its own, under a time limit: whatever it does to
 * the device or to itself, the program goes on and can say what hung where.
 */
#ifndef WATCH_H
#define WATCH_H

/* To be called once: children whose parent was killed come to this process */
void watch_init(void);

/*
 * Runs @test(@arg), for at most @seconds times VFIO_SNAPSHOT_SLOW, and ends what
 * it left running. The test's return value (0 to 127); -ETIMEDOUT when it had to
 * be killed, after printing where its threads, and all in uninterruptible sleep,
 * wait; -EDEADLK when not even that ended it; -EINTR when it died of a signal.
 */
int watch_run(const char *name, unsigned int seconds, int (*test)(void *arg),
	      void *arg);

#endif /* WATCH_H */
