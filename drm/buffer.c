// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include <xf86drm.h>
#include <xf86drmMode.h>

#include "drm_test.h"
#include "foreign.h"

/* Where the CPU sees it, and its DMABUF. */
static int dumb_share(struct dumb *dumb)
{
	uint64_t offset;
	void *cpu;

	if (drmModeMapDumbBuffer(dumb->card, dumb->handle, &offset))
		return -errno;
	cpu = mmap(NULL, dumb->size, PROT_READ | PROT_WRITE, MAP_SHARED, dumb->card,
		   offset);
	if (cpu == MAP_FAILED)
		return -errno;
	dumb->cpu = cpu;
	if (drmPrimeHandleToFD(dumb->card, dumb->handle, DRM_CLOEXEC | DRM_RDWR,
			       &dumb->fd))
		return -errno;
	return 0;
}

/* On the card's node, also where it has a render node: those refuse it. */
int dumb_open(struct dumb *dumb, int card, unsigned int width, unsigned int height)
{
	uint64_t size;
	int ret;

	*dumb = (struct dumb){ .card = card, .fd = -1 };
	if (drmModeCreateDumbBuffer(card, width, height, 32, 0, &dumb->handle,
				    &dumb->pitch, &size))
		return -errno;
	dumb->size = size;
	ret = dumb_share(dumb);
	if (ret)
		dumb_close(dumb);
	return ret;
}

void dumb_close(struct dumb *dumb)
{
	if (dumb->fd >= 0)
		close(dumb->fd);
	if (dumb->cpu)
		munmap(dumb->cpu, dumb->size);
	if (dumb->handle)
		drmModeDestroyDumbBuffer(dumb->card, dumb->handle);
	*dumb = (struct dumb){ .fd = -1 };
}

int dumb_fill(struct dumb *dumb, unsigned int seed)
{
	int ret = sync_cpu(dumb->fd, DMA_BUF_SYNC_START);

	if (ret)
		return ret;
	pattern_fill(dumb->cpu, SIZE, seed, 0);
	return sync_cpu(dumb->fd, DMA_BUF_SYNC_END);
}

bool dumb_holds(struct dumb *dumb, unsigned int seed)
{
	size_t where;
	bool holds;

	if (sync_cpu(dumb->fd, DMA_BUF_SYNC_START))
		return false;
	holds = !pattern_check(dumb->cpu, SIZE, seed, 0, &where);
	return !sync_cpu(dumb->fd, DMA_BUF_SYNC_END) && holds;
}

int import_and_map(int importer, int fd, uint32_t *handle)
{
	int ret;

	ret = import_buffer(importer, fd, P2PBUF_INTERCONNECT_AUTO,
			    P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, handle);
	if (ret)
		return ret;
	ret = map_handle(importer, *handle);
	if (ret)
		release_handle(importer, *handle);
	return ret;
}

/* The DMABUF; @cpu may be NULL. */
int export_bar(const struct ends *ends, uint8_t **cpu)
{
	struct p2pbuf_range range = { 0, SIZE };
	void *mapped;
	int fd;

	fd = export_ranges(ends->exporter, ends->bar, &range, 1, O_RDWR | O_CLOEXEC);
	if (fd < 0 || !cpu)
		return fd;
	mapped = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED) {
		close(fd);
		return -EIO;
	}
	*cpu = mapped;
	return fd;
}
