// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping of MMIO ranges for one device: one strategy per route.
 *
 * The DMA API knows two worlds: physical addresses that have a kernel virtual
 * address, and MMIO that has not (DMA_ATTR_MMIO). Everything here is the second.
 */
#include <linux/dma-direct.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include <kunit/visibility.h>

#include <p2pbuf_trace.h>

#include "core.h"

/* Through the host bridge, not translated: one dma_map_phys() per range. */

static void host_bridge_undo(struct p2pbuf_mapping *map, unsigned int nr)
{
	while (nr--)
		dma_unmap_phys(map->dev, map->addrs[nr],
			       map->ranges->vecs[nr].len, map->dir,
			       DMA_ATTR_MMIO);
	kvfree(map->addrs);
}

static int host_bridge_map(struct p2pbuf_mapping *map)
{
	const struct p2pbuf_ranges *ranges = map->ranges;
	unsigned int i;

	map->addrs = kvmalloc_array(ranges->nr, sizeof(*map->addrs),
				    GFP_KERNEL_ACCOUNT);
	if (!map->addrs)
		return -ENOMEM;

	for (i = 0; i < ranges->nr; i++) {
		map->addrs[i] = dma_map_phys(map->dev, ranges->vecs[i].paddr,
					     ranges->vecs[i].len, map->dir,
					     DMA_ATTR_MMIO);
		if (dma_mapping_error(map->dev, map->addrs[i])) {
			host_bridge_undo(map, i);
			return -EIO;
		}
	}
	return 0;
}

/*
 * Through the host bridge, translated: one IOVA for all ranges, each linked at its
 * offset in the buffer or where the aligned layout has it, one IOTLB sync. The IOMMU's page is
 * at most the CPU's (Linux 7.3, init_iova_domain() in drivers/iommu/iova.c), so ranges are
 * multiples of it.
 *
 * Undone by neither dma_iova_destroy() nor dma_iova_unlink() (Linux 7.3,
 * drivers/iommu/dma-iommu.c). They do not say that something stayed mapped; they stop at a
 * hole, and unlinking run by run flushes VT-d's IOTLB once per run. On Linux 7.2 the
 * former, moreover, defers the flush in lazy mode, so that the device still reaches the
 * memory after it returned.
 */

/* Whether the first @linked bytes of the buffer are no longer mapped, none missing. */
static bool unlink(const struct p2pbuf_mapping *map, u64 linked)
{
	struct iommu_iotlb_gather gather;
	struct p2pbuf_segment seg;
	u64 done = 0, unmapped = 0;
	unsigned int i;

	iommu_iotlb_gather_init(&gather);
	for (i = 0; done < linked; i++) {
		p2pbuf_segment(map, i, &seg);
		seg.length = min(seg.length, linked - done);
		unmapped += iommu_unmap_fast(map->domain, seg.addr, seg.length, &gather);
		done += seg.length;
	}
	iommu_iotlb_sync(map->domain, &gather);
	return unmapped == linked;
}

/* An IOVA through which the device still reaches the memory is nobody else's. */
static void iova_undo(struct p2pbuf_mapping *map, u64 linked)
{
	if (!linked || unlink(map, linked))
		dma_iova_free(map->dev, &map->iova);
	else
		dev_err_once(map->dev, "IOMMU unmapped less than was mapped: this device may still reach peer memory, its IOVA is not used again\n");
	kvfree(map->layout);
}

/* What a turn of this loop does beside dma_iova_link() is done for each range. */
static int iova_link(struct p2pbuf_mapping *map)
{
	const struct p2pbuf_ranges *ranges = map->ranges;
	const struct p2pbuf_layout *layout = map->layout;
	unsigned int i, run = 0;
	u64 offset = 0;
	int ret;

	for (i = 0; i < ranges->nr; i++) {
		if (layout && run < layout->nr && layout->starts[run] == ranges->starts[i])
			offset = layout->iovas[run++];
		ret = dma_iova_link(map->dev, &map->iova, ranges->vecs[i].paddr, offset,
				    ranges->vecs[i].len, map->dir, DMA_ATTR_MMIO);
		if (ret) {
			iova_undo(map, ranges->starts[i]);
			return ret;
		}
		offset += ranges->vecs[i].len;
	}
	return 0;
}

/*
 * The route says that there is IOMMU DMA, so false means no space. The allocator obeys the
 * DMA mask and the bus limit, and what they leave may be too short for the holes alone.
 *
 * An allocation begins at a multiple of its size, rounded up to a power of two (Linux
 * 7.3, alloc_iova() in drivers/iommu/iova.c), and so at one of each leaf inside it. Where
 * that should change, aligned ranges would only have smaller leaves.
 */
