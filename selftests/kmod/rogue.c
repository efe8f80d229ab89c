// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exporters that map wrongly, each in a way of its own. They stand before a DMABUF of
 * ours, with its ranges, its description and its reservation object.
 */
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "kmod.h"

/* Below every mask here, and nothing is there. */
#define HOLE	BIT_ULL(45)

/**
 * struct rogue - what stands behind a DMABUF with a fault
 * @source: our DMABUF; a reference is held
 * @fault: the fault
 * @ranges: of @source, while mapped
 * @wrong: what is mapped instead of @ranges, if it is
 * @sgt: own table, where the fault needs one
 * @iova: of the faults that link by themselves
 * @linked: bytes linked there, from offset 0 on; not zero after unmap if forgotten
 * @dev: the device it was mapped for
 *
 * The reservation object of @source protects all of it.
 */
struct rogue {
	struct dma_buf *source;
	enum p2pbuf_test_fault fault;
	const struct p2pbuf_ranges *ranges;
	struct p2pbuf_ranges *wrong;
	struct sg_table sgt;
	struct dma_iova_state iova;
	u64 linked;
	struct device *dev;
};

/**
 * struct fault_ops - one way to map
 * @map: returns the table; @rogue->ranges and @rogue->dev are set
 * @unmap: undoes what it would undo if it were right
 */
struct fault_ops {
	struct sg_table *(*map)(struct rogue *rogue, enum dma_data_direction dir);
	void (*unmap)(struct rogue *rogue, struct sg_table *sgt,
		      enum dma_data_direction dir);
};

/* Right at first, then spoilt: the table that the core makes. */

static struct sg_table *good_map(struct rogue *rogue, enum dma_data_direction dir)
{
	struct p2pbuf_peer peer = { .dev = rogue->dev, .ranges = rogue->ranges };

	return p2pbuf_sgt_map(&peer, dir);
}

static void good_unmap(struct rogue *rogue, struct sg_table *sgt,
		       enum dma_data_direction dir)
{
	p2pbuf_sgt_unmap(sgt);
}

static struct sg_table *marked_map(struct rogue *rogue, enum dma_data_direction dir)
{
	struct sg_table *sgt = good_map(rogue, dir);
	struct scatterlist *sg;
	int i;

	if (!IS_ERR(sgt))
		for_each_sgtable_dma_sg(sgt, sg, i)
			sg_dma_mark_bus_address(sg);
	return sgt;
}

static struct sg_table *short_map(struct rogue *rogue, enum dma_data_direction dir)
{
	struct sg_table *sgt = good_map(rogue, dir);
	struct scatterlist *sg, *last = NULL;
	int i;

	if (IS_ERR(sgt))
		return sgt;
	for_each_sgtable_dma_sg(sgt, sg, i)
		last = sg;
	sg_dma_len(last) -= PAGE_SIZE;
	return sgt;
}

static struct sg_table *overflow_map(struct rogue *rogue, enum dma_data_direction dir)
{
	struct sg_table *sgt = good_map(rogue, dir);

	if (IS_ERR(sgt))
		return sgt;
	sgt->nents = 1;
	sg_dma_len(sgt->sgl) = lower_32_bits(rogue->ranges->size);
	return sgt;
}

static struct sg_table *swapped_map(struct rogue *rogue, enum dma_data_direction dir)
{
	size_t bytes = struct_size(rogue->wrong, vecs, rogue->ranges->nr);
	struct p2pbuf_peer peer = { .dev = rogue->dev };

	if (rogue->ranges->nr < 2 ||
	    rogue->ranges->vecs[0].len != rogue->ranges->vecs[1].len)
		return ERR_PTR(-EDOM);
	rogue->wrong = kmemdup(rogue->ranges, bytes, GFP_KERNEL);
	if (!rogue->wrong)
		return ERR_PTR(-ENOMEM);
	swap(rogue->wrong->vecs[0], rogue->wrong->vecs[1]);
	peer.ranges = rogue->wrong;
	return p2pbuf_sgt_map(&peer, dir);
}

/* A table of our own: one entry per range. */

static void free_table(struct rogue *rogue)
{
	rogue->sgt.orig_nents = rogue->sgt.nents;
	sg_free_table(&rogue->sgt);
}

