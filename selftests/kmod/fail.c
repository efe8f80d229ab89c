// SPDX-License-Identifier: GPL-2.0-only
/* Failures half way. */
#include <linux/cleanup.h>
#include <linux/dma-map-ops.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "kmod.h"

/* More than any IOMMU's page tables can hold. */
#define BAD_PHYS	BIT_ULL(60)

static struct p2pbuf_ranges *every_second_page(const struct p2pbuf_ranges *from, u32 nr)
{
	struct p2pbuf_range *user __free(kvfree) = NULL;
	u32 i;

	user = kvmalloc_array(nr, sizeof(*user), GFP_KERNEL);
	if (!user)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < nr; i++)
		user[i] = (struct p2pbuf_range){ 2 * i * PAGE_SIZE, PAGE_SIZE };
	return p2pbuf_ranges_create(from->provider, from->vecs[0].paddr,
				    from->vecs[0].len, user, nr);
}

static u32 count_translated(struct device *dev, const struct p2pbuf_ranges *ranges,
			    dma_addr_t first)
{
	u32 count = 0;
	u64 offset;

	for (offset = 0; offset < ranges->size; offset += PAGE_SIZE)
		if (translate(dev, first + offset))
			count++;
	return count;
}

/*
 * A good mapping before tells where the next IOVA of that size will be: the allocator
 * gives the one that was freed last.
 */
static void fail_links(struct device *dev, struct p2pbuf_ranges *ranges,
		       dma_addr_t first, struct p2pbuf_test_fail *args)
{
	struct p2pbuf_peer peer = { .dev = dev, .ranges = ranges };
	struct p2pbuf_mapping map;
	u32 i;

	ranges->vecs[args->fail_at].paddr = BAD_PHYS;
	for (i = 0; i < args->repeat; i++) {
		args->result = p2pbuf_map(&map, &peer, DMA_BIDIRECTIONAL, 0);
		if (!args->result)
			p2pbuf_unmap(&map);
	}
	args->left_mapped = count_translated(dev, ranges, first);
}

#ifdef CONFIG_ARCH_HAS_DMA_OPS

/*
 * DMA operations that fail at one call and count what stays mapped. (dma-direct itself
 * fails half way only with a WARN.) One test at a time.
 */
static u32 fault_calls_left;
static u32 fault_live;

static dma_addr_t fault_map_phys(struct device *dev, phys_addr_t phys, size_t size,
				 enum dma_data_direction dir, unsigned long attrs)
{
	if (!fault_calls_left)
		return DMA_MAPPING_ERROR;
	fault_calls_left--;
	fault_live++;
	return phys;
}

static void fault_unmap_phys(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir, unsigned long attrs)
{
	fault_live--;
}

static const struct dma_map_ops fault_ops = {
	.map_phys = fault_map_phys,
	.unmap_phys = fault_unmap_phys,
};

static int fail_map_phys(struct device *dev, struct p2pbuf_ranges *ranges,
			 struct p2pbuf_test_fail *args)
{
	const struct dma_map_ops *ops = get_dma_ops(dev);
	struct p2pbuf_peer peer = { .dev = dev, .ranges = ranges };
	struct p2pbuf_mapping map;
	u32 i;

	set_dma_ops(dev, &fault_ops);
	fault_live = 0;
	for (i = 0; i < args->repeat; i++) {
		fault_calls_left = args->fail_at;
		args->result = p2pbuf_map(&map, &peer, DMA_BIDIRECTIONAL, 0);
		if (!args->result)
			p2pbuf_unmap(&map);
	}
	set_dma_ops(dev, ops);
	args->left_mapped = fault_live;
	return 0;
}

#else

static int fail_map_phys(struct device *dev, struct p2pbuf_ranges *ranges,
			 struct p2pbuf_test_fail *args)
{
	return -EOPNOTSUPP;
}

#endif

static int fail_maps(struct dma_buf_attachment *attach,
		     const struct p2pbuf_ranges *from, void *_args)
{
	struct p2pbuf_ranges *ranges __free(p2pbuf_ranges) = NULL;
	struct p2pbuf_test_fail *args = _args;
	struct p2pbuf_mapping map;
	enum p2pbuf_route route;
	struct p2pbuf_peer peer;
	dma_addr_t first = 0;

	ranges = every_second_page(from, args->nr);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	peer = (struct p2pbuf_peer){ .dev = attach->dev, .ranges = ranges };

	args->result = p2pbuf_map(&map, &peer, DMA_BIDIRECTIONAL, 0);
	if (args->result)
		return 0;
	route = map.route;
	if (route == P2PBUF_ROUTE_IOVA)
		first = map.iova.addr;
	p2pbuf_unmap(&map);

	if (route != P2PBUF_ROUTE_IOVA)
		return fail_map_phys(attach->dev, ranges, args);
	fail_links(attach->dev, ranges, first, args);
	return 0;
}

int test_fail(struct p2pbuf_test_fail *args)
{
	CLASS(target, target)(args->fd, args->client);

	if (args->fail_at >= args->nr)
		return -EINVAL;
	return with_ranges(&target, fail_maps, args);
}
