/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_IMPORTER_H
#define _P2PBUF_IMPORTER_H

#include <linux/atomic.h>
#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/workqueue.h>

#include <p2pbuf.h>
#include <p2pbuf_edu.h>

struct seq_file;

#define P2PBUF_IMPORTER_NAME	"p2pbuf_importer"

/**
 * enum p2pbuf_importer_count - what is counted of an importer
 * @P2PBUF_IMPORTER_IMPORTS: DMABUFs attached
 * @P2PBUF_IMPORTER_FAILED_IMPORTS: attaches or pins that failed
 * @P2PBUF_IMPORTER_MAPS: DMABUFs mapped, by either interconnect
 * @P2PBUF_IMPORTER_FAILED_MAPS: ... or not
 * @P2PBUF_IMPORTER_UNMAPS: DMABUFs unmapped
 * @P2PBUF_IMPORTER_INVALIDATIONS: calls of invalidate_mappings
 * @P2PBUF_IMPORTER_COPIES: copies that succeeded
 * @P2PBUF_IMPORTER_FAILED_COPIES: copies that did not, or in part
 * @P2PBUF_IMPORTER_TRANSFERS: transfers that succeeded
 * @P2PBUF_IMPORTER_FAILED_TRANSFERS: transfers that started and failed
 * @P2PBUF_IMPORTER_BYTES: bytes that copies and transfers moved
 * @P2PBUF_IMPORTER_TIMEOUTS: times that the engine did not complete
 * @P2PBUF_IMPORTER_NR_COUNTS: how many there are
 */
enum p2pbuf_importer_count {
	P2PBUF_IMPORTER_IMPORTS,
	P2PBUF_IMPORTER_FAILED_IMPORTS,
	P2PBUF_IMPORTER_MAPS,
	P2PBUF_IMPORTER_FAILED_MAPS,
	P2PBUF_IMPORTER_UNMAPS,
	P2PBUF_IMPORTER_INVALIDATIONS,
	P2PBUF_IMPORTER_COPIES,
	P2PBUF_IMPORTER_FAILED_COPIES,
	P2PBUF_IMPORTER_TRANSFERS,
	P2PBUF_IMPORTER_FAILED_TRANSFERS,
	P2PBUF_IMPORTER_BYTES,
	P2PBUF_IMPORTER_TIMEOUTS,
	P2PBUF_IMPORTER_NR_COUNTS,
};

/**
 * struct p2pbuf_importer - one edu function bound to the driver
 * @kref: held by the binding (until the end of its devres, as the interrupt handler
 *	uses @edu until then), each open node and each import
 * @edu: the engine; used only while the driver is bound
 * @lock: protects @bound and @imports; taken before a reservation lock, never with
 *	an import's lock, never while user memory is touched
 * @bound: cleared first when the driver unbinds; read without @lock after an
 *	attachment was found detached
 * @imports: imports that are attached
 * @maps: held for reading while anything is mapped or unmapped for the function, and
 *	for writing while addresses of others are looked up in its IOMMU domain. Taken
 *	after a reservation lock.
 * @nr_chunks: of all transfers that are not over
 * @counts: by enum p2pbuf_importer_count
 * @events: woken when an exporter invalidates, and when the driver unbinds
 * @misc: the node
 * @debugfs: directory
 */
struct p2pbuf_importer {
	struct kref kref;
	struct edu edu;
	struct mutex lock; /* see above */
	bool bound;
	struct list_head imports;
	struct rw_semaphore maps; /* see above */
	atomic_t nr_chunks;
	atomic64_t counts[P2PBUF_IMPORTER_NR_COUNTS];
	wait_queue_head_t events;
	struct miscdevice misc;
	struct dentry *debugfs;
};

