// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fence that is in a DMABUF when its exporter takes access away, and one that is added
 * after that: by work items, which no suspend freezes.
 */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "kmod.h"

/**
 * struct follower - an attachment that waits for access to go
 * @target: of @attach
 * @attach: never mapped
 * @told: calls of invalidate_mappings; protected by the reservation lock
 * @before: in the DMABUF from the start
 * @after: added by @add
 * @added: by @add
 * @add: begins with the first call
 * @delay: in jiffies, of @let_go
 * @let_go: signals @before, likewise, but later: not after @add, as an
 *	exporter that holds the reservation lock while it waits must come to an end too
 * @give_up: signals @after: an exporter that waits for it must come to an end too
 */
struct follower {
	struct target target;
	struct dma_buf_attachment *attach;
	unsigned int told;
	struct dma_fence *before;
	struct dma_fence *after;
	bool added;
	unsigned long delay;
	struct work_struct add;
	struct delayed_work let_go;
	struct delayed_work give_up;
};

static void told(struct dma_buf_attachment *attach)
{
	struct follower *follower = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (follower->told++)
		return;
	queue_work(system_dfl_wq, &follower->add);
	queue_delayed_work(system_dfl_wq, &follower->let_go, follower->delay);
	queue_delayed_work(system_dfl_wq, &follower->give_up,
			   P2PBUF_TEST_GIVE_UP_SECONDS * HZ);
}

static const struct dma_buf_attach_ops follower_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = told,
};

/* As DMA_BUF_IOCTL_IMPORT_SYNC_FILE does it. */
static int add_fence(struct dma_buf *dmabuf, struct dma_fence *fence)
{
	int ret;

	dma_resv_lock(dmabuf->resv, NULL);
	ret = dma_resv_reserve_fences(dmabuf->resv, 1);
	if (!ret)
		dma_resv_add_fence(dmabuf->resv, fence, DMA_RESV_USAGE_READ);
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static void add(struct work_struct *work)
{
	struct follower *follower = container_of(work, struct follower, add);

	follower->added = !add_fence(follower->target.dmabuf, follower->after);
}

static void let_go(struct work_struct *work)
{
	dma_fence_signal(container_of(work, struct follower, let_go.work)->before);
}

static void give_up(struct work_struct *work)
{
	dma_fence_signal(container_of(work, struct follower, give_up.work)->after);
}

static void free_follower(struct follower *follower)
{
	if (follower->attach)
		dma_buf_detach(follower->target.dmabuf, follower->attach);
	cancel_work_sync(&follower->add);
	cancel_delayed_work_sync(&follower->let_go);
	cancel_delayed_work_sync(&follower->give_up);
	end_fence(follower->before);
	end_fence(follower->after);
	put_target(&follower->target);
	kfree(follower);
}

static struct follower *alloc_follower(void)
{
	struct follower *follower = kzalloc_obj(*follower);

	if (!follower)
		return NULL;
	INIT_WORK(&follower->add, add);
	INIT_DELAYED_WORK(&follower->let_go, let_go);
	INIT_DELAYED_WORK(&follower->give_up, give_up);
	return follower;
}

/* The descriptors are the caller's, also when a later step fails. */
static int follow(struct follower *follower, struct p2pbuf_test_follow *args)
{
	struct dma_buf *dmabuf = follower->target.dmabuf;
	struct dma_buf_attachment *attach;

	if (!dmabuf)
		return -ENOENT;
	follower->delay = msecs_to_jiffies(args->ms);
	follower->before = make_fence(&args->before);
	follower->after = make_fence(&args->after);
	if (!follower->before || !follower->after)
		return -ENOMEM;
	attach = dma_buf_dynamic_attach(dmabuf, &follower->target.client->dev,
					&follower_ops, follower);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	follower->attach = attach;
	return add_fence(dmabuf, follower->before);
}

int test_follow(struct holder *holder, struct p2pbuf_test_follow *args)
{
	struct follower *follower;
	int ret;

	if (holder->follower)
		return -EBUSY;
	follower = alloc_follower();
	if (!follower)
		return -ENOMEM;
	follower->target = get_target(args->fd, args->client);
	ret = follow(follower, args);
	if (ret)
		free_follower(follower);
	else
		holder->follower = follower;
	return ret;
}

int test_followed(struct holder *holder)
{
	if (!holder->follower)
		return -ENOENT;
	flush_work(&holder->follower->add);
	return holder->follower->added ? 0 : -ENODATA;
}

void test_unfollow(struct holder *holder)
{
	if (holder->follower)
		free_follower(holder->follower);
}
