// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of blocks.c: which page size a mapping allows, and where its blocks are.
 */
#include <linux/sizes.h>

#include "core_kunit.h"

#define NIC	(SZ_4K | SZ_64K | SZ_2M | SZ_1G)
#define MIB	((u64)SZ_1M)
#define GIB	((u64)SZ_1G)
#define MOST	3

/* By bus address: the DMA addresses are the offsets in a BAR at 0. */
struct blocks_case {
	const char *name;
	struct p2pbuf_range user[MOST];
	u64 virt;
	unsigned long sizes;
	unsigned long best;
	u64 first;
	u64 last;
	u64 nr;
};

static const struct blocks_case blocks[] = {
	{ .name = "one aligned range", .sizes = NIC, .user = { { 2 * GIB, 4 * GIB } },
	  .best = SZ_1G, .first = 2 * GIB, .last = 5 * GIB, .nr = 4 },
	{ .name = "a page in a large page", .sizes = NIC, .user = { { 0, PAGE } },
	  .best = SZ_1G, .first = 0, .last = 0, .nr = 1 },
	{ .name = "the same offset in a page", .sizes = NIC,
	  .user = { { 2 * MIB + PAGE, 2 * MIB } }, .virt = 6 * MIB + PAGE,
	  .best = SZ_2M, .first = 2 * MIB, .last = 4 * MIB, .nr = 2 },
	{ .name = "another offset in a page", .sizes = NIC,
	  .user = { { 2 * MIB + PAGE, 2 * MIB } }, .virt = 6 * MIB,
	  .best = SZ_4K, .first = 2 * MIB + PAGE, .last = 4 * MIB, .nr = 512 },
	{ .name = "pieces of 2 MiB", .sizes = NIC,
	  .user = { { 8 * MIB, 2 * MIB }, { 0, 4 * MIB }, { 16 * MIB, 2 * MIB } },
	  .best = SZ_2M, .first = 8 * MIB, .last = 16 * MIB, .nr = 4 },
	{ .name = "what is before and behind the first and last", .sizes = NIC,
	  .user = { { 4 * MIB - PAGE, PAGE }, { 8 * MIB, 2 * MIB }, { 2 * MIB, PAGE } },
	  .virt = 2 * MIB - PAGE,
	  .best = SZ_2M, .first = 2 * MIB, .last = 2 * MIB, .nr = 3 },
	{ .name = "an odd page between", .sizes = NIC,
	  .user = { { 8 * MIB, 2 * MIB }, { 0, PAGE }, { 16 * MIB, 2 * MIB } },
	  .best = SZ_4K, .first = 8 * MIB, .last = 18 * MIB - PAGE, .nr = 1025 },
	{ .name = "a size between those of the device", .sizes = SZ_4K | SZ_2M,
	  .user = { { 0, MIB }, { 4 * MIB, MIB } },
	  .best = SZ_4K, .first = 0, .last = 5 * MIB - PAGE, .nr = 512 },
	{ .name = "no size that fits", .sizes = SZ_2M, .user = { { PAGE, PAGE } } },
	{ .name = "the last page of all", .sizes = NIC, .user = { { -2 * PAGE, PAGE } },
	  .virt = -2 * PAGE, .best = SZ_1G, .first = -GIB, .last = -GIB, .nr = 1 },
};

KUNIT_ARRAY_PARAM_DESC(blocks, blocks, name);

static void check_blocks(struct kunit *test)
{
	const struct blocks_case *param = test->param_value;
	struct p2pdma_provider provider = {};
	struct p2pbuf_mapping map = { .route = P2PBUF_ROUTE_BUS_ADDR };
	struct p2pbuf_blocks walk;
	unsigned int nr_ranges = 0;
	u64 nr = 0, last = 0;

	while (nr_ranges < MOST && param->user[nr_ranges].length)
		nr_ranges++;
	map.ranges = p2pbuf_kunit_ranges(test, &provider, 0, param->user, nr_ranges);

	KUNIT_ASSERT_EQ(test, param->best,
			p2pbuf_best_page_size(&map, param->sizes, param->virt));
	if (!param->best)
		return;
	p2pbuf_blocks_start(&walk, &map, param->best);
	while (p2pbuf_blocks_next(&walk)) {
		if (!nr++)
			KUNIT_EXPECT_EQ(test, walk.addr, param->first);
		last = walk.addr;
	}
	KUNIT_EXPECT_EQ(test, last, param->last);
	KUNIT_EXPECT_EQ(test, nr, param->nr);
}

static struct kunit_case blocks_cases[] = {
	KUNIT_CASE_PARAM(check_blocks, blocks_gen_params),
	{}
};

static struct kunit_suite blocks_suite = {
	.name = "p2pbuf_blocks",
	.test_cases = blocks_cases,
};

kunit_test_suite(blocks_suite);
