// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "footprint.h"
#include "p2pbuf_test.h"

static const char *const held_names[NR_HELD] = {
	[REFS_CORE] = "references on p2pbuf",
	[REFS_EXPORTER] = "references on " EXPORTER,
	[REFS_IMPORTER] = "references on " IMPORTER,
	[FILES] = "open files",
	[BUFFERS] = "DMABUFs",
	[ATTACHMENTS] = "attachments",
	[BOUND_EXPORTER] = EXPORTER " is bound",
	[BOUND_IMPORTER] = IMPORTER " is bound",
	[AWAKE_EXPORTER] = "runtime PM references",
	[DMA_ENTRIES] = "DMA-API entries",
	[DMA_UNCHECKED] = "the DMA-API's checks gave up",
	[REGIONS] = "claimed regions",
	[IMPORT_STATE] = "state of the import",
	[IMPORT_SEGMENTS] = "segments of the import",
};

static int read_named(char *text, size_t size, const char *format, const char *arg)
{
	char path[256];

	snprintf(path, sizeof(path), format, arg);
	return read_file(path, text, size);
}

/* The number in a file, or -1. */
static long number_in(const char *format, const char *arg)
{
	char text[64];

	return read_named(text, sizeof(text), format, arg) > 0 ? strtol(text, NULL, 10) : -1;
}

static long yes_in(const char *format, const char *arg)
{
	char text[64] = "";

	read_named(text, sizeof(text), format, arg);
	return text[0] == 'Y';
}

static long count_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	long nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

static long count_regions(void)
{
	FILE *file = fopen("/proc/iomem", "re");
	char line[256];
	long nr = 0;

	while (file && fgets(line, sizeof(line), file))
		nr += !!strstr(line, "p2pbuf");
	if (file)
		fclose(file);
	return nr;
}

#define DMA_API		"/sys/kernel/debug/dma-api/%s"

void look(long *held, int importer, uint32_t handle)
{
	struct p2pbuf_query query = {};
	int ours, others;

	held[REFS_CORE] = number_in("/sys/module/%s/refcnt", "p2pbuf");
	held[REFS_EXPORTER] = number_in("/sys/module/%s/refcnt", EXPORTER);
	held[REFS_IMPORTER] = number_in("/sys/module/%s/refcnt", IMPORTER);
	held[FILES] = count_files();
	held[BUFFERS] = count_buffers(EXPORTER, &ours) +
			count_buffers("p2pbuf_test", &others);
	held[ATTACHMENTS] = ours + others;
	held[BOUND_EXPORTER] = is_bound(EXPORTER, exporter_bdf());
	held[BOUND_IMPORTER] = is_bound(IMPORTER, importer_bdf());
	held[AWAKE_EXPORTER] = number_in("/sys/bus/pci/devices/%s/power/runtime_usage",
					 exporter_bdf());
	held[DMA_ENTRIES] = number_in(DMA_API, "nr_total_entries") -
			    number_in(DMA_API, "num_free_entries");
	held[DMA_UNCHECKED] = yes_in(DMA_API, "disabled");
	held[REGIONS] = count_regions();
	if (handle)
		query_handle(importer, handle, &query, NULL, 0);
	held[IMPORT_STATE] = query.state;
	held[IMPORT_SEGMENTS] = query.nr_segments;
}

/* What differs, or NULL. */
const char *difference(const long *before, const long *after)
{
	static char text[128];
	int i;

	for (i = 0; i < NR_HELD; i++) {
		if (before[i] == after[i])
			continue;
		snprintf(text, sizeof(text), "%s: %ld, then %ld", held_names[i], before[i],
			 after[i]);
		return text;
	}
	return NULL;
}
