// SPDX-License-Identifier: GPL-2.0-only
/* Instructions and IOTLB flushes of a map and an unmap. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"

static void begin(const struct shape *shape, unsigned int strategy)
{
	record_begin("cost");
	record_shape(shape);
	record_text("strategy", strategy_names[strategy]);
}

/* Of all runs, those to be dropped first. */
struct counts {
	uint64_t *map;
	uint64_t *unmap;
	uint64_t *describe;
};

static int run(int bench, const struct options *options, unsigned int strategy,
	       const struct counts *counts)
{
	struct p2pbuf_bench_run args = {
		.strategy = strategy,
		.runs = options->dropped + options->runs,
		.map = (uintptr_t)counts->map,
		.unmap = (uintptr_t)counts->unmap,
		.describe = (uintptr_t)counts->describe,
	};

	return ioctl(bench, P2PBUF_BENCH_RUN, &args) ? -errno : 0;
}

static void record_counts(const struct options *options, const struct counts *counts)
{
	record_numbers("map", counts->map + options->dropped, options->runs);
	record_numbers("unmap", counts->unmap + options->dropped, options->runs);
	record_numbers("describe", counts->describe + options->dropped, options->runs);
	record_number("dropped", options->dropped);
}

static void record_pages(int bench)
{
	struct p2pbuf_bench_pages pages;

	must(!ioctl(bench, P2PBUF_BENCH_SET_UP_PAGES, &pages), "P2PBUF_BENCH_SET_UP_PAGES");
	record_number("setup", pages.setup);
	record_number("memmap", pages.memmap);
}

static void count_segments_and_flushes(int bench, unsigned int strategy)
{
	struct flushes before, to_map, to_unmap;
	struct p2pbuf_bench_hold held;
	bool counts = translates() && !count_flushes(0, 0, &before);

	must(!hold(bench, strategy, &held), "P2PBUF_BENCH_HOLD");
	if (counts)
		must(!count_flushes(held.first, held.last, &to_map), "count flushes");
	drop(bench);
	if (counts)
		must(!count_flushes(held.first, held.last, &to_unmap), "count flushes");

	record_number("segments", held.segments);
	if (counts) {
		record_number("flushes_map", to_map.inside);
		record_number("flushes_unmap", to_unmap.inside);
	}
}

static void measure_strategy(const struct options *options, const struct shape *shape,
			     unsigned int strategy)
{
	unsigned int all = options->dropped + options->runs;
	uint64_t *memory = calloc(all, 3 * sizeof(*memory));
	struct counts counts = { memory, memory + all, memory + 2 * all };
	enum p2pbuf_route route;
	int bench, ret;

	bench = open_bench(shape, &route);
	ret = run(bench, options, strategy, &counts);
	if (ret != -EOPNOTSUPP) {
		begin(shape, strategy);
		if (ret) {
			record_text("skip", strerrorname_np(-ret));
		} else {
			record_counts(options, &counts);
			count_segments_and_flushes(bench, strategy);
			if (strategy == P2PBUF_BENCH_PAGES)
				record_pages(bench);
		}
		record_end();
	}
	close(bench);
	free(memory);
}

static bool chosen(const struct options *options, unsigned int strategy)
{
	return options->strategies & 1u << strategy;
}

/* The struct pages belong to a driver, which has to be bound instead of the exporter. */
static void measure_pages(const struct options *options, const struct shape *shapes,
			  unsigned int nr)
{
	unsigned int i;

	must(!unbind_driver(exporter_bdf()), "unbind the exporter");
	must(!bind_driver(exporter_bdf(), "p2pbuf_bench"), "bind p2pbuf_bench");
	for (i = 0; i < nr; i++)
		measure_strategy(options, &shapes[i], P2PBUF_BENCH_PAGES);
	must(!unbind_driver(exporter_bdf()), "unbind p2pbuf_bench");
	must(!bind_driver(exporter_bdf(), "p2pbuf_exporter"), "bind the exporter");
}

void measure_cost(const struct options *options, const struct shape *shapes, unsigned int nr)
{
	unsigned int i, strategy;

	for (i = 0; i < nr; i++)
		for (strategy = 0; strategy < P2PBUF_BENCH_STRATEGIES; strategy++)
			if (chosen(options, strategy) && strategy != P2PBUF_BENCH_PAGES)
				measure_strategy(options, &shapes[i], strategy);
	if (chosen(options, P2PBUF_BENCH_PAGES))
		measure_pages(options, shapes, nr);
}
