// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "p2pbuf_test.h"

#define REDIRECT	(PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_EC)

static int parent_of(const char *bdf, char parent[PATH_MAX])
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/..", bdf);
	return realpath(path, parent) ? 0 : -errno;
}

/* The port right above a function, or -ENOENT. */
int port_above(const char *bdf, char *port, size_t size)
{
	char parent[PATH_MAX];
	int ret;

	ret = parent_of(bdf, parent);
	if (ret)
		return ret;
	snprintf(port, size, "%s", strrchr(parent, '/') + 1);
	return strncmp(port, "pci", 3) ? 0 : -ENOENT;
}

/* The port right above both functions, or -ENOENT. */
int common_port(char *port, size_t size)
{
	char exporter[PATH_MAX], importer[PATH_MAX];
	int ret;

	ret = parent_of(exporter_bdf(), exporter);
	if (!ret)
		ret = parent_of(importer_bdf(), importer);
	if (ret)
		return ret;
	if (strcmp(exporter, importer))
		return -ENOENT;
	snprintf(port, size, "%s", strrchr(exporter, '/') + 1);
	return 0;
}

/* Where the ACS capability is in configuration space; 0 if there is none. */
static unsigned int find_acs(int config)
{
	unsigned int at = PCI_CFG_SPACE_SIZE;
	uint32_t header;

	while (at && pread(config, &header, sizeof(header), at) == sizeof(header)) {
		if (PCI_EXT_CAP_ID(header) == PCI_EXT_CAP_ID_ACS)
			return at;
		at = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

static int change_redirect(int config, bool on)
{
	unsigned int acs = find_acs(config);
	uint16_t ctrl;

	if (!acs)
		return -ENOENT;
	if (pread(config, &ctrl, sizeof(ctrl), acs + PCI_ACS_CTRL) != sizeof(ctrl))
		return -EIO;
	ctrl &= ~REDIRECT;
	ctrl |= on ? PCI_ACS_RR | PCI_ACS_CR : 0;
	if (pwrite(config, &ctrl, sizeof(ctrl), acs + PCI_ACS_CTRL) != sizeof(ctrl))
		return -EIO;
	return 0;
}

/* Behind the kernel's back, through configuration space; -ENOENT without ACS. */
int set_redirect(const char *port, bool on)
{
	char path[PATH_MAX];
	int config, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", port);
	config = open(path, O_RDWR | O_CLOEXEC);
	if (config < 0)
		return -errno;
	ret = change_redirect(config, on);
	close(config);
	return ret;
}
