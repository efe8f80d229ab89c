// SPDX-License-Identifier: GPL-2.0-only
/* The machine's PCI functions, by libpci and sysfs. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <pci/pci.h>

#include "dmabuf.h"
#include "topo.h"

#define CONFIG_SIZE	256	/* without the extended part */
#define CONFIG_HEADER	64	/* what everyone may read */

#define REDIRECT	(PCI_ACS_CTRL_REQ_RED | PCI_ACS_CTRL_CMPLT_RED | PCI_ACS_CTRL_EGRESS)

#define WANTED		(PCI_FILL_IDENT | PCI_FILL_CLASS | PCI_FILL_BASES | PCI_FILL_SIZES | \
			 PCI_FILL_IO_FLAGS | PCI_FILL_CAPS | PCI_FILL_EXT_CAPS | \
			 PCI_FILL_IOMMU_GROUP | PCI_FILL_DRIVER)

static void __attribute__((noreturn, format(printf, 1, 2))) fail(char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say_error(NULL, "libpci: %s", text);
	exit(EXIT_MISSING);
}

/* What is not readable is asked for, and handled. */
static void __attribute__((format(printf, 1, 2))) ignore(char *format, ...)
{
	(void)format;
}

const struct function *function_find(const struct functions *functions, uint64_t id)
{
	size_t i;

	for (i = 0; i < functions->nr; i++)
		if (functions->all[i].id == id)
			return &functions->all[i];
	return NULL;
}

const struct function *function_named(const struct functions *functions, const char *name)
{
	size_t i;

	for (i = 0; i < functions->nr; i++)
		if (!strcmp(functions->all[i].name, name))
			return &functions->all[i];
	return NULL;
}

bool function_has_memory(const struct function *function)
{
	unsigned int i;

	for (i = 0; i < NR_BARS; i++)
		if (function->bars[i].size)
			return true;
	return false;
}

/* As pci_bridge_has_acs_redir() in the kernel. */
bool function_redirects(const struct function *function)
{
	return function->acs == ACS_READ && function->acs_control & REDIRECT;
}

const char *function_kind(const struct function *function)
{
	switch (function->port) {
	case PCI_EXP_TYPE_ROOT_PORT:
		return "root-port";
	case PCI_EXP_TYPE_UPSTREAM:
		return "upstream-port";
	case PCI_EXP_TYPE_DOWNSTREAM:
		return "downstream-port";
	default:
		return function->is_bridge ? "bridge" : "endpoint";
	}
}

/* "pci0000:00" */
static bool is_host_bridge(const char *name)
{
	unsigned int domain, bus;
	int length = 0;

	return sscanf(name, "pci%8x:%2x%n", &domain, &bus, &length) == 2 && !name[length];
}

static unsigned int root_bus_of(const char *host)
{
	return strtoul(strchr(host, ':') + 1, NULL, 16);
}

/*
 * By the way through sysfs, which ends .../pci0000:00/0000:00:04.0/0000:01:00.0. A virtual
 * function is beside its physical one there, whatever its bus.
 */
static void place(struct function *function, const struct functions *functions,
		  unsigned int bus)
{
	char link[PATH_MAX], path[PATH_MAX], *last;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", function->name);
	if (!realpath(link, path))
		return;
	for (*strrchr(path, '/') = '\0'; (last = strrchr(path, '/')); *last = '\0') {
		if (is_host_bridge(last + 1))
			break;
		if (!function->upstream)
			function->upstream = function_named(functions, last + 1);
	}
	if (!last)
		return;
	snprintf(function->host, sizeof(function->host), "%.*s", BDF_ROOM - 1, last + 1);
	function->on_root_bus = !function->upstream && bus == root_bus_of(function->host);
}

static bool can_read(struct pci_dev *dev, int at)
{
	u8 byte;

	return pci_read_block(dev, at, &byte, 1);
}

/* The kernel's idea of how large configuration space is. */
static bool has_extended(const struct function *function)
{
	char path[PATH_MAX];
	struct stat config;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", function->name);
	return stat(path, &config) || config.st_size > CONFIG_SIZE;
}

static void read_port(struct function *function, struct pci_dev *dev)
{
	struct pci_cap *cap = pci_find_cap(dev, PCI_CAP_ID_EXP, PCI_CAP_NORMAL);

	function->port = PORT_NONE;
	if (!can_read(dev, CONFIG_HEADER))
		function->port = PORT_UNREADABLE;
	else if (cap)
		function->port = (pci_read_word(dev, cap->addr + PCI_EXP_FLAGS) &
				  PCI_EXP_FLAGS_TYPE) >> 4;
}

