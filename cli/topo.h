/* SPDX-License-Identifier: GPL-2.0-only */
/* What "p2pbuf topo" knows of the machine, and what it makes of it. */
#ifndef _P2PBUF_TOPO_H
#define _P2PBUF_TOPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "dmabuf.h"

#define NR_BARS		6

/**
 * enum acs_state - what is known of the ACS controls of a function
 * @ACS_NONE: it has no such capability
 * @ACS_READ: they were read
 * @ACS_UNREADABLE: extended configuration space cannot be read by this user
 */
enum acs_state {
	ACS_NONE,
	ACS_READ,
	ACS_UNREADABLE,
};

/* In place of a type of PCI Express function. */
#define PORT_NONE	(-1)
#define PORT_UNREADABLE	(-2)

/**
 * struct bar - a memory BAR
 * @size: 0 if there is none
 * @is_64bit: it is a 64-bit one
 * @prefetchable: it is prefetchable
 */
struct bar {
	uint64_t size;
	bool is_64bit;
	bool prefetchable;
};

/**
 * struct function - a PCI function
 * @name: domain:bus:dev.fn
 * @id: the same as in struct p2pbuf_route_info
 * @upstream: the bridge above it, of a virtual function the one above its physical
 *	function; NULL if there is none
 * @on_root_bus: whether its bus is the host bridge's
 * @host: the host bridge above it, as the kernel calls it
 * @vendor: id
 * @device: id
 * @title: names of both, if libpci has them
 * @is_bridge: to another bus
 * @port: type of a PCI Express function (PCI_EXP_TYPE_*), or PORT_*
 * @acs: whether @acs_control is known
 * @acs_control: ACS Control Register
 * @group: number of its IOMMU group, or -1
 * @domain: type of the group's default domain; empty if it cannot be read
 * @driver: bound to it; empty if there is none
 * @bars: memory BARs
 */
struct function {
	char name[BDF_ROOM];
	uint64_t id;
	const struct function *upstream;
	bool on_root_bus;
	char host[BDF_ROOM];
	uint16_t vendor;
	uint16_t device;
	char title[160];
	bool is_bridge;
	int port;
	enum acs_state acs;
	uint16_t acs_control;
	int group;
	char domain[16];
	char driver[64];
	struct bar bars[NR_BARS];
};

/**
 * struct functions - all of them
 * @all: in the order of their addresses
 * @nr: how many
 */
struct functions {
	struct function *all;
	size_t nr;
};

/* functions.c */
void functions_read(struct functions *functions);
const struct function *function_find(const struct functions *functions, uint64_t id);
const struct function *function_named(const struct functions *functions, const char *name);
bool function_has_memory(const struct function *function);
bool function_redirects(const struct function *function);
const char *function_kind(const struct function *function);

/**
 * struct allowed_bridge - entry of the kernel's allow-list
 * @vendor: of the first function on the root bus
 * @device: likewise, or -1: any
 * @same_only: both functions have to be below this host bridge
 */
struct allowed_bridge {
	unsigned int vendor;
	int device;
	bool same_only;
};

/**
 * struct allowlist - between which host bridges this kernel allows peer-to-peer DMA
 * @path: of the file
 * @version: of the kernel that the file is made from; empty if it could not be read
 * @problem: why the list says nothing of this kernel; empty if it does
 * @cpu: this machine's, in words
 * @cpu_allowed: it is on the list
 * @bridges: entries; the first one that fits counts
 * @nr: number of them
 */
struct allowlist {
	const char *path;
	char version[32];
	char problem[256];
	char cpu[64];
	bool cpu_allowed;
	struct allowed_bridge bridges[256];
	size_t nr;
};

/* allowlist.c */
void allowlist_read(struct allowlist *list, const char *path);

/* No bridge chain is as long: buses have 8 bits. */
#define MOST_PORTS	512

/**
 * enum topo_route - what becomes of DMA between two functions
 * @TOPO_REFUSED: there is no route
 * @TOPO_UNKNOWN: it cannot be told
 *
 * The others are those of enum p2pbuf_route.
 */
enum topo_route {
	TOPO_REFUSED = P2PBUF_ROUTE_UNKNOWN,
	TOPO_BUS_ADDR = P2PBUF_ROUTE_BUS_ADDR,
	TOPO_HOST_BRIDGE = P2PBUF_ROUTE_HOST_BRIDGE,
	TOPO_IOVA = P2PBUF_ROUTE_IOVA,
	TOPO_UNKNOWN,
};

/**
 * struct pair - the route by which one function reaches another's BARs
 * @exporter: whose BARs they are
 * @importer: which does the DMA
 * @route: what becomes of it
 * @answered: by the exporter's driver; predicted otherwise
 * @common: the lowest bridge above both, or NULL
 * @ports: on the way, whose ACS redirects
 * @nr_ports: how many
 * @grounds: why the host bridge lets it pass or not, or why the route is unknown
 */
struct pair {
	const struct function *exporter;
	const struct function *importer;
	enum topo_route route;
	bool answered;
	const struct function *common;
	const struct function *ports[MOST_PORTS];
	size_t nr_ports;
	char grounds[320];
};

/* predict.c */
void pair_predict(struct pair *pair, const struct functions *functions,
		  const struct allowlist *list);

/* answer.c */
bool pair_answer(struct pair *pair, const struct functions *functions);

/* explain.c */
const char *topo_route_name(enum topo_route route);
struct json_object *pair_document(const struct pair *pair);

/* show.c */
void topo_show(struct json_object *document);

#endif /* _P2PBUF_TOPO_H */
