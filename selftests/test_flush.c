// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a mapping costs: the IOTLB flushes that QEMU's IOMMU got while it was made and
 * undone. Needs qemu/run --count-flushes. Each line "# flushes ..." is a figure of the
 * table in Documentation/flushes.rst, which selftests/flushes makes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define MIB		(1024UL * 1024)

/* What the kernel does with an IOMMU, as far as it decides about flushes. */
struct rules {
	bool on_map;		/* it flushes for new entries too */
	bool per_piece;		/* a flush covers one naturally aligned piece */
	bool lazy;
};

FIXTURE(flush)
{
	int exporter;
	int importer;
	int test;
	int fd;
	uint32_t handle;
	struct rules rules;
};

static int read_rules(struct rules *rules)
{
	char path[128], type[32];
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/type",
		 importer_bdf());
	ret = read_file(path, type, sizeof(type));
	if (ret < 0)
		return ret;
	rules->lazy = !strcmp(type, "DMA-FQ\n");
	rules->on_map = flushes_on_map();
	rules->per_piece = iommu_is("amd") || iommu_is("virtio");
	return 0;
}

FIXTURE_SETUP(flush)
{
	struct flushes flushes;
	int ret;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA, so no IOTLB to flush");
	ret = count_flushes(0, 0, &flushes);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "the rig does not count: qemu/run --count-flushes");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, read_rules(&self->rules));

	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	self->fd = -1;
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
}

FIXTURE_TEARDOWN(flush)
{
	close(self->fd);
	close(self->importer);
	close(self->exporter);
	close(self->test);
}

/* A DMABUF is not longer than the BAR. */
static bool fits(int exporter, unsigned int nr)
{
	return nr * PAGE <= bar_size(exporter, TEST_BAR);
}

/* Every second page of the BAR, over and over: none continues the one before. */
static int export_nr(int exporter, unsigned int nr)
{
	uint64_t size = bar_size(exporter, TEST_BAR);
	struct p2pbuf_range *ranges = calloc(nr, sizeof(*ranges));
	unsigned int i;
	int fd;

	for (i = 0; i < nr; i++)
		ranges[i] = (struct p2pbuf_range){ 2 * i * PAGE % size, PAGE };
	fd = export_ranges(exporter, TEST_BAR, ranges, nr, O_RDWR | O_CLOEXEC);
	free(ranges);
	return fd;
}

/* Greatest naturally aligned pieces; @last may be the last address there is. */
static unsigned int count_pieces(uint64_t first, uint64_t last)
{
	uint64_t size, left = last - first + 1;
	unsigned int pieces = 0;

	for (; left; left -= size, first += size) {
		size = first & -first;
		while (!size || size > left)
			size = size ? size / 2 : 1UL << 63;
		pieces++;
	}
	return pieces;
}

struct window {
	uint64_t first;
	uint64_t last;
};

/* Ours by an interconnect, or dma_map_phys() per range. */
struct way {
	const char *name;
	unsigned int interconnect;
	unsigned int flags;
};

static const struct way by_phys = { "phys", P2PBUF_INTERCONNECT_PHYS, 0 };
static const struct way by_sgt = { "sgt", P2PBUF_INTERCONNECT_SGT, 0 };
static const struct way aligned = {
	"aligned", P2PBUF_INTERCONNECT_PHYS, P2PBUF_IMPORT_ALIGNED
};

static const struct way each = { "dma_map_phys", 0, 0 };

/* From the first segment to the end of the last one, with what is between. */
static int map_ours(FIXTURE_DATA(flush) *self, const struct way *way,
		    struct window *window)
{
	struct p2pbuf_segment first, last;
	struct p2pbuf_query query;
	int ret;

	ret = import_flow(self->importer, self->fd, way->interconnect,
			  P2PBUF_FLOW_REVOCABLE, way->flags, &self->handle);
	if (!ret)
		ret = map_handle(self->importer, self->handle);
	if (!ret)
		ret = query_handle(self->importer, self->handle, &query, &first, 1);
	if (!ret)
		ret = query_segment(self->importer, self->handle, query.nr_segments - 1,
				    &last);
	if (!ret)
		*window = (struct window){ first.addr, last.addr + last.length - 1 };
	return ret;
}

static int map_each(FIXTURE_DATA(flush) *self, struct window *window)
{
	struct p2pbuf_test_strategy_map args = {
		.fd = self->fd,
		.strategy = P2PBUF_TEST_EACH,
	};

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	if (ioctl(self->test, P2PBUF_TEST_STRATEGY_MAP, &args))
		return -errno;
	*window = (struct window){ args.first, args.last };
	return args.result;
}

static int map(FIXTURE_DATA(flush) *self, const struct way *way, struct window *window)
{
	return way->interconnect ? map_ours(self, way, window) : map_each(self, window);
}

