// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "p2pbuf_test.h"

/* Single pages of the test BAR, in the order given. */
int export_pages(int exporter, const unsigned int *pages, unsigned int nr)
{
	struct p2pbuf_range *ranges = calloc(nr, sizeof(*ranges));
	unsigned int i;
	int ret;

	if (!ranges)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		ranges[i] = (struct p2pbuf_range){ pages[i] * PAGE, PAGE };
	ret = export_ranges(exporter, TEST_BAR, ranges, nr, O_RDWR | O_CLOEXEC);
	free(ranges);
	return ret;
}

/* The BAR's first @length bytes, @nr times. */
int export_repeated(int exporter, uint64_t length, unsigned int nr)
{
	struct p2pbuf_range *ranges = calloc(nr, sizeof(*ranges));
	unsigned int i;
	int fd;

	for (i = 0; i < nr; i++)
		ranges[i] = (struct p2pbuf_range){ 0, length };
	fd = export_ranges(exporter, TEST_BAR, ranges, nr, O_RDWR | O_CLOEXEC);
	free(ranges);
	return fd;
}

int export_simple(int exporter, uint64_t offset, uint64_t length)
{
	struct p2pbuf_range range = { offset, length };

	return export_ranges(exporter, TEST_BAR, &range, 1, O_RDWR | O_CLOEXEC);
}

int import_buffer(int importer, int fd, unsigned int interconnect,
		  unsigned int access, uint32_t *handle)
{
	struct p2pbuf_import args = {
		.fd = fd,
		.interconnect = interconnect,
		.access = access,
	};
	int ret;

	ret = import_by(importer, &args);
	if (!ret)
		*handle = args.handle;
	return ret;
}

int import_flow(int importer, int fd, unsigned int interconnect, unsigned int flow,
		unsigned int flags, uint32_t *handle)
{
	struct p2pbuf_import args = {
		.fd = fd,
		.interconnect = interconnect,
		.access = P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE,
		.flow = flow,
		.flags = flags,
	};
	int ret;

	ret = import_by(importer, &args);
	if (!ret)
		*handle = args.handle;
	return ret;
}

int query_segment(int importer, uint32_t handle, unsigned int index,
		  struct p2pbuf_segment *seg)
{
	struct p2pbuf_query query;

	return query_segments(importer, handle, index, seg, 1, &query);
}

/* Whole and proven, or -EIO. */
static int copy_whole(int importer, uint32_t handle, unsigned int flags,
		      uint64_t offset, void *user, uint64_t length)
{
	struct p2pbuf_copy result;
	int ret;

	ret = copy_buffer(importer, handle, flags, offset, user, length, &result);
	if (ret)
		return ret;
	return result.copied == length && !result.unproven ? 0 : -EIO;
}

int read_buffer(int importer, uint32_t handle, uint64_t offset, void *user,
		uint64_t length)
{
	return copy_whole(importer, handle, 0, offset, user, length);
}

int write_buffer(int importer, uint32_t handle, uint64_t offset, const void *user,
		 uint64_t length)
{
	return copy_whole(importer, handle, P2PBUF_COPY_TO_BUFFER, offset,
			  (void *)user, length);
}
