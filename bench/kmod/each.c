// SPDX-License-Identifier: GPL-2.0-only
/* The DMA API, called for one range after the other. */
#include <linux/mm.h>

#include "bench.h"

static int each_prepare(struct bench *bench)
{
	bench->addrs = kvmalloc_array(bench->nr, sizeof(*bench->addrs), GFP_KERNEL);
	return bench->addrs ? 0 : -ENOMEM;
}

static void each_finish(struct bench *bench)
{
	kvfree(bench->addrs);
}

static unsigned int each_nr_segments(const struct bench *bench)
{
	return bench->nr;
}

static void each_segment(const struct bench *bench, unsigned int index,
			 struct p2pbuf_segment *seg)
{
	seg->addr = bench->addrs[index];
	seg->length = bench->vecs[index].len;
}

static void phys_undo(struct bench *bench, unsigned int nr)
{
	while (nr--)
		dma_unmap_phys(bench->dev, bench->addrs[nr], bench->vecs[nr].len,
			       DMA_BIDIRECTIONAL, DMA_ATTR_MMIO);
}

static int phys_map(struct bench *bench)
{
	unsigned int i;

	for (i = 0; i < bench->nr; i++) {
		bench->addrs[i] = dma_map_phys(bench->dev, bench->vecs[i].paddr,
					       bench->vecs[i].len, DMA_BIDIRECTIONAL,
					       DMA_ATTR_MMIO);
		if (dma_mapping_error(bench->dev, bench->addrs[i])) {
			phys_undo(bench, i);
			return -EIO;
		}
	}
	return 0;
}

static void phys_unmap(struct bench *bench)
{
	phys_undo(bench, bench->nr);
}

static void resource_undo(struct bench *bench, unsigned int nr)
{
	while (nr--)
		dma_unmap_resource(bench->dev, bench->addrs[nr], bench->vecs[nr].len,
				   DMA_BIDIRECTIONAL, 0);
}

static int resource_map(struct bench *bench)
{
	unsigned int i;

	for (i = 0; i < bench->nr; i++) {
		bench->addrs[i] = dma_map_resource(bench->dev, bench->vecs[i].paddr,
						   bench->vecs[i].len, DMA_BIDIRECTIONAL, 0);
		if (dma_mapping_error(bench->dev, bench->addrs[i])) {
			resource_undo(bench, i);
			return -EIO;
		}
	}
	return 0;
}

static void resource_unmap(struct bench *bench)
{
	resource_undo(bench, bench->nr);
}

/* Neither API knows bus addresses: the mapping would be wrong there. */
static int prepare_checked(struct bench *bench)
{
	return bench->route == P2PBUF_ROUTE_BUS_ADDR ? -EOPNOTSUPP : each_prepare(bench);
}

const struct strategy dma_map_phys_strategy = {
	.prepare = prepare_checked,
	.finish = each_finish,
	.map = phys_map,
	.unmap = phys_unmap,
	.nr_segments = each_nr_segments,
	.segment = each_segment,
};

const struct strategy dma_map_resource_strategy = {
	.prepare = prepare_checked,
	.finish = each_finish,
	.map = resource_map,
	.unmap = resource_unmap,
	.nr_segments = each_nr_segments,
	.segment = each_segment,
};
