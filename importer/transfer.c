// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives a transfer between two buffers its place among the fences of both.
 *
 * Locks are taken for two of a kind: the attachments' in the order of their addresses,
 * the reservation locks in whatever order ww_mutex decides.
 */
#include <linux/dma-resv.h>
#include <linux/minmax.h>
#include <linux/ww_mutex.h>

#include "importer.h"

static void lock_attachments(struct p2pbuf_attachment *src, struct p2pbuf_attachment *dst)
{
	if (src > dst)
		swap(src, dst);
	mutex_lock(&src->lock);
	if (src != dst)
		mutex_lock_nested(&dst->lock, SINGLE_DEPTH_NESTING);
}

static void unlock_attachments(struct p2pbuf_attachment *src,
			       struct p2pbuf_attachment *dst)
{
	mutex_unlock(&src->lock);
	if (src != dst)
		mutex_unlock(&dst->lock);
}

/* Different DMABUFs may share one reservation object. */
static void lock_resvs(struct dma_resv *first, struct dma_resv *second,
		       struct ww_acquire_ctx *ctx)
{
	ww_acquire_init(ctx, &reservation_ww_class);
	if (dma_resv_lock(first, ctx) == -EDEADLK)
		dma_resv_lock_slow(first, ctx);
	while (first != second && dma_resv_lock(second, ctx) == -EDEADLK) {
		dma_resv_unlock(first);
		dma_resv_lock_slow(second, ctx);
		swap(first, second);
	}
	ww_acquire_done(ctx);
}

static void unlock_resvs(struct dma_resv *first, struct dma_resv *second,
			 struct ww_acquire_ctx *ctx)
{
	dma_resv_unlock(first);
	if (first != second)
		dma_resv_unlock(second);
	ww_acquire_fini(ctx);
}

/* All that can fail is done before the fence is published. */
static int prepare(struct p2pbuf_job *job, struct dma_resv *src, struct dma_resv *dst)
{
	int ret;

	ret = dma_resv_reserve_fences(dst, 1);
	if (ret)
		return ret;
	ret = dma_resv_get_singleton(dst, dma_resv_usage_rw(true), &job->dst_dep);
	if (ret || src == dst)
		return ret;
	ret = dma_resv_reserve_fences(src, 1);
	if (ret)
		return ret;
	return dma_resv_get_singleton(src, dma_resv_usage_rw(false), &job->src_dep);
}

static int start_locked(struct p2pbuf_job *job)
{
	struct p2pbuf_attachment *src = job->src, *dst = job->dst;
	struct ww_acquire_ctx ctx;
	int ret;

	for (;;) {
		ret = p2pbuf_attachment_make_mapped(src);
		if (!ret)
			ret = p2pbuf_attachment_make_mapped(dst);
		if (ret)
			return ret;
		lock_resvs(src->dmabuf->resv, dst->dmabuf->resv, &ctx);
		if (p2pbuf_attachment_is_mapped(src) && p2pbuf_attachment_is_mapped(dst))
			break;
		/* Invalidated in between. */
		unlock_resvs(src->dmabuf->resv, dst->dmabuf->resv, &ctx);
	}

	ret = prepare(job, src->dmabuf->resv, dst->dmabuf->resv);
	if (!ret)
		p2pbuf_job_start(job);
	unlock_resvs(src->dmabuf->resv, dst->dmabuf->resv, &ctx);
	return ret;
}

/**
 * p2pbuf_transfer_check - check the arguments of P2PBUF_IOCTL_TRANSFER
 * @src: buffer to be read
 * @dst: buffer to be written
 * @args: the call's arguments, flags checked
 *
 * Return: 0 or an error of the ioctl.
 */
int p2pbuf_transfer_check(const struct p2pbuf_attachment *src,
			  const struct p2pbuf_attachment *dst,
			  const struct p2pbuf_transfer *args)
{
	int ret;

	if (!(src->access & P2PBUF_ACCESS_READ) || !(dst->access & P2PBUF_ACCESS_WRITE))
		return -EACCES;
	if (args->length > P2PBUF_TRANSFER_MAX)
		return -EMSGSIZE;
	ret = p2pbuf_attachment_check_range(src, args->src_offset, args->length);
	if (ret)
		return ret;
	return p2pbuf_attachment_check_range(dst, args->dst_offset, args->length);
}

/**
 * p2pbuf_transfer_start - start a transfer
 * @job: belongs to its work item if the call succeeds; the caller holds references to
 *	its attachments
 *
 * Context: may sleep.
 * Return: 0, or an error of the ioctl and nothing has happened.
 */
int p2pbuf_transfer_start(struct p2pbuf_job *job)
{
	struct p2pbuf_attachment *src = job->src, *dst = job->dst;
	int ret;

	lock_attachments(src, dst);
	ret = start_locked(job);
	unlock_attachments(src, dst);
	return ret;
}
