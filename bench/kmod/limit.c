// SPDX-License-Identifier: GPL-2.0-only
/*
 * What nobody can beat who maps the same ranges one behind the other: the IOMMU's entries are
 * written and one sync is made. The IOVA is reserved beforehand, and nothing is checked.
 *
 * iommu_map_nosync() and iommu_sync_map() are not exported (Linux 7.3), so several ranges go
 * by iommu_map_sg().
 */
#include <linux/iommu.h>

#include "bench.h"

#define PROT	(IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO)

static int limit_prepare(struct bench *bench)
{
	int ret;

	if (bench->route != P2PBUF_ROUTE_IOVA)
		return -EOPNOTSUPP;
	ret = make_table(bench);
	if (ret)
		return ret;
	if (!dma_iova_try_alloc(bench->dev, &bench->iova, 0, bench->size)) {
		free_table(bench);
		return -ENOMEM;
	}
	return 0;
}

static void limit_finish(struct bench *bench)
{
	dma_iova_free(bench->dev, &bench->iova);
	free_table(bench);
}

static int limit_map(struct bench *bench)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(bench->dev);
	ssize_t mapped;

	if (bench->nr == 1)
		return iommu_map(domain, bench->iova.addr, bench->vecs->paddr, bench->size,
				 PROT, GFP_KERNEL);
	mapped = iommu_map_sg(domain, bench->iova.addr, bench->table.sgl,
			      bench->table.nents, PROT, GFP_KERNEL);
	return mapped < 0 ? mapped : 0;
}

static void limit_unmap(struct bench *bench)
{
	iommu_unmap(iommu_get_domain_for_dev(bench->dev), bench->iova.addr, bench->size);
}

static unsigned int limit_nr_segments(const struct bench *bench)
{
	return 1;
}

static void limit_segment(const struct bench *bench, unsigned int index,
			  struct p2pbuf_segment *seg)
{
	seg->addr = bench->iova.addr;
	seg->length = bench->size;
}

static void limit_forget(struct bench *bench)
{
}

const struct strategy limit_strategy = {
	.prepare = limit_prepare,
	.finish = limit_finish,
	.map = limit_map,
	.unmap = limit_unmap,
	.nr_segments = limit_nr_segments,
	.segment = limit_segment,
	.forget = limit_forget,
};
