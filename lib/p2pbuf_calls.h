/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The drivers' ioctls as functions, for the command, the demo and the tests.
 *
 * They return what the driver returns: 0 or more, or -errno.
 */
#ifndef _P2PBUF_CALLS_H
#define _P2PBUF_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/p2pbuf.h>

/* calls.c */
int region_info(int exporter, unsigned int bar, struct p2pbuf_region_info *info);
int ask_route(int exporter, uint64_t client, struct p2pbuf_route_info *info);
int export_ranges(int exporter, unsigned int bar, const struct p2pbuf_range *ranges,
		  unsigned int nr, unsigned int open_flags);
int reset_exporter(int exporter);
int set_memory(int exporter, bool on);
int revoke_buffer(int exporter, int fd);
int import_by(int importer, struct p2pbuf_import *args);
int map_handle(int importer, uint32_t handle);
int unmap_handle(int importer, uint32_t handle);
int release_handle(int importer, uint32_t handle);
int query_segments(int importer, uint32_t handle, unsigned int first,
		   struct p2pbuf_segment *segs, unsigned int capacity,
		   struct p2pbuf_query *query);
int query_handle(int importer, uint32_t handle, struct p2pbuf_query *query,
		 struct p2pbuf_segment *segs, unsigned int capacity);
int copy_buffer(int importer, uint32_t handle, unsigned int flags, uint64_t offset,
		void *user, uint64_t length, struct p2pbuf_copy *result);
int transfer_buffer(int importer, uint32_t src, uint64_t src_offset, uint32_t dst,
		    uint64_t dst_offset, uint64_t length);
int audit_handle(int importer, uint32_t handle, uint64_t *offset,
		 struct p2pbuf_place *places, unsigned int capacity);
int verdict_of(int importer, uint32_t handle, struct p2pbuf_verdict *verdict);

/* names.c */
const char *route_name(unsigned int route);
const char *verdict_name(unsigned int kind);
uint64_t bdf_number(const char *bdf);

#endif /* _P2PBUF_CALLS_H */
