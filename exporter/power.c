// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function in a low-power state does not answer at its BARs. So it is kept from
 * runtime suspend while an importer has a buffer mapped or the CPU may touch it.
 */
#include <linux/dma-resv.h>
#include <linux/pm_runtime.h>

#include "exporter.h"

/**
 * p2pbuf_buffer_power_get - a user of the memory comes
 * @buf: the buffer, of an exporter that is bound
 *
 * Context: may sleep; the reservation lock is held.
 * Return: 0, or the error with which the function failed to resume.
 */
int p2pbuf_buffer_power_get(struct p2pbuf_buffer *buf)
{
	int ret = 0;

	dma_resv_assert_held(&buf->resv);
	if (!buf->nr_users)
		ret = pm_runtime_resume_and_get(buf->exp->dev);
	if (!ret)
		buf->nr_users++;
	return ret;
}

/**
 * p2pbuf_buffer_power_put - a user of the memory goes
 * @buf: the buffer
 *
 * Context: may sleep; the reservation lock is held.
 */
void p2pbuf_buffer_power_put(struct p2pbuf_buffer *buf)
{
	dma_resv_assert_held(&buf->resv);
	if (!--buf->nr_users && !buf->removed)
		pm_runtime_put(buf->exp->dev);
}

/**
 * p2pbuf_buffer_power_end - let go of the function, whatever users there are
 * @buf: the buffer
 *
 * What is still mapped when the driver unbinds (a VMA without pages, an importer that
 * is about to be waited for) must not keep the function of the next driver awake. The
 * device does not suspend before remove() has returned: the PCI core holds a reference.
 *
 * Context: the reservation lock is held.
 */
void p2pbuf_buffer_power_end(struct p2pbuf_buffer *buf)
{
	dma_resv_assert_held(&buf->resv);
	if (buf->nr_users && !buf->removed)
		pm_runtime_put(buf->exp->dev);
	buf->removed = true;
}
