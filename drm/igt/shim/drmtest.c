// SPDX-License-Identifier: MIT
/* Which DRM device a test takes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>

#include "igt.h"

#define MINORS	64

static int chipset_of(const char *driver)
{
	if (!strcmp(driver, "vgem"))
		return DRIVER_VGEM;
	return strcmp(driver, "virtio_gpu") ? DRIVER_ANY : DRIVER_VIRTIO;
}

/* --device is of the device under test, not of a helper such as vgem. */
static bool is_wanted(const char *node, const char *driver, int chipset)
{
	const char *forced = getenv("IGT_FORCE_DRIVER");

	if (!(chipset_of(driver) & chipset))
		return false;
	if (chipset == DRIVER_VGEM)
		return true;
	if (shim_device)
		return !strncmp(shim_device, "drm:", 4) && !strcmp(shim_device + 4, node);
	return !forced || !strcmp(forced, driver);
}

static int open_wanted(unsigned int minor, int chipset)
{
	drmVersionPtr version;
	bool wanted = false;
	char node[64];
	int fd;

	snprintf(node, sizeof(node), "/dev/dri/card%u", minor);
	fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fd;
	version = drmGetVersion(fd);
	if (version)
		wanted = is_wanted(node, version->name, chipset);
	drmFreeVersion(version);
	if (wanted)
		return fd;
	close(fd);
	return -1;
}

int __drm_open_driver(int chipset)
{
	unsigned int minor;
	int fd = -1;

	for (minor = 0; minor < MINORS && fd < 0; minor++)
		fd = open_wanted(minor, chipset);
	return fd;
}

int drm_open_driver(int chipset)
{
	int fd = __drm_open_driver(chipset);

	igt_require_f(fd >= 0, "No known gpu found for chipset flags 0x%x\n", chipset);
	return fd;
}

int drm_close_driver(int fd)
{
	return close(fd);
}
