// SPDX-License-Identifier: GPL-2.0-only
/*
 * An atomic commit waits for our DMA to the buffer it shows, and its out-fence delays our
 * DMA elsewhere: gate -> transfer to the screen -> flip -> transfer of another buffer.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "drm_test.h"

/* The second transfer, out of the source into the target. */
struct chain {
	struct dumb source;
	struct dumb target;
	uint32_t from;
	uint32_t to;
	int transfer;
};

static int chain_import(struct chain *chain, int importer, int out_fence)
{
	int ret;

	ret = dumb_fill(&chain->source, OLD) ?:
	      import_fence(chain->source.fd, DMA_BUF_SYNC_WRITE, out_fence) ?:
	      import_and_map(importer, chain->source.fd, &chain->from);
	if (ret)
		return ret;
	ret = import_and_map(importer, chain->target.fd, &chain->to);
	if (!ret)
		chain->transfer = transfer_buffer(importer, chain->from, 0, chain->to, 0,
						  SIZE);
	return ret ?: chain->transfer < 0 ? chain->transfer : 0;
}

static int chain_start(struct chain *chain, const struct context *ctx, int out_fence)
{
	*chain = (struct chain){ .source.fd = -1, .target.fd = -1, .transfer = -1 };

	return dumb_open(&chain->source, ctx->vgem, PAGE / 4, SIZE / PAGE) ?:
	       dumb_open(&chain->target, ctx->vgem, PAGE / 4, SIZE / PAGE) ?:
	       chain_import(chain, ctx->ends.importer, out_fence);
}

static void chain_drop(struct chain *chain, int importer)
{
	if (chain->transfer >= 0)
		close(chain->transfer);
	if (chain->to)
		release_handle(importer, chain->to);
	if (chain->from)
		release_handle(importer, chain->from);
	dumb_close(&chain->target);
	dumb_close(&chain->source);
}

static int chain_wait(struct chain *chain)
{
	int status = wait_fence(chain->transfer);

	chain->transfer = -1;
	return status == 1 ? 0 : status ?: -ETIMEDOUT;
}

/* Flip and second transfer wait while the gate is closed, and both end when it opens. */
static void check_order(struct gate *gate, struct chain *chain, int out_fence,
			struct result *result)
{
	sleep(1);
	if (!is_zero(result, "the flip waits", fence_status(out_fence)) ||
	    !is_zero(result, "the second DMA waits", fence_status(chain->transfer)))
		return;
	/* Past DMA_BUF_IOCTL_SYNC as in gate_open(). */
	pattern_fill(chain->source.cpu, SIZE, NEW, 0);
	if (is_zero(result, "signal", gate_open(gate)) &&
	    is_zero(result, "the second DMA", chain_wait(chain)) &&
	    is_zero(result, "the flip was over", fence_status(out_fence) != 1) &&
	    is_zero(result, "the first DMA was over",
		    fence_status(gate->transfer) != 1) &&
	    is_zero(result, "the data", !dumb_holds(&chain->target, NEW)))
		set_result(result, PASSED, "a flip waits for ours, ours for a flip");
}

static void check_flip(const struct context *ctx, struct gate *gate,
		       const struct screen *screen, uint32_t fb, struct result *result)
{
	struct chain chain;
	int out_fence;

	if (!is_zero(result, "atomic commit", screen_flip(screen, fb, &out_fence)))
		return;
	if (is_zero(result, "a DMA after the flip", chain_start(&chain, ctx, out_fence)))
		check_order(gate, &chain, out_fence, result);
	/* Nothing waits for ever, whatever failed. */
	vgem_signal(&gate->source, gate->fence);
	chain_drop(&chain, ctx->ends.importer);
	close(out_fence);
}

static void with_screen(const struct context *ctx, const struct screen *screen,
			struct result *result)
{
	struct dumb dumb;
	struct gate gate;
	uint32_t fb;

	if (!is_zero(result, "dumb buffer",
		     dumb_open(&dumb, screen->card, screen->width, screen->height)))
		return;
	if (!is_zero(result, "framebuffer", screen_add(screen, &dumb, &fb)))
		goto close_dumb;
	if (is_zero(result, "a transfer that waits",
		    gate_close(&gate, ctx->vgem, ctx->ends.importer, dumb.fd))) {
		check_flip(ctx, &gate, screen, fb, result);
		gate_drop(&gate);
	}
	screen_drop(screen, fb);
close_dumb:
	dumb_close(&dumb);
}

void check_kms(const struct context *ctx, struct result *result)
{
	struct screen screen;
	int ret;

	if (ctx->ends.importer < 0 || ctx->vgem < 0) {
		set_result(result, SKIPPED, "needs vgem and a function with p2pbuf_importer");
		return;
	}
	ret = screen_find(&screen, ctx->card->fd);
	if (ret)
		set_result(result, SKIPPED, "%s", ret == -EOPNOTSUPP ? "no atomic KMS" :
			   ret == -EACCES ? "somebody else has the screen" :
			   "no screen connected");
	else
		with_screen(ctx, &screen, result);
}
