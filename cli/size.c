// SPDX-License-Identifier: GPL-2.0-only
/* Sizes and ranges as people write them: 64K, 0x1000, 1M+64K. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dmabuf.h"

static const char units[] = "KMGT";

/* Decimal, or hexadecimal after 0x, with or without a unit of 1024s. */
bool parse_number(const char *text, const char **end, uint64_t *value)
{
	const char *unit;
	unsigned int shift;
	char *after;

	/* strtoull() takes signs and spaces. */
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &after, strncmp(text, "0x", 2) ? 10 : 16);
	if (errno || after == text)
		return false;

	unit = *after ? strchr(units, *after) : NULL;
	if (unit) {
		shift = 10 * (unit - units + 1);
		if (*value << shift >> shift != *value)
			return false;
		*value <<= shift;
		after++;
	}
	*end = after;
	return true;
}

bool parse_size(const char *text, uint64_t *size)
{
	const char *end;

	return parse_number(text, &end, size) && !*end;
}

/* OFFSET+LENGTH or OFFSET-END, whose end is the first byte behind it. */
bool parse_range(const char *text, struct p2pbuf_range *range)
{
	uint64_t offset, second;
	const char *end;

	if (!parse_number(text, &end, &offset) || (*end != '+' && *end != '-') ||
	    !parse_size(end + 1, &second))
		return false;
	if (*end == '-' && second < offset)
		return false;
	range->offset = offset;
	range->length = *end == '-' ? second - offset : second;
	return true;
}

/* In the largest unit that says it exactly; good for a few calls. */
const char *size_text(uint64_t size)
{
	static char texts[8][24];
	static unsigned int next;
	char *text = texts[next++ % 8];
	int unit = -1;

	while (size && size % 1024 == 0 && units[unit + 1]) {
		size /= 1024;
		unit++;
	}
	snprintf(text, sizeof(*texts), "%lu%.1s", size, unit < 0 ? "" : &units[unit]);
	return text;
}

/* Of struct p2pbuf_place; good until the next call. */
const char *function_text(uint64_t bdf)
{
	static char text[BDF_ROOM];

	snprintf(text, sizeof(text), "%04x:%02x:%02x.%x", (unsigned int)(bdf >> 16),
		 (unsigned int)bdf >> 8 & 0xff, (unsigned int)bdf >> 3 & 0x1f,
		 (unsigned int)bdf & 7);
	return text;
}
