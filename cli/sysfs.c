// SPDX-License-Identifier: GPL-2.0-only
/* Attributes and links of sysfs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dmabuf.h"

/* The attribute without the newline at its end. */
int sysfs_read(char *text, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	ssize_t used;
	int fd;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	used = read(fd, text, size - 1);
	if (used < 0)
		used = -errno;
	close(fd);
	text[used < 0 ? 0 : used] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return used < 0 ? used : 0;
}

int sysfs_write(const char *text, const char *format, ...)
{
	size_t length = strlen(text);
	char path[PATH_MAX];
	va_list args;
	int fd, ret;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, length) == (ssize_t)length ? 0 : -errno;
	close(fd);
	return ret;
}

/* The last part of what a link leads to. */
int sysfs_link(char *name, size_t size, const char *format, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	va_list args;
	ssize_t used;
	char *slash;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);

	used = readlink(path, target, sizeof(target) - 1);
	if (used < 0)
		return -errno;
	target[used] = '\0';
	slash = strrchr(target, '/');
	snprintf(name, size, "%s", slash ? slash + 1 : target);
	return 0;
}