static int alloc_iova_for(struct p2pbuf_mapping *map, enum p2pbuf_map_flags flags)
{
	struct p2pbuf_layout *layout;

	if (flags & P2PBUF_MAP_ALIGNED && map->ranges->size >= P2PBUF_ALIGNED_FROM) {
		layout = p2pbuf_layout_create(map->ranges, map->domain->pgsize_bitmap);
		if (!layout)
			return -ENOMEM;
		if (dma_iova_try_alloc(map->dev, &map->iova, 0, layout->size)) {
			map->layout = layout;
			return 0;
		}
		kvfree(layout);
	}
	return dma_iova_try_alloc(map->dev, &map->iova, 0, map->ranges->size) ? 0 : -ENOMEM;
}

static int iova_map(struct p2pbuf_mapping *map, enum p2pbuf_map_flags flags)
{
	int ret;

	map->domain = iommu_get_domain_for_dev(map->dev);
	/* The DMA API would go on with its own, which vfio has taken from the device. */
	if (!iommu_is_dma_domain(map->domain))
		return -EIO;
	ret = alloc_iova_for(map, flags) ?: iova_link(map);
	if (ret)
		return ret;
	ret = dma_iova_sync(map->dev, &map->iova, 0, dma_iova_size(&map->iova));
	trace_p2pbuf_sync(map->dev, map->iova.addr, dma_iova_size(&map->iova), ret);
	if (ret)
		iova_undo(map, map->ranges->size);
	return ret;
}

/* All ranges, or none and an error. */
static int map_by_route(struct p2pbuf_mapping *map, enum p2pbuf_map_flags flags)
{
	switch (map->route) {
	case P2PBUF_ROUTE_IOVA:
		return iova_map(map, flags);
	case P2PBUF_ROUTE_HOST_BRIDGE:
		return host_bridge_map(map);
	default:
		/* Bus address: what the switch routes by. No translation, no state, no undoing. */
		return 0;
	}
}

/*
 * dma_map_phys() gives the device what dma_range_map makes of a range's first byte, and
 * takes for granted that the rest follows it. Where there is no translation or the mask
 * does not reach, it WARNs (Linux 7.3, dma_direct_map_phys() in kernel/dma/direct.c). MMIO
 * is never encrypted by the host.
 */
static int highest_translated(struct device *dev, const struct p2pbuf_ranges *ranges,
			      u64 *highest)
{
	unsigned int i;

	/* Nothing is translated: not worth 15 instructions per range. */
	if (!IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA) && !dev->dma_range_map) {
		*highest = phys_to_dma_unencrypted(dev, ranges->last);
		return 0;
	}
	*highest = 0;
	for (i = 0; i < ranges->nr; i++) {
		const struct phys_vec *vec = &ranges->vecs[i];
		u64 first = phys_to_dma_unencrypted(dev, vec->paddr);
		u64 last = phys_to_dma_unencrypted(dev, vec->paddr + vec->len - 1);

		if (last - first != vec->len - 1)
			return -EADDRNOTAVAIL;
		*highest = max(*highest, last);
	}
	return 0;
}

/* The highest address that the device is given on this route, or has to be. */
VISIBLE_IF_KUNIT
int p2pbuf_highest_addr(struct device *dev, const struct p2pbuf_ranges *ranges,
			enum p2pbuf_route route, u64 *highest)
{
	switch (route) {
	case P2PBUF_ROUTE_BUS_ADDR:
		*highest = pci_p2pdma_bus_addr_map(ranges->provider, ranges->last);
		return 0;
	case P2PBUF_ROUTE_IOVA:
		/* The allocator obeys both limits, if the size can fit at all. */
		*highest = ranges->size - 1;
		return 0;
	default:
		return highest_translated(dev, ranges, highest);
	}
}
EXPORT_SYMBOL_IF_KUNIT(p2pbuf_highest_addr);

/*
 * Nobody checks the mask on the bus-address route, and dma_map_phys() has a single
 * error value. So every limit is checked here, before anything is mapped.
 */
static int check_reach(struct device *dev, const struct p2pbuf_ranges *ranges,
		       enum p2pbuf_route route)
{
	u64 highest;
	int ret;

	/* All DMA is to be bounced, and peer memory cannot be. */
	if (is_swiotlb_force_bounce(dev))
		return -EPERM;
	ret = p2pbuf_highest_addr(dev, ranges, route, &highest);
	if (ret)
		return ret;
	if (highest > dma_get_mask(dev))
		return -ERANGE;
	if (dev->bus_dma_limit && highest > dev->bus_dma_limit)
		return -EADDRNOTAVAIL;
	return 0;
}

/* Whether @peer can map, and by which route. */
static int check(struct p2pbuf_peer *peer, enum dma_data_direction dir,
		 struct p2pbuf_path *path)
{
	const struct p2pbuf_ranges *ranges = peer->ranges;
	struct device *dev = peer->dev;
	int ret;

	if (!valid_dma_direction(dir))
		return -EINVAL;
	ret = p2pbuf_peer_route(peer, path);
	if (ret)
		return ret;
	return check_reach(dev, ranges, path->route);
}

