// SPDX-License-Identifier: GPL-2.0-only
/* The host's time for maps and unmaps, by one thread or by several at once. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* Pairs that are timed together. */
#define PAIRS	16

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	int bench;
	unsigned int strategy;
	int ret;
};

static void *work(void *data)
{
	struct worker *worker = data;
	uint64_t map[PAIRS], unmap[PAIRS], describe[PAIRS];
	struct p2pbuf_bench_run args = {
		.strategy = worker->strategy,
		.runs = PAIRS,
		.map = (uintptr_t)map,
		.unmap = (uintptr_t)unmap,
		.describe = (uintptr_t)describe,
		.interruptible = 1,
	};

	pthread_barrier_wait(worker->start);
	worker->ret = ioctl(worker->bench, P2PBUF_BENCH_RUN, &args) ? -errno : 0;
	return NULL;
}

static uint64_t nanoseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* For one pair, with all threads at work; 0 if the strategy does not exist here. */
static uint64_t time_once(struct worker *workers, unsigned int nr)
{
	pthread_barrier_t start;
	uint64_t before, after;
	unsigned int i;

	pthread_barrier_init(&start, NULL, nr + 1);
	for (i = 0; i < nr; i++) {
		workers[i].start = &start;
		must(!pthread_create(&workers[i].thread, NULL, work, &workers[i]), "a thread");
	}
	pthread_barrier_wait(&start);
	before = nanoseconds();
	for (i = 0; i < nr; i++)
		pthread_join(workers[i].thread, NULL);
	after = nanoseconds();
	pthread_barrier_destroy(&start);
	for (i = 0; i < nr; i++) {
		if (workers[i].ret == -EOPNOTSUPP)
			return 0;
		errno = -workers[i].ret;
		must(!workers[i].ret, "P2PBUF_BENCH_RUN");
	}
	return (after - before) / PAIRS;
}

static void time_strategy(const struct options *options, const struct shape *shape,
			  unsigned int strategy)
{
	struct worker *workers = calloc(options->threads, sizeof(*workers));
	uint64_t *ns = calloc(options->runs, sizeof(*ns));
	enum p2pbuf_route route;
	bool exists = true;
	unsigned int i;

	for (i = 0; i < options->threads; i++) {
		workers[i].strategy = strategy;
		workers[i].bench = open_bench(shape, &route);
	}
	for (i = 0; i < options->dropped && exists; i++)
		exists = time_once(workers, options->threads);
	for (i = 0; i < options->runs && exists; i++)
		ns[i] = time_once(workers, options->threads);
	if (exists) {
		record_begin("wall");
		record_shape(shape);
		record_text("strategy", strategy_names[strategy]);
		record_number("threads", options->threads);
		record_numbers("ns", ns, options->runs);
		record_end();
	}
	for (i = 0; i < options->threads; i++)
		close(workers[i].bench);
	free(ns);
	free(workers);
}

void measure_wall(const struct options *options, const struct shape *shapes, unsigned int nr)
{
	unsigned int i, strategy;

	for (i = 0; i < nr; i++)
		for (strategy = 0; strategy < P2PBUF_BENCH_STRATEGIES; strategy++)
			if (options->strategies & 1u << strategy)
				time_strategy(options, &shapes[i], strategy);
}
