/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a call that may never return in a thread, so that the test continues and
 * can print where the call waits.
 */
#ifndef CALL_H
#define CALL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct call {
	int (*fn)(void *arg);
	void *arg;
	int ret;		/* valid when @over is set */
	bool over;
	bool joined;
	pthread_t thread;
};

int call_start(struct call *call, int (*fn)(void *arg), void *arg);
/* Waits at most @ms: whether the call has returned */
bool call_over(struct call *call, unsigned int ms);

/* Waits at most @ms: whether process @pid has exited. Reaps it. */
bool process_over(pid_t pid, unsigned int ms);

/*
 * Looks for a task with @symbol in its kernel stack and copies that stack line
 * to @line. Returns false without one. Sets *@blind when the kernel shows no
 * stacks.
 */
bool find_waiting(const char *symbol, char *line, size_t len, bool *blind);

#endif /* CALL_H */
