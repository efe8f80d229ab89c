// SPDX-License-Identifier: GPL-2.0-only
#include "p2pbuf_test.h"

/* 1 to 255, so that it never looks like the zeros of a refused read. */
uint8_t pattern_byte(unsigned int seed, uint64_t position)
{
	uint64_t x = position + (uint64_t)seed * 0x9e3779b97f4a7c15ULL + 1;

	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 29;
	return x % 255 + 1;
}

void pattern_fill(void *buf, size_t length, unsigned int seed, uint64_t position)
{
	uint8_t *bytes = buf;
	size_t i;

	for (i = 0; i < length; i++)
		bytes[i] = pattern_byte(seed, position + i);
}

/* 0 if all of it is the pattern, else -1 and where it first is not. */
int pattern_check(const void *buf, size_t length, unsigned int seed,
		  uint64_t position, size_t *where)
{
	const uint8_t *bytes = buf;
	size_t i;

	for (i = 0; i < length; i++) {
		if (bytes[i] != pattern_byte(seed, position + i)) {
			*where = i;
			return -1;
		}
	}
	return 0;
}

/* Fisher and Yates; the same seed gives the same order. */
void shuffle(unsigned int *values, unsigned int nr, unsigned int seed)
{
	uint64_t state = seed + 1;
	unsigned int i, j, swap;

	for (i = nr; i > 1; i--) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		j = (state >> 33) % i;
		swap = values[i - 1];
		values[i - 1] = values[j];
		values[j] = swap;
	}
}
