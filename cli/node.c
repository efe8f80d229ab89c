// SPDX-License-Identifier: GPL-2.0-only
/* Functions and their nodes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dmabuf.h"

/* Without its domain, an address is in domain 0, as lspci has it. */
bool parse_function(const char *text, char bdf[BDF_ROOM])
{
	unsigned int domain = 0, bus, dev, fn;
	int used = 0;

	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &domain, &bus, &dev, &fn, &used) != 4 ||
	    text[used]) {
		domain = 0;
		used = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &dev, &fn, &used) != 3 || text[used])
			return false;
	}
	if (dev > 0x1f || fn > 7)
		return false;
	snprintf(bdf, BDF_ROOM, "%04x:%02x:%02x.%x", domain, bus, dev, fn);
	return true;
}

/* EXIT_FINE and the address of a function that is there. */
int find_function(const char *text, char bdf[BDF_ROOM])
{
	char path[PATH_MAX];

	if (!parse_function(text, bdf)) {
		say_error("write it as p2pbuf topo does: 0000:01:00.0",
			  "\"%s\" is no address of a PCI function", text);
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", bdf);
	if (access(path, F_OK)) {
		say_error("p2pbuf topo lists those with a memory BAR",
			  "there is no function %s", bdf);
		return EXIT_MISSING;
	}
	return EXIT_FINE;
}

static int say_no_node(const char *kind, const char *bdf, int error)
{
	char hint[96], driver[64];

	if (error == EACCES || error == EPERM) {
		say_error("run this as root, or by a user whom the node is open to",
			  "/dev/p2pbuf/%s/%s: %s", kind, bdf, strerror(error));
		return EXIT_MISSING;
	}
	if (error != ENOENT && error != ENODEV) {
		say_error(NULL, "/dev/p2pbuf/%s/%s: %s", kind, bdf, strerror(error));
		return EXIT_REFUSED;
	}
	snprintf(hint, sizeof(hint), "p2pbuf bind %s %s", bdf, kind);
	if (sysfs_link(driver, sizeof(driver), "/sys/bus/pci/devices/%s/driver", bdf))
		strcpy(driver, "no driver");
	say_error(hint, "%s is not bound to the %s but to %s", bdf, kind, driver);
	return EXIT_MISSING;
}

int open_node(const char *kind, const char *bdf)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/dev/p2pbuf/%s/%s", kind, bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -say_no_node(kind, bdf, errno) : fd;
}
