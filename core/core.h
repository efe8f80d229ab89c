/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_CORE_H
#define _P2PBUF_CORE_H

#include <p2pbuf.h>

unsigned int p2pbuf_ranges_index(const struct p2pbuf_ranges *ranges, u64 offset);

#endif /* _P2PBUF_CORE_H */
