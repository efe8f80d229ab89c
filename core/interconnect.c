// SPDX-License-Identifier: GPL-2.0-only
/*
 * The phys interconnect: an exporter hands its ranges to an importer that maps them
 * itself. Exporters register their operations here, so neither side depends on the
 * other's module.
 */
#include <linux/cleanup.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/rwsem.h>

#include <p2pbuf.h>

static DECLARE_RWSEM(phys_lock);
/* Protected by phys_lock. */
static LIST_HEAD(phys_exporters);

/**
 * p2pbuf_register_phys - offer the phys interconnect for an exporter's DMABUFs
 * @ops: stays until p2pbuf_unregister_phys()
 *
 * Context: may sleep. Before the first DMABUF with @ops->dmabuf_ops is exported.
 */
void p2pbuf_register_phys(struct p2pbuf_phys_ops *ops)
{
	guard(rwsem_write)(&phys_lock);
	list_add(&ops->node, &phys_exporters);
}
EXPORT_SYMBOL_GPL(p2pbuf_register_phys);

/**
 * p2pbuf_unregister_phys - undo p2pbuf_register_phys()
 * @ops: as registered
 *
 * Context: may sleep. No DMABUF with @ops->dmabuf_ops may exist any more; in a module
 * exit function none does, as each holds a reference of its owner.
 */
void p2pbuf_unregister_phys(struct p2pbuf_phys_ops *ops)
{
	guard(rwsem_write)(&phys_lock);
	list_del(&ops->node);
}
EXPORT_SYMBOL_GPL(p2pbuf_unregister_phys);

/**
 * p2pbuf_phys_ops - does a DMABUF's exporter offer the phys interconnect?
 * @dmabuf: on which the caller holds a reference, which keeps the answer valid
 *
 * Context: may sleep.
 * Return: the exporter's operations, or NULL.
 */
const struct p2pbuf_phys_ops *p2pbuf_phys_ops(struct dma_buf *dmabuf)
{
	struct p2pbuf_phys_ops *ops;

	guard(rwsem_read)(&phys_lock);
	list_for_each_entry(ops, &phys_exporters, node)
		if (ops->dmabuf_ops == dmabuf->ops)
			return ops;
	return NULL;
}
EXPORT_SYMBOL_GPL(p2pbuf_phys_ops);

/**
 * p2pbuf_map_attachment - map a DMABUF by the phys interconnect
 * @map: to be filled in; protected by the reservation lock from here on
 * @ops: the exporter's, from p2pbuf_phys_ops()
 * @attach: dynamic attachment with an invalidate_mappings callback
 * @dir: direction of the DMA
 * @flags: what the importer wants
 *
 * Context: may sleep; the reservation lock is held.
 * Return: 0, or an error of the exporter's phys map (-ENODEV: revoked), or one of
 * p2pbuf_map().
 */
int p2pbuf_map_attachment(struct p2pbuf_mapping *map, const struct p2pbuf_phys_ops *ops,
			  struct dma_buf_attachment *attach,
			  enum dma_data_direction dir, enum p2pbuf_map_flags flags)
{
	struct p2pbuf_peer *peer;
	int ret;

	dma_resv_assert_held(attach->dmabuf->resv);

	peer = ops->map(attach, dir);
	if (IS_ERR(peer))
		return PTR_ERR(peer);

	ret = p2pbuf_map(map, peer, dir, flags);
	if (ret)
		ops->unmap(attach);
	return ret;
}
EXPORT_SYMBOL_GPL(p2pbuf_map_attachment);

/**
 * p2pbuf_unmap_attachment - undo p2pbuf_map_attachment()
 * @map: the mapping
 * @ops: as when mapped
 * @attach: likewise
 *
 * Context: may sleep; the reservation lock is held.
 */
void p2pbuf_unmap_attachment(struct p2pbuf_mapping *map, const struct p2pbuf_phys_ops *ops,
			     struct dma_buf_attachment *attach)
{
	dma_resv_assert_held(attach->dmabuf->resv);

	p2pbuf_unmap(map);
	ops->unmap(attach);
}
EXPORT_SYMBOL_GPL(p2pbuf_unmap_attachment);
