// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf itself. */
#include <linux/err.h>

#include "bench.h"

static int phys_map(struct bench *bench)
{
	return p2pbuf_map(&bench->map, &bench->peer, DMA_BIDIRECTIONAL, 0);
}

static int aligned_map(struct bench *bench)
{
	return p2pbuf_map(&bench->map, &bench->peer, DMA_BIDIRECTIONAL, P2PBUF_MAP_ALIGNED);
}

static void phys_unmap(struct bench *bench)
{
	p2pbuf_unmap(&bench->map);
}

static unsigned int phys_nr_segments(const struct bench *bench)
{
	return p2pbuf_nr_segments(&bench->map);
}

static void phys_segment(const struct bench *bench, unsigned int index,
			 struct p2pbuf_segment *seg)
{
	p2pbuf_segment(&bench->map, index, seg);
}

static void phys_describe(const struct bench *bench)
{
	unsigned int i, nr = p2pbuf_nr_segments(&bench->map);
	struct p2pbuf_segment seg;

	for (i = 0; i < nr; i++)
		p2pbuf_segment(&bench->map, i, &seg);
}

static void phys_forget(struct bench *bench)
{
	dma_iova_free(bench->dev, &bench->map.iova);
	memset(&bench->map, 0, sizeof(bench->map));
}

const struct strategy phys_strategy = {
	.map = phys_map,
	.unmap = phys_unmap,
	.describe = phys_describe,
	.nr_segments = phys_nr_segments,
	.segment = phys_segment,
	.forget = phys_forget,
};

const struct strategy aligned_strategy = {
	.map = aligned_map,
	.unmap = phys_unmap,
	.describe = phys_describe,
	.nr_segments = phys_nr_segments,
	.segment = phys_segment,
	.forget = phys_forget,
};

static int sgt_map(struct bench *bench)
{
	bench->sgt = p2pbuf_sgt_map(&bench->peer, DMA_BIDIRECTIONAL);
	return PTR_ERR_OR_ZERO(bench->sgt);
}

static void sgt_unmap(struct bench *bench)
{
	p2pbuf_sgt_unmap(bench->sgt);
}

const struct strategy sgt_strategy = {
	.map = sgt_map,
	.unmap = sgt_unmap,
	.nr_segments = sgt_nr_segments,
	.segment = sgt_segment,
};
