// SPDX-License-Identifier: GPL-2.0-only
/* Limits and translations of the device, set behind the driver's back. */
#include <linux/iommu.h>

#include "kmod.h"

int test_limit(struct p2pbuf_test_limit *args)
{
	struct pci_dev *client __free(put_pdev) = find_function(args->client);

	if (!client)
		return -ENOENT;
	client->dev.bus_dma_limit = args->limit;
	return 0;
}

int test_translate(struct holder *holder, struct p2pbuf_test_translate *args)
{
	struct pci_dev *client __free(put_pdev) = find_function(args->client);
	struct bus_dma_region *map = holder->bus_map;

	if (!client)
		return -ENOENT;
	if (holder->translated)
		return -EBUSY;
	/* An entry without size is the end. */
	map[0] = (struct bus_dma_region){ args->phys, args->addr, args->length };
	client->dev.dma_range_map = map;
	holder->translated = no_free_ptr(client);
	return 0;
}

void test_untranslate(struct holder *holder)
{
	if (!holder->translated)
		return;
	holder->translated->dev.dma_range_map = NULL;
	pci_dev_put(holder->translated);
}

int test_punch(struct p2pbuf_test_punch *args)
{
	struct pci_dev *client __free(put_pdev) = find_function(args->client);

	if (!client)
		return -ENOENT;
	args->unmapped = iommu_unmap(iommu_get_domain_for_dev(&client->dev), args->addr,
				     args->length);
	return 0;
}
