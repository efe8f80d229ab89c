// SPDX-License-Identifier: GPL-2.0-only
/* What fdinfo of the exporter tells, and debugfs of the importer; a quiet log. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"

#define DEBUGFS		"/sys/kernel/debug/p2pbuf"
#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define SIZE		(2 * PAGE)
#define MANY		300

static const char *const files[] = { "state", "counters" };

static const char *path_of(const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), DEBUGFS "/importer/%s/%s", importer_bdf(), file);
	return path;
}

static const char *text_of(const char *file)
{
	static char text[MANY * 128];

	return read_file(path_of(file), text, sizeof(text)) < 0 ? "" : text;
}

/* -1 if it is not there. */
static long long counter(const char *name)
{
	const char *text = text_of("counters");
	const char *at;
	char line[64];

	snprintf(line, sizeof(line), "%s:\t", name);
	for (at = text; (at = strstr(at, line)); at++)
		if (at == text || at[-1] == '\n')
			return atoll(at + strlen(line));
	return -1;
}

static unsigned int count_lines(const char *text, const char *start)
{
	unsigned int nr = 0;

	for (; (text = strstr(text, start)); text++)
		nr++;
	return nr;
}

FIXTURE(debugfs)
{
	int exporter;
	int importer;
	int fd;
};

FIXTURE_SETUP(debugfs)
{
	ASSERT_EQ(0, bind_both());
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	self->fd = export_simple(self->exporter, 0, SIZE);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(debugfs)
{
	close(self->fd);
	close(self->importer);
	close(self->exporter);
	EXPECT_EQ(0, bind_both());
}

static const char *fdinfo_of(int fd)
{
	static char text[4096];
	char path[64], *ours;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (read_file(path, text, sizeof(text)) < 0)
		return "";
	ours = strstr(text, "porter:\t");
	return ours ? ours - strlen("ex") : "";
}

TEST_F(debugfs, attachments)
{
	char line[128];
	uint32_t handle;
	struct stat st;

	if (import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
			  P2PBUF_ACCESS_READ, &handle))
		SKIP(return, "no route");
	ASSERT_EQ(0, fstat(self->fd, &st));
	snprintf(line, sizeof(line), "attachment:\tino=%lu importer=%s maps=0\n",
		 (unsigned long)st.st_ino, importer_bdf());
	EXPECT_NE(NULL, strstr(fdinfo_of(self->exporter), line));
	ASSERT_EQ(0, map_handle(self->importer, handle));
	line[strlen(line) - 2] = '1';
	EXPECT_NE(NULL, strstr(fdinfo_of(self->exporter), line));
	ASSERT_EQ(0, release_handle(self->importer, handle));
	EXPECT_EQ(0, count_lines(fdinfo_of(self->exporter), "attachment:\t"));
}

/* More of them than a page of text holds. */
TEST_F(debugfs, imports)
{
	uint32_t handle;
	struct stat st;
	char line[128];
	unsigned int i;

	for (i = 0; i < MANY; i++)
		if (import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_PHYS,
				  P2PBUF_ACCESS_READ, &handle))
			SKIP(return, "no route");
	ASSERT_EQ(0, fstat(self->fd, &st));
	snprintf(line, sizeof(line),
		 "import:\tino=%lu bytes=%lu interconnect=phys access=read state=unmapped\n",
		 (unsigned long)st.st_ino, SIZE);
	EXPECT_EQ(MANY, count_lines(text_of("state"), line));
	EXPECT_EQ(0, strncmp("importer:\t", text_of("state"), 10));
	for (i = 1; i <= MANY; i += 2)
		EXPECT_EQ(0, release_handle(self->importer, i));
	EXPECT_EQ(MANY / 2, count_lines(text_of("state"), line));
	EXPECT_EQ(MANY / 2, count_lines(text_of("state"), "import:\t"));
}

/**
 * struct count - a counter, and by how much it moves
 * @name: what it is called
 * @more: by how much
 */
struct count {
	const char *name;
	unsigned int more;
};

static long long before[16];

static void take_counts(struct __test_metadata *_metadata, const struct count *counts,
			unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		before[i] = counter(counts[i].name);
		EXPECT_LE(0, before[i])
			TH_LOG("%s", counts[i].name);
	}
}

static void compare_counts(struct __test_metadata *_metadata, const struct count *counts,
			   unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		EXPECT_EQ(before[i] + counts[i].more,
			  counter(counts[i].name))
			TH_LOG("%s", counts[i].name);
}

