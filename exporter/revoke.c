// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking access away, and giving it back.
 *
 * Access is taken away in three steps, in this order (dma_buf_invalidate_mappings() has
 * the contract):
 *
 *  1. Under the reservation lock: revoked is set, so that nothing new is mapped;
 *     importers are told; CPU mappings are zapped; the fences are collected.
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
#include <linux/err.h>
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

static void collect_fences(struct p2pbuf_buffer *buf)
{
	int ret;

	dma_resv_assert_held(&buf->resv);
	ret = dma_resv_get_fences(&buf->resv, DMA_RESV_USAGE_BOOKKEEP, &buf->nr_fences,
				  &buf->fences);
	if (ret)
		buf->fences = ERR_PTR(ret);
}

/**
 * p2pbuf_buffer_forget_fences - drop those that were there when access went
 * @buf: the buffer, which is restored or freed
 */
void p2pbuf_buffer_forget_fences(struct p2pbuf_buffer *buf)
{
	while (buf->nr_fences)
		dma_fence_put(buf->fences[--buf->nr_fences]);
	if (!IS_ERR(buf->fences))
		kfree(buf->fences);
	buf->fences = NULL;
}

static void take_access(struct p2pbuf_buffer *buf, bool removed)
{
	dma_resv_assert_held(&buf->resv);
	if (!buf->revoked) {
		buf->counts[P2PBUF_COUNT_REVOKES]++;
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
		buf->counts[P2PBUF_COUNT_RESTORES]++;
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

/* A fence's own wait may give up before the signal (radeon's does), which ends nothing. */
static int wait_for_fence(struct p2pbuf_buffer *buf, struct dma_fence *fence, bool intr)
{
	long left;

	for (;;) {
		left = dma_fence_wait_timeout(fence, intr, period());
		if (left < 0 && left != -ERESTARTSYS)
			left = dma_fence_default_wait(fence, intr, period());
		if (left)
			return left < 0 ? -EINTR : 0;
		name_late_fence(buf, fence);
	}
}

/* There was no memory to collect them: nothing can be added while the lock is held. */
static int wait_for_fences_locked(struct p2pbuf_buffer *buf, bool intr)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	int ret = 0;

	dma_resv_lock(&buf->resv, NULL);
	dma_resv_for_each_fence(&cursor, &buf->resv, DMA_RESV_USAGE_BOOKKEEP, fence) {
		ret = wait_for_fence(buf, fence, intr);
		if (ret)
			break;
	}
	dma_resv_unlock(&buf->resv);
	return ret;
}

static int wait_for_fences(struct p2pbuf_buffer *buf, bool intr)
{
	unsigned int i;
	int ret = 0;

	if (IS_ERR(buf->fences))
		return wait_for_fences_locked(buf, intr);
	for (i = 0; i < buf->nr_fences && !ret; i++)
		ret = wait_for_fence(buf, buf->fences[i], intr);
	return ret;
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

static int wait_for_unmap(struct p2pbuf_buffer *buf, bool intr)
{
	long left;

	for (;;) {
		if (intr)
			left = wait_event_interruptible_timeout(buf->unmapped,
								!atomic_read(&buf->nr_maps),
								period());
		else
			left = wait_event_timeout(buf->unmapped,
						  !atomic_read(&buf->nr_maps), period());
		if (left)
			return left < 0 ? -EINTR : 0;
		name_late_importers(buf);
	}
}

/* Of a revoked buffer. Only with @intr it may fail, with -EINTR. */
static int buffer_wait(struct p2pbuf_buffer *buf, bool intr)
{
	int ret;

	ret = wait_for_fences(buf, intr);
	if (ret)
		return ret;
	trace_p2pbuf_revoke(buf->exp->dev, buf->inode->i_ino, P2PBUF_REVOKE_FENCES);
	ret = wait_for_unmap(buf, intr);
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
 * Return: 0, or -EINTR: a signal arrived, and access is gone all the same.
 */
int p2pbuf_buffer_revoke(struct p2pbuf_buffer *buf)
{
	dma_resv_lock(&buf->resv, NULL);
	take_access(buf, false);
	buf->withdrawn = true;
	dma_resv_unlock(&buf->resv);
	return buffer_wait(buf, true);
}

/**
 * p2pbuf_exporter_revoke - take access away and wait until it is gone
 * @exp: the exporter
 * @loss: why; P2PBUF_LOSS_REMOVED is for good
 *
 * All buffers lose access before the first is waited for. @exp->lock is not held while
 * waiting: the importer waited for may be releasing another buffer, which takes it.
 *
 * Context: may sleep, as long as importers take to unmap; the device lock is held.
 */
void p2pbuf_exporter_revoke(struct p2pbuf_exporter *exp, enum p2pbuf_loss loss)
{
	struct p2pbuf_buffer *buf, *next;
	LIST_HEAD(pending);

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
		buffer_wait(buf, false);
		p2pbuf_buffer_put(buf);
	}
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
