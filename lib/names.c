// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "p2pbuf_calls.h"

/* As the drivers call it; a refused pair has none. */
const char *route_name(unsigned int route)
{
	static const char * const names[] = {
		[P2PBUF_ROUTE_UNKNOWN] = "none",
		[P2PBUF_ROUTE_BUS_ADDR] = "bus-address",
		[P2PBUF_ROUTE_HOST_BRIDGE] = "host-bridge",
		[P2PBUF_ROUTE_IOVA] = "iova",
	};

	return route < sizeof(names) / sizeof(*names) ? names[route] : "?";
}

const char *verdict_name(unsigned int kind)
{
	static const char *const names[] = {
		[P2PBUF_VERDICT_NONE] = "none",
		[P2PBUF_VERDICT_PEER_TO_PEER] = "peer-to-peer",
		[P2PBUF_VERDICT_RAM] = "ram",
		[P2PBUF_VERDICT_WRONG_ROUTE] = "wrong-route",
		[P2PBUF_VERDICT_NO_ROUTE] = "no-route",
		[P2PBUF_VERDICT_MISPLACED] = "misplaced",
		[P2PBUF_VERDICT_OTHER] = "other",
		[P2PBUF_VERDICT_UNMAPPED] = "unmapped",
		[P2PBUF_VERDICT_RAW_BAR] = "raw-bar",
		[P2PBUF_VERDICT_LENGTH] = "length",
		[P2PBUF_VERDICT_OVERFLOW] = "overflow",
	};

	return kind < sizeof(names) / sizeof(*names) ? names[kind] : "?";
}

/* A function's address as the UAPI has it. */
uint64_t bdf_number(const char *bdf)
{
	unsigned int domain, bus, dev, fn;

	if (sscanf(bdf, "%x:%x:%x.%x", &domain, &bus, &dev, &fn) != 4)
		return -1;
	return (uint64_t)domain << 16 | bus << 8 | dev << 3 | fn;
}
