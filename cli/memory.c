// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>

#include "cli.h"

/* @memory, unless it is NULL. */
void *must_have(void *memory)
{
	if (!memory) {
		say_error(NULL, "out of memory");
		exit(EXIT_REFUSED);
	}
	return memory;
}
