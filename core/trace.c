// SPDX-License-Identifier: GPL-2.0-only
/* The tracepoints of all three drivers, so that they are one system in tracefs. */
#include <linux/export.h>

#define CREATE_TRACE_POINTS
#include <p2pbuf_trace.h>

EXPORT_TRACEPOINT_SYMBOL_GPL(p2pbuf_export);
EXPORT_TRACEPOINT_SYMBOL_GPL(p2pbuf_attach);
EXPORT_TRACEPOINT_SYMBOL_GPL(p2pbuf_revoke);
EXPORT_TRACEPOINT_SYMBOL_GPL(p2pbuf_restore);
EXPORT_TRACEPOINT_SYMBOL_GPL(p2pbuf_dma_submit);
EXPORT_TRACEPOINT_SYMBOL_GPL(p2pbuf_dma_done);
