// SPDX-License-Identifier: GPL-2.0-only
/* An interrupt that comes late. */
#include <linux/interrupt.h>

#include "kmod.h"

/* Of a function that stays bound meanwhile. What happened comes with P2PBUF_TEST_IRQ_COMES. */
int test_irq_waits(struct holder *holder, struct p2pbuf_test_irq *args)
{
	struct pci_dev *client __free(put_pdev) = find_function(args->client);

	if (!client)
		return -ENOENT;
	if (holder->late_irq)
		return -EBUSY;
	holder->late_irq = pci_irq_vector(client, 0);
	disable_irq(holder->late_irq);
	return 0;
}

int test_irq_comes(struct holder *holder)
{
	if (!holder->late_irq)
		return -ENOENT;
	enable_irq(holder->late_irq);
	holder->late_irq = 0;
	return 0;
}
