/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_CORE_KUNIT_H
#define _P2PBUF_CORE_KUNIT_H

#include <kunit/test.h>

#include "core.h"

#define PAGE	((u64)PAGE_SIZE)

struct p2pbuf_ranges *
p2pbuf_kunit_ranges(struct kunit *test, struct p2pdma_provider *provider,
		    phys_addr_t bar_start, const struct p2pbuf_range *user,
		    unsigned int nr);

#endif /* _P2PBUF_CORE_KUNIT_H */
