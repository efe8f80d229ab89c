/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_CORE_H
#define _P2PBUF_CORE_H

#include <linux/sizes.h>

#include <p2pbuf.h>

/* Alignment costs IOVA space: smaller ranges are not worth it. */
#define P2PBUF_ALIGNED_FROM	SZ_2M

/**
 * struct p2pbuf_layout - places of ranges inside one IOVA allocation
 * @size: of the allocation, less than twice that of the ranges
 * @nr: number of runs: ranges that follow each other in IOVA space too
 * @iovas: offset of each run in the allocation, ascending; behind @starts
 * @starts: offset of each run in the buffer, ascending; the first one is 0
 *
 * Immutable, and of one mapping.
 */
struct p2pbuf_layout {
	u64 size;
	unsigned int nr;
	u64 *iovas;
	u64 starts[];
};

struct p2pbuf_layout *p2pbuf_layout_create(const struct p2pbuf_ranges *ranges,
					   unsigned long leaves);

unsigned int p2pbuf_last_start(const u64 *starts, unsigned int nr, u64 offset);

/* Bytes of the buffer from run @index on that are contiguous for the device. */
static inline u64 p2pbuf_run_length(const struct p2pbuf_mapping *map, unsigned int index)
{
	const struct p2pbuf_layout *layout = map->layout;

	if (!layout)
		return map->ranges->size;
	if (index + 1 < layout->nr)
		return layout->starts[index + 1] - layout->starts[index];
	return map->ranges->size - layout->starts[index];
}

/*
 * p2pbuf_segment(), for loops over many of them: where a scatterlist is all that a mapping
 * needs, by bus address, it takes 64 instructions per range with it and 72 without.
 */
static inline void p2pbuf_segment_inline(const struct p2pbuf_mapping *map,
					 unsigned int index, struct p2pbuf_segment *seg)
{
	const struct p2pbuf_ranges *ranges = map->ranges;

	switch (map->route) {
	case P2PBUF_ROUTE_BUS_ADDR:
		seg->addr = pci_p2pdma_bus_addr_map(ranges->provider,
						    ranges->vecs[index].paddr);
		seg->length = ranges->vecs[index].len;
		return;
	case P2PBUF_ROUTE_HOST_BRIDGE:
		seg->addr = map->addrs[index];
		seg->length = ranges->vecs[index].len;
		return;
	default:
		seg->addr = map->iova.addr + (map->layout ? map->layout->iovas[index] : 0);
		seg->length = p2pbuf_run_length(map, index);
	}
}

#if IS_ENABLED(CONFIG_KUNIT)
int p2pbuf_highest_addr(struct device *dev, const struct p2pbuf_ranges *ranges,
			enum p2pbuf_route route, u64 *highest);
unsigned int p2pbuf_sgt_capacity(const struct p2pbuf_mapping *map);
struct scatterlist *p2pbuf_sgt_fill(struct scatterlist *sg,
				    const struct p2pbuf_segment *seg,
				    bool bus_addr);
#endif

#endif /* _P2PBUF_CORE_H */
