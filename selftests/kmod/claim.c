// SPDX-License-Identifier: GPL-2.0-only
/* A BAR that somebody has claimed without a driver for its function. */
#include "kmod.h"

int test_claim(struct holder *holder, struct p2pbuf_test_claim *args)
{
	struct pci_dev *client __free(put_pdev) = find_function(args->client);
	int ret;

	if (!client)
		return -ENOENT;
	if (holder->claimed)
		return -EBUSY;
	ret = pci_request_region(client, args->bar, "p2pbuf_test");
	if (ret)
		return ret;
	holder->claimed = no_free_ptr(client);
	holder->claimed_bar = args->bar;
	return 0;
}

void test_unclaim(struct holder *holder)
{
	if (!holder->claimed)
		return;
	pci_release_region(holder->claimed, holder->claimed_bar);
	pci_dev_put(holder->claimed);
}
