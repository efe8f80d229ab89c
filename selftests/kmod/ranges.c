// SPDX-License-Identifier: GPL-2.0-only
/* Ranges checked and merged, of BARs that need not exist. */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/slab.h>

#include "kmod.h"

int test_ranges(struct p2pbuf_test_ranges *args)
{
	struct p2pbuf_ranges *ranges __free(p2pbuf_ranges) = NULL;
	struct p2pbuf_range *user __free(kvfree) = NULL;

	user = vmemdup_array_user(u64_to_user_ptr(args->ranges), args->nr, sizeof(*user));
	if (IS_ERR(user))
		return PTR_ERR(no_free_ptr(user));

	ranges = p2pbuf_ranges_create(NULL, args->bar_start, args->bar_size, user, args->nr);
	args->result = PTR_ERR_OR_ZERO(ranges);
	if (args->result)
		return 0;
	args->nr_merged = ranges->nr;
	args->size = ranges->size;
	args->last = ranges->last;
	return 0;
}
