// SPDX-License-Identifier: GPL-2.0-only
/*
 * vgem is the one driver whose fences a program holds: it attaches one to a buffer and
 * signals it when it likes, within 10 s.
 */
#include <errno.h>
#include <unistd.h>

#include <xf86drm.h>

#include <drm/vgem_drm.h>

#include "drm_test.h"

/* As a writer: the fence obeys, and is obeyed by, all others. */
int vgem_attach(const struct dumb *dumb, uint32_t *fence)
{
	struct drm_vgem_fence_attach args = {
		.handle = dumb->handle,
		.flags = VGEM_FENCE_WRITE,
	};

	if (drmIoctl(dumb->card, DRM_IOCTL_VGEM_FENCE_ATTACH, &args))
		return -errno;
	*fence = args.out_fence;
	return 0;
}

/* -ETIMEDOUT: its 10 s were over. */
int vgem_signal(const struct dumb *dumb, uint32_t fence)
{
	struct drm_vgem_fence_signal args = { .fence = fence };

	return drmIoctl(dumb->card, DRM_IOCTL_VGEM_FENCE_SIGNAL, &args) ? -errno : 0;
}

static int start_transfer(struct gate *gate, int fd)
{
	int ret;

	ret = import_and_map(gate->importer, gate->source.fd, &gate->from);
	if (ret)
		return ret;
	ret = import_and_map(gate->importer, fd, &gate->to);
	if (ret)
		goto release_from;
	gate->transfer = transfer_buffer(gate->importer, gate->from, 0, gate->to, 0, SIZE);
	if (gate->transfer >= 0)
		return 0;
	ret = gate->transfer;
	release_handle(gate->importer, gate->to);
release_from:
	release_handle(gate->importer, gate->from);
	return ret;
}

/* A transfer to @fd that waits. What its source holds when it starts is what arrives. */
int gate_close(struct gate *gate, int vgem, int importer, int fd)
{
	int ret;

	*gate = (struct gate){ .importer = importer, .transfer = -1 };
	ret = dumb_open(&gate->source, vgem, PAGE / 4, SIZE / PAGE);
	if (ret)
		return ret;
	ret = dumb_fill(&gate->source, OLD) ?: vgem_attach(&gate->source, &gate->fence);
	if (ret)
		goto close_source;
	ret = start_transfer(gate, fd);
	if (!ret)
		return 0;
	vgem_signal(&gate->source, gate->fence);
close_source:
	dumb_close(&gate->source);
	return ret;
}

/*
 * The new contents go past DMA_BUF_IOCTL_SYNC, which would wait for the gate: vgem's
 * memory is mapped write-combining and needs none.
 */
int gate_open(struct gate *gate)
{
	pattern_fill(gate->source.cpu, SIZE, NEW, 0);
	__sync_synchronize();
	return vgem_signal(&gate->source, gate->fence);
}

/* 0 once the transfer has succeeded. */
int gate_wait(struct gate *gate)
{
	int status = wait_fence(gate->transfer);

	gate->transfer = -1;
	return status == 1 ? 0 : status ?: -ETIMEDOUT;
}

void gate_drop(struct gate *gate)
{
	/* Of an opened gate nothing is left to signal. */
	vgem_signal(&gate->source, gate->fence);
	if (gate->transfer >= 0)
		close(gate->transfer);
	release_handle(gate->importer, gate->to);
	release_handle(gate->importer, gate->from);
	dumb_close(&gate->source);
}
