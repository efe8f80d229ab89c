// SPDX-License-Identifier: GPL-2.0-only
/* Limits of the device, set behind the driver's back. */
#include "kmod.h"

int test_limit(struct p2pbuf_test_limit *args)
{
	struct pci_dev *client __free(put_pdev) = find_function(args->client);

	if (!client)
		return -ENOENT;
	client->dev.bus_dma_limit = args->limit;
	return 0;
}
