/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_EXPORTER_H
#define _P2PBUF_EXPORTER_H

#include <linux/atomic.h>
#include <linux/dma-resv.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/pci.h>

#include <p2pbuf.h>

#define P2PBUF_EXPORTER_NAME	"p2pbuf_exporter"

/**
 * struct p2pbuf_region - what the exporter knows of one BAR
 * @flags: enum p2pbuf_region_flags
 * @reason: enum p2pbuf_region_reason
 *
 * Constant after probe.
 */
struct p2pbuf_region {
	u32 flags;
	u32 reason;
};

/**
 * struct p2pbuf_exporter - one PCI function bound to the driver
 * @kref: held by the binding, each open node and each buffer, so the struct outlives
 *	the binding
 * @lock: protects @pdev and @buffers, and makes "bound and not yet revoked" one
 *	state for export. Taken before a reservation lock, never under one, and never
 *	while user memory is touched or importers are waited for.
 * @pdev: the function; NULL once the driver is unbinding. With it go @regions'
 *	BARs and the p2pdma providers (devres).
 * @buffers: all buffers whose DMABUF exists
 * @regions: by BAR number
 * @misc: the node
 */
struct p2pbuf_exporter {
	struct kref kref;
	struct mutex lock; /* see above */
	struct pci_dev *pdev;
	struct list_head buffers;
	struct p2pbuf_region regions[PCI_STD_NUM_BARS];
	struct miscdevice misc;
};

/**
 * struct p2pbuf_buffer - what stands behind one DMABUF
 * @kref: held by the DMABUF, and by whoever waits for the buffer in revoke
 * @exp: the exporter; a reference is held
 * @node: in @exp->buffers; protected by @exp->lock
 * @resv: the DMABUF's reservation object. It is here so that its lock can be taken
 *	when the DMABUF may be on its way out.
 * @dmabuf: NULL once the DMABUF is being released; protected by @resv. The buffer
 *	holds no reference on it, and never looks at its file, which is gone earlier.
 * @inode: of the DMABUF's file; a reference is held, because the dentry lets go of
 *	it before the DMABUF's release (fs/dcache.c, __dentry_kill())
 * @ranges: what is exported; the provider in it is valid while not @revoked or
 *	@nr_maps is not zero
 * @revoked: no new mapping, CPU or device; protected by @resv
 * @write_combining: how the CPU sees it
 * @writable: device writes are allowed
 * @nr_maps: mappings of importers, of both interconnects. Incremented under @resv,
 *	so not once @revoked is set. Waited for with wait_var_event().
 */
struct p2pbuf_buffer {
	struct kref kref;
	struct p2pbuf_exporter *exp;
	struct list_head node;
	struct dma_resv resv;
	struct dma_buf *dmabuf;
	struct inode *inode;
	struct p2pbuf_ranges *ranges;
	bool revoked;
	bool write_combining;
	bool writable;
	atomic_t nr_maps;
};

/* main.c */
void p2pbuf_exporter_put(struct p2pbuf_exporter *exp);

/* region.c */
int p2pbuf_regions_init(struct p2pbuf_exporter *exp);

/* chardev.c */
extern const struct file_operations p2pbuf_exporter_fops;

/* buffer.c */
extern struct p2pbuf_phys_ops p2pbuf_exporter_phys_ops;
struct dma_buf *p2pbuf_buffer_export(struct p2pbuf_exporter *exp,
				     const struct p2pbuf_export *args,
				     const struct p2pbuf_range *user);
void p2pbuf_buffers_revoke(struct p2pbuf_exporter *exp);
void p2pbuf_buffers_wait(struct p2pbuf_exporter *exp);

/* mmap.c */
int p2pbuf_buffer_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);
void p2pbuf_buffer_zap(struct p2pbuf_buffer *buf);

#endif /* _P2PBUF_EXPORTER_H */
