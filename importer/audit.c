// SPDX-License-Identifier: GPL-2.0-only
/*
 * Audit of a mapping, in steps: between two of them the exporter may have the mapping
 * back, and then the rest is not looked at.
 */
#include <linux/cleanup.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "importer.h"

/* Bytes that are looked at with the locks held: 65,536 pages. */
#define STEP	SZ_256M

static void begin(struct p2pbuf_attachment *att, struct p2pbuf_auditor *auditor)
{
	bool phys = att->map.interconnect == P2PBUF_INTERCONNECT_PHYS;

	p2pbuf_audit_begin(auditor, att->attach->dev, phys ? &att->map.phys : NULL,
			   att->map.sgt);
}

static void fill_places(struct p2pbuf_attachment *att, struct p2pbuf_audit *args,
			struct p2pbuf_place *places)
{
	struct p2pbuf_auditor auditor;
	u64 left = STEP;
	u32 i;

	begin(att, &auditor);
	for (i = 0; i < args->capacity && left; i++) {
		if (!p2pbuf_audit_next(&auditor, args->offset, left, &places[i]))
			break;
		args->offset += places[i].length;
		left -= places[i].length;
	}
	p2pbuf_audit_end(&auditor);
	args->capacity = i;
}

/**
 * p2pbuf_attachment_audit - tell where the addresses of a mapping lead
 * @att: the attachment
 * @args: offset and capacity are in and out
 * @places: room for @args->capacity elements
 *
 * Context: may sleep.
 * Return: 0, or as of p2pbuf_attachment_lock_mapped().
 */
int p2pbuf_attachment_audit(struct p2pbuf_attachment *att, struct p2pbuf_audit *args,
			    struct p2pbuf_place *places)
{
	int ret;

	guard(mutex)(&att->lock);
	ret = p2pbuf_attachment_lock_mapped(att);
	if (ret)
		return ret;

	down_write(&att->importer->maps);
	fill_places(att, args, places);
	up_write(&att->importer->maps);
	dma_resv_unlock(att->dmabuf->resv);
	return 0;
}

/* Judge up to STEP bytes from @verdict->total on; @more is set if there may be more. */
static void judge_step(struct p2pbuf_attachment *att, const struct p2pbuf_ranges *ranges,
		       struct p2pbuf_verdict *verdict, bool *more)
{
	struct p2pbuf_auditor auditor;
	struct p2pbuf_place place;
	u64 left = STEP;

	begin(att, &auditor);
	*more = true;
	while (left && *more) {
		u64 offset = verdict->total;

		*more = p2pbuf_audit_next(&auditor, offset, left, &place);
		if (!*more)
			break;
		p2pbuf_verdict_add(verdict, &auditor, ranges, offset, &place);
		left -= place.length;
	}
	p2pbuf_audit_end(&auditor);
}

/* With the exporter's description, if it gives one. */
static void judge_described(struct p2pbuf_attachment *att,
			    struct p2pbuf_verdict *verdict, bool *more)
{
	const struct p2pbuf_phys_ops *ops = att->map.ops;
	struct p2pbuf_peer *peer = NULL;

	if (ops)
		peer = ops->map(att->attach, p2pbuf_access_dir(att->access));
	if (IS_ERR(peer))
		peer = NULL;
	verdict->described = !!peer;

	down_write(&att->importer->maps);
	judge_step(att, peer ? peer->ranges : NULL, verdict, more);
	up_write(&att->importer->maps);

	if (peer)
		ops->unmap(att->attach);
}

static int judge_locked(struct p2pbuf_attachment *att, u64 *generation,
			struct p2pbuf_verdict *verdict, bool *more)
{
	int ret;

	guard(mutex)(&att->lock);
	ret = p2pbuf_attachment_lock_mapped(att);
	if (ret)
		return ret;

	if (!verdict->total)
		*generation = att->generation;
	if (*generation == att->generation)
		judge_described(att, verdict, more);
	else
		ret = -ESTALE;
	dma_resv_unlock(att->dmabuf->resv);
	return ret;
}

/**
 * p2pbuf_attachment_verdict - say whether a mapping is right
 * @att: the attachment
 * @verdict: all but handle and flags is out
 *
 * Context: may sleep, about a second for each 10 GiB behind a translating IOMMU.
 * Return: 0, -EINTR, -ESTALE (it was mapped anew meanwhile), or as of
 * p2pbuf_attachment_lock_mapped().
 */
int p2pbuf_attachment_verdict(struct p2pbuf_attachment *att,
			      struct p2pbuf_verdict *verdict)
{
	u64 generation = 0;
	bool more = true;
	int ret;

	*verdict = (struct p2pbuf_verdict){ .handle = verdict->handle };

	while (more) {
		if (signal_pending(current))
			return -EINTR;
		ret = judge_locked(att, &generation, verdict, &more);
		if (ret)
			return ret;
		cond_resched();
	}
	p2pbuf_verdict_lengths(verdict, att->size);
	return 0;
}