static int unmap(FIXTURE_DATA(flush) *self, const struct way *way)
{
	if (way->interconnect)
		return unmap_handle(self->importer, self->handle);
	return ioctl(self->test, P2PBUF_TEST_STRATEGY_UNMAP) ? -errno : 0;
}

struct cost {
	struct window window;
	struct flushes map;
	struct flushes unmap;
};

/* What is queued in lazy mode is flushed after 10 ms: let it, and forget it. */
static int begin(void)
{
	struct flushes flushes;

	usleep(50000);
	return count_flushes(0, 0, &flushes);
}

static int measure(FIXTURE_DATA(flush) *self, const struct way *way, struct cost *cost)
{
	struct window *window = &cost->window;
	int ret;

	ret = begin();
	if (!ret)
		ret = map(self, way, window);
	if (!ret)
		ret = count_flushes(window->first, window->last, &cost->map);
	if (!ret)
		ret = unmap(self, way);
	if (!ret)
		ret = count_flushes(window->first, window->last, &cost->unmap);
	return ret;
}

/* Of one domain, and of these addresses only. */
static void check_aim(struct __test_metadata *_metadata, const struct flushes *flushes)
{
	EXPECT_EQ(0, flushes->wide);
	EXPECT_EQ(0, flushes->outside);
	EXPECT_FALSE(flushes->mixed);
}

static void report(const char *what, unsigned int nr, const struct cost *cost)
{
	ksft_print_msg("flushes %s %u %u %u\n", what, nr, cost->map.inside,
		       cost->unmap.inside);
}

/* Export @nr ranges, map and unmap them, report. */
static int measure_ranges(FIXTURE_DATA(flush) *self, const struct way *way,
			  unsigned int nr, struct cost *cost)
{
	int ret;

	self->fd = export_nr(self->exporter, nr);
	if (self->fd < 0)
		return self->fd;
	ret = measure(self, way, cost);
	close(self->fd);
	self->fd = -1;
	report(way->name, nr, cost);
	return ret;
}

static unsigned int flushes_for(const struct rules *rules, const struct window *window)
{
	return rules->per_piece ? count_pieces(window->first, window->last) : 1;
}

/* 4,095 are not one aligned piece. */
static const unsigned int numbers[] = { 1, 16, 256, 4095, 4096, 65536 };

/* The same for any number of ranges, and in lazy mode too. */
static void check_ours(struct __test_metadata *_metadata, FIXTURE_DATA(flush) *self,
		       const struct way *way)
{
	unsigned int i, flushes;
	struct cost cost;

	for (i = 0; i < ARRAY_SIZE(numbers) && fits(self->exporter, numbers[i]); i++) {
		ASSERT_EQ(0, measure_ranges(self, way, numbers[i], &cost));
		flushes = flushes_for(&self->rules, &cost.window);
		EXPECT_EQ(self->rules.on_map ? flushes : 0, cost.map.inside);
		EXPECT_EQ(flushes, cost.unmap.inside);
		check_aim(_metadata, &cost.map);
		check_aim(_metadata, &cost.unmap);
	}
}

TEST_F_TIMEOUT(flush, phys, GUEST_TIMEOUT)
{
	check_ours(_metadata, self, &by_phys);
}

TEST_F_TIMEOUT(flush, sgt, GUEST_TIMEOUT)
{
	check_ours(_metadata, self, &by_sgt);
}

/*
 * In lazy mode the unmaps are flushed later, by a timer or when a queue is full, and
 * then the whole domain at once, or with virtio what has been queued.
 */
TEST_F_TIMEOUT(flush, per_range, GUEST_TIMEOUT)
{
	struct cost cost;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers) && fits(self->exporter, numbers[i]); i++) {
		ASSERT_EQ(0, measure_ranges(self, &each, numbers[i], &cost));
		EXPECT_EQ(self->rules.on_map ? numbers[i] : 0, cost.map.inside);
		check_aim(_metadata, &cost.map);
		if (self->rules.lazy) {
			EXPECT_LE(cost.unmap.inside, numbers[i]);
			continue;
		}
		EXPECT_EQ(numbers[i], cost.unmap.inside);
		check_aim(_metadata, &cost.unmap);
	}
}

