// SPDX-License-Identifier: GPL-2.0-only
/* Importers of all kinds. */
#include <linux/err.h>

#include "kmod.h"

static void ignore_invalidate(struct dma_buf_attachment *attach)
{
}

static const struct dma_buf_attach_ops no_peer2peer_ops = {
	.invalidate_mappings = ignore_invalidate,
};

static const struct dma_buf_attach_ops no_invalidate_ops = {
	.allow_peer2peer = true,
};

const struct dma_buf_attach_ops full_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = ignore_invalidate,
};

static const struct dma_buf_attach_ops *const kind_ops[] = {
	[P2PBUF_TEST_STATIC] = NULL,
	[P2PBUF_TEST_NO_PEER2PEER] = &no_peer2peer_ops,
	[P2PBUF_TEST_NO_INVALIDATE] = &no_invalidate_ops,
	[P2PBUF_TEST_FULL] = &full_ops,
};

int test_attach(struct p2pbuf_test_attach *args)
{
	struct dma_buf_attachment *attach;

	CLASS(target, target)(args->fd, args->client);

	if (args->kind >= ARRAY_SIZE(kind_ops))
		return -EINVAL;
	if (!target.client)
		return -ENOENT;

	attach = dma_buf_dynamic_attach(target.dmabuf, &target.client->dev,
					kind_ops[args->kind], NULL);
	args->result = PTR_ERR_OR_ZERO(attach);
	if (!args->result)
		dma_buf_detach(target.dmabuf, attach);
	return 0;
}
