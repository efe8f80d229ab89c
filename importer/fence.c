// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA under way is a fence in the buffer's reservation object. An exporter that
 * invalidates the mapping and waits for the fences knows then that this importer writes
 * no more, whether it waits for the unmap or not.
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
 * (drivers/dma-buf/dma-fence.c, dma_fence_signal_timestamp_locked()).
 */
static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

static int publish(struct p2pbuf_attachment *att, struct dma_fence *fence,
		   enum dma_resv_usage usage)
{
	struct dma_resv *resv = att->dmabuf->resv;
	int ret;

	ret = dma_resv_reserve_fences(resv, 1);
	if (ret)
		return ret;
	dma_fence_init(fence, &fence_ops, NULL, att->fence_context, ++att->fence_seqno);
	dma_resv_add_fence(resv, fence, usage);
	return 0;
}

/**
 * p2pbuf_dma_begin - check that DMA may be started, and say that it is
 * @att: the attachment
 * @write: the function writes the buffer, or else only reads it
 * @dma: filled in, for p2pbuf_dma_end()
 *
 * From here to p2pbuf_dma_end() nothing may be done that waits for a fence or for
 * memory: lockdep is told so.
 *
 * Context: may sleep; @att->lock is held until p2pbuf_dma_end().
 * Return: 0, -ENOMEM, or as of p2pbuf_attachment_lock_mapped().
 */
int p2pbuf_dma_begin(struct p2pbuf_attachment *att, bool write, struct p2pbuf_dma *dma)
{
	int ret;

	dma->fence = kzalloc_obj(*dma->fence, GFP_KERNEL_ACCOUNT);
	if (!dma->fence)
		return -ENOMEM;

	ret = p2pbuf_attachment_lock_mapped(att);
	if (ret)
		goto err_free;
	ret = publish(att, dma->fence,
		      write ? DMA_RESV_USAGE_WRITE : DMA_RESV_USAGE_READ);
	dma_resv_unlock(att->dmabuf->resv);
	if (ret)
		goto err_free;

	dma->cookie = dma_fence_begin_signalling();
	return 0;

err_free:
	kfree(dma->fence);
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
}
