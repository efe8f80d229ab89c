// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of ranges.c: what is refused, what is merged, where a place lies.
 */
#include <linux/limits.h>
#include <linux/module.h>

#include "core_kunit.h"

KUNIT_DEFINE_ACTION_WRAPPER(free_ranges, p2pbuf_ranges_free, struct p2pbuf_ranges *);

/* Ranges of a BAR that ends nowhere; freed with @test. */
struct p2pbuf_ranges *
p2pbuf_kunit_ranges(struct kunit *test, struct p2pdma_provider *provider,
		    phys_addr_t bar_start, const struct p2pbuf_range *user,
		    unsigned int nr)
{
	struct p2pbuf_ranges *ranges;

	ranges = p2pbuf_ranges_create(provider, bar_start, U64_MAX, user, nr);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ranges);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_ranges, ranges));
	return ranges;
}

struct one_range {
	const char *name;
	u64 bar_start;
	u64 bar_size;
	struct p2pbuf_range range;
	int error;
};

static const struct one_range one_range[] = {
	{ "no length", 0, PAGE, { 0, 0 }, -ENODATA },
	{ "no length beyond the BAR", 0, PAGE, { 2 * PAGE, 0 }, -ENODATA },
	{ "length of a byte", 0, PAGE, { 0, 1 }, -EDOM },
	{ "length of a page and a byte", 0, 2 * PAGE, { 0, PAGE + 1 }, -EDOM },
	{ "length of 2^64 - 1", 0, U64_MAX, { 0, U64_MAX }, -EDOM },
	{ "offset of a byte", 0, 2 * PAGE, { 1, PAGE }, -EDOM },
	{ "offset of 2^64 - 1", 0, U64_MAX, { U64_MAX, PAGE }, -EDOM },
	{ "a BAR of one page", 0, PAGE, { 0, PAGE }, 0 },
	{ "the last page of a BAR", 0, 4 * PAGE, { 3 * PAGE, PAGE }, 0 },
	{ "the page after a BAR", 0, 4 * PAGE, { 4 * PAGE, PAGE }, -ERANGE },
	{ "a page too long", 0, 4 * PAGE, { PAGE, 4 * PAGE }, -ERANGE },
	{ "a byte too long", 0, 4 * PAGE - 1, { 0, 4 * PAGE }, -ERANGE },
	{ "end at 2^64 - page", 0, U64_MAX, { -2 * PAGE, PAGE }, 0 },
	{ "end at 2^64", 0, U64_MAX, { -PAGE, PAGE }, -EOVERFLOW },
	{ "end beyond 2^64", 0, U64_MAX, { -PAGE, 2 * PAGE }, -EOVERFLOW },
	{ "last address 2^64 - 1", -PAGE, PAGE, { 0, PAGE }, 0 },
	{ "last address 2^64 - 1 by offset", PAGE, U64_MAX, { -2 * PAGE, PAGE }, 0 },
	{ "addresses beyond 2^64", -PAGE, U64_MAX, { 0, 2 * PAGE }, -EOVERFLOW },
	{ "addresses from 2^64", -PAGE, U64_MAX, { PAGE, PAGE }, -EOVERFLOW },
};

KUNIT_ARRAY_PARAM_DESC(one_range, one_range, name);

static void check_one_range(struct kunit *test)
{
	const struct one_range *param = test->param_value;
	struct p2pbuf_ranges *ranges;
	u64 start = param->bar_start + param->range.offset;

	ranges = p2pbuf_ranges_create(NULL, param->bar_start, param->bar_size,
				      &param->range, 1);
	if (param->error) {
		KUNIT_EXPECT_PTR_EQ(test, ranges, ERR_PTR(param->error));
		p2pbuf_ranges_free(ranges);
		return;
	}
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ranges);
	KUNIT_EXPECT_EQ(test, ranges->nr, 1);
	KUNIT_EXPECT_EQ(test, ranges->starts[0], 0);
	KUNIT_EXPECT_EQ(test, ranges->vecs[0].paddr, start);
	KUNIT_EXPECT_EQ(test, ranges->vecs[0].len, param->range.length);
	KUNIT_EXPECT_EQ(test, ranges->size, param->range.length);
	KUNIT_EXPECT_EQ(test, ranges->last, start + param->range.length - 1);
	p2pbuf_ranges_free(ranges);
}

static void check_none(struct kunit *test)
{
	KUNIT_EXPECT_PTR_EQ(test, p2pbuf_ranges_create(NULL, 0, PAGE, NULL, 0),
			    ERR_PTR(-ENODATA));
}

struct total {
	const char *name;
	u64 bar_size;
	u64 lengths[2];
	int error;
};

static const struct total totals[] = {
	{ "the BAR", 4 * PAGE, { PAGE, 3 * PAGE }, 0 },
	{ "a page more than the BAR", 4 * PAGE, { 2 * PAGE, 3 * PAGE }, -EFBIG },
	{ "a byte more than the BAR", 4 * PAGE - 1, { 2 * PAGE, 2 * PAGE }, -EFBIG },
	{ "the BAR twice", 4 * PAGE, { 4 * PAGE, 4 * PAGE }, -EFBIG },
	{ "2^64 - page", -PAGE, { PAGE, -2 * PAGE }, 0 },
	{ "2^64", -PAGE, { PAGE, -PAGE }, -EFBIG },
	{ "2^64 + page", -PAGE, { 2 * PAGE, -PAGE }, -EFBIG },
};

KUNIT_ARRAY_PARAM_DESC(total, totals, name);

