/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the p2pbuf core gives to drivers: ranges of MMIO without struct page, their
 * mapping for a peer, the phys interconnect between exporter and importer, and a look at
 * where the addresses of any mapping really lead.
 */
#ifndef _P2PBUF_H
#define _P2PBUF_H

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/types.h>

#include <linux/p2pbuf.h>

struct file_operations;
struct iommu_domain;
struct miscdevice;
struct p2pbuf_layout;
struct pci_dev;
struct scatterlist;
struct sg_table;

/**
 * p2pbuf_function_number - what the UAPI names a function by
 * @pdev: the function
 *
 * Context: any.
 * Return: its number, see uapi/linux/p2pbuf.h.
 */
static inline u64 p2pbuf_function_number(struct pci_dev *pdev)
{
	return (u64)pci_domain_nr(pdev->bus) << 16 | pci_dev_id(pdev);
}

/**
 * struct p2pbuf_ranges - MMIO ranges of one provider, in the buffer's order
 * @provider: the BAR's provider; dies with the binding of the provider's driver
 * @size: sum of all lengths in bytes; not zero, at most the size of the BAR
 * @last: highest physical address of any range, inclusive
 * @nr_exported: number of ranges as the exporter was given them
 * @nr: number of elements in @vecs
 * @starts: offset of each element of @vecs in the buffer, ascending
 * @vecs: the ranges, physically adjacent neighbours merged; address and length
 *	of each are multiples of PAGE_SIZE, no length is zero
 *
 * Immutable after p2pbuf_ranges_create(), so no lock protects it. The owner keeps it for
 * as long as it is mapped anywhere.
 *
 * As @size is bounded, so is what a DMABUF costs: 24 bytes for each element of @vecs,
 * charged to the memory cgroup of who made it. A mapping through an IOMMU takes 8 bytes of
 * page tables for each page where no large leaf can be used, a 512th of the BAR, which no
 * cgroup is charged for; and about 950 instructions for each element (VT-d; AMD 520), and 30
 * for each page behind the first one of an element, with the reservation lock held. The other
 * routes take up to 40 bytes for each element, charged to who maps. A BAR of 64 MiB in single
 * pages that do not follow each other: 384 KiB once; 128 KiB of tables and 16 million
 * instructions for each mapping.
 *
 * The number of DMABUFs and of mappings is bounded by the memory cgroups that are charged for
 * all but the page tables, and not by RLIMIT_NOFILE, as a CPU mapping keeps a DMABUF, too.
 */
struct p2pbuf_ranges {
	struct p2pdma_provider *provider;
	u64 size;
	phys_addr_t last;
	unsigned int nr_exported;
	unsigned int nr;
	u64 *starts;
	struct phys_vec vecs[] __counted_by(nr);
};

struct p2pbuf_ranges *
p2pbuf_ranges_create(struct p2pdma_provider *provider, phys_addr_t bar_start,
		     u64 bar_size, const struct p2pbuf_range *user,
		     unsigned int nr);
void p2pbuf_ranges_free(struct p2pbuf_ranges *ranges);
phys_addr_t p2pbuf_ranges_find(const struct p2pbuf_ranges *ranges, u64 offset,
			       u64 *run);

DEFINE_FREE(p2pbuf_ranges, struct p2pbuf_ranges *, p2pbuf_ranges_free(_T))

/**
 * struct p2pbuf_path - answer of p2pbuf_route_between()
 * @route: the way for peer DMA, P2PBUF_ROUTE_UNKNOWN if there is none
 * @redirect: the first port on the way whose ACS controls redirect, or NULL; no
 *	reference is held: valid as long as the functions are
 * @silent: nothing redirects, and the ACS controls of this one on the way read all ones; or
 *	NULL; likewise
 * @common: the upstream bridge both functions share, or NULL; likewise
 */
struct p2pbuf_path {
	enum p2pbuf_route route;
	struct pci_dev *redirect;
	struct pci_dev *silent;
	struct pci_dev *common;
};

/* The port that @path's reason is about, or NULL. */
static inline struct pci_dev *p2pbuf_path_port(const struct p2pbuf_path *path)
{
	return path->silent ?: path->redirect;
}

static inline enum p2pbuf_route_reason p2pbuf_path_reason(const struct p2pbuf_path *path)
{
	if (path->silent)
		return P2PBUF_ROUTE_REASON_SILENT;
	if (path->redirect)
		return P2PBUF_ROUTE_REASON_REDIRECT;
	return path->common ? P2PBUF_ROUTE_REASON_NONE : P2PBUF_ROUTE_REASON_NO_COMMON;
}

int p2pbuf_route_between(struct pci_dev *owner, struct device *dev,
			 struct p2pbuf_path *path);
const char *p2pbuf_route_name(enum p2pbuf_route route);
void p2pbuf_route_explain(struct pci_dev *owner, struct device *dev,
			  const struct p2pbuf_path *path);

