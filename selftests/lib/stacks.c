// SPDX-License-Identifier: GPL-2.0-only
/* Where in the kernel everybody is. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "p2pbuf_test.h"
#include "tally.h"

static void print_stack(const char *pid, const char *task)
{
	char path[PATH_MAX], text[4096];

	snprintf(path, sizeof(path), "/proc/%s/task/%s/comm", pid, task);
	if (read_file(path, text, sizeof(text)) > 0)
		printf("%s/%s %s", pid, task, text);
	snprintf(path, sizeof(path), "/proc/%s/task/%s/stack", pid, task);
	if (read_file(path, text, sizeof(text)) > 0)
		fputs(text, stdout);
}

static void print_stacks(const char *pid)
{
	struct dirent *entry;
	char path[PATH_MAX];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (atoi(entry->d_name))
			print_stack(pid, entry->d_name);
	if (dir)
		closedir(dir);
}

/* Of all tasks there are, kernel threads too. */
void print_all_stacks(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir)))
		if (atoi(entry->d_name))
			print_stacks(entry->d_name);
	if (dir)
		closedir(dir);
}
