// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/p2pbuf/exporter/<domain:bus:dev.fn>. A file that is open when the driver
 * unbinds fails to be read from then on (EIO), and keeps the module.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "exporter.h"

static struct dentry *exporters;

static int state_show(struct seq_file *m, void *unused)
{
	p2pbuf_exporter_show(m->private, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

static const char * const count_names[] = {
	[P2PBUF_COUNT_EXPORTS] = "exports",
	[P2PBUF_COUNT_ATTACHES] = "attaches",
	[P2PBUF_COUNT_REFUSED_ATTACHES] = "refused-attaches",
	[P2PBUF_COUNT_REVOKES] = "revokes",
	[P2PBUF_COUNT_RESTORES] = "restores",
};

static void sum_counts(struct p2pbuf_exporter *exp, u64 *sum)
{
	struct p2pbuf_buffer *buf;
	unsigned int i;

	guard(mutex)(&exp->lock);
	memcpy(sum, exp->counts, sizeof(exp->counts));
	list_for_each_entry(buf, &exp->buffers, node) {
		dma_resv_lock(&buf->resv, NULL);
		for (i = 0; i < P2PBUF_NR_COUNTS; i++)
			sum[i] += buf->counts[i];
		dma_resv_unlock(&buf->resv);
	}
}

static int counters_show(struct seq_file *m, void *unused)
{
	u64 sum[P2PBUF_NR_COUNTS];
	unsigned int i;

	sum_counts(m->private, sum);
	for (i = 0; i < P2PBUF_NR_COUNTS; i++)
		seq_printf(m, "%s:\t%llu\n", count_names[i], sum[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

/**
 * p2pbuf_exporter_debugfs_add - make the directory of a function
 * @exp: the exporter
 *
 * Context: may sleep.
 */
void p2pbuf_exporter_debugfs_add(struct p2pbuf_exporter *exp)
{
	exp->debugfs = debugfs_create_dir(dev_name(exp->dev), exporters);
	debugfs_create_file("state", 0400, exp->debugfs, exp, &state_fops);
	debugfs_create_file("counters", 0400, exp->debugfs, exp, &counters_fops);
}

/**
 * p2pbuf_exporter_debugfs_remove - undo p2pbuf_exporter_debugfs_add()
 * @exp: the exporter
 *
 * Context: may sleep; waits for who is reading, so no lock that p2pbuf_exporter_show()
 * takes is held.
 */
void p2pbuf_exporter_debugfs_remove(struct p2pbuf_exporter *exp)
{
	debugfs_remove(exp->debugfs);
}

/** p2pbuf_exporters_debugfs_init - make the directory of the driver */
void p2pbuf_exporters_debugfs_init(void)
{
	exporters = debugfs_create_dir("exporter", p2pbuf_debugfs_root);
}

/** p2pbuf_exporters_debugfs_exit - undo p2pbuf_exporters_debugfs_init() */
void p2pbuf_exporters_debugfs_exit(void)
{
	debugfs_remove(exporters);
}
