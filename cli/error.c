// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>

#include "cli.h"

/* @hint: what to do next, or NULL */
void say_error(const char *hint, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("p2pbuf: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	if (hint)
		fprintf(stderr, "        %s\n", hint);
}
