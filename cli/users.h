/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_CLI_USERS_H
#define _P2PBUF_CLI_USERS_H

#include "dmabuf.h"

/* users.c: what uses a function by way of its driver; a sentence for each */
struct json_object *find_users(const char *bdf);

#endif /* _P2PBUF_CLI_USERS_H */
