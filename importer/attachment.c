// SPDX-License-Identifier: GPL-2.0-only
/*
 * An imported DMABUF: attach, map, unmap, and answering invalidate_mappings.
 *
 * The exporter calls invalidate_mappings under the reservation lock and then waits for
 * the unmap. The callback must not wait for DMA under way nor take a lock that is
 * held while the reservation lock is taken; so it marks the mapping stale, which
 * stops the copy at its next chunk, and leaves the unmap to a work item.
 *
 * Every unmap waits for the transfers that use the mapping, under the attachment's lock
 * so that none is added, without the reservation lock.
 */
#include <linux/cleanup.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "importer.h"

static void attachment_free(struct kref *kref)
{
	struct p2pbuf_attachment *att =
		container_of(kref, struct p2pbuf_attachment, kref);

	p2pbuf_importer_put(att->importer);
	mutex_destroy(&att->lock);
	kfree(att);
}

/**
 * p2pbuf_attachment_put - drop a reference
 * @att: the attachment, shut down before the last reference goes; or NULL
 */
void p2pbuf_attachment_put(struct p2pbuf_attachment *att)
{
	if (att)
		kref_put(&att->kref, attachment_free);
}

/* Detached for good: by a release that overtook the caller, or by unbinding. */
static int check_attached(struct p2pbuf_attachment *att)
{
	lockdep_assert_held(&att->lock);
	if (att->attach)
		return 0;
	return READ_ONCE(att->importer->bound) ? -ENOENT : -ENODEV;
}

static void set_mapped(struct p2pbuf_attachment *att, bool mapped)
{
	lockdep_assert_held(&att->lock);
	dma_resv_assert_held(att->dmabuf->resv);
	att->mapped = mapped;
}

/* What the exporter tells of the ranges; nothing of the mapping depends on it. */
static void note_ranges(struct p2pbuf_attachment *att,
			const struct p2pbuf_ranges *ranges, enum p2pbuf_route route)
{
	att->route = route;
	att->nr_ranges = ranges->nr_exported;
	att->nr_merged = ranges->nr;
}

static void forget_ranges(struct p2pbuf_attachment *att)
{
	att->route = P2PBUF_ROUTE_UNKNOWN;
	att->nr_ranges = 0;
	att->nr_merged = 0;
	att->nr_segments = 0;
}

/* A scatterlist does not say which route it took: ask the exporter, if it is ours. */
static void note_sgt_ranges(struct p2pbuf_attachment *att, enum dma_data_direction dir)
{
	const struct p2pbuf_phys_ops *ops = att->map.ops;
	struct p2pbuf_path path;
	struct p2pbuf_peer *peer;

	if (!ops)
		return;
	peer = ops->map(att->attach, dir);
	if (IS_ERR(peer))
		return;
	if (!p2pbuf_peer_route(peer, &path))
		note_ranges(att, peer->ranges, path.route);
	ops->unmap(att->attach);
}

static void note_mapping(struct p2pbuf_attachment *att, enum dma_data_direction dir)
{
	att->nr_segments = p2pbuf_dmabuf_nr_segments(&att->map);
	if (att->map.interconnect == P2PBUF_INTERCONNECT_PHYS)
		note_ranges(att, att->map.phys.ranges, att->map.phys.route);
	else
		note_sgt_ranges(att, dir);
}

static int map_locked(struct p2pbuf_attachment *att)
{
	enum dma_data_direction dir = p2pbuf_access_dir(att->access);
	int ret;

	down_read(&att->importer->maps);
	ret = p2pbuf_dmabuf_map(&att->map, att->attach, dir,
				att->flags & P2PBUF_IMPORT_ALIGNED ? P2PBUF_MAP_ALIGNED : 0);
	if (!ret)
		note_mapping(att, dir);
	up_read(&att->importer->maps);
	p2pbuf_count(att->importer,
		     ret ? P2PBUF_IMPORTER_FAILED_MAPS : P2PBUF_IMPORTER_MAPS, 1);
	if (ret)
		return ret;
	set_mapped(att, true);
	att->generation++;
	att->stale = false;
	return 0;
}

