// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exporters of RAM. Their memory outlives the files it was made with: DMABUF and mapping
 * each hold it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "foreign.h"

static void *map_file(int fd, uint64_t offset, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
}

static int udmabuf_of(int memfd, size_t size)
{
	struct udmabuf_create args = {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};
	int dev, ret;

	dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return -errno;
	ret = ioctl(dev, UDMABUF_CREATE, &args);
	if (ret < 0)
		ret = -errno;
	close(dev);
	return ret;
}

static int udmabuf_create(size_t size, void **cpu)
{
	int memfd, ret;

	memfd = memfd_create("udmabuf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memfd < 0)
		return -errno;
	if (ftruncate(memfd, size) || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		ret = -errno;
	else
		ret = udmabuf_of(memfd, size);
	if (ret >= 0)
		*cpu = map_file(memfd, 0, size);
	close(memfd);
	return ret;
}

static int heap_create(size_t size, void **cpu)
{
	struct dma_heap_allocation_data args = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap, ret;

	heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
	if (heap < 0)
		return -errno;
	ret = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &args) ? -errno : 0;
	close(heap);
	if (ret)
		return ret;
	*cpu = map_file(args.fd, 0, size);
	return args.fd;
}

/*
 * A DMABUF of @size bytes, whole pages. @exporter: udmabuf, system (the DMA heap), or the
 * name of a DRM driver. @cpu is its memory by the exporter's own mmap(), or MAP_FAILED.
 */
int export_ram(const char *exporter, size_t size, void **cpu)
{
	*cpu = MAP_FAILED;
	if (!strcmp(exporter, "udmabuf"))
		return udmabuf_create(size, cpu);
	if (!strcmp(exporter, "system"))
		return heap_create(size, cpu);
	return dumb_create(exporter, size, cpu);
}

/* DMA_BUF_SYNC_START or _END of CPU access for reads and writes. */
int sync_cpu(int fd, uint64_t flags)
{
	struct dma_buf_sync args = { .flags = flags | DMA_BUF_SYNC_RW };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &args) ? -errno : 0;
}
