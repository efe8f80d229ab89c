// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/p2pbuf/importer/<domain:bus:dev.fn>. A file that is open when the driver
 * unbinds fails to be read from then on (EIO), and keeps the module.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "importer.h"

static struct dentry *root, *importers;

/* With a reference; an import's lock is not taken with the importer's. */
static struct p2pbuf_attachment *get_import(struct p2pbuf_importer *importer, loff_t index)
{
	struct p2pbuf_attachment *att;

	guard(mutex)(&importer->lock);
	list_for_each_entry(att, &importer->imports, node) {
		if (index--)
			continue;
		kref_get(&att->kref);
		return att;
	}
	return NULL;
}

static void *state_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? get_import(m->private, *pos - 1) : SEQ_START_TOKEN;
}

static void put_entry(void *entry)
{
	if (entry != SEQ_START_TOKEN)
		p2pbuf_attachment_put(entry);
}

static void *state_next(struct seq_file *m, void *entry, loff_t *pos)
{
	put_entry(entry);
	return get_import(m->private, (*pos)++);
}

static void state_stop(struct seq_file *m, void *entry)
{
	put_entry(entry);
}

static int state_show(struct seq_file *m, void *entry)
{
	if (entry == SEQ_START_TOKEN)
		p2pbuf_importer_show(m->private, m);
	else
		p2pbuf_attachment_show(entry, 0, m);
	return 0;
}

static const struct seq_operations state_sops = {
	.start = state_start,
	.next = state_next,
	.stop = state_stop,
	.show = state_show,
};
DEFINE_SEQ_ATTRIBUTE(state);

static const char * const count_names[] = {
	[P2PBUF_IMPORTER_IMPORTS] = "imports",
	[P2PBUF_IMPORTER_FAILED_IMPORTS] = "failed-imports",
	[P2PBUF_IMPORTER_MAPS] = "maps",
	[P2PBUF_IMPORTER_FAILED_MAPS] = "failed-maps",
	[P2PBUF_IMPORTER_UNMAPS] = "unmaps",
	[P2PBUF_IMPORTER_INVALIDATIONS] = "invalidations",
	[P2PBUF_IMPORTER_COPIES] = "copies",
	[P2PBUF_IMPORTER_FAILED_COPIES] = "failed-copies",
	[P2PBUF_IMPORTER_TRANSFERS] = "transfers",
	[P2PBUF_IMPORTER_FAILED_TRANSFERS] = "failed-transfers",
	[P2PBUF_IMPORTER_BYTES] = "bytes",
	[P2PBUF_IMPORTER_TIMEOUTS] = "engine-timeouts",
};

static int counters_show(struct seq_file *m, void *unused)
{
	struct p2pbuf_importer *importer = m->private;
	unsigned int i;

	for (i = 0; i < P2PBUF_IMPORTER_NR_COUNTS; i++)
		seq_printf(m, "%s:\t%lld\n", count_names[i],
			   atomic64_read(&importer->counts[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

/**
 * p2pbuf_importer_debugfs_add - make the directory of a function
 * @importer: the importer, bound
 *
 * Context: may sleep.
 */
void p2pbuf_importer_debugfs_add(struct p2pbuf_importer *importer)
{
	importer->debugfs = debugfs_create_dir(pci_name(importer->edu.pdev), importers);
	debugfs_create_file("state", 0400, importer->debugfs, importer, &state_fops);
	debugfs_create_file("counters", 0400, importer->debugfs, importer, &counters_fops);
}

/**
 * p2pbuf_importer_debugfs_remove - undo p2pbuf_importer_debugfs_add()
 * @importer: the importer
 *
 * Context: may sleep; waits for who is reading, so no lock that p2pbuf_importer_show() or
 * p2pbuf_attachment_show() takes is held.
 */
void p2pbuf_importer_debugfs_remove(struct p2pbuf_importer *importer)
{
	debugfs_remove(importer->debugfs);
}

/** p2pbuf_importers_debugfs_init - make the directory of the driver */
void p2pbuf_importers_debugfs_init(void)
{
	root = debugfs_create_dir("p2pbuf", NULL);
	importers = debugfs_create_dir("importer", root);
}

/** p2pbuf_importers_debugfs_exit - undo p2pbuf_importers_debugfs_init() */
void p2pbuf_importers_debugfs_exit(void)
{
	debugfs_remove(root);
}
