// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where DMA addresses really lead: whoever mapped them and whatever he says, each page
 * is looked up the way the hardware routes it.
 */
#include <linux/dma-direct.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/pfn.h>
#include <linux/scatterlist.h>
/* Linux 7.3's iommu-dma.h names struct scatterlist without declaring it. */
#include <linux/iommu-dma.h>

#include "core.h"

/* The segment at the cursor. */
static bool get_segment(const struct p2pbuf_auditor *auditor, struct p2pbuf_segment *seg)
{
	if (auditor->map) {
		if (auditor->index >= p2pbuf_nr_segments(auditor->map))
			return false;
		p2pbuf_segment(auditor->map, auditor->index, seg);
		return true;
	}
	if (!auditor->sg)
		return false;
	seg->addr = sg_dma_address(auditor->sg);
	seg->length = sg_dma_len(auditor->sg);
	return true;
}

static bool is_marked(const struct p2pbuf_auditor *auditor)
{
	if (auditor->map)
		return auditor->map->route == P2PBUF_ROUTE_BUS_ADDR;
	return sg_dma_is_bus_address(auditor->sg);
}

/* A table may have been allocated longer than it is. */
static void next_segment(struct p2pbuf_auditor *auditor, u64 length)
{
	auditor->start += length;
	auditor->index++;
	if (auditor->sgt)
		auditor->sg = auditor->index < auditor->sgt->nents ?
			      sg_next(auditor->sg) : NULL;
}

static void look_at(struct p2pbuf_auditor *auditor, struct pci_dev *pdev)
{
	struct p2pbuf_path path;

	pci_dev_put(auditor->owner);
	auditor->owner = pci_dev_get(pdev);
	p2pbuf_route_between(pdev, auditor->dev, &path);
	auditor->route = path.route;
}

/* The BAR of @pdev in which @addr lies, as CPU or bus sees it; -1 if none. */
static int bar_of(struct pci_dev *pdev, u64 addr, bool by_bus)
{
	unsigned int bar;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		u64 start = by_bus ? pci_bus_address(pdev, bar) :
				     pci_resource_start(pdev, bar);

		if (!(pci_resource_flags(pdev, bar) & IORESOURCE_MEM))
			continue;
		if (addr >= start && addr - start < pci_resource_len(pdev, bar))
			return bar;
	}
	return -1;
}

/* The owner found last first: neighbours mostly lie in the same BAR. */
static int find_bar(struct p2pbuf_auditor *auditor, u64 addr, bool by_bus)
{
	struct pci_dev *pdev = NULL;
	int bar = -1;

	if (auditor->owner)
		bar = bar_of(auditor->owner, addr, by_bus);
	if (bar >= 0)
		return bar;

	for_each_pci_dev(pdev) {
		bar = bar_of(pdev, addr, by_bus);
		if (bar < 0)
			continue;
		look_at(auditor, pdev);
		pci_dev_put(pdev);
		break;
	}
	return bar;
}

static void set_bar(const struct p2pbuf_auditor *auditor, struct p2pbuf_place *place,
		    int bar, u64 offset)
{
	struct pci_dev *owner = auditor->owner;

	place->bdf = p2pbuf_function_number(owner);
	place->bar = bar;
	place->offset = offset;
}

static void identify(struct p2pbuf_auditor *auditor, struct p2pbuf_place *place)
{
	int bar = find_bar(auditor, place->phys, false);

	if (bar >= 0) {
		place->kind = P2PBUF_PLACE_BAR;
		set_bar(auditor, place, bar,
			place->phys - pci_resource_start(auditor->owner, bar));
	} else if (page_is_ram(PHYS_PFN(place->phys))) {
		place->kind = P2PBUF_PLACE_RAM;
	} else {
		place->kind = P2PBUF_PLACE_OTHER;
	}
}

/* What @addr leads to behind the host bridge. */
static bool translate(const struct p2pbuf_auditor *auditor, dma_addr_t addr,
		      phys_addr_t *phys)
{
	if (auditor->domain) {
		*phys = iommu_iova_to_phys(auditor->domain, addr);
		return *phys;
	}
	/* All ones where dma_range_map has no translation (linux/dma-direct.h). */
	*phys = dma_to_phys(auditor->dev, addr);
	return *phys != (phys_addr_t)-1;
}

/*
 * A switch routes by the address, before any IOMMU sees it; the kernel keeps IOVAs out
 * of the bridges' windows (drivers/iommu/dma-iommu.c, iova_reserve_pci_windows()).
 */