static struct sg_table *make_table(struct rogue *rogue, unsigned int nents)
{
	int ret;

	ret = sg_alloc_table(&rogue->sgt, nents, GFP_KERNEL);
	if (ret)
		return ERR_PTR(ret);
	rogue->sgt.orig_nents = 0;
	return &rogue->sgt;
}

static struct sg_table *list_addresses(struct rogue *rogue,
				       u64 (*addr)(struct rogue *rogue, unsigned int i))
{
	struct sg_table *sgt = make_table(rogue, rogue->ranges->nr);
	struct scatterlist *sg;
	int i;

	if (IS_ERR(sgt))
		return sgt;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		sg_dma_address(sg) = addr(rogue, i);
		sg_dma_len(sg) = rogue->ranges->vecs[i].len;
	}
	return sgt;
}

static u64 raw_addr(struct rogue *rogue, unsigned int i)
{
	return pci_p2pdma_bus_addr_map(rogue->ranges->provider,
				       rogue->ranges->vecs[i].paddr);
}

static struct sg_table *raw_map(struct rogue *rogue, enum dma_data_direction dir)
{
	return list_addresses(rogue, raw_addr);
}

static u64 hole_addr(struct rogue *rogue, unsigned int i)
{
	return HOLE + rogue->ranges->starts[i];
}

static struct sg_table *hole_map(struct rogue *rogue, enum dma_data_direction dir)
{
	return list_addresses(rogue, hole_addr);
}

static void table_unmap(struct rogue *rogue, struct sg_table *sgt,
			enum dma_data_direction dir)
{
	free_table(rogue);
}

/* As an exporter that does not ask for the route. */

static void iova_undo(struct rogue *rogue, unsigned int nr, enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(rogue->sgt.sgl, sg, nr, i)
		dma_unmap_phys(rogue->dev, sg_dma_address(sg), sg_dma_len(sg), dir,
			       DMA_ATTR_MMIO);
	free_table(rogue);
}

static struct sg_table *iova_map(struct rogue *rogue, enum dma_data_direction dir)
{
	struct sg_table *sgt = make_table(rogue, rogue->ranges->nr);
	struct scatterlist *sg;
	int i;

	if (IS_ERR(sgt))
		return sgt;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		const struct phys_vec *vec = &rogue->ranges->vecs[i];

		sg_dma_len(sg) = vec->len;
		sg_dma_address(sg) = dma_map_phys(rogue->dev, vec->paddr, vec->len, dir,
						  DMA_ATTR_MMIO);
		if (dma_mapping_error(rogue->dev, sg_dma_address(sg))) {
			iova_undo(rogue, i, dir);
			return ERR_PTR(-EIO);
		}
	}
	return sgt;
}

static void iova_unmap(struct rogue *rogue, struct sg_table *sgt,
		       enum dma_data_direction dir)
{
	iova_undo(rogue, sgt->nents, dir);
}

/* System RAM of the same size. */

static void ram_free(struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_sg(sgt, sg, i)
		if (sg_page(sg))
			__free_page(sg_page(sg));
	sg_free_table(sgt);
}

static int ram_alloc(struct sg_table *sgt, unsigned int nr)
{
	struct scatterlist *sg;
	struct page *page;
	int i, ret;

	ret = sg_alloc_table(sgt, nr, GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(sgt, sg, i) {
		page = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!page) {
			ram_free(sgt);
			return -ENOMEM;
		}
		sg_set_page(sg, page, PAGE_SIZE, 0);
	}
	return 0;
}

static struct sg_table *ram_map(struct rogue *rogue, enum dma_data_direction dir)
{
	int ret;

	ret = ram_alloc(&rogue->sgt, rogue->ranges->size >> PAGE_SHIFT);
	if (ret)
		return ERR_PTR(ret);
	ret = dma_map_sgtable(rogue->dev, &rogue->sgt, dir, 0);
	if (ret) {
		ram_free(&rogue->sgt);
		return ERR_PTR(ret);
	}
	return &rogue->sgt;
}

static void ram_unmap(struct rogue *rogue, struct sg_table *sgt,
		      enum dma_data_direction dir)
{
	dma_unmap_sgtable(rogue->dev, sgt, dir, 0);
	ram_free(sgt);
}