/**
 * struct p2pbuf_attachment - one imported DMABUF
 * @kref: held by the handle, by each call and each transfer under way, and by queued
 *	@unmap_work
 * @importer: a reference is held
 * @node: in @importer->imports; protected by @importer->lock
 * @lock: protects all below but @stale; held for a chunk, or by an unmap until @nr_jobs
 *	is 0, and never while user memory is touched. Taken before the reservation lock;
 *	of two attachments, in the order of their addresses. Never taken by a transfer
 *	under way.
 * @dmabuf: a reference is held for as long as @attach lives
 * @attach: NULL after detach, which is for good
 * @size: of the DMABUF in bytes; constant
 * @ino: of its inode; constant
 * @access: enum p2pbuf_access; constant
 * @flow: enum p2pbuf_flow; constant
 * @flags: enum p2pbuf_import_flags; constant
 * @mapped: the buffer is mapped; changed under the reservation lock as well
 * @stale: the exporter invalidated the mapping; protected by the reservation lock.
 *	Cleared by the next map or unmap of the user.
 * @generation: counts mappings, so that one is told from the next
 * @map: the mapping
 * @nr_segments: of the mapping
 * @route: of the mapping
 * @nr_ranges: of the mapping, if the exporter tells
 * @nr_merged: likewise
 * @nr_jobs: transfers that use the mapping. Incremented under @lock and the reservation
 *	lock; waited for under @lock by every unmap, with wait_var_event().
 * @nr_events: calls of invalidate_mappings
 * @nr_seen: of these, how many a query has told; changed under @lock
 * @unmap_work: answers invalidate_mappings, which must not take @lock
 */
struct p2pbuf_attachment {
	struct kref kref;
	struct p2pbuf_importer *importer;
	struct list_head node;
	struct mutex lock; /* see above */
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	u64 size;
	u64 ino;
	u32 access;
	u32 flow;
	u32 flags;
	bool mapped;
	bool stale;
	u64 generation;
	struct p2pbuf_dmabuf_map map;
	u32 nr_segments;
	enum p2pbuf_route route;
	u32 nr_ranges;
	u32 nr_merged;
	atomic_t nr_jobs;
	atomic_t nr_events;
	atomic_t nr_seen;
	struct work_struct unmap_work;
};

/**
 * struct p2pbuf_dma - DMA under way
 * @att: the attachment, whose lock is held
 * @fence: in the buffer's reservation object; a reference is held
 * @cookie: of dma_fence_begin_signalling()
 */
struct p2pbuf_dma {
	struct p2pbuf_attachment *att;
	struct dma_fence *fence;
	bool cookie;
};

/**
 * struct p2pbuf_job - a transfer from one buffer to another
 * @src: is read; counted in its @nr_jobs and a reference is held, once started
 * @dst: is written; likewise
 * @src_offset: into @src
 * @dst_offset: into @dst
 * @length: in bytes
 * @flags: zero or P2PBUF_COPY_NO_READBACK
 * @importer: of both; a reference is held
 * @nr_chunks: its part of @importer's
 * @fence: signals when it is over; a reference is held
 * @src_dep: signals when @src may be read; a reference is held. NULL if it may, or if
 *	@dst_dep says so.
 * @dst_dep: signals when @dst may be written; likewise
 * @src_cb: waits for @src_dep
 * @dst_cb: waits for @dst_dep
 * @nr_pending: dependencies that have not signalled, and p2pbuf_job_start() itself
 * @work: moves the data, and frees the job
 * @data: a chunk
 */
struct p2pbuf_job {
	struct p2pbuf_attachment *src;
	struct p2pbuf_attachment *dst;
	u64 src_offset;
	u64 dst_offset;
	u64 length;
	u32 flags;
	struct p2pbuf_importer *importer;
	unsigned int nr_chunks;
	struct dma_fence *fence;
	struct dma_fence *src_dep;
	struct dma_fence *dst_dep;
	struct dma_fence_cb src_cb;
	struct dma_fence_cb dst_cb;
	atomic_t nr_pending;
	struct work_struct work;
	u8 data[EDU_CHUNK];
};

static inline enum dma_data_direction p2pbuf_access_dir(u32 access)
{
	switch (access) {
	case P2PBUF_ACCESS_READ:
		return DMA_TO_DEVICE;
	case P2PBUF_ACCESS_WRITE:
		return DMA_FROM_DEVICE;
	default:
		return DMA_BIDIRECTIONAL;
	}
}

