// SPDX-License-Identifier: GPL-2.0-only
/* An exporter of a page of RAM that counts pins. */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "kmod.h"

atomic_t nr_pins;
static int pin_error;

static int page_pin(struct dma_buf_attachment *attach)
{
	if (!pin_error)
		atomic_inc(&nr_pins);
	return pin_error;
}

static void page_unpin(struct dma_buf_attachment *attach)
{
	atomic_dec(&nr_pins);
}

static struct sg_table *page_map(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	struct sg_table *sgt = kzalloc_obj(*sgt);
	int ret;

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table(sgt, 1, GFP_KERNEL);
	if (ret)
		goto err_free;
	sg_set_page(sgt->sgl, attach->dmabuf->priv, PAGE_SIZE, 0);
	ret = dma_map_sgtable(attach->dev, sgt, dir, 0);
	if (!ret)
		return sgt;
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(ret);
}

static void page_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		       enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static void page_release(struct dma_buf *dmabuf)
{
	__free_page(dmabuf->priv);
}

static const struct dma_buf_ops page_ops = {
	.pin = page_pin,
	.unpin = page_unpin,
	.map_dma_buf = page_map,
	.unmap_dma_buf = page_unmap,
	.release = page_release,
};

int test_export(struct p2pbuf_test_export *args)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	struct dma_buf *dmabuf;

	if (!page)
		return -ENOMEM;
	info.ops = &page_ops;
	info.size = PAGE_SIZE;
	info.flags = O_RDWR | O_CLOEXEC;
	info.priv = page;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		__free_page(page);
		return PTR_ERR(dmabuf);
	}
	pin_error = args->pin_error;
	args->fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (args->fd < 0)
		dma_buf_put(dmabuf);
	return args->fd < 0 ? args->fd : 0;
}