/* Links of our own. */

static void unlink(struct rogue *rogue, enum dma_data_direction dir)
{
	if (rogue->linked)
		dma_iova_unlink(rogue->dev, &rogue->iova, 0, rogue->linked, dir,
				DMA_ATTR_MMIO);
	rogue->linked = 0;
	dma_iova_free(rogue->dev, &rogue->iova);
}

static int link(struct rogue *rogue, enum dma_data_direction dir)
{
	const struct p2pbuf_ranges *ranges = rogue->ranges;
	unsigned int i;
	int ret;

	if (!dma_iova_try_alloc(rogue->dev, &rogue->iova, 0, ranges->size))
		return -EOPNOTSUPP;
	for (i = 0; i < ranges->nr; i++) {
		u64 offset = rogue->fault == P2PBUF_FAULT_OFFSET_0 ? 0 : rogue->linked;

		ret = dma_iova_link(rogue->dev, &rogue->iova, ranges->vecs[i].paddr,
				    offset, ranges->vecs[i].len, dir, DMA_ATTR_MMIO);
		if (ret)
			goto err_unlink;
		rogue->linked = offset + ranges->vecs[i].len;
	}
	if (rogue->fault == P2PBUF_FAULT_NO_SYNC)
		return 0;
	ret = dma_iova_sync(rogue->dev, &rogue->iova, 0, rogue->linked);
	if (!ret)
		return 0;

err_unlink:
	unlink(rogue, dir);
	return ret;
}

static struct sg_table *link_map(struct rogue *rogue, enum dma_data_direction dir)
{
	struct sg_table *sgt = make_table(rogue, 1);
	int ret;

	if (IS_ERR(sgt))
		return sgt;
	ret = link(rogue, dir);
	if (ret) {
		free_table(rogue);
		return ERR_PTR(ret);
	}
	sg_dma_address(sgt->sgl) = rogue->iova.addr;
	sg_dma_len(sgt->sgl) = rogue->ranges->size;
	return sgt;
}

static void link_unmap(struct rogue *rogue, struct sg_table *sgt,
		       enum dma_data_direction dir)
{
	if (rogue->fault != P2PBUF_FAULT_NO_UNLINK)
		unlink(rogue, dir);
	free_table(rogue);
}

static const struct fault_ops fault_ops[P2PBUF_NR_FAULTS] = {
	[P2PBUF_FAULT_NONE] = { good_map, good_unmap },
	[P2PBUF_FAULT_RAM] = { ram_map, ram_unmap },
	[P2PBUF_FAULT_RAW] = { raw_map, table_unmap },
	[P2PBUF_FAULT_HOLE] = { hole_map, table_unmap },
	[P2PBUF_FAULT_IOVA] = { iova_map, iova_unmap },
	[P2PBUF_FAULT_MARKED] = { marked_map, good_unmap },
	[P2PBUF_FAULT_SHORT] = { short_map, good_unmap },
	[P2PBUF_FAULT_OVERFLOW] = { overflow_map, good_unmap },
	[P2PBUF_FAULT_SWAPPED] = { swapped_map, good_unmap },
	[P2PBUF_FAULT_OFFSET_0] = { link_map, link_unmap },
	[P2PBUF_FAULT_NO_SYNC] = { link_map, link_unmap },
	[P2PBUF_FAULT_NO_UNLINK] = { link_map, link_unmap },
};

/* The DMABUF: the lock of @source is the DMABUF's own. */

/**
 * struct rogue_client - an attachment
 * @inner: of @source, of anybody
 * @peer: of the attachment's own device
 */
struct rogue_client {
	struct dma_buf_attachment *inner;
	struct p2pbuf_peer peer;
};

static int rogue_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct rogue_client *client __free(kfree) = kzalloc_obj(*client);
	struct rogue *rogue = dmabuf->priv;

	if (!client)
		return -ENOMEM;
	client->inner = attach_any(rogue->source, attach->dev);
	if (IS_ERR(client->inner))
		return PTR_ERR(client->inner);
	attach->priv = no_free_ptr(client);
	return 0;
}

static void rogue_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct rogue_client *client = attach->priv;
	struct rogue *rogue = dmabuf->priv;

	dma_buf_detach(rogue->source, client->inner);
	kfree(client);
}