static inline void p2pbuf_count(struct p2pbuf_importer *importer,
				enum p2pbuf_importer_count count, u64 nr)
{
	atomic64_add(nr, &importer->counts[count]);
}

/* Is what is written read again and compared? */
static inline bool p2pbuf_reads_back(const struct p2pbuf_attachment *att, u32 flags)
{
	return (att->access & P2PBUF_ACCESS_READ) && !(flags & P2PBUF_COPY_NO_READBACK);
}

/* main.c */
extern struct workqueue_struct *p2pbuf_unmap_wq;
extern struct workqueue_struct *p2pbuf_job_wq;
void p2pbuf_importer_put(struct p2pbuf_importer *importer);

/* attachment.c */
struct p2pbuf_attachment *
p2pbuf_attachment_create(struct p2pbuf_importer *importer,
			 const struct p2pbuf_import *args);
void p2pbuf_attachment_put(struct p2pbuf_attachment *att);
int p2pbuf_attachment_map(struct p2pbuf_attachment *att);
int p2pbuf_attachment_unmap(struct p2pbuf_attachment *att);
void p2pbuf_attachment_shutdown(struct p2pbuf_attachment *att);
void p2pbuf_attachments_shutdown(struct p2pbuf_importer *importer);
int p2pbuf_attachment_check_range(const struct p2pbuf_attachment *att, u64 offset,
				  u64 length);
bool p2pbuf_attachment_is_mapped(const struct p2pbuf_attachment *att);
int p2pbuf_attachment_make_mapped(struct p2pbuf_attachment *att);
int p2pbuf_attachment_lock_mapped(struct p2pbuf_attachment *att);
dma_addr_t p2pbuf_attachment_find(struct p2pbuf_attachment *att, u64 offset,
				  u64 *run);
int p2pbuf_attachment_query(struct p2pbuf_attachment *att, struct p2pbuf_query *query,
			    struct p2pbuf_segment *segs);
void p2pbuf_attachment_told(struct p2pbuf_attachment *att, u32 nr_events);

/* show.c */
void p2pbuf_importer_show(struct p2pbuf_importer *importer, struct seq_file *m);
void p2pbuf_attachment_show(struct p2pbuf_attachment *att, u32 handle, struct seq_file *m);

/* debugfs.c */
void p2pbuf_importer_debugfs_add(struct p2pbuf_importer *importer);
void p2pbuf_importer_debugfs_remove(struct p2pbuf_importer *importer);
void p2pbuf_importers_debugfs_init(void);
void p2pbuf_importers_debugfs_exit(void);

/* fence.c */
struct dma_fence *p2pbuf_fence_create(void);
int p2pbuf_dma_begin(struct p2pbuf_attachment *att, bool write, struct p2pbuf_dma *dma);
void p2pbuf_dma_end(struct p2pbuf_dma *dma, int error);

/* copy.c */
size_t p2pbuf_next_chunk(struct p2pbuf_attachment *att, u64 offset, u64 len,
			 dma_addr_t *addr);
int p2pbuf_attachment_copy(struct p2pbuf_attachment *att, struct p2pbuf_copy *args);

/* job.c */
struct p2pbuf_job *p2pbuf_job_create(struct p2pbuf_attachment *src,
				     struct p2pbuf_attachment *dst,
				     const struct p2pbuf_transfer *args);
void p2pbuf_job_free(struct p2pbuf_job *job);
void p2pbuf_job_start(struct p2pbuf_job *job);

/* transfer.c */
int p2pbuf_transfer_check(const struct p2pbuf_attachment *src,
			  const struct p2pbuf_attachment *dst,
			  const struct p2pbuf_transfer *args);
int p2pbuf_transfer_start(struct p2pbuf_job *job);

/* audit.c */
int p2pbuf_attachment_audit(struct p2pbuf_attachment *att, struct p2pbuf_audit *args,
			    struct p2pbuf_place *places);
int p2pbuf_attachment_verdict(struct p2pbuf_attachment *att,
			      struct p2pbuf_verdict *verdict);

/* chardev.c */
extern const struct file_operations p2pbuf_importer_fops;

#endif /* _P2PBUF_IMPORTER_H */
