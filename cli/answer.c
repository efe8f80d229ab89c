// SPDX-License-Identifier: GPL-2.0-only
/* The route as the exporter's driver tells it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "topo.h"

static int ask(const struct pair *pair, struct p2pbuf_route_info *info)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/dev/p2pbuf/exporter/%s", pair->exporter->name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = ask_route(fd, pair->importer->id, info);
	close(fd);
	return ret;
}

/* It names the first port only; the prediction has them all, where they can be read. */
static void take_port(struct pair *pair, const struct functions *functions,
		      const struct p2pbuf_route_info *info)
{
	if (info->reason != P2PBUF_ROUTE_REASON_REDIRECT) {
		pair->nr_ports = 0;
	} else if (!pair->nr_ports || pair->ports[0]->id != info->port) {
		pair->ports[0] = function_find(functions, info->port);
		pair->nr_ports = pair->ports[0] ? 1 : 0;
	}
}

/* Likewise which of two host bridges it is. */
static void take_grounds(struct pair *pair, const struct p2pbuf_route_info *info)
{
	if (info->reason == P2PBUF_ROUTE_REASON_SILENT) {
		snprintf(pair->grounds, sizeof(pair->grounds), "%s does not answer",
			 function_text(info->port));
		return;
	}
	if (pair->route == info->route)
		return;
	pair->grounds[0] = '\0';
	if (info->route == P2PBUF_ROUTE_UNKNOWN)
		snprintf(pair->grounds, sizeof(pair->grounds),
			 "host bridge pci%04llx:%02llx is not on the kernel's allow-list",
			 info->host >> 16, info->host >> 8 & 0xff);
}

/* @pair was predicted. False if there is no driver to ask, or this user may not ask it. */
bool pair_answer(struct pair *pair, const struct functions *functions)
{
	struct p2pbuf_route_info info;

	if (strcmp(pair->exporter->driver, "p2pbuf_exporter") || ask(pair, &info))
		return false;
	take_port(pair, functions, &info);
	take_grounds(pair, &info);
	pair->common = NULL;
	if (info.reason != P2PBUF_ROUTE_REASON_NO_COMMON)
		pair->common = function_find(functions, info.common);
	pair->route = info.reason == P2PBUF_ROUTE_REASON_SILENT ? TOPO_UNKNOWN :
								  (enum topo_route)info.route;
	pair->answered = true;
	return true;
}
