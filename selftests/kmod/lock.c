// SPDX-License-Identifier: GPL-2.0-only
/* A reservation lock that somebody holds for long, and a CPU mapping that an importer gives. */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/kthread.h>

#include "kmod.h"

/* A thread of its own, as no lock may be held on the way back to user space. */
static int hold_lock(void *data)
{
	struct holder *holder = data;

	dma_resv_lock(holder->locked->resv, NULL);
	complete(&holder->is_locked);
	wait_for_completion(&holder->unlock);
	dma_resv_unlock(holder->locked->resv);
	return 0;
}

int test_lock(struct holder *holder, const s32 *fd)
{
	struct dma_buf *dmabuf;
	struct task_struct *task;

	if (holder->locker)
		return -EBUSY;
	dmabuf = dma_buf_get(*fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	init_completion(&holder->is_locked);
	init_completion(&holder->unlock);
	holder->locked = dmabuf;
	task = kthread_create(hold_lock, holder, "p2pbuf_test");
	if (IS_ERR(task)) {
		dma_buf_put(dmabuf);
		return PTR_ERR(task);
	}
	holder->locker = get_task_struct(task);
	wake_up_process(task);
	wait_for_completion(&holder->is_locked);
	return 0;
}

int test_unlock(struct holder *holder)
{
	if (!holder->locker)
		return -ENOENT;
	complete(&holder->unlock);
	kthread_stop_put(holder->locker);
	holder->locker = NULL;
	dma_buf_put(holder->locked);
	return 0;
}

int test_mmap_choose(struct holder *holder, const s32 *fd)
{
	struct dma_buf *dmabuf = dma_buf_get(*fd);

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (holder->to_mmap)
		dma_buf_put(holder->to_mmap);
	holder->to_mmap = dmabuf;
	return 0;
}

/* As GPU drivers do it whose own files are O_RDWR. */
int test_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct holder *holder = file->private_data;

	return holder->to_mmap ? dma_buf_mmap(holder->to_mmap, vma, vma->vm_pgoff) : -ENODEV;
}
