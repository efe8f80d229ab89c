// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes that the kernel holds after an ioctl of the drivers: what the allocators' tracepoints
 * tell of this process, frees taken off. Pages of the IOMMU's tables come from the page
 * allocator and are not among them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define TRACING		"/sys/kernel/tracing/"

static const char * const events[] = {
	"kmem/kmalloc", "kmem/kfree", "kmem/kmem_cache_alloc", "kmem/kmem_cache_free",
	"vmalloc/alloc_vmap_area", "vmalloc/free_vmap_area_noflush",
};

/* Allocations that are not yet freed; the key is an address as the trace shows it. */
struct allocation {
	char key[32];
	uint64_t bytes;
};

struct ledger {
	struct allocation *entries;
	unsigned int nr;
	unsigned int capacity;
};

/* What was allocated before is not in the ledger, and its end does not matter. */
static void strike(struct ledger *ledger, const char *key)
{
	unsigned int i;

	for (i = ledger->nr; i--; ) {
		if (strcmp(ledger->entries[i].key, key))
			continue;
		ledger->entries[i] = ledger->entries[--ledger->nr];
		return;
	}
}

static void enter(struct ledger *ledger, const char *key, uint64_t bytes)
{
	/* kvmalloc() is traced twice, once for itself. */
	strike(ledger, key);
	if (ledger->nr == ledger->capacity) {
		ledger->capacity = ledger->capacity * 2 + 64;
		ledger->entries = realloc(ledger->entries,
					  ledger->capacity * sizeof(*ledger->entries));
		must(ledger->entries, "memory");
	}
	snprintf(ledger->entries[ledger->nr].key, sizeof(ledger->entries->key), "%s", key);
	ledger->entries[ledger->nr++].bytes = bytes;
}

/* The value of "@name=" in a line of the trace. */
static bool value_of(const char *line, const char *name, char *value)
{
	const char *at = strstr(line, name);

	return at && sscanf(at + strlen(name), "%31s", value) == 1;
}

static void account(struct ledger *ledger, const char *line)
{
	char key[32], bytes[32];

	if (strstr(line, "kmalloc:") || strstr(line, "kmem_cache_alloc:")) {
		if (value_of(line, "ptr=", key) && value_of(line, "bytes_alloc=", bytes))
			enter(ledger, key, strtoull(bytes, NULL, 0));
	} else if (strstr(line, "kfree:") || strstr(line, "kmem_cache_free:")) {
		if (value_of(line, "ptr=", key))
			strike(ledger, key);
	} else if (strstr(line, "free_vmap_area_noflush:")) {
		if (value_of(line, "va_start=", key))
			strike(ledger, key);
	} else if (strstr(line, "alloc_vmap_area:")) {
		if (value_of(line, "va_start: ", key) && value_of(line, "size=", bytes))
			enter(ledger, key, strtoull(bytes, NULL, 0));
	}
}

static void set_events(bool on)
{
	unsigned int i;

	for (i = 0; i < sizeof(events) / sizeof(*events); i++)
		must(!run_shell("echo %d > " TRACING "events/%s/enable", on, events[i]),
		     events[i]);
}

/* Kept open: to open it would be traced. */
static int tracing_on;

static void switch_trace(bool on)
{
	must(pwrite(tracing_on, on ? "1" : "0", 1, 0) == 1, "tracing_on");
}

static void begin_trace(void)
{
	/* To open it for writing anew is what empties it. */
	must(!run_shell(": > " TRACING "trace"), "empty the trace");
	switch_trace(true);
}

static uint64_t end_trace(void)
{
	struct ledger ledger = {};
	uint64_t bytes = 0;
	char line[1024];
	FILE *trace;

	switch_trace(false);
	trace = fopen(TRACING "trace", "r");
	must(trace, "the trace");
	while (fgets(line, sizeof(line), trace))
		account(&ledger, line);
	fclose(trace);
	while (ledger.nr)
		bytes += ledger.entries[--ledger.nr].bytes;
	free(ledger.entries);
	return bytes;
}

static void record_memory(const struct shape *shape, const char *what, uint64_t bytes)
{
	record_begin("memory");
	record_text("what", what);
	record_number("ranges", shape->nr);
	record_number("exported", shape_size(shape));
	record_number("bytes", bytes);
	record_end();
}

struct way {
	const char *name;
	unsigned int interconnect;
	unsigned int flags;
};

static uint64_t measure_attachment(int importer, int fd, const struct way *way,
				   uint32_t *handle)
{
	begin_trace();
	must(!import_flow(importer, fd, way->interconnect, P2PBUF_FLOW_REVOCABLE, way->flags,
			  handle), "import");
	return end_trace();
}

static uint64_t measure_mapping(int importer, int fd, const struct shape *shape,
				const struct way *way)
{
	uint32_t handle;
	uint64_t attachment;
	char what[32];

	attachment = measure_attachment(importer, fd, way, &handle);

	/* The first time something may be made that all mappings of the DMABUF share. */
	snprintf(what, sizeof(what), "first mapping %s", way->name);
	begin_trace();
	must(!map_handle(importer, handle), "map");
	record_memory(shape, what, end_trace());
	must(!unmap_handle(importer, handle), "unmap");

	snprintf(what, sizeof(what), "mapping %s", way->name);
	begin_trace();
	must(!map_handle(importer, handle), "map");
	record_memory(shape, what, end_trace());
	must(!release_handle(importer, handle), "release");
	return attachment;
}

static void measure_shape(int exporter, int importer, const struct shape *shape)
{
	static const struct way ways[] = {
		{ "phys", P2PBUF_INTERCONNECT_PHYS, 0 },
		{ "sgt", P2PBUF_INTERCONNECT_SGT, 0 },
		{ "aligned", P2PBUF_INTERCONNECT_PHYS, P2PBUF_IMPORT_ALIGNED },
	};
	uint64_t attachment = 0;
	unsigned int i;
	int fd;

	begin_trace();
	fd = export_ranges(exporter, TEST_BAR, shape->ranges, shape->nr, O_RDWR | O_CLOEXEC);
	must(fd >= 0, "export");
	record_memory(shape, "DMABUF", end_trace());
	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		attachment = measure_mapping(importer, fd, shape, &ways[i]);
	/* The last one's: the first attachments made tables that all share. */
	record_memory(shape, "attachment", attachment);
	close(fd);
}

void measure_memory(const struct options *options, const struct shape *shapes,
		    unsigned int nr)
{
	int exporter = open_exporter(), importer = open_importer();
	unsigned int i;

	(void)options;
	must(exporter >= 0 && importer >= 0, "the nodes");
	if (access(TRACING "trace", F_OK))
		must(!run_shell("mount -t tracefs tracing " TRACING), "mount tracefs");
	tracing_on = open(TRACING "tracing_on", O_WRONLY | O_CLOEXEC);
	must(tracing_on >= 0, "tracing_on");
	switch_trace(false);
	must(!write_file(TRACING "buffer_size_kb", "4096"), "buffer_size_kb");
	must(!write_file(TRACING "set_event_pid", "%d", getpid()), "set_event_pid");
	set_events(true);
	for (i = 0; i < nr; i++)
		measure_shape(exporter, importer, &shapes[i]);
	set_events(false);
	close(tracing_on);
	close(importer);
	close(exporter);
}
