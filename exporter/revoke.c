// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking access away, and giving it back.
 *
 * Access is taken away in three steps, in this order (dma_buf_invalidate_mappings() has
 * the contract):
 *
 *  1. Under the reservation lock: revoked is set, so that nothing new is mapped;
 *     importers are told; CPU mappings are zapped.
 *  2. The fences in the reservation object signal. Until then importers may read and
 *     write.
 *  3. The count of mappings reaches zero. Until then importers may still read, and
 *     the addresses are theirs.
 *
 * Only then does the event go on that takes the memory away, however long that is:
 * an importer that does not keep the contract is named in the log, and waited for.
 * What the wait needs of an importer must not need a lock that the event holds (the
 * device lock of the exporter's function) nor a thread that suspend has frozen.
 *
 * Access comes back when no loss is left; importers are told once more, by the same
 * callback, so that they can map again.
 */
#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/wait_bit.h>

#include <p2pbuf_trace.h>

#include "exporter.h"

static unsigned int late_seconds = 10;
module_param(late_seconds, uint, 0644);
MODULE_PARM_DESC(late_seconds,
		 "Seconds after which an importer that does not give a buffer back is named in the log, and again each time as many have passed; 0: never [default: 10]");

static void buffer_revoke(struct p2pbuf_buffer *buf, bool removed)
{
	dma_resv_lock(&buf->resv, NULL);
	if (!buf->revoked) {
		buf->revoked = true;
		buf->counts[P2PBUF_COUNT_REVOKES]++;
		if (buf->dmabuf)
			dma_buf_invalidate_mappings(buf->dmabuf);
		p2pbuf_buffer_zap(buf);
		trace_p2pbuf_revoke(buf->exp->dev, buf->inode->i_ino, P2PBUF_REVOKE_TOLD);
	}
	if (removed)
		p2pbuf_buffer_power_end(buf);
	dma_resv_unlock(&buf->resv);
}

static void buffer_restore(struct p2pbuf_buffer *buf)
{
	dma_resv_lock(&buf->resv, NULL);
	buf->revoked = false;
	buf->counts[P2PBUF_COUNT_RESTORES]++;
	if (buf->dmabuf)
		dma_buf_invalidate_mappings(buf->dmabuf);
	dma_resv_unlock(&buf->resv);
	trace_p2pbuf_restore(buf->exp->dev, buf->inode->i_ino);
}

/* A DMABUF that is being released has no attachment left to be late. */
static void name_late_importers(struct p2pbuf_buffer *buf)
{
	struct dma_buf_attachment *attach;
	struct p2pbuf_peer *peer;

	dma_resv_lock(&buf->resv, NULL);
	if (buf->dmabuf) {
		list_for_each_entry(attach, &buf->dmabuf->attachments, node) {
			peer = attach->priv;
			if (peer->nr_maps)
				dev_warn(buf->exp->dev, "waiting for %s (%s) to unmap a DMABUF of %zu bytes\n",
					 dev_name(attach->dev),
					 dev_driver_string(attach->dev),
					 buf->dmabuf->size);
		}
	}
	dma_resv_unlock(&buf->resv);
}

static void name_fence(struct p2pbuf_buffer *buf, struct dma_fence *fence)
{
	const char __rcu *timeline, *driver;

	guard(rcu)();
	driver = dma_fence_driver_name(fence);
	timeline = dma_fence_timeline_name(fence);
	dev_warn(buf->exp->dev, "waiting for a fence of %s (%s) on a DMABUF of %llu bytes\n",
		 rcu_dereference(driver), rcu_dereference(timeline), buf->ranges->size);
}

static void name_late_fences(struct p2pbuf_buffer *buf)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_lock(&buf->resv, NULL);
	dma_resv_for_each_fence(&cursor, &buf->resv, DMA_RESV_USAGE_BOOKKEEP, fence)
		if (!dma_fence_is_signaled(fence))
			name_fence(buf, fence);
	dma_resv_unlock(&buf->resv);
}

static unsigned long period(void)
{
	unsigned int seconds = READ_ONCE(late_seconds);

	return seconds ? seconds * HZ : MAX_SCHEDULE_TIMEOUT;
}

static void buffer_wait(struct p2pbuf_buffer *buf)
{
	while (!dma_resv_wait_timeout(&buf->resv, DMA_RESV_USAGE_BOOKKEEP, false,
				      period()))
		name_late_fences(buf);
	trace_p2pbuf_revoke(buf->exp->dev, buf->inode->i_ino, P2PBUF_REVOKE_FENCES);
	while (!wait_var_event_timeout(&buf->nr_maps, !atomic_read(&buf->nr_maps),
				       period()))
		name_late_importers(buf);
	trace_p2pbuf_revoke(buf->exp->dev, buf->inode->i_ino, P2PBUF_REVOKE_UNMAPPED);
}

/*
 * Without @exp->lock while waiting: the importer waited for may be releasing another
 * buffer, which takes it.
 */
static void buffers_wait(struct p2pbuf_exporter *exp)
{
	struct p2pbuf_buffer *buf;
	LIST_HEAD(pending);

	mutex_lock(&exp->lock);
	list_splice_init(&exp->buffers, &pending);
	while ((buf = list_first_entry_or_null(&pending, struct p2pbuf_buffer, node))) {
		list_move_tail(&buf->node, &exp->buffers);
		kref_get(&buf->kref);
		mutex_unlock(&exp->lock);

		buffer_wait(buf);
		p2pbuf_buffer_put(buf);

		mutex_lock(&exp->lock);
	}
	mutex_unlock(&exp->lock);
}

/**
 * p2pbuf_exporter_revoke - take access away and wait until it is gone
 * @exp: the exporter
 * @loss: why; P2PBUF_LOSS_REMOVED is for good
 *
 * Context: may sleep, as long as importers take to unmap; the device lock is held.
 */
void p2pbuf_exporter_revoke(struct p2pbuf_exporter *exp, enum p2pbuf_loss loss)
{
	bool removed = loss == P2PBUF_LOSS_REMOVED;
	struct p2pbuf_buffer *buf;

	device_lock_assert(exp->dev);

	mutex_lock(&exp->lock);
	exp->losses |= loss;
	if (removed)
		exp->pdev = NULL;
	list_for_each_entry(buf, &exp->buffers, node)
		buffer_revoke(buf, removed);
	mutex_unlock(&exp->lock);

	buffers_wait(exp);
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
		buffer_restore(buf);
}
