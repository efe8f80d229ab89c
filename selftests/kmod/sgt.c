// SPDX-License-Identifier: GPL-2.0-only
/* The scatterlist of an exporter. */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

#include "kmod.h"

static void inspect(const struct sg_table *sgt, struct p2pbuf_test_sgt *args)
{
	struct scatterlist *sg;
	dma_addr_t end = 0;
	int i;

	args->nents = sgt->nents;
	args->orig_nents = sgt->orig_nents;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 len = sg_dma_len(sg);

		if (sg_page(sg) || !len || !PAGE_ALIGNED(len | sg_dma_address(sg)))
			args->bad_entries++;
		if (sg_dma_is_bus_address(sg))
			args->bus_entries++;
		if (i && sg_dma_address(sg) != end)
			args->broken++;
		args->total += len;
		args->longest = max(args->longest, len);
		end = sg_dma_address(sg) + len;
	}
}

static int map_and_inspect(struct dma_buf_attachment *attach,
			   struct p2pbuf_test_sgt *args)
{
	struct sg_table *sgt;

	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	args->bad_entries = 0;
	args->bus_entries = 0;
	args->broken = 0;
	args->total = 0;
	args->longest = 0;
	inspect(sgt, args);
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	return 0;
}

int test_sgt(struct p2pbuf_test_sgt *args)
{
	struct dma_buf_attachment *attach;
	u32 i;

	CLASS(target, target)(args->fd, args->client);

	if (!target.client)
		return -ENOENT;

	attach = dma_buf_dynamic_attach(target.dmabuf, &target.client->dev, &full_ops,
					NULL);
	args->result = PTR_ERR_OR_ZERO(attach);
	if (args->result)
		return 0;
	args->wrapped = IS_ENABLED(CONFIG_DMABUF_DEBUG);
	args->quarantine = IS_ENABLED(CONFIG_KASAN);
	for (i = 0; i < args->repeat && !args->result; i++)
		args->result = map_and_inspect(attach, args);
	dma_buf_detach(target.dmabuf, attach);
	return 0;
}
