// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc/<pid>/fdinfo of an open node and debugfs tell: imports, without any address.
 */
#include <linux/array_size.h>
#include <linux/cleanup.h>
#include <linux/seq_file.h>

#include "importer.h"

/**
 * p2pbuf_importer_show - the first line
 * @importer: the importer
 * @m: where to
 *
 * Context: may sleep.
 */
void p2pbuf_importer_show(struct p2pbuf_importer *importer, struct seq_file *m)
{
	guard(mutex)(&importer->lock);
	seq_printf(m, "importer:\t%s\n",
		   importer->bound ? pci_name(importer->edu.pdev) : "unbound");
}

static const char *interconnect_name(u32 interconnect)
{
	return interconnect == P2PBUF_INTERCONNECT_PHYS ? "phys" : "sgt";
}

static const char *access_name(u32 access)
{
	static const char * const names[] = {
		[P2PBUF_ACCESS_READ] = "read",
		[P2PBUF_ACCESS_WRITE] = "write",
		[P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE] = "read-write",
	};

	return access < ARRAY_SIZE(names) && names[access] ? names[access] : "none";
}

static const char *state_name(u32 state)
{
	if (state & P2PBUF_STATE_STALE)
		return "stale";
	return state & P2PBUF_STATE_MAPPED ? "mapped" : "unmapped";
}

/**
 * p2pbuf_attachment_show - a line
 * @att: the attachment; the caller holds a reference
 * @handle: by which the user knows it, or 0
 * @m: where to
 *
 * Nothing if it is being released.
 *
 * Context: may sleep, for a chunk too.
 */
void p2pbuf_attachment_show(struct p2pbuf_attachment *att, u32 handle, struct seq_file *m)
{
	struct p2pbuf_query query = {};

	if (p2pbuf_attachment_query(att, &query, NULL))
		return;
	seq_puts(m, "import:\t");
	if (handle)
		seq_printf(m, "handle=%u ", handle);
	seq_printf(m, "ino=%llu bytes=%llu interconnect=%s access=%s state=%s", att->ino,
		   query.size, interconnect_name(query.interconnect),
		   access_name(query.access), state_name(query.state));
	if (query.state & P2PBUF_STATE_MAPPED)
		seq_printf(m, " route=%s ranges=%u merged=%u segments=%u",
			   p2pbuf_route_name(query.route), query.nr_ranges, query.nr_merged,
			   query.nr_segments);
	seq_putc(m, '\n');
}
