/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call in a thread of its own, for calls that may take long or never return:
 * the test goes on, and can say where they wait.
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
	int ret;		/* once it is over */
	bool over;
	bool joined;
	pthread_t thread;
};

int call_start(struct call *call, int (*fn)(void *arg), void *arg);
/* Waits, but not longer than @ms, until it is over */
bool call_over(struct call *call, unsigned int ms);

/* Whether process @pid ends within @ms; it is reaped then */
bool process_over(pid_t pid, unsigned int ms);

/*
 * Looks for a task of the system whose kernel stack has @symbol in it, and puts
 * the line into @line. False when there is none; *@blind is set when the kernel
 * shows no stacks.
 */
bool find_waiting(const char *symbol, char *line, size_t len, bool *blind);

#endif /* CALL_H */
