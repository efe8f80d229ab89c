// SPDX-License-Identifier: GPL-2.0-only
#include "foreign.h"

static int verdict_kind(int importer, uint32_t handle)
{
	struct p2pbuf_verdict verdict;
	int ret;

	ret = map_handle(importer, handle);
	if (!ret)
		ret = verdict_of(importer, handle, &verdict);
	return ret ? ret : verdict.kind;
}

/* Where the mapping leads that an exporter gives to this kind of importer. */
int verdict_by_flow(int importer, int fd, unsigned int flow, unsigned int flags)
{
	uint32_t handle;
	int ret;

	ret = import_flow(importer, fd, P2PBUF_INTERCONNECT_SGT, flow, flags, &handle);
	if (ret)
		return ret;
	ret = verdict_kind(importer, handle);
	release_handle(importer, handle);
	return ret;
}
