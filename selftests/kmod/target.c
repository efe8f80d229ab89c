// SPDX-License-Identifier: GPL-2.0-only
/* What tests work on: functions, DMABUFs, their ranges, their translations. */
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/iommu.h>

#include "kmod.h"

struct pci_dev *find_function(char *name)
{
	struct device *dev;

	name[P2PBUF_TEST_NAME - 1] = '\0';
	dev = bus_find_device_by_name(&pci_bus_type, NULL, name);
	return dev ? to_pci_dev(dev) : NULL;
}

void put_target(struct target *target)
{
	pci_dev_put(target->client);
	if (target->dmabuf)
		dma_buf_put(target->dmabuf);
}

struct target get_target(int fd, char *name)
{
	struct target target = { .client = find_function(name) };

	target.dmabuf = dma_buf_get(fd);
	if (IS_ERR(target.dmabuf))
		target.dmabuf = NULL;
	if (target.client && target.dmabuf)
		return target;
	put_target(&target);
	return (struct target){};
}

/* What has no driver has a mask of 32 bits, and a BAR may be above them. */
int widen_mask(struct pci_dev *client)
{
	if (!client)
		return -ENOENT;
	guard(device)(&client->dev);
	return client->dev.driver ? 0 : dma_set_mask(&client->dev, DMA_BIT_MASK(64));
}

/*
 * An attachment of @dev, or where it is refused, of anybody: the exporter's own function has
 * a route in any case.
 */
struct dma_buf_attachment *attach_any(struct dma_buf *dmabuf, struct device *dev)
{
	struct dma_buf_attachment *attach;
	struct pci_dev *pdev = NULL;

	attach = dma_buf_dynamic_attach(dmabuf, dev, &full_ops, NULL);
	while (IS_ERR(attach) && (pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, pdev)))
		attach = dma_buf_dynamic_attach(dmabuf, &pdev->dev, &full_ops, NULL);
	pci_dev_put(pdev);
	return attach;
}

static int with_attached(struct dma_buf_attachment *attach, struct device *dev,
			 int (*fn)(struct dma_buf_attachment *attach,
				   const struct p2pbuf_ranges *ranges, void *args),
			 void *args)
{
	const struct p2pbuf_phys_ops *ops = p2pbuf_phys_ops(attach->dmabuf);
	struct dma_buf_attachment theirs = { .dmabuf = attach->dmabuf, .dev = dev };
	struct p2pbuf_peer *peer;
	int ret;

	peer = ops->map(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	ret = fn(&theirs, peer->ranges, args);
	ops->unmap(attach);
	return ret;
}

/* Call @fn with the ranges behind a DMABUF of ours, for the client, route or not. */
int with_ranges(const struct target *target,
		int (*fn)(struct dma_buf_attachment *attach,
			  const struct p2pbuf_ranges *ranges, void *args),
		void *args)
{
	struct dma_buf_attachment *attach;
	int ret;

	if (!target->client)
		return -ENOENT;
	if (!p2pbuf_phys_ops(target->dmabuf))
		return -EOPNOTSUPP;
	attach = attach_any(target->dmabuf, &target->client->dev);
	if (IS_ERR(attach))
		return PTR_ERR(attach);

	dma_resv_lock(target->dmabuf->resv, NULL);
	ret = with_attached(attach, &target->client->dev, fn, args);
	dma_resv_unlock(target->dmabuf->resv);
	dma_buf_detach(target->dmabuf, attach);
	return ret;
}

phys_addr_t translate(struct device *dev, dma_addr_t addr)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain ? iommu_iova_to_phys(domain, addr) : 0;
}
