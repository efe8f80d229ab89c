// SPDX-License-Identifier: GPL-2.0-only
/*
 * The aligned layout: where the IOMMU translates, large ranges are congruent with their
 * physical addresses; everywhere else it is as if nobody had asked for it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define MIB		(1024UL * 1024)
#define LEAF		(2 * MIB)
/* With make_expensive(), all of a BAR of 64 MiB but 2 MiB. */
#define MOST		30

FIXTURE(layout)
{
	int exporter;
	int importer;
	int test;
	int fd;
	uint32_t handle;
	uint64_t bar;
	bool small_mask;
};

FIXTURE_SETUP(layout)
{
	uint64_t size;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
	self->fd = -1;
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	ASSERT_EQ(0, bar_resource(TEST_BAR, &self->bar, &size));
}

FIXTURE_TEARDOWN(layout)
{
	set_limit(self->test, 0);
	close(self->fd);
	close(self->importer);
	close(self->exporter);
	close(self->test);
	if (self->small_mask)
		EXPECT_EQ(0, reload_importer(64));
}

static int map_ranges(FIXTURE_DATA(layout) *self, const struct p2pbuf_range *ranges,
		      unsigned int nr, unsigned int flags)
{
	int ret;

	self->fd = export_ranges(self->exporter, TEST_BAR, ranges, nr, O_RDWR | O_CLOEXEC);
	if (self->fd < 0)
		return self->fd;
	ret = import_flow(self->importer, self->fd, P2PBUF_INTERCONNECT_PHYS,
			  P2PBUF_FLOW_REVOCABLE, flags, &self->handle);
	return ret ?: map_handle(self->importer, self->handle);
}

/* What an audit finds wrong: each page is looked up in the IOMMU's tables. */
static const char *verdict_on(FIXTURE_DATA(layout) *self)
{
	struct p2pbuf_verdict verdict;
	int ret = verdict_of(self->importer, self->handle, &verdict);

	return ret ? strerror(-ret) : verdict_name(verdict.kind);
}

static uint64_t translated_pages(FIXTURE_DATA(layout) *self, uint64_t addr, uint64_t length)
{
	struct p2pbuf_test_translated args = { .addr = addr, .nr_pages = length / PAGE };

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	if (ioctl(self->test, P2PBUF_TEST_TRANSLATED, &args))
		return -1;
	return args.translated;
}

/*
 * Maps, checks that the segments add up, and that what lies between them, and all after
 * the unmap, is not translated.
 */
static void check(struct __test_metadata *_metadata, FIXTURE_DATA(layout) *self,
		  const struct p2pbuf_range *ranges, unsigned int nr,
		  struct p2pbuf_segment *segs, unsigned int nr_segments)
{
	struct p2pbuf_query query;
	uint64_t length = 0, window;
	unsigned int i;

	ASSERT_EQ(0, map_ranges(self, ranges, nr, P2PBUF_IMPORT_ALIGNED));
	ASSERT_EQ(0, query_handle(self->importer, self->handle, &query, segs, MOST));
	ASSERT_EQ(nr_segments, query.nr_segments);
	for (i = 0; i < query.nr_segments; i++)
		length += segs[i].length;
	EXPECT_EQ(query.size, length);
	EXPECT_STREQ("peer-to-peer", verdict_on(self));
	if (query.route != P2PBUF_ROUTE_IOVA)
		return;

	window = segs[nr_segments - 1].addr + segs[nr_segments - 1].length - segs[0].addr;
	EXPECT_EQ(length / PAGE, translated_pages(self, segs[0].addr, window));
	EXPECT_EQ(0, unmap_handle(self->importer, self->handle));
	EXPECT_EQ(0, translated_pages(self, segs[0].addr, window));
}

static bool is_congruent(FIXTURE_DATA(layout) *self, uint64_t addr,
			 const struct p2pbuf_range *range)
{
	return !((addr ^ (self->bar + range->offset)) & (LEAF - 1));
}

TEST_F(layout, one_range)
{
	struct p2pbuf_range range = { 3 * PAGE, 16 * MIB };
	struct p2pbuf_segment segs[MOST];

	check(_metadata, self, &range, 1, segs, 1);
	EXPECT_TRUE(is_congruent(self, segs[0].addr, &range));
}

static const struct p2pbuf_range odd_page[] = {
	{ 0, 4 * MIB }, { 8 * MIB, PAGE }, { 16 * MIB, 4 * MIB },
};

TEST_F(layout, odd_page)
{
	bool iova = expected_route() == P2PBUF_ROUTE_IOVA;
	struct p2pbuf_segment segs[MOST];

	check(_metadata, self, odd_page, 3, segs, iova ? 2 : 3);
	EXPECT_TRUE(is_congruent(self, segs[0].addr, &odd_page[0]));
	EXPECT_TRUE(is_congruent(self, segs[iova ? 1 : 2].addr, &odd_page[2]));
}

