// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMABUF: export, attach, map.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include <p2pbuf_trace.h>

#include "exporter.h"

static void buffer_free(struct kref *kref)
{
	struct p2pbuf_buffer *buf = container_of(kref, struct p2pbuf_buffer, kref);

	if (buf->inode)
		iput(buf->inode);
	p2pbuf_buffer_forget_fences(buf);
	xa_destroy(&buf->refusals);
	dma_resv_fini(&buf->resv);
	mutex_destroy(&buf->lock);
	p2pbuf_ranges_free(buf->ranges);
	p2pbuf_exporter_put(buf->exp);
	kfree(buf);
}

/**
 * p2pbuf_buffer_put - drop a reference
 * @buf: the buffer
 */
void p2pbuf_buffer_put(struct p2pbuf_buffer *buf)
{
	kref_put(&buf->kref, buffer_free);
}

/*
 * Anybody who holds the DMABUF can attach by some driver as often as he likes. So each device
 * is in the log once, whoever else floods it; the tracepoint has all.
 */
static bool is_news(struct p2pbuf_buffer *buf, const struct device *dev)
{
	return !xa_insert(&buf->refusals, (unsigned long)dev, xa_mk_value(1), GFP_KERNEL);
}

static int check_route(struct p2pbuf_buffer *buf, struct device *dev,
		       struct p2pbuf_client *client, struct p2pbuf_path *path)
{
	int ret;

	client->peer = (struct p2pbuf_peer){ .dev = dev, .ranges = buf->ranges };
	ret = p2pbuf_peer_route(&client->peer, path);
	if (ret && is_news(buf, dev))
		p2pbuf_route_explain(to_pci_dev(buf->exp->dev), dev, path);
	return ret;
}

static int check_attach(struct p2pbuf_buffer *buf, struct dma_buf_attachment *attach,
			struct p2pbuf_client *client, struct p2pbuf_path *path)
{
	int ret;

	if (!attach->peer2peer || !dma_buf_attach_revocable(attach))
		return -EOPNOTSUPP;
	/* While it is usable the driver cannot unbind, so the provider may be looked at. */
	ret = p2pbuf_access_error(buf);
	return ret ?: check_route(buf, attach->dev, client, path);
}

static int buffer_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct p2pbuf_client *client __free(kfree) =
		kzalloc_obj(*client, GFP_KERNEL_ACCOUNT);
	struct p2pbuf_buffer *buf = dmabuf->priv;
	struct p2pbuf_path path = {};
	int ret;

	if (!client)
		return -ENOMEM;
	/*
	 * The core calls attach without the lock (drivers/dma-buf/dma-buf.c). What asleep does
	 * not answer is woken before it is taken: the importer's driver may need it for that.
	 */
	guard(pm_runtime_active)(attach->dev);
	guard(pm_runtime_active)(buf->exp->dev);
	if (dma_resv_lock_interruptible(&buf->resv, NULL))
		return -EINTR;
	ret = check_attach(buf, attach, client, &path);
	/* Under the lock, as it names a port, which stays as long as the driver is bound. */
	trace_p2pbuf_attach(buf->exp->dev, buf->inode->i_ino, attach->dev, &path, ret);
	dma_resv_unlock(&buf->resv);
	if (!ret)
		attach->priv = no_free_ptr(client);
	return ret;
}

static void buffer_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	kfree(attach->priv);
}

static int map_begin(struct dma_buf_attachment *attach, enum dma_data_direction dir)
{
	struct p2pbuf_buffer *buf = attach->dmabuf->priv;
	struct p2pbuf_client *client = attach->priv;
	int ret;

	ret = p2pbuf_access_error(buf);
	if (!ret && dir != DMA_TO_DEVICE && !buf->writable)
		ret = -EACCES;
	ret = ret ?: p2pbuf_access_get(buf);
	if (ret)
		return ret;

	client->nr_maps++;
	atomic_inc(&buf->nr_maps);
	return 0;
}