static void unmap_locked(struct p2pbuf_attachment *att)
{
	down_read(&att->importer->maps);
	p2pbuf_dmabuf_unmap(&att->map, att->attach);
	up_read(&att->importer->maps);
	p2pbuf_count(att->importer, P2PBUF_IMPORTER_UNMAPS, 1);
	forget_ranges(att);
	set_mapped(att, false);
}

/* The reservation lock, for an unmap: no transfer uses the mapping any more. */
static void lock_idle(struct p2pbuf_attachment *att)
{
	lockdep_assert_held(&att->lock);
	wait_var_event(&att->nr_jobs, !atomic_read(&att->nr_jobs));
	dma_resv_lock(att->dmabuf->resv, NULL);
}

/* With the reservation lock held if it succeeds. */
static int map_anew(struct p2pbuf_attachment *att)
{
	int ret;

	lock_idle(att);
	/* Invalidated, and the work item has not run yet. */
	if (att->mapped)
		unmap_locked(att);
	ret = map_locked(att);
	if (ret)
		dma_resv_unlock(att->dmabuf->resv);
	return ret;
}

/* A dynamic importer waits for a move to end before it uses the new place. */
static int wait_for_move(struct p2pbuf_attachment *att)
{
	long ret;

	ret = dma_resv_wait_timeout(att->dmabuf->resv, DMA_RESV_USAGE_KERNEL, true,
				    MAX_SCHEDULE_TIMEOUT);
	return ret < 0 ? -EINTR : 0;
}

/**
 * p2pbuf_attachment_is_mapped - may DMA use the mapping?
 * @att: the attachment
 *
 * Context: @att->lock and the reservation lock are held.
 * Return: mapped, and not stale.
 */
bool p2pbuf_attachment_is_mapped(const struct p2pbuf_attachment *att)
{
	dma_resv_assert_held(att->dmabuf->resv);
	return att->mapped && !att->stale;
}

/* For the time being: it may be invalidated at once. */
static bool look_mapped(struct p2pbuf_attachment *att)
{
	bool mapped;

	dma_resv_lock(att->dmabuf->resv, NULL);
	mapped = p2pbuf_attachment_is_mapped(att);
	dma_resv_unlock(att->dmabuf->resv);
	return mapped;
}

/**
 * p2pbuf_attachment_map - map the whole buffer
 * @att: the attachment
 *
 * Context: may sleep, for transfers of a stale mapping too.
 * Return: 0, -EALREADY (mapped), -ENOENT (released), -ENODEV (unbound), -EINTR, or an
 * error of the exporter's map.
 */
int p2pbuf_attachment_map(struct p2pbuf_attachment *att)
{
	bool stale;
	int ret;

	guard(mutex)(&att->lock);
	ret = check_attached(att);
	if (ret)
		return ret;

	if (look_mapped(att))
		return -EALREADY;
	stale = READ_ONCE(att->stale);
	ret = map_anew(att);
	if (ret)
		return ret;
	ret = wait_for_move(att);
	if (ret) {
		unmap_locked(att);
		att->stale = stale;
	}
	dma_resv_unlock(att->dmabuf->resv);
	return ret;
}

/**
 * p2pbuf_attachment_unmap - undo p2pbuf_attachment_map()
 * @att: the attachment
 *
 * Context: may sleep, for a chunk and for transfers under way too.
 * Return: 0, -ENXIO (neither mapped nor stale), -ENOENT (released), -ENODEV (unbound).
 */
int p2pbuf_attachment_unmap(struct p2pbuf_attachment *att)
{
	int ret;

	guard(mutex)(&att->lock);
	ret = check_attached(att);
	if (ret)
		return ret;

	lock_idle(att);
	if (att->mapped)
		unmap_locked(att);
	else if (!att->stale)
		ret = -ENXIO;
	att->stale = false;
	dma_resv_unlock(att->dmabuf->resv);
	return ret;
}

