// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can happen to a PCI function while its memory is exported. Each event takes access
 * away before the memory goes, and gives it back when it is there again.
 *
 * The PCI core calls all of these, and remove(), with the device lock held
 * (drivers/pci/pci.c, drivers/pci/pcie/err.c, Documentation/PCI/pci-error-recovery.rst);
 * the ioctls take it too. So one event is over before the next begins.
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/pm.h>
#include <linux/pm_runtime.h>

#include "exporter.h"

static void reset_prepare(struct pci_dev *pdev)
{
	p2pbuf_exporter_revoke(pci_get_drvdata(pdev), P2PBUF_LOSS_RESET);
}

static void reset_done(struct pci_dev *pdev)
{
	p2pbuf_exporter_restore(pci_get_drvdata(pdev), P2PBUF_LOSS_RESET);
}

/* The link may be frozen, but importers must have let go before it is reset. */
static pci_ers_result_t error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	p2pbuf_exporter_revoke(pci_get_drvdata(pdev), P2PBUF_LOSS_ERROR);
	switch (state) {
	case pci_channel_io_perm_failure:
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

/* Saved at probe and with each change of ours; a restored state can be restored once. */
static pci_ers_result_t slot_reset(struct pci_dev *pdev)
{
	pci_restore_state(pdev);
	pci_save_state(pdev);
	return PCI_ERS_RESULT_RECOVERED;
}

static void error_resume(struct pci_dev *pdev)
{
	p2pbuf_exporter_restore(pci_get_drvdata(pdev), P2PBUF_LOSS_ERROR);
}

const struct pci_error_handlers p2pbuf_exporter_err_handler = {
	.error_detected = error_detected,
	.mmio_enabled = mmio_enabled,
	.slot_reset = slot_reset,
	.resume = error_resume,
	.reset_prepare = reset_prepare,
	.reset_done = reset_done,
};

static int suspend(struct device *dev)
{
	p2pbuf_exporter_revoke(dev_get_drvdata(dev), P2PBUF_LOSS_SUSPEND);
	return 0;
}

static int resume(struct device *dev)
{
	p2pbuf_exporter_restore(dev_get_drvdata(dev), P2PBUF_LOSS_SUSPEND);
	return 0;
}

const struct dev_pm_ops p2pbuf_exporter_pm_ops = {
	SYSTEM_SLEEP_PM_OPS(suspend, resume)
};

/*
 * The device lock of a function that is bound, which is awake until end_event(): a runtime
 * suspend would save, and restore later, what the event makes of configuration space.
 */
static int begin_event(struct p2pbuf_exporter *exp)
{
	if (device_lock_interruptible(exp->dev))
		return -EINTR;
	if (exp->losses & P2PBUF_LOSS_REMOVED) {
		device_unlock(exp->dev);
		return -ENODEV;
	}
	pm_runtime_get_sync(exp->dev);
	return 0;
}

static void end_event(struct p2pbuf_exporter *exp)
{
	pm_runtime_put(exp->dev);
	device_unlock(exp->dev);
}

/**
 * p2pbuf_exporter_reset - carry out P2PBUF_IOCTL_RESET
 * @exp: the exporter
 *
 * Context: may sleep, as long as importers take to unmap.
 * Return: 0, -ENODEV (unbound), -EINTR, -EOPNOTSUPP (no way to reset the function), or an
 * error of pci_reset_function_locked().
 */
int p2pbuf_exporter_reset(struct p2pbuf_exporter *exp)
{
	int ret;

	ret = begin_event(exp);
	if (ret)
		return ret;
	ret = pci_reset_function_locked(exp->pdev);
	end_event(exp);
	return ret == -ENOTTY ? -EOPNOTSUPP : ret;
}

static void write_memory_bit(struct pci_dev *pdev, bool on)
{
	u16 command;

	pci_read_config_word(pdev, PCI_COMMAND, &command);
	command &= ~PCI_COMMAND_MEMORY;
	if (on)
		command |= PCI_COMMAND_MEMORY;
	pci_write_config_word(pdev, PCI_COMMAND, command);
	pci_save_state(pdev);
}

/**
 * p2pbuf_exporter_set_memory - carry out P2PBUF_IOCTL_MEMORY
 * @exp: the exporter
 * @on: memory decoding is to be on
 *
 * Context: may sleep, as long as importers take to unmap.
 * Return: 0, -ENODEV (unbound), -EINTR.
 */
int p2pbuf_exporter_set_memory(struct p2pbuf_exporter *exp, bool on)
{
	int ret;

	ret = begin_event(exp);
	if (ret)
		return ret;
	if (on) {
		write_memory_bit(exp->pdev, true);
		p2pbuf_exporter_restore(exp, P2PBUF_LOSS_MEMORY_OFF);
	} else {
		p2pbuf_exporter_revoke(exp, P2PBUF_LOSS_MEMORY_OFF);
		write_memory_bit(exp->pdev, false);
	}
	end_event(exp);
	return 0;
}
