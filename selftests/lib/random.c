// SPDX-License-Identifier: GPL-2.0-only
#include "tally.h"

/* splitmix64: any state is a good one. */
uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

unsigned int random_below(uint64_t *state, unsigned int limit)
{
	return (random_next(state) >> 32) % limit;
}

bool random_one_in(uint64_t *state, unsigned int n)
{
	return !random_below(state, n);
}
