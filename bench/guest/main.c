// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"

const char * const strategy_names[] = {
	[P2PBUF_BENCH_PHYS] = "phys",
	[P2PBUF_BENCH_ALIGNED] = "aligned",
	[P2PBUF_BENCH_SGT] = "sgt",
	[P2PBUF_BENCH_HELPER] = "helper",
	[P2PBUF_BENCH_CORRECTED] = "corrected",
	[P2PBUF_BENCH_DMA_MAP_PHYS] = "dma_map_phys",
	[P2PBUF_BENCH_DMA_MAP_RESOURCE] = "dma_map_resource",
	[P2PBUF_BENCH_PAGES] = "pages",
	[P2PBUF_BENCH_LIMIT] = "limit",
};

static const struct measure {
	const char *name;
	void (*run)(const struct options *options, const struct shape *shapes,
		    unsigned int nr);
} measures[] = {
	{ "cost", measure_cost },
	{ "wall", measure_wall },
	{ "leaves", measure_leaves },
	{ "memory", measure_memory },
	{ "latency", measure_latency },
};

void must(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "p2pbuf-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Instructions of the guest, under QEMU's -icount shift=0. */
unsigned long long now(void)
{
	return __rdtsc();
}

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr,
		"usage: p2pbuf-bench MEASURE [OPTION]... LAYOUT:RANGES:BYTES...\n"
		"MEASURE: cost, wall, leaves, memory or latency\n"
		"LAYOUT: contiguous, holes, shuffled, 2M, 1G or odd; RANGES of BYTES each\n"
		"  -r N     runs that count (default: 9)\n"
		"  -d N     runs that go before them (default: 3)\n"
		"  -t N     threads that map at the same time (wall; default: 1)\n"
		"  -s NAME  a strategy (may be repeated; default: all)\n");
	exit(2);
}

static unsigned int strategy_bit(const char *name)
{
	unsigned int i;

	for (i = 0; i < P2PBUF_BENCH_STRATEGIES; i++)
		if (!strcmp(name, strategy_names[i]))
			return 1u << i;
	usage();
}

static struct options parse_options(int argc, char **argv)
{
	struct options options = { .runs = 9, .dropped = 3, .threads = 1 };
	int option;

	while ((option = getopt(argc, argv, "r:d:t:s:")) != -1) {
		if (option == 'r')
			options.runs = strtoul(optarg, NULL, 0);
		else if (option == 'd')
			options.dropped = strtoul(optarg, NULL, 0);
		else if (option == 't')
			options.threads = strtoul(optarg, NULL, 0);
		else if (option == 's')
			options.strategies |= strategy_bit(optarg);
		else
			usage();
	}
	if (!options.strategies)
		options.strategies = (1u << P2PBUF_BENCH_STRATEGIES) - 1;
	if (!options.runs || !options.threads)
		usage();
	return options;
}

static const struct measure *find_measure(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(measures) / sizeof(*measures); i++)
		if (!strcmp(name, measures[i].name))
			return &measures[i];
	usage();
}

int main(int argc, char **argv)
{
	const struct measure *measure;
	struct options options;
	struct shape *shapes;
	uint64_t start, size;
	int i, nr;

	if (argc < 2)
		usage();
	measure = find_measure(argv[1]);
	options = parse_options(argc - 1, argv + 1);
	argv += 1 + optind;
	nr = argc - 1 - optind;

	must(!bar_resource(TEST_BAR, &start, &size), "the BAR");
	shapes = calloc(nr + 1, sizeof(*shapes));
	for (i = 0; i < nr; i++) {
		if (!parse_shape(argv[i], &shapes[i]))
			usage();
		place_ranges(&shapes[i], size);
	}
	must(!run_shell("modprobe p2pbuf_bench"), "modprobe p2pbuf_bench");
	measure->run(&options, shapes, nr);
	return 0;
}
