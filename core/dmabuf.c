// SPDX-License-Identifier: GPL-2.0-only
/*
 * A DMABUF mapped by whichever interconnect its exporter offers, for importers that take
 * any exporter's. Those that need the scatterlist alone call dma_buf_map_attachment()
 * themselves.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/scatterlist.h>

#include <p2pbuf.h>

/**
 * p2pbuf_dmabuf_choose - choose an interconnect
 * @map: zeroed
 * @dmabuf: to be mapped; the caller holds a reference
 * @wanted: enum p2pbuf_interconnect
 *
 * Context: may sleep.
 * Return: 0, -EOPNOTSUPP (PHYS, and the exporter does not offer it), -EINVAL (@wanted is
 * none).
 */
int p2pbuf_dmabuf_choose(struct p2pbuf_dmabuf_map *map, struct dma_buf *dmabuf, u32 wanted)
{
	map->ops = p2pbuf_phys_ops(dmabuf);
	switch (wanted) {
	case P2PBUF_INTERCONNECT_AUTO:
		map->interconnect = map->ops ? P2PBUF_INTERCONNECT_PHYS :
					       P2PBUF_INTERCONNECT_SGT;
		return 0;
	case P2PBUF_INTERCONNECT_PHYS:
	case P2PBUF_INTERCONNECT_SGT:
		map->interconnect = wanted;
		return wanted == P2PBUF_INTERCONNECT_SGT || map->ops ? 0 : -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}
EXPORT_SYMBOL_GPL(p2pbuf_dmabuf_choose);

/**
 * p2pbuf_dmabuf_map - map a DMABUF
 * @map: after p2pbuf_dmabuf_choose(), not mapped
 * @attach: the attachment
 * @dir: direction of the DMA
 * @flags: matter to PHYS
 *
 * Context: may sleep; the reservation lock is held.
 * Return: 0, or an error of p2pbuf_map_attachment() or dma_buf_map_attachment().
 */
int p2pbuf_dmabuf_map(struct p2pbuf_dmabuf_map *map, struct dma_buf_attachment *attach,
		      enum dma_data_direction dir, enum p2pbuf_map_flags flags)
{
	struct sg_table *sgt;

	if (map->interconnect == P2PBUF_INTERCONNECT_PHYS)
		return p2pbuf_map_attachment(&map->phys, map->ops, attach, dir, flags);

	sgt = dma_buf_map_attachment(attach, dir);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	map->sgt = sgt;
	map->dir = dir;
	return 0;
}
EXPORT_SYMBOL_GPL(p2pbuf_dmabuf_map);

/**
 * p2pbuf_dmabuf_unmap - undo p2pbuf_dmabuf_map()
 * @map: the mapping, which no DMA uses any more
 * @attach: as mapped
 *
 * Context: may sleep; the reservation lock is held.
 */
void p2pbuf_dmabuf_unmap(struct p2pbuf_dmabuf_map *map, struct dma_buf_attachment *attach)
{
	if (map->interconnect == P2PBUF_INTERCONNECT_PHYS) {
		p2pbuf_unmap_attachment(&map->phys, map->ops, attach);
		return;
	}
	dma_buf_unmap_attachment(attach, map->sgt, map->dir);
}
EXPORT_SYMBOL_GPL(p2pbuf_dmabuf_unmap);

/**
 * p2pbuf_dmabuf_nr_segments - number of pieces that are contiguous for the device
 * @map: the mapping
 *
 * Return: the number.
 */
unsigned int p2pbuf_dmabuf_nr_segments(const struct p2pbuf_dmabuf_map *map)
{
	if (map->interconnect == P2PBUF_INTERCONNECT_PHYS)
		return p2pbuf_nr_segments(&map->phys);
	return map->sgt->nents;
}
EXPORT_SYMBOL_GPL(p2pbuf_dmabuf_nr_segments);

static unsigned int fill_phys(const struct p2pbuf_mapping *map, unsigned int first,
			      unsigned int capacity, struct p2pbuf_segment *segs)
{
	unsigned int nr = p2pbuf_nr_segments(map), i;

	for (i = 0; i < capacity && first + i < nr; i++)
		p2pbuf_segment(map, first + i, &segs[i]);
	return i;
}

static unsigned int fill_sgt(const struct sg_table *sgt, unsigned int first,
			     unsigned int capacity, struct p2pbuf_segment *segs)
{
	unsigned int filled = 0;
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (i < first)
			continue;
		if (filled == capacity)
			break;
		segs[filled].addr = sg_dma_address(sg);
		segs[filled].length = sg_dma_len(sg);
		filled++;
	}
	return filled;
}

/**
 * p2pbuf_dmabuf_segments - the pieces, for a device's page tables
 * @map: the mapping
 * @first: which is to come first
 * @capacity: room in @segs
 * @segs: filled in
 *
 * Return: how many were filled in.
 */
unsigned int p2pbuf_dmabuf_segments(const struct p2pbuf_dmabuf_map *map, unsigned int first,
				    unsigned int capacity, struct p2pbuf_segment *segs)
{
	if (map->interconnect == P2PBUF_INTERCONNECT_PHYS)
		return fill_phys(&map->phys, first, capacity, segs);
	return fill_sgt(map->sgt, first, capacity, segs);
}
EXPORT_SYMBOL_GPL(p2pbuf_dmabuf_segments);

static dma_addr_t find_sgt(const struct sg_table *sgt, u64 offset, u64 *run)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (offset < sg_dma_len(sg)) {
			*run = sg_dma_len(sg) - offset;
			return sg_dma_address(sg) + offset;
		}
		offset -= sg_dma_len(sg);
	}
	*run = 0;
	return DMA_MAPPING_ERROR;
}

/**
 * p2pbuf_dmabuf_find - DMA address of a place
 * @map: the mapping
 * @offset: of the place in bytes, below the DMABUF's size
 * @run: where to put the number of bytes contiguous for the device from there on; 0
 *	if the exporter's scatterlist is shorter than its DMABUF
 *
 * Return: the address.
 */
dma_addr_t p2pbuf_dmabuf_find(const struct p2pbuf_dmabuf_map *map, u64 offset, u64 *run)
{
	if (map->interconnect == P2PBUF_INTERCONNECT_PHYS)
		return p2pbuf_find(&map->phys, offset, run);
	return find_sgt(map->sgt, offset, run);
}
EXPORT_SYMBOL_GPL(p2pbuf_dmabuf_find);
