// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffer objects: imported DMABUFs, mapped at the first use, and again after the exporter
 * has invalidated the mapping.
 *
 * Everything is under the reservation lock of the DMABUF, which an imported object shares:
 * map, unmap, the place of a job among the fences, and the exporter's call of
 * invalidate_mappings.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_prime.h>

#include "drv.h"

/*
 * Jobs are waited for without the reservation lock, which an exporter that waits for us
 * may want. The caller sees to it that no job starts: the object is stale, has lost its
 * last user, or the device is unplugged.
 */
static void unmap_idle(struct p2pbuf_drm_object *obj)
{
	struct dma_resv *resv = obj->base.resv;
	struct dma_fence *last;

	dma_resv_lock(resv, NULL);
	last = dma_fence_get(obj->last);
	dma_resv_unlock(resv);
	dma_fence_wait(last, false);
	dma_fence_put(last);

	dma_resv_lock(resv, NULL);
	if (obj->mapped)
		p2pbuf_dmabuf_unmap(&obj->map, obj->base.import_attach);
	obj->mapped = false;
	obj->stale = false;
	dma_resv_unlock(resv);
}

static void unmap_stale(struct work_struct *work)
{
	unmap_idle(container_of(work, struct p2pbuf_drm_object, unmap_work));
}

/*
 * The exporter is about to take the memory away, or to move it. Jobs that were accepted
 * may run, since their fences are in the reservation object, where the exporter waits for
 * them; so it is not us who have to wait here, nor could we with the locks that an
 * exporter may hold. No new job may use the mapping.
 *
 * A GPU that faults on its own, or whose user queues have no fences, has to clear its page
 * table entries and to flush its TLB here and now.
 *
 * Also called when access comes back, and before p2pbuf_drm_prime_import() returns.
 */
static void invalidate_mappings(struct dma_buf_attachment *attach)
{
	struct p2pbuf_drm_object *obj = attach->importer_priv;
	struct p2pbuf_drm *pdrm = to_p2pbuf_drm(obj->base.dev);

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!obj->mapped || obj->stale)
		return;
	obj->stale = true;
	queue_work(pdrm->unmaps, &obj->unmap_work);
}

/* Without the callback an exporter of a BAR refuses, without peer-to-peer too. */
static const struct dma_buf_attach_ops attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = invalidate_mappings,
};

static void forget(struct p2pbuf_drm_object *obj)
{
	struct p2pbuf_drm *pdrm = to_p2pbuf_drm(obj->base.dev);

	mutex_lock(&pdrm->lock);
	list_del(&obj->node);
	mutex_unlock(&pdrm->lock);
}

static void drop(struct p2pbuf_drm_object *obj)
{
	dma_fence_put(obj->last);
	drm_gem_object_release(&obj->base);
	kfree(obj);
}

/*
 * The reverse of the import: first the device is idle, then unmap, then detach, then the
 * reference on the DMABUF, whose the reservation object is. It waits for jobs, and these
 * for others' fences; a driver whose users must not have to wait when they close a handle
 * gives this to a work item, as TTM does (ttm_bo_release()).
 */
static void object_free(struct drm_gem_object *gem)
{
	struct p2pbuf_drm_object *obj = to_p2pbuf_drm_object(gem);

	unmap_idle(obj);
	/* What is not mapped is not queued any more. */
	cancel_work_sync(&obj->unmap_work);
	/* Who unbinds meanwhile finds it, or finds it unmapped. */
	forget(obj);
	drm_prime_gem_destroy(gem, NULL);
	drop(obj);
}

/*
 * No pin, get_sg_table, vmap or mmap, nor .export: the core exports an imported object as
 * the very DMABUF that it was imported from. Nobody gets to the memory through us.
 */
static const struct drm_gem_object_funcs object_funcs = {
	.free = object_free,
};

static struct p2pbuf_drm_object *object_create(struct drm_device *drm,
					       struct dma_buf *dmabuf)
{
	struct p2pbuf_drm_object *obj = kzalloc_obj(*obj, GFP_KERNEL_ACCOUNT);

	if (!obj)
		return NULL;
	INIT_WORK(&obj->unmap_work, unmap_stale);
	obj->last = dma_fence_get_stub();
	obj->base.funcs = &object_funcs;
	/* Before the init, which takes the object's own if there is none. */
	obj->base.resv = dmabuf->resv;
	/* Private: no shmem file behind it. */
	drm_gem_private_object_init(drm, &obj->base, dmabuf->size);
	return obj;
}

/* Bound while this runs, and so in the list before the driver is unbound. */
static struct drm_gem_object *import_bound(struct drm_device *drm, struct dma_buf *dmabuf)
{
	struct p2pbuf_drm *pdrm = to_p2pbuf_drm(drm);
	struct dma_buf_attachment *attach;
	struct p2pbuf_drm_object *obj;
	int ret;

