// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter.h"

int find_function(const char *directory, const char *variable, char *bdf, size_t size)
{
	const char *wanted = getenv(variable);
	struct dirent *entry;
	int ret = -ENOENT;
	DIR *dir;

	dir = opendir(directory);
	while (dir && ret && (entry = readdir(dir))) {
		if (!strchr(entry->d_name, ':') || (wanted && strcmp(wanted, entry->d_name)))
			continue;
		snprintf(bdf, size, "%s", entry->d_name);
		ret = 0;
	}
	if (dir)
		closedir(dir);
	return ret;
}
