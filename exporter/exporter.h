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
#include <linux/wait.h>
#include <linux/xarray.h>

#include <p2pbuf.h>

struct seq_file;

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
 * struct p2pbuf_window - pages of a BAR
 * @bar: its number
 * @start: offset of the first page
 * @end: offset behind the last one; 0: there are none
 */
struct p2pbuf_window {
	u32 bar;
	u64 start;
	u64 end;
};

/**
 * enum p2pbuf_loss - why the memory cannot be accessed
 * @P2PBUF_LOSS_REMOVED: the driver is unbinding, for good
 * @P2PBUF_LOSS_RESET: the function is being reset
 * @P2PBUF_LOSS_MEMORY_OFF: memory decoding is off
 * @P2PBUF_LOSS_SUSPEND: the system is suspended
 * @P2PBUF_LOSS_ERROR: the PCI core is recovering the function from an error
 * @P2PBUF_LOSS_FAILED: it did not come back from one of these; until a reset that works
 */
enum p2pbuf_loss {
	P2PBUF_LOSS_REMOVED	= BIT(0),
	P2PBUF_LOSS_RESET	= BIT(1),
	P2PBUF_LOSS_MEMORY_OFF	= BIT(2),
	P2PBUF_LOSS_SUSPEND	= BIT(3),
	P2PBUF_LOSS_ERROR	= BIT(4),
	P2PBUF_LOSS_FAILED	= BIT(5),
};

/**
 * struct p2pbuf_exporter - one PCI function bound to the driver
 * @kref: held by the binding, each open node and each buffer, so the struct outlives
 *	the binding
 * @lock: protects @pdev, @losses and @buffers. Taken after the device lock and before a
 *	reservation lock, and never while user memory is touched or importers are waited
 *	for.
 * @dev: the function, for messages and runtime PM; a reference is held
 * @pdev: the function; NULL once the driver is unbinding. With it go @regions'
 *	BARs and the p2pdma providers (devres).
 * @losses: enum p2pbuf_loss, all that hold; changed with the device lock held. All
 *	buffers are revoked if it is not zero.
 * @buffers: all buffers whose DMABUF exists
 * @regions: by BAR number
 * @msix: of the MSI-X table and of its pending bits; constant after probe
 * @state: configuration space as of probe, constant
 * @misc: the node
 */
struct p2pbuf_exporter {
	struct kref kref;
	struct mutex lock; /* see above */
	struct device *dev;
	struct pci_dev *pdev;
	u32 losses;
	struct list_head buffers;
	struct p2pbuf_region regions[PCI_STD_NUM_BARS];
	struct p2pbuf_window msix[2];
	struct pci_saved_state *state;
	struct miscdevice misc;
};

/**
 * struct p2pbuf_buffer - what stands behind one DMABUF
 * @kref: held by the DMABUF, and by whoever waits for the buffer in revoke
 * @exp: the exporter; a reference is held
 * @node: in @exp->buffers; protected by @exp->lock
 * @pending: in the list of the event that waits for the buffer; of that event, and the
 *	device lock makes it the only one
 * @resv: the DMABUF's reservation object. It is here so that its lock can be taken
 *	when the DMABUF may be on its way out.
 * @dmabuf: NULL once the DMABUF is being released; protected by @resv. The buffer
 *	holds no reference on it, and never looks at its file, which is gone earlier.
 * @inode: of the DMABUF's file; a reference is held, because the dentry lets go of
 *	it before the DMABUF's release (fs/dcache.c, __dentry_kill())
 * @ranges: what is exported; the provider in it is valid while not @revoked or
 *	@nr_maps is not zero
 * @lock: protects @nr_users and @removed; taken after @resv and mmap_lock, before i_mmap.
 *	Page tables are allocated under it, and nobody is waited for: whoever makes a CPU
 *	mapping, touches or copies it does not wait for who maps.
 * @revoked: no new mapping, CPU or device; written under @resv and @lock, read under either
 * @withdrawn: @revoked by P2PBUF_IOCTL_REVOKE, for good; written and read likewise
 * @nr_users: importers' mappings and VMAs. While there are any, and the driver is bound,
 *	the function is kept from runtime suspend.
 * @removed: the driver is unbinding: @nr_users does not count any more
 * @fences: of @resv when access went, each with a reference; NULL if there were none. Written
 *	under @resv when @revoked is, and constant until it is cleared, which none but an event
 *	does.
 * @nr_fences: number of elements in @fences
 * @refusals: devices that the log has, by address; they are only compared, and may be gone
 * @bar: number of the BAR
 * @write_combining: how the CPU sees it
 * @writable: writes are allowed, of the CPU and of devices
 * @nr_maps: mappings of importers, of both interconnects. Incremented under @resv,
 *	so not once @revoked is set.
 * @progress: woken when @nr_maps becomes zero, or a fence of @fences signals
 */
