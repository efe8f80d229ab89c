// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can happen to the function. Mappings stay, as they are the IOMMU's and the
 * switch's; only the engine must be idle.
 *
 * The PCI core calls all of these with the device lock held.
 */
#include <linux/export.h>
#include <linux/pci.h>
#include <linux/pm.h>

#include <p2pbuf_edu.h>

static void reset_prepare(struct pci_dev *pdev)
{
	edu_pause(pci_get_drvdata(pdev), EDU_RESET);
}

static void reset_done(struct pci_dev *pdev)
{
	edu_resume(pci_get_drvdata(pdev), EDU_RESET);
}

static pci_ers_result_t error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	edu_pause(pci_get_drvdata(pdev), EDU_ERROR);
	switch (state) {
	case pci_channel_io_perm_failure:
		edu_fail(pci_get_drvdata(pdev));
		return PCI_ERS_RESULT_DISCONNECT;
	case pci_channel_io_frozen:
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		return PCI_ERS_RESULT_CAN_RECOVER;
	}
}

static pci_ers_result_t mmio_enabled(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

static pci_ers_result_t slot_reset(struct pci_dev *pdev)
{
	return edu_recover(pci_get_drvdata(pdev)) ? PCI_ERS_RESULT_RECOVERED :
						    PCI_ERS_RESULT_DISCONNECT;
}

static void error_resume(struct pci_dev *pdev)
{
	edu_resume(pci_get_drvdata(pdev), EDU_ERROR);
}

const struct pci_error_handlers edu_err_handler = {
	.error_detected = error_detected,
	.mmio_enabled = mmio_enabled,
	.slot_reset = slot_reset,
	.resume = error_resume,
	.reset_prepare = reset_prepare,
	.reset_done = reset_done,
};
EXPORT_SYMBOL_NS_GPL(edu_err_handler, "P2PBUF_EDU");

static int suspend(struct device *dev)
{
	edu_pause(dev_get_drvdata(dev), EDU_SUSPEND);
	return 0;
}

static int resume(struct device *dev)
{
	edu_resume(dev_get_drvdata(dev), EDU_SUSPEND);
	return 0;
}

const struct dev_pm_ops edu_pm_ops = {
	SYSTEM_SLEEP_PM_OPS(suspend, resume)
};
EXPORT_SYMBOL_NS_GPL(edu_pm_ops, "P2PBUF_EDU");
