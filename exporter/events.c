// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can happen to a PCI function while its memory is exported. Each event takes access
 * away before the memory goes, but for errors, which come first, and gives it back if it is
 * there again.
 *
 * The PCI core calls all of these, and remove(), with the device lock held
 * (drivers/pci/pci.c, drivers/pci/pcie/err.c, Documentation/PCI/pci-error-recovery.rst);
 * the ioctls take it too. So one callback is over before the next begins; an event that has
 * two of them can have others in between.
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/pm.h>
#include <linux/pm_runtime.h>

#include "exporter.h"

/* A VF's are zero and its PF's business (drivers/pci/iov.c), a fixed one may have no register. */
static bool has_register(const struct pci_dev *pdev, const struct resource *res)
{
	return !pdev->is_virtfn && (res->flags & IORESOURCE_MEM) && resource_size(res) &&
	       !(res->flags & (IORESOURCE_UNSET | IORESOURCE_PCI_FIXED));
}

static bool bar_is_set(struct pci_dev *pdev, unsigned int bar)
{
	const struct resource *res = pci_resource_n(pdev, bar);
	int reg = PCI_BASE_ADDRESS_0 + 4 * bar;
	u32 low, high = 0;

	if (!has_register(pdev, res))
		return true;
	pci_read_config_dword(pdev, reg, &low);
	if (res->flags & IORESOURCE_MEM_64)
		pci_read_config_dword(pdev, reg + 4, &high);
	low &= PCI_BASE_ADDRESS_MEM_MASK;
	return ((u64)high << 32 | low) == pci_bus_address(pdev, bar);
}

/* All ones is what a function that does not answer reads; a VF has no memory bit. */
static bool set_memory_bit(struct pci_dev *pdev, bool on)
{
	u16 command;

	pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (PCI_POSSIBLE_ERROR(command))
		return false;
	command &= ~PCI_COMMAND_MEMORY;
	if (on)
		command |= PCI_COMMAND_MEMORY;
	pci_write_config_word(pdev, PCI_COMMAND, command);
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	return !PCI_POSSIBLE_ERROR(command) &&
	       (pdev->is_virtfn || !(command & PCI_COMMAND_MEMORY) == !on);
}

/* Answers, has its addresses, and decodes memory or not. */
static bool is_usable(struct pci_dev *pdev, bool memory)
{
	unsigned int bar;

	if (!pci_device_is_present(pdev))
		return false;
	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (!bar_is_set(pdev, bar))
			return false;
	return set_memory_bit(pdev, memory);
}

/**
 * p2pbuf_exporter_keep_state - keep the state of configuration space that is restored
 * @exp: the exporter, being probed
 *
 * The PCI core saves a state at the beginning of each reset and of each suspend, and restores
 * that: if the function did not come back from the one before, it is a state without
 * addresses, and a reset that works ends in it. So ours is kept apart.
 *
 * Return: 0, -EIO (the function does not answer, or has other addresses than the kernel
 * believes), -ENOMEM.
 */
int p2pbuf_exporter_keep_state(struct p2pbuf_exporter *exp)
{
	if (!is_usable(exp->pdev, true))
		return dev_err_probe(exp->dev, -EIO, "does not answer or decode\n");
	pci_save_state(exp->pdev);
	exp->state = pci_store_saved_state(exp->pdev);
	return exp->state ? 0 : -ENOMEM;
}

static void restore_state(struct p2pbuf_exporter *exp)
{
	pci_load_saved_state(exp->pdev, exp->state);
	pci_restore_state(exp->pdev);
}

/* Usable as soon as @ended is over, if need be with the kept state. */
static bool is_back(struct p2pbuf_exporter *exp, u32 ended)
{
	bool memory = !(exp->losses & ~ended & P2PBUF_LOSS_MEMORY_OFF);

	if (is_usable(exp->pdev, memory))
		return true;
	restore_state(exp);
	return is_usable(exp->pdev, memory);
}

