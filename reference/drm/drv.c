// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reference GPU importer: a GEM driver that imports memory without struct page by
 * PRIME, for authors of GPU drivers to compare with and to copy from. It has no buffers of
 * its own, no address spaces and no command streams: a "GPU" that can copy.
 *
 * object.c is what any importer of the kind has to do, copy.c what its command submission
 * has to.
 */
#include <linux/module.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_managed.h>
#include <drm/p2pbuf_drm.h>

#include "drv.h"

static unsigned int dma_bits = 28;
module_param(dma_bits, uint, 0444);
MODULE_PARM_DESC(dma_bits,
		 "Address bits that the DMA engine drives, as of p2pbuf_importer [default: 28, as QEMU's]");

DEFINE_DRM_GEM_FOPS(p2pbuf_drm_fops);

static const struct drm_ioctl_desc ioctls[] = {
	DRM_IOCTL_DEF_DRV(P2PBUF_COPY, p2pbuf_drm_copy_ioctl, DRM_RENDER_ALLOW),
};

static const struct drm_driver p2pbuf_drm_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER | DRIVER_SYNCOBJ,
	/* Not the core's, which attaches statically, maps at once, and for good. */
	.gem_prime_import = p2pbuf_drm_prime_import,
	.ioctls = ioctls,
	.num_ioctls = ARRAY_SIZE(ioctls),
	.fops = &p2pbuf_drm_fops,
	.name = P2PBUF_DRM_NAME,
	.desc = "Reference importer of DMABUFs without struct page",
	.major = 1,
	.minor = 0,
};

static void put_workqueue(struct drm_device *drm, void *wq)
{
	destroy_workqueue(wq);
}

/*
 * Neither may wait for memory or for a thaw, as exporters wait for both. Two queues: what
 * signals fences must not wait for a reservation lock. Of two objects to be unmapped none
 * waits for the other's jobs.
 */
static int create_workqueues(struct p2pbuf_drm *pdrm)
{
	pdrm->jobs = drmm_alloc_ordered_workqueue(&pdrm->drm, "p2pbuf_drm_jobs",
						  WQ_MEM_RECLAIM);
	if (IS_ERR(pdrm->jobs))
		return PTR_ERR(pdrm->jobs);
	pdrm->unmaps = alloc_workqueue("p2pbuf_drm_unmaps", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!pdrm->unmaps)
		return -ENOMEM;
	return drmm_add_action_or_reset(&pdrm->drm, put_workqueue, pdrm->unmaps);
}

static int p2pbuf_drm_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct p2pbuf_drm *pdrm;
	int ret;

	/* First in, last out: the interrupt handler uses it until devres. */
	pdrm = devm_drm_dev_alloc(&pdev->dev, &p2pbuf_drm_driver, struct p2pbuf_drm, drm);
	if (IS_ERR(pdrm))
		return PTR_ERR(pdrm);
	INIT_LIST_HEAD(&pdrm->objects);
	pdrm->context = dma_fence_context_alloc(1);
	ret = drmm_mutex_init(&pdrm->drm, &pdrm->lock);
	if (!ret)
		ret = drmm_mutex_init(&pdrm->drm, &pdrm->timeline);
	if (!ret)
		ret = create_workqueues(pdrm);
	if (!ret)
		ret = edu_init(&pdrm->edu, pdev, dma_bits);
	if (ret)
		return ret;

	pci_set_master(pdev);
	ret = edu_keep_state(&pdrm->edu);
	if (!ret)
		ret = drm_dev_register(&pdrm->drm, 0);
	if (ret)
		pci_clear_master(pdev);
	return ret;
}

/*
 * drm_dev_unplug() waits until whoever is between drm_dev_enter() and drm_dev_exit() is out
 * of there, after which nobody maps or starts a job. Users keep their objects, attached,
 * until they close them; but none is mapped for a function that is not ours any more.
 */
static void p2pbuf_drm_remove(struct pci_dev *pdev)
{
	struct p2pbuf_drm *pdrm =
		container_of(pci_get_drvdata(pdev), struct p2pbuf_drm, edu);

	drm_dev_unplug(&pdrm->drm);
	/* ... when the jobs of each are over, which are all that there are. */
	p2pbuf_drm_objects_unmap(pdrm);
	pci_clear_master(pdev);
}

/* By driver_override alone: an edu function is the importer's by default. */
static struct pci_driver p2pbuf_drm_pci_driver = {
	.name = P2PBUF_DRM_NAME,
	.probe = p2pbuf_drm_probe,
	.remove = p2pbuf_drm_remove,
	/*
	 * Jobs that meet a reset, an error or a suspend end with an error in their fence; a
	 * GPU driver would keep them, or start them again. Mappings stay.
	 */
	.err_handler = &edu_err_handler,
	.driver.pm = pm_sleep_ptr(&edu_pm_ops),
};

static int __init p2pbuf_drm_init(void)
{
	if (!dma_bits || dma_bits > 64) {
		pr_err(P2PBUF_DRM_NAME ": dma_bits must be 1 to 64\n");
		return -EINVAL;
	}
	return pci_register_driver(&p2pbuf_drm_pci_driver);
}
module_init(p2pbuf_drm_init);

static void __exit p2pbuf_drm_exit(void)
{
	pci_unregister_driver(&p2pbuf_drm_pci_driver);
}
module_exit(p2pbuf_drm_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Reference GPU importer: DMABUFs without struct page in a GEM driver");
MODULE_VERSION(P2PBUF_VERSION);
MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("P2PBUF_EDU");
