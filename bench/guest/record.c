// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static const char * const routes[] = {
	[P2PBUF_ROUTE_UNKNOWN] = "refused",
	[P2PBUF_ROUTE_BUS_ADDR] = "bus-address",
	[P2PBUF_ROUTE_HOST_BRIDGE] = "host-bridge",
	[P2PBUF_ROUTE_IOVA] = "iova",
};

void record_begin(const char *measure)
{
	printf("bench {\"measure\":\"%s\",\"cell\":\"%s/%s/%s\"", measure,
	       getenv("P2PBUF_TOPOLOGY"), getenv("P2PBUF_IOMMU"),
	       getenv("P2PBUF_INVALIDATION"));
	record_text("route", routes[expected_route()]);
}

void record_shape(const struct shape *shape)
{
	record_text("layout", shape->layout);
	record_number("ranges", shape->nr);
	record_number("piece", shape->piece);
	record_number("bytes", shape_size(shape));
}

void record_text(const char *key, const char *value)
{
	printf(",\"%s\":\"%s\"", key, value);
}

void record_number(const char *key, uint64_t value)
{
	printf(",\"%s\":%llu", key, (unsigned long long)value);
}

void record_numbers(const char *key, const uint64_t *values, unsigned int nr)
{
	unsigned int i;

	printf(",\"%s\":[", key);
	for (i = 0; i < nr; i++)
		printf("%s%llu", i ? "," : "", (unsigned long long)values[i]);
	printf("]");
}

/* @leaves[n]: number of leaf entries of 2^n bytes */
void record_sizes(const char *key, const uint64_t *leaves)
{
	const char *comma = "";
	unsigned int i;

	printf(",\"%s\":{", key);
	for (i = 0; i < 64; i++) {
		if (!leaves[i])
			continue;
		printf("%s\"%llu\":%llu", comma, 1ULL << i, (unsigned long long)leaves[i]);
		comma = ",";
	}
	printf("}");
}

void record_end(void)
{
	printf("}\n");
	fflush(stdout);
}
