/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of p2pbuf: all under events/p2pbuf in tracefs. A DMABUF is named by its inode,
 * as in /sys/kernel/debug/dma_buf/bufinfo and in the fdinfo of its descriptors.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM p2pbuf

#if !defined(_P2PBUF_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _P2PBUF_TRACE_H

#include <linux/pci.h>
#include <linux/tracepoint.h>

#include <p2pbuf.h>

TRACE_DEFINE_ENUM(P2PBUF_ROUTE_UNKNOWN);
TRACE_DEFINE_ENUM(P2PBUF_ROUTE_BUS_ADDR);
TRACE_DEFINE_ENUM(P2PBUF_ROUTE_HOST_BRIDGE);
TRACE_DEFINE_ENUM(P2PBUF_ROUTE_IOVA);

#define show_route(route) __print_symbolic(route,		\
	{ P2PBUF_ROUTE_UNKNOWN, "none" },			\
	{ P2PBUF_ROUTE_BUS_ADDR, "bus-address" },		\
	{ P2PBUF_ROUTE_HOST_BRIDGE, "host-bridge" },		\
	{ P2PBUF_ROUTE_IOVA, "iova" })

TRACE_DEFINE_ENUM(P2PBUF_ROUTE_REASON_NONE);
TRACE_DEFINE_ENUM(P2PBUF_ROUTE_REASON_NO_COMMON);
TRACE_DEFINE_ENUM(P2PBUF_ROUTE_REASON_REDIRECT);
TRACE_DEFINE_ENUM(P2PBUF_ROUTE_REASON_SILENT);

#define show_reason(reason) __print_symbolic(reason,			\
	{ P2PBUF_ROUTE_REASON_NONE, "none" },				\
	{ P2PBUF_ROUTE_REASON_NO_COMMON, "no-common-bridge" },		\
	{ P2PBUF_ROUTE_REASON_REDIRECT, "redirect" },			\
	{ P2PBUF_ROUTE_REASON_SILENT, "silent" })

#ifndef _P2PBUF_TRACE_ONCE
#define _P2PBUF_TRACE_ONCE

/**
 * enum p2pbuf_revoke_step - how far a revoke of a DMABUF is
 * @P2PBUF_REVOKE_TOLD: nothing new is mapped, importers are told, CPU mappings are gone
 * @P2PBUF_REVOKE_FENCES: all fences have signalled
 * @P2PBUF_REVOKE_UNMAPPED: no importer has a mapping any more
 */
enum p2pbuf_revoke_step {
	P2PBUF_REVOKE_TOLD,
	P2PBUF_REVOKE_FENCES,
	P2PBUF_REVOKE_UNMAPPED,
};

#endif

TRACE_DEFINE_ENUM(P2PBUF_REVOKE_TOLD);
TRACE_DEFINE_ENUM(P2PBUF_REVOKE_FENCES);
TRACE_DEFINE_ENUM(P2PBUF_REVOKE_UNMAPPED);

#define show_step(step) __print_symbolic(step,			\
	{ P2PBUF_REVOKE_TOLD, "told" },				\
	{ P2PBUF_REVOKE_FENCES, "fences-signalled" },		\
	{ P2PBUF_REVOKE_UNMAPPED, "unmapped" })

TRACE_EVENT(p2pbuf_export,
	TP_PROTO(struct device *exporter, u64 ino, const struct p2pbuf_ranges *ranges),
	TP_ARGS(exporter, ino, ranges),
	TP_STRUCT__entry(
		__string(exporter, dev_name(exporter))
		__field(u64, ino)
		__field(u64, bytes)
		__field(unsigned int, ranges)
		__field(unsigned int, merged)
	),
	TP_fast_assign(
		__assign_str(exporter);
		__entry->ino = ino;
		__entry->bytes = ranges->size;
		__entry->ranges = ranges->nr_exported;
		__entry->merged = ranges->nr;
	),
	TP_printk("exporter=%s ino=%llu bytes=%llu ranges=%u merged=%u", __get_str(exporter),
		  __entry->ino, __entry->bytes, __entry->ranges, __entry->merged)
);

TRACE_EVENT(p2pbuf_attach,
	/* @path is all zero if it was not asked for */
	TP_PROTO(struct device *exporter, u64 ino, struct device *importer,
		 const struct p2pbuf_path *path, int error),
	TP_ARGS(exporter, ino, importer, path, error),
	TP_STRUCT__entry(
		__string(exporter, dev_name(exporter))
		__string(importer, dev_name(importer))
		__string(port, p2pbuf_path_port(path) ? pci_name(p2pbuf_path_port(path)) : "-")
		__field(u64, ino)
		__field(int, error)
		__field(u32, reason)
	),
	TP_fast_assign(
		__assign_str(exporter);
		__assign_str(importer);
		__assign_str(port);
		__entry->ino = ino;
		__entry->error = error;
		__entry->reason = error && error != -EREMOTEIO && error != -ENOLINK ?
				  P2PBUF_ROUTE_REASON_NONE : p2pbuf_path_reason(path);
	),
	TP_printk("exporter=%s ino=%llu importer=%s error=%d reason=%s port=%s",
		  __get_str(exporter), __entry->ino, __get_str(importer), __entry->error,
		  show_reason(__entry->reason), __get_str(port))
);

