// SPDX-License-Identifier: GPL-2.0-only
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2pbuf_test.h"

/*
 * The exporter function's BAR by way of the PCI core, past the driver under test.
 * MAP_FAILED if it cannot be had, for example because the kernel keeps user space away
 * from BARs that a driver claims (CONFIG_IO_STRICT_DEVMEM).
 */
void *map_bar(unsigned int bar, uint64_t offset, size_t length)
{
	char path[PATH_MAX];
	void *map;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%u",
		 exporter_bdf(), bar);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return MAP_FAILED;
	map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	close(fd);
	return map;
}
