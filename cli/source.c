// SPDX-License-Identifier: GPL-2.0-only
/* A DMABUF, wherever it comes from, by one notation. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dmabuf.h"

static int no_source(const char *text)
{
	say_error("--help lists them: export:BDF:BAR, pid:PID:FD, socket:PATH, fd:N",
		  "\"%s\" is no source of a DMABUF", text);
	return -EXIT_USAGE;
}

static bool parse_int(const char *text, char delimiter, const char **end, int *value)
{
	uint64_t number;

	if (!parse_number(text, end, &number) || **end != delimiter || number > INT_MAX)
		return false;
	*value = number;
	return true;
}

static int inherited(const char *text, const char *rest)
{
	const char *end;
	int fd, copy;

	if (!parse_int(rest, '\0', &end, &fd))
		return no_source(text);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy >= 0)
		return copy;
	say_error("hand it over: p2pbuf export ... --exec, or in a shell N<>FILE",
		  "descriptor %d is not open here", fd);
	return -EXIT_MISSING;
}

static int of_process(const char *text, const char *rest)
{
	const char *end;
	int pid, number, process, fd;

	if (!parse_int(rest, ':', &end, &pid) || !parse_int(end + 1, '\0', &end, &number))
		return no_source(text);
	process = syscall(SYS_pidfd_open, pid, 0);
	if (process < 0) {
		say_error(NULL, "process %d: %s", pid, strerror(errno));
		return -EXIT_MISSING;
	}
	fd = syscall(SYS_pidfd_getfd, process, number, 0);
	if (fd < 0) {
		say_error(errno == EPERM ? "it takes CAP_SYS_PTRACE: run this as root" :
			  "ls -l /proc/PID/fd lists those that it has",
			  "descriptor %d of process %d: %s", number, pid, strerror(errno));
		fd = -(errno == EPERM ? EXIT_REFUSED : EXIT_MISSING);
	}
	close(process);
	return fd;
}

static unsigned int split(char *list, char **words, unsigned int room)
{
	unsigned int nr = 0;
	char *word;

	while (nr < room && (word = strsep(&list, ",")))
		words[nr++] = word;
	return nr;
}

/* The function has colons of its own; the one behind its dot is ours. */
static int exported_here(const char *text, const char *rest)
{
	char *copy, *dot, *bar = NULL, *list = NULL, **ranges;
	struct exported exported;
	unsigned int room = 1, nr;
	const char *at;
	int ret;

	copy = must_have(strdup(rest));
	dot = strchr(copy, '.');
	bar = dot ? strchr(dot, ':') : NULL;
	if (!bar) {
		free(copy);
		return no_source(text);
	}
	*bar++ = '\0';
	list = strchr(bar, ':');
	if (list)
		*list++ = '\0';
	for (at = list; at && *at; at++)
		room += *at == ',';
	ranges = must_have(calloc(room, sizeof(*ranges)));
	nr = list ? split(list, ranges, room) : 0;
	ret = export_text(copy, bar, ranges, nr, O_RDWR | O_CLOEXEC, &exported);
	free(ranges);
	free(copy);
	return ret ? -ret : exported.fd;
}

static int from_socket(const char *text, const char *rest)
{
	return *rest ? fetch_descriptor(rest) : no_source(text);
}

static const struct {
	const char *prefix;
	int (*open)(const char *text, const char *rest);
} kinds[] = {
	{ "fd:", inherited },
	{ "pid:", of_process },
	{ "socket:", from_socket },
	{ "export:", exported_here },
};

static int open_any(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strncmp(text, kinds[i].prefix, strlen(kinds[i].prefix)))
			return kinds[i].open(text, text + strlen(kinds[i].prefix));
	return no_source(text);
}

static bool is_dmabuf(int fd)
{
	char path[64], target[PATH_MAX];
	ssize_t used;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	used = readlink(path, target, sizeof(target));
	return used >= 8 && !strncmp(target, "/dmabuf:", 8);
}

/* The DMABUF's descriptor. */
int open_source(const char *text)
{
	int fd = open_any(text);

	if (fd < 0 || is_dmabuf(fd))
		return fd;
	close(fd);
	say_error("ls -l /proc/PID/fd shows those that are: /dmabuf:",
		  "%s is not a DMABUF", text);
	return -EXIT_MISSING;
}
