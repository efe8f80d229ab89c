// SPDX-License-Identifier: MIT
/* p2pbuf_exporter, by its node. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/p2pbuf.h>

#include "exporter.h"

#define NODES	"/dev/p2pbuf/exporter"

static void node_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	source->fd = -1;
}

static int choose_bar(struct source *source)
{
	struct p2pbuf_region_info info;
	uint64_t size = 0;
	unsigned int bar;

	for (bar = 0; bar < 6; bar++) {
		info = (struct p2pbuf_region_info){ .index = bar };
		if (ioctl(source->fd, P2PBUF_IOCTL_REGION_INFO, &info) ||
		    !(info.flags & P2PBUF_REGION_EXPORTABLE) || info.size <= size)
			continue;
		size = info.size;
		source->bar = bar;
	}
	return size ? 0 : -ENXIO;
}

static int node_open(struct source *source)
{
	char path[96], bdf[32];
	int ret;

	*source = (struct source){ -1, -1, -1, 0 };
	ret = find_function(NODES, EXPORTER_VARIABLE, bdf, sizeof(bdf));
	if (ret)
		return ret;
	snprintf(path, sizeof(path), NODES "/%s", bdf);
	source->fd = open(path, O_RDWR | O_CLOEXEC);
	if (source->fd < 0)
		return -errno;
	ret = choose_bar(source);
	if (ret)
		node_close(source);
	return ret;
}

static int node_export(const struct source *source, size_t size)
{
	struct p2pbuf_range range = { .length = size };
	struct p2pbuf_export args = {
		.region_index = source->bar,
		.open_flags = O_RDWR | O_CLOEXEC,
		.nr_ranges = 1,
		.ranges = (uintptr_t)&range,
	};
	int fd = ioctl(source->fd, P2PBUF_IOCTL_EXPORT, &args);

	return fd < 0 ? -errno : fd;
}

static int node_set_memory(const struct source *source, bool on)
{
	struct p2pbuf_memory args = { .on = on };

	return ioctl(source->fd, P2PBUF_IOCTL_MEMORY, &args) ? -errno : 0;
}

const struct exporter p2pbuf_exporter = {
	.name = "p2pbuf",
	.open = node_open,
	.close = node_close,
	.export = node_export,
	.set_memory = node_set_memory,
};