static int make_use(FIXTURE_DATA(debugfs) *self, unsigned int interconnect)
{
	uint32_t handle;
	int ret;

	ret = import_buffer(self->importer, self->fd, interconnect, READ_WRITE, &handle);
	if (ret)
		return ret;
	ret = map_handle(self->importer, handle) ?:
	      memory_off_and_on(self->exporter) ?:
	      map_handle(self->importer, handle) ?:
	      unmap_handle(self->importer, handle) ?:
	      set_memory(self->exporter, false);
	if (ret)
		return ret;
	if (map_handle(self->importer, handle) != -ENODEV)
		return -EIO;
	return set_memory(self->exporter, true) ?: release_handle(self->importer, handle);
}

TEST_F(debugfs, counters)
{
	static const struct count counts[] = {
		{ "imports", 2 },
		{ "failed-imports", 0 },
		{ "maps", 4 },
		{ "failed-maps", 2 },
		{ "unmaps", 4 },
		{ "invalidations", 8 },
		{ "engine-timeouts", 0 },
	};

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "no route");
	take_counts(_metadata, counts, ARRAY_SIZE(counts));
	EXPECT_EQ(0, make_use(self, P2PBUF_INTERCONNECT_PHYS));
	EXPECT_EQ(0, make_use(self, P2PBUF_INTERCONNECT_SGT));
	compare_counts(_metadata, counts, ARRAY_SIZE(counts));
}

TEST_F(debugfs, counters_of_refusal)
{
	static const struct count counts[] = {
		{ "imports", 0 },
		{ "failed-imports", 1 },
	};
	uint32_t handle;

	take_counts(_metadata, counts, ARRAY_SIZE(counts));
	EXPECT_NE(0, import_flow(self->importer, self->fd, P2PBUF_INTERCONNECT_SGT,
				 P2PBUF_FLOW_STATIC, 0, &handle));
	compare_counts(_metadata, counts, ARRAY_SIZE(counts));
}

TEST_F(debugfs, counters_of_data)
{
	static const struct count counts[] = {
		{ "copies", 1 },
		{ "failed-copies", 1 },
		{ "transfers", 1 },
		{ "failed-transfers", 0 },
		{ "bytes", 100 + 200 },
		{ "engine-timeouts", 0 },
	};
	uint8_t data[PAGE];
	uint32_t handle;
	int fence;

	if (!data_arrives())
		SKIP(return, NO_DATA);
	ASSERT_EQ(0, import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
				   READ_WRITE, &handle));
	ASSERT_EQ(0, map_handle(self->importer, handle));
	pattern_fill(data, sizeof(data), 1, 0);
	take_counts(_metadata, counts, ARRAY_SIZE(counts));
	EXPECT_EQ(0, write_buffer(self->importer, handle, 0, data, 100));
	EXPECT_EQ(-ERANGE, write_buffer(self->importer, handle, SIZE, data, 1));
	fence = transfer_buffer(self->importer, handle, 0, handle, PAGE, 200);
	ASSERT_LE(0, fence);
	EXPECT_EQ(1, wait_fence(fence));
	close(fence);
	compare_counts(_metadata, counts, ARRAY_SIZE(counts));
}

/* Neither bus nor physical addresses, and for root alone. */
TEST_F(debugfs, no_address)
{
	uint64_t start, size;
	uint32_t handle;
	struct stat st;
	unsigned int i;
	char hex[32];

	if (!import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
			   P2PBUF_ACCESS_READ, &handle))
		EXPECT_EQ(0, map_handle(self->importer, handle));
	ASSERT_EQ(0, bar_resource(TEST_BAR, &start, &size));
	snprintf(hex, sizeof(hex), "%llx", (unsigned long long)start);
	EXPECT_NE(NULL, strstr(fdinfo_of(self->exporter), "dmabuf:"));
	EXPECT_EQ(NULL, strstr(fdinfo_of(self->exporter), hex));
	EXPECT_NE(NULL, strstr(fdinfo_of(self->importer), "importer:"));
	EXPECT_EQ(NULL, strstr(fdinfo_of(self->importer), hex));
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		EXPECT_LT(0, strlen(text_of(files[i])));
		EXPECT_EQ(NULL, strstr(text_of(files[i]), "0x"));
		EXPECT_EQ(NULL, strstr(text_of(files[i]), hex));
		ASSERT_EQ(0, stat(path_of(files[i]), &st));
		EXPECT_EQ(0400, st.st_mode & 07777);
	}
}

static int unbind_all(void)
{
	return unbind_driver(importer_bdf()) ?: unbind_driver(exporter_bdf());
}

