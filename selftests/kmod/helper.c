// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's decision. An attachment that was never attached is enough for it, and
 * needs no route.
 */
#include <linux/dma-buf-mapping.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

#include "kmod.h"

static int ask_helper(struct dma_buf_attachment *attach,
		      const struct p2pbuf_ranges *ranges, void *_args)
{
	struct p2pbuf_test_helper *args = _args;
	struct phys_vec vec = { ranges->vecs[0].paddr, PAGE_SIZE };
	struct p2pbuf_path path;
	struct sg_table *sgt;

	args->phys = vec.paddr;
	args->bus_addr = pci_p2pdma_bus_addr_map(ranges->provider, vec.paddr);
	if (!p2pbuf_route_between(to_pci_dev(ranges->provider->owner), attach->dev, &path))
		args->route = path.route;

	sgt = dma_buf_phys_vec_to_sgt(attach, ranges->provider, &vec, 1, PAGE_SIZE,
				      DMA_BIDIRECTIONAL);
	args->result = PTR_ERR_OR_ZERO(sgt);
	if (args->result)
		return 0;
	args->addr = sg_dma_address(sgt->sgl);
	args->translated = args->addr != args->phys &&
			   translate(attach->dev, args->addr) == args->phys;
	/* The helper forgets to restore it and would leak the scatterlist. */
	sgt->orig_nents = sgt->nents;
	dma_buf_free_sgt(attach, sgt, DMA_BIDIRECTIONAL);
	return 0;
}

int test_helper(struct p2pbuf_test_helper *args)
{
	CLASS(target, target)(args->fd, args->client);
	int ret;

	ret = widen_mask(target.client);
	if (ret)
		return ret;
	return with_ranges(&target, ask_helper, args);
}
