// SPDX-License-Identifier: GPL-2.0-only
/* P2PDMA struct pages, on a function bound to the driver below. */
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "kmod.h"

#define PAGE_BAR	2

static void map_page(struct device *client, void *addr, struct p2pbuf_test_page *args)
{
	struct scatterlist sg;
	struct sg_table sgt = { .sgl = &sg, .nents = 1, .orig_nents = 1 };

	sg_init_table(&sg, 1);
	sg_set_page(&sg, virt_to_page(addr), PAGE_SIZE, 0);
	args->result = dma_map_sgtable(client, &sgt, DMA_TO_DEVICE, 0);
	if (args->result)
		return;
	args->bus_addr = sg_dma_is_bus_address(&sg);
	dma_unmap_sgtable(client, &sgt, DMA_TO_DEVICE, 0);
}

int test_page(struct p2pbuf_test_page *args)
{
	struct pci_dev *client __free(put_pdev) = NULL;
	struct pci_dev *owner __free(put_pdev) = NULL;
	struct p2pbuf_path path;
	void *addr;
	int ret;

	owner = find_function(args->owner);
	client = find_function(args->client);
	if (!owner)
		return -ENOENT;
	ret = widen_mask(client);
	if (ret)
		return ret;

	guard(device)(&owner->dev);
	if (owner->dev.driver != &test_driver.driver)
		return -ENODEV;
	addr = pci_alloc_p2pmem(owner, PAGE_SIZE);
	if (!addr)
		return -ENOMEM;
	map_page(&client->dev, addr, args);
	pci_free_p2pmem(owner, addr, PAGE_SIZE);

	args->route = P2PBUF_ROUTE_UNKNOWN;
	if (!p2pbuf_route_between(owner, &client->dev, &path))
		args->route = path.route;
	/* We ask for it where we need it; the kernel's own answer changes with it. */
	pci_p2pdma_distance(owner, &client->dev, false);
	return 0;
}

static int test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	return pci_p2pdma_add_resource(pdev, PAGE_BAR, SZ_2M, 0);
}

struct pci_driver test_driver = {
	.name = "p2pbuf_test",
	.probe = test_probe,
};