/**
 * p2pbuf_map - map ranges for a device
 * @map: to be filled in
 * @peer: the device and what it maps; the ranges are kept by the caller until p2pbuf_unmap()
 * @dir: direction of the DMA
 * @flags: what the importer wants
 *
 * The route is derived anew, so a change of it since attach is noticed.
 *
 * On P2PBUF_ROUTE_IOVA the cost is one IOVA and one IOTLB sync, whatever the number of
 * ranges. What p2pbuf_unmap() costs there depends on the IOMMU's driver, which may sync once
 * per run of ranges or of leaves of one size.
 *
 * Context: may sleep. The provider's driver must not unbind meanwhile nor before
 * p2pbuf_unmap(): an exporter of a DMABUF sees to it by the reservation lock, and
 * by counting its mappings.
 * Return: 0, or, with nothing mapped and @map all zero: -EREMOTEIO (no route), -ENOLINK (it
 * cannot be told whether there is one), -ERANGE (the device's DMA mask does not reach),
 * -EADDRNOTAVAIL (its bus limit does not, or its bus has no address for a range), -EPERM (its
 * DMA has to be bounced), -EINVAL (@dir is not a direction), -ENOMEM (memory; no IOVA space
 * left), -EIO (the DMA API refused a range; vfio has claimed @dev), or an error of iommu_map().
 */
int p2pbuf_map(struct p2pbuf_mapping *map, struct p2pbuf_peer *peer,
	       enum dma_data_direction dir, enum p2pbuf_map_flags flags)
{
	const struct p2pbuf_ranges *ranges = peer->ranges;
	struct p2pbuf_path path;
	int ret;

	ret = check(peer, dir, &path);
	if (!ret) {
		*map = (struct p2pbuf_mapping){
			.dev = peer->dev,
			.ranges = ranges,
			.dir = dir,
			.route = path.route,
		};
		ret = map_by_route(map, flags);
	}
	if (ret)
		memset(map, 0, sizeof(*map));
	trace_p2pbuf_map(peer->dev, ranges, map, ret);
	return ret;
}
EXPORT_SYMBOL_GPL(p2pbuf_map);

/**
 * p2pbuf_unmap - undo p2pbuf_map()
 * @map: the mapping; all zero afterwards
 *
 * When it returns, a translating IOMMU lets no DMA through any more, in lazy mode
 * too. On the other routes only the device itself can be stopped.
 *
 * Context: may sleep.
 */
void p2pbuf_unmap(struct p2pbuf_mapping *map)
{
	trace_p2pbuf_unmap(map);
	if (map->route == P2PBUF_ROUTE_IOVA)
		iova_undo(map, map->ranges->size);
	else if (map->route == P2PBUF_ROUTE_HOST_BRIDGE)
		host_bridge_undo(map, map->ranges->nr);
	memset(map, 0, sizeof(*map));
}
EXPORT_SYMBOL_GPL(p2pbuf_unmap);

/**
 * p2pbuf_nr_segments - number of contiguous pieces as the device sees it
 * @map: the mapping
 *
 * Context: any.
 * Return: the number; 1 on P2PBUF_ROUTE_IOVA if the layout is contiguous.
 */
unsigned int p2pbuf_nr_segments(const struct p2pbuf_mapping *map)
{
	if (map->route != P2PBUF_ROUTE_IOVA)
		return map->ranges->nr;
	return map->layout ? map->layout->nr : 1;
}
EXPORT_SYMBOL_GPL(p2pbuf_nr_segments);

/**
 * p2pbuf_segment - one contiguous piece as the device sees it
 * @map: the mapping
 * @index: below p2pbuf_nr_segments()
 * @seg: filled in
 *
 * Context: any.
 */
void p2pbuf_segment(const struct p2pbuf_mapping *map, unsigned int index,
		    struct p2pbuf_segment *seg)
{
	p2pbuf_segment_inline(map, index, seg);
}
EXPORT_SYMBOL_GPL(p2pbuf_segment);

/**
 * p2pbuf_find - DMA address of a place in the buffer
 * @map: the mapping
 * @offset: of the place in bytes, below the buffer's size
 * @run: where to put the number of bytes contiguous for the device from there on
 *
 * Context: any.
 * Return: the DMA address.
 */
dma_addr_t p2pbuf_find(const struct p2pbuf_mapping *map, u64 offset, u64 *run)
{
	const struct p2pbuf_ranges *ranges = map->ranges;
	const struct p2pbuf_layout *layout = map->layout;
	const u64 *starts = layout ? layout->starts : ranges->starts;
	unsigned int i = p2pbuf_last_start(starts, p2pbuf_nr_segments(map), offset);
	u64 within = offset - starts[i];
	struct p2pbuf_segment seg;

	p2pbuf_segment(map, i, &seg);
	*run = seg.length - within;
	return seg.addr + within;
}
EXPORT_SYMBOL_GPL(p2pbuf_find);
