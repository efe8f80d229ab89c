// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copy between a mapping and user memory by device DMA, chunk by chunk.
 *
 * User memory is touched between chunks only, with no lock held: it may be an mmap of
 * this very DMABUF, whose fault takes the reservation lock, and a fault may take as
 * long as somebody likes.
 */
#include <linux/cleanup.h>
#include <linux/dma-resv.h>
#include <linux/minmax.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "importer.h"

/**
 * p2pbuf_next_chunk - size and address of the next chunk
 * @att: the attachment, mapped
 * @offset: of the chunk, below the DMABUF's size
 * @len: bytes wanted
 * @addr: where to put the DMA address
 *
 * Within one segment, and as edu_chunk() has it within one page of DMA address space.
 *
 * Context: as of p2pbuf_attachment_find().
 * Return: bytes, not more than EDU_CHUNK; 0 if the mapping is too short.
 */
size_t p2pbuf_next_chunk(struct p2pbuf_attachment *att, u64 offset, u64 len,
			 dma_addr_t *addr)
{
	u64 run;

	*addr = p2pbuf_attachment_find(att, offset, &run);
	return edu_chunk(*addr, min(len, run));
}

/**
 * struct chunk - one step of a copy
 * @flags: enum p2pbuf_copy_flags
 * @offset: into the DMABUF, in bytes
 * @len: in: bytes in @data, or wanted there; out: bytes moved
 * @proven: out: it is certain that the data arrived
 * @data: kernel memory
 */
struct chunk {
	u32 flags;
	u64 offset;
	size_t len;
	bool proven;
	u8 data[EDU_CHUNK];
};

static int run_engine(struct p2pbuf_attachment *att, struct chunk *chunk, dma_addr_t addr)
{
	struct edu *edu = &att->importer->edu;

	if (!(chunk->flags & P2PBUF_COPY_TO_BUFFER))
		return edu_read_chunk(edu, addr, chunk->data, chunk->len,
				      &chunk->proven);

	return edu_write_chunk(edu, addr, chunk->data, chunk->len,
			       p2pbuf_reads_back(att, chunk->flags), &chunk->proven);
}

static int move_chunk(struct p2pbuf_attachment *att, struct chunk *chunk)
{
	struct p2pbuf_dma dma;
	dma_addr_t addr;
	int ret;

	ret = p2pbuf_dma_begin(att, chunk->flags & P2PBUF_COPY_TO_BUFFER, &dma);
	if (ret)
		return ret;
	chunk->len = p2pbuf_next_chunk(att, chunk->offset, chunk->len, &addr);
	ret = chunk->len ? run_engine(att, chunk, addr) : -EIO;
	p2pbuf_dma_end(&dma, ret);
	return ret;
}

static int copy_chunk(struct p2pbuf_attachment *att, struct p2pbuf_copy *args,
		      struct chunk *chunk)
{
	void __user *user = u64_to_user_ptr(args->user + args->copied);
	int ret;

	chunk->offset = args->offset + args->copied;
	chunk->len = min_t(u64, args->length - args->copied, EDU_CHUNK);

	if ((chunk->flags & P2PBUF_COPY_TO_BUFFER) &&
	    copy_from_user(chunk->data, user, chunk->len))
		return -EFAULT;
	ret = move_chunk(att, chunk);
	if (ret)
		return ret;
	if (!(chunk->flags & P2PBUF_COPY_TO_BUFFER) &&
	    copy_to_user(user, chunk->data, chunk->len))
		return -EFAULT;

	args->copied += chunk->len;
	if (!chunk->proven)
		args->unproven += chunk->len;
	return 0;
}

static int check_args(struct p2pbuf_attachment *att, const struct p2pbuf_copy *args)
{
	u32 needed = args->flags & P2PBUF_COPY_TO_BUFFER ? P2PBUF_ACCESS_WRITE :
							   P2PBUF_ACCESS_READ;
	int ret;

	if (!(att->access & needed))
		return -EACCES;
	ret = p2pbuf_attachment_check_range(att, args->offset, args->length);
	if (ret)
		return ret;

	guard(mutex)(&att->lock);
	ret = p2pbuf_attachment_lock_mapped(att);
	if (!ret)
		dma_resv_unlock(att->dmabuf->resv);
	return ret;
}

static int copy_all(struct p2pbuf_attachment *att, struct p2pbuf_copy *args)
{
	struct chunk *chunk __free(kfree) = NULL;
	int ret;

	ret = check_args(att, args);
	if (ret)
		return ret;
	chunk = kmalloc_obj(*chunk, GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return -ENOMEM;
	chunk->flags = args->flags;

	while (args->copied < args->length) {
		if (signal_pending(current))
			return -EINTR;
		ret = copy_chunk(att, args, chunk);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * p2pbuf_attachment_copy - carry out P2PBUF_IOCTL_COPY
 * @att: the attachment; the caller holds a reference and no lock
 * @args: the call's arguments, flags checked; @copied and @unproven are set
 *
 * Context: may sleep.
 * Return: 0 or an error of the ioctl.
 */
int p2pbuf_attachment_copy(struct p2pbuf_attachment *att, struct p2pbuf_copy *args)
{
	int ret;

	args->copied = 0;
	args->unproven = 0;
	ret = copy_all(att, args);
	p2pbuf_count(att->importer,
		     ret ? P2PBUF_IMPORTER_FAILED_COPIES : P2PBUF_IMPORTER_COPIES, 1);
	p2pbuf_count(att->importer, P2PBUF_IMPORTER_BYTES, args->copied);
	return ret;
}