/**
 * struct p2pbuf_peer - what is known of a device that attached
 * @dev: the device that does the DMA
 * @ranges: what it may map; borrowed from the exporter
 * @allowed: set by p2pbuf_peer_route() and by maps: the kernel's allow-list has the host
 *	bridges that the way led through when it was asked
 *
 * An exporter keeps it with the attachment, asks p2pbuf_peer_route() when it is made, and
 * serialises what uses it (the reservation lock).
 */
struct p2pbuf_peer {
	struct device *dev;
	const struct p2pbuf_ranges *ranges;
	bool allowed;
};

int p2pbuf_peer_route(struct p2pbuf_peer *peer, struct p2pbuf_path *path);

/**
 * struct p2pbuf_mapping - ranges mapped for one device
 * @dev: the device the addresses are for
 * @ranges: what is mapped; borrowed, the owner of the ranges keeps them until
 *	p2pbuf_unmap()
 * @dir: direction of the DMA
 * @route: decided when mapped, and what unmap goes by: an address alone does not
 *	say whether it is a bus address or an IOVA
 * @domain: P2PBUF_ROUTE_IOVA: the DMA API's, in which they are mapped
 * @layout: P2PBUF_ROUTE_IOVA: where the ranges are in @iova, NULL if contiguous
 * @iova: P2PBUF_ROUTE_IOVA: the one IOVA allocation
 * @addrs: P2PBUF_ROUTE_HOST_BRIDGE: address of each element of @ranges
 *
 * P2PBUF_ROUTE_BUS_ADDR needs no state: the addresses follow from @ranges.
 *
 * A mapping is either wholly mapped or all zero. It has no lock of its own; the
 * owner serialises map and unmap (with a DMABUF: the reservation lock).
 */
struct p2pbuf_mapping {
	struct device *dev;
	const struct p2pbuf_ranges *ranges;
	enum dma_data_direction dir;
	enum p2pbuf_route route;
	struct iommu_domain *domain;
	struct p2pbuf_layout *layout;
	union {
		struct dma_iova_state iova;
		dma_addr_t *addrs;
	};
};

/**
 * enum p2pbuf_map_flags - how an importer wants a mapping
 * @P2PBUF_MAP_ALIGNED: on P2PBUF_ROUTE_IOVA, each range of 2 MiB or more is to lie so
 *	that the IOMMU can use the largest leaf that fits inside it, with holes between
 *	ranges. There are then several segments, and one range is still one. Without it,
 *	or where IOVA space or the device's mask is too short for the holes, the ranges
 *	are contiguous.
 */
enum p2pbuf_map_flags {
	P2PBUF_MAP_ALIGNED	= BIT(0),
};

int p2pbuf_map(struct p2pbuf_mapping *map, struct p2pbuf_peer *peer,
	       enum dma_data_direction dir, enum p2pbuf_map_flags flags);
void p2pbuf_unmap(struct p2pbuf_mapping *map);
unsigned int p2pbuf_nr_segments(const struct p2pbuf_mapping *map);
void p2pbuf_segment(const struct p2pbuf_mapping *map, unsigned int index,
		    struct p2pbuf_segment *seg);
dma_addr_t p2pbuf_find(const struct p2pbuf_mapping *map, u64 offset, u64 *run);

/**
 * struct p2pbuf_blocks - a walk over a mapping in blocks of one size
 * @addr: DMA address of the present block, a multiple of @size; the first one may begin
 *	before the mapping, and the last one end behind it
 * @map: the mapping
 * @size: of a block in bytes
 * @next: segment after the present one
 * @left: blocks of the present segment after the present one
 */
struct p2pbuf_blocks {
	dma_addr_t addr;
	const struct p2pbuf_mapping *map;
	unsigned long size;
	unsigned int next;
	u64 left;
};

unsigned long p2pbuf_best_page_size(const struct p2pbuf_mapping *map, unsigned long sizes,
				    u64 virt);
void p2pbuf_blocks_start(struct p2pbuf_blocks *blocks, const struct p2pbuf_mapping *map,
			 unsigned long size);
bool p2pbuf_blocks_next(struct p2pbuf_blocks *blocks);

/*
 * Scatterlist of a mapping, for importers that know no better. A multiple of every
 * leaf size up to 1 GiB, so that splitting costs no large block, and below the
 * 4 GiB that sg_dma_len() can hold.
 */
#define P2PBUF_SG_MAX	0x80000000U

struct sg_table *p2pbuf_sgt_map(struct p2pbuf_peer *peer, enum dma_data_direction dir);
void p2pbuf_sgt_unmap(struct sg_table *sgt);

/**
 * struct p2pbuf_phys_ops - the phys interconnect as an exporter offers it
 * @dmabuf_ops: the exporter's DMABUFs are known by their ops
 * @map: hand over the attachment's peer for DMA in direction @dir. Its ranges stay
 *	mappable until @unmap. Errors as of the exporter's map_dma_buf. Called
 *	with the reservation lock held.
 * @unmap: the importer mapped nothing any more. Called with the reservation lock
 *	held.
 * @node: of the core
 *
 * This is map_dma_buf and unmap_dma_buf without the scatterlist, under the same
 * rules: every @map is followed by one @unmap, and an importer answers
 * invalidate_mappings by @unmap in bounded time.
 */
