// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every page's translation, compared with what user space asked to be exported: nothing
 * that the drivers remember has a part in it.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "kmod.h"

static void compare(struct p2pbuf_test_walk *args, phys_addr_t found,
		    phys_addr_t expected)
{
	args->pages++;
	if (!found)
		args->unmapped++;
	else if (found != expected)
		args->wrong++;
}

/* The last page of a range is never left out. */
static u64 next_page(u64 at, u64 length, u64 step)
{
	u64 last = length - PAGE_SIZE;

	return at < last ? min(at + step, last) : length;
}

static void walk(struct device *dev, const struct p2pbuf_range *ranges, u64 step,
		 struct p2pbuf_test_walk *args)
{
	u64 at, addr = args->addr;
	u32 i;

	for (i = 0; i < args->nr; i++) {
		for (at = 0; at < ranges[i].length;
		     at = next_page(at, ranges[i].length, step))
			compare(args, translate(dev, addr + at),
				args->bar + ranges[i].offset + at);
		addr += ranges[i].length;
	}
}

/* Odd, so that all places within a large page get their turn. */
static u64 choose_step(const struct p2pbuf_range *ranges, u32 nr)
{
	u64 size = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		size += ranges[i].length;
	return PAGE_SIZE * (size / SZ_1G | 1);
}

int test_walk(struct p2pbuf_test_walk *args)
{
	struct pci_dev *client __free(put_pdev) = find_function(args->client);
	struct p2pbuf_range *ranges __free(kvfree) = NULL;

	if (!client)
		return -ENOENT;
	ranges = vmemdup_array_user(u64_to_user_ptr(args->ranges), args->nr,
				    sizeof(*ranges));
	if (IS_ERR(ranges))
		return PTR_ERR(no_free_ptr(ranges));

	args->pages = 0;
	args->wrong = 0;
	args->unmapped = 0;
	walk(&client->dev, ranges, choose_step(ranges, args->nr), args);
	return 0;
}

int test_translated(struct p2pbuf_test_translated *args)
{
	struct pci_dev *client __free(put_pdev) = find_function(args->client);
	u64 i;

	if (!client)
		return -ENOENT;
	args->translated = 0;
	for (i = 0; i < args->nr_pages; i++)
		if (translate(&client->dev, args->addr + i * PAGE_SIZE))
			args->translated++;
	return 0;
}
