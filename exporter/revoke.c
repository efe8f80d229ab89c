// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking access away, and giving it back.
 *
 * Access is taken away in three steps, in this order (dma_buf_invalidate_mappings() has
 * the contract):
 *
 *  1. Under the reservation lock: revoked is set, so that nothing new is mapped; CPU
 *     mappings are zapped; importers are told; the fences are collected.
 *  2. These fences signal. Until then importers may read and write. Whoever holds the
 *     DMABUF can add a fence at any time (DMA_BUF_IOCTL_IMPORT_SYNC_FILE), and one that
 *     comes later is not waited for: it is of no access that was allowed.
 *  3. The count of mappings reaches zero. Until then importers may still read, and
 *     the addresses are theirs. The reservation lock, which they take to unmap, is free.
 *
 * Only then does the event go on that takes the memory away, however long that is:
 * an importer that does not keep the contract is named in the log, and waited for.
 * What the wait needs of an importer must not need a lock that the event holds (the
 * device lock of the exporter's function) nor a thread that suspend has frozen.
 *
 * Access comes back when no loss is left, but for a DMABUF that P2PBUF_IOCTL_REVOKE took
 * it from; importers are told once more, by the same callback, so that they can map again.
 */
#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include <p2pbuf_trace.h>

#include "exporter.h"

static unsigned int late_seconds = 10;
module_param(late_seconds, uint, 0644);
MODULE_PARM_DESC(late_seconds,
		 "Seconds after which an importer that does not give a buffer back is named in the log, and again each time as many have passed; 0: never [default: 10]");

/*
 * An event cannot fail, and to do without would be to wait for what is added later. A slab's
 * worth does not fail anyway, and for more kvmalloc() takes single pages.
 */
static void collect_fences(struct p2pbuf_buffer *buf)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	unsigned int nr = 0;

	dma_resv_for_each_fence(&cursor, &buf->resv, DMA_RESV_USAGE_BOOKKEEP, fence)
		nr++;
	if (!nr)
		return;
	buf->fences = kvmalloc_array(nr, sizeof(*buf->fences), GFP_KERNEL | __GFP_NOFAIL);
	dma_resv_for_each_fence(&cursor, &buf->resv, DMA_RESV_USAGE_BOOKKEEP, fence)
		buf->fences[buf->nr_fences++] = dma_fence_get(fence);
}

/**
 * p2pbuf_buffer_forget_fences - drop those that were there when access went
 * @buf: the buffer, which is restored or freed
 */
void p2pbuf_buffer_forget_fences(struct p2pbuf_buffer *buf)
{
	while (buf->nr_fences)
		dma_fence_put(buf->fences[--buf->nr_fences]);
	kvfree(buf->fences);
	buf->fences = NULL;
}

static void take_access(struct p2pbuf_buffer *buf, bool removed)
{
	dma_resv_assert_held(&buf->resv);
	if (!buf->revoked) {
		p2pbuf_access_revoke(buf, removed);
		if (buf->dmabuf)
			dma_buf_invalidate_mappings(buf->dmabuf);
		collect_fences(buf);
		trace_p2pbuf_revoke(buf->exp->dev, buf->inode->i_ino, P2PBUF_REVOKE_TOLD);
	} else if (removed) {
		p2pbuf_access_revoke(buf, removed);
	}
}

static void give_access(struct p2pbuf_buffer *buf)
{
	dma_resv_lock(&buf->resv, NULL);
	if (!buf->withdrawn) {
		p2pbuf_buffer_forget_fences(buf);
		p2pbuf_access_restore(buf);
		if (buf->dmabuf)
			dma_buf_invalidate_mappings(buf->dmabuf);
		trace_p2pbuf_restore(buf->exp->dev, buf->inode->i_ino);
	}
	dma_resv_unlock(&buf->resv);
}

static unsigned long period(void)
{
	unsigned long seconds = READ_ONCE(late_seconds);

	return seconds ? seconds * HZ : MAX_SCHEDULE_TIMEOUT;
}

static void name_late_fence(struct p2pbuf_buffer *buf, struct dma_fence *fence)
{
	const char __rcu *timeline, *driver;

	guard(rcu)();
	driver = dma_fence_driver_name(fence);
	timeline = dma_fence_timeline_name(fence);
	dev_warn(buf->exp->dev, "waiting for a fence of %s (%s) on a DMABUF of %llu bytes\n",
		 rcu_dereference(driver), rcu_dereference(timeline), buf->ranges->size);
}

/* A DMABUF that is being released has no attachment left to be late. */
static void name_late_importers(struct p2pbuf_buffer *buf)
{
	struct dma_buf_attachment *attach, *late = NULL;
	struct p2pbuf_client *client;
	unsigned int others = 0;

	dma_resv_lock(&buf->resv, NULL);
	if (buf->dmabuf) {
		list_for_each_entry(attach, &buf->dmabuf->attachments, node) {
			client = attach->priv;
			if (!client->nr_maps)
				continue;
			others += late ? 1 : 0;
			late = late ?: attach;
		}
	}
	if (late)
		dev_warn(buf->exp->dev, "waiting for %s (%s) to unmap a DMABUF of %llu bytes, and for %u others\n",
			 dev_name(late->dev), dev_driver_string(late->dev),
			 buf->ranges->size, others);
	dma_resv_unlock(&buf->resv);
}

