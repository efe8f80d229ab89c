// SPDX-License-Identifier: GPL-2.0-only
/* A page-less DMABUF of a BAR given to the driver by PRIME. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xf86drm.h>

#include <drm/virtgpu_drm.h>

#include "drm_test.h"

/* Seconds until a driver that frees buffers later counts as one that keeps them. */
#define A_WHILE	5

enum attach {
	UNKNOWN,
	STATIC,
	DYNAMIC,
};

/* Documentation/drm.rst has where each was read. */
static const struct {
	const char *driver;
	enum attach attach;
} drivers[] = {
	{ "amdgpu", DYNAMIC },
	{ "p2pbuf_drm", DYNAMIC },
	{ "xe", DYNAMIC },
	{ "amdxdna_accel_driver", STATIC },
	{ "bochs-drm", STATIC },
	{ "cirrus-qemu", STATIC },
	{ "i915", STATIC },
	{ "intel_vpu", STATIC },
	{ "nouveau", STATIC },
	{ "qaic", STATIC },
	{ "vgem", STATIC },
	{ }
};

static uint64_t virtgpu_param(int fd, uint64_t param)
{
	uint64_t value = 0;
	struct drm_virtgpu_getparam args = { .param = param, .value = (uintptr_t)&value };

	return drmIoctl(fd, DRM_IOCTL_VIRTGPU_GETPARAM, &args) ? 0 : value;
}

static enum attach attach_of(const struct card *card)
{
	unsigned int i;

	if (!strcmp(card->driver, "virtio_gpu"))
		return virtgpu_param(card->fd, VIRTGPU_PARAM_RESOURCE_BLOB) &&
		       !virtgpu_param(card->fd, VIRTGPU_PARAM_3D_FEATURES) ? DYNAMIC : STATIC;
	for (i = 0; drivers[i].driver; i++)
		if (!strcmp(card->driver, drivers[i].driver))
			return drivers[i].attach;
	return UNKNOWN;
}

static bool has_route(const struct context *ctx)
{
	struct p2pbuf_route_info info;

	if (strcmp(ctx->card->bus, "pci"))
		return false;
	return !ask_route(ctx->ends.exporter, bdf_number(ctx->card->device), &info) &&
	       info.route != P2PBUF_ROUTE_UNKNOWN;
}

/* Whether an answer is as documented. */
static bool is_right(const struct context *ctx, int ret)
{
	switch (attach_of(ctx->card)) {
	case STATIC:
		return ret == -EOPNOTSUPP;
	case DYNAMIC:
		return ret == (has_route(ctx) ? 0 : -EREMOTEIO);
	default:
		return !ret || ret == -EOPNOTSUPP || ret == -EREMOTEIO;
	}
}

/* Attachments of a DMABUF, by the exporter's fdinfo. */
static int count_attachments(int exporter, int fd)
{
	char path[64], line[256];
	unsigned long long ino;
	struct stat st;
	FILE *file;
	int nr = 0;

	if (fstat(fd, &st))
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", exporter);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		nr += sscanf(line, "attachment: ino=%llu", &ino) == 1 && ino == st.st_ino;
	fclose(file);
	return nr;
}

static int count_after_a_while(int exporter, int fd)
{
	unsigned int i;

	for (i = 0; i < A_WHILE && count_attachments(exporter, fd); i++)
		sleep(1);
	return count_attachments(exporter, fd);
}

/* Access goes and comes back while the driver has the buffer. */
static int revoke_and_restore(const struct context *ctx, int fd)
{
	int ret;

	ret = set_memory(ctx->ends.exporter, false) ?: set_memory(ctx->ends.exporter, true);
	return ret ?: count_attachments(ctx->ends.exporter, fd) - 1;
}

static void check_imported(const struct context *ctx, int fd, uint32_t handle,
			   struct result *result)
{
	uint32_t again = 0;
	int ret;

	ret = count_attachments(ctx->ends.exporter, fd);
	if (!is_zero(result, "one attachment", ret < 0 ? ret : ret != 1))
		return;
	ret = drmPrimeFDToHandle(ctx->card->fd, fd, &again) ? -errno : again != handle;
	if (!is_zero(result, "the same handle again", ret) ||
	    !is_zero(result, "revoke and restore", revoke_and_restore(ctx, fd)))
		return;
	ret = drmCloseBufferHandle(ctx->card->fd, handle) ? -errno : 0;
	if (!is_zero(result, "close the handle", ret))
		return;
	ret = count_after_a_while(ctx->ends.exporter, fd);
	if (is_zero(result, "nothing attached", ret))
		set_result(result, PASSED, "imported");
}

static void check_refused(const struct context *ctx, int fd, int ret,
			  struct result *result)
{
	int left = count_attachments(ctx->ends.exporter, fd);

	if (is_zero(result, "nothing attached", left))
		set_result(result, PASSED, "%s", strerrorname_np(-ret));
}

void check_import(const struct context *ctx, struct result *result)
{
	uint32_t handle;
	int fd, ret;

	if (ctx->ends.exporter < 0) {
		set_result(result, SKIPPED, "no function with p2pbuf_exporter");
		return;
	}
	fd = export_bar(&ctx->ends, NULL);
	if (fd < 0) {
		set_result(result, SKIPPED, "no DMABUF of a BAR: %s", strerror(-fd));
		return;
	}
	ret = drmPrimeFDToHandle(ctx->card->fd, fd, &handle) ? -errno : 0;
	if (!is_right(ctx, ret))
		set_result(result, FAILED, "not as documented: %s",
			   ret ? strerrorname_np(-ret) : "imported");
	else if (ret)
		check_refused(ctx, fd, ret, result);
	else
		check_imported(ctx, fd, handle, result);
	close(fd);
}
