// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ranges of a BAR, as the user gives them, become a phys_vec array.
 *
 * Pure arithmetic: no device is touched, so the caller needs no lock.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "core.h"

static int range_to_phys(phys_addr_t bar_start, u64 bar_size,
			 const struct p2pbuf_range *range, struct phys_vec *vec)
{
	u64 end, last;

	if (!range->length)
		return -ENODATA;
	if (!PAGE_ALIGNED(range->offset) || !PAGE_ALIGNED(range->length))
		return -EDOM;
	if (check_add_overflow(range->offset, range->length, &end))
		return -EOVERFLOW;
	if (check_add_overflow(bar_start, end - 1, &last))
		return -EOVERFLOW;
	if (end > bar_size)
		return -ERANGE;

	vec->paddr = bar_start + range->offset;
	vec->len = range->length;
	return 0;
}

/* @vec starts at buffer offset @ranges->size. */
static void ranges_append(struct p2pbuf_ranges *ranges, const struct phys_vec *vec)
{
	struct phys_vec *to = ranges->nr ? &ranges->vecs[ranges->nr - 1] : NULL;

	if (to && to->paddr + to->len == vec->paddr) {
		to->len += vec->len;
	} else {
		ranges->starts[ranges->nr] = ranges->size;
		ranges->nr++;
		to = &ranges->vecs[ranges->nr - 1];
		*to = *vec;
	}
	ranges->last = max(ranges->last, vec->paddr + vec->len - 1);
}

/**
 * p2pbuf_ranges_create - check ranges of a BAR and merge physical neighbours
 * @provider: the BAR's provider
 * @bar_start: physical address of the BAR, a multiple of PAGE_SIZE
 * @bar_size: size of the BAR in bytes
 * @user: the ranges, in the buffer's order
 * @nr: number of elements in @user
 *
 * Context: may sleep. The memory is charged to the caller's cgroup.
 * Return: the ranges, or ERR_PTR: -ENODATA (@nr or a length is zero), -EDOM (an
 * offset or length is not a multiple of PAGE_SIZE), -EOVERFLOW (offset + length or
 * the physical address overflow), -ERANGE (past the BAR's end), -EFBIG (together the
 * ranges are longer than the BAR), -ENOMEM.
 */
struct p2pbuf_ranges *
p2pbuf_ranges_create(struct p2pdma_provider *provider, phys_addr_t bar_start,
		     u64 bar_size, const struct p2pbuf_range *user,
		     unsigned int nr)
{
	struct p2pbuf_ranges *ranges __free(p2pbuf_ranges) = NULL;
	unsigned int i;

	if (!nr)
		return ERR_PTR(-ENODATA);

	/* @nr is the user's choice: too much is an error, not worth a warning. */
	ranges = kvzalloc(struct_size(ranges, vecs, nr),
			  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!ranges)
		return ERR_PTR(-ENOMEM);
	ranges->starts = kvmalloc_array(nr, sizeof(*ranges->starts),
					GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!ranges->starts)
		return ERR_PTR(-ENOMEM);

	ranges->provider = provider;
	ranges->nr_exported = nr;

	for (i = 0; i < nr; i++) {
		struct phys_vec vec;
		int ret;

		ret = range_to_phys(bar_start, bar_size, &user[i], &vec);
		if (ret)
			return ERR_PTR(ret);
		if (vec.len > bar_size - ranges->size)
			return ERR_PTR(-EFBIG);

		ranges_append(ranges, &vec);
		ranges->size += vec.len;
	}

	return no_free_ptr(ranges);
}
EXPORT_SYMBOL_GPL(p2pbuf_ranges_create);

/**
 * p2pbuf_ranges_free - free ranges that are mapped nowhere
 * @ranges: from p2pbuf_ranges_create(), or NULL or an error of it
 *
 * Context: may sleep.
 */
void p2pbuf_ranges_free(struct p2pbuf_ranges *ranges)
{
	if (IS_ERR_OR_NULL(ranges))
		return;
	kvfree(ranges->starts);
	kvfree(ranges);
}
EXPORT_SYMBOL_GPL(p2pbuf_ranges_free);

/* The last of @nr ascending @starts, the first of which is 0, that is not above @offset. */
unsigned int p2pbuf_last_start(const u64 *starts, unsigned int nr, u64 offset)
{
	unsigned int low = 0, high = nr;

	/* starts[low] <= offset < starts[high], with no end to starts[nr] */
	while (high - low > 1) {
		unsigned int mid = low + (high - low) / 2;

		if (starts[mid] <= offset)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/**
 * p2pbuf_ranges_find - physical address of a place in the buffer
 * @ranges: the ranges
 * @offset: of the place in bytes, below @ranges->size
 * @run: where to put the number of physically contiguous bytes from there on
 *
 * Context: any.
 * Return: the physical address.
 */
phys_addr_t p2pbuf_ranges_find(const struct p2pbuf_ranges *ranges, u64 offset,
			       u64 *run)
{
	unsigned int i = p2pbuf_last_start(ranges->starts, ranges->nr, offset);
	u64 within = offset - ranges->starts[i];

	*run = ranges->vecs[i].len - within;
	return ranges->vecs[i].paddr + within;
}
EXPORT_SYMBOL_GPL(p2pbuf_ranges_find);