static void check_total(struct kunit *test)
{
	const struct total *param = test->param_value;
	const struct p2pbuf_range user[] = {
		{ 0, param->lengths[0] }, { 0, param->lengths[1] },
	};
	struct p2pbuf_ranges *ranges;

	ranges = p2pbuf_ranges_create(NULL, 0, param->bar_size, user,
				      ARRAY_SIZE(user));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(ranges), param->error);
	if (!IS_ERR(ranges))
		KUNIT_EXPECT_EQ(test, ranges->size,
				param->lengths[0] + param->lengths[1]);
	p2pbuf_ranges_free(ranges);
}

#define MAX_RANGES	4

struct merge {
	const char *name;
	u64 bar_start;
	unsigned int nr;
	struct p2pbuf_range user[MAX_RANGES];
	unsigned int nr_merged;
	u64 starts[MAX_RANGES];
	u64 last;
};

static const struct merge merges[] = {
	{ "neighbours", 0, 2, { { 0, PAGE }, { PAGE, PAGE } },
	  1, { 0 }, 2 * PAGE - 1 },
	{ "neighbours backwards", 0, 2, { { PAGE, PAGE }, { 0, PAGE } },
	  2, { 0, PAGE }, 2 * PAGE - 1 },
	{ "the same twice", 0, 2, { { 0, PAGE }, { 0, PAGE } },
	  2, { 0, PAGE }, PAGE - 1 },
	{ "overlap", 0, 2, { { 0, 2 * PAGE }, { PAGE, 2 * PAGE } },
	  2, { 0, 2 * PAGE }, 3 * PAGE - 1 },
	{ "a hole of a page", 0, 2, { { 0, PAGE }, { 2 * PAGE, PAGE } },
	  2, { 0, PAGE }, 3 * PAGE - 1 },
	{ "all of four", 0, 4,
	  { { 0, PAGE }, { PAGE, PAGE }, { 2 * PAGE, 3 * PAGE }, { 5 * PAGE, PAGE } },
	  1, { 0 }, 6 * PAGE - 1 },
	{ "two pairs", 0, 4,
	  { { 8 * PAGE, PAGE }, { 9 * PAGE, PAGE }, { 0, PAGE }, { PAGE, PAGE } },
	  2, { 0, 2 * PAGE }, 10 * PAGE - 1 },
	{ "only with the one before", 0, 3,
	  { { 0, PAGE }, { 4 * PAGE, PAGE }, { PAGE, PAGE } },
	  3, { 0, PAGE, 2 * PAGE }, 5 * PAGE - 1 },
	{ "across 2^32", 0, 2,
	  { { BIT_ULL(32) - PAGE, PAGE }, { BIT_ULL(32), PAGE } },
	  1, { 0 }, BIT_ULL(32) + PAGE - 1 },
	{ "the last two pages of all", -2 * PAGE, 2, { { 0, PAGE }, { PAGE, PAGE } },
	  1, { 0 }, U64_MAX },
	{ "not across 2^64", PAGE, 2, { { -2 * PAGE, PAGE }, { 0, PAGE } },
	  2, { 0, PAGE }, U64_MAX },
};

KUNIT_ARRAY_PARAM_DESC(merge, merges, name);

static void check_merge(struct kunit *test)
{
	const struct merge *param = test->param_value;
	struct p2pbuf_ranges *ranges;
	unsigned int i;

	ranges = p2pbuf_kunit_ranges(test, NULL, param->bar_start, param->user, param->nr);
	KUNIT_ASSERT_EQ(test, ranges->nr, param->nr_merged);
	for (i = 0; i < ranges->nr; i++)
		KUNIT_EXPECT_EQ(test, ranges->starts[i], param->starts[i]);
	KUNIT_EXPECT_EQ(test, ranges->nr_exported, param->nr);
	KUNIT_EXPECT_EQ(test, ranges->last, param->last);
}

/* Sizes and places that do not fit into 32 bits, the last byte of all included. */
static const struct p2pbuf_range spread[] = {
	{ -2 * BIT_ULL(33), BIT_ULL(33) },
	{ 0, PAGE },
	{ BIT_ULL(40), BIT_ULL(62) },
	{ 4 * PAGE, 2 * PAGE },
	{ -BIT_ULL(33) - PAGE, BIT_ULL(33) },
};

static void check_find(struct kunit *test)
{
	struct p2pbuf_ranges *ranges;
	u64 offset = 0, run;
	unsigned int i;

	ranges = p2pbuf_kunit_ranges(test, NULL, PAGE, spread, ARRAY_SIZE(spread));
	KUNIT_ASSERT_EQ(test, ranges->nr, ARRAY_SIZE(spread));
	for (i = 0; i < ARRAY_SIZE(spread); i++) {
		u64 start = PAGE + spread[i].offset, length = spread[i].length;

		KUNIT_EXPECT_EQ(test, p2pbuf_ranges_find(ranges, offset, &run), start);
		KUNIT_EXPECT_EQ(test, run, length);
		KUNIT_EXPECT_EQ(test, p2pbuf_ranges_find(ranges, offset + length - 1, &run),
				start + length - 1);
		KUNIT_EXPECT_EQ(test, run, 1);
		offset += length;
	}
	KUNIT_EXPECT_EQ(test, ranges->size, offset);
	KUNIT_EXPECT_EQ(test, ranges->last, U64_MAX);
}

static struct kunit_case ranges_cases[] = {
	KUNIT_CASE(check_none),
	KUNIT_CASE_PARAM(check_one_range, one_range_gen_params),
	KUNIT_CASE_PARAM(check_total, total_gen_params),
	KUNIT_CASE_PARAM(check_merge, merge_gen_params),
	KUNIT_CASE(check_find),
	{}
};

static struct kunit_suite ranges_suite = {
	.name = "p2pbuf_ranges",
	.test_cases = ranges_cases,
};

kunit_test_suite(ranges_suite);

MODULE_DESCRIPTION("KUnit tests of the p2pbuf core");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
