// SPDX-License-Identifier: GPL-2.0-only
/* What the drivers tell: tracepoints, and the fdinfo of their nodes. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"

#define TRACING	"/sys/kernel/tracing/"
#define EVENTS	TRACING "events/p2pbuf/"
#define LINE	1024

FIXTURE(trace)
{
	int exporter;
	int importer;
	int fd;
	uint32_t handle;
	unsigned long ino;
};

FIXTURE_VARIANT(trace)
{
	unsigned int interconnect;
};

FIXTURE_VARIANT_ADD(trace, phys)
{
	.interconnect = P2PBUF_INTERCONNECT_PHYS,
};

FIXTURE_VARIANT_ADD(trace, sgt)
{
	.interconnect = P2PBUF_INTERCONNECT_SGT,
};

static int enable(bool on)
{
	return write_file(EVENTS "enable", "%d", on);
}

FIXTURE_SETUP(trace)
{
	if (access(TRACING "trace", F_OK))
		run_shell("mount -t tracefs tracing " TRACING);
	if (access(EVENTS "enable", F_OK))
		SKIP(return, "this kernel has no event tracing");
	ASSERT_EQ(0, run_shell(": > " TRACING "trace"));
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	self->fd = -1;
	ASSERT_EQ(0, enable(true));
}

FIXTURE_TEARDOWN(trace)
{
	EXPECT_EQ(0, enable(false));
	close(self->fd);
	close(self->importer);
	close(self->exporter);
}

/* The words of the @nr-th "@event: ..." in the trace, or NULL; in static memory. */
static const char *find_event(const char *event, unsigned int nr)
{
	static char line[LINE];
	char key[64], *found = NULL;
	FILE *trace = fopen(TRACING "trace", "r");

	if (!trace)
		return NULL;
	snprintf(key, sizeof(key), " p2pbuf_%s: ", event);
	while (!found && fgets(line, sizeof(line), trace)) {
		found = strstr(line, key);
		if (found && nr--)
			found = NULL;
	}
	fclose(trace);
	if (!found)
		return NULL;
	found[strcspn(found, "\n")] = '\0';
	return found + strlen(key);
}

static unsigned int count_events(const char *event)
{
	unsigned int nr = 0;

	while (find_event(event, nr))
		nr++;
	return nr;
}

/* Whether the @nr-th @event is there with just these words. */
static bool __attribute__((format(printf, 3, 4)))
happened(const char *event, unsigned int nr, const char *format, ...)
{
	const char *found = find_event(event, nr);
	char expected[LINE];
	va_list args;

	va_start(args, format);
	vsnprintf(expected, sizeof(expected), format, args);
	va_end(args);
	if (found && !strcmp(found, expected))
		return true;
	printf("# %s %u: \"%s\" instead of \"%s\"\n", event, nr, found ?: "nothing", expected);
	return false;
}

/* Three ranges, of which two follow each other. */
static int export_three(FIXTURE_DATA(trace) *self)
{
	static const struct p2pbuf_range ranges[] = {
		{ 4 * PAGE, PAGE }, { 0, PAGE }, { PAGE, 2 * PAGE },
	};
	struct stat stat;

	self->fd = export_ranges(self->exporter, TEST_BAR, ranges, 3, O_RDWR | O_CLOEXEC);
	if (self->fd < 0 || fstat(self->fd, &stat))
		return -EIO;
	self->ino = stat.st_ino;
	return 0;
}

static int import_it(FIXTURE_DATA(trace) *self, unsigned int interconnect)
{
	return import_buffer(self->importer, self->fd, interconnect,
			     P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &self->handle);
}

TEST_F(trace, export)
{
	ASSERT_EQ(0, export_three(self));
	EXPECT_TRUE(happened("export", 0, "exporter=%s ino=%lu bytes=%lu ranges=3 merged=2",
			     exporter_bdf(), self->ino, 4 * PAGE));
	EXPECT_EQ(1, count_events("export"));
}

