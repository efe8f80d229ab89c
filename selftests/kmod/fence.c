// SPDX-License-Identifier: GPL-2.0-only
/* Fences that signal when they are told to, and moves. */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/sync_file.h>

#include "kmod.h"

static const char *fence_name(struct dma_fence *fence)
{
	return "p2pbuf_test";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

static int install_fence(struct dma_fence *fence)
{
	struct sync_file *sync;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	sync = sync_file_create(fence);
	if (!sync) {
		put_unused_fd(fd);
		return -ENOMEM;
	}
	fd_install(fd, sync->file);
	return fd;
}

/* With a sync_file of it; NULL: no memory, or no descriptor. */
struct dma_fence *make_fence(s32 *fd)
{
	struct dma_fence *fence = kzalloc_obj(*fence);

	if (!fence)
		return NULL;
	dma_fence_init(fence, &fence_ops, NULL, dma_fence_context_alloc(1), 1);
	*fd = install_fence(fence);
	if (*fd >= 0)
		return fence;
	dma_fence_put(fence);
	return NULL;
}

void end_fence(struct dma_fence *fence)
{
	if (!fence)
		return;
	dma_fence_signal(fence);
	dma_fence_put(fence);
}

int test_fence(struct holder *holder, s32 *fd)
{
	if (holder->fence)
		return -EBUSY;
	holder->fence = make_fence(fd);
	return holder->fence ? 0 : -ENOMEM;
}

int test_signal(struct holder *holder)
{
	if (!holder->fence)
		return -ENOENT;
	end_fence(holder->fence);
	holder->fence = NULL;
	return 0;
}

static int move_locked(struct dma_buf *dmabuf, struct dma_fence *fence)
{
	int ret;

	if (fence) {
		ret = dma_resv_reserve_fences(dmabuf->resv, 1);
		if (ret)
			return ret;
		dma_resv_add_fence(dmabuf->resv, fence, DMA_RESV_USAGE_KERNEL);
	}
	dma_buf_invalidate_mappings(dmabuf);
	return 0;
}

int test_move(const struct p2pbuf_test_move *args)
{
	struct dma_buf *dmabuf = dma_buf_get(args->fd);
	struct dma_fence *fence;
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fence = args->fence_fd < 0 ? NULL : sync_file_get_fence(args->fence_fd);
	dma_resv_lock(dmabuf->resv, NULL);
	ret = move_locked(dmabuf, fence);
	dma_resv_unlock(dmabuf->resv);
	dma_fence_put(fence);
	dma_buf_put(dmabuf);
	return ret;
}
