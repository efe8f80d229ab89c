// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/ioctl.h>

#include "p2pbuf_calls.h"

static int call(int fd, unsigned long cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

int region_info(int exporter, unsigned int bar, struct p2pbuf_region_info *info)
{
	*info = (struct p2pbuf_region_info){ .index = bar };
	return call(exporter, P2PBUF_IOCTL_REGION_INFO, info);
}

int ask_route(int exporter, uint64_t client, struct p2pbuf_route_info *info)
{
	*info = (struct p2pbuf_route_info){ .client = client };
	return call(exporter, P2PBUF_IOCTL_ROUTE, info);
}

int export_ranges(int exporter, unsigned int bar, const struct p2pbuf_range *ranges,
		  unsigned int nr, unsigned int open_flags)
{
	struct p2pbuf_export args = {
		.region_index = bar,
		.open_flags = open_flags,
		.nr_ranges = nr,
		.ranges = (uintptr_t)ranges,
	};

	return call(exporter, P2PBUF_IOCTL_EXPORT, &args);
}

int reset_exporter(int exporter)
{
	struct p2pbuf_reset args = { };

	return call(exporter, P2PBUF_IOCTL_RESET, &args);
}

int set_memory(int exporter, bool on)
{
	struct p2pbuf_memory args = { .on = on };

	return call(exporter, P2PBUF_IOCTL_MEMORY, &args);
}

/* -EINTR leaves access lost to all that is new. */
int revoke_buffer(int exporter, int fd)
{
	struct p2pbuf_revoke args = { .fd = fd };

	return call(exporter, P2PBUF_IOCTL_REVOKE, &args);
}

/* @args->handle is filled in. */
int import_by(int importer, struct p2pbuf_import *args)
{
	return call(importer, P2PBUF_IOCTL_IMPORT, args);
}

int map_handle(int importer, uint32_t handle)
{
	struct p2pbuf_handle args = { .handle = handle };

	return call(importer, P2PBUF_IOCTL_MAP, &args);
}

int unmap_handle(int importer, uint32_t handle)
{
	struct p2pbuf_handle args = { .handle = handle };

	return call(importer, P2PBUF_IOCTL_UNMAP, &args);
}

int release_handle(int importer, uint32_t handle)
{
	struct p2pbuf_handle args = { .handle = handle };

	return call(importer, P2PBUF_IOCTL_RELEASE, &args);
}

/* Segments from number @first on; @query->capacity is how many were filled. */
int query_segments(int importer, uint32_t handle, unsigned int first,
		   struct p2pbuf_segment *segs, unsigned int capacity,
		   struct p2pbuf_query *query)
{
	*query = (struct p2pbuf_query){
		.handle = handle,
		.segments = (uintptr_t)segs,
		.first_segment = first,
		.capacity = capacity,
	};
	return call(importer, P2PBUF_IOCTL_QUERY, query);
}

int query_handle(int importer, uint32_t handle, struct p2pbuf_query *query,
		 struct p2pbuf_segment *segs, unsigned int capacity)
{
	return query_segments(importer, handle, 0, segs, capacity, query);
}

int copy_buffer(int importer, uint32_t handle, unsigned int flags, uint64_t offset,
		void *user, uint64_t length, struct p2pbuf_copy *result)
{
	*result = (struct p2pbuf_copy){
		.handle = handle,
		.flags = flags,
		.offset = offset,
		.length = length,
		.user = (uintptr_t)user,
	};
	return call(importer, P2PBUF_IOCTL_COPY, result);
}

/* The sync_file, or -errno. */
int transfer_buffer(int importer, uint32_t src, uint64_t src_offset, uint32_t dst,
		    uint64_t dst_offset, uint64_t length)
{
	struct p2pbuf_transfer args = {
		.src = src,
		.dst = dst,
		.src_offset = src_offset,
		.dst_offset = dst_offset,
		.length = length,
	};
	int ret;

	ret = call(importer, P2PBUF_IOCTL_TRANSFER, &args);
	return ret ? ret : args.fence_fd;
}

/* The number of places filled, or -errno; @offset moves on behind them. */
int audit_handle(int importer, uint32_t handle, uint64_t *offset,
		 struct p2pbuf_place *places, unsigned int capacity)
{
	struct p2pbuf_audit args = {
		.handle = handle,
		.offset = *offset,
		.places = (uintptr_t)places,
		.capacity = capacity,
	};
	int ret;

	ret = call(importer, P2PBUF_IOCTL_AUDIT, &args);
	if (ret)
		return ret;
	*offset = args.offset;
	return args.capacity;
}

int verdict_of(int importer, uint32_t handle, struct p2pbuf_verdict *verdict)
{
	*verdict = (struct p2pbuf_verdict){ .handle = handle };
	return call(importer, P2PBUF_IOCTL_VERDICT, verdict);
}
