/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DMABUFs of other drivers: what it takes to have one.
 *
 * All return 0, a file descriptor, or -errno.
 */
#ifndef _P2PBUF_FOREIGN_H
#define _P2PBUF_FOREIGN_H

#include "p2pbuf_test.h"
#include "vfio_dmabuf.h"

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
int vfio_set_bus_mastering(const struct vfio *vfio, bool on);
int vfio_map_dma(const struct vfio *vfio, void *memory, size_t size, uint64_t iova);

/* flow.c: enum p2pbuf_verdict_kind, or -errno of attach, pin or map */
int verdict_by_flow(int importer, int fd, unsigned int flow, unsigned int flags);

/* ram.c, drm.c: @cpu is the memory by its exporter's own mmap(), or MAP_FAILED */
int export_ram(const char *exporter, size_t size, void **cpu);
int dumb_create(const char *driver, size_t size, void **cpu);
int sync_cpu(int fd, uint64_t flags);

/**
 * struct vgem - a buffer of vgem's, to which anybody with its node can add fences
 * @card: vgem's node
 * @handle: of the buffer
 * @dmabuf: the buffer
 */
struct vgem {
	int card;
	uint32_t handle;
	int dmabuf;
};

int open_vgem(struct vgem *vgem);
int add_vgem_fence(const struct vgem *vgem, uint32_t *id);
int signal_vgem_fence(const struct vgem *vgem, uint32_t id);
int prime_import(int card, int dmabuf);

#endif /* _P2PBUF_FOREIGN_H */
