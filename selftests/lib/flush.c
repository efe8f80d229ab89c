// SPDX-License-Identifier: GPL-2.0-only
/* IOTLB flushes as QEMU's IOMMU saw them; the rig counts, see qemu/flushes.py. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "p2pbuf_test.h"

/* One word of the answer: a kind of flush in one domain. */
static int add(const char *word, struct flushes *flushes)
{
	unsigned int domain, inside, outside;
	char kind[8];

	if (sscanf(word, "%7[^:]:%u:%u:%u", kind, &domain, &inside, &outside) != 4)
		return -EPROTO;
	flushes->inside += inside;
	flushes->outside += outside;
	if (strcmp(kind, "pages"))
		flushes->wide += inside;
	if (inside) {
		flushes->mixed |= flushes->domain && flushes->domain != domain;
		flushes->domain = domain;
	}
	return 0;
}

/*
 * The flushes since the last call, counted for these addresses. -EOPNOTSUPP: the rig
 * was not told to count.
 */
int count_flushes(uint64_t first, uint64_t last, struct flushes *flushes)
{
	char line[1024], *word, *rest = line;
	int ret;

	*flushes = (struct flushes){};
	ret = ask_rig(line, sizeof(line), "flushes 0x%llx 0x%llx",
		      (unsigned long long)first, (unsigned long long)last);
	if (ret)
		return ret;
	word = strsep(&rest, " ");
	if (strcmp(word, "ok"))
		return -EOPNOTSUPP;
	while (!ret && (word = strsep(&rest, " ")))
		ret = add(word, flushes);
	return ret;
}