/* Nothing that is worth a hole. */
TEST_F(layout, small_ranges)
{
	static const struct p2pbuf_range ranges[] = {
		{ MIB, MIB }, { 5 * PAGE, PAGE }, { 8 * MIB, MIB },
	};
	bool iova = expected_route() == P2PBUF_ROUTE_IOVA;
	struct p2pbuf_segment segs[MOST];

	check(_metadata, self, ranges, 3, segs, iova ? 1 : 3);
}

/* A leaf and the pages before it; each needs a hole of all but so many pages of a leaf. */
static void make_expensive(struct p2pbuf_range *ranges)
{
	unsigned int i, pages;

	for (i = 0; i < MOST; i++) {
		pages = MOST - i;
		ranges[i] = (struct p2pbuf_range){ LEAF - pages * PAGE, LEAF + pages * PAGE };
	}
}

TEST_F(layout, many_holes)
{
	bool iova = expected_route() == P2PBUF_ROUTE_IOVA;
	struct p2pbuf_range ranges[MOST];
	struct p2pbuf_segment segs[MOST];
	unsigned int i, wrong = 0;

	make_expensive(ranges);
	check(_metadata, self, ranges, MOST, segs, MOST);
	for (i = 0; iova && i < MOST; i++)
		wrong += !is_congruent(self, segs[i].addr, &ranges[i]);
	EXPECT_EQ(0, wrong);
}

/* The scatterlist is for importers that may want one piece. */
TEST_F(layout, sgt_is_contiguous)
{
	bool iova = expected_route() == P2PBUF_ROUTE_IOVA;
	struct p2pbuf_query query;
	struct p2pbuf_segment segs[MOST];

	self->fd = export_ranges(self->exporter, TEST_BAR, odd_page, 3, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, import_flow(self->importer, self->fd, P2PBUF_INTERCONNECT_SGT,
				 P2PBUF_FLOW_REVOCABLE, P2PBUF_IMPORT_ALIGNED,
				 &self->handle));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, query_handle(self->importer, self->handle, &query, segs, MOST));
	EXPECT_EQ(iova ? 1 : 3, query.nr_segments);
}

static uint64_t punch(FIXTURE_DATA(layout) *self, uint64_t addr, uint64_t length)
{
	struct p2pbuf_test_punch args = { .addr = addr, .length = length };

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	return ioctl(self->test, P2PBUF_TEST_PUNCH, &args) ? 0 : args.unmapped;
}

/*
 * An unmap that stops where somebody else has unmapped a page leaves the rest mapped: the
 * addresses must not become another mapping's.
 */
static void check_short_unmap(struct __test_metadata *_metadata, FIXTURE_DATA(layout) *self,
			      unsigned int flags)
{
	static const struct p2pbuf_range ranges[] = {
		{ 0, LEAF }, { 8 * MIB, PAGE }, { 12 * MIB, PAGE }, { 16 * MIB, LEAF },
	};
	struct p2pbuf_segment segs[MOST], again[MOST];
	struct p2pbuf_query query;
	uint64_t page;
	unsigned int last;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");
	ASSERT_EQ(0, map_ranges(self, ranges, 4, flags));
	ASSERT_EQ(0, query_handle(self->importer, self->handle, &query, segs, MOST));
	last = query.nr_segments - 1;
	page = segs[0].addr + LEAF;
	ASSERT_EQ(PAGE, punch(self, page, PAGE));

	EXPECT_EQ(0, unmap_handle(self->importer, self->handle));
	EXPECT_EQ(0, run_shell("dmesg | grep -q 'its IOVA is not used again'"));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, query_handle(self->importer, self->handle, &query, again, MOST));
	EXPECT_TRUE(again[last].addr + again[last].length <= segs[0].addr ||
		    segs[last].addr + segs[last].length <= again[0].addr);
	EXPECT_STREQ("peer-to-peer", verdict_on(self));
	EXPECT_EQ(0, unmap_handle(self->importer, self->handle));
	/* virtio-iommu says it was short, and has no longer anything mapped. */
	EXPECT_EQ(iommu_is("virtio") ? 0 : PAGE, punch(self, page + PAGE, PAGE));
	if (!last)
		punch(self, page + 2 * PAGE, LEAF);
}

TEST_F(layout, short_unmap)
{
	check_short_unmap(_metadata, self, 0);
}

TEST_F(layout, short_unmap_aligned)
{
	check_short_unmap(_metadata, self, P2PBUF_IMPORT_ALIGNED);
}

/* From the last bytes before a hole to the first ones behind it, both ways. */
TEST_F(layout, data_across_a_hole)
{
	uint64_t offset = 4 * MIB + PAGE - 256;
	uint8_t there[512], back[512];
	uint8_t *cpu;

	if (!data_arrives())
		SKIP(return, NO_DATA);
	ASSERT_EQ(0, map_ranges(self, odd_page, 3, P2PBUF_IMPORT_ALIGNED));
	cpu = mmap(NULL, 8 * MIB + PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, cpu);
	pattern_fill(there, sizeof(there), 1, 0);
	EXPECT_EQ(0, write_buffer(self->importer, self->handle, offset, there,
				  sizeof(there)));
	EXPECT_EQ(0, memcmp(there, cpu + offset, sizeof(there)));
	pattern_fill(there, sizeof(there), 2, 0);
	memcpy(cpu + offset, there, sizeof(there));
	EXPECT_EQ(0, read_buffer(self->importer, self->handle, offset, back, sizeof(back)));
	EXPECT_EQ(0, memcmp(there, back, sizeof(back)));
	munmap(cpu, 8 * MIB + PAGE);
}

