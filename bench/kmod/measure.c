// SPDX-License-Identifier: GPL-2.0-only
/*
 * One loop for all strategies. Under QEMU's -icount shift=0 the time-stamp counter counts
 * the guest's instructions.
 */
#include <linux/array_size.h>
#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bench.h"

static const struct strategy * const strategies[] = {
	[P2PBUF_BENCH_PHYS] = &phys_strategy,
	[P2PBUF_BENCH_ALIGNED] = &aligned_strategy,
	[P2PBUF_BENCH_SGT] = &sgt_strategy,
	[P2PBUF_BENCH_HELPER] = &helper_strategy,
	[P2PBUF_BENCH_CORRECTED] = &corrected_strategy,
	[P2PBUF_BENCH_DMA_MAP_PHYS] = &dma_map_phys_strategy,
	[P2PBUF_BENCH_DMA_MAP_RESOURCE] = &dma_map_resource_strategy,
	[P2PBUF_BENCH_PAGES] = &pages_strategy,
	[P2PBUF_BENCH_LIMIT] = &limit_strategy,
};

/* With what it needs beforehand, or ERR_PTR. */
static const struct strategy *prepare(struct bench *bench, u32 index)
{
	const struct strategy *strategy;
	int ret = 0;

	if (!bench->ranges || index >= ARRAY_SIZE(strategies))
		return ERR_PTR(-EINVAL);
	if (bench->held)
		return ERR_PTR(-EBUSY);
	strategy = strategies[index];
	if (strategy->prepare)
		ret = strategy->prepare(bench);
	return ret ? ERR_PTR(ret) : strategy;
}

static void finish(struct bench *bench, const struct strategy *strategy)
{
	if (strategy->finish)
		strategy->finish(bench);
}

/* What each run took, in steps of the time-stamp counter; one allocation. */
struct counts {
	u64 *map;
	u64 *unmap;
	u64 *describe;
};

static int map_and_unmap(struct bench *bench, const struct strategy *strategy,
			 const struct counts *counts, u32 i)
{
	u64 start, mapped, described;
	int ret;

	start = get_cycles();
	ret = strategy->map(bench);
	mapped = get_cycles();
	if (ret)
		return ret;
	if (strategy->describe)
		strategy->describe(bench);
	described = get_cycles();
	strategy->unmap(bench);
	counts->unmap[i] = get_cycles() - described;
	counts->describe[i] = strategy->describe ? described - mapped : 0;
	counts->map[i] = mapped - start;
	return 0;
}

static int run(struct bench *bench, const struct strategy *strategy,
	       const struct p2pbuf_bench_run *args, const struct counts *counts)
{
	unsigned long flags = 0;
	int ret = 0;
	u32 i;

	dma_resv_lock(&bench->resv, NULL);
	for (i = 0; i < args->runs && !ret; i++) {
		/* What is due by now is not to run in between. */
		cond_resched();
		if (!args->interruptible)
			local_irq_save(flags);
		ret = map_and_unmap(bench, strategy, counts, i);
		if (!args->interruptible)
			local_irq_restore(flags);
	}
	dma_resv_unlock(&bench->resv);
	return ret;
}

int bench_run(struct bench *bench, const struct p2pbuf_bench_run *args)
{
	u64 *all __free(kvfree) = kvcalloc(args->runs, 3 * sizeof(*all), GFP_KERNEL);
	struct counts counts = { all, all + args->runs, all + 2 * args->runs };
	size_t size = args->runs * sizeof(*all);
	const struct strategy *strategy;
	int ret;

	if (!all)
		return -ENOMEM;
	strategy = prepare(bench, args->strategy);
	if (IS_ERR(strategy))
		return PTR_ERR(strategy);
	ret = run(bench, strategy, args, &counts);
	finish(bench, strategy);
	if (ret)
		return ret;
	if (copy_to_user(u64_to_user_ptr(args->map), counts.map, size) ||
	    copy_to_user(u64_to_user_ptr(args->unmap), counts.unmap, size) ||
	    copy_to_user(u64_to_user_ptr(args->describe), counts.describe, size))
		return -EFAULT;
	return 0;
}

