// SPDX-License-Identifier: GPL-2.0-only
/* SIGINT, SIGTERM and SIGHUP as something to wait for, so that nothing is cut short. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#include "dmabuf.h"

/* From here on they end nothing by themselves. */
int catch_ends(void)
{
	sigset_t ends;
	int fd;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	fd = signalfd(-1, &ends, SFD_CLOEXEC);
	if (fd < 0)
		abort();
	return fd;
}

bool has_ended(int ends)
{
	struct pollfd fd = { .fd = ends, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

void wait_for_end(int ends)
{
	struct pollfd fd = { .fd = ends, .events = POLLIN };

	while (poll(&fd, 1, -1) < 1)
		;
}