struct p2pbuf_buffer {
	struct kref kref;
	struct p2pbuf_exporter *exp;
	struct list_head node;
	struct list_head pending;
	struct dma_resv resv;
	struct dma_buf *dmabuf;
	struct inode *inode;
	struct p2pbuf_ranges *ranges;
	struct mutex lock; /* see above */
	bool revoked;
	bool withdrawn;
	bool removed;
	unsigned int nr_users;
	struct dma_fence **fences;
	unsigned int nr_fences;
	struct xarray refusals;
	u32 bar;
	bool write_combining;
	bool writable;
	atomic_t nr_maps;
	wait_queue_head_t progress;
};

/**
 * struct p2pbuf_client - what the exporter knows of an attachment
 * @peer: its device; valid as long as the buffer's provider
 * @nr_maps: mappings that it has
 *
 * Protected by the buffer's reservation lock.
 */
struct p2pbuf_client {
	struct p2pbuf_peer peer;
	unsigned int nr_maps;
};

/* main.c */
void p2pbuf_exporter_put(struct p2pbuf_exporter *exp);

/* region.c */
void p2pbuf_regions_warn(struct pci_dev *pdev);
int p2pbuf_regions_init(struct p2pbuf_exporter *exp);

/* msix.c */
int p2pbuf_msix_init(struct p2pbuf_exporter *exp);
int p2pbuf_msix_check(const struct p2pbuf_exporter *exp, unsigned int bar,
		      const struct p2pbuf_range *ranges, unsigned int nr);

/* route.c */
int p2pbuf_exporter_route(struct p2pbuf_exporter *exp, struct p2pbuf_route_info *info);

/* chardev.c */
extern const struct file_operations p2pbuf_exporter_fops;

/* buffer.c */
extern struct p2pbuf_phys_ops p2pbuf_exporter_phys_ops;
struct dma_buf *p2pbuf_buffer_export(struct p2pbuf_exporter *exp,
				     const struct p2pbuf_export *args,
				     const struct p2pbuf_range *user);
struct p2pbuf_buffer *p2pbuf_buffer_of(struct p2pbuf_exporter *exp, struct dma_buf *dmabuf);
void p2pbuf_buffer_put(struct p2pbuf_buffer *buf);

/* revoke.c */
int p2pbuf_buffer_revoke(struct p2pbuf_buffer *buf);
void p2pbuf_buffer_forget_fences(struct p2pbuf_buffer *buf);
int p2pbuf_exporter_revoke(struct p2pbuf_exporter *exp, enum p2pbuf_loss loss, bool killable);
void p2pbuf_exporter_restore(struct p2pbuf_exporter *exp, enum p2pbuf_loss loss);

/* show.c */
void p2pbuf_exporter_show(struct p2pbuf_exporter *exp, struct seq_file *m);

/* access.c */
int p2pbuf_access_error(const struct p2pbuf_buffer *buf);
int p2pbuf_access_get(struct p2pbuf_buffer *buf);
void p2pbuf_access_get_more(struct p2pbuf_buffer *buf);
void p2pbuf_access_put(struct p2pbuf_buffer *buf);
void p2pbuf_access_revoke(struct p2pbuf_buffer *buf, bool removed);
void p2pbuf_access_restore(struct p2pbuf_buffer *buf);

/* events.c */
extern const struct pci_error_handlers p2pbuf_exporter_err_handler;
extern const struct dev_pm_ops p2pbuf_exporter_pm_ops;
int p2pbuf_exporter_keep_state(struct p2pbuf_exporter *exp);
int p2pbuf_exporter_reset(struct p2pbuf_exporter *exp);
int p2pbuf_exporter_set_memory(struct p2pbuf_exporter *exp, bool on);

/* mmap.c */
int p2pbuf_buffer_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);

#endif /* _P2PBUF_EXPORTER_H */