static void unmap_stale(struct work_struct *work)
{
	struct p2pbuf_attachment *att =
		container_of(work, struct p2pbuf_attachment, unmap_work);

	mutex_lock(&att->lock);
	if (att->attach) {
		lock_idle(att);
		if (att->mapped && att->stale)
			unmap_locked(att);
		dma_resv_unlock(att->dmabuf->resv);
	}
	mutex_unlock(&att->lock);
	p2pbuf_attachment_put(att);
}

static void invalidate_mappings(struct dma_buf_attachment *attach)
{
	struct p2pbuf_attachment *att = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	atomic_inc(&att->nr_events);
	p2pbuf_count(att->importer, P2PBUF_IMPORTER_INVALIDATIONS, 1);
	wake_up_all(&att->importer->events);
	if (!att->mapped)
		return;
	WRITE_ONCE(att->stale, true);
	kref_get(&att->kref);
	if (!queue_work(p2pbuf_unmap_wq, &att->unmap_work))
		p2pbuf_attachment_put(att);
}

/* By whether the exporter may invalidate, and whether it may place the buffer in a BAR. */
static const struct dma_buf_attach_ops attach_ops[2][2] = {
	[0][1] = { .allow_peer2peer = true },
	[1][0] = { .invalidate_mappings = invalidate_mappings },
	[1][1] = { .allow_peer2peer = true, .invalidate_mappings = invalidate_mappings },
};

static bool is_pinned(const struct p2pbuf_attachment *att)
{
	return att->flow == P2PBUF_FLOW_PINNED ||
	       att->flow == P2PBUF_FLOW_PINNED_REVOCABLE;
}

static struct dma_buf_attachment *attach_by_flow(struct p2pbuf_attachment *att)
{
	bool peer2peer = !(att->flags & P2PBUF_IMPORT_NO_PEER2PEER);
	bool revocable = att->flow != P2PBUF_FLOW_PINNED;
	struct device *dev = &att->importer->edu.pdev->dev;

	if (att->flow == P2PBUF_FLOW_STATIC)
		return dma_buf_attach(att->dmabuf, dev);
	return dma_buf_dynamic_attach(att->dmabuf, dev, &attach_ops[revocable][peer2peer],
				      att);
}

static int pin(struct dma_buf_attachment *attach)
{
	int ret;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	ret = dma_buf_pin(attach);
	dma_resv_unlock(attach->dmabuf->resv);
	return ret;
}

/* Under @importer->lock, so that the function stays bound until it is in the list. */
static int attach_locked(struct p2pbuf_attachment *att)
{
	struct p2pbuf_importer *importer = att->importer;
	struct dma_buf_attachment *attach;
	int ret;

	guard(mutex)(&importer->lock);
	if (!importer->bound)
		return -ENODEV;

	attach = attach_by_flow(att);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	ret = is_pinned(att) ? pin(attach) : 0;
	if (ret) {
		dma_buf_detach(att->dmabuf, attach);
		return ret;
	}
	att->attach = attach;
	list_add_tail(&att->node, &importer->imports);
	return 0;
}

/**
 * p2pbuf_attachment_create - attach to a DMABUF
 * @importer: for whose function
 * @args: what is to be zero checked
 *
 * Context: may sleep.
 * Return: the attachment, or ERR_PTR: -EBADF, -EINVAL, -EOPNOTSUPP, -ENODEV, -ENOMEM,
 * or an error of the exporter's attach or pin.
 */
