// SPDX-License-Identifier: GPL-2.0-only
/* Why a pair of functions has its route, and what would change it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topo.h"

const char *topo_route_name(enum topo_route route)
{
	switch (route) {
	case TOPO_REFUSED:
		return "refused";
	case TOPO_UNKNOWN:
		return "unknown";
	default:
		return route_name((unsigned int)route);
	}
}

/* By the words of enum p2pbuf_route_reason; NULL if unknown. */
static const char *reason(const struct pair *pair)
{
	if (pair->answered && pair->route == TOPO_UNKNOWN)
		return "silent";
	if (pair->nr_ports)
		return "redirect";
	if (!pair->common)
		return "no-common";
	return pair->route == TOPO_UNKNOWN ? NULL : "none";
}

static void say_way(FILE *file, const struct pair *pair)
{
	if (pair->nr_ports)
		fprintf(file, "ACS of %s redirects to the host bridge", pair->ports[0]->name);
	else if (!pair->common)
		fprintf(file, "no bridge is above both");
	else if (pair->exporter == pair->importer)
		fprintf(file, "it is one function");
	else if (pair->route != TOPO_UNKNOWN)
		fprintf(file, "both are below %s, and no port on the way redirects",
			pair->common->name);
}

static void say_domain(FILE *file, const struct pair *pair)
{
	if (pair->route == TOPO_IOVA)
		fprintf(file, "; the importer's IOMMU domain (%s) translates",
			pair->importer->domain);
	else if (pair->route == TOPO_HOST_BRIDGE && pair->importer->group >= 0)
		fprintf(file, "; the importer's IOMMU domain (%s) does not translate",
			pair->importer->domain);
	else if (pair->route == TOPO_HOST_BRIDGE)
		fprintf(file, "; the importer has no IOMMU");
}

static void add_why(struct json_object *document, const struct pair *pair)
{
	size_t size;
	char *text;
	FILE *file = must_have(open_memstream(&text, &size));

	say_way(file, pair);
	if (pair->grounds[0])
		fprintf(file, "%s%s", ftell(file) ? "; " : "", pair->grounds);
	say_domain(file, pair);
	fclose(file);
	json_add_string(document, "why", text);
	free(text);
}

static void add(struct json_object *list, const char *text)
{
	json_object_array_add(list, json_object_new_string(text));
}

/* Of one kernel argument: the ports are separated by semicolons. */
static void add_ports(struct json_object *list, const struct pair *pair)
{
	size_t i, size;
	char *text;
	FILE *file = must_have(open_memstream(&text, &size));

	fprintf(file, "pci=disable_acs_redir=");
	for (i = 0; i < pair->nr_ports; i++)
		fprintf(file, "%s%s", i ? ";" : "", pair->ports[i]->name);
	fprintf(file, ": bus-address, and what is below these ports is not isolated any more");
	fclose(file);
	add(list, text);
	free(text);
}

static struct json_object *changes(const struct pair *pair)
{
	struct json_object *list = json_object_new_array();

	if (pair->nr_ports)
		add_ports(list, pair);
	else if (!pair->common)
		add(list, "slots below one switch: bus-address, unless its ACS redirects");

	switch (pair->route) {
	case TOPO_REFUSED:
		add(list, "a CPU or host bridges on the kernel's allow-list: host-bridge or iova");
		break;
	case TOPO_IOVA:
		add(list, "iommu=pt: host-bridge");
		break;
	case TOPO_HOST_BRIDGE:
		add(list, pair->importer->group < 0 ? "an IOMMU that translates: iova" :
						      "no iommu=pt: iova");
		break;
	case TOPO_UNKNOWN:
		if (pair->answered)
			break;
		if (pair->common && !pair->nr_ports)
			add(list, "CAP_SYS_ADMIN, to read the controls");
		add(list, "the exporter bound to p2pbuf_exporter: its driver knows");
		break;
	default:
		break;
	}
	return list;
}

struct json_object *pair_document(const struct pair *pair)
{
	struct json_object *document = json_object_new_object();
	struct json_object *ports = json_object_new_array();
	size_t i;

	for (i = 0; i < pair->nr_ports; i++)
		add(ports, pair->ports[i]->name);
	json_add_string(document, "exporter", pair->exporter->name);
	json_add_string(document, "importer", pair->importer->name);
	json_add_string(document, "route", topo_route_name(pair->route));
	json_add_string(document, "source", pair->answered ? "driver" : "predicted");
	json_add_string(document, "reason", reason(pair));
	json_add_string(document, "common", pair->common ? pair->common->name : NULL);
	json_object_object_add(document, "redirecting", ports);
	add_why(document, pair);
	json_object_object_add(document, "change", changes(pair));
	return document;
}
