// SPDX-License-Identifier: GPL-2.0-only
/* P2PDMA struct pages of the BAR, made by a driver of our own for the function. */
#include <linux/mm.h>
#include <linux/timex.h>

#include "bench.h"

#define PAGES_BAR	2

struct p2pbuf_bench_pages pages_cost;

static int pages_prepare(struct bench *bench)
{
	if (bench->provider->driver != &pages_driver)
		return -EOPNOTSUPP;
	return make_table(bench);
}

static int pages_map(struct bench *bench)
{
	return dma_map_sgtable(bench->dev, &bench->table, DMA_BIDIRECTIONAL, 0);
}

static void pages_unmap(struct bench *bench)
{
	dma_unmap_sgtable(bench->dev, &bench->table, DMA_BIDIRECTIONAL, 0);
}

static unsigned int pages_nr_segments(const struct bench *bench)
{
	return bench->table.nents;
}

static void pages_segment(const struct bench *bench, unsigned int index,
			  struct p2pbuf_segment *seg)
{
	struct scatterlist *sg = bench->table.sgl;

	while (index--)
		sg = sg_next(sg);
	seg->addr = sg_dma_address(sg);
	seg->length = sg_dma_len(sg);
}

const struct strategy pages_strategy = {
	.prepare = pages_prepare,
	.finish = free_table,
	.map = pages_map,
	.unmap = pages_unmap,
	.nr_segments = pages_nr_segments,
	.segment = pages_segment,
};

static int pages_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	cycles_t start;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	start = get_cycles();
	ret = pci_p2pdma_add_resource(pdev, PAGES_BAR, 0, 0);
	pages_cost.setup = get_cycles() - start;
	pages_cost.memmap = PHYS_PFN(pci_resource_len(pdev, PAGES_BAR)) * sizeof(struct page);
	return ret;
}

struct pci_driver pages_driver = {
	.name = "p2pbuf_bench",
	.probe = pages_probe,
};
