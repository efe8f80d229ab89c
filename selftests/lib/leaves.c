// SPDX-License-Identifier: GPL-2.0-only
/* The leaf entries of VT-d's page tables; the rig counts, see qemu/leaves.py. */
#include <stdio.h>
#include <string.h>

#include "p2pbuf_test.h"

/* One word of the answer: a size and the number of leaves. */
static bool add(const char *word, struct leaves *leaves)
{
	unsigned long long size, nr;
	unsigned int i;

	if (sscanf(word, "%llu:%llu", &size, &nr) != 2)
		return false;
	for (i = 0; i < LEAF_SIZES; i++)
		if (size == leaf_size(i)) {
			leaves->nr[i] = nr;
			return true;
		}
	return false;
}

/*
 * The leaves of a function's page tables that touch these addresses. False: there are
 * no such tables, or not by VT-d.
 */
bool rig_leaves(const char *function, uint64_t first, uint64_t last,
		struct leaves *leaves)
{
	char line[512], *word, *rest = line;

	*leaves = (struct leaves){};
	if (ask_rig(line, sizeof(line), "leaves %s 0x%llx 0x%llx", function,
		    (unsigned long long)first, (unsigned long long)last))
		return false;
	if (strcmp(strsep(&rest, " "), "ok"))
		return false;
	while ((word = strsep(&rest, " ")))
		if (!add(word, leaves))
			return false;
	return true;
}