static struct p2pbuf_peer *source_map(struct rogue *rogue,
				      struct dma_buf_attachment *attach,
				      enum dma_data_direction dir)
{
	struct rogue_client *client = attach->priv;
	struct p2pbuf_peer *peer;

	peer = p2pbuf_phys_ops(rogue->source)->map(client->inner, dir);
	if (IS_ERR(peer))
		return peer;
	client->peer = (struct p2pbuf_peer){ .dev = attach->dev, .ranges = peer->ranges };
	return &client->peer;
}

static void source_unmap(struct rogue *rogue, struct dma_buf_attachment *attach)
{
	struct rogue_client *client = attach->priv;

	p2pbuf_phys_ops(rogue->source)->unmap(client->inner);
}

static void forget(struct rogue *rogue, struct dma_buf_attachment *attach)
{
	kfree(rogue->wrong);
	rogue->wrong = NULL;
	rogue->ranges = NULL;
	source_unmap(rogue, attach);
}

static struct sg_table *rogue_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir)
{
	struct rogue *rogue = attach->dmabuf->priv;
	struct p2pbuf_peer *peer;
	struct sg_table *sgt;

	if (rogue->ranges || rogue->linked)
		return ERR_PTR(-EBUSY);
	peer = source_map(rogue, attach, dir);
	if (IS_ERR(peer))
		return ERR_CAST(peer);
	rogue->ranges = peer->ranges;
	rogue->dev = attach->dev;
	sgt = fault_ops[rogue->fault].map(rogue, dir);
	if (IS_ERR(sgt))
		forget(rogue, attach);
	return sgt;
}

static void rogue_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			enum dma_data_direction dir)
{
	struct rogue *rogue = attach->dmabuf->priv;

	fault_ops[rogue->fault].unmap(rogue, sgt, dir);
	forget(rogue, attach);
}

/* What was forgotten on purpose goes here, so that the next test finds nothing. */
static void rogue_release(struct dma_buf *dmabuf)
{
	struct rogue *rogue = dmabuf->priv;

	if (rogue->linked)
		unlink(rogue, DMA_BIDIRECTIONAL);
	dma_buf_put(rogue->source);
	kfree(rogue);
}

static const struct dma_buf_ops rogue_ops = {
	.attach = rogue_attach,
	.detach = rogue_detach,
	.map_dma_buf = rogue_map,
	.unmap_dma_buf = rogue_unmap,
	.release = rogue_release,
};

static struct p2pbuf_peer *describe(struct dma_buf_attachment *attach,
				    enum dma_data_direction dir)
{
	return source_map(attach->dmabuf->priv, attach, dir);
}

static void end_describe(struct dma_buf_attachment *attach)
{
	source_unmap(attach->dmabuf->priv, attach);
}

struct p2pbuf_phys_ops rogue_phys_ops = {
	.dmabuf_ops = &rogue_ops,
	.map = describe,
	.unmap = end_describe,
};

static struct dma_buf *rogue_export(struct dma_buf *source, u32 fault)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;
	struct rogue *rogue;

	rogue = kzalloc_obj(*rogue);
	if (!rogue)
		return ERR_PTR(-ENOMEM);
	rogue->source = source;
	rogue->fault = fault;

	info.ops = &rogue_ops;
	info.size = source->size;
	info.flags = O_RDWR;
	info.resv = source->resv;
	info.priv = rogue;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		kfree(rogue);
	return dmabuf;
}

int test_rogue(const struct p2pbuf_test_rogue *args)
{
	struct dma_buf *source, *dmabuf;
	int fd;

	if (args->fault >= P2PBUF_NR_FAULTS)
		return -EINVAL;
	source = dma_buf_get(args->fd);
	if (IS_ERR(source))
		return PTR_ERR(source);
	dmabuf = p2pbuf_phys_ops(source) ?
		 rogue_export(source, array_index_nospec(args->fault, P2PBUF_NR_FAULTS)) :
		 ERR_PTR(-EOPNOTSUPP);
	if (IS_ERR(dmabuf)) {
		dma_buf_put(source);
		return PTR_ERR(dmabuf);
	}
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}
