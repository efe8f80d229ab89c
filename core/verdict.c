// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is to be said of a mapping, piece by piece: the worst that was seen stands.
 */
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/sizes.h>

#include "core.h"

static void note(struct p2pbuf_verdict *verdict, enum p2pbuf_verdict_kind kind,
		 u64 offset, const struct p2pbuf_place *place)
{
	if (kind <= verdict->kind)
		return;
	verdict->kind = kind;
	verdict->offset = offset;
	verdict->place = *place;
}

/* Bytes from the start of @place that lie where @ranges say. */
static u64 well_placed(const struct p2pbuf_ranges *ranges, u64 offset,
		       const struct p2pbuf_place *place)
{
	u64 done = 0, run;

	while (done < place->length && offset + done < ranges->size) {
		if (p2pbuf_ranges_find(ranges, offset + done, &run) != place->phys + done)
			return done;
		done += run;
	}
	return min(done, place->length);
}

static bool on_route(const struct p2pbuf_auditor *auditor,
		     const struct p2pbuf_place *place)
{
	if ((place->flags & P2PBUF_PLACE_MARKED) &&
	    auditor->route != P2PBUF_ROUTE_BUS_ADDR)
		return false;
	return place->via == auditor->route;
}

static void judge_bar(struct p2pbuf_verdict *verdict,
		      const struct p2pbuf_auditor *auditor,
		      const struct p2pbuf_ranges *ranges, u64 offset,
		      const struct p2pbuf_place *place)
{
	u64 good = ranges ? well_placed(ranges, offset, place) : place->length;

	if (good < place->length)
		note(verdict, P2PBUF_VERDICT_MISPLACED, offset + good, place);
	else if (auditor->route == P2PBUF_ROUTE_UNKNOWN)
		note(verdict, P2PBUF_VERDICT_NO_ROUTE, offset, place);
	else if (!on_route(auditor, place))
		note(verdict, P2PBUF_VERDICT_WRONG_ROUTE, offset, place);
	else
		note(verdict, P2PBUF_VERDICT_PEER_TO_PEER, offset, place);
}

/**
 * p2pbuf_verdict_add - judge one piece of a mapping
 * @verdict: all zero before the first piece
 * @auditor: that has just found @place
 * @ranges: the exporter's description of the buffer, or NULL
 * @offset: of @place in the buffer, in bytes
 * @place: the piece
 *
 * Context: any.
 */
void p2pbuf_verdict_add(struct p2pbuf_verdict *verdict,
			const struct p2pbuf_auditor *auditor,
			const struct p2pbuf_ranges *ranges, u64 offset,
			const struct p2pbuf_place *place)
{
	verdict->total += place->length;

	switch (place->kind) {
	case P2PBUF_PLACE_BAR:
		verdict->bar_bytes += place->length;
		judge_bar(verdict, auditor, ranges, offset, place);
		break;
	case P2PBUF_PLACE_RAM:
		verdict->ram_bytes += place->length;
		note(verdict, P2PBUF_VERDICT_RAM, offset, place);
		break;
	case P2PBUF_PLACE_UNMAPPED:
		verdict->unmapped_bytes += place->length;
		note(verdict, P2PBUF_VERDICT_UNMAPPED, offset, place);
		break;
	case P2PBUF_PLACE_RAW_BAR:
		verdict->unmapped_bytes += place->length;
		note(verdict, P2PBUF_VERDICT_RAW_BAR, offset, place);
		break;
	default:
		verdict->other_bytes += place->length;
		note(verdict, P2PBUF_VERDICT_OTHER, offset, place);
		break;
	}
}
EXPORT_SYMBOL_GPL(p2pbuf_verdict_add);

/**
 * p2pbuf_verdict_lengths - judge the sum of all pieces
 * @verdict: after the last piece
 * @size: of the buffer in bytes
 *
 * Context: any.
 */
void p2pbuf_verdict_lengths(struct p2pbuf_verdict *verdict, u64 size)
{
	static const struct p2pbuf_place nowhere;
	u64 missing = size - verdict->total;

	if (verdict->total == size)
		return;
	if (verdict->total < size && IS_ALIGNED(missing, SZ_4G))
		note(verdict, P2PBUF_VERDICT_OVERFLOW, verdict->total, &nowhere);
	else
		note(verdict, P2PBUF_VERDICT_LENGTH, verdict->total, &nowhere);
}
EXPORT_SYMBOL_GPL(p2pbuf_verdict_lengths);
