// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf_drm, the reference GPU importer: its own engine copies to and from a BAR. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include <xf86drm.h>

#include <drm/p2pbuf_drm.h>

#include "drm_test.h"
#include "foreign.h"

static int copy(int card, uint32_t handle, uint32_t flags, uint8_t *data)
{
	struct drm_p2pbuf_copy args = {
		.handle = handle,
		.flags = flags,
		.length = SIZE,
		.user = (uintptr_t)data,
	};

	return drmIoctl(card, DRM_IOCTL_P2PBUF_COPY, &args) ? -errno : 0;
}

/* It returns when it is accepted; the CPU's access waits for its fence. */
static int device_fill(int card, uint32_t handle, int fd, unsigned int seed)
{
	uint8_t data[SIZE];
	int ret;

	pattern_fill(data, SIZE, seed, 0);
	ret = copy(card, handle, DRM_P2PBUF_COPY_TO_BUFFER, data);
	return ret ?: sync_cpu(fd, DMA_BUF_SYNC_START) ?: sync_cpu(fd, DMA_BUF_SYNC_END);
}

static bool device_sees(int card, uint32_t handle, unsigned int seed)
{
	uint8_t data[SIZE] = { };
	size_t where;

	return !copy(card, handle, 0, data) && !pattern_check(data, SIZE, seed, 0, &where);
}

static bool bar_holds(const uint8_t *bar, unsigned int seed)
{
	size_t where;

	return !pattern_check(bar, SIZE, seed, 0, &where);
}

/* Without access a copy fails; with it, the next one maps anew. */
static bool is_revocable(const struct context *ctx, uint32_t handle,
			 struct result *result)
{
	uint8_t data[SIZE];
	int card = ctx->card->fd, ret;

	if (!is_zero(result, "revoke", set_memory(ctx->ends.exporter, false)))
		return false;
	ret = copy(card, handle, 0, data);
	return is_zero(result, "restore", set_memory(ctx->ends.exporter, true)) &&
	       is_zero(result, "ENODEV while revoked", ret != -ENODEV) &&
	       is_zero(result, "device reads again", !device_sees(card, handle, NEW));
}

static void check_copies(const struct context *ctx, int fd, uint8_t *bar, uint32_t handle,
			 struct result *result)
{
	int card = ctx->card->fd;

	pattern_fill(bar, SIZE, OLD, 0);
	if (is_zero(result, "device reads", !device_sees(card, handle, OLD)) &&
	    is_zero(result, "device writes", device_fill(card, handle, fd, NEW)) &&
	    is_zero(result, "the BAR's data", !bar_holds(bar, NEW)) &&
	    is_revocable(ctx, handle, result))
		set_result(result, PASSED, "both ways, and after a revoke");
}

static void import_and_copy(const struct context *ctx, int fd, uint8_t *bar,
			    struct result *result)
{
	uint32_t handle;
	int ret;

	ret = drmPrimeFDToHandle(ctx->card->fd, fd, &handle) ? -errno : 0;
	if (ret == -EREMOTEIO) {
		set_result(result, SKIPPED, "no route between the two functions");
	} else if (is_zero(result, "import", ret)) {
		check_copies(ctx, fd, bar, handle, result);
		drmCloseBufferHandle(ctx->card->fd, handle);
	}
}

void check_reference(const struct context *ctx, struct result *result)
{
	uint8_t *bar;
	int fd;

	if (strcmp(ctx->card->driver, "p2pbuf_drm")) {
		set_result(result, SKIPPED, "only p2pbuf_drm has this call");
		return;
	}
	if (data_is_lost()) {
		set_result(result, SKIPPED, NO_DATA);
		return;
	}
	fd = export_bar(&ctx->ends, &bar);
	if (fd < 0) {
		set_result(result, SKIPPED, "no DMABUF of a BAR: %s", strerror(-fd));
		return;
	}
	import_and_copy(ctx, fd, bar, result);
	munmap(bar, SIZE);
	close(fd);
}
