// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU mappings of a DMABUF: the same ranges in the same order, a page per fault.
 *
 * None of this takes the reservation lock, which others hold for as long as a map takes:
 * a fault in kernel mode cannot be killed. Lock order: mmap_lock, the buffer's lock, i_mmap.
 *
 * VM_MIXEDMAP, not VM_PFNMAP: the page frame numbers of the latter are what VFIO's type 1
 * maps for a device and keeps, without a notifier (drivers/vfio/vfio_iommu_type1.c,
 * vaddr_get_pfns()). VM_IO keeps get_user_pages() away (mm/gup.c, check_vma_flags()).
 */
#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/mm.h>

#include "exporter.h"

static vm_fault_t buffer_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct p2pbuf_buffer *buf = vma->vm_private_data;
	u64 offset = (u64)vmf->pgoff << PAGE_SHIFT;
	u64 run;

	guard(mutex)(&buf->lock);
	if (buf->revoked || offset >= buf->ranges->size)
		return VM_FAULT_SIGBUS;
	return vmf_insert_mixed(vma, vmf->address,
				PHYS_PFN(p2pbuf_ranges_find(buf->ranges, offset, &run)));
}

/* Another VMA of the same DMABUF is there, so this does not fail. */
static void buffer_vm_open(struct vm_area_struct *vma)
{
	p2pbuf_access_get_more(vma->vm_private_data);
}

static void buffer_vm_close(struct vm_area_struct *vma)
{
	p2pbuf_access_put(vma->vm_private_data);
}

static const struct vm_operations_struct buffer_vm_ops = {
	.open = buffer_vm_open,
	.close = buffer_vm_close,
	.fault = buffer_fault,
};

/**
 * p2pbuf_buffer_mmap - dma_buf_ops.mmap
 * @dmabuf: the DMABUF; the core checked offset and length against its size
 * @vma: to be set up; of the DMABUF's file, or of another driver's that calls
 *	dma_buf_mmap(), whose open mode says nothing of the DMABUF's
 *
 * Return: 0, -EINVAL (a private mapping would copy MMIO), -EACCES (writable, and the DMABUF
 * is O_RDONLY; the DMABUF is O_WRONLY), or an error of p2pbuf_access_get().
 */
int p2pbuf_buffer_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct p2pbuf_buffer *buf = dmabuf->priv;
	int ret;

	/* Not VM_SHARED: do_mmap() clears that if the file is read-only. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (!buf->writable && (vma->vm_flags & VM_WRITE))
		return -EACCES;
	/* No page can be written and not read. */
	if (!(dmabuf->file->f_mode & FMODE_READ))
		return -EACCES;

	ret = p2pbuf_access_get(buf);
	if (ret)
		return ret;

	if (!buf->writable)
		vm_flags_clear(vma, VM_MAYWRITE);
	vm_flags_set(vma, VM_IO | VM_MIXEDMAP | VM_DONTEXPAND | VM_DONTDUMP);
	if (buf->write_combining)
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	else
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_page_prot = pgprot_decrypted(vma->vm_page_prot);
	vma->vm_private_data = buf;
	vma->vm_ops = &buffer_vm_ops;
	return 0;
}
