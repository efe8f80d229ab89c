// SPDX-License-Identifier: GPL-2.0-only
/* What debugfs tells of exporter and importer, and that it goes with them; a quiet log. */
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
#include "../kmod/p2pbuf_test_ioctl.h"

#define DEBUGFS		"/sys/kernel/debug/p2pbuf"
#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define SIZE		(2 * PAGE)
#define MANY		300

struct file {
	const char *kind;
	const char *(*bdf)(void);
	const char *name;
};

static const struct file exporter_state = { "exporter", exporter_bdf, "state" };
static const struct file exporter_counters = { "exporter", exporter_bdf, "counters" };
static const struct file importer_state = { "importer", importer_bdf, "state" };
static const struct file importer_counters = { "importer", importer_bdf, "counters" };
static const struct file *const files[] = {
	&exporter_state, &exporter_counters, &importer_state, &importer_counters,
};

static const char *path_of(const struct file *file)
{
	static char path[128];

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s/%s", file->kind, file->bdf(), file->name);
	return path;
}

static const char *text_of(const struct file *file)
{
	static char text[MANY * 128];

	return read_file(path_of(file), text, sizeof(text)) < 0 ? "" : text;
}

/* -1 if it is not there. */
static long long counter(const struct file *file, const char *name)
{
	char line[64];
	const char *at;

	snprintf(line, sizeof(line), "%s:\t", name);
	for (at = text_of(file); (at = strstr(at, line)); at++)
		if (at == text_of(file) || at[-1] == '\n')
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
	int test;
	int fd;
};

FIXTURE_SETUP(debugfs)
{
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	ASSERT_EQ(0, bind_both());
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
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
	close(self->test);
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

/* One function writes both. */
TEST_F(debugfs, exporter_as_in_fdinfo)
{
	uint32_t handle;
	int ret;

	ret = import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
			    P2PBUF_ACCESS_READ, &handle);
	EXPECT_STREQ(fdinfo_of(self->exporter), text_of(&exporter_state));
	EXPECT_EQ(1, count_lines(text_of(&exporter_state), "dmabuf:\t"));
	EXPECT_EQ(!ret, count_lines(text_of(&exporter_state), "attachment:\t"));
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
	EXPECT_NE(NULL, strstr(text_of(&exporter_state), line));
	ASSERT_EQ(0, map_handle(self->importer, handle));
	line[strlen(line) - 2] = '1';
	EXPECT_NE(NULL, strstr(text_of(&exporter_state), line));
	ASSERT_EQ(0, release_handle(self->importer, handle));
	EXPECT_EQ(0, count_lines(text_of(&exporter_state), "attachment:\t"));
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
	EXPECT_EQ(MANY, count_lines(text_of(&importer_state), line));
	EXPECT_EQ(0, strncmp("importer:\t", text_of(&importer_state), 10));
	for (i = 1; i <= MANY; i += 2)
		EXPECT_EQ(0, release_handle(self->importer, i));
	EXPECT_EQ(MANY / 2, count_lines(text_of(&importer_state), line));
	EXPECT_EQ(MANY / 2, count_lines(text_of(&importer_state), "import:\t"));
}

/**
 * struct count - a counter, and by how much it moves
 * @file: where it is
 * @name: what it is called
 * @more: by how much
 */
struct count {
	const struct file *file;
	const char *name;
	unsigned int more;
};

static long long before[16];

static void take_counts(struct __test_metadata *_metadata, const struct count *counts,
			unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		before[i] = counter(counts[i].file, counts[i].name);
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
			  counter(counts[i].file, counts[i].name))
			TH_LOG("%s of the %s", counts[i].name, counts[i].file->kind);
}

static int try_static(int test, int fd)
{
	struct p2pbuf_test_attach args = { .fd = fd, .kind = P2PBUF_TEST_STATIC };

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	return ioctl(test, P2PBUF_TEST_ATTACH, &args) ? -errno : args.result;
}

/* The exporter's, also of DMABUFs that are gone. */
TEST_F(debugfs, counters_without_importer)
{
	static const struct count counts[] = {
		{ &exporter_counters, "exports", 3 },
		{ &exporter_counters, "attaches", 0 },
		{ &exporter_counters, "refused-attaches", 2 },
		/* The one that was there, and one of those made here. */
		{ &exporter_counters, "revokes", 2 },
		{ &exporter_counters, "restores", 2 },
	};
	unsigned int i;
	int fds[3];

	take_counts(_metadata, counts, ARRAY_SIZE(counts));
	for (i = 0; i < 3; i++) {
		fds[i] = export_simple(self->exporter, 0, PAGE);
		ASSERT_LE(0, fds[i]);
	}
	close(fds[0]);
	EXPECT_EQ(-EOPNOTSUPP, try_static(self->test, fds[1]));
	EXPECT_EQ(-EOPNOTSUPP, try_static(self->test, fds[2]));
	close(fds[1]);
	EXPECT_EQ(0, memory_off_and_on(self->exporter));
	compare_counts(_metadata, counts, ARRAY_SIZE(counts));
	close(fds[2]);
	compare_counts(_metadata, counts, ARRAY_SIZE(counts));
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
		{ &exporter_counters, "attaches", 2 },
		{ &exporter_counters, "refused-attaches", 0 },
		{ &exporter_counters, "revokes", 4 },
		{ &exporter_counters, "restores", 4 },
		{ &importer_counters, "imports", 2 },
		{ &importer_counters, "failed-imports", 0 },
		{ &importer_counters, "maps", 4 },
		{ &importer_counters, "failed-maps", 2 },
		{ &importer_counters, "unmaps", 4 },
		{ &importer_counters, "invalidations", 8 },
		{ &importer_counters, "engine-timeouts", 0 },
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
		{ &exporter_counters, "attaches", 0 },
		{ &exporter_counters, "refused-attaches", 1 },
		{ &importer_counters, "imports", 0 },
		{ &importer_counters, "failed-imports", 1 },
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
		{ &importer_counters, "copies", 1 },
		{ &importer_counters, "failed-copies", 1 },
		{ &importer_counters, "transfers", 1 },
		{ &importer_counters, "failed-transfers", 0 },
		{ &importer_counters, "bytes", 100 + 200 },
		{ &importer_counters, "engine-timeouts", 0 },
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
	EXPECT_EQ(0, counter(&exporter_counters, "exports"));
	EXPECT_EQ(0, counter(&importer_counters, "imports"));
}

static atomic_bool stop;

/* Not without end: under -icount time goes on by what is executed, or when all sleep. */
static void *read_on(void *arg)
{
	const struct file *file = arg;
	char path[128], text[4096];

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s/%s", file->kind, file->bdf(), file->name);
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

	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	close(self->fd);
	close(self->exporter);
	fd = open(path_of(&exporter_state), O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_NE(0, run_shell("rmmod p2pbuf_exporter 2>/dev/null"));
	close(fd);
	EXPECT_EQ(0, run_shell("rmmod p2pbuf_exporter"));
	EXPECT_EQ(-1, access(DEBUGFS "/exporter", F_OK));
	EXPECT_EQ(0, access(DEBUGFS "/importer", F_OK));
	EXPECT_EQ(0, run_shell("modprobe p2pbuf_exporter"));
	EXPECT_EQ(0, bind_both());
	self->exporter = open_exporter();
	EXPECT_LE(0, self->exporter);
	self->fd = export_simple(self->exporter, 0, SIZE);
	EXPECT_LE(0, self->fd);
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
