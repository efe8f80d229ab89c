// SPDX-License-Identifier: GPL-2.0-only
/* Where in the BAR the ranges of a layout lie. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const char * const layouts[] = {
	"contiguous", "holes", "shuffled", "2M", "1G", "odd",
};

static bool is_layout(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		if (!strcmp(name, layouts[i]))
			return true;
	return false;
}

/* LAYOUT:RANGES:BYTES */
bool parse_shape(const char *text, struct shape *shape)
{
	unsigned long long piece;

	if (sscanf(text, "%15[^:]:%u:%lli", shape->layout, &shape->nr,
		   (long long *)&piece) != 3)
		return false;
	shape->piece = piece;
	return is_layout(shape->layout) && shape->nr && piece && !(piece % PAGE);
}

uint64_t shape_size(const struct shape *shape)
{
	return shape->nr * shape->piece;
}

static bool is(const struct shape *shape, const char *layout)
{
	return !strcmp(shape->layout, layout);
}

/* Offset of slot @index; a BAR that is too small is used over and over. */
static uint64_t place(const struct shape *shape, unsigned int index, uint64_t bar_size)
{
	uint64_t stride = shape->piece, first = 0, slots;

	if (is(shape, "holes"))
		stride += PAGE;
	if (is(shape, "odd")) {
		/* The next piece of 2 MiB begins an odd number of pages further on. */
		first = PAGE;
		stride += 2 * PAGE;
	}
	slots = (bar_size - first - shape->piece) / stride + 1;
	return first + index % slots * stride;
}

/**
 * place_ranges - give a shape its ranges
 * @shape: contiguous: each follows the one before. holes: a page lies between. shuffled:
 *	contiguous, but in a random order, always the same; 2M and 1G: likewise, with pieces
 *	of that size. odd: none begins or ends where
 *	a large page could.
 * @bar_size: bytes
 */
void place_ranges(struct shape *shape, uint64_t bar_size)
{
	unsigned int *order = calloc(shape->nr, sizeof(*order));
	unsigned int i;

	shape->ranges = calloc(shape->nr, sizeof(*shape->ranges));
	for (i = 0; i < shape->nr; i++)
		order[i] = i;
	if (is(shape, "shuffled") || is(shape, "2M") || is(shape, "1G"))
		shuffle(order, shape->nr, shape->nr);
	for (i = 0; i < shape->nr; i++)
		shape->ranges[i] = (struct p2pbuf_range){
			place(shape, order[i], bar_size), shape->piece
		};
	free(order);
}