/*
 * Give access back, if the function answers and decodes as it should: that is read, as events
 * end without a result. Otherwise the loss becomes another, which a reset ends.
 */
static int end_loss(struct p2pbuf_exporter *exp, enum p2pbuf_loss loss)
{
	if (!is_back(exp, loss)) {
		if (!(exp->losses & P2PBUF_LOSS_FAILED))
			dev_err(exp->dev, "does not answer or decode, reset it\n");
		/* Only of this one the caller can be killed, and nothing follows the wait. */
		p2pbuf_exporter_revoke(exp, P2PBUF_LOSS_FAILED, loss == P2PBUF_LOSS_MEMORY_OFF);
	}
	p2pbuf_exporter_restore(exp, loss);
	return exp->losses & P2PBUF_LOSS_FAILED ? -EIO : 0;
}

static void reset_prepare(struct pci_dev *pdev)
{
	p2pbuf_exporter_revoke(pci_get_drvdata(pdev), P2PBUF_LOSS_RESET, false);
}

static void reset_done(struct pci_dev *pdev)
{
	struct p2pbuf_exporter *exp = pci_get_drvdata(pdev);

	p2pbuf_exporter_restore(exp, P2PBUF_LOSS_FAILED);
	end_loss(exp, P2PBUF_LOSS_RESET);
}

/*
 * The link may be frozen, but importers must have let go before it is reset. A recovery ends
 * with resume, or for a function without one with a permanent failure, whatever resets are
 * in between (drivers/pci/pcie/err.c, pcie_do_recovery()).
 */
static pci_ers_result_t error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct p2pbuf_exporter *exp = pci_get_drvdata(pdev);

	switch (state) {
	case pci_channel_io_perm_failure:
		p2pbuf_exporter_revoke(exp, P2PBUF_LOSS_FAILED, false);
		p2pbuf_exporter_restore(exp, P2PBUF_LOSS_ERROR);
		return PCI_ERS_RESULT_DISCONNECT;
	case pci_channel_io_frozen:
		p2pbuf_exporter_revoke(exp, P2PBUF_LOSS_ERROR, false);
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		p2pbuf_exporter_revoke(exp, P2PBUF_LOSS_ERROR, false);
		return PCI_ERS_RESULT_CAN_RECOVER;
	}
}

static pci_ers_result_t mmio_enabled(struct pci_dev *pdev)
{
	return PCI_ERS_RESULT_RECOVERED;
}

/*
 * As good a reset as any other, but access stays lost until resume, and the PCI core leaves it to
 * the driver to restore the state.
 */
static pci_ers_result_t slot_reset(struct pci_dev *pdev)
{
	struct p2pbuf_exporter *exp = pci_get_drvdata(pdev);

	restore_state(exp);
	if (!is_back(exp, 0))
		return PCI_ERS_RESULT_DISCONNECT;
	p2pbuf_exporter_restore(exp, P2PBUF_LOSS_FAILED);
	return PCI_ERS_RESULT_RECOVERED;
}

static void error_resume(struct pci_dev *pdev)
{
	end_loss(pci_get_drvdata(pdev), P2PBUF_LOSS_ERROR);
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
	p2pbuf_exporter_revoke(dev_get_drvdata(dev), P2PBUF_LOSS_SUSPEND, false);
	return 0;
}

static int resume(struct device *dev)
{
	return end_loss(dev_get_drvdata(dev), P2PBUF_LOSS_SUSPEND);
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
	int ret;

	if (device_lock_interruptible(exp->dev))
		return -ERESTARTSYS;
	ret = exp->losses & P2PBUF_LOSS_REMOVED ? -ENODEV : pm_runtime_resume_and_get(exp->dev);
	if (ret)
		device_unlock(exp->dev);
	return ret;
}

static void end_event(struct p2pbuf_exporter *exp)
{
	pm_runtime_put(exp->dev);
	device_unlock(exp->dev);
}