/* It has the reason that the ioctl tells. */
TEST_F(trace, attach)
{
	static const char * const reasons[] = {
		[P2PBUF_ROUTE_REASON_NONE] = "none",
		[P2PBUF_ROUTE_REASON_NO_COMMON] = "no-common-bridge",
		[P2PBUF_ROUTE_REASON_REDIRECT] = "redirect",
	};
	struct p2pbuf_route_info info;
	char port[32] = "-";
	int ret;

	ASSERT_EQ(0, export_three(self));
	ret = import_it(self, P2PBUF_INTERCONNECT_PHYS);
	ASSERT_EQ(0, ask_route(self->exporter, bdf_number(importer_bdf()), &info));
	ASSERT_LE(info.reason, P2PBUF_ROUTE_REASON_REDIRECT);
	if (info.port)
		snprintf(port, sizeof(port), "%04x:%02x:%02x.%x", (unsigned int)(info.port >> 16),
			 (unsigned int)(info.port >> 8 & 0xff),
			 (unsigned int)(info.port >> 3 & 0x1f), (unsigned int)(info.port & 7));
	EXPECT_TRUE(happened("attach", 0,
			     "exporter=%s ino=%lu importer=%s error=%d reason=%s port=%s",
			     exporter_bdf(), self->ino, importer_bdf(), ret,
			     reasons[info.reason], port));
}

TEST_F(trace, map_and_unmap)
{
	static const char words[] =
		"importer=%s route=%s ranges=2 segments=%d bytes=%lu error=0";
	bool iova = expected_route() == P2PBUF_ROUTE_IOVA;

	ASSERT_EQ(0, export_three(self));
	if (import_it(self, variant->interconnect))
		SKIP(return, "no route");
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	EXPECT_TRUE(happened("map", 0, words,
			     importer_bdf(), route_name(expected_route()), iova ? 1 : 2, 4 * PAGE));
	EXPECT_EQ(iova, count_events("sync"));
	ASSERT_EQ(0, unmap_handle(self->importer, self->handle));
	EXPECT_TRUE(happened("unmap", 0, "importer=%s route=%s ranges=2 bytes=%lu",
			     importer_bdf(), route_name(expected_route()), 4 * PAGE));
	EXPECT_EQ(1, count_events("map"));
	EXPECT_EQ(1, count_events("unmap"));
}

TEST_F(trace, sync_of_the_iova)
{
	struct p2pbuf_segment seg;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");
	ASSERT_EQ(0, export_three(self));
	ASSERT_EQ(0, import_it(self, variant->interconnect));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, query_segment(self->importer, self->handle, 0, &seg));
	EXPECT_TRUE(happened("sync", 0, "importer=%s iova=0x%llx bytes=%lu error=0",
			     importer_bdf(), (unsigned long long)seg.addr, 4 * PAGE));
}

/* Each step, once, and in between the importer's unmap. */
TEST_F(trace, revoke_and_restore)
{
	static const char * const steps[] = { "told", "fences-signalled", "unmapped" };
	unsigned int i;

	ASSERT_EQ(0, export_three(self));
	if (import_it(self, variant->interconnect))
		SKIP(return, "no route");
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, set_memory(self->exporter, false));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(happened("revoke", i, "exporter=%s ino=%lu step=%s",
				     exporter_bdf(), self->ino, steps[i]));
	EXPECT_EQ(3, count_events("revoke"));
	EXPECT_EQ(1, count_events("unmap"));
	EXPECT_EQ(0, count_events("restore"));
	ASSERT_EQ(0, set_memory(self->exporter, true));
	EXPECT_TRUE(happened("restore", 0, "exporter=%s ino=%lu", exporter_bdf(), self->ino));
}

/* Peer to engine and engine to memory, each submitted and done. */
TEST_F(trace, dma)
{
	struct p2pbuf_segment seg;
	uint8_t data[PAGE];

	if (!data_arrives())
		SKIP(return, NO_DATA);
	ASSERT_EQ(0, export_three(self));
	ASSERT_EQ(0, import_it(self, variant->interconnect));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, query_segment(self->importer, self->handle, 0, &seg));
	pattern_fill(data, sizeof(data), 1, 0);
	ASSERT_EQ(0, run_shell(": > " TRACING "trace"));
	ASSERT_EQ(0, write_buffer(self->importer, self->handle, 0, data, sizeof(data)));
	EXPECT_LE(2, count_events("dma_submit"));
	EXPECT_EQ(count_events("dma_submit"), count_events("dma_done"));
	EXPECT_TRUE(happened("dma_submit", 1, "importer=%s src=0x40000 dst=0x%llx bytes=%lu",
			     importer_bdf(), (unsigned long long)seg.addr, PAGE));
	EXPECT_TRUE(happened("dma_done", 1, "importer=%s error=0", importer_bdf()));
}

TEST_F(trace, failed_map)
{
	ASSERT_EQ(0, export_three(self));
	if (import_it(self, variant->interconnect))
		SKIP(return, "no route");
	ASSERT_EQ(0, set_memory(self->exporter, false));
	EXPECT_EQ(-ENODEV, map_handle(self->importer, self->handle));
	/* Refused before it came to mapping. */
	EXPECT_EQ(0, count_events("map"));
	EXPECT_EQ(0, set_memory(self->exporter, true));
}