static void map_end(struct dma_buf_attachment *attach)
{
	struct p2pbuf_buffer *buf = attach->dmabuf->priv;
	struct p2pbuf_client *client = attach->priv;

	dma_resv_assert_held(&buf->resv);
	client->nr_maps--;
	p2pbuf_access_put(buf);
	if (atomic_dec_and_test(&buf->nr_maps))
		wake_up(&buf->progress);
}

static struct sg_table *buffer_map_sgt(struct dma_buf_attachment *attach,
				       enum dma_data_direction dir)
{
	struct p2pbuf_client *client = attach->priv;
	struct sg_table *sgt;
	int ret;

	ret = map_begin(attach, dir);
	if (ret)
		return ERR_PTR(ret);
	sgt = p2pbuf_sgt_map(&client->peer, dir);
	if (IS_ERR(sgt))
		map_end(attach);
	return sgt;
}

static void buffer_unmap_sgt(struct dma_buf_attachment *attach, struct sg_table *sgt,
			     enum dma_data_direction dir)
{
	p2pbuf_sgt_unmap(sgt);
	map_end(attach);
}

static struct p2pbuf_peer *buffer_map_phys(struct dma_buf_attachment *attach,
					   enum dma_data_direction dir)
{
	struct p2pbuf_client *client = attach->priv;
	int ret;

	ret = map_begin(attach, dir);
	return ret ? ERR_PTR(ret) : &client->peer;
}

static void buffer_unmap_phys(struct dma_buf_attachment *attach)
{
	map_end(attach);
}

/* The file is gone, so no importer and no CPU mapping is left; revoke may run. */
static void buffer_release(struct dma_buf *dmabuf)
{
	struct p2pbuf_buffer *buf = dmabuf->priv;

	dma_resv_lock(&buf->resv, NULL);
	buf->dmabuf = NULL;
	dma_resv_unlock(&buf->resv);

	mutex_lock(&buf->exp->lock);
	list_del(&buf->node);
	mutex_unlock(&buf->exp->lock);

	p2pbuf_buffer_put(buf);
}

static const struct dma_buf_ops buffer_ops = {
	.attach = buffer_attach,
	.detach = buffer_detach,
	.map_dma_buf = buffer_map_sgt,
	.unmap_dma_buf = buffer_unmap_sgt,
	.mmap = p2pbuf_buffer_mmap,
	.release = buffer_release,
};

struct p2pbuf_phys_ops p2pbuf_exporter_phys_ops = {
	.dmabuf_ops = &buffer_ops,
	.map = buffer_map_phys,
	.unmap = buffer_unmap_phys,
};

static struct p2pbuf_ranges *create_ranges(struct p2pbuf_exporter *exp,
					   unsigned int bar, unsigned int nr,
					   const struct p2pbuf_range *user)
{
	struct p2pdma_provider *provider = pcim_p2pdma_provider(exp->pdev, bar);
	struct p2pbuf_ranges *ranges __free(p2pbuf_ranges) = NULL;
	int ret;

	if (!provider)
		return ERR_PTR(-EOPNOTSUPP);
	ranges = p2pbuf_ranges_create(provider, pci_resource_start(exp->pdev, bar),
				      pci_resource_len(exp->pdev, bar), user, nr);
	ret = PTR_ERR_OR_ZERO(ranges) ?: p2pbuf_msix_check(exp, bar, user, nr);
	return ret ? ERR_PTR(ret) : no_free_ptr(ranges);
}

static struct p2pbuf_buffer *buffer_create(struct p2pbuf_exporter *exp,
					   const struct p2pbuf_region *region,
					   const struct p2pbuf_export *args,
					   struct p2pbuf_ranges *ranges)
{
	struct p2pbuf_buffer *buf;

