// SPDX-License-Identifier: MIT
/* vfio-pci, by its group: VFIO_DEVICE_FEATURE_DMA_BUF, since Linux 6.19. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "exporter.h"
#include "vfio_dmabuf.h"

static void vfio_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	if (source->group >= 0)
		close(source->group);
	if (source->container >= 0)
		close(source->container);
	*source = (struct source){ -1, -1, -1, 0 };
}

static int group_open(const char *bdf)
{
	char link[96], node[64], *group;
	int fd;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	group = realpath(link, NULL);
	if (!group)
		return -errno;
	snprintf(node, sizeof(node), "/dev/vfio/%s", basename(group));
	free(group);
	fd = open(node, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int device_open(struct source *source, const char *bdf)
{
	source->group = group_open(bdf);
	if (source->group < 0)
		return source->group;
	source->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (source->container < 0 ||
	    ioctl(source->group, VFIO_GROUP_SET_CONTAINER, &source->container) ||
	    ioctl(source->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	source->fd = ioctl(source->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return source->fd < 0 ? -errno : 0;
}

/* The largest BAR that may be mapped. */
static int choose_bar(struct source *source)
{
	struct vfio_region_info info;
	uint64_t size = 0;
	unsigned int bar;

	for (bar = VFIO_PCI_BAR0_REGION_INDEX; bar <= VFIO_PCI_BAR5_REGION_INDEX; bar++) {
		info = (struct vfio_region_info){ .argsz = sizeof(info), .index = bar };
		if (ioctl(source->fd, VFIO_DEVICE_GET_REGION_INFO, &info) ||
		    !(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || info.size <= size)
			continue;
		size = info.size;
		source->bar = bar;
	}
	return size ? 0 : -ENXIO;
}

/* As the function's user does it: vfio-pci looks on, and revokes and restores. */
static int vfio_set_memory(const struct source *source, bool on)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t command;

	if (ioctl(source->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	info.offset += PCI_COMMAND;
	if (pread(source->fd, &command, sizeof(command), info.offset) != sizeof(command))
		return -EIO;
	command &= ~PCI_COMMAND_MEMORY;
	command |= on ? PCI_COMMAND_MEMORY : 0;
	if (pwrite(source->fd, &command, sizeof(command), info.offset) != sizeof(command))
		return -EIO;
	return 0;
}

static int vfio_open(struct source *source)
{
	char bdf[32];
	int ret;

	*source = (struct source){ -1, -1, -1, 0 };
	ret = find_function("/sys/bus/pci/drivers/vfio-pci", EXPORTER_VARIABLE, bdf,
			    sizeof(bdf));
	if (ret)
		return ret;
	ret = device_open(source, bdf) ?: choose_bar(source) ?:
	      vfio_set_memory(source, true);
	if (ret)
		vfio_close(source);
	return ret;
}

static int vfio_export(const struct source *source, size_t size)
{
	struct vfio_device_feature_dma_buf *args;
	struct vfio_device_feature *feature;
	size_t argsz;
	int ret;

	argsz = sizeof(*feature) + sizeof(*args) + sizeof(args->dma_ranges[0]);
	feature = calloc(1, argsz);
	if (!feature)
		return -ENOMEM;
	feature->argsz = argsz;
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	args = (void *)feature->data;
	args->region_index = source->bar;
	args->open_flags = O_RDWR | O_CLOEXEC;
	args->nr_ranges = 1;
	args->dma_ranges[0].length = size;
	ret = ioctl(source->fd, VFIO_DEVICE_FEATURE, feature);
	if (ret < 0)
		ret = -errno;
	free(feature);
	return ret;
}

const struct exporter vfio_exporter = {
	.name = "vfio",
	.open = vfio_open,
	.close = vfio_close,
	.export = vfio_export,
	.set_memory = vfio_set_memory,
};