struct p2pbuf_attachment *
p2pbuf_attachment_create(struct p2pbuf_importer *importer,
			 const struct p2pbuf_import *args)
{
	struct p2pbuf_attachment *att;
	int ret;

	if (!args->access ||
	    (args->access & ~(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)))
		return ERR_PTR(-EINVAL);
	if ((args->flags & ~(P2PBUF_IMPORT_NO_PEER2PEER | P2PBUF_IMPORT_ALIGNED)) ||
	    args->flow > P2PBUF_FLOW_STATIC)
		return ERR_PTR(-EINVAL);

	att = kzalloc_obj(*att, GFP_KERNEL_ACCOUNT);
	if (!att)
		return ERR_PTR(-ENOMEM);

	kref_init(&att->kref);
	kref_get(&importer->kref);
	att->importer = importer;
	INIT_LIST_HEAD(&att->node);
	mutex_init(&att->lock);
	INIT_WORK(&att->unmap_work, unmap_stale);
	att->access = args->access;
	att->flow = args->flow;
	att->flags = args->flags;

	att->dmabuf = dma_buf_get(args->fd);
	if (IS_ERR(att->dmabuf)) {
		ret = PTR_ERR(att->dmabuf);
		goto err_put;
	}
	att->size = att->dmabuf->size;
	att->ino = file_inode(att->dmabuf->file)->i_ino;
	ret = p2pbuf_dmabuf_choose(&att->map, att->dmabuf, args->interconnect);
	if (ret)
		goto err_put_dmabuf;
	ret = attach_locked(att);
	p2pbuf_count(importer, ret ? P2PBUF_IMPORTER_FAILED_IMPORTS :
				     P2PBUF_IMPORTER_IMPORTS, 1);
	if (ret)
		goto err_put_dmabuf;
	return att;

err_put_dmabuf:
	dma_buf_put(att->dmabuf);
err_put:
	p2pbuf_attachment_put(att);
	return ERR_PTR(ret);
}

static void detach(struct p2pbuf_attachment *att)
{
	guard(mutex)(&att->lock);
	if (!att->attach)
		return;

	lock_idle(att);
	if (att->mapped)
		unmap_locked(att);
	if (is_pinned(att))
		dma_buf_unpin(att->attach);
	dma_resv_unlock(att->dmabuf->resv);

	dma_buf_detach(att->dmabuf, att->attach);
	att->attach = NULL;
	dma_buf_put(att->dmabuf);
}

/**
 * p2pbuf_attachment_shutdown - unmap and detach, for good
 * @att: the attachment; the caller holds a reference
 *
 * May be called more than once and from several sides: handle released, file closed,
 * driver unbound.
 *
 * Context: may sleep, for a chunk and for transfers under way too.
 */
void p2pbuf_attachment_shutdown(struct p2pbuf_attachment *att)
{
	detach(att);

	guard(mutex)(&att->importer->lock);
	list_del_init(&att->node);
}

/**
 * p2pbuf_attachments_shutdown - shut down all attachments of an importer
 * @importer: not bound any more, so that no attachment is added
 *
 * Context: may sleep.
 */
void p2pbuf_attachments_shutdown(struct p2pbuf_importer *importer)
{
	struct p2pbuf_attachment *att;

	mutex_lock(&importer->lock);
	while ((att = list_first_entry_or_null(&importer->imports,
					       struct p2pbuf_attachment, node))) {
		kref_get(&att->kref);
		mutex_unlock(&importer->lock);

		p2pbuf_attachment_shutdown(att);
		p2pbuf_attachment_put(att);

		mutex_lock(&importer->lock);
	}
	mutex_unlock(&importer->lock);
}

/**
 * p2pbuf_attachment_check_range - check that a piece lies in a buffer
 * @att: the attachment
 * @offset: of the piece in bytes
 * @length: of the piece
 *
 * Return: 0, -ENODATA (empty), -EOVERFLOW, -ERANGE (beyond the DMABUF's size).
 */
int p2pbuf_attachment_check_range(const struct p2pbuf_attachment *att, u64 offset,
				  u64 length)
{
	u64 end;

	if (!length)
		return -ENODATA;
	if (check_add_overflow(offset, length, &end))
		return -EOVERFLOW;
	return end > att->size ? -ERANGE : 0;
}

/**
 * p2pbuf_attachment_make_mapped - check that a buffer is mapped, or map it anew
 * @att: the attachment
 *
 * What P2PBUF_FLOW_MOVABLE had mapped and the exporter invalidated is mapped anew. The
 * exporter's move is not waited for: DMA waits for the fences anyway.
 *
 * Context: may sleep; @att->lock is held.
 * Return: 0, but the exporter may invalidate it at once; -ENOENT (released), -ENODEV
 * (unbound), -ESTALE (invalidated), -ENXIO (not mapped), or of P2PBUF_FLOW_MOVABLE an
 * error of the exporter's map.
 */