	buf = kzalloc_obj(*buf, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return NULL;

	kref_init(&buf->kref);
	kref_get(&exp->kref);
	buf->exp = exp;
	dma_resv_init(&buf->resv);
	mutex_init(&buf->lock);
	init_waitqueue_head(&buf->progress);
	xa_init_flags(&buf->refusals, XA_FLAGS_ACCOUNT);
	buf->ranges = ranges;
	buf->bar = args->region_index;
	buf->write_combining = region->flags & P2PBUF_REGION_WRITE_COMBINING;
	buf->writable = (args->open_flags & O_ACCMODE) != O_RDONLY;
	buf->revoked = exp->losses;
	return buf;
}

static struct dma_buf *buffer_to_dmabuf(struct p2pbuf_buffer *buf,
					const struct p2pbuf_export *args)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	lockdep_assert_held(&buf->exp->lock);

	info.exp_name = P2PBUF_EXPORTER_NAME;
	info.ops = &buffer_ops;
	info.size = buf->ranges->size;
	info.flags = args->open_flags;
	info.resv = &buf->resv;
	info.priv = buf;

	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		return dmabuf;

	buf->dmabuf = dmabuf;
	buf->inode = file_inode(dmabuf->file);
	ihold(buf->inode);
	list_add_tail(&buf->node, &buf->exp->buffers);
	trace_p2pbuf_export(buf->exp->dev, buf->inode->i_ino, buf->ranges);
	return dmabuf;
}

/**
 * p2pbuf_buffer_of - the buffer behind a DMABUF
 * @exp: the exporter
 * @dmabuf: any DMABUF, which the caller holds
 *
 * Return: the buffer, or NULL if it is not @exp's.
 */
struct p2pbuf_buffer *p2pbuf_buffer_of(struct p2pbuf_exporter *exp, struct dma_buf *dmabuf)
{
	struct p2pbuf_buffer *buf = dmabuf->priv;

	return dmabuf->ops == &buffer_ops && buf->exp == exp ? buf : NULL;
}

/**
 * p2pbuf_buffer_export - make a DMABUF of ranges of a BAR
 * @exp: the exporter
 * @args: checked but for the region
 * @user: copy of the user's ranges
 *
 * Context: may sleep.
 * Return: the DMABUF, or ERR_PTR: -ENODEV (unbound), -ENXIO (no such region),
 * -EOPNOTSUPP (not exportable), an error of p2pbuf_ranges_create(), p2pbuf_msix_check() or
 * dma_buf_export().
 */
struct dma_buf *p2pbuf_buffer_export(struct p2pbuf_exporter *exp,
				     const struct p2pbuf_export *args,
				     const struct p2pbuf_range *user)
{
	const struct p2pbuf_region *region;
	struct p2pbuf_ranges *ranges;
	struct p2pbuf_buffer *buf;
	struct dma_buf *dmabuf;
	unsigned int bar;

	guard(mutex)(&exp->lock);

	if (!exp->pdev)
		return ERR_PTR(-ENODEV);
	if (args->region_index >= PCI_STD_NUM_BARS)
		return ERR_PTR(-ENXIO);
	bar = array_index_nospec(args->region_index, PCI_STD_NUM_BARS);
	region = &exp->regions[bar];
	if (region->reason == P2PBUF_REASON_ABSENT)
		return ERR_PTR(-ENXIO);
	if (region->reason != P2PBUF_REASON_NONE)
		return ERR_PTR(-EOPNOTSUPP);

	ranges = create_ranges(exp, bar, args->nr_ranges, user);
	if (IS_ERR(ranges))
		return ERR_CAST(ranges);
	buf = buffer_create(exp, region, args, ranges);
	if (!buf) {
		p2pbuf_ranges_free(ranges);
		return ERR_PTR(-ENOMEM);
	}

	dmabuf = buffer_to_dmabuf(buf, args);
	if (IS_ERR(dmabuf))
		p2pbuf_buffer_put(buf);
	return dmabuf;
}
