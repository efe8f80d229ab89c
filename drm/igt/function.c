// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter.h"

int find_function(const char *directory, const char *variable, char *bdf, size_t size)
{
	char pattern[PATH_MAX];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/%s", directory,
		 getenv(variable) ?: "????:??:??.?");
	if (glob(pattern, 0, NULL, &found))
		return -ENOENT;
	snprintf(bdf, size, "%s", basename(found.gl_pathv[0]));
	globfree(&found);
	return 0;
}
