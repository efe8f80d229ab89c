// SPDX-License-Identifier: GPL-2.0-only
/* The way from any PCI function to the exporter's BARs, for who wants to know it beforehand. */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "exporter.h"

static u64 bus_number(struct pci_bus *bus)
{
	return (u64)pci_domain_nr(bus) << 16 | PCI_DEVID(bus->number, 0);
}

static struct pci_dev *get_function(u64 number)
{
	if (number >> 16 > INT_MAX)
		return NULL;
	return pci_get_domain_bus_and_slot(number >> 16, PCI_BUS_NUM(number), number & 0xff);
}

static void fill_info(struct p2pbuf_route_info *info, const struct p2pbuf_path *path)
{
	struct pci_dev *port = p2pbuf_path_port(path);

	info->route = path->route;
	info->reason = p2pbuf_path_reason(path);
	if (path->common)
		info->common = p2pbuf_function_number(path->common);
	if (port)
		info->port = p2pbuf_function_number(port);
}

/**
 * p2pbuf_exporter_route - carry out P2PBUF_IOCTL_ROUTE
 * @exp: the exporter
 * @info: all zero but for the client; filled in
 *
 * Context: may sleep.
 * Return: 0, -ENODEV (unbound), -ENXIO (no such client).
 */
int p2pbuf_exporter_route(struct p2pbuf_exporter *exp, struct p2pbuf_route_info *info)
{
	struct pci_dev *client __free(pci_dev_put) = get_function(info->client);
	struct p2pbuf_path path;

	/* Awake before the lock is taken: the client's driver may need it for that. */
	guard(pm_runtime_active)(client ? &client->dev : exp->dev);
	guard(pm_runtime_active)(exp->dev);
	guard(mutex)(&exp->lock);
	if (!exp->pdev)
		return -ENODEV;
	if (!client)
		return -ENXIO;

	/* That there is no route is in @path, too. */
	p2pbuf_route_between(exp->pdev, &client->dev, &path);
	fill_info(info, &path);
	info->host = bus_number(pci_find_host_bridge(client->bus)->bus);
	return 0;
}
