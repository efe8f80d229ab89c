// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc/<pid>/fdinfo of an open node tells: the function's DMABUFs and who is attached to
 * them, without any address.
 */
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/seq_file.h>

#include "exporter.h"

/* By bit of enum p2pbuf_loss. */
static const char * const losses[] = {
	"removed", "reset", "memory-off", "suspend", "error", "failed",
};

static void show_losses(const struct p2pbuf_exporter *exp, struct seq_file *m)
{
	unsigned int left, i;

	lockdep_assert_held(&exp->lock);
	seq_puts(m, exp->losses ? "lost-by:" : "lost-by:\tnothing");
	for (left = exp->losses; left; left &= left - 1) {
		i = __ffs(left);
		seq_printf(m, "%c%s", left == exp->losses ? '\t' : ' ', losses[i]);
	}
	seq_putc(m, '\n');
}

/* A DMABUF that is being released has no attachment left. */
static void show_attachments(struct p2pbuf_buffer *buf, struct seq_file *m)
{
	struct dma_buf_attachment *attach;
	struct p2pbuf_client *peer;

	if (!buf->dmabuf)
		return;
	list_for_each_entry(attach, &buf->dmabuf->attachments, node) {
		peer = attach->priv;
		seq_printf(m, "attachment:\tino=%llu importer=%s maps=%u\n",
			   (u64)buf->inode->i_ino, dev_name(attach->dev), peer->nr_maps);
	}
}

static void show_buffer(struct p2pbuf_buffer *buf, struct seq_file *m)
{
	dma_resv_lock(&buf->resv, NULL);
	seq_printf(m, "dmabuf:\tino=%llu bar=%u bytes=%llu ranges=%u merged=%u access=%s maps=%d state=%s\n",
		   (u64)buf->inode->i_ino, buf->bar, buf->ranges->size,
		   buf->ranges->nr_exported, buf->ranges->nr,
		   buf->writable ? "read-write" : "read", atomic_read(&buf->nr_maps),
		   buf->withdrawn ? "revoked" : buf->revoked ? "lost" : "accessible");
	show_attachments(buf, m);
	dma_resv_unlock(&buf->resv);
}

/**
 * p2pbuf_exporter_show - describe the exporter and all its DMABUFs
 * @exp: the exporter
 * @m: where to
 *
 * Context: may sleep.
 */
void p2pbuf_exporter_show(struct p2pbuf_exporter *exp, struct seq_file *m)
{
	struct p2pbuf_buffer *buf;

	guard(mutex)(&exp->lock);
	seq_printf(m, "exporter:\t%s\n", dev_name(exp->dev));
	show_losses(exp, m);
	list_for_each_entry(buf, &exp->buffers, node)
		show_buffer(buf, m);
}
