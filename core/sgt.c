// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping as a scatterlist without CPU pages, for importers that take nothing
 * else.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/math.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include <kunit/visibility.h>

#include "core.h"

/**
 * struct p2pbuf_sgt - a mapping with its scatterlist
 * @sgt: what the importer gets; orig_nents is 0, which is how importers tell that
 *	there are no pages
 * @nents: the number of entries: sg_free_table() goes by orig_nents and would free none
 * @single: the only entry, if @nents is 1, as it is for most buffers behind an IOMMU
 * @map: the mapping
 */
struct p2pbuf_sgt {
	struct sg_table sgt;
	unsigned int nents;
	struct scatterlist single;
	struct p2pbuf_mapping map;
};

VISIBLE_IF_KUNIT
int p2pbuf_sgt_count(const struct p2pbuf_mapping *map, unsigned int *nents)
{
	unsigned int i;

	if (map->route != P2PBUF_ROUTE_IOVA && map->ranges->longest <= P2PBUF_SG_MAX) {
		*nents = map->ranges->nr;
		return 0;
	}
	*nents = 0;
	for (i = 0; i < p2pbuf_nr_segments(map); i++) {
		struct p2pbuf_segment seg;

		p2pbuf_segment(map, i, &seg);
		if (check_add_overflow(*nents,
				       DIV_ROUND_UP_ULL(seg.length, P2PBUF_SG_MAX),
				       nents))
			return -EOVERFLOW;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(p2pbuf_sgt_count);

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
		sg = sg_next(sg);
	}
	return sg;
}
EXPORT_SYMBOL_IF_KUNIT(p2pbuf_sgt_fill);

static void fill_table(struct p2pbuf_sgt *table)
{
	bool bus_addr = table->map.route == P2PBUF_ROUTE_BUS_ADDR;
	struct scatterlist *sg = table->sgt.sgl;
	unsigned int i;

	for (i = 0; i < p2pbuf_nr_segments(&table->map); i++) {
		struct p2pbuf_segment seg;

		p2pbuf_segment_inline(&table->map, i, &seg);
		sg = p2pbuf_sgt_fill(sg, &seg, bus_addr);
	}
}

static int alloc_entries(struct p2pbuf_sgt *table)
{
	if (table->nents > 1)
		return sg_alloc_table(&table->sgt, table->nents, GFP_KERNEL_ACCOUNT);
	sg_init_table(&table->single, 1);
	table->sgt.sgl = &table->single;
	table->sgt.nents = 1;
	return 0;
}

static void free_entries(struct p2pbuf_sgt *table)
{
	if (table->nents == 1)
		return;
	table->sgt.orig_nents = table->nents;
	sg_free_table(&table->sgt);
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
 * Return: the table, or ERR_PTR with an error of p2pbuf_map(), or -EOVERFLOW (more
 * entries than a table can count).
 */
struct sg_table *p2pbuf_sgt_map(struct p2pbuf_peer *peer, enum dma_data_direction dir)
{
	struct p2pbuf_sgt *table;
	int ret;

	table = kzalloc_obj(*table, GFP_KERNEL_ACCOUNT);
	if (!table)
		return ERR_PTR(-ENOMEM);

	ret = p2pbuf_map(&table->map, peer, dir, 0);
	if (ret)
		goto err_free;
	ret = p2pbuf_sgt_count(&table->map, &table->nents);
	if (ret)
		goto err_unmap;
	ret = alloc_entries(table);
	if (ret)
		goto err_unmap;

	fill_table(table);
	table->sgt.orig_nents = 0;
	return &table->sgt;

err_unmap:
	p2pbuf_unmap(&table->map);
err_free:
	kfree(table);
	return ERR_PTR(ret);
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
	free_entries(table);
	kfree(table);
}
EXPORT_SYMBOL_GPL(p2pbuf_sgt_unmap);
