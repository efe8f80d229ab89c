// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "p2pbuf_test.h"

static const char *need_env(const char *name)
{
	const char *value = getenv(name);

	if (!value || !*value) {
		fprintf(stderr, "%s is not set: run this by qemu/run\n", name);
		exit(1);
	}
	return value;
}

const char *exporter_bdf(void)
{
	return need_env("P2PBUF_EXPORTER");
}

const char *importer_bdf(void)
{
	return need_env("P2PBUF_IMPORTER");
}

/* P2PBUF_ROUTE_UNKNOWN: refused. The words are those of qemu/routes.csv. */
enum p2pbuf_route expected_route(void)
{
	static const char * const words[] = {
		[P2PBUF_ROUTE_UNKNOWN] = "refused",
		[P2PBUF_ROUTE_BUS_ADDR] = "bus-address",
		[P2PBUF_ROUTE_HOST_BRIDGE] = "host-bridge",
		[P2PBUF_ROUTE_IOVA] = "iova",
	};
	const char *word = need_env("P2PBUF_ROUTE");
	unsigned int i;

	for (i = P2PBUF_ROUTE_UNKNOWN; i <= P2PBUF_ROUTE_IOVA; i++)
		if (!strcmp(word, words[i]))
			return i;
	fprintf(stderr, "P2PBUF_ROUTE=%s is no route\n", word);
	exit(1);
}

/* By its name in qemu/iommus.csv. */
bool iommu_is(const char *name)
{
	return !strcmp(need_env("P2PBUF_IOMMU"), name);
}

/* Whether there is an IOMMU and it translates. */
bool translates(void)
{
	return strcmp(need_env("P2PBUF_INVALIDATION"), "none");
}

/* Of the address space that the IOMMU translates; 0 if none does. */
unsigned int iova_bits(void)
{
	return strtoul(need_env("P2PBUF_IOVA_BITS"), NULL, 10);
}

/* Whether QEMU carries peer data here; a refused pair has none. */
bool data_arrives(void)
{
	return !strcmp(need_env("P2PBUF_DATA"), "yes");
}

/* Whether this IOMMU caches what is not mapped, so that a map has to flush too. */
bool flushes_on_map(void)
{
	return iommu_is("intel-caching") || iommu_is("amd");
}

static unsigned long read_id(const char *bdf, const char *name)
{
	char path[PATH_MAX], text[32] = "";

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	read_file(path, text, sizeof(text));
	return strtoul(text, NULL, 16);
}

/* 0 and the address of the first PCI function with these ids but @but, or -ENOENT. */
int find_other_function(unsigned int vendor, unsigned int device, const char *but,
			char *bdf, size_t size)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	int ret = -ENOENT;

	while (dir && ret && (entry = readdir(dir))) {
		if (read_id(entry->d_name, "vendor") != vendor ||
		    read_id(entry->d_name, "device") != device ||
		    !strcmp(entry->d_name, but))
			continue;
		snprintf(bdf, size, "%s", entry->d_name);
		ret = 0;
	}
	if (dir)
		closedir(dir);
	return ret;
}

int find_function(unsigned int vendor, unsigned int device, char *bdf, size_t size)
{
	return find_other_function(vendor, device, "", bdf, size);
}

static int open_node(const char *kind, const char *bdf)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/dev/p2pbuf/%s/%s", kind, bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int open_exporter(void)
{
	return open_node("exporter", exporter_bdf());
}

int open_importer(void)
{
	return open_node("importer", importer_bdf());
}

uint64_t bar_size(int exporter, unsigned int bar)
{
	struct p2pbuf_region_info info;

	return region_info(exporter, bar, &info) ? 0 : info.size;
}

int write_file(const char *path, const char *format, ...)
{
	char text[1024];
	int fd, length, ret;
	va_list args;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, text, length) == length ? 0 : -errno;
	close(fd);
	return ret;
}

/* All of a small file, as a string. */
int read_file(const char *path, char *buf, size_t size)
{
	size_t used = 0;
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (used < size - 1 && (n = read(fd, buf + used, size - 1 - used)) > 0)
		used += n;
	close(fd);
	buf[used] = '\0';
	return used;
}

int unbind_driver(const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", bdf);
	return write_file(path, "%s", bdf);
}

bool is_bound(const char *driver, const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/%s", driver, bdf);
	return !access(path, F_OK);
}

/* 0 if the function is bound to @driver afterwards. */
int bind_driver(const char *bdf, const char *driver)
{
	char path[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", bdf);
	ret = write_file(path, "%s", driver);
	if (ret)
		return ret;
	ret = write_file("/sys/bus/pci/drivers_probe", "%s", bdf);
	if (ret)
		return ret;
	return is_bound(driver, bdf) ? 0 : -ENOENT;
}

bool has_driver(const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", bdf);
	return !access(path, F_OK);
}

static int bind_unbound(const char *bdf, const char *driver)
{
	return has_driver(bdf) ? 0 : bind_driver(bdf, driver);
}

/* As the guest was started, if a test has unbound them. */
int bind_both(void)
{
	return bind_unbound(exporter_bdf(), "p2pbuf_exporter") ?:
	       bind_unbound(importer_bdf(), "p2pbuf_importer");
}

/* Behind the driver's back, through configuration space. */
int set_memory_decoding(const char *bdf, bool on)
{
	char path[PATH_MAX];
	uint16_t command;
	int fd, ret = -EIO;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pread(fd, &command, sizeof(command), PCI_COMMAND) == sizeof(command)) {
		command &= ~PCI_COMMAND_MEMORY;
		command |= on ? PCI_COMMAND_MEMORY : 0;
		if (pwrite(fd, &command, sizeof(command), PCI_COMMAND) == sizeof(command))
			ret = 0;
	}
	close(fd);
	return ret;
}

/* The exit status of a shell command, or -1. */
int run_shell(const char *format, ...)
{
	char command[1024];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);

	fflush(NULL);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* With another DMA mask; nobody may have its node open. */
int reload_importer(unsigned int bits)
{
	return run_shell("rmmod p2pbuf_importer && modprobe p2pbuf_importer dma_bits=%u",
			 bits);
}

/* After reload_importer(): did the kernel find no memory for so small a mask? */
bool mask_is_refused(unsigned int bits)
{
	return !run_shell("dmesg | grep -q 'cannot do %u-bit DMA'", bits);
}
