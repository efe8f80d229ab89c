// SPDX-License-Identifier: GPL-2.0-only
/* A DMABUF of BAR ranges as they are written. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dmabuf.h"

static int parse_ranges(char *const *texts, unsigned int nr, struct p2pbuf_range *ranges)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!parse_range(texts[i], &ranges[i])) {
			say_error("write OFFSET+LENGTH or OFFSET-END, such as 1M+64K or "
				  "0x1000-0x3000", "\"%s\" is no range", texts[i]);
			return EXIT_USAGE;
		}
	}
	return EXIT_FINE;
}

/* Without ranges, all of it. */
static int whole_bar(int exporter, unsigned int bar, struct p2pbuf_range *range)
{
	struct p2pbuf_region_info info;
	int ret;

	ret = region_info(exporter, bar, &info);
	if (ret)
		return refused(CALL_REGION_INFO, -ret);
	*range = (struct p2pbuf_range){ 0, info.size };
	return EXIT_FINE;
}

static int export_from(const char *bdf, unsigned int bar, struct p2pbuf_range *ranges,
		       unsigned int nr, unsigned int open_flags)
{
	int exporter, fd, ret;

	ret = version_check();
	if (ret)
		return -ret;
	exporter = open_node(EXPORTER, bdf);
	if (exporter < 0)
		return exporter;
	ret = nr ? EXIT_FINE : whole_bar(exporter, bar, ranges);
	fd = -ret;
	if (!ret) {
		fd = export_ranges(exporter, bar, ranges, nr ? nr : 1, open_flags);
		if (fd < 0)
			fd = -refused(CALL_EXPORT, -fd);
	}
	close(exporter);
	return fd;
}

static void describe(struct exported *exported)
{
	struct stat stat;

	exported->size = lseek(exported->fd, 0, SEEK_END);
	exported->ino = fstat(exported->fd, &stat) ? 0 : stat.st_ino;
}

int export_text(const char *function, const char *bar, char *const *texts,
		unsigned int nr, unsigned int open_flags, struct exported *exported)
{
	struct p2pbuf_range *ranges;
	uint64_t number;
	int ret;

	if (!parse_size(bar, &number) || number > 5) {
		say_error("p2pbuf regions lists them", "\"%s\" is no BAR: 0 to 5", bar);
		return EXIT_USAGE;
	}
	ret = find_function(function, exported->bdf);
	if (ret)
		return ret;

	ranges = must_have(calloc(nr + 1, sizeof(*ranges)));
	ret = parse_ranges(texts, nr, ranges);
	if (!ret) {
		exported->bar = number;
		exported->fd = export_from(exported->bdf, number, ranges, nr, open_flags);
		ret = exported->fd < 0 ? -exported->fd : EXIT_FINE;
	}
	free(ranges);
	if (!ret)
		describe(exported);
	return ret;
}
