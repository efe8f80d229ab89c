// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping as a scatterlist without CPU pages, for importers that take nothing
 * else.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include <kunit/visibility.h>

#include "core.h"

/**
 * struct p2pbuf_sgt - a mapping with its scatterlist
 * @sgt: what the importer gets; orig_nents is 0, which is how importers tell that
 *	there are no pages
 * @map: the mapping
 * @entries: of @sgt
 */
struct p2pbuf_sgt {
	struct sg_table sgt;
	struct p2pbuf_mapping map;
	struct scatterlist entries[];
};

/*
 * Most entries that a mapping can take. The ranges whose array can be allocated, and the
 * entries that a BAR holds, are together fewer than 2^32.
 */
VISIBLE_IF_KUNIT
unsigned int p2pbuf_sgt_capacity(const struct p2pbuf_mapping *map)
{
	return p2pbuf_nr_segments(map) + map->ranges->size / P2PBUF_SG_MAX;
}
EXPORT_SYMBOL_IF_KUNIT(p2pbuf_sgt_capacity);

VISIBLE_IF_KUNIT
struct scatterlist *p2pbuf_sgt_fill(struct scatterlist *sg,
				    const struct p2pbuf_segment *seg,
				    bool bus_addr)
{
	u64 done, len;

	for (done = 0; done < seg->length; done += len) {
		len = min_t(u64, seg->length - done, P2PBUF_SG_MAX);
		sg_dma_address(sg) = seg->addr + done;
		sg_dma_len(sg) = len;
		if (bus_addr)
			sg_dma_mark_bus_address(sg);
		sg++;
	}
	return sg;
}
EXPORT_SYMBOL_IF_KUNIT(p2pbuf_sgt_fill);

static void fill_table(struct p2pbuf_sgt *table)
{
	bool bus_addr = table->map.route == P2PBUF_ROUTE_BUS_ADDR;
	struct scatterlist *sg = table->entries;
	struct p2pbuf_segment seg;
	unsigned int i;

	for (i = 0; i < p2pbuf_nr_segments(&table->map); i++) {
		p2pbuf_segment_inline(&table->map, i, &seg);
		sg = p2pbuf_sgt_fill(sg, &seg, bus_addr);
	}
	sg_mark_end(sg - 1);
	table->sgt.sgl = table->entries;
	table->sgt.nents = sg - table->entries;
}

/**
 * p2pbuf_sgt_map - map ranges for a device and describe them by a scatterlist
 * @peer: as of p2pbuf_map()
 * @dir: direction of the DMA
 *
 * Each entry is a multiple of PAGE_SIZE and at most P2PBUF_SG_MAX bytes. There are no
 * CPU pages, and orig_nents is 0. Entries that hold PCI bus addresses are marked
 * (sg_dma_is_bus_address()).
 *
 * Context: as of p2pbuf_map().
 * Return: the table, or ERR_PTR with an error of p2pbuf_map().
 */
struct sg_table *p2pbuf_sgt_map(struct p2pbuf_peer *peer, enum dma_data_direction dir)
{
	struct p2pbuf_mapping map;
	struct p2pbuf_sgt *table;
	int ret;

	ret = p2pbuf_map(&map, peer, dir, 0);
	if (ret)
		return ERR_PTR(ret);

	table = kvzalloc_flex(*table, entries, p2pbuf_sgt_capacity(&map),
			      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!table) {
		p2pbuf_unmap(&map);
		return ERR_PTR(-ENOMEM);
	}
	table->map = map;
	fill_table(table);
	return &table->sgt;
}
EXPORT_SYMBOL_GPL(p2pbuf_sgt_map);

/**
 * p2pbuf_sgt_unmap - undo p2pbuf_sgt_map()
 * @sgt: the table
 *
 * Context: as of p2pbuf_unmap().
 */
void p2pbuf_sgt_unmap(struct sg_table *sgt)
{
	struct p2pbuf_sgt *table = container_of(sgt, struct p2pbuf_sgt, sgt);

	p2pbuf_unmap(&table->map);
	kvfree(table);
}
EXPORT_SYMBOL_GPL(p2pbuf_sgt_unmap);
