// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.h"

static void *call_thread(void *arg)
{
	struct call *call = arg;

	call->ret = call->fn(call->arg);
	__atomic_store_n(&call->over, true, __ATOMIC_RELEASE);
	return NULL;
}

int call_start(struct call *call, int (*fn)(void *arg), void *arg)
{
	*call = (struct call){ .fn = fn, .arg = arg };
	return -pthread_create(&call->thread, NULL, call_thread, call);
}

bool call_over(struct call *call, unsigned int ms)
{
	while (!__atomic_load_n(&call->over, __ATOMIC_ACQUIRE)) {
		if (!ms--)
			return false;
		usleep(1000);
	}
	if (!call->joined)
		pthread_join(call->thread, NULL);
	call->joined = true;
	return true;
}

bool process_over(pid_t pid, unsigned int ms)
{
	while (!waitpid(pid, NULL, WNOHANG)) {
		if (!ms--)
			return false;
		usleep(1000);
	}
	return true;
}

static bool find_in(const char *path, const char *symbol, char *line,
		    size_t len, bool *blind)
{
	char text[256];
	bool found = false;
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	while (!found && fgets(text, sizeof(text), f)) {
		*blind = false;
		found = strstr(text, symbol);
		if (found)
			snprintf(line, len, "%.*s", (int)strcspn(text, "\n"),
				 text);
	}
	fclose(f);
	return found;
}

bool find_waiting(const char *symbol, char *line, size_t len, bool *blind)
{
	struct dirent *process, *task;
	bool found = false;
	char path[600];
	DIR *proc, *tasks;

	*blind = true;
	proc = opendir("/proc");
	while (proc && !found && (process = readdir(proc))) {
		if (!isdigit(process->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", process->d_name);
		tasks = opendir(path);
		while (tasks && !found && (task = readdir(tasks))) {
			snprintf(path, sizeof(path), "/proc/%s/task/%s/stack",
				 process->d_name, task->d_name);
			found = isdigit(task->d_name[0]) &&
				find_in(path, symbol, line, len, blind);
		}
		if (tasks)
			closedir(tasks);
	}
	if (proc)
		closedir(proc);
	return found;
}
