// SPDX-License-Identifier: GPL-2.0-only
/* Dumb buffers by device DMA, alone and together with a BAR. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drm_test.h"

static bool device_sees(int importer, uint32_t handle, unsigned int seed)
{
	uint8_t data[SIZE];
	size_t where;

	return !read_buffer(importer, handle, 0, data, SIZE) &&
	       !pattern_check(data, SIZE, seed, 0, &where);
}

static int device_fill(int importer, uint32_t handle, unsigned int seed)
{
	uint8_t data[SIZE];

	pattern_fill(data, SIZE, seed, 0);
	return write_buffer(importer, handle, 0, data, SIZE);
}

static void both_directions(int importer, struct dumb *dumb, uint32_t handle,
			    struct result *result)
{
	if (is_zero(result, "CPU writes", dumb_fill(dumb, OLD)) &&
	    is_zero(result, "device reads", !device_sees(importer, handle, OLD)) &&
	    is_zero(result, "device writes", device_fill(importer, handle, NEW)) &&
	    is_zero(result, "CPU reads", !dumb_holds(dumb, NEW)))
		set_result(result, PASSED, "read and written");
}

/*
 * False, and why, where there is none. DRM_CAP_DUMB_BUFFER does not tell: drivers without
 * KMS have no such capability, and vgem has dumb buffers.
 */
static bool has_dumb(const struct context *ctx, struct dumb *dumb, struct result *result)
{
	int ret;

	if (ctx->ends.importer < 0) {
		set_result(result, SKIPPED, "no function with p2pbuf_importer");
		return false;
	}
	ret = dumb_open(dumb, ctx->card->fd, PAGE / 4, SIZE / PAGE);
	if (ret != -ENOSYS)
		return is_zero(result, "dumb buffer", ret);
	set_result(result, SKIPPED, "the driver has no dumb buffers");
	return false;
}

void check_dumb(const struct context *ctx, struct result *result)
{
	uint32_t handle;
	struct dumb dumb;
	int ret;

	if (!has_dumb(ctx, &dumb, result))
		return;
	ret = import_and_map(ctx->ends.importer, dumb.fd, &handle);
	if (is_zero(result, "import and map", ret)) {
		both_directions(ctx->ends.importer, &dumb, handle, result);
		release_handle(ctx->ends.importer, handle);
	}
	dumb_close(&dumb);
}

static int move(int importer, uint32_t from, uint32_t to)
{
	int status = wait_fence(transfer_buffer(importer, from, 0, to, 0, SIZE));

	return status == 1 ? 0 : status ?: -ETIMEDOUT;
}

static void there_and_back(int importer, uint8_t *bar, uint32_t bar_handle,
			   struct dumb *dumb, uint32_t handle, struct result *result)
{
	size_t where;

	pattern_fill(bar, SIZE, OLD, 0);
	if (!is_zero(result, "BAR to DRM", move(importer, bar_handle, handle)) ||
	    !is_zero(result, "CPU reads", !dumb_holds(dumb, OLD)) ||
	    !is_zero(result, "CPU writes", dumb_fill(dumb, NEW)) ||
	    !is_zero(result, "DRM to BAR", move(importer, handle, bar_handle)) ||
	    !is_zero(result, "the BAR's data", !!pattern_check(bar, SIZE, NEW, 0, &where)))
		return;
	set_result(result, PASSED, "there and back");
}

static void with_bar(const struct context *ctx, struct dumb *dumb, uint8_t *bar,
		     uint32_t bar_handle, struct result *result)
{
	uint32_t handle;
	int ret;

	ret = import_and_map(ctx->ends.importer, dumb->fd, &handle);
	if (!is_zero(result, "import and map", ret))
		return;
	there_and_back(ctx->ends.importer, bar, bar_handle, dumb, handle, result);
	release_handle(ctx->ends.importer, handle);
}

/* In QEMU, by what the rig says of the topology. */
bool data_is_lost(void)
{
	const char *data = getenv("P2PBUF_DATA");

	return data && strcmp(data, "yes");
}

static void export_and_move(const struct context *ctx, struct dumb *dumb,
			    struct result *result)
{
	uint32_t handle;
	uint8_t *cpu;
	int fd, ret;

	fd = export_bar(&ctx->ends, &cpu);
	if (fd < 0) {
		set_result(result, SKIPPED, "no DMABUF of a BAR: %s", strerror(-fd));
		return;
	}
	ret = import_and_map(ctx->ends.importer, fd, &handle);
	if (ret == -EREMOTEIO) {
		set_result(result, SKIPPED, "no route between the two functions");
	} else if (is_zero(result, "import the BAR", ret)) {
		with_bar(ctx, dumb, cpu, handle, result);
		release_handle(ctx->ends.importer, handle);
	}
	munmap(cpu, SIZE);
	close(fd);
}

void check_both(const struct context *ctx, struct result *result)
{
	struct dumb dumb;

	if (data_is_lost()) {
		set_result(result, SKIPPED, NO_DATA);
	} else if (has_dumb(ctx, &dumb, result)) {
		export_and_move(ctx, &dumb, result);
		dumb_close(&dumb);
	}
}
