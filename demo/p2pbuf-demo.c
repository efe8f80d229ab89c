// SPDX-License-Identifier: GPL-2.0-only
/*
 * One route of the demo, inside the guest: four shuffled ranges of the exporter's BAR,
 * written by the CPU and read by the importer's DMA engine, then the reverse.
 *
 * Prints one line, "demo: route=... ...", "demo: refused ..." or "demo: error ...".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "p2pbuf_test.h"

#define NR_RANGES	4
#define RANGE_LENGTH	(4 * PAGE)
#define TOTAL		(NR_RANGES * RANGE_LENGTH)

static void die(const char *what, int error)
{
	printf("demo: error text=\"%s: %s\"\n", what, strerror(error));
	exit(1);
}

/* In the BAR's order 3, 1, 0, 2, with a hole after each. */
static int export_shuffled(int exporter)
{
	static const unsigned int order[NR_RANGES] = { 3, 1, 0, 2 };
	struct p2pbuf_range ranges[NR_RANGES];
	int fd, i;

	for (i = 0; i < NR_RANGES; i++)
		ranges[i] = (struct p2pbuf_range){ order[i] * 2 * RANGE_LENGTH,
						   RANGE_LENGTH };
	fd = export_ranges(exporter, TEST_BAR, ranges, NR_RANGES, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("export", -fd);
	return fd;
}

static uint32_t import_or_refuse(int importer, int fd)
{
	uint32_t handle;
	int ret;

	ret = import_buffer(importer, fd, P2PBUF_INTERCONNECT_PHYS,
			    P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &handle);
	if (ret == -EREMOTEIO) {
		printf("demo: refused errno=%s text=\"%s\"\n",
		       strerrorname_np(-ret), strerror(-ret));
		exit(0);
	}
	if (ret)
		die("import", -ret);
	return handle;
}

static bool device_reads(int importer, uint32_t handle, uint8_t *cpu)
{
	uint8_t *got = malloc(TOTAL);
	size_t where;
	int ret;

	pattern_fill(cpu, TOTAL, 1, 0);
	ret = read_buffer(importer, handle, 0, got, TOTAL);
	if (ret)
		die("device reads", -ret);
	return !pattern_check(got, TOTAL, 1, 0, &where);
}

static bool device_writes(int importer, uint32_t handle, const uint8_t *cpu)
{
	uint8_t *data = malloc(TOTAL);
	size_t where;
	int ret;

	pattern_fill(data, TOTAL, 2, 0);
	ret = write_buffer(importer, handle, 0, data, TOTAL);
	if (ret)
		die("device writes", -ret);
	return !pattern_check(cpu, TOTAL, 2, 0, &where);
}

int main(void)
{
	int exporter = open_exporter(), importer = open_importer(), fd, ret;
	struct p2pbuf_query query;
	uint32_t handle;
	uint8_t *cpu;
	bool verified;

	if (exporter < 0)
		die("exporter's node", -exporter);
	if (importer < 0)
		die("importer's node", -importer);

	fd = export_shuffled(exporter);
	handle = import_or_refuse(importer, fd);
	ret = map_handle(importer, handle);
	if (ret)
		die("map", -ret);
	ret = query_handle(importer, handle, &query, NULL, 0);
	if (ret)
		die("query", -ret);
	cpu = mmap(NULL, TOTAL, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (cpu == MAP_FAILED)
		die("mmap", errno);

	verified = device_reads(importer, handle, cpu);
	verified &= device_writes(importer, handle, cpu);
	printf("demo: route=%s ranges=%u segments=%u read=%lu written=%lu verified=%s\n",
	       route_name(query.route), query.nr_ranges, query.nr_segments, TOTAL, TOTAL,
	       verified ? "yes" : "no");
	return verified ? 0 : 1;
}
