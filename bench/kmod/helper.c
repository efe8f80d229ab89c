// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's helper for exporters, as it is and corrected. */
#include <linux/dma-buf-mapping.h>
#include <linux/err.h>

#include "bench.h"

unsigned int sgt_nr_segments(const struct bench *bench)
{
	return bench->sgt->nents;
}

void sgt_segment(const struct bench *bench, unsigned int index, struct p2pbuf_segment *seg)
{
	struct scatterlist *sg = bench->sgt->sgl;

	while (index--)
		sg = sg_next(sg);
	seg->addr = sg_dma_address(sg);
	seg->length = sg_dma_len(sg);
}

static int helper_map(struct bench *bench)
{
	bench->sgt = dma_buf_phys_vec_to_sgt(&bench->attach, bench->ranges->provider,
					     bench->vecs, bench->nr, bench->size,
					     DMA_BIDIRECTIONAL);
	return PTR_ERR_OR_ZERO(bench->sgt);
}

static void helper_unmap(struct bench *bench)
{
	dma_buf_free_sgt(&bench->attach, bench->sgt, DMA_BIDIRECTIONAL);
}

/*
 * Several ranges through an IOMMU it links on top of each other (Linux 7.3,
 * drivers/dma-buf/dma-buf-mapping.c).
 */
static int helper_prepare(struct bench *bench)
{
	return bench->route == P2PBUF_ROUTE_IOVA && bench->nr > 1 ? -EOPNOTSUPP : 0;
}

const struct strategy helper_strategy = {
	.prepare = helper_prepare,
	.map = helper_map,
	.unmap = helper_unmap,
	.nr_segments = sgt_nr_segments,
	.segment = sgt_segment,
};

#ifdef CORRECTED_HELPER

/*
 * The corrected helper asks us where the kernel's own asks pci_p2pdma_map_type(), which
 * modules do not get and which keeps its answer. So does this: it is a little faster still.
 * All tests of one guest have the same two functions.
 */
static enum pci_p2pdma_map_type map_type;

enum pci_p2pdma_map_type bench_map_type(struct p2pdma_provider *provider, struct device *dev)
{
	return READ_ONCE(map_type);
}

static int corrected_prepare(struct bench *bench)
{
	WRITE_ONCE(map_type, bench->route == P2PBUF_ROUTE_BUS_ADDR ?
			     PCI_P2PDMA_MAP_BUS_ADDR : PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
	return bench->route == P2PBUF_ROUTE_UNKNOWN ? -EREMOTEIO : 0;
}

static int corrected_map(struct bench *bench)
{
	bench->sgt = corrected_phys_vec_to_sgt(&bench->attach, bench->ranges->provider,
					       bench->vecs, bench->nr, bench->size,
					       DMA_BIDIRECTIONAL);
	return PTR_ERR_OR_ZERO(bench->sgt);
}

static void corrected_unmap(struct bench *bench)
{
	corrected_free_sgt(&bench->attach, bench->sgt, DMA_BIDIRECTIONAL);
}

const struct strategy corrected_strategy = {
	.prepare = corrected_prepare,
	.map = corrected_map,
	.unmap = corrected_unmap,
	.nr_segments = sgt_nr_segments,
	.segment = sgt_segment,
};

#else

static int corrected_prepare(struct bench *bench)
{
	return -EOPNOTSUPP;
}

const struct strategy corrected_strategy = {
	.prepare = corrected_prepare,
};

#endif
