// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of layout.c: where the aligned layout puts ranges.
 */
#include <linux/sizes.h>
#include <linux/slab.h>

#include "core_kunit.h"

#define VTD	(SZ_4K | SZ_2M | SZ_1G)
#define GIB	((u64)SZ_1G)
#define MIB	((u64)SZ_1M)
#define MOST	5

struct layout_case {
	const char *name;
	u64 bar_start;
	unsigned long leaves;
	struct p2pbuf_range user[MOST];
	/* Of each run, up to the first that starts at 0 again. */
	u64 starts[MOST];
	u64 iovas[MOST];
	u64 size;
};

static const struct layout_case layouts[] = {
	{ .name = "one small range", .leaves = VTD, .bar_start = PAGE,
	  .user = { { 0, PAGE } }, .size = PAGE },
	{ .name = "small ranges are one run", .leaves = VTD,
	  .user = { { 5 * PAGE, PAGE }, { MIB, MIB }, { 0, PAGE } },
	  .size = MIB + 2 * PAGE },
	{ .name = "one aligned range", .leaves = VTD, .bar_start = 64 * GIB,
	  .user = { { 0, 4 * GIB } }, .size = 4 * GIB },
	{ .name = "one range is padded", .leaves = VTD, .bar_start = 64 * GIB,
	  .user = { { 2 * MIB, 4 * GIB } },
	  .iovas = { 2 * MIB }, .size = 4 * GIB + 2 * MIB },
	{ .name = "only the leaf that fits counts", .leaves = VTD,
	  .user = { { GIB - 2 * MIB, GIB } },
	  .size = GIB },
	{ .name = "two megabytes that hold no leaf", .leaves = VTD,
	  .user = { { PAGE, 2 * MIB } }, .size = 2 * MIB },
	{ .name = "an odd page costs nothing", .leaves = VTD,
	  .user = { { 0, 4 * MIB }, { 8 * MIB, PAGE }, { 16 * MIB, 4 * MIB } },
	  .starts = { 0, 4 * MIB + PAGE }, .iovas = { 0, 6 * MIB },
	  .size = 10 * MIB },
	{ .name = "each has its own offset", .leaves = VTD,
	  .user = { { PAGE, 4 * MIB }, { 16 * MIB + 3 * PAGE, 4 * MIB } },
	  .starts = { 0, 4 * MIB }, .iovas = { PAGE, 4 * MIB + 3 * PAGE },
	  .size = 8 * MIB + 3 * PAGE },
	{ .name = "neighbours that fit are one run", .leaves = VTD,
	  .user = { { 8 * MIB, 4 * MIB }, { 0, 4 * MIB } },
	  .size = 8 * MIB },
	{ .name = "any power of two is a leaf", .leaves = ~(unsigned long)(SZ_4K - 1),
	  .bar_start = 512 * GIB, .user = { { 0, 512 * GIB }, { GIB * 768, 256 * GIB } },
	  .size = 768 * GIB },
	{ .name = "only small pages", .leaves = SZ_4K,
	  .user = { { 3 * PAGE, 4 * MIB }, { 16 * MIB, 4 * MIB } },
	  .size = 8 * MIB },
	{ .name = "the last range of all", .leaves = VTD,
	  .bar_start = -4 * GIB, .user = { { 2 * GIB + PAGE, 2 * GIB - PAGE } },
	  .iovas = { PAGE }, .size = 2 * GIB },
};

KUNIT_ARRAY_PARAM_DESC(layout, layouts, name);

static unsigned int count(const struct p2pbuf_range *user)
{
	unsigned int nr = 0;

	while (nr < MOST && user[nr].length)
		nr++;
	return nr;
}

static void check_layout(struct kunit *test)
{
	const struct layout_case *param = test->param_value;
	struct p2pdma_provider provider = {};
	struct p2pbuf_ranges *ranges;
	struct p2pbuf_layout *layout;
	unsigned int i;

	ranges = p2pbuf_kunit_ranges(test, &provider, param->bar_start, param->user,
				     count(param->user));
	layout = p2pbuf_layout_create(ranges, param->leaves);
	KUNIT_ASSERT_NOT_NULL(test, layout);
	KUNIT_EXPECT_EQ(test, layout->size, param->size);
	for (i = 0; i < layout->nr; i++) {
		KUNIT_EXPECT_EQ(test, layout->starts[i], param->starts[i]);
		KUNIT_EXPECT_EQ(test, layout->iovas[i], param->iovas[i]);
	}
	KUNIT_EXPECT_TRUE(test, i == MOST || !param->starts[i]);
	kvfree(layout);
}

/* Every byte of an aligned mapping is where its run says. */
static void check_find(struct kunit *test)
{
	const struct layout_case *param = test->param_value;
	struct p2pdma_provider provider = {};
	struct p2pbuf_mapping map = { .route = P2PBUF_ROUTE_IOVA };
	struct p2pbuf_segment seg;
	unsigned int i;
	u64 run;

	map.ranges = p2pbuf_kunit_ranges(test, &provider, param->bar_start, param->user,
					 count(param->user));
	map.layout = p2pbuf_layout_create(map.ranges, param->leaves);
	KUNIT_ASSERT_NOT_NULL(test, map.layout);
	map.iova.addr = 1024 * GIB;
	for (i = 0; i < p2pbuf_nr_segments(&map); i++) {
		p2pbuf_segment(&map, i, &seg);
		KUNIT_EXPECT_EQ(test, seg.addr, map.iova.addr + param->iovas[i]);
		KUNIT_EXPECT_EQ(test, p2pbuf_find(&map, param->starts[i], &run), seg.addr);
		KUNIT_EXPECT_EQ(test, run, seg.length);
		KUNIT_EXPECT_EQ(test,
				p2pbuf_find(&map, param->starts[i] + seg.length - 1, &run),
				seg.addr + seg.length - 1);
		KUNIT_EXPECT_EQ(test, run, 1);
	}
	kvfree(map.layout);
}

/* The largest holes there are: each all but a page of the leaf behind it. */
static void check_bound(struct kunit *test)
{
	static const struct p2pbuf_range user[] = {
		{ GIB - PAGE, GIB + PAGE }, { 4 * GIB - 2 * PAGE, GIB + 2 * PAGE },
		{ 16 * GIB - 3 * PAGE, GIB + 3 * PAGE },
	};
	struct p2pdma_provider provider = {};
	struct p2pbuf_ranges *ranges;
	struct p2pbuf_layout *layout;

	ranges = p2pbuf_kunit_ranges(test, &provider, 0, user, ARRAY_SIZE(user));
	layout = p2pbuf_layout_create(ranges, VTD);
	KUNIT_ASSERT_NOT_NULL(test, layout);
	KUNIT_EXPECT_EQ(test, layout->nr, ARRAY_SIZE(user));
	KUNIT_EXPECT_LT(test, layout->size, 2 * ranges->size);
	kvfree(layout);
}

static struct kunit_case layout_cases[] = {
	KUNIT_CASE_PARAM(check_layout, layout_gen_params),
	KUNIT_CASE_PARAM(check_find, layout_gen_params),
	KUNIT_CASE(check_bound),
	{}
};

static struct kunit_suite layout_suite = {
	.name = "p2pbuf_layout",
	.test_cases = layout_cases,
};

kunit_test_suite(layout_suite);
