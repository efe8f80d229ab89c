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

/* Whole pages that a structure touches: PCI 3.0, 6.8.2. All ones is BIR 7, which no BAR has. */
static int find_window(struct pci_dev *pdev, int reg, u64 size, struct p2pbuf_window *window)
{
	u32 value;

	pci_read_config_dword(pdev, pdev->msix_cap + reg, &value);
	if (PCI_POSSIBLE_ERROR(value))
		return dev_err_probe(&pdev->dev, -EIO, "MSI-X: a register reads all ones\n");
	window->bar = value & PCI_MSIX_TABLE_BIR;
	window->start = ALIGN_DOWN(value & PCI_MSIX_TABLE_OFFSET, PAGE_SIZE);
	window->end = ALIGN((value & PCI_MSIX_TABLE_OFFSET) + size, PAGE_SIZE);
	if (window->bar < PCI_STD_NUM_BARS &&
	    pci_resource_flags(pdev, window->bar) & IORESOURCE_MEM)
		return 0;
	return dev_err_probe(&pdev->dev, -EINVAL, "MSI-X: BAR %u is no memory BAR\n",
			     window->bar);
}

/**
 * p2pbuf_msix_init - find the MSI-X structures and fill in @exp->msix
 * @exp: the exporter, whose function answers
 *
 * Once, in probe: later the function may be silent for a while, and then reads all ones. Not
 * pci_msix_vec_count() (drivers/pci/msi/api.c, Linux 7.3), which takes that for a size.
 *
 * Return: 0, -EIO (a register reads all ones), -EINVAL (they lie in no memory BAR).
 */
int p2pbuf_msix_init(struct p2pbuf_exporter *exp)
{
	struct pci_dev *pdev = exp->pdev;
	unsigned int vectors;
	u16 flags;
	int ret;

	if (!pdev->msix_cap)
		return 0;
	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &flags);
	if (PCI_POSSIBLE_ERROR(flags))
		return dev_err_probe(&pdev->dev, -EIO, "MSI-X: control reads all ones\n");
	vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
	ret = find_window(pdev, PCI_MSIX_TABLE, vectors * PCI_MSIX_ENTRY_SIZE, &exp->msix[0]);
	return ret ?: find_window(pdev, PCI_MSIX_PBA, DIV_ROUND_UP(vectors, 64) * sizeof(u64),
				  &exp->msix[1]);
}

static bool touches(const struct p2pbuf_window *window, unsigned int bar,
		    const struct p2pbuf_range *range)
{
	return window->bar == bar && range->offset < window->end &&
	       range->offset + range->length > window->start;
}

/**
 * p2pbuf_msix_check - check that ranges leave the MSI-X structures alone
 * @exp: the exporter
 * @bar: BAR number of the ranges
 * @ranges: valid ranges of that BAR
 * @nr: number of elements in @ranges
 *
 * Return: 0 or -EPERM.
 */
int p2pbuf_msix_check(const struct p2pbuf_exporter *exp, unsigned int bar,
		      const struct p2pbuf_range *ranges, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!touches(&exp->msix[0], bar, &ranges[i]) &&
		    !touches(&exp->msix[1], bar, &ranges[i]))
			continue;
		if (!READ_ONCE(allow_msix))
			return -EPERM;
		dev_warn(exp->dev, "exporting the MSI-X structures in BAR %u: importers can forge interrupts\n",
			 bar);
		return 0;
	}
	return 0;
}