/* What was open reads nothing any more, whatever comes after. */
TEST_F(debugfs, unbind_while_open)
{
	int fds[ARRAY_SIZE(files)];
	unsigned int i;
	char byte;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		fds[i] = open(path_of(files[i]), O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fds[i]);
		EXPECT_EQ(1, read(fds[i], &byte, 1));
	}
	ASSERT_EQ(0, unbind_all());
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		EXPECT_EQ(-1, access(path_of(files[i]), F_OK));
		EXPECT_EQ(-1, read(fds[i], &byte, 1));
		EXPECT_EQ(EIO, errno);
	}
	ASSERT_EQ(0, bind_both());
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		EXPECT_EQ(0, access(path_of(files[i]), R_OK));
		EXPECT_EQ(-1, pread(fds[i], &byte, 1, 0));
		EXPECT_EQ(EIO, errno);
		close(fds[i]);
	}
	EXPECT_EQ(0, counter("imports"));
}

static atomic_bool stop;

/* Not without end: under -icount time goes on by what is executed, or when all sleep. */
static void *read_on(void *arg)
{
	const char *file = arg;
	char path[128], text[4096];

	snprintf(path, sizeof(path), DEBUGFS "/importer/%s/%s", importer_bdf(), file);
	while (!stop) {
		read_file(path, text, sizeof(text));
		usleep(5000);
	}
	return NULL;
}

TEST_F(debugfs, unbind_while_read)
{
	pthread_t threads[ARRAY_SIZE(files)];
	unsigned int i;

	stop = false;
	for (i = 0; i < ARRAY_SIZE(files); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, read_on, (void *)files[i]));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(0, unbind_all());
		EXPECT_EQ(0, bind_both());
	}
	stop = true;
	for (i = 0; i < ARRAY_SIZE(files); i++)
		pthread_join(threads[i], NULL);
}

/* An open file keeps the code that it runs. */
TEST_F(debugfs, unload_while_open)
{
	int fd;

	ASSERT_EQ(0, unbind_driver(importer_bdf()));
	ASSERT_EQ(0, bind_driver(importer_bdf(), "p2pbuf_importer"));
	close(self->importer);
	fd = open(path_of("state"), O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_NE(0, run_shell("rmmod p2pbuf_importer 2>/dev/null"));
	close(fd);
	EXPECT_EQ(0, run_shell("rmmod p2pbuf_importer"));
	EXPECT_EQ(-1, access(DEBUGFS, F_OK));
	EXPECT_EQ(0, run_shell("modprobe p2pbuf_importer dma_bits=64"));
	EXPECT_EQ(0, bind_both());
	self->importer = open_importer();
	EXPECT_LE(0, self->importer);
}

static int copy_something(FIXTURE_DATA(debugfs) *self)
{
	uint8_t data[PAGE] = { 1 };
	uint32_t handle;
	int ret;

	ret = import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO, READ_WRITE,
			    &handle) ?:
	      map_handle(self->importer, handle);
	if (!ret && data_arrives())
		ret = write_buffer(self->importer, handle, 0, data, sizeof(data));
	return ret ?: unmap_handle(self->importer, handle) ?:
	       release_handle(self->importer, handle);
}

/* Export, import, map, copy, unmap, reset, close: nobody wants to read of it. */
TEST_F(debugfs, normal_use_logs_nothing)
{
	static const char mark[] = "selftest: normal_use_logs_nothing";
	static char log[1 << 20];
	const char *since;
	uint32_t handle;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "no route");
	ASSERT_EQ(0, write_file("/dev/kmsg", "%s\n", mark));
	EXPECT_EQ(0, copy_something(self));
	EXPECT_EQ(0, make_use(self, P2PBUF_INTERCONNECT_PHYS));
	EXPECT_EQ(0, make_use(self, P2PBUF_INTERCONNECT_SGT));
	EXPECT_EQ(0, import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
				   READ_WRITE, &handle));
	EXPECT_EQ(0, map_handle(self->importer, handle));
	EXPECT_EQ(0, reset_function(exporter_bdf()));
	EXPECT_EQ(0, reset_function(importer_bdf()));
	close(self->fd);
	close(self->importer);
	EXPECT_EQ(0, unbind_all());
	EXPECT_EQ(0, bind_both());
	since = log_since(log, sizeof(log), mark);
	EXPECT_EQ(0, strncmp(mark, since, strlen(mark)));
	EXPECT_EQ(NULL, strstr(since, "p2pbuf"))
		TH_LOG("%s", since);
}

TEST_HARNESS_MAIN
