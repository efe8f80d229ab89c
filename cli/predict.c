// SPDX-License-Identifier: GPL-2.0-only
/*
 * The route as calc_map_type_and_dist() (drivers/pci/p2pdma.c, Linux 7.3) and core/route.c
 * find it, from what userspace sees. Whatever it does not see makes the answer
 * unknown.
 */
#include <stdio.h>
#include <string.h>

#include <pci/pci.h>

#include "topo.h"

#define GROUNDS(pair, ...) \
	snprintf((pair)->grounds, sizeof((pair)->grounds), __VA_ARGS__)

enum answer { NO, YES, UNKNOWN };

static bool is_upstream_of(const struct function *bridge, const struct function *function)
{
	for (; function; function = function->upstream)
		if (function == bridge)
			return true;
	return false;
}

static const struct function *find_common(const struct function *a, const struct function *b)
{
	while (a && !is_upstream_of(a, b))
		a = a->upstream;
	return a;
}

/* Notes whether @port redirects; it is @unreadable if that cannot be told. */
static void look_at(struct pair *pair, const struct function *port,
		    const struct function **unreadable)
{
	if (port->acs == ACS_UNREADABLE && !*unreadable)
		*unreadable = port;
	if (function_redirects(port) && pair->nr_ports < MOST_PORTS)
		pair->ports[pair->nr_ports++] = port;
}

/* The common bridge's own controls count, as in the kernel. */
static enum answer is_direct(struct pair *pair)
{
	const struct function *port, *unreadable = NULL;

	pair->common = find_common(pair->exporter, pair->importer);
	if (!pair->common)
		return NO;

	for (port = pair->exporter; port != pair->common; port = port->upstream)
		look_at(pair, port, &unreadable);
	look_at(pair, pair->common, &unreadable);
	for (port = pair->importer; port != pair->common; port = port->upstream)
		look_at(pair, port, &unreadable);

	if (pair->nr_ports)
		return NO;
	if (!unreadable)
		return YES;
	GROUNDS(pair, "the ACS controls of %s cannot be read", unreadable->name);
	return UNKNOWN;
}

/*
 * What the kernel knows a host bridge by: the first function on its root bus, which is
 * the one with the lowest address unless it was removed and found again.
 */
static const struct function *first_on_root_bus(const struct functions *functions,
						const char *host)
{
	size_t i;

	for (i = 0; i < functions->nr; i++)
		if (functions->all[i].on_root_bus && !strcmp(functions->all[i].host, host))
			return &functions->all[i];
	return NULL;
}

static const struct allowed_bridge *find_entry(const struct allowlist *list,
					       const struct function *root)
{
	const struct allowed_bridge *entry;

	for (entry = list->bridges; entry < list->bridges + list->nr; entry++)
		if (entry->vendor == root->vendor &&
		    (entry->device < 0 || entry->device == root->device))
			return entry;
	return NULL;
}

/* As __host_bridge_whitelist() */
static enum answer is_bridge_allowed(struct pair *pair, const struct functions *functions,
				     const struct allowlist *list, const char *host, bool same)
{
	const struct function *root = first_on_root_bus(functions, host);
	const struct allowed_bridge *entry;

	if (root && (root->id & 0xff) && root->port == PORT_UNREADABLE) {
		GROUNDS(pair, "configuration space of %s cannot be read", root->name);
		return UNKNOWN;
	}
	if (!root || ((root->id & 0xff) && root->port != PCI_EXP_TYPE_ROOT_PORT)) {
		GROUNDS(pair, "host bridge %s has no function by which the kernel's allow-list "
			"could know it", host);
		return NO;
	}
	entry = find_entry(list, root);
	if (!entry) {
		GROUNDS(pair, "host bridge %s (%04x:%04x) is not on the kernel's allow-list",
			host, root->vendor, root->device);
		return NO;
	}
	if (entry->same_only && !same) {
		GROUNDS(pair, "the kernel's allow-list has host bridge %s (%04x:%04x) only for "
			"functions that are both below it", host, root->vendor, root->device);
		return NO;
	}
	return YES;
}

static enum answer is_allowed(struct pair *pair, const struct functions *functions,
			      const struct allowlist *list)
{
	const char *above_exporter = pair->exporter->host;
	const char *above_importer = pair->importer->host;
	bool same = !strcmp(above_exporter, above_importer);
	enum answer answer;

	if (list->problem[0]) {
		GROUNDS(pair, "%s", list->problem);
		return UNKNOWN;
	}
	if (list->cpu_allowed) {
		GROUNDS(pair, "CPU %s is on the kernel's allow-list", list->cpu);
		return YES;
	}
	answer = is_bridge_allowed(pair, functions, list, above_exporter, same);
	if (answer == YES && !same)
		answer = is_bridge_allowed(pair, functions, list, above_importer, same);
	if (answer == YES)
		GROUNDS(pair, "host bridge %s%s%s on the kernel's allow-list", above_exporter,
			same ? " is" : " and ", same ? "" : above_importer);
	return answer;
}

/* use_dma_iommu() in the kernel */
static enum topo_route route_through_host(struct pair *pair)
{
	const struct function *importer = pair->importer;

	if (importer->group < 0 || !strcmp(importer->domain, "identity"))
		return TOPO_HOST_BRIDGE;
	if (!strcmp(importer->domain, "DMA") || !strcmp(importer->domain, "DMA-FQ"))
		return TOPO_IOVA;
	GROUNDS(pair, "the domain of IOMMU group %d is of type %s", importer->group,
		importer->domain[0] ? importer->domain : "unknown");
	return TOPO_UNKNOWN;
}

/* @pair has its two functions. */
void pair_predict(struct pair *pair, const struct functions *functions,
		  const struct allowlist *list)
{
	enum answer direct = is_direct(pair), allowed;

	pair->route = TOPO_UNKNOWN;
	if (direct == UNKNOWN)
		return;
	if (direct == YES) {
		pair->route = TOPO_BUS_ADDR;
		return;
	}
	allowed = is_allowed(pair, functions, list);
	if (allowed == YES)
		pair->route = route_through_host(pair);
	if (allowed == NO)
		pair->route = TOPO_REFUSED;
}
