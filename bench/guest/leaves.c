// SPDX-License-Identifier: GPL-2.0-only
/* Leaf entries of the IOMMU's tables, and what a NIC would program. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"

#define SIZES	64

/* Whether the IOMMU has leaves of 2^@order bytes. */
static bool has_leaf(unsigned int order)
{
	/* All powers of two, but for a hardware bug (AMD_IOMMU_PGSIZES, Linux 7.3). */
	if (iommu_is("amd"))
		return order >= 12 && order != 39;
	return order == 12 || order == 21 || order == 30;
}

static unsigned int largest_leaf(uint64_t phys, uint64_t length)
{
	unsigned int order, best = 12;

	for (order = 12; order < SIZES; order++)
		if (has_leaf(order) && 1ULL << order <= length &&
		    !(phys & ((1ULL << order) - 1)))
			best = order;
	return best;
}

/* The fewest leaves that physical addresses allow, whatever the IOVA. */
static void count_ideal(const struct shape *shape, uint64_t bar, uint64_t *leaves)
{
	uint64_t phys, left, end = 0;
	unsigned int i, order;

	for (i = 0; i < shape->nr; i++) {
		phys = bar + shape->ranges[i].offset;
		left = shape->ranges[i].length;
		/* Neighbours are one range. */
		while (i + 1 < shape->nr &&
		       bar + shape->ranges[i + 1].offset == phys + left)
			left += shape->ranges[++i].length;
		for (end = phys + left; phys < end; phys += 1ULL << order) {
			order = largest_leaf(phys, end - phys);
			leaves[order]++;
		}
	}
}

/* What the rig found in the IOMMU's tables: false if it cannot look. */
static bool walk(uint64_t first, uint64_t last, uint64_t *counts)
{
	struct leaves leaves;
	unsigned int i;

	if (!rig_leaves(importer_bdf(), first, last, &leaves))
		return false;
	for (i = 0; i < LEAF_SIZES; i++)
		counts[__builtin_ctzll(leaf_size(i))] = leaves.nr[i];
	return true;
}

static void look_at(const struct shape *shape, unsigned int strategy, uint64_t bar)
{
	struct p2pbuf_bench_probe probe = { .strategy = strategy };
	uint64_t walked[SIZES] = {}, ideal[SIZES] = {};
	struct p2pbuf_bench_hold held;
	enum p2pbuf_route route;
	int bench = open_bench(shape, &route);
	bool seen;

	must(!hold(bench, strategy, &held), "P2PBUF_BENCH_HOLD");
	seen = walk(held.first, held.last, walked);
	drop(bench);
	must(!ioctl(bench, P2PBUF_BENCH_PROBE, &probe), "P2PBUF_BENCH_PROBE");
	close(bench);

	count_ideal(shape, bar, ideal);
	record_begin("leaves");
	record_shape(shape);
	record_text("strategy", strategy_names[strategy]);
	record_number("segments", held.segments);
	if (seen)
		record_sizes("walker", walked);
	record_sizes("probe", (const uint64_t *)probe.leaves);
	record_sizes("ideal", ideal);
	if (held.nic_page) {
		record_number("nic_page", held.nic_page);
		record_number("nic_blocks", held.nic_blocks);
	}
	record_end();
}

void measure_leaves(const struct options *options, const struct shape *shapes,
		    unsigned int nr)
{
	static const unsigned int strategies[] = {
		P2PBUF_BENCH_PHYS, P2PBUF_BENCH_ALIGNED, P2PBUF_BENCH_LIMIT
	};
	uint64_t start, size;
	unsigned int i, k;

	must(!bar_resource(TEST_BAR, &start, &size), "the BAR");
	for (i = 0; i < nr; i++)
		for (k = 0; k < sizeof(strategies) / sizeof(*strategies); k++)
			if (options->strategies & 1u << strategies[k])
				look_at(&shapes[i], strategies[k], start);
}
