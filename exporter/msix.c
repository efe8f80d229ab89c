// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSI-X table and its pending bits lie in a BAR. A peer that writes the table chooses
 * where the function's interrupts go, which are memory writes to any address; so these
 * pages are not exported.
 */
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>

#include "exporter.h"

static bool allow_msix;
module_param(allow_msix, bool, 0644);
MODULE_PARM_DESC(allow_msix,
		 "Let ranges touch the MSI-X table and pending bits: whoever can write them can forge interrupts and write anywhere that the function can [default: N]");

#define PBA_BITS_PER_BYTE	8

/* Whole pages that one of the two structures touches: PCI 3.0, 6.8.2. */
struct window {
	u32 bar;
	u64 start;
	u64 end;
};

static struct window find_window(struct pci_dev *pdev, int reg, u64 size)
{
	struct window window;
	u32 value;

	pci_read_config_dword(pdev, pdev->msix_cap + reg, &value);
	window.bar = value & PCI_MSIX_TABLE_BIR;
	window.start = ALIGN_DOWN(value & PCI_MSIX_TABLE_OFFSET, PAGE_SIZE);
	window.end = ALIGN((value & PCI_MSIX_TABLE_OFFSET) + size, PAGE_SIZE);
	return window;
}

static bool touches(const struct window *window, unsigned int bar,
		    const struct p2pbuf_range *range)
{
	return window->bar == bar && range->offset < window->end &&
	       range->offset + range->length > window->start;
}

/**
 * p2pbuf_msix_check - check that ranges leave the MSI-X structures alone
 * @pdev: the function
 * @bar: BAR number of the ranges
 * @ranges: valid ranges of that BAR
 * @nr: number of elements in @ranges
 *
 * Context: may read configuration space.
 * Return: 0 or -EPERM.
 */
int p2pbuf_msix_check(struct pci_dev *pdev, unsigned int bar,
		      const struct p2pbuf_range *ranges, unsigned int nr)
{
	struct window table, pba;
	unsigned int i;
	int vectors;

	vectors = pci_msix_vec_count(pdev);
	if (vectors <= 0)
		return 0;
	table = find_window(pdev, PCI_MSIX_TABLE, vectors * PCI_MSIX_ENTRY_SIZE);
	pba = find_window(pdev, PCI_MSIX_PBA,
			  DIV_ROUND_UP(vectors, 64) * (64 / PBA_BITS_PER_BYTE));

	for (i = 0; i < nr; i++) {
		if (!touches(&table, bar, &ranges[i]) && !touches(&pba, bar, &ranges[i]))
			continue;
		if (!READ_ONCE(allow_msix))
			return -EPERM;
		pci_warn(pdev, "exporting the MSI-X structures in BAR %u: importers can forge interrupts\n",
			 bar);
		return 0;
	}
	return 0;
}