	/* Complete before the attach, since from then on it can be called back. */
	obj = object_create(drm, dmabuf);
	if (!obj)
		return ERR_PTR(-ENOMEM);
	/* phys if the exporter offers it; a scatterlist every exporter has. */
	ret = p2pbuf_dmabuf_choose(&obj->map, dmabuf, P2PBUF_INTERCONNECT_AUTO);
	if (ret)
		goto err_drop;

	/* With the function that does the DMA: the route is its own. */
	attach = dma_buf_dynamic_attach(dmabuf, drm->dev, &attach_ops, obj);
	if (IS_ERR(attach)) {
		ret = PTR_ERR(attach);
		goto err_drop;
	}
	get_dma_buf(dmabuf);
	/* Says to the core that it is imported. */
	obj->base.import_attach = attach;
	mutex_lock(&pdrm->lock);
	list_add_tail(&obj->node, &pdrm->objects);
	mutex_unlock(&pdrm->lock);
	return &obj->base;

err_drop:
	drop(obj);
	return ERR_PTR(ret);
}

/**
 * p2pbuf_drm_prime_import - gem_prime_import
 * @drm: the device
 * @dmabuf: of any exporter
 *
 * Nothing is mapped or pinned: the exporter may move the buffer until a job uses it.
 *
 * A driver that exports buffers of its own looks first whether this is one of them, by
 * @dmabuf->ops and the device, and returns that object with a reference
 * (drm_gem_prime_import_dev()). A DMABUF that the same file has imported before does not
 * get here.
 *
 * Context: may sleep; the core's locks of file and object names are held.
 * Return: the object, or ERR_PTR: -EINVAL (the size is not a multiple of the page size),
 * -ENODEV (unbound), -ENOMEM, or an error of the exporter's attach.
 */
struct drm_gem_object *p2pbuf_drm_prime_import(struct drm_device *drm,
					       struct dma_buf *dmabuf)
{
	struct drm_gem_object *gem;
	int idx;

	if (!PAGE_ALIGNED(dmabuf->size))
		return ERR_PTR(-EINVAL);
	if (!drm_dev_enter(drm, &idx))
		return ERR_PTR(-ENODEV);
	gem = import_bound(drm, dmabuf);
	drm_dev_exit(idx);
	return gem;
}

/*
 * For both directions: it is the buffer's mapping, not a job's. The segments are
 * contiguous pieces that a GPU writes into its page tables, with the attributes of memory
 * behind PCI Express; see p2pbuf_dmabuf_segments(). There are no pages to be had, and no
 * CPU mapping.
 */
static int map_locked(struct p2pbuf_drm_object *obj)
{
	int ret;

	if (obj->mapped)
		return 0;
	ret = p2pbuf_dmabuf_map(&obj->map, obj->base.import_attach, DMA_BIDIRECTIONAL,
				P2PBUF_MAP_ALIGNED);
	obj->mapped = !ret;
	return ret;
}

/**
 * p2pbuf_drm_object_lock_mapped - take the reservation lock of an object that is mapped
 * @obj: the object
 *
 * What was invalidated is mapped where it is now. A move under way is not waited for: its
 * fence is one of those that the job waits for.
 *
 * One object needs no more than dma_resv_lock(). A submission of several takes drm_exec,
 * and starts over if one of them was invalidated in between.
 *
 * Context: may sleep; between drm_dev_enter() and drm_dev_exit().
 * Return: 0 with the reservation lock held. Without it 1 (to be unmapped first, see
 * p2pbuf_drm_object_flush()), -EINTR, or an error of the exporter's map.
 */
int p2pbuf_drm_object_lock_mapped(struct p2pbuf_drm_object *obj)
{
	struct dma_resv *resv = obj->base.resv;
	int ret;

	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;
	ret = obj->stale ? 1 : map_locked(obj);
	if (ret)
		dma_resv_unlock(resv);
	return ret;
}

/**
 * p2pbuf_drm_object_flush - wait until what was invalidated is unmapped
 * @obj: the object
 *
 * That is when its jobs are over, and what these wait for. A GPU driver with many users
 * leaves the old mapping to the work item alone, and maps anew at once.
 *
 * Context: may sleep; not between drm_dev_enter() and drm_dev_exit(). Every driver's
 * drm_dev_unplug() waits for who is in there, and may come before that driver's fences
 * signal.
 */
void p2pbuf_drm_object_flush(struct p2pbuf_drm_object *obj)
{
	flush_work(&obj->unmap_work);
}

/**
 * p2pbuf_drm_objects_unmap - unmap all objects of a device
 * @pdrm: unplugged
 *
 * Context: may sleep.
 */
void p2pbuf_drm_objects_unmap(struct p2pbuf_drm *pdrm)
{
	struct p2pbuf_drm_object *obj;

	mutex_lock(&pdrm->lock);
	list_for_each_entry(obj, &pdrm->objects, node)
		unmap_idle(obj);
	mutex_unlock(&pdrm->lock);
}
