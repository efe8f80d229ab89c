// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of sgt.c: room for all entries of a mapping, and which they are.
 */
#include <linux/scatterlist.h>

#include "core_kunit.h"

#define SG_MAX	((u64)P2PBUF_SG_MAX)
#define MAX_ENTRIES	4

struct count {
	const char *name;
	enum p2pbuf_route route;
	u64 lengths[2];
	unsigned int nents;
};

/* One segment by IOVA, two by bus address. */
static const struct count counts[] = {
	{ "a page each", P2PBUF_ROUTE_BUS_ADDR, { PAGE, PAGE }, 2 },
	{ "a page each in one", P2PBUF_ROUTE_IOVA, { PAGE, PAGE }, 1 },
	{ "almost full", P2PBUF_ROUTE_IOVA, { PAGE, SG_MAX - 2 * PAGE }, 1 },
	{ "full", P2PBUF_ROUTE_IOVA, { PAGE, SG_MAX - PAGE }, 1 },
	{ "a page over", P2PBUF_ROUTE_IOVA, { PAGE, SG_MAX }, 2 },
	{ "full each", P2PBUF_ROUTE_BUS_ADDR, { SG_MAX, SG_MAX }, 2 },
	{ "a page over each", P2PBUF_ROUTE_BUS_ADDR,
	  { SG_MAX + PAGE, SG_MAX + PAGE }, 4 },
	{ "2^32 - 2 entries", P2PBUF_ROUTE_IOVA,
	  { PAGE, BIT_ULL(63) - 2 * SG_MAX - PAGE }, U32_MAX - 1 },
};

KUNIT_ARRAY_PARAM_DESC(count, counts, name);

static void check_count(struct kunit *test)
{
	const struct count *param = test->param_value;
	const struct p2pbuf_range user[] = {
		{ 0, param->lengths[0] }, { 0, param->lengths[1] },
	};
	struct p2pdma_provider provider = {};
	struct p2pbuf_mapping map = { .route = param->route };

	map.ranges = p2pbuf_kunit_ranges(test, &provider, 0, user, ARRAY_SIZE(user));
	KUNIT_EXPECT_GE(test, p2pbuf_sgt_capacity(&map), param->nents);
}

struct fill {
	const char *name;
	struct p2pbuf_segment seg;
	bool bus_addr;
	unsigned int nents;
	u32 last;
};

static const struct fill fills[] = {
	{ "a page", { PAGE, PAGE }, false, 1, PAGE },
	{ "a page by bus address", { PAGE, PAGE }, true, 1, PAGE },
	{ "full", { 0, SG_MAX }, false, 1, SG_MAX },
	{ "a page over", { 0, SG_MAX + PAGE }, true, 2, PAGE },
	{ "a page less than two", { PAGE, 2 * SG_MAX - PAGE }, false, 2,
	  SG_MAX - PAGE },
	{ "across 2^32", { BIT_ULL(32) - PAGE, 2 * SG_MAX }, false, 2, SG_MAX },
	{ "to the end of all", { -3 * SG_MAX - PAGE, 3 * SG_MAX + PAGE }, true, 4,
	  PAGE },
};

KUNIT_ARRAY_PARAM_DESC(fill, fills, name);

static void check_fill(struct kunit *test)
{
	const struct fill *param = test->param_value;
	struct scatterlist *table, *next;
	unsigned int i;

	table = kunit_kcalloc(test, MAX_ENTRIES + 1, sizeof(*table), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, table);
	sg_init_table(table, MAX_ENTRIES + 1);

	next = p2pbuf_sgt_fill(table, &param->seg, param->bus_addr);
	KUNIT_ASSERT_PTR_EQ(test, next, &table[param->nents]);
	for (i = 0; i < param->nents; i++) {
		bool last = i == param->nents - 1;

		KUNIT_EXPECT_EQ(test, sg_dma_address(&table[i]),
				param->seg.addr + i * SG_MAX);
		KUNIT_EXPECT_EQ(test, sg_dma_len(&table[i]),
				last ? param->last : P2PBUF_SG_MAX);
		KUNIT_EXPECT_EQ(test, sg_dma_is_bus_address(&table[i]),
				param->bus_addr);
	}
	KUNIT_EXPECT_EQ(test, sg_dma_len(next), 0);
}

static struct kunit_case sgt_cases[] = {
	KUNIT_CASE_PARAM(check_count, count_gen_params),
	KUNIT_CASE_PARAM(check_fill, fill_gen_params),
	{}
};

static struct kunit_suite sgt_suite = {
	.name = "p2pbuf_sgt",
	.test_cases = sgt_cases,
};

kunit_test_suite(sgt_suite);
