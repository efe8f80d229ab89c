// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "bench.h"

/* The module's node, set up for the two functions and the ranges of @shape. */
int open_bench(const struct shape *shape, enum p2pbuf_route *route)
{
	struct p2pbuf_bench_setup args = {
		.bar = TEST_BAR,
		.nr = shape->nr,
		.ranges = (uintptr_t)shape->ranges,
	};
	int bench = open(P2PBUF_BENCH_NODE, O_RDWR | O_CLOEXEC);

	must(bench >= 0, P2PBUF_BENCH_NODE);
	snprintf(args.provider, sizeof(args.provider), "%s", exporter_bdf());
	snprintf(args.client, sizeof(args.client), "%s", importer_bdf());
	must(!ioctl(bench, P2PBUF_BENCH_SETUP, &args), "P2PBUF_BENCH_SETUP");
	*route = args.route;
	return bench;
}

/* 0 or -errno */
int hold(int bench, unsigned int strategy, struct p2pbuf_bench_hold *args)
{
	*args = (struct p2pbuf_bench_hold){ .strategy = strategy };
	return ioctl(bench, P2PBUF_BENCH_HOLD, args) ? -errno : 0;
}

void drop(int bench)
{
	must(!ioctl(bench, P2PBUF_BENCH_DROP), "P2PBUF_BENCH_DROP");
}
