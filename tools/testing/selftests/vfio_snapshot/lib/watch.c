// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watch.h"

/* A killed process exits within this time unless it hangs */
#define DEATH_MS 10000u

/* A debug kernel makes everything many times slower. */
static unsigned int slow(void)
{
	const char *times = getenv("VFIO_SNAPSHOT_SLOW");

	return times && atoi(times) > 0 ? atoi(times) : 1;
}

void watch_init(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* Prints each line of a file with "# " before it */
static void print_file(const char *path)
{
	char line[256];
	FILE *f = fopen(path, "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		printf("#     %s", line);
	fclose(f);
}

static void print_task(int pid, const char *tid, pid_t group)
{
	char path[320], stat[512] = "", *end;
	char state = 0;
	int pgrp = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, tid);
	f = fopen(path, "r");
	if (!f)
		return;
	if (!fgets(stat, sizeof(stat), f))
		stat[0] = '\0';
	fclose(f);
	/* The name is in brackets and may contain anything. */
	end = strrchr(stat, ')');
	if (!end || sscanf(end + 1, " %c %*d %d", &state, &pgrp) != 2)
		return;
	if (state != 'D' && pgrp != group)
		return;
	end[1] = '\0';
	printf("#   %c %s, task of %d\n", state, stat, pid);
	snprintf(path, sizeof(path), "/proc/%d/task/%s/stack", pid, tid);
	print_file(path);
}

/* Prints the stacks of @group's threads and of all tasks in uninterruptible sleep */
static void print_stacks(pid_t group)
{
	struct dirent *process, *task;
	char path[320];
	DIR *proc, *tasks;

	proc = opendir("/proc");
	while (proc && (process = readdir(proc))) {
		if (!isdigit(process->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", process->d_name);
		tasks = opendir(path);
		while (tasks && (task = readdir(tasks)))
			if (isdigit(task->d_name[0]))
				print_task(atoi(process->d_name), task->d_name,
					   group);
		if (tasks)
			closedir(tasks);
	}
	if (proc)
		closedir(proc);
	fflush(stdout);
}

/* Waits for @pid, or for the whole group with -@pid: 0 or -ETIMEDOUT */
static int reap(pid_t pid, unsigned int ms, int *status)
{
	/* On a debug kernel, more frequent checks take a third of the CPU. */
	const unsigned int step = 20;
	int last = 0;

	for (;;) {
		pid_t got = waitpid(pid, &last, WNOHANG);

		if (got > 0 && status)
			*status = last;
		if (got == pid || got < 0)
			return 0;
		if (got > 0)
			continue;
		if (ms < step)
			return -ETIMEDOUT;
		usleep(step * 1000);
		ms -= step;
	}
}

int watch_run(const char *name, unsigned int seconds, int (*test)(void *arg),
	      void *arg)
{
	int status = 0, ret = 0;
	pid_t pid;

	seconds *= slow();
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		setpgid(0, 0);
		status = test(arg);
		fflush(stdout);
		_exit(status);
	}
	setpgid(pid, pid);

	if (reap(pid, seconds * 1000, &status)) {
		printf("# %s: not over after %u s; who waits where:\n", name,
		       seconds);
		print_stacks(pid);
		ret = -ETIMEDOUT;
	}
	/* The test, if it still runs, and the processes that it started */
	kill(-pid, SIGKILL);
	if (reap(-pid, DEATH_MS * slow(), ret ? &status : NULL)) {
		printf("# %s: what it started does not die:\n", name);
		print_stacks(pid);
		return -EDEADLK;
	}
	if (ret)
		return ret;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("# %s: signal %d\n", name, WTERMSIG(status));
	return -EINTR;
}
