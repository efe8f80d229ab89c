// SPDX-License-Identifier: GPL-2.0-only
/* Dumb buffers of DRM devices, by PRIME, and vgem's fences. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "foreign.h"

/* Debian 12 has it only with libdrm-dev. */
#if __has_include("drm/drm.h")
#include <drm/drm.h>
#include <drm/vgem_drm.h>
#include <linux/dma-buf.h>

static bool is_driver(int card, const char *driver)
{
	char name[64] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return !ioctl(card, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver);
}

static int open_card(const char *driver)
{
	char path[PATH_MAX];
	int card, i;

	for (i = 0;; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		card = open(path, O_RDWR | O_CLOEXEC);
		if (card < 0)
			return -errno;
		if (is_driver(card, driver))
			return card;
		close(card);
	}
}

static int dumb_of(int card, size_t size, void **cpu)
{
	struct drm_mode_create_dumb dumb = {
		.width = PAGE / 4, .height = size / PAGE, .bpp = 32,
	};
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR };
	struct drm_mode_map_dumb map = {};

	if (ioctl(card, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
		return -errno;
	map.handle = dumb.handle;
	prime.handle = dumb.handle;
	if (ioctl(card, DRM_IOCTL_MODE_MAP_DUMB, &map) ||
	    ioctl(card, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		return -errno;
	*cpu = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, card, map.offset);
	return prime.fd;
}

/* A dumb buffer of the first DRM device with this driver, by PRIME. */
int dumb_create(const char *driver, size_t size, void **cpu)
{
	int card, ret;

	card = open_card(driver);
	if (card < 0)
		return card;
	ret = dumb_of(card, size, cpu);
	close(card);
	return ret;
}

int open_vgem(struct vgem *vgem)
{
	struct drm_mode_create_dumb dumb = { .width = 1, .height = 1, .bpp = 32 };
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR };

	vgem->card = open_card("vgem");
	if (vgem->card < 0)
		return vgem->card;
	if (ioctl(vgem->card, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
		return -errno;
	prime.handle = dumb.handle;
	if (ioctl(vgem->card, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		return -errno;
	vgem->handle = dumb.handle;
	vgem->dmabuf = prime.fd;
	return 0;
}

/*
 * Add a fence to the buffer; a sync_file of this one and those that have not signalled. It
 * does so by itself within ten seconds (drivers/gpu/drm/vgem/vgem_fence.c).
 */
int add_vgem_fence(const struct vgem *vgem, uint32_t *id)
{
	struct drm_vgem_fence_attach attach = { .handle = vgem->handle };
	struct dma_buf_export_sync_file file = { .flags = DMA_BUF_SYNC_WRITE };

	if (ioctl(vgem->card, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach) ||
	    ioctl(vgem->dmabuf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &file))
		return -errno;
	*id = attach.out_fence;
	return file.fd;
}

int signal_vgem_fence(const struct vgem *vgem, uint32_t id)
{
	struct drm_vgem_fence_signal args = { .fence = id };

	return ioctl(vgem->card, DRM_IOCTL_VGEM_FENCE_SIGNAL, &args) ? -errno : 0;
}

int prime_import(int card, int dmabuf)
{
	struct drm_prime_handle prime = { .fd = dmabuf };

	return ioctl(card, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime) ? -errno : 0;
}

#else

int open_vgem(struct vgem *vgem)
{
	(void)vgem;
	return -ENOENT;
}

int add_vgem_fence(const struct vgem *vgem, uint32_t *id)
{
	(void)vgem;
	(void)id;
	return -ENOENT;
}

int signal_vgem_fence(const struct vgem *vgem, uint32_t id)
{
	(void)vgem;
	(void)id;
	return -ENOENT;
}

int prime_import(int card, int dmabuf)
{
	(void)card;
	(void)dmabuf;
	return -ENOENT;
}

int dumb_create(const char *driver, size_t size, void **cpu)
{
	(void)driver;
	(void)size;
	(void)cpu;
	return -ENOENT;
}

#endif
