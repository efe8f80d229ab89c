// SPDX-License-Identifier: GPL-2.0-only
/* Every page's translation. */
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/mm.h>

#include "kmod.h"

static u64 count_wrong(const struct p2pbuf_mapping *map)
{
	u64 offset, run, wrong = 0;

	for (offset = 0; offset < map->ranges->size; offset += PAGE_SIZE)
		if (translate(map->dev, map->iova.addr + offset) !=
		    p2pbuf_ranges_find(map->ranges, offset, &run))
			wrong++;
	return wrong;
}

static void walk(struct dma_buf_attachment *attach, struct p2pbuf_test_walk *args)
{
	const struct p2pbuf_ranges *ranges;
	struct p2pbuf_mapping map;
	dma_addr_t first = 0;

	args->result = p2pbuf_map_attachment(&map, attach, DMA_BIDIRECTIONAL);
	if (args->result)
		return;
	args->route = map.route;
	ranges = map.ranges;
	if (map.route == P2PBUF_ROUTE_IOVA) {
		first = map.iova.addr;
		args->pages = ranges->size / PAGE_SIZE;
		args->wrong = count_wrong(&map);
	}
	p2pbuf_unmap_attachment(&map, attach);
	if (args->route == P2PBUF_ROUTE_IOVA)
		args->left = count_translated(attach->dev, ranges, first);
}

int test_walk(struct p2pbuf_test_walk *args)
{
	struct dma_buf_attachment *attach;

	CLASS(target, target)(args->fd, args->client);

	if (!target.client)
		return -ENOENT;

	attach = dma_buf_dynamic_attach(target.dmabuf, &target.client->dev, &full_ops,
					NULL);
	args->result = PTR_ERR_OR_ZERO(attach);
	if (args->result)
		return 0;
	dma_resv_lock(target.dmabuf->resv, NULL);
	walk(attach, args);
	dma_resv_unlock(target.dmabuf->resv);
	dma_buf_detach(target.dmabuf, attach);
	return 0;
}

int test_translated(struct p2pbuf_test_translated *args)
{
	struct pci_dev *client __free(put_pdev) = find_function(args->client);
	u64 i;

	if (!client)
		return -ENOENT;
	args->translated = 0;
	for (i = 0; i < args->nr_pages; i++)
		if (translate(&client->dev, args->addr + i * PAGE_SIZE))
			args->translated++;
	return 0;
}
