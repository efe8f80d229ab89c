/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMABUFs of other drivers: what it takes to have one.
 *
 * All return 0, a file descriptor, or -errno.
 */
#ifndef _P2PBUF_FOREIGN_H
#define _P2PBUF_FOREIGN_H

#include <linux/vfio.h>

#include "p2pbuf_test.h"

/* Since Linux 6.19; a kernel of one's own is tested with older headers, too. */
#ifndef VFIO_DEVICE_FEATURE_DMA_BUF
#define VFIO_DEVICE_FEATURE_DMA_BUF 11

struct vfio_region_dma_range {
	__u64 offset;
	__u64 length;
};

struct vfio_device_feature_dma_buf {
	__u32 region_index;
	__u32 open_flags;
	__u32 flags;
	__u32 nr_ranges;
	struct vfio_region_dma_range dma_ranges[];
};
#endif

/* vfio.c: closed is -1 */
struct vfio {
	int container;
	int group;
	int device;
};

bool has_iommu_group(const char *bdf);
int vfio_open(struct vfio *vfio, const char *bdf);
void vfio_close(struct vfio *vfio);
int vfio_export(const struct vfio *vfio, unsigned int bar,
		const struct p2pbuf_range *ranges, unsigned int nr);
void *vfio_map_bar(const struct vfio *vfio, unsigned int bar, size_t length);
int vfio_reset(const struct vfio *vfio);
int vfio_set_memory_decoding(const struct vfio *vfio, bool on);

/* flow.c: enum p2pbuf_verdict_kind, or -errno of attach, pin or map */
int verdict_by_flow(int importer, int fd, unsigned int flow, unsigned int flags);

/* ram.c, drm.c: @cpu is the memory by its exporter's own mmap(), or MAP_FAILED */
int export_ram(const char *exporter, size_t size, void **cpu);
int dumb_create(const char *driver, size_t size, void **cpu);
int sync_cpu(int fd, uint64_t flags);

#endif /* _P2PBUF_FOREIGN_H */
