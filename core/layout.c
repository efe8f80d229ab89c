// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where each range goes inside one IOVA allocation.
 *
 * The IOMMU can use a leaf only where IOVA and physical address are congruent modulo its
 * size. With all ranges at one running offset one odd page costs every later range its
 * large leaves. The aligned layout leaves holes instead.
 *
 * Pure arithmetic, but for the list of layouts already made.
 */
#include <linux/align.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include <kunit/visibility.h>

#include "core.h"

/* Alignment costs IOVA space: smaller ranges are not worth it. */
#define ALIGNED_FROM	SZ_2M

/* The largest of @leaves that lies naturally aligned inside @vec. */
static u64 largest_leaf(const struct phys_vec *vec, unsigned long leaves)
{
	u64 last = vec->paddr + vec->len - 1;

	while (leaves) {
		u64 leaf = rounddown_pow_of_two(leaves);
		u64 start = ALIGN(vec->paddr, leaf);

		if (start >= vec->paddr && start <= last && last - start >= leaf - 1)
			return leaf;
		leaves &= ~leaf;
	}
	return 1;
}

/**
 * struct walk - a walk over ranges that gives each its place
 * @end: IOVA offset behind the range before
 * @nr: number of runs so far
 */
struct walk {
	u64 end;
	unsigned int nr;
};

/* The place of @vec, which begins a run if it does not follow the range before. */
static int place(struct walk *walk, const struct phys_vec *vec, unsigned long leaves,
		 u64 *iova)
{
	u64 leaf = vec->len >= ALIGNED_FROM ? largest_leaf(vec, leaves) : 1;
	u64 gap = (vec->paddr - walk->end) & (leaf - 1);

	if (check_add_overflow(walk->end, gap, iova) ||
	    check_add_overflow(*iova, vec->len, &walk->end))
		return -EOVERFLOW;
	if (gap || !walk->nr)
		walk->nr++;
	return 0;
}

/* Fills the runs of @layout, unless it is NULL. */
static int walk_ranges(struct walk *walk, const struct p2pbuf_ranges *ranges,
		       unsigned long leaves, struct p2pbuf_layout *layout)
{
	unsigned int i;
	u64 iova;
	int ret;

	*walk = (struct walk){};
	for (i = 0; i < ranges->nr; i++) {
		unsigned int before = walk->nr;

		ret = place(walk, &ranges->vecs[i], leaves, &iova);
		if (ret)
			return ret;
		if (layout && walk->nr > before) {
			layout->starts[before] = ranges->starts[i];
			layout->iovas[before] = iova;
		}
	}
	return walk->end < P2PBUF_SIZE_LIMIT ? 0 : -EOVERFLOW;
}

/* The aligned layout of @ranges for an IOMMU with @leaves, or ERR_PTR. */
static struct p2pbuf_layout *layout_create(const struct p2pbuf_ranges *ranges,
					   unsigned long leaves)
{
	struct p2pbuf_layout *layout;
	struct walk walk;
	int ret;

	ret = walk_ranges(&walk, ranges, leaves, NULL);
	if (ret)
		return ERR_PTR(ret);
	layout = kvzalloc(struct_size(layout, starts, array_size(2, walk.nr)),
			  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!layout)
		return ERR_PTR(-ENOMEM);
	layout->leaves = leaves;
	layout->size = walk.end;
	layout->nr = walk.nr;
	layout->iovas = layout->starts + walk.nr;
	walk_ranges(&walk, ranges, leaves, layout);
	return layout;
}

/*
 * The aligned layout of @ranges for an IOMMU with @leaves, made when first asked for: one
 * for all mappings of a DMABUF by IOMMUs of a kind.
 */
const struct p2pbuf_layout *p2pbuf_layout_get(const struct p2pbuf_ranges *ranges,
					      unsigned long leaves)
{
	struct p2pbuf_layouts *layouts = ranges->layouts;
	struct p2pbuf_layout *layout;

	guard(mutex)(&layouts->lock);
	list_for_each_entry(layout, &layouts->list, node)
		if (layout->leaves == leaves)
			return layout;

	layout = layout_create(ranges, leaves);
	if (!IS_ERR(layout))
		list_add(&layout->node, &layouts->list);
	return layout;
}
EXPORT_SYMBOL_IF_KUNIT(p2pbuf_layout_get);

/* The empty list of layouts, or NULL. */
struct p2pbuf_layouts *p2pbuf_layouts_create(void)
{
	struct p2pbuf_layouts *layouts = kzalloc_obj(*layouts, GFP_KERNEL_ACCOUNT);

	if (!layouts)
		return NULL;
	mutex_init(&layouts->lock);
	INIT_LIST_HEAD(&layouts->list);
	return layouts;
}

void p2pbuf_layouts_free(struct p2pbuf_layouts *layouts)
{
	struct p2pbuf_layout *layout, *next;

	if (!layouts)
		return;
	list_for_each_entry_safe(layout, next, &layouts->list, node)
		kvfree(layout);
	mutex_destroy(&layouts->lock);
	kfree(layouts);
}
