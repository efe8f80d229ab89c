// SPDX-License-Identifier: GPL-2.0-only
/* Other ways to map the same ranges, to compare ours with. */
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "kmod.h"

/**
 * struct other_mapping - ranges mapped by another strategy than ours
 * @target: references are held
 * @attach: without it the exporter would not know of the mapping
 * @ranges: borrowed from the exporter
 * @strategy: which one
 * @addrs: P2PBUF_TEST_EACH: the address of each range
 * @iova: P2PBUF_TEST_DESTROY: the one IOVA
 */
struct other_mapping {
	struct target target;
	struct dma_buf_attachment *attach;
	const struct p2pbuf_ranges *ranges;
	enum p2pbuf_test_strategy strategy;
	dma_addr_t *addrs;
	struct dma_iova_state iova;
};

static void unmap_each(struct other_mapping *other, unsigned int nr)
{
	while (nr--)
		dma_unmap_phys(other->attach->dev, other->addrs[nr],
			       other->ranges->vecs[nr].len, DMA_BIDIRECTIONAL,
			       DMA_ATTR_MMIO);
	kvfree(other->addrs);
}

static int map_each(struct other_mapping *other)
{
	const struct p2pbuf_ranges *ranges = other->ranges;
	struct device *dev = other->attach->dev;
	unsigned int i;

	other->addrs = kvmalloc_array(ranges->nr, sizeof(*other->addrs), GFP_KERNEL);
	if (!other->addrs)
		return -ENOMEM;
	for (i = 0; i < ranges->nr; i++) {
		other->addrs[i] = dma_map_phys(dev, ranges->vecs[i].paddr,
					       ranges->vecs[i].len, DMA_BIDIRECTIONAL,
					       DMA_ATTR_MMIO);
		if (dma_mapping_error(dev, other->addrs[i])) {
			unmap_each(other, i);
			return -EIO;
		}
	}
	return 0;
}

static int link_all(struct other_mapping *other)
{
	const struct p2pbuf_ranges *ranges = other->ranges;
	struct device *dev = other->attach->dev;
	unsigned int i;
	int ret = 0;

	if (!dma_iova_try_alloc(dev, &other->iova, 0, ranges->size))
		return -EOPNOTSUPP;
	for (i = 0; i < ranges->nr && !ret; i++)
		ret = dma_iova_link(dev, &other->iova, ranges->vecs[i].paddr,
				    ranges->starts[i], ranges->vecs[i].len,
				    DMA_BIDIRECTIONAL, DMA_ATTR_MMIO);
	if (!ret)
		ret = dma_iova_sync(dev, &other->iova, 0, ranges->size);
	if (ret)
		dma_iova_destroy(dev, &other->iova, i ? ranges->starts[i - 1] : 0,
				 DMA_BIDIRECTIONAL, DMA_ATTR_MMIO);
	return ret;
}

static int map_other(struct other_mapping *other)
{
	return other->strategy == P2PBUF_TEST_EACH ? map_each(other) : link_all(other);
}

static void unmap_other(struct other_mapping *other)
{
	if (other->strategy == P2PBUF_TEST_EACH)
		unmap_each(other, other->ranges->nr);
	else
		dma_iova_destroy(other->attach->dev, &other->iova, other->ranges->size,
				 DMA_BIDIRECTIONAL, DMA_ATTR_MMIO);
}

static void find_ends(const struct other_mapping *other,
		      struct p2pbuf_test_strategy_map *args)
{
	unsigned int i;

	if (other->strategy == P2PBUF_TEST_DESTROY) {
		args->first = other->iova.addr;
		args->last = args->first + other->ranges->size - 1;
		return;
	}
	args->first = U64_MAX;
	args->last = 0;
	for (i = 0; i < other->ranges->nr; i++) {
		args->first = min(args->first, other->addrs[i]);
		args->last = max(args->last,
				 other->addrs[i] + other->ranges->vecs[i].len - 1);
	}
}

static int map_locked(struct other_mapping *other)
{
	const struct p2pbuf_phys_ops *ops = p2pbuf_phys_ops(other->target.dmabuf);
	struct p2pbuf_peer *peer;
	int ret;

	if (!ops)
		return -EOPNOTSUPP;
	peer = ops->map(other->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	other->ranges = peer->ranges;
	ret = map_other(other);
	if (ret)
		ops->unmap(other->attach);
	return ret;
}

static int attach_and_map(struct other_mapping *other)
{
	struct dma_buf *dmabuf = other->target.dmabuf;
	int ret;

	other->attach = dma_buf_dynamic_attach(dmabuf, &other->target.client->dev,
					       &full_ops, NULL);
	if (IS_ERR(other->attach))
		return PTR_ERR(other->attach);
	dma_resv_lock(dmabuf->resv, NULL);
	ret = map_locked(other);
	dma_resv_unlock(dmabuf->resv);
	if (ret)
		dma_buf_detach(dmabuf, other->attach);
	return ret;
}

static void free_other(struct other_mapping *other)
{
	put_target(&other->target);
	kfree(other);
}

int test_strategy_map(struct holder *holder, struct p2pbuf_test_strategy_map *args)
{
	struct other_mapping *other;

	if (args->strategy > P2PBUF_TEST_DESTROY)
		return -EINVAL;
	if (holder->other)
		return -EBUSY;
	other = kzalloc_obj(*other);
	if (!other)
		return -ENOMEM;
	other->strategy = args->strategy;
	other->target = get_target(args->fd, args->client);
	if (!other->target.client) {
		kfree(other);
		return -ENOENT;
	}

	args->result = attach_and_map(other);
	if (args->result) {
		free_other(other);
		return 0;
	}
	find_ends(other, args);
	holder->other = other;
	return 0;
}

int test_strategy_unmap(struct holder *holder)
{
	struct other_mapping *other = holder->other;
	struct dma_buf *dmabuf;

	if (!other)
		return -ENOENT;
	dmabuf = other->target.dmabuf;
	dma_resv_lock(dmabuf->resv, NULL);
	unmap_other(other);
	p2pbuf_phys_ops(dmabuf)->unmap(other->attach);
	dma_resv_unlock(dmabuf->resv);
	dma_buf_detach(dmabuf, other->attach);
	free_other(other);
	holder->other = NULL;
	return 0;
}
