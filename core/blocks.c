// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping in blocks of one size, which is what the page tables of a NIC or a GPU hold.
 */
#include <linux/align.h>
#include <linux/bits.h>
#include <linux/export.h>
#include <linux/log2.h>
#include <linux/math.h>

#include "core.h"

/**
 * p2pbuf_best_page_size - largest page of the device's own that a mapping allows
 * @map: the mapping
 * @sizes: page sizes that the device has, a bitmap
 * @virt: address at which the device presents the buffer to whoever uses it, in bytes; its
 *	offset in a page has to be that of the DMA address
 *
 * A page may be larger than the mapping, and may begin before it and end behind it: the
 * device has to check bounds by itself, as NICs and GPUs do.
 *
 * Context: any.
 * Return: the size in bytes; 0 if all of @sizes are too large.
 */
unsigned long p2pbuf_best_page_size(const struct p2pbuf_mapping *map, unsigned long sizes,
				    u64 virt)
{
	unsigned int i, nr = p2pbuf_nr_segments(map);
	struct p2pbuf_segment seg;
	u64 differ = 0;

	for (i = 0; i < nr; i++) {
		p2pbuf_segment(map, i, &seg);
		/* Only where the buffer begins may a page begin elsewhere. */
		if (i)
			differ |= virt;
		differ |= virt ^ seg.addr;
		virt += seg.length;
	}
	if (differ)
		sizes &= GENMASK_ULL(__ffs64(differ), 0);
	return sizes ? rounddown_pow_of_two(sizes) : 0;
}
EXPORT_SYMBOL_GPL(p2pbuf_best_page_size);

/**
 * p2pbuf_blocks_start - begin a walk over a mapping
 * @blocks: to be filled in
 * @map: the mapping, mapped until the walk is over
 * @size: of a block in bytes: p2pbuf_best_page_size(), or less of the device's sizes; not 0
 *
 * Context: any.
 */
void p2pbuf_blocks_start(struct p2pbuf_blocks *blocks, const struct p2pbuf_mapping *map,
			 unsigned long size)
{
	*blocks = (struct p2pbuf_blocks){ .map = map, .size = size };
}
EXPORT_SYMBOL_GPL(p2pbuf_blocks_start);

/**
 * p2pbuf_blocks_next - go on to the next block
 * @blocks: the walk
 *
 * Context: any.
 * Return: true with the block in @blocks->addr, or false at the end.
 */
bool p2pbuf_blocks_next(struct p2pbuf_blocks *blocks)
{
	struct p2pbuf_segment seg;

	if (blocks->left) {
		blocks->addr += blocks->size;
		blocks->left--;
		return true;
	}
	if (blocks->next == p2pbuf_nr_segments(blocks->map))
		return false;
	p2pbuf_segment(blocks->map, blocks->next++, &seg);
	blocks->addr = ALIGN_DOWN(seg.addr, blocks->size);
	blocks->left = (seg.addr - blocks->addr + seg.length - 1) / blocks->size;
	return true;
}
EXPORT_SYMBOL_GPL(p2pbuf_blocks_next);
