// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "p2pbuf_test.h"

/* The number of places filled, or -errno; @offset moves on behind them. */
int audit_handle(int importer, uint32_t handle, uint64_t *offset,
		 struct p2pbuf_place *places, unsigned int capacity)
{
	struct p2pbuf_audit args = {
		.handle = handle,
		.offset = *offset,
		.places = (uintptr_t)places,
		.capacity = capacity,
	};

	if (ioctl(importer, P2PBUF_IOCTL_AUDIT, &args))
		return -errno;
	*offset = args.offset;
	return args.capacity;
}

int verdict_of(int importer, uint32_t handle, struct p2pbuf_verdict *verdict)
{
	*verdict = (struct p2pbuf_verdict){ .handle = handle };
	return ioctl(importer, P2PBUF_IOCTL_VERDICT, verdict) ? -errno : 0;
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

/* A function's address as struct p2pbuf_place has it. */
uint32_t bdf_number(const char *bdf)
{
	unsigned int domain, bus, dev, fn;

	if (sscanf(bdf, "%x:%x:%x.%x", &domain, &bus, &dev, &fn) != 4)
		return -1;
	return domain << 16 | bus << 8 | dev << 3 | fn;
}
