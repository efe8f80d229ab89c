// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose fence delays whom, by what each driver lets a program see: which of two contents
 * arrives, and what the driver answers while our transfer waits.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>

#include <drm/virtgpu_drm.h>

#include "drm_test.h"

/* A driver that does not wait has moved a page by then: the engine takes 0.1 s. */
static int still_waits(const struct gate *gate)
{
	sleep(1);
	return fence_status(gate->transfer);
}

/* vgem's fence in the source delays the transfer. */
static bool ours_waits(struct gate *gate, struct dumb *dumb, struct result *result)
{
	return is_zero(result, "our DMA waits", still_waits(gate)) &&
	       is_zero(result, "signal", gate_open(gate)) &&
	       is_zero(result, "our DMA", gate_wait(gate)) &&
	       is_zero(result, "the data", !dumb_holds(dumb, NEW));
}

/* vgem does not wait for ours in the target, it refuses. */
static bool vgem_refuses(struct dumb *dumb, struct result *result)
{
	uint32_t fence;
	int ret = vgem_attach(dumb, &fence);

	if (!ret)
		vgem_signal(dumb, fence);
	return is_zero(result, "EBUSY of vgem", ret != -EBUSY);
}

static bool vgem_accepts(struct dumb *dumb, struct result *result)
{
	uint32_t fence;

	return is_zero(result, "a fence after ours", vgem_attach(dumb, &fence)) &&
	       is_zero(result, "signal", vgem_signal(dumb, fence));
}

static void check_vgem(struct gate *gate, struct dumb *dumb, struct result *result)
{
	if (vgem_refuses(dumb, result) && ours_waits(gate, dumb, result) &&
	    vgem_accepts(dumb, result))
		set_result(result, PASSED, "theirs delays ours; ours: EBUSY");
}

static int virtgpu_wait(const struct dumb *dumb, uint32_t flags)
{
	struct drm_virtgpu_3d_wait args = { .handle = dumb->handle, .flags = flags };

	return drmIoctl(dumb->card, DRM_IOCTL_VIRTGPU_WAIT, &args) ? -errno : 0;
}

static void check_virtgpu(struct gate *gate, struct dumb *dumb, struct result *result)
{
	int ret = virtgpu_wait(dumb, VIRTGPU_WAIT_NOWAIT);

	if (is_zero(result, "EBUSY of WAIT", ret != -EBUSY) &&
	    is_zero(result, "our DMA waits", still_waits(gate)) &&
	    is_zero(result, "signal", gate_open(gate)) &&
	    is_zero(result, "WAIT", virtgpu_wait(dumb, 0)) &&
	    is_zero(result, "our DMA was over", fence_status(gate->transfer) != 1) &&
	    is_zero(result, "the data", !dumb_holds(dumb, NEW)))
		set_result(result, PASSED, "WAIT waits for ours");
}

static void with_gate(const struct context *ctx, struct dumb *dumb,
		      struct result *result,
		      void (*check)(struct gate *gate, struct dumb *dumb,
				    struct result *result))
{
	struct gate gate;

	if (!is_zero(result, "a transfer that waits",
		     gate_close(&gate, ctx->vgem, ctx->ends.importer, dumb->fd)))
		return;
	check(&gate, dumb, result);
	gate_drop(&gate);
}

void check_fences(const struct context *ctx, struct result *result)
{
	bool vgem = !strcmp(ctx->card->driver, "vgem");
	struct dumb dumb;

	if (!vgem && strcmp(ctx->card->driver, "virtio_gpu")) {
		set_result(result, SKIPPED, "no fences but those of KMS are known of this driver");
		return;
	}
	if (ctx->ends.importer < 0 || ctx->vgem < 0) {
		set_result(result, SKIPPED, "needs vgem and a function with p2pbuf_importer");
		return;
	}
	if (!is_zero(result, "dumb buffer",
		     dumb_open(&dumb, ctx->card->fd, PAGE / 4, SIZE / PAGE)))
		return;
	with_gate(ctx, &dumb, result, vgem ? check_vgem : check_virtgpu);
	dumb_close(&dumb);
}
