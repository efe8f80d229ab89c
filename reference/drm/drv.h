/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_DRM_DRV_H
#define _P2PBUF_DRM_DRV_H

#include <linux/atomic.h>
#include <linux/dma-fence.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include <drm/drm_device.h>
#include <drm/drm_gem.h>

#include <p2pbuf.h>
#include <p2pbuf_edu.h>

#define P2PBUF_DRM_NAME	"p2pbuf_drm"

/**
 * struct p2pbuf_drm - one edu function as a GPU
 * @drm: the device; open files keep it after the driver was unbound
 * @edu: the engine; used only while the driver is bound
 * @jobs: carries out one job after the other, and so in the order of their fences
 * @unmaps: answers invalidate_mappings; waits for @jobs
 * @nr_jobs: that are not over
 * @timeline: held while a job gets its place on the timeline; taken after a reservation
 *	lock
 * @context: of the timeline's fences
 * @seqno: of the last one; protected by @timeline
 * @lock: protects @objects; taken before a reservation lock
 * @objects: all that may be mapped
 */
struct p2pbuf_drm {
	struct drm_device drm;
	struct edu edu;
	struct workqueue_struct *jobs;
	struct workqueue_struct *unmaps;
	atomic_t nr_jobs;
	struct mutex timeline; /* see above */
	u64 context;
	u64 seqno;
	struct mutex lock; /* see above */
	struct list_head objects;
};

/**
 * struct p2pbuf_drm_object - an imported DMABUF
 * @base: the buffer object; its reservation object is the DMABUF's, whose lock protects
 *	all below but @node and @unmap_work
 * @map: where it is mapped to; what a page table is to a GPU. A job uses it without the
 *	lock until its fence has signalled, which every unmap waits for
 * @mapped: it is
 * @stale: ... and the exporter invalidated it. No job starts until it is unmapped
 * @last: fence of the last job. As the jobs of a device end in order, all have ended when
 *	it has
 * @node: in the device's objects
 * @unmap_work: unmaps what is stale
 */
struct p2pbuf_drm_object {
	struct drm_gem_object base;
	struct p2pbuf_dmabuf_map map;
	bool mapped;
	bool stale;
	struct dma_fence *last;
	struct list_head node;
	struct work_struct unmap_work;
};

static inline struct p2pbuf_drm *to_p2pbuf_drm(struct drm_device *drm)
{
	return container_of(drm, struct p2pbuf_drm, drm);
}

static inline struct p2pbuf_drm_object *to_p2pbuf_drm_object(struct drm_gem_object *gem)
{
	return container_of(gem, struct p2pbuf_drm_object, base);
}

/* object.c */
struct drm_gem_object *p2pbuf_drm_prime_import(struct drm_device *drm,
					       struct dma_buf *dmabuf);
int p2pbuf_drm_object_lock_mapped(struct p2pbuf_drm_object *obj);
void p2pbuf_drm_object_flush(struct p2pbuf_drm_object *obj);
void p2pbuf_drm_objects_unmap(struct p2pbuf_drm *pdrm);

/* copy.c */
int p2pbuf_drm_copy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* _P2PBUF_DRM_DRV_H */