TRACE_EVENT(p2pbuf_map,
	/* @map is all zero after an error */
	TP_PROTO(struct device *dev, const struct p2pbuf_ranges *ranges,
		 const struct p2pbuf_mapping *map, int error),
	TP_ARGS(dev, ranges, map, error),
	TP_STRUCT__entry(
		__string(importer, dev_name(dev))
		__field(u32, route)
		__field(unsigned int, ranges)
		__field(unsigned int, segments)
		__field(u64, bytes)
		__field(int, error)
	),
	TP_fast_assign(
		__assign_str(importer);
		__entry->route = map->route;
		__entry->ranges = ranges->nr;
		__entry->segments = error ? 0 : p2pbuf_nr_segments(map);
		__entry->bytes = ranges->size;
		__entry->error = error;
	),
	TP_printk("importer=%s route=%s ranges=%u segments=%u bytes=%llu error=%d",
		  __get_str(importer), show_route(__entry->route), __entry->ranges,
		  __entry->segments, __entry->bytes, __entry->error)
);

TRACE_EVENT(p2pbuf_sync,
	TP_PROTO(struct device *dev, dma_addr_t iova, u64 bytes, int error),
	TP_ARGS(dev, iova, bytes, error),
	TP_STRUCT__entry(
		__string(importer, dev_name(dev))
		__field(u64, iova)
		__field(u64, bytes)
		__field(int, error)
	),
	TP_fast_assign(
		__assign_str(importer);
		__entry->iova = iova;
		__entry->bytes = bytes;
		__entry->error = error;
	),
	TP_printk("importer=%s iova=0x%llx bytes=%llu error=%d", __get_str(importer),
		  __entry->iova, __entry->bytes, __entry->error)
);

TRACE_EVENT(p2pbuf_unmap,
	TP_PROTO(const struct p2pbuf_mapping *map),
	TP_ARGS(map),
	TP_STRUCT__entry(
		__string(importer, dev_name(map->dev))
		__field(u32, route)
		__field(unsigned int, ranges)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__assign_str(importer);
		__entry->route = map->route;
		__entry->ranges = map->ranges->nr;
		__entry->bytes = map->ranges->size;
	),
	TP_printk("importer=%s route=%s ranges=%u bytes=%llu", __get_str(importer),
		  show_route(__entry->route), __entry->ranges, __entry->bytes)
);

TRACE_EVENT(p2pbuf_revoke,
	TP_PROTO(struct device *exporter, u64 ino, enum p2pbuf_revoke_step step),
	TP_ARGS(exporter, ino, step),
	TP_STRUCT__entry(
		__string(exporter, dev_name(exporter))
		__field(u64, ino)
		__field(u32, step)
	),
	TP_fast_assign(
		__assign_str(exporter);
		__entry->ino = ino;
		__entry->step = step;
	),
	TP_printk("exporter=%s ino=%llu step=%s", __get_str(exporter), __entry->ino,
		  show_step(__entry->step))
);

TRACE_EVENT(p2pbuf_restore,
	TP_PROTO(struct device *exporter, u64 ino),
	TP_ARGS(exporter, ino),
	TP_STRUCT__entry(
		__string(exporter, dev_name(exporter))
		__field(u64, ino)
	),
	TP_fast_assign(
		__assign_str(exporter);
		__entry->ino = ino;
	),
	TP_printk("exporter=%s ino=%llu", __get_str(exporter), __entry->ino)
);

TRACE_EVENT(p2pbuf_dma_submit,
	TP_PROTO(struct device *dev, u64 src, u64 dst, u64 bytes),
	TP_ARGS(dev, src, dst, bytes),
	TP_STRUCT__entry(
		__string(importer, dev_name(dev))
		__field(u64, src)
		__field(u64, dst)
		__field(u64, bytes)
	),
	TP_fast_assign(
		__assign_str(importer);
		__entry->src = src;
		__entry->dst = dst;
		__entry->bytes = bytes;
	),
	TP_printk("importer=%s src=0x%llx dst=0x%llx bytes=%llu", __get_str(importer),
		  __entry->src, __entry->dst, __entry->bytes)
);

TRACE_EVENT(p2pbuf_dma_done,
	TP_PROTO(struct device *dev, int error),
	TP_ARGS(dev, error),
	TP_STRUCT__entry(
		__string(importer, dev_name(dev))
		__field(int, error)
	),
	TP_fast_assign(
		__assign_str(importer);
		__entry->error = error;
	),
	TP_printk("importer=%s error=%d", __get_str(importer), __entry->error)
);

#endif /* _P2PBUF_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE p2pbuf_trace
#include <trace/define_trace.h>
