// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of map.c: where each byte of a mapping is for the device, by each route.
 */
#include <linux/dma-direct.h>

#include "core_kunit.h"

static const struct p2pbuf_range user[] = {
	{ BIT_ULL(32) - PAGE, 2 * PAGE }, { 0, PAGE }, { BIT_ULL(40), BIT_ULL(34) },
};

#define SIZE	(3 * PAGE + BIT_ULL(34))

struct layout {
	const char *name;
	enum p2pbuf_route route;
	u64 bar_start;
	u64 bus_offset;
	u64 iova;
	u64 addrs[ARRAY_SIZE(user)];
	u64 highest;
};

static const struct layout layouts[] = {
	{ .name = "bus address", .route = P2PBUF_ROUTE_BUS_ADDR, .bar_start = PAGE,
	  .addrs = { BIT_ULL(32), PAGE, PAGE + BIT_ULL(40) },
	  .highest = PAGE + BIT_ULL(40) + BIT_ULL(34) - 1 },
	{ .name = "bus address above the physical one",
	  .route = P2PBUF_ROUTE_BUS_ADDR, .bus_offset = BIT_ULL(63),
	  .addrs = { BIT_ULL(63) + BIT_ULL(32) - PAGE, BIT_ULL(63),
		     BIT_ULL(63) + BIT_ULL(40) },
	  .highest = BIT_ULL(63) + BIT_ULL(40) + BIT_ULL(34) - 1 },
	{ .name = "bus address below the physical one",
	  .route = P2PBUF_ROUTE_BUS_ADDR, .bar_start = BIT_ULL(50),
	  .bus_offset = -BIT_ULL(50),
	  .addrs = { BIT_ULL(32) - PAGE, 0, BIT_ULL(40) },
	  .highest = BIT_ULL(40) + BIT_ULL(34) - 1 },
	{ .name = "bus address to the end of all",
	  .route = P2PBUF_ROUTE_BUS_ADDR,
	  .bus_offset = -BIT_ULL(40) - BIT_ULL(34),
	  .addrs = { -BIT_ULL(40) - BIT_ULL(34) + BIT_ULL(32) - PAGE,
		     -BIT_ULL(40) - BIT_ULL(34), -BIT_ULL(34) },
	  .highest = U64_MAX },
	{ .name = "host bridge", .route = P2PBUF_ROUTE_HOST_BRIDGE, .bar_start = PAGE,
	  .addrs = { BIT_ULL(45), BIT_ULL(44), -BIT_ULL(34) },
	  .highest = PAGE + BIT_ULL(40) + BIT_ULL(34) - 1 },
	{ .name = "IOVA 0", .route = P2PBUF_ROUTE_IOVA, .highest = SIZE - 1,
	  .addrs = { 0, 2 * PAGE, 3 * PAGE } },
	{ .name = "IOVA across 2^32", .route = P2PBUF_ROUTE_IOVA, .highest = SIZE - 1,
	  .iova = BIT_ULL(32) - PAGE,
	  .addrs = { BIT_ULL(32) - PAGE, BIT_ULL(32) + PAGE, BIT_ULL(32) + 2 * PAGE } },
	{ .name = "IOVA to the end of all", .route = P2PBUF_ROUTE_IOVA,
	  .highest = SIZE - 1, .iova = -SIZE,
	  .addrs = { -SIZE, -SIZE + 2 * PAGE, -BIT_ULL(34) } },
};

KUNIT_ARRAY_PARAM_DESC(layout, layouts, name);

struct fixture {
	struct p2pdma_provider provider;
	struct p2pbuf_mapping map;
	dma_addr_t addrs[ARRAY_SIZE(user)];
};

/* A mapping as p2pbuf_map() leaves it, of no device. */
static const struct p2pbuf_mapping *make_mapping(struct kunit *test)
{
	const struct layout *param = test->param_value;
	struct fixture *fixture;
	unsigned int i;

	fixture = kunit_kzalloc(test, sizeof(*fixture), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fixture);
	fixture->provider.bus_offset = param->bus_offset;
	fixture->map.route = param->route;
	fixture->map.ranges = p2pbuf_kunit_ranges(test, &fixture->provider,
						  param->bar_start, user,
						  ARRAY_SIZE(user));
	if (param->route == P2PBUF_ROUTE_IOVA)
		fixture->map.iova.addr = param->iova;
	if (param->route == P2PBUF_ROUTE_HOST_BRIDGE)
		fixture->map.addrs = fixture->addrs;
	for (i = 0; i < ARRAY_SIZE(user); i++)
		fixture->addrs[i] = param->addrs[i];
	return &fixture->map;
}

