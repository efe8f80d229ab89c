// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p2pbuf_test.h"
#include "tally.h"

static int module_users(const char *module)
{
	char path[128], text[32] = "-1";

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module);
	read_file(path, text, sizeof(text));
	return atoi(text);
}

void take_footing(struct footing *footing)
{
	footing->exporter = module_users("p2pbuf_exporter");
	footing->importer = module_users("p2pbuf_importer");
	footing->buffers = count_buffers("p2pbuf_exporter", &footing->attachments);
}

static void print_footing(const char *when, const struct footing *footing)
{
	printf("%s: users of exporter %d, importer %d; DMABUFs %d, attachments %d\n", when,
	       footing->exporter, footing->importer, footing->buffers,
	       footing->attachments);
}

/* Says what is left if it is not. */
bool back_on_footing(const struct footing *before)
{
	struct footing now;
	int tries;

	for (tries = 0; tries < 10 * HUNG_SECONDS; tries++) {
		take_footing(&now);
		if (!memcmp(&now, before, sizeof(now)))
			return true;
		usleep(100000);
	}
	print_footing("before", before);
	print_footing("now", &now);
	return false;
}