static bool is_over(struct p2pbuf_buffer *buf, struct dma_fence *fence)
{
	return fence ? dma_fence_is_signaled(fence) : !atomic_read(&buf->nr_maps);
}

/* For @fence, or without one for importers, by tasks in @state. */
static int wait_for(struct p2pbuf_buffer *buf, struct dma_fence *fence, unsigned int state)
{
	long left;

	for (;;) {
		left = ___wait_event(buf->progress, ___wait_cond_timeout(is_over(buf, fence)),
				     state, 0, period(), __ret = schedule_timeout(__ret));
		if (left)
			return min(left, 0);
		if (fence)
			name_late_fence(buf, fence);
		else
			name_late_importers(buf);
	}
}

/**
 * struct fence_waiter - who waits for a fence
 * @cb: the fence's
 * @queue: to be woken
 */
struct fence_waiter {
	struct dma_fence_cb cb;
	wait_queue_head_t *queue;
};

static void wake_waiter(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	wake_up(container_of(cb, struct fence_waiter, cb)->queue);
}

/* Not dma_fence_wait_timeout(), which no task can be killed in that goes on for other signals. */
static int wait_for_fence(struct p2pbuf_buffer *buf, struct dma_fence *fence, unsigned int state)
{
	struct fence_waiter waiter = { .queue = &buf->progress };
	int ret;

	if (dma_fence_add_callback(fence, &waiter.cb, wake_waiter))
		return 0; /* It has signalled. */
	ret = wait_for(buf, fence, state);
	dma_fence_remove_callback(fence, &waiter.cb);
	return ret;
}

/* Of a revoked buffer: 0, or -ERESTARTSYS if a signal ends the wait, as @state has it. */
static int buffer_wait(struct p2pbuf_buffer *buf, unsigned int state)
{
	unsigned int i;
	int ret;

	for (i = 0; i < buf->nr_fences; i++) {
		ret = wait_for_fence(buf, buf->fences[i], state);
		if (ret)
			return ret;
	}
	trace_p2pbuf_revoke(buf->exp->dev, buf->inode->i_ino, P2PBUF_REVOKE_FENCES);
	ret = wait_for(buf, NULL, state);
	if (ret)
		return ret;
	trace_p2pbuf_revoke(buf->exp->dev, buf->inode->i_ino, P2PBUF_REVOKE_UNMAPPED);
	return 0;
}

/**
 * p2pbuf_buffer_revoke - carry out P2PBUF_IOCTL_REVOKE
 * @buf: the buffer; the caller holds its DMABUF
 *
 * No event is kept waiting and none is waited for: the device lock is not needed.
 *
 * Context: may sleep, as long as importers take to unmap.
 * Return: 0, or -ERESTARTSYS: a signal arrived, and access is gone all the same.
 */
int p2pbuf_buffer_revoke(struct p2pbuf_buffer *buf)
{
	dma_resv_lock(&buf->resv, NULL);
	take_access(buf, false);
	scoped_guard(mutex, &buf->lock)
		buf->withdrawn = true;
	dma_resv_unlock(&buf->resv);
	return buffer_wait(buf, TASK_INTERRUPTIBLE);
}

/**
 * p2pbuf_exporter_revoke - take access away and wait until it is gone
 * @exp: the exporter
 * @loss: why; P2PBUF_LOSS_REMOVED is for good
 * @killable: a fatal signal ends the wait
 *
 * All buffers lose access before the first is waited for. @exp->lock is not held while
 * waiting: the importer waited for may be releasing another buffer, which takes it.
 *
 * Context: may sleep, as long as importers take to unmap; the device lock is held.
 * Return: 0, or -ERESTARTSYS: nothing new is mapped, but what was may still be used.
 */
int p2pbuf_exporter_revoke(struct p2pbuf_exporter *exp, enum p2pbuf_loss loss, bool killable)
{
	struct p2pbuf_buffer *buf, *next;
	LIST_HEAD(pending);
	int ret = 0;

	device_lock_assert(exp->dev);

	mutex_lock(&exp->lock);
	exp->losses |= loss;
	if (loss == P2PBUF_LOSS_REMOVED)
		exp->pdev = NULL;
	list_for_each_entry(buf, &exp->buffers, node) {
		dma_resv_lock(&buf->resv, NULL);
		take_access(buf, loss == P2PBUF_LOSS_REMOVED);
		dma_resv_unlock(&buf->resv);
		kref_get(&buf->kref);
		list_add_tail(&buf->pending, &pending);
	}
	mutex_unlock(&exp->lock);

	list_for_each_entry_safe(buf, next, &pending, pending) {
		ret = ret ?: buffer_wait(buf, killable ? TASK_KILLABLE : TASK_UNINTERRUPTIBLE);
		p2pbuf_buffer_put(buf);
	}
	return ret;
}

/**
 * p2pbuf_exporter_restore - give access back
 * @exp: the exporter
 * @loss: what is over; access is back if no other is left
 *
 * Context: may sleep; the device lock is held.
 */
void p2pbuf_exporter_restore(struct p2pbuf_exporter *exp, enum p2pbuf_loss loss)
{
	struct p2pbuf_buffer *buf;

	device_lock_assert(exp->dev);

	guard(mutex)(&exp->lock);
	if (!(exp->losses & loss))
		return;
	exp->losses &= ~loss;
	if (exp->losses)
		return;
	list_for_each_entry(buf, &exp->buffers, node)
		give_access(buf);
}
