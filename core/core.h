/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_CORE_H
#define _P2PBUF_CORE_H

#include <p2pbuf.h>

unsigned int p2pbuf_ranges_index(const struct p2pbuf_ranges *ranges, u64 offset);

#if IS_ENABLED(CONFIG_KUNIT)
u64 p2pbuf_highest_addr(const struct p2pbuf_ranges *ranges, enum p2pbuf_route route);
int p2pbuf_sgt_count(const struct p2pbuf_mapping *map, unsigned int *nents);
struct scatterlist *p2pbuf_sgt_fill(struct scatterlist *sg,
				    const struct p2pbuf_segment *seg,
				    bool bus_addr);
#endif

#endif /* _P2PBUF_CORE_H */