static void expect_fdinfo(struct __test_metadata *_metadata, int fd, const char *line)
{
	char path[64], info[LINE];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	ASSERT_LT(0, read_file(path, info, sizeof(info)));
	EXPECT_NE(NULL, strstr(info, line)) {
		TH_LOG("no \"%s\" in: %s", line, info);
	}
}

FIXTURE(fdinfo)
{
	FIXTURE_DATA(trace) all;
};

FIXTURE_SETUP(fdinfo)
{
	self->all.exporter = open_exporter();
	ASSERT_GE(self->all.exporter, 0);
	self->all.importer = open_importer();
	ASSERT_GE(self->all.importer, 0);
	ASSERT_EQ(0, export_three(&self->all));
}

FIXTURE_TEARDOWN(fdinfo)
{
	bind_both();
	close(self->all.fd);
	close(self->all.importer);
	close(self->all.exporter);
}

TEST_F(fdinfo, exporter)
{
	char line[LINE];

	snprintf(line, sizeof(line), "exporter:\t%s\nlost-by:\tnothing\n", exporter_bdf());
	expect_fdinfo(_metadata, self->all.exporter, line);
	snprintf(line, sizeof(line),
		 "dmabuf:\tino=%lu bar=2 bytes=%lu ranges=3 merged=2 access=read-write maps=0 state=accessible\n",
		 self->all.ino, 4 * PAGE);
	expect_fdinfo(_metadata, self->all.exporter, line);

	ASSERT_EQ(0, set_memory(self->all.exporter, false));
	expect_fdinfo(_metadata, self->all.exporter, "lost-by:\tmemory-off\n");
	expect_fdinfo(_metadata, self->all.exporter, " state=lost\n");
	ASSERT_EQ(0, set_memory(self->all.exporter, true));
	expect_fdinfo(_metadata, self->all.exporter, " state=accessible\n");
}

/* Whatever else happens to the function. */
TEST_F(fdinfo, revoked)
{
	ASSERT_EQ(0, revoke_buffer(self->all.exporter, self->all.fd));
	expect_fdinfo(_metadata, self->all.exporter, "lost-by:\tnothing\n");
	expect_fdinfo(_metadata, self->all.exporter, " state=revoked\n");
	ASSERT_EQ(0, set_memory(self->all.exporter, false));
	expect_fdinfo(_metadata, self->all.exporter, " state=revoked\n");
	ASSERT_EQ(0, set_memory(self->all.exporter, true));
	expect_fdinfo(_metadata, self->all.exporter, " state=revoked\n");
}

TEST_F(fdinfo, importer)
{
	char line[LINE];

	snprintf(line, sizeof(line), "importer:\t%s\n", importer_bdf());
	expect_fdinfo(_metadata, self->all.importer, line);
	if (import_it(&self->all, P2PBUF_INTERCONNECT_PHYS))
		SKIP(return, "no route");
	snprintf(line, sizeof(line),
		 "import:\thandle=%u ino=%lu bytes=%lu interconnect=phys access=read-write state=",
		 self->all.handle, self->all.ino, 4 * PAGE);
	expect_fdinfo(_metadata, self->all.importer, line);
	expect_fdinfo(_metadata, self->all.importer, " state=unmapped\n");

	ASSERT_EQ(0, map_handle(self->all.importer, self->all.handle));
	snprintf(line, sizeof(line), " state=mapped route=%s ranges=3 merged=2 segments=%d\n",
		 route_name(expected_route()), expected_route() == P2PBUF_ROUTE_IOVA ? 1 : 2);
	expect_fdinfo(_metadata, self->all.importer, line);
	expect_fdinfo(_metadata, self->all.exporter, " maps=1 state=accessible\n");

	ASSERT_EQ(0, set_memory(self->all.exporter, false));
	expect_fdinfo(_metadata, self->all.importer, " state=stale\n");
	ASSERT_EQ(0, set_memory(self->all.exporter, true));
}

/* The nodes are open, and their functions have gone to nobody. */
TEST_F(fdinfo, unbound)
{
	ASSERT_EQ(0, unbind_driver(importer_bdf()));
	expect_fdinfo(_metadata, self->all.importer, "importer:\tunbound\n");
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	expect_fdinfo(_metadata, self->all.exporter, "lost-by:\tremoved\n");
	EXPECT_EQ(0, bind_both());
}

TEST_HARNESS_MAIN
