/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Failing the nth allocation, or access to user memory, of the calling task: /proc's
 * fail-nth (Documentation/fault-injection in the kernel).
 */
#ifndef _P2PBUF_FAILNTH_H
#define _P2PBUF_FAILNTH_H

#include <stdbool.h>

enum injector {
	INJECT_SLAB,
	INJECT_PAGE,
	INJECT_USERCOPY,
	NR_INJECTORS
};

bool injectors_present(void);
int prepare_injectors(void);
int inject_below(const char *function);
int count_injected(unsigned int *counts);

/**
 * struct fail_nth - the calling task's fail-nth
 * @fd: of the file
 * @strays: failures that hit the file itself rather than the call
 */
struct fail_nth {
	int fd;
	unsigned int strays;
};

int fail_nth_open(struct fail_nth *fail);
void fail_nth_close(struct fail_nth *fail);
int fail_nth_arm(struct fail_nth *fail, unsigned int nth);
bool fail_nth_disarm(struct fail_nth *fail);

#endif /* _P2PBUF_FAILNTH_H */
