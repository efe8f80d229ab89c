// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <unistd.h>

#include "dmabuf.h"

#define WIDTH	40

/* Drawn over itself, and gone when all is done; nothing unless stderr is a terminal. */
void progress(const char *what, uint64_t done, uint64_t all)
{
	static const char bar[] = "########################################";
	static int drawn = -1;
	int percent = all ? 100 * done / all : 100;

	if (!is_terminal(STDERR_FILENO) || percent == drawn)
		return;
	if (percent < 100)
		fprintf(stderr, "\r%s [%-*.*s] %3d%%", what, WIDTH, WIDTH * percent / 100, bar,
			percent);
	else
		fputs("\r\033[K", stderr);
	fflush(stderr);
	drawn = percent;
}
