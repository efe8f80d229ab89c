// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2pbuf exporter: a PCI function whose BARs can be exported as DMABUFs.
 *
 * Binds like vfio-pci: by driver_override or new_id, never by itself.
 */
#include <linux/module.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "exporter.h"

static void exporter_release(struct kref *kref)
{
	struct p2pbuf_exporter *exp = container_of(kref, struct p2pbuf_exporter, kref);

	mutex_destroy(&exp->lock);
	put_device(exp->dev);
	kfree(exp->state);
	kfree(exp);
}

/**
 * p2pbuf_exporter_put - drop a reference
 * @exp: the exporter
 */
void p2pbuf_exporter_put(struct p2pbuf_exporter *exp)
{
	kref_put(&exp->kref, exporter_release);
}

static int setup(struct p2pbuf_exporter *exp)
{
	struct pci_dev *pdev = exp->pdev;
	int ret;

	ret = pcim_enable_device(pdev);
	p2pbuf_regions_warn(pdev);
	if (ret)
		return dev_err_probe(&pdev->dev, ret, "cannot be enabled\n");
	/* First, as what does not answer says nothing true of itself. */
	ret = p2pbuf_exporter_keep_state(exp);
	if (ret)
		return ret;
	ret = p2pbuf_regions_init(exp);
	if (ret)
		return ret;
	ret = p2pbuf_msix_init(exp);
	if (ret)
		return ret;
	ret = pcim_p2pdma_init(pdev);
	if (ret)
		return dev_err_probe(&pdev->dev, ret, "no peer-to-peer support\n");
	return p2pbuf_node_register(&exp->misc, &pdev->dev, "exporter",
				    &p2pbuf_exporter_fops);
}

static int p2pbuf_exporter_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct p2pbuf_exporter *exp;
	int ret;

	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return -EINVAL;

	exp = kzalloc_obj(*exp);
	if (!exp)
		return -ENOMEM;

	kref_init(&exp->kref);
	mutex_init(&exp->lock);
	INIT_LIST_HEAD(&exp->buffers);
	exp->pdev = pdev;
	exp->dev = get_device(&pdev->dev);
	pci_set_drvdata(pdev, exp);

	ret = setup(exp);
	if (ret) {
		p2pbuf_exporter_put(exp);
		return ret;
	}
	/* The PCI core's reference of the probe: from now on users hold the function. */
	pm_runtime_put(&pdev->dev);
	return 0;
}

/*
 * Access ends here, before devres takes the provider and the BARs away: no new
 * buffer, no new mapping, then wait for the mappings there are.
 */
static void p2pbuf_exporter_remove(struct pci_dev *pdev)
{
	struct p2pbuf_exporter *exp = pci_get_drvdata(pdev);

	p2pbuf_exporter_revoke(exp, P2PBUF_LOSS_REMOVED, false);
	/* Until here its fdinfo says who is waited for. */
	misc_deregister(&exp->misc);
	pm_runtime_get_noresume(&pdev->dev);
	p2pbuf_exporter_put(exp);
}

static struct pci_driver p2pbuf_exporter_driver = {
	.name = P2PBUF_EXPORTER_NAME,
	.probe = p2pbuf_exporter_probe,
	.remove = p2pbuf_exporter_remove,
	.err_handler = &p2pbuf_exporter_err_handler,
	.driver.pm = pm_sleep_ptr(&p2pbuf_exporter_pm_ops),
};

static int __init p2pbuf_exporter_init(void)
{
	int ret;

	p2pbuf_register_phys(&p2pbuf_exporter_phys_ops);
	ret = pci_register_driver(&p2pbuf_exporter_driver);
	if (ret)
		p2pbuf_unregister_phys(&p2pbuf_exporter_phys_ops);
	return ret;
}
module_init(p2pbuf_exporter_init);

static void __exit p2pbuf_exporter_exit(void)
{
	pci_unregister_driver(&p2pbuf_exporter_driver);
	p2pbuf_unregister_phys(&p2pbuf_exporter_phys_ops);
}
module_exit(p2pbuf_exporter_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Exports PCI BAR ranges as DMABUFs for peer-to-peer DMA");
MODULE_VERSION(P2PBUF_VERSION);
MODULE_IMPORT_NS("DMA_BUF");