/* For what does not happen if the caller is killed first. */
static int try_revoke(struct p2pbuf_exporter *exp, enum p2pbuf_loss loss)
{
	int ret = exp->losses & loss ? 0 : p2pbuf_exporter_revoke(exp, loss, true);

	if (ret)
		p2pbuf_exporter_restore(exp, loss);
	return ret;
}

/*
 * Configuration space is closed to others last: who waits for it cannot be killed, and
 * importers may take their time. A device lock that is held keeps out who would take both.
 */
static int reset_locked(struct p2pbuf_exporter *exp, struct pci_dev *bridge)
{
	struct pci_dev *pdev = exp->pdev;
	int ret;

	if (!pdev->reset_methods[0])
		return -EOPNOTSUPP;
	ret = try_revoke(exp, P2PBUF_LOSS_RESET);
	if (ret)
		return ret;
	if (bridge)
		pci_cfg_access_lock(bridge);
	pci_cfg_access_lock(pdev);
	ret = pci_reset_function_locked(pdev);
	pci_cfg_access_unlock(pdev);
	if (bridge)
		pci_cfg_access_unlock(bridge);
	/* The methods are gone meanwhile, by sysfs: nothing was done, and reset_done not called. */
	if (exp->losses & P2PBUF_LOSS_RESET)
		end_loss(exp, P2PBUF_LOSS_RESET);
	/* -ENOTTY is also that the function is not ready again (pci_dev_wait()). */
	if (exp->losses & P2PBUF_LOSS_FAILED)
		return -EIO;
	return ret == -ENOTTY ? -EOPNOTSUPP : ret;
}

/* A VF holds its PF, below whose port it is, only as long as it is bound. */
static int get_bridge(struct p2pbuf_exporter *exp, struct pci_dev **bridge)
{
	guard(mutex)(&exp->lock);
	if (!exp->pdev)
		return -ENODEV;
	*bridge = pci_dev_get(pci_upstream_bridge(exp->pdev));
	return 0;
}

/**
 * p2pbuf_exporter_reset - carry out P2PBUF_IOCTL_RESET
 * @exp: the exporter
 *
 * pci_reset_function() for a function that may be another driver's by the time it is locked.
 * Some methods reset the bus below the upstream bridge, which is locked first, as there.
 *
 * Context: may sleep, as long as importers take to unmap.
 * Return: 0, -ENODEV (unbound), -ERESTARTSYS (a signal; access is as it was), -EOPNOTSUPP (no way
 * to reset the function), -EIO (it is not back), or an error of its resume or of
 * pci_reset_function_locked().
 */
int p2pbuf_exporter_reset(struct p2pbuf_exporter *exp)
{
	struct pci_dev *bridge __free(pci_dev_put) = NULL;
	int ret;

	ret = get_bridge(exp, &bridge);
	if (ret)
		return ret;
	if (bridge && device_lock_interruptible(&bridge->dev))
		return -ERESTARTSYS;
	ret = begin_event(exp);
	if (!ret) {
		ret = reset_locked(exp, bridge);
		end_event(exp);
	}
	if (bridge)
		device_unlock(&bridge->dev);
	return ret;
}

/**
 * p2pbuf_exporter_set_memory - carry out P2PBUF_IOCTL_MEMORY
 * @exp: the exporter
 * @on: memory decoding is to be on
 *
 * Context: may sleep, as long as importers take to unmap.
 * Return: 0, -ENODEV (unbound), -ERESTARTSYS (a signal; access is as it was), -EIO (to be on, and
 * the function does not answer or decode), or an error of its resume.
 */
int p2pbuf_exporter_set_memory(struct p2pbuf_exporter *exp, bool on)
{
	int ret;

	ret = begin_event(exp);
	if (ret)
		return ret;
	if (on) {
		ret = end_loss(exp, P2PBUF_LOSS_MEMORY_OFF);
	} else {
		ret = try_revoke(exp, P2PBUF_LOSS_MEMORY_OFF);
		if (!ret)
			set_memory_bit(exp->pdev, false);
	}
	end_event(exp);
	return ret;
}
