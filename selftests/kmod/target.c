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

/* Call @fn with the ranges behind a DMABUF of ours. */
int with_ranges(const struct target *target,
		int (*fn)(struct dma_buf_attachment *attach,
			  const struct p2pbuf_ranges *ranges, void *args),
		void *args)
{
	struct dma_buf_attachment attach = {};
	const struct p2pbuf_phys_ops *ops;
	const struct p2pbuf_ranges *ranges;
	int ret;

	if (!target->client)
		return -ENOENT;
	ops = p2pbuf_phys_ops(target->dmabuf);
	if (!ops)
		return -EOPNOTSUPP;

	attach.dmabuf = target->dmabuf;
	attach.dev = &target->client->dev;
	dma_resv_lock(target->dmabuf->resv, NULL);
	ranges = ops->map(&attach, DMA_BIDIRECTIONAL);
	ret = PTR_ERR_OR_ZERO(ranges);
	if (!ret) {
		ret = fn(&attach, ranges, args);
		ops->unmap(&attach);
	}
	dma_resv_unlock(target->dmabuf->resv);
	return ret;
}

phys_addr_t translate(struct device *dev, dma_addr_t addr)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain ? iommu_iova_to_phys(domain, addr) : 0;
}
