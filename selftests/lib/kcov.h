/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_KCOV_H
#define _P2PBUF_KCOV_H

#include <stdbool.h>

int kcov_start(void);
void kcov_begin(void);
bool kcov_end(void);
unsigned int kcov_count(void);

#endif /* _P2PBUF_KCOV_H */