struct p2pbuf_phys_ops {
	const struct dma_buf_ops *dmabuf_ops;
	struct p2pbuf_peer *(*map)(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir);
	void (*unmap)(struct dma_buf_attachment *attach);
	struct list_head node;
};

void p2pbuf_register_phys(struct p2pbuf_phys_ops *ops);
void p2pbuf_unregister_phys(struct p2pbuf_phys_ops *ops);

const struct p2pbuf_phys_ops *p2pbuf_phys_ops(struct dma_buf *dmabuf);
int p2pbuf_map_attachment(struct p2pbuf_mapping *map, const struct p2pbuf_phys_ops *ops,
			  struct dma_buf_attachment *attach,
			  enum dma_data_direction dir, enum p2pbuf_map_flags flags);
void p2pbuf_unmap_attachment(struct p2pbuf_mapping *map, const struct p2pbuf_phys_ops *ops,
			     struct dma_buf_attachment *attach);

/**
 * struct p2pbuf_dmabuf_map - a DMABUF mapped for one device
 * @interconnect: PHYS or SGT; constant after p2pbuf_dmabuf_choose()
 * @ops: of the exporter for PHYS, NULL if it has none; likewise
 * @phys: PHYS: the mapping
 * @sgt: SGT: the mapping
 * @dir: SGT: its direction
 *
 * Like the mapping in it, it has no lock of its own.
 */
struct p2pbuf_dmabuf_map {
	enum p2pbuf_interconnect interconnect;
	const struct p2pbuf_phys_ops *ops;
	union {
		struct p2pbuf_mapping phys;
		struct {
			struct sg_table *sgt;
			enum dma_data_direction dir;
		};
	};
};

int p2pbuf_dmabuf_choose(struct p2pbuf_dmabuf_map *map, struct dma_buf *dmabuf, u32 wanted);
int p2pbuf_dmabuf_map(struct p2pbuf_dmabuf_map *map, struct dma_buf_attachment *attach,
		      enum dma_data_direction dir, enum p2pbuf_map_flags flags);
void p2pbuf_dmabuf_unmap(struct p2pbuf_dmabuf_map *map, struct dma_buf_attachment *attach);
unsigned int p2pbuf_dmabuf_nr_segments(const struct p2pbuf_dmabuf_map *map);
unsigned int p2pbuf_dmabuf_segments(const struct p2pbuf_dmabuf_map *map, unsigned int first,
				    unsigned int capacity, struct p2pbuf_segment *segs);
dma_addr_t p2pbuf_dmabuf_find(const struct p2pbuf_dmabuf_map *map, u64 offset, u64 *run);

/**
 * struct p2pbuf_auditor - looks at a mapping, piece by piece
 * @dev: the device that it is mapped for
 * @domain: the IOMMU domain that translates the device's DMA, or NULL
 * @map: the mapping, or NULL
 * @sgt: the mapping, if @map is NULL
 * @sg: entry of @sgt at the cursor; NULL at its end
 * @index: of the segment at the cursor
 * @start: offset of that segment, the segments laid end to end
 * @owner: the function whose BAR was found last, or NULL; a reference is held
 * @route: from @dev to @owner
 *
 * Belongs to one caller from p2pbuf_audit_begin() to p2pbuf_audit_end().
 */
struct p2pbuf_auditor {
	struct device *dev;
	struct iommu_domain *domain;
	const struct p2pbuf_mapping *map;
	const struct sg_table *sgt;
	struct scatterlist *sg;
	unsigned int index;
	u64 start;
	struct pci_dev *owner;
	enum p2pbuf_route route;
};

void p2pbuf_audit_begin(struct p2pbuf_auditor *auditor, struct device *dev,
			const struct p2pbuf_mapping *map, const struct sg_table *sgt);
bool p2pbuf_audit_next(struct p2pbuf_auditor *auditor, u64 offset, u64 limit,
		       struct p2pbuf_place *place);
void p2pbuf_audit_end(struct p2pbuf_auditor *auditor);

void p2pbuf_verdict_add(struct p2pbuf_verdict *verdict,
			const struct p2pbuf_auditor *auditor,
			const struct p2pbuf_ranges *ranges, u64 offset,
			const struct p2pbuf_place *place);
void p2pbuf_verdict_lengths(struct p2pbuf_verdict *verdict, u64 size);

int p2pbuf_node_register(struct miscdevice *misc, struct device *dev, const char *kind,
			 const struct file_operations *fops);
int p2pbuf_copy_args(void *args, size_t known, size_t first, const void __user *user,
		     size_t size);

#endif /* _P2PBUF_H */
