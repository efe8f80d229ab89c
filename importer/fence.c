// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA takes its place among the fences in the buffer's reservation object: it starts when
 * those that it must obey have signalled, and is a fence itself until the engine is idle.
 * An exporter that invalidates the mapping and waits for the fences knows then that this
 * importer writes no more, whether it waits for the unmap or not.
 */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include "importer.h"

static const char *fence_name(struct dma_fence *fence)
{
	return P2PBUF_IMPORTER_NAME;
}

/*
 * Neither release nor wait: a signalled fence does not need this module any more
 * (drivers/dma-buf/dma-fence.c, dma_fence_signal_timestamp_locked()). Who still reads
 * the names does so under RCU, which unloading waits for.
 */
static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

/**
 * p2pbuf_fence_create - a fence that is not published yet
 *
 * It has a context of its own: the fences of one attachment's transfers may signal in
 * any order, as each waits for another buffer too.
 *
 * Context: may sleep.
 * Return: the fence, or NULL.
 */
struct dma_fence *p2pbuf_fence_create(void)
{
	struct dma_fence *fence = kzalloc_obj(*fence, GFP_KERNEL_ACCOUNT);

	if (fence)
		dma_fence_init(fence, &fence_ops, NULL, dma_fence_context_alloc(1), 1);
	return fence;
}

/*
 * Publish the fence, or return with a reference to the DMABUF in @busy if there are
 * fences to be waited for first.
 */
static int publish(struct p2pbuf_attachment *att, bool write, struct dma_fence *fence,
		   struct dma_buf **busy)
{
	struct dma_resv *resv;
	int ret;

	ret = p2pbuf_attachment_lock_mapped(att);
	if (ret)
		return ret;

	resv = att->dmabuf->resv;
	if (!dma_resv_test_signaled(resv, dma_resv_usage_rw(write))) {
		get_dma_buf(att->dmabuf);
		*busy = att->dmabuf;
		goto out;
	}
	ret = dma_resv_reserve_fences(resv, 1);
	if (!ret)
		dma_resv_add_fence(resv, fence, write ? DMA_RESV_USAGE_WRITE :
							DMA_RESV_USAGE_READ);
out:
	dma_resv_unlock(resv);
	return ret;
}

/* Without any lock: nothing that concerns the attachment has to wait too. */
static int wait_for_fences(struct dma_buf *dmabuf, bool write)
{
	long ret;

	ret = dma_resv_wait_timeout(dmabuf->resv, dma_resv_usage_rw(write), true,
				    MAX_SCHEDULE_TIMEOUT);
	dma_buf_put(dmabuf);
	return ret < 0 ? -EINTR : 0;
}

/**
 * p2pbuf_dma_begin - wait until DMA may be started, and say that it is
 * @att: the attachment
 * @write: the function writes the buffer, or else only reads it
 * @dma: filled in, for p2pbuf_dma_end()
 *
 * From here to p2pbuf_dma_end() nothing may be done that waits for a fence or for
 * memory: lockdep is told so.
 *
 * Context: may sleep; no lock is held. On success @att->lock is held until
 * p2pbuf_dma_end().
 * Return: 0, -ENOMEM, -EINTR, or as of p2pbuf_attachment_lock_mapped().
 */
int p2pbuf_dma_begin(struct p2pbuf_attachment *att, bool write, struct p2pbuf_dma *dma)
{
	struct dma_buf *busy;
	int ret;

	dma->att = att;
	dma->fence = p2pbuf_fence_create();
	if (!dma->fence)
		return -ENOMEM;

	do {
		busy = NULL;
		mutex_lock(&att->lock);
		ret = publish(att, write, dma->fence, &busy);
		if (!ret && !busy) {
			dma->cookie = dma_fence_begin_signalling();
			return 0;
		}
		mutex_unlock(&att->lock);
		if (busy)
			ret = wait_for_fences(busy, write);
	} while (!ret);

	dma_fence_put(dma->fence);
	return ret;
}

/**
 * p2pbuf_dma_end - the engine is idle again
 * @dma: from p2pbuf_dma_begin()
 * @error: 0 or -errno of the transfer
 *
 * Context: any.
 */
void p2pbuf_dma_end(struct p2pbuf_dma *dma, int error)
{
	if (error)
		dma_fence_set_error(dma->fence, error);
	dma_fence_signal(dma->fence);
	dma_fence_end_signalling(dma->cookie);
	dma_fence_put(dma->fence);
	mutex_unlock(&dma->att->lock);
}
