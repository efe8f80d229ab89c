// SPDX-License-Identifier: MIT
/* p2pbuf_importer: device DMA to and from any DMABUF. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/p2pbuf.h>

#include "exporter.h"

#define NODES	"/dev/p2pbuf/importer"

int importer_open(void)
{
	char path[96], bdf[32];
	int fd;

	if (find_function(NODES, IMPORTER_VARIABLE, bdf, sizeof(bdf)))
		return -ENOENT;
	snprintf(path, sizeof(path), NODES "/%s", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void importer_drop(int importer, uint32_t handle)
{
	struct p2pbuf_handle args = { .handle = handle };

	ioctl(importer, P2PBUF_IOCTL_RELEASE, &args);
}

/* Attached and mapped. */
int importer_take(int importer, int fd, uint32_t *handle)
{
	struct p2pbuf_import args = {
		.fd = fd,
		.access = P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE,
	};
	struct p2pbuf_handle map;
	int ret;

	if (ioctl(importer, P2PBUF_IOCTL_IMPORT, &args))
		return -errno;
	map = (struct p2pbuf_handle){ .handle = args.handle };
	if (ioctl(importer, P2PBUF_IOCTL_MAP, &map)) {
		ret = -errno;
		importer_drop(importer, args.handle);
		return ret;
	}
	*handle = args.handle;
	return 0;
}

static int copy(int importer, uint32_t handle, uint32_t flags, void *data, size_t size)
{
	struct p2pbuf_copy args = {
		.handle = handle,
		.flags = flags,
		.length = size,
		.user = (uintptr_t)data,
	};

	return ioctl(importer, P2PBUF_IOCTL_COPY, &args) ? -errno : 0;
}

int importer_read(int importer, uint32_t handle, void *data, size_t size)
{
	return copy(importer, handle, 0, data, size);
}

int importer_write(int importer, uint32_t handle, const void *data, size_t size)
{
	return copy(importer, handle, P2PBUF_COPY_TO_BUFFER, (void *)data, size);
}

/* The sync_file of a transfer that was accepted. */
int importer_transfer(int importer, uint32_t from, uint32_t to, size_t size)
{
	struct p2pbuf_transfer args = {
		.src = from,
		.dst = to,
		.length = size,
	};

	return ioctl(importer, P2PBUF_IOCTL_TRANSFER, &args) ? -errno : args.fence_fd;
}
