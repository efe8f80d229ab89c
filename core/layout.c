// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where each range goes inside one IOVA allocation.
 *
 * The IOMMU can use a leaf only where IOVA and physical address are congruent modulo its
 * size. With all ranges at one running offset one odd page costs every later range its
 * large leaves. The aligned layout leaves holes instead.
 *
 * Pure arithmetic. A hole is shorter than the range behind it, and all ranges together are
 * at most as long as a BAR, so no sum here overflows.
 */
#include <linux/align.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include <kunit/visibility.h>

#include "core.h"

/* The largest of @leaves that lies naturally aligned inside @vec. */
static u64 largest_leaf(const struct phys_vec *vec, unsigned long leaves)
{
	u64 last = vec->paddr + vec->len - 1;

	leaves &= 2 * rounddown_pow_of_two(vec->len) - 1;
	while (leaves) {
		u64 leaf = rounddown_pow_of_two(leaves);
		u64 start = ALIGN(vec->paddr, leaf);

		if (start >= vec->paddr && start <= last && last - start >= leaf - 1)
			return leaf;
		leaves &= ~leaf;
	}
	return 1;
}

/*
 * The aligned layout of @ranges for an IOMMU with @leaves, for kvfree(); or NULL without
 * memory for it.
 */
struct p2pbuf_layout *p2pbuf_layout_create(const struct p2pbuf_ranges *ranges,
					   unsigned long leaves)
{
	/* Only the first run may begin with a range that is not worth a hole. */
	u64 capacity = min_t(u64, ranges->nr, ranges->size / P2PBUF_ALIGNED_FROM + 1);
	struct p2pbuf_layout *layout;
	unsigned int i;

	layout = kvmalloc(struct_size(layout, starts, 2 * capacity),
			  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!layout)
		return NULL;
	layout->iovas = layout->starts + capacity;
	layout->size = 0;
	layout->nr = 0;
	for (i = 0; i < ranges->nr; i++) {
		const struct phys_vec *vec = &ranges->vecs[i];
		u64 leaf = vec->len >= P2PBUF_ALIGNED_FROM ? largest_leaf(vec, leaves) : 1;
		u64 gap = (vec->paddr - layout->size) & (leaf - 1);

		layout->size += gap;
		if (gap || !i) {
			layout->starts[layout->nr] = ranges->starts[i];
			layout->iovas[layout->nr++] = layout->size;
		}
		layout->size += vec->len;
	}
	return layout;
}
EXPORT_SYMBOL_IF_KUNIT(p2pbuf_layout_create);