/* Holes cost nothing where one flush covers them, else what the ranges cost. */
TEST_F(flush, across_holes)
{
	struct p2pbuf_range ranges[16];
	unsigned int i, flushes = 0;
	struct cost cost;

	/* Each at one page less of a 2 MiB page than the one before. */
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		ranges[i] = (struct p2pbuf_range){ (16 - i) * PAGE, 4 * MIB };
		flushes += count_pieces(ranges[i].offset, ranges[i].offset + 4 * MIB - 1);
	}
	self->fd = export_ranges(self->exporter, TEST_BAR, ranges, ARRAY_SIZE(ranges),
				 O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
	/*
	 * Where smaller mappings have been, the first large leaf replaces an empty table, and
	 * that is a flush of its own.
	 */
	ASSERT_EQ(0, measure(self, &aligned, &cost));
	ASSERT_EQ(0, measure(self, &aligned, &cost));
	report("across-holes", ARRAY_SIZE(ranges), &cost);
	if (!self->rules.per_piece) {
		EXPECT_EQ(self->rules.on_map, cost.map.inside);
		flushes = 1;
	}
	EXPECT_EQ(flushes, cost.unmap.inside);
	check_aim(_metadata, &cost.unmap);
}

/* More than one page-selective command of VT-d covers: then it is the whole domain. */
TEST_F(flush, four_gib)
{
	struct p2pbuf_range ranges[64];
	struct cost cost;
	unsigned int i;

	if (bar_size(self->exporter, TEST_BAR) < 4096 * MIB)
		SKIP(return, "this BAR has less");
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		ranges[i] = (struct p2pbuf_range){ 0, 64 * MIB };
	self->fd = export_ranges(self->exporter, TEST_BAR, ranges, ARRAY_SIZE(ranges),
				 O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
	/* The first time AMD's page table may have to grow, with a flush of its own. */
	ASSERT_EQ(0, measure(self, &by_phys, &cost));
	ASSERT_EQ(0, measure(self, &by_phys, &cost));
	report("four-gib", ARRAY_SIZE(ranges), &cost);
	EXPECT_EQ(self->rules.on_map, cost.map.inside);
	EXPECT_EQ(1, cost.unmap.inside);
}

static int import_pages(FIXTURE_DATA(flush) *self, unsigned int nr, struct window *window,
			uint32_t *handle)
{
	int ret;

	self->fd = export_nr(self->exporter, nr);
	if (self->fd < 0)
		return self->fd;
	ret = map_ours(self, &by_phys, window);
	*handle = self->handle;
	close(self->fd);
	return ret;
}

/* Leave an empty page table behind: no unmap covered all of the 2 MiB it is for. */
static int leave_table(FIXTURE_DATA(flush) *self, struct window *window)
{
	unsigned int nr = 384;
	uint32_t held, handle;
	int ret;

	/* The first may share its 2 MiB with other mappings, the second does not. */
	ret = import_pages(self, nr, window, &held);
	if (!ret)
		ret = import_pages(self, nr, window, &handle);
	return ret ? ret : unmap_handle(self->importer, handle);
}

/*
 * Where the IOVA was taken from elsewhere, that hole is filled for the next try. Of 2 MiB
 * each there are some hundred after a mapping of gigabytes.
 */
static int measure_in_place_of_table(FIXTURE_DATA(flush) *self, struct window *leftover,
				     struct cost *cost)
{
	unsigned int tries = 1000;
	int ret;

	do {
		ret = leave_table(self, leftover);
		if (ret)
			return ret;
		self->fd = export_simple(self->exporter, 0, 2 * MIB);
		if (self->fd < 0)
			return self->fd;
		ret = measure(self, &by_phys, cost);
		if (ret || leftover->first == cost->window.first)
			return ret;
		ret = map_ours(self, &by_phys, &cost->window);
		close(self->fd);
	} while (!ret && --tries);
	return ret;
}

/* There once more. A hole that has opened above it meanwhile is filled. */
static int measure_again_at(FIXTURE_DATA(flush) *self, uint64_t first, struct cost *cost)
{
	unsigned int tries = 1000;
	int ret;

	do {
		ret = measure(self, &by_phys, cost);
		if (ret || cost->window.first == first)
			return ret;
		ret = map_ours(self, &by_phys, &cost->window);
	} while (!ret && --tries);
	return ret;
}

/*
 * An entry for 2 MiB in the place of an empty table costs a flush of its own, since the
 * IOMMU may have cached the way to the table. Where there is no table it does not.
 */
TEST_F(flush, leftover_table)
{
	struct window leftover;
	struct cost cost;

	if (iommu_is("virtio"))
		SKIP(return, "the page tables are QEMU's own");

	ASSERT_EQ(0, measure_in_place_of_table(self, &leftover, &cost));
	ASSERT_EQ(leftover.first, cost.window.first);
	report("leftover-table", 1, &cost);
	EXPECT_EQ(self->rules.on_map + 1, cost.map.inside);
	EXPECT_EQ(1, cost.unmap.inside);

	ASSERT_EQ(0, measure_again_at(self, leftover.first, &cost));
	ASSERT_EQ(leftover.first, cost.window.first);
	EXPECT_EQ(self->rules.on_map, cost.map.inside);
	EXPECT_EQ(1, cost.unmap.inside);
}

TEST_HARNESS_MAIN
