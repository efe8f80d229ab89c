/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs share that make random calls: numbers, what may come back, what is
 * left behind.
 */
#ifndef _P2PBUF_TALLY_H
#define _P2PBUF_TALLY_H

#include <stdbool.h>
#include <stdint.h>

/* random.c: numbers that a seed determines */
uint64_t random_next(uint64_t *state);
unsigned int random_below(uint64_t *state, unsigned int limit);
bool random_one_in(uint64_t *state, unsigned int n);

/* What is counted: each ioctl, then what a program adds. */
enum tally {
	TALLY_REGION_INFO,
	TALLY_EXPORT,
	TALLY_RESET,
	TALLY_MEMORY,
	TALLY_ROUTE,
	TALLY_REVOKE,
	TALLY_IMPORT,
	TALLY_MAP,
	TALLY_UNMAP,
	TALLY_RELEASE,
	TALLY_QUERY,
	TALLY_COPY,
	TALLY_TRANSFER,
	TALLY_AUDIT,
	TALLY_VERDICT,
	NR_TALLY_IOCTLS,
};

/**
 * struct tally_kind - a kind of call
 * @name: to be printed
 * @cmd: ioctl number, or 0
 * @errnos: that it may return, up to the first 0, besides those common to all ioctls
 * @maps: it may also return what the exporter's map returns
 * @refused: it never succeeds
 */
struct tally_kind {
	const char *name;
	unsigned int cmd;
	int errnos[16];
	bool maps;
	bool refused;
};

/* tally.c: counts of calls, shared with child processes */
int tally_start(const struct tally_kind *more, unsigned int nr);
unsigned int tally_find(unsigned int cmd);
const char *tally_name(unsigned int kind);
int tally(unsigned int kind, int ret);
unsigned long tally_calls(void);
unsigned long tally_errors(void);
unsigned int tally_undocumented(void);
bool tally_is_complete(void);
bool tally_report(void);

/**
 * struct footing - what the drivers hold
 * @exporter: users of p2pbuf_exporter.ko
 * @importer: users of p2pbuf_importer.ko
 * @buffers: DMABUFs of the exporter
 * @attachments: of these
 */
struct footing {
	int exporter;
	int importer;
	int buffers;
	int attachments;
};

/* footing.c: whether all that was taken was given back */
void take_footing(struct footing *footing);
bool back_on_footing(const struct footing *before);

/* stacks.c: for who does not come back */
void print_all_stacks(void);

#endif /* _P2PBUF_TALLY_H */
