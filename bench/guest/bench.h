/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * p2pbuf-bench: what runs in the guest. Each figure goes to stdout as a line
 * "bench {...}", a JSON object; bench/report.py says what the keys mean.
 */
#ifndef _P2PBUF_BENCH_GUEST_H
#define _P2PBUF_BENCH_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_bench_ioctl.h"

/**
 * struct options - of the command line
 * @runs: that count
 * @dropped: that went before them
 * @threads: that map at the same time
 * @strategies: bitmap
 */
struct options {
	unsigned int runs;
	unsigned int dropped;
	unsigned int threads;
	unsigned int strategies;
};

/**
 * struct shape - ranges of one layout
 * @layout: its name
 * @nr: number of ranges
 * @piece: bytes of each
 * @ranges: in the buffer's order
 */
struct shape {
	char layout[16];
	unsigned int nr;
	uint64_t piece;
	struct p2pbuf_range *ranges;
};

/* main.c */
extern const char * const strategy_names[];
void must(bool fine, const char *what);
unsigned long long now(void);

/* shape.c */
bool parse_shape(const char *text, struct shape *shape);
void place_ranges(struct shape *shape, uint64_t bar_size);
uint64_t shape_size(const struct shape *shape);

/* record.c: one line of output */
void record_begin(const char *measure);
void record_shape(const struct shape *shape);
void record_text(const char *key, const char *value);
void record_number(const char *key, uint64_t value);
void record_numbers(const char *key, const uint64_t *values, unsigned int nr);
void record_sizes(const char *key, const uint64_t *leaves);
void record_end(void);

/* node.c: the module's node */
int open_bench(const struct shape *shape, enum p2pbuf_route *route);
int hold(int bench, unsigned int strategy, struct p2pbuf_bench_hold *args);
void drop(int bench);

/* One per measure. */
void measure_cost(const struct options *options, const struct shape *shapes, unsigned int nr);
void measure_wall(const struct options *options, const struct shape *shapes, unsigned int nr);
void measure_leaves(const struct options *options, const struct shape *shapes,
		    unsigned int nr);
void measure_memory(const struct options *options, const struct shape *shapes,
		    unsigned int nr);
void measure_latency(const struct options *options, const struct shape *shapes,
		     unsigned int nr);

#endif /* _P2PBUF_BENCH_GUEST_H */
