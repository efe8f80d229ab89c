// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "drm_test.h"

void set_result(struct result *result, enum verdict verdict, const char *format, ...)
{
	va_list args;

	result->verdict = verdict;
	va_start(args, format);
	vsnprintf(result->text, sizeof(result->text), format, args);
	va_end(args);
}

/* A step that has to succeed: says what failed if it did not. */
bool is_zero(struct result *result, const char *what, int ret)
{
	if (ret)
		set_result(result, FAILED, "%s: %s", what,
			   ret < 0 ? strerror(-ret) : "wrong");
	return !ret;
}