static int map_locked(struct bench *bench, const struct strategy *strategy)
{
	int ret;

	dma_resv_lock(&bench->resv, NULL);
	ret = strategy->map(bench);
	dma_resv_unlock(&bench->resv);
	if (ret)
		finish(bench, strategy);
	return ret;
}

/* What a NIC with pages of all sizes from 4 KiB to 2 GiB would program. */
static void describe_for_nic(const struct bench *bench, struct p2pbuf_bench_hold *args)
{
	struct p2pbuf_segment seg;
	unsigned int i;
	u64 page;

	p2pbuf_segment(&bench->map, 0, &seg);
	page = p2pbuf_best_page_size(&bench->map, GENMASK(31, 12), seg.addr);
	args->nic_page = page;
	args->nic_blocks = 0;
	for (i = 0; page && i < p2pbuf_nr_segments(&bench->map); i++) {
		p2pbuf_segment(&bench->map, i, &seg);
		args->nic_blocks += (ALIGN(seg.addr + seg.length, page) -
				     ALIGN_DOWN(seg.addr, page)) / page;
	}
}

int bench_hold(struct bench *bench, struct p2pbuf_bench_hold *args)
{
	const struct strategy *strategy = prepare(bench, args->strategy);
	struct p2pbuf_segment seg;
	unsigned int i;
	int ret;

	if (IS_ERR(strategy))
		return PTR_ERR(strategy);
	ret = map_locked(bench, strategy);
	if (ret)
		return ret;
	bench->held = strategy;

	args->segments = strategy->nr_segments(bench);
	args->first = U64_MAX;
	args->last = 0;
	for (i = 0; i < args->segments; i++) {
		strategy->segment(bench, i, &seg);
		args->first = min(args->first, seg.addr);
		args->last = max(args->last, seg.addr + seg.length - 1);
	}
	if (bench->map.dev)
		describe_for_nic(bench, args);
	return 0;
}

void bench_drop(struct bench *bench)
{
	if (!bench->held)
		return;
	dma_resv_lock(&bench->resv, NULL);
	bench->held->unmap(bench);
	dma_resv_unlock(&bench->resv);
	finish(bench, bench->held);
	bench->held = NULL;
}

static int take_apart(struct iommu_domain *domain, const struct p2pbuf_segment *seg,
		      u64 *leaves)
{
	size_t leaf;
	u64 done;

	/* The last address may be the last one there is. */
	for (done = 0; done < seg->length; done += leaf) {
		leaf = iommu_unmap(domain, seg->addr + done, PAGE_SIZE);
		if (!leaf || !is_power_of_2(leaf))
			return -EIO;
		leaves[ilog2(leaf)]++;
	}
	return 0;
}

int bench_probe(struct bench *bench, struct p2pbuf_bench_probe *args)
{
	struct iommu_domain *domain;
	const struct strategy *strategy;
	struct p2pbuf_segment seg;
	unsigned int i, nr;
	int ret;

	strategy = prepare(bench, args->strategy);
	if (IS_ERR(strategy))
		return PTR_ERR(strategy);
	if (bench->route != P2PBUF_ROUTE_IOVA || !strategy->forget) {
		finish(bench, strategy);
		return -EOPNOTSUPP;
	}
	ret = map_locked(bench, strategy);
	if (ret)
		return ret;

	domain = iommu_get_domain_for_dev(bench->dev);
	nr = strategy->nr_segments(bench);
	memset(args->leaves, 0, sizeof(args->leaves));
	for (i = 0; i < nr && !ret; i++) {
		strategy->segment(bench, i, &seg);
		ret = take_apart(domain, &seg, args->leaves);
	}
	/* After an error the rest stays mapped, and so its IOVA must not be given back. */
	if (!ret)
		strategy->forget(bench);
	finish(bench, strategy);
	return ret;
}
