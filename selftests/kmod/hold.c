// SPDX-License-Identifier: GPL-2.0-only
/* An importer that takes its time. */
#include <linux/err.h>

#include "kmod.h"

static void count_invalidate(struct dma_buf_attachment *attach)
{
	struct holder *holder = attach->importer_priv;

	atomic_inc(&holder->invalidated);
}

static const struct dma_buf_attach_ops holder_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = count_invalidate,
};

int test_drop(struct holder *holder)
{
	if (!holder->attach)
		return -ENOENT;
	dma_buf_unmap_attachment_unlocked(holder->attach, holder->sgt, DMA_BIDIRECTIONAL);
	dma_buf_detach(holder->target.dmabuf, holder->attach);
	holder->attach = NULL;
	put_target(&holder->target);
	return 0;
}

static int hold(struct holder *holder)
{
	struct dma_buf *dmabuf = holder->target.dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;

	attach = dma_buf_dynamic_attach(dmabuf, &holder->target.client->dev, &holder_ops,
					holder);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt)) {
		dma_buf_detach(dmabuf, attach);
		return PTR_ERR(sgt);
	}
	holder->attach = attach;
	holder->sgt = sgt;
	return 0;
}

int test_hold(struct holder *holder, struct p2pbuf_test_hold *args)
{
	if (holder->attach)
		return -EBUSY;
	holder->target = get_target(args->fd, args->client);
	if (!holder->target.client)
		return -ENOENT;

	args->result = hold(holder);
	if (args->result)
		put_target(&holder->target);
	return 0;
}
