// SPDX-License-Identifier: GPL-2.0-only
/*
 * The BARs of a function: claim them and say what can be exported.
 */
#include <linux/io.h>
#include <linux/mm.h>

#include "exporter.h"

static u32 region_reason(struct pci_dev *pdev, int bar)
{
	unsigned long flags = pci_resource_flags(pdev, bar);

	if (!pci_resource_len(pdev, bar))
		return P2PBUF_REASON_ABSENT;
	if (flags & IORESOURCE_IO)
		return P2PBUF_REASON_IO_PORT;
	if (pdev->non_mappable_bars)
		return P2PBUF_REASON_NOT_MAPPABLE;
	if (!PAGE_ALIGNED(pci_resource_start(pdev, bar)) ||
	    !PAGE_ALIGNED(pci_resource_len(pdev, bar)))
		return P2PBUF_REASON_SUB_PAGE;
	return P2PBUF_REASON_NONE;
}

static int region_init(struct pci_dev *pdev, int bar, struct p2pbuf_region *region)
{
	unsigned long flags = pci_resource_flags(pdev, bar);
	int ret;

	region->reason = region_reason(pdev, bar);
	if (flags & IORESOURCE_MEM_64)
		region->flags |= P2PBUF_REGION_64BIT;
	if (flags & IORESOURCE_PREFETCH)
		region->flags |= P2PBUF_REGION_PREFETCHABLE;

	if (!(flags & IORESOURCE_MEM) || region->reason == P2PBUF_REASON_ABSENT)
		return 0;

	ret = pcim_request_region(pdev, bar, P2PBUF_EXPORTER_NAME);
	if (ret)
		return ret;
	if (region->reason != P2PBUF_REASON_NONE)
		return 0;

	region->flags |= P2PBUF_REGION_EXPORTABLE;
	/*
	 * vmf_insert_mixed() replaces the write-combining of a pgprot by uncached unless the
	 * range was reserved as write-combining before (pfnmap_setup_cachemode() in
	 * arch/x86/mm/pat/memtype.c).
	 */
	if ((flags & IORESOURCE_PREFETCH) &&
	    !devm_arch_io_reserve_memtype_wc(&pdev->dev, pci_resource_start(pdev, bar),
					     pci_resource_len(pdev, bar)))
		region->flags |= P2PBUF_REGION_WRITE_COMBINING;
	return 0;
}

/**
 * p2pbuf_regions_warn - name the BARs that have no address
 * @pdev: the function, enabled or not
 *
 * What the PCI core finds no address for it forgets (Linux 7.3, reset_resource() in
 * drivers/pci/setup-bus.c) or leaves marked, and then does not enable the function
 * (pci_enable_resources() in drivers/pci/setup-res.c). The register of a BAR says of what is
 * forgotten that it is there, by its type or an address, unless it has the type 0 and no address.
 */
void p2pbuf_regions_warn(struct pci_dev *pdev)
{
	unsigned long flags;
	u32 value;
	int bar;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		flags = pci_resource_flags(pdev, bar);
		pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * bar, &value);
		if (!flags && value && !PCI_POSSIBLE_ERROR(value))
			flags = IORESOURCE_UNSET;
		if (flags & IORESOURCE_UNSET)
			pci_warn(pdev, "BAR %d has no address\n", bar);
		/* The low bits are those of a 64-bit memory BAR: the next register is its too. */
		if ((value & 7) == PCI_BASE_ADDRESS_MEM_TYPE_64)
			bar++;
	}
}

/**
 * p2pbuf_regions_init - claim all memory BARs and fill in @exp->regions
 * @exp: the exporter, with its function enabled
 *
 * Undone by devres.
 *
 * Return: 0, or -EBUSY (a BAR is claimed by another driver), -ENOMEM.
 */
int p2pbuf_regions_init(struct p2pbuf_exporter *exp)
{
	int bar, ret;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		ret = region_init(exp->pdev, bar, &exp->regions[bar]);
		if (ret)
			return dev_err_probe(&exp->pdev->dev, ret,
					     "cannot claim BAR %d\n", bar);
	}
	return 0;
}
