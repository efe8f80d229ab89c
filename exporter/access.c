// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who uses a buffer's memory, and whether anybody may.
 *
 * A function in a low-power state does not answer at its BARs. So it is kept from
 * runtime suspend while an importer has a buffer mapped or the CPU may touch it.
 */
#include <linux/cleanup.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/pm_runtime.h>

#include "exporter.h"

/**
 * p2pbuf_access_error - whether a buffer may be used
 * @buf: the buffer; its lock or its reservation lock is held
 *
 * Return: 0, -EIO (it is revoked and the function failed, so a reset may bring it back), or
 * -ENODEV (it is revoked otherwise).
 */
int p2pbuf_access_error(const struct p2pbuf_buffer *buf)
{
	/* Without the exporter's lock: the answer is good until the next event. */
	u32 losses = READ_ONCE(buf->exp->losses);

	lockdep_assert(lockdep_is_held(&buf->lock) || dma_resv_held(&buf->resv));
	if (!buf->revoked)
		return 0;
	if (buf->withdrawn || losses & P2PBUF_LOSS_REMOVED)
		return -ENODEV;
	return losses & P2PBUF_LOSS_FAILED ? -EIO : -ENODEV;
}

/* No use, or one more, of a function that is awake already. */
static int get_awake(struct p2pbuf_buffer *buf)
{
	int ret;

	guard(mutex)(&buf->lock);
	ret = p2pbuf_access_error(buf);
	if (!ret && !buf->nr_users)
		return -EAGAIN;
	buf->nr_users += !ret;
	return ret;
}

/**
 * p2pbuf_access_get - a user of the memory comes
 * @buf: the buffer
 *
 * Context: may sleep, as long as the function takes to wake up.
 * Return: 0, an error of p2pbuf_access_error(), or that with which the
 * function failed to resume.
 */
int p2pbuf_access_get(struct p2pbuf_buffer *buf)
{
	struct device *dev = buf->exp->dev;
	int ret;

	ret = get_awake(buf);
	if (ret != -EAGAIN)
		return ret;

	ret = pm_runtime_resume_and_get(dev);
	if (ret)
		return ret;
	guard(mutex)(&buf->lock);
	ret = p2pbuf_access_error(buf);
	/* One hold on the function is enough for all users. */
	if (ret || buf->nr_users++)
		pm_runtime_put(dev);
	return ret;
}

/**
 * p2pbuf_access_get_more - a user of the memory becomes two
 * @buf: the buffer, whose user it is, revoked or not
 *
 * Context: may sleep.
 */
void p2pbuf_access_get_more(struct p2pbuf_buffer *buf)
{
	guard(mutex)(&buf->lock);
	buf->nr_users++;
}

/**
 * p2pbuf_access_put - a user of the memory goes
 * @buf: the buffer
 *
 * Context: may sleep.
 */
void p2pbuf_access_put(struct p2pbuf_buffer *buf)
{
	guard(mutex)(&buf->lock);
	if (!--buf->nr_users && !buf->removed)
		pm_runtime_put(buf->exp->dev);
}

/**
 * p2pbuf_access_revoke - no new user, and no CPU mapping any more
 * @buf: the buffer
 * @removed: the driver is unbinding
 *
 * A fault looks at @buf->revoked under the lock under which it is set here, so after the
 * zap no page comes back.
 *
 * What is still mapped when the driver unbinds (a VMA without pages, an importer that
 * is about to be waited for) must not keep the function of the next driver awake. The
 * device does not suspend before remove() has returned: the PCI core holds a reference.
 *
 * Context: may sleep; the reservation lock is held.
 */
void p2pbuf_access_revoke(struct p2pbuf_buffer *buf, bool removed)
{
	dma_resv_assert_held(&buf->resv);
	guard(mutex)(&buf->lock);
	if (!buf->revoked) {
		buf->revoked = true;
		unmap_mapping_range(buf->inode->i_mapping, 0, 0, 1);
	}
	if (removed && !buf->removed) {
		buf->removed = true;
		if (buf->nr_users)
			pm_runtime_put(buf->exp->dev);
	}
}

/**
 * p2pbuf_access_restore - undo p2pbuf_access_revoke(), but for CPU mappings: they fault
 * @buf: the buffer
 *
 * Context: may sleep; the reservation lock is held.
 */
void p2pbuf_access_restore(struct p2pbuf_buffer *buf)
{
	dma_resv_assert_held(&buf->resv);
	guard(mutex)(&buf->lock);
	buf->revoked = false;
}