static void read_acs(struct function *function, struct pci_dev *dev)
{
	struct pci_cap *cap = pci_find_cap(dev, PCI_EXT_CAP_ID_ACS, PCI_CAP_EXTENDED);

	function->acs = ACS_NONE;
	if (!has_extended(function))
		return;
	/* A function that is gone reads as ones. */
	if (!can_read(dev, CONFIG_SIZE) || pci_read_word(dev, PCI_VENDOR_ID) == 0xffff) {
		function->acs = ACS_UNREADABLE;
	} else if (cap) {
		function->acs_control = pci_read_word(dev, cap->addr + PCI_ACS_CTRL);
		function->acs = function->acs_control == 0xffff ? ACS_UNREADABLE : ACS_READ;
	}
}

static void read_bars(struct function *function, const struct pci_dev *dev)
{
	unsigned int i;

	for (i = 0; i < NR_BARS; i++) {
		if (!(dev->flags[i] & PCI_IORESOURCE_MEM))
			continue;
		function->bars[i].size = dev->size[i];
		function->bars[i].is_64bit = dev->flags[i] & PCI_IORESOURCE_MEM_64;
		function->bars[i].prefetchable = dev->flags[i] & PCI_IORESOURCE_PREFETCH;
	}
}

static void read_group(struct function *function, struct pci_dev *dev)
{
	const char *group = pci_get_string_property(dev, PCI_FILL_IOMMU_GROUP);

	function->group = group ? atoi(group) : -1;
	if (group)
		sysfs_read(function->domain, sizeof(function->domain),
			   "/sys/kernel/iommu_groups/%d/type", function->group);
}

static bool is_bridge(const struct pci_dev *dev)
{
	return dev->device_class == PCI_CLASS_BRIDGE_PCI ||
	       dev->device_class == PCI_CLASS_BRIDGE_CARDBUS ||
	       dev->device_class == PCI_CLASS_BRIDGE_PCI_SEMI;
}

/* Not dev->access: that is libpci's own, and moves as libpci does. */
static void read_function(struct function *function, struct pci_access *access,
			  struct pci_dev *dev)
{
	const char *driver;

	pci_fill_info(dev, WANTED);
	snprintf(function->name, sizeof(function->name), "%04x:%02x:%02x.%x", dev->domain,
		 dev->bus, dev->dev, dev->func);
	function->id = (uint64_t)(unsigned int)dev->domain << 16 | dev->bus << 8 |
		       dev->dev << 3 | dev->func;
	function->vendor = dev->vendor_id;
	function->device = dev->device_id;
	pci_lookup_name(access, function->title, sizeof(function->title),
			PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, dev->vendor_id, dev->device_id);
	function->is_bridge = is_bridge(dev);
	driver = pci_get_string_property(dev, PCI_FILL_DRIVER);
	snprintf(function->driver, sizeof(function->driver), "%s", driver ?: "");
	read_port(function, dev);
	read_acs(function, dev);
	read_bars(function, dev);
	read_group(function, dev);
}

static int compare(const void *a, const void *b)
{
	const struct function *one = a, *other = b;

	return one->id < other->id ? -1 : one->id > other->id;
}

static void read_all(struct functions *functions, struct pci_access *access)
{
	struct pci_dev *dev;
	size_t nr = 0;

	for (dev = access->devices; dev; dev = dev->next)
		nr++;
	functions->all = must_have(calloc(nr ?: 1, sizeof(*functions->all)));
	for (dev = access->devices; dev; dev = dev->next)
		read_function(&functions->all[functions->nr++], access, dev);
	qsort(functions->all, nr, sizeof(*functions->all), compare);
}

/* It ends the program if there is no PCI at all. */
void functions_read(struct functions *functions)
{
	struct pci_access *access = pci_alloc();
	struct function *function;
	size_t i;

	access->method = PCI_ACCESS_SYS_BUS_PCI;
	access->error = fail;
	access->warning = ignore;
	pci_init(access);
	pci_scan_bus(access);
	*functions = (struct functions){ };
	read_all(functions, access);
	pci_cleanup(access);

	for (i = 0; i < functions->nr; i++) {
		function = &functions->all[i];
		place(function, functions, function->id >> 8 & 0xff);
	}
}
