// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2pbuf importer: maps DMABUFs for QEMU's edu function and moves their data by its
 * DMA engine.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "importer.h"

static unsigned int dma_bits = 28;
module_param(dma_bits, uint, 0444);
MODULE_PARM_DESC(dma_bits,
		 "Address bits that the DMA engine drives, as QEMU's edu property dma_mask says, which cannot be read from the function [default: 28, as QEMU's]");

struct workqueue_struct *p2pbuf_unmap_wq;
struct workqueue_struct *p2pbuf_job_wq;

static void importer_release(struct kref *kref)
{
	struct p2pbuf_importer *importer =
		container_of(kref, struct p2pbuf_importer, kref);

	mutex_destroy(&importer->lock);
	kfree(importer);
}

/**
 * p2pbuf_importer_put - drop a reference
 * @importer: the importer
 */
void p2pbuf_importer_put(struct p2pbuf_importer *importer)
{
	kref_put(&importer->kref, importer_release);
}

static void put_binding(void *importer)
{
	p2pbuf_importer_put(importer);
}

static int setup(struct p2pbuf_importer *importer, struct pci_dev *pdev)
{
	int ret;

	importer->edu.timeouts = &importer->counts[P2PBUF_IMPORTER_TIMEOUTS];
	ret = edu_init(&importer->edu, pdev, dma_bits);
	if (ret)
		return ret;

	pci_set_master(pdev);
	ret = edu_keep_state(&importer->edu);
	if (!ret)
		ret = p2pbuf_node_register(&importer->misc, &pdev->dev, "importer",
					   &p2pbuf_importer_fops);
	if (ret)
		pci_clear_master(pdev);
	return ret;
}

static int p2pbuf_importer_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct p2pbuf_importer *importer;
	int ret;

	importer = kzalloc_obj(*importer);
	if (!importer)
		return -ENOMEM;

	kref_init(&importer->kref);
	mutex_init(&importer->lock);
	init_rwsem(&importer->maps);
	init_waitqueue_head(&importer->events);
	INIT_LIST_HEAD(&importer->imports);
	importer->bound = true;

	/* First in, last out: the interrupt handler uses the importer until devres. */
	ret = devm_add_action_or_reset(&pdev->dev, put_binding, importer);
	if (ret)
		return ret;
	ret = setup(importer, pdev);
	if (!ret)
		p2pbuf_importer_debugfs_add(importer);
	return ret;
}

static void p2pbuf_importer_remove(struct pci_dev *pdev)
{
	struct p2pbuf_importer *importer =
		container_of(pci_get_drvdata(pdev), struct p2pbuf_importer, edu);

	misc_deregister(&importer->misc);

	mutex_lock(&importer->lock);
	WRITE_ONCE(importer->bound, false);
	mutex_unlock(&importer->lock);
	wake_up_all(&importer->events);

	p2pbuf_attachments_shutdown(importer);
	p2pbuf_importer_debugfs_remove(importer);
	pci_clear_master(pdev);
}

static const struct pci_device_id p2pbuf_importer_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR_ID, EDU_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, p2pbuf_importer_ids);

static struct pci_driver p2pbuf_importer_driver = {
	.name = P2PBUF_IMPORTER_NAME,
	.id_table = p2pbuf_importer_ids,
	.probe = p2pbuf_importer_probe,
	.remove = p2pbuf_importer_remove,
	.err_handler = &edu_err_handler,
	.driver.pm = pm_sleep_ptr(&edu_pm_ops),
};

/*
 * Neither answers to invalidate_mappings nor fences may wait for memory or for a thaw.
 * Two queues, as the former wait for the latter.
 */
static int create_workqueues(void)
{
	p2pbuf_unmap_wq = alloc_workqueue("p2pbuf_unmap", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!p2pbuf_unmap_wq)
		return -ENOMEM;
	p2pbuf_job_wq = alloc_workqueue("p2pbuf_job", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (p2pbuf_job_wq)
		return 0;
	destroy_workqueue(p2pbuf_unmap_wq);
	return -ENOMEM;
}

static void destroy_workqueues(void)
{
	destroy_workqueue(p2pbuf_job_wq);
	destroy_workqueue(p2pbuf_unmap_wq);
}

static int __init p2pbuf_importer_init(void)
{
	int ret;

	if (!dma_bits || dma_bits > 64) {
		pr_err(P2PBUF_IMPORTER_NAME ": dma_bits must be 1 to 64\n");
		return -EINVAL;
	}

	ret = create_workqueues();
	if (ret)
		return ret;
	p2pbuf_importers_debugfs_init();
	ret = pci_register_driver(&p2pbuf_importer_driver);
	if (ret) {
		p2pbuf_importers_debugfs_exit();
		destroy_workqueues();
	}
	return ret;
}
module_init(p2pbuf_importer_init);

static void __exit p2pbuf_importer_exit(void)
{
	pci_unregister_driver(&p2pbuf_importer_driver);
	p2pbuf_importers_debugfs_exit();
	destroy_workqueues();
}
module_exit(p2pbuf_importer_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Imports DMABUFs for QEMU's edu function and moves data by its DMA engine");
MODULE_VERSION(P2PBUF_VERSION);
MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("P2PBUF_EDU");
