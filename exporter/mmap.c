// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU mappings of a DMABUF: the same ranges in the same order.
 *
 * Pages are inserted one fault at a time under the reservation lock, and revoking
 * takes that lock too: after the zap no page can come back.
 * Lock order: mmap_lock, reservation lock, i_mmap (drivers/dma-buf/dma-resv.c).
 */
#include <linux/mm.h>

#include "exporter.h"

static vm_fault_t buffer_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct p2pbuf_buffer *buf = vma->vm_private_data;
	u64 offset = (u64)vmf->pgoff << PAGE_SHIFT;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	u64 run;

	if (dma_resv_lock_interruptible(&buf->resv, NULL))
		return VM_FAULT_NOPAGE;
	if (!buf->revoked && offset < buf->ranges->size)
		ret = vmf_insert_pfn(vma, vmf->address,
				     PHYS_PFN(p2pbuf_ranges_find(buf->ranges,
								 offset, &run)));
	dma_resv_unlock(&buf->resv);
	return ret;
}

/* Another VMA of the same DMABUF is there, so this does not fail. */
static void buffer_vm_open(struct vm_area_struct *vma)
{
	struct p2pbuf_buffer *buf = vma->vm_private_data;

	dma_resv_lock(&buf->resv, NULL);
	buf->nr_users++;
	dma_resv_unlock(&buf->resv);
}

static void buffer_vm_close(struct vm_area_struct *vma)
{
	struct p2pbuf_buffer *buf = vma->vm_private_data;

	dma_resv_lock(&buf->resv, NULL);
	p2pbuf_buffer_power_put(buf);
	dma_resv_unlock(&buf->resv);
}

static const struct vm_operations_struct buffer_vm_ops = {
	.open = buffer_vm_open,
	.close = buffer_vm_close,
	.fault = buffer_fault,
};

/**
 * p2pbuf_buffer_mmap - dma_buf_ops.mmap
 * @dmabuf: the DMABUF; the core checked offset and length against its size
 * @vma: to be set up
 *
 * Return: 0, -EINVAL (a private mapping would copy MMIO), -ENODEV (revoked), or an error of
 * the function's resume.
 */
int p2pbuf_buffer_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct p2pbuf_buffer *buf = dmabuf->priv;
	int ret;

	/* Not VM_SHARED: do_mmap() clears that if the file is read-only. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;

	dma_resv_lock(&buf->resv, NULL);
	ret = buf->revoked ? -ENODEV : p2pbuf_buffer_power_get(buf);
	dma_resv_unlock(&buf->resv);
	if (ret)
		return ret;

	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	if (buf->write_combining)
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	else
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_page_prot = pgprot_decrypted(vma->vm_page_prot);
	vma->vm_private_data = buf;
	vma->vm_ops = &buffer_vm_ops;
	return 0;
}

/**
 * p2pbuf_buffer_zap - take all CPU mappings away
 * @buf: a revoked buffer
 *
 * Context: the reservation lock is held, so that no fault brings a page back.
 */
void p2pbuf_buffer_zap(struct p2pbuf_buffer *buf)
{
	dma_resv_assert_held(&buf->resv);
	unmap_mapping_range(buf->inode->i_mapping, 0, 0, 1);
}