int p2pbuf_attachment_make_mapped(struct p2pbuf_attachment *att)
{
	int ret;

	ret = check_attached(att);
	if (ret)
		return ret;
	if (look_mapped(att))
		return 0;
	if (!READ_ONCE(att->stale))
		return -ENXIO;
	if (att->flow != P2PBUF_FLOW_MOVABLE)
		return -ESTALE;
	ret = map_anew(att);
	if (!ret)
		dma_resv_unlock(att->dmabuf->resv);
	return ret;
}

/**
 * p2pbuf_attachment_lock_mapped - take the reservation lock of a mapped buffer
 * @att: the attachment
 *
 * Context: may sleep; @att->lock is held, and while it is, the mapping stays.
 * Return: 0 with the reservation lock held; without it, an error of
 * p2pbuf_attachment_make_mapped().
 */
int p2pbuf_attachment_lock_mapped(struct p2pbuf_attachment *att)
{
	int ret;

	for (;;) {
		ret = p2pbuf_attachment_make_mapped(att);
		if (ret)
			return ret;
		dma_resv_lock(att->dmabuf->resv, NULL);
		if (p2pbuf_attachment_is_mapped(att))
			return 0;
		/* Invalidated in between. */
		dma_resv_unlock(att->dmabuf->resv);
	}
}

/**
 * p2pbuf_attachment_find - DMA address of a place in a mapped buffer
 * @att: the attachment, mapped
 * @offset: of the place in bytes, below the DMABUF's size
 * @run: where to put the number of bytes contiguous for the device from there on; 0
 *	if the exporter's scatterlist is shorter than its DMABUF
 *
 * Context: @att->lock is held, or the caller's transfer is counted in @att->nr_jobs.
 * Return: the address.
 */
dma_addr_t p2pbuf_attachment_find(struct p2pbuf_attachment *att, u64 offset, u64 *run)
{
	lockdep_assert(lockdep_is_held(&att->lock) || atomic_read(&att->nr_jobs));
	return p2pbuf_dmabuf_find(&att->map, offset, run);
}

/**
 * p2pbuf_attachment_query - describe an attachment
 * @att: the attachment
 * @query: first_segment and capacity are in, all else but handle and segments is out
 * @segs: room for @query->capacity elements
 *
 * Context: may sleep.
 * Return: 0, -ENOENT (released), -ENODEV (unbound).
 */
int p2pbuf_attachment_query(struct p2pbuf_attachment *att, struct p2pbuf_query *query,
			    struct p2pbuf_segment *segs)
{
	u32 filled = 0;
	int ret;

	guard(mutex)(&att->lock);
	ret = check_attached(att);
	if (ret)
		return ret;

	dma_resv_lock(att->dmabuf->resv, NULL);
	query->state = (att->mapped && !att->stale ? P2PBUF_STATE_MAPPED : 0) |
		       (att->stale ? P2PBUF_STATE_STALE : 0);
	query->nr_events = atomic_read(&att->nr_events);
	dma_resv_unlock(att->dmabuf->resv);

	if (query->state & P2PBUF_STATE_MAPPED)
		filled = p2pbuf_dmabuf_segments(&att->map, query->first_segment,
						query->capacity, segs);

	query->interconnect = att->map.interconnect;
	query->access = att->access;
	query->route = att->route;
	query->nr_ranges = att->nr_ranges;
	query->nr_merged = att->nr_merged;
	query->nr_segments = att->nr_segments;
	query->size = att->size;
	query->capacity = filled;
	return 0;
}

/**
 * p2pbuf_attachment_told - the user knows of events
 * @att: the attachment
 * @nr_events: how many, as of p2pbuf_attachment_query()
 *
 * Context: may sleep.
 */
void p2pbuf_attachment_told(struct p2pbuf_attachment *att, u32 nr_events)
{
	guard(mutex)(&att->lock);
	/* A query that began later may have ended earlier. */
	if ((s32)(nr_events - atomic_read(&att->nr_seen)) > 0)
		atomic_set(&att->nr_seen, nr_events);
}