static void check_segments(struct kunit *test)
{
	const struct layout *param = test->param_value;
	const struct p2pbuf_mapping *map = make_mapping(test);
	bool iova = param->route == P2PBUF_ROUTE_IOVA;
	struct p2pbuf_segment seg;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, p2pbuf_nr_segments(map), iova ? 1 : ARRAY_SIZE(user));
	for (i = 0; i < p2pbuf_nr_segments(map); i++) {
		p2pbuf_segment(map, i, &seg);
		KUNIT_EXPECT_EQ(test, seg.addr, param->addrs[i]);
		KUNIT_EXPECT_EQ(test, seg.length, iova ? SIZE : user[i].length);
	}
}

/* The first and the last byte of each range. */
static void check_find(struct kunit *test)
{
	const struct layout *param = test->param_value;
	const struct p2pbuf_mapping *map = make_mapping(test);
	bool iova = param->route == P2PBUF_ROUTE_IOVA;
	u64 offset = 0, run;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(user); i++) {
		u64 last = offset + user[i].length - 1;

		KUNIT_EXPECT_EQ(test, p2pbuf_find(map, offset, &run), param->addrs[i]);
		KUNIT_EXPECT_EQ(test, run, iova ? SIZE - offset : user[i].length);
		KUNIT_EXPECT_EQ(test, p2pbuf_find(map, last, &run),
				param->addrs[i] + user[i].length - 1);
		KUNIT_EXPECT_EQ(test, run, iova ? SIZE - last : 1);
		offset = last + 1;
	}
}

static void check_highest(struct kunit *test)
{
	const struct layout *param = test->param_value;
	const struct p2pbuf_mapping *map = make_mapping(test);

	struct device *dev = kunit_kzalloc(test, sizeof(*dev), GFP_KERNEL);
	u64 highest;

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_EXPECT_EQ(test, 0, p2pbuf_highest_addr(dev, map->ranges, map->route, &highest));
	KUNIT_EXPECT_EQ(test, highest, param->highest);
}

/* Of a range from 4 GiB to 4 GiB + 4 pages, and its third page once more. */
struct translation {
	const char *name;
	struct bus_dma_region map[3];
	int error;
	u64 highest;
};

static const struct translation translations[] = {
	{ "downwards", { { BIT_ULL(32), 0, BIT_ULL(32) } }, 0, 4 * PAGE - 1 },
	{ "upwards", { { 0, BIT_ULL(40), BIT_ULL(34) } }, 0,
	  BIT_ULL(40) + BIT_ULL(32) + 4 * PAGE - 1 },
	{ "to the end of all", { { BIT_ULL(32), -4 * PAGE, 4 * PAGE } }, 0, U64_MAX },
	{ "by two entries that go on", { { BIT_ULL(32), 0, 2 * PAGE },
	  { BIT_ULL(32) + 2 * PAGE, 2 * PAGE, PAGE * 2 } }, 0, 4 * PAGE - 1 },
	{ "by two entries that do not", { { BIT_ULL(32), 0, 2 * PAGE },
	  { BIT_ULL(32) + 2 * PAGE, 8 * PAGE, PAGE * 2 } }, -EADDRNOTAVAIL },
	{ "all but the last page", { { BIT_ULL(32), 0, 3 * PAGE } }, -EADDRNOTAVAIL },
	{ "all but the first page", { { BIT_ULL(32) + PAGE, 0, BIT_ULL(32) } },
	  -EADDRNOTAVAIL },
	{ "none", { { 0, 0, BIT_ULL(32) } }, -EADDRNOTAVAIL },
};

KUNIT_ARRAY_PARAM_DESC(translation, translations, name);

static void check_translation(struct kunit *test)
{
	static const struct p2pbuf_range twice[] = {
		{ BIT_ULL(32), 4 * PAGE }, { BIT_ULL(32) + 2 * PAGE, PAGE },
	};
	const struct translation *param = test->param_value;
	struct device *dev = kunit_kzalloc(test, sizeof(*dev), GFP_KERNEL);
	struct p2pbuf_ranges *ranges;
	u64 highest;

	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->dma_range_map = param->map;
	ranges = p2pbuf_kunit_ranges(test, NULL, 0, twice, ARRAY_SIZE(twice));
	KUNIT_EXPECT_EQ(test, param->error,
			p2pbuf_highest_addr(dev, ranges, P2PBUF_ROUTE_HOST_BRIDGE,
					    &highest));
	if (!param->error)
		KUNIT_EXPECT_EQ(test, highest, param->highest);
}

static struct kunit_case map_cases[] = {
	KUNIT_CASE_PARAM(check_segments, layout_gen_params),
	KUNIT_CASE_PARAM(check_find, layout_gen_params),
	KUNIT_CASE_PARAM(check_highest, layout_gen_params),
	KUNIT_CASE_PARAM(check_translation, translation_gen_params),
	{}
};

static struct kunit_suite map_suite = {
	.name = "p2pbuf_map",
	.test_cases = map_cases,
};

kunit_test_suite(map_suite);
