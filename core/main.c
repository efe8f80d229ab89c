// SPDX-License-Identifier: GPL-2.0-only
/* What the core has once: its directory of debugfs. */
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/module.h>

#include <p2pbuf.h>

/* Each driver has a directory of its kind in it; an error pointer does for that as well. */
struct dentry *p2pbuf_debugfs_root;
EXPORT_SYMBOL_GPL(p2pbuf_debugfs_root);

static int __init p2pbuf_init(void)
{
	p2pbuf_debugfs_root = debugfs_create_dir("p2pbuf", NULL);
	return 0;
}
module_init(p2pbuf_init);

static void __exit p2pbuf_exit(void)
{
	debugfs_remove(p2pbuf_debugfs_root);
}
module_exit(p2pbuf_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("PCIe peer-to-peer DMABUF mapping without struct page");
MODULE_VERSION(P2PBUF_VERSION);
MODULE_IMPORT_NS("DMA_BUF");