static void resolve(struct p2pbuf_auditor *auditor, struct p2pbuf_place *place)
{
	int bar = find_bar(auditor, place->addr, true);
	phys_addr_t phys;
	u64 offset = 0;

	if (bar >= 0)
		offset = place->addr - pci_bus_address(auditor->owner, bar);

	if (bar >= 0 && auditor->route == P2PBUF_ROUTE_BUS_ADDR) {
		place->kind = P2PBUF_PLACE_BAR;
		place->via = P2PBUF_ROUTE_BUS_ADDR;
		place->phys = pci_resource_start(auditor->owner, bar) + offset;
		set_bar(auditor, place, bar, offset);
		return;
	}

	if (translate(auditor, place->addr, &phys)) {
		place->phys = phys;
		place->via = auditor->domain ? P2PBUF_ROUTE_IOVA : P2PBUF_ROUTE_HOST_BRIDGE;
		identify(auditor, place);
	} else if (bar >= 0) {
		place->kind = P2PBUF_PLACE_RAW_BAR;
		set_bar(auditor, place, bar, offset);
	} else {
		place->kind = P2PBUF_PLACE_UNMAPPED;
	}
}

/* Whether what follows @place is more of the same. */
static bool continues(const struct p2pbuf_auditor *auditor,
		      const struct p2pbuf_place *place)
{
	u64 length = place->length;
	phys_addr_t next, phys = place->phys + length;

	switch (place->kind) {
	case P2PBUF_PLACE_BAR:
		if (place->offset + length >= pci_resource_len(auditor->owner, place->bar))
			return false;
		break;
	case P2PBUF_PLACE_RAM:
		if (!page_is_ram(PHYS_PFN(phys)))
			return false;
		break;
	default:
		return false;
	}
	return place->via == P2PBUF_ROUTE_BUS_ADDR ||
	       (translate(auditor, place->addr + length, &next) && next == phys);
}

static void extend(const struct p2pbuf_auditor *auditor, struct p2pbuf_place *place,
		   u64 length)
{
	place->length = min_t(u64, length, PAGE_SIZE - offset_in_page(place->addr));
	while (place->length < length && continues(auditor, place))
		place->length = min_t(u64, length, place->length + PAGE_SIZE);
}

/**
 * p2pbuf_audit_begin - prepare to look at a mapping
 * @auditor: to be filled in
 * @dev: the device that it is mapped for
 * @map: the mapping, or NULL
 * @sgt: the mapping as a scatterlist, if @map is NULL
 *
 * Context: may sleep. The mapping stays until p2pbuf_audit_end().
 */
void p2pbuf_audit_begin(struct p2pbuf_auditor *auditor, struct device *dev,
			const struct p2pbuf_mapping *map, const struct sg_table *sgt)
{
	*auditor = (struct p2pbuf_auditor){
		.dev = dev,
		.map = map,
		.sgt = map ? NULL : sgt,
		.sg = map || !sgt->nents ? NULL : sgt->sgl,
	};
	if (use_dma_iommu(dev))
		auditor->domain = iommu_get_domain_for_dev(dev);
}
EXPORT_SYMBOL_GPL(p2pbuf_audit_begin);

/**
 * p2pbuf_audit_next - the next piece of a mapping
 * @auditor: from p2pbuf_audit_begin()
 * @offset: of the piece, in bytes of the segments laid end to end; not below that of
 *	the call before
 * @limit: bytes to look at, at most; not zero
 * @place: filled in
 *
 * Context: may sleep, as long as looking up @limit bytes page by page takes. Nobody may
 * unmap anything in the device's IOMMU domain meanwhile that the mapping does not keep:
 * a wrong mapping's addresses can be anybody's (iommu_iova_to_phys() walks page tables
 * that an unmap frees).
 * Return: false at the end of the mapping, and then @place is not touched.
 */
bool p2pbuf_audit_next(struct p2pbuf_auditor *auditor, u64 offset, u64 limit,
		       struct p2pbuf_place *place)
{
	struct p2pbuf_segment seg;
	u64 within;

	while (get_segment(auditor, &seg) && offset - auditor->start >= seg.length)
		next_segment(auditor, seg.length);
	if (!get_segment(auditor, &seg))
		return false;

	within = offset - auditor->start;
	*place = (struct p2pbuf_place){
		.addr = seg.addr + within,
		.segment = auditor->index,
		.flags = is_marked(auditor) ? P2PBUF_PLACE_MARKED : 0,
	};
	resolve(auditor, place);
	extend(auditor, place, min(seg.length - within, limit));
	return true;
}
EXPORT_SYMBOL_GPL(p2pbuf_audit_next);

/**
 * p2pbuf_audit_end - undo p2pbuf_audit_begin()
 * @auditor: the auditor
 */
void p2pbuf_audit_end(struct p2pbuf_auditor *auditor)
{
	pci_dev_put(auditor->owner);
	auditor->owner = NULL;
}
EXPORT_SYMBOL_GPL(p2pbuf_audit_end);
