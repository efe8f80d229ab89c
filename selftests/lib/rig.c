// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to the rig: one line to it, one line back. See qemu/init.
 *
 * No time of the guest's passes until the answer is there, however long the host takes:
 * idle, with -icount, a guest skips to its next timer at once, and an engine's DMA or the
 * end of a test's time would come before an answer that was on its way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "p2pbuf_test.h"

#define CONTROL		"/dev/ttyS2"

/* Of selftests/kmod/rig.c: a write stops the guest. */
#define PAUSE		"/dev/p2pbuf/rig"

static int read_line(int fd, char *line, size_t size)
{
	size_t used = 0;

	while (used < size - 1 && read(fd, line + used, 1) == 1) {
		if (line[used] == '\n') {
			line[used] = '\0';
			return 0;
		}
		used++;
	}
	return -EIO;
}

static int open_pause(void)
{
	int fd;

	if (access(PAUSE, F_OK) && run_shell("modprobe p2pbuf_rig"))
		return -ENOENT;
	fd = open(PAUSE, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * The guest stops here and now, and goes on when the rig has answered. All of the request
 * has to be on its way: what stands still sends nothing.
 */
static int send_and_stop(int fd, const char *request)
{
	int ret, pause = open_pause();

	if (pause < 0)
		return pause;
	ret = dprintf(fd, "%s\n", request) < 0 || tcdrain(fd) || write(pause, "", 1) != 1;
	close(pause);
	return ret ? -EIO : 0;
}

int ask_rig(char *line, size_t size, const char *format, ...)
{
	char request[512];
	va_list args;
	int fd, ret;

	va_start(args, format);
	vsnprintf(request, sizeof(request), format, args);
	va_end(args);

	fd = open(CONTROL, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	tcflush(fd, TCIFLUSH);
	ret = send_and_stop(fd, request);
	if (!ret)
		ret = read_line(fd, line, size);
	close(fd);
	return ret;
}

/* A command for QEMU's monitor: 0 if QEMU has nothing to say about it, or OK. */
int tell_qemu(const char *command)
{
	char line[512];
	int ret;

	ret = ask_rig(line, sizeof(line), "monitor %s", command);
	if (ret)
		return ret;
	return strcmp(line, "ok") && strncmp(line, "OK ", 3) ? -EINVAL : 0;
}
