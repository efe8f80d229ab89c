// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every DMABUF of BAR memory has to fulfil, whoever exports it. Each check has a
 * name, and a mapping that is wrong in one way is caught by one of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define MAX_SEGMENTS	64
/* Bytes at each end of a buffer that are moved. */
#define SAMPLE		(2 * PAGE)

static bool reads_match(const struct conform *conform, uint32_t handle, uint64_t offset,
			size_t length)
{
	uint8_t data[SAMPLE];

	pattern_fill(conform->cpu + offset, length, 1, offset);
	return !read_buffer(conform->importer, handle, offset, data, length) &&
	       !memcmp(data, conform->cpu + offset, length);
}

static bool writes_match(const struct conform *conform, uint32_t handle, uint64_t offset,
			 size_t length)
{
	uint8_t data[SAMPLE];

	pattern_fill(data, length, 2, offset);
	return !write_buffer(conform->importer, handle, offset, data, length) &&
	       !memcmp(data, conform->cpu + offset, length);
}

static bool data_matches(const struct conform *conform, uint32_t handle, uint64_t size)
{
	size_t length = size < SAMPLE ? size : SAMPLE;

	return reads_match(conform, handle, 0, length) &&
	       writes_match(conform, handle, 0, length) &&
	       reads_match(conform, handle, size - length, length) &&
	       writes_match(conform, handle, size - length, length);
}

/* Only where there are IOVAs; else an address says nothing of a mapping. */
static bool still_mapped(const struct conform *conform, const struct p2pbuf_segment *segs,
			 unsigned int nr)
{
	struct p2pbuf_test_translated args;
	unsigned int i;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		return false;
	for (i = 0; i < nr; i++) {
		args = (struct p2pbuf_test_translated){
			.addr = segs[i].addr, .nr_pages = segs[i].length / PAGE,
		};
		strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
		if (ioctl(conform->test, P2PBUF_TEST_TRANSLATED, &args) || args.translated)
			return true;
	}
	return false;
}

static void forget_flushes(void)
{
	struct flushes flushes;

	count_flushes(0, 0, &flushes);
}

/* Where a map has to flush, and the rig counts. */
static bool flush_is_missing(const struct p2pbuf_segment *segs, unsigned int nr)
{
	uint64_t first = UINT64_MAX, last = 0;
	struct flushes flushes;
	unsigned int i;

	if (expected_route() != P2PBUF_ROUTE_IOVA || !flushes_on_map())
		return false;
	for (i = 0; i < nr; i++) {
		if (segs[i].addr < first)
			first = segs[i].addr;
		if (segs[i].addr + segs[i].length - 1 > last)
			last = segs[i].addr + segs[i].length - 1;
	}
	return !count_flushes(first, last, &flushes) && !flushes.inside;
}

static const char *check_mapped(const struct conform *conform, uint32_t handle,
				uint64_t size)
{
	struct p2pbuf_verdict verdict;

	if (verdict_of(conform->importer, handle, &verdict))
		return "audit";
	if (verdict.kind != P2PBUF_VERDICT_PEER_TO_PEER)
		return verdict_name(verdict.kind);
	if (conform->cpu && data_arrives() && !data_matches(conform, handle, size))
		return "data";
	return NULL;
}

static const char *check_import(const struct conform *conform, uint32_t handle)
{
	struct p2pbuf_segment segs[MAX_SEGMENTS];
	struct p2pbuf_query query;
	const char *failed;
	bool flushed;

	forget_flushes();
	if (map_handle(conform->importer, handle))
		return "map";
	if (query_handle(conform->importer, handle, &query, segs, MAX_SEGMENTS))
		return "query";
	flushed = !flush_is_missing(segs, query.capacity);
	failed = check_mapped(conform, handle, query.size);
	if (!failed && !flushed)
		failed = "sync";
	if (unmap_handle(conform->importer, handle))
		return "unmap";
	if (!failed && still_mapped(conform, segs, query.capacity))
		failed = "still-mapped";
	return failed;
}

/* The name of the check that @conform fails first, or NULL. */
const char *nonconformity(const struct conform *conform)
{
	const char *failed;
	uint32_t handle;

	if (import_buffer(conform->importer, conform->fd, P2PBUF_INTERCONNECT_SGT,
			  READ_WRITE, &handle))
		return "attach";
	failed = check_import(conform, handle);
	if (release_handle(conform->importer, handle))
		return "release";
	return failed;
}