/* Ranges that fit below the mask as they are, and with holes do not. */
TEST_F(layout, small_mask)
{
	struct p2pbuf_range ranges[MOST];
	struct p2pbuf_segment segs[MOST];

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");
	close(self->importer);
	self->small_mask = true;
	ASSERT_EQ(0, reload_importer(27));
	self->importer = open_importer();
	if (self->importer == -ENOENT && mask_is_refused(27))
		SKIP(return, NO_ZONE);
	ASSERT_GE(self->importer, 0);
	make_expensive(ranges);
	check(_metadata, self, ranges, MOST, segs, 1);
}

/* The same with a limit of the bus. */
TEST_F(layout, bus_limit)
{
	struct p2pbuf_range ranges[MOST];
	struct p2pbuf_segment segs[MOST];

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");
	make_expensive(ranges);
	ASSERT_EQ(0, set_limit(self->test, (1UL << 27) - 1));
	check(_metadata, self, ranges, MOST, segs, 1);
}

/* The largest leaves by which an IOMMU can translate this. */
static void add_leaves(struct leaves *leaves, uint64_t iova, uint64_t phys,
		       uint64_t length)
{
	unsigned int i;

	while (length) {
		for (i = LEAF_SIZES - 1; i; i--)
			if (!((iova | phys) & (leaf_size(i) - 1)) &&
			    length >= leaf_size(i))
				break;
		leaves->nr[i]++;
		iova += leaf_size(i);
		phys += leaf_size(i);
		length -= leaf_size(i);
	}
}

/*
 * All that the physical addresses allow if aligned; else what they have in common with
 * addresses that run on from @iova.
 */
static struct leaves expected_leaves(FIXTURE_DATA(layout) *self,
				     const struct p2pbuf_range *ranges, unsigned int nr,
				     unsigned int flags, uint64_t iova)
{
	struct leaves leaves = {};
	unsigned int i;

	for (i = 0; i < nr; iova += ranges[i].length, i++) {
		uint64_t phys = self->bar + ranges[i].offset;

		add_leaves(&leaves, flags & P2PBUF_IMPORT_ALIGNED ? phys : iova, phys,
			   ranges[i].length);
	}
	return leaves;
}

static void check_leaves(struct __test_metadata *_metadata, FIXTURE_DATA(layout) *self,
			 const struct p2pbuf_range *ranges, unsigned int nr,
			 unsigned int flags)
{
	struct leaves expected, mapped, unmapped;
	struct p2pbuf_segment segs[MOST], *end;
	struct p2pbuf_query query;
	uint64_t last;
	unsigned int i;

	ASSERT_EQ(0, map_ranges(self, ranges, nr, flags));
	ASSERT_EQ(0, query_handle(self->importer, self->handle, &query, segs, MOST));
	end = &segs[query.nr_segments - 1];
	last = end->addr + end->length - 1;
	expected = expected_leaves(self, ranges, nr, flags, segs[0].addr);
	ASSERT_TRUE(rig_leaves(importer_bdf(), segs[0].addr, last, &mapped));
	ASSERT_EQ(0, unmap_handle(self->importer, self->handle));
	ASSERT_TRUE(rig_leaves(importer_bdf(), segs[0].addr, last, &unmapped));
	for (i = 0; i < LEAF_SIZES; i++) {
		EXPECT_EQ(expected.nr[i], mapped.nr[i]);
		EXPECT_EQ(0, unmapped.nr[i]);
	}
	EXPECT_EQ(0, release_handle(self->importer, self->handle));
	close(self->fd);
	self->fd = -1;
}

/* Read in VT-d's tables from outside the machine. */
static void check_all_leaves(struct __test_metadata *_metadata,
			     FIXTURE_DATA(layout) *self, unsigned int flags)
{
	struct p2pbuf_range whole = { 0, bar_size(self->exporter, TEST_BAR) };
	struct p2pbuf_range beside = { 3 * PAGE, 16 * MIB };
	struct p2pbuf_range ranges[MOST];

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");
	if (iommu_is("amd") || iommu_is("virtio"))
		SKIP(return, "the rig counts the leaves of VT-d's tables only");
	make_expensive(ranges);
	check_leaves(_metadata, self, &whole, 1, flags);
	check_leaves(_metadata, self, &beside, 1, flags);
	check_leaves(_metadata, self, odd_page, 3, flags);
	check_leaves(_metadata, self, ranges, MOST, flags);
}

/* As many and as large as the ranges allow. */
TEST_F(layout, aligned_leaves)
{
	check_all_leaves(_metadata, self, P2PBUF_IMPORT_ALIGNED);
}

TEST_F(layout, contiguous_leaves)
{
	check_all_leaves(_metadata, self, 0);
}

TEST_HARNESS_MAIN
