// SPDX-License-Identifier: GPL-2.0-only
/* System calls as a 32-bit program makes them; x86-64 only, as the rig is. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "p2pbuf_test.h"

#define COMPAT_GETPID	20
#define COMPAT_IOCTL	54

static int compat_call(int nr, int first, unsigned int second, uint32_t third)
{
	int ret;

	asm volatile("int $0x80" : "=a"(ret)
		     : "a"(nr), "b"(first), "c"(second), "d"(third)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

/* A kernel without them answers by a signal. */
bool has_compat_calls(void)
{
	int status = -1;
	pid_t child = fork();

	if (!child)
		_exit(compat_call(COMPAT_GETPID, 0, 0, 0) != getpid());
	waitpid(child, &status, 0);
	return !status;
}

/* @arg is below 4 GiB. 0 or more, or -errno. */
int compat_ioctl(int fd, unsigned int cmd, const void *arg)
{
	return compat_call(COMPAT_IOCTL, fd, cmd, (uintptr_t)arg);
}
