// SPDX-License-Identifier: GPL-2.0-only
/* A function bound to vfio-pci, by its IOMMU group and a type 1 container. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "foreign.h"

bool has_iommu_group(const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	return !access(path, F_OK);
}

static int open_group(const char *bdf)
{
	char path[PATH_MAX], group[PATH_MAX];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	length = readlink(path, group, sizeof(group) - 1);
	if (length < 0)
		return -errno;
	group[length] = '\0';

	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(group, '/') + 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_device(struct vfio *vfio, const char *bdf)
{
	if (ioctl(vfio->group, VFIO_GROUP_SET_CONTAINER, &vfio->container) ||
	    ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	vfio->device = ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return vfio->device < 0 ? -errno : 0;
}

/* EPERM: another driver holds a function of the same IOMMU group. */
int vfio_open(struct vfio *vfio, const char *bdf)
{
	int ret;

	/* Not every IOMMU remaps interrupts, and nobody here uses them. */
	write_file("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "1");
	*vfio = (struct vfio){ -1, -1, -1 };
	vfio->group = open_group(bdf);
	if (vfio->group < 0)
		return vfio->group;
	vfio->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	ret = vfio->container < 0 ? -errno : open_device(vfio, bdf);
	if (ret)
		vfio_close(vfio);
	return ret;
}

void vfio_close(struct vfio *vfio)
{
	close(vfio->device);
	close(vfio->group);
	close(vfio->container);
	*vfio = (struct vfio){ -1, -1, -1 };
}

int vfio_export(const struct vfio *vfio, unsigned int bar,
		const struct p2pbuf_range *ranges, unsigned int nr)
{
	struct vfio_device_feature_dma_buf *args;
	struct vfio_device_feature *feature;
	size_t size;
	int ret;

	size = sizeof(*feature) + sizeof(*args) + nr * sizeof(args->dma_ranges[0]);
	feature = calloc(1, size);
	if (!feature)
		return -ENOMEM;
	feature->argsz = size;
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;

	args = (void *)feature->data;
	args->region_index = bar;
	args->open_flags = O_RDWR | O_CLOEXEC;
	args->nr_ranges = nr;
	while (nr--) {
		args->dma_ranges[nr].offset = ranges[nr].offset;
		args->dma_ranges[nr].length = ranges[nr].length;
	}
	ret = ioctl(vfio->device, VFIO_DEVICE_FEATURE, feature);
	free(feature);
	return ret < 0 ? -errno : ret;
}

/* Where a region is in the device's file, or -errno. */
static off_t region_offset(const struct vfio *vfio, unsigned int index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	return info.offset;
}

void *vfio_map_bar(const struct vfio *vfio, unsigned int bar, size_t length)
{
	off_t offset = region_offset(vfio, bar);

	if (offset < 0)
		return MAP_FAILED;
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, vfio->device,
		    offset);
}

int vfio_reset(const struct vfio *vfio)
{
	return ioctl(vfio->device, VFIO_DEVICE_RESET) ? -errno : 0;
}

/* As the function's user does it: vfio-pci looks on. */
static int set_command(const struct vfio *vfio, uint16_t bit, bool on)
{
	off_t offset = region_offset(vfio, VFIO_PCI_CONFIG_REGION_INDEX);
	uint16_t command;

	if (offset < 0)
		return offset;
	offset += PCI_COMMAND;
	if (pread(vfio->device, &command, sizeof(command), offset) != sizeof(command))
		return -EIO;
	command &= ~bit;
	command |= on ? bit : 0;
	if (pwrite(vfio->device, &command, sizeof(command), offset) != sizeof(command))
		return -EIO;
	return 0;
}

int vfio_set_memory_decoding(const struct vfio *vfio, bool on)
{
	return set_command(vfio, PCI_COMMAND_MEMORY, on);
}

int vfio_set_bus_mastering(const struct vfio *vfio, bool on)
{
	return set_command(vfio, PCI_COMMAND_MASTER, on);
}

/* Memory of this process for the function's DMA, by type 1. */
int vfio_map_dma(const struct vfio *vfio, void *memory, size_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map args = {
		.argsz = sizeof(args),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = size,
	};

	return ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &args) ? -errno : 0;
}
