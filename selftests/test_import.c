// SPDX-License-Identifier: GPL-2.0-only
/*
 * The importer's ioctls by both interconnects: results, errors, lifetime.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "kselftest_harness.h"
#include "p2pbuf_test.h"

#define EXPORTER	"p2pbuf_exporter"
#define NO_ROUTE	"no route between the two functions here"
#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define NR_PAGES	4U
#define SIZE		(NR_PAGES * PAGE)

/* No two neighbours can be merged. */
static const unsigned int pages[NR_PAGES] = { 5, 2, 9, 0 };

static int import_raw(int importer, struct p2pbuf_import *args)
{
	return ioctl(importer, P2PBUF_IOCTL_IMPORT, args) ? -errno : 0;
}

static int query_raw(int importer, struct p2pbuf_query *query)
{
	return ioctl(importer, P2PBUF_IOCTL_QUERY, query) ? -errno : 0;
}

static int handle_raw(int importer, unsigned long cmd, struct p2pbuf_handle *args)
{
	return ioctl(importer, cmd, args) ? -errno : 0;
}

static int count_attached(void)
{
	int attachments;

	return count_buffers(EXPORTER, &attachments) < 0 ? -1 : attachments;
}

static int count_ours(void)
{
	int attachments;

	return count_buffers(EXPORTER, &attachments);
}

/*
 * What is refused before the exporter is asked, so on any topology
 */

FIXTURE(arguments) {
	int exporter;
	int importer;
	int fd;
	int attached;
};

FIXTURE_SETUP(arguments)
{
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->importer = open_importer();
	ASSERT_LE(0, self->importer);
	self->fd = export_simple(self->exporter, 0, PAGE);
	ASSERT_LE(0, self->fd);
	self->attached = count_attached();
	ASSERT_LE(0, self->attached);
}

FIXTURE_TEARDOWN(arguments)
{
	EXPECT_EQ(self->attached, count_attached());
	close(self->fd);
	close(self->importer);
	close(self->exporter);
}

TEST_F(arguments, node)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->importer, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
}

TEST_F(arguments, import_members)
{
	const struct p2pbuf_import bad[] = {
		{ .fd = self->fd, .access = READ_WRITE, .flags = 4 },
		{ .fd = self->fd, .access = READ_WRITE, .flags = 1U << 31 },
		{ .fd = self->fd, .access = READ_WRITE, .handle = 1 },
		{ .fd = self->fd, .access = READ_WRITE, .flow = 5 },
		{ .fd = self->fd, .access = READ_WRITE, .flow = UINT32_MAX },
		{ .fd = self->fd, .access = READ_WRITE, .interconnect = 3 },
		{ .fd = self->fd, .access = READ_WRITE, .interconnect = UINT32_MAX },
		{ .fd = self->fd, .access = 0 },
		{ .fd = self->fd, .access = 4 },
		{ .fd = self->fd, .access = READ_WRITE | 1U << 31 },
	};
	struct p2pbuf_import args;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		args = bad[i];
		EXPECT_EQ(-EINVAL, import_raw(self->importer, &args)) {
			TH_LOG("element %u", i);
		}
		EXPECT_EQ(0, memcmp(&args, &bad[i], sizeof(args)));
	}
}

static int import_fd(int importer, int fd)
{
	uint32_t handle;

	return import_buffer(importer, fd, P2PBUF_INTERCONNECT_AUTO, READ_WRITE, &handle);
}

TEST_F(arguments, import_no_file)
{
	int closed = dup(self->fd);

	ASSERT_LE(0, closed);
	close(closed);
	EXPECT_EQ(-EBADF, import_fd(self->importer, closed));
	EXPECT_EQ(-EBADF, import_fd(self->importer, -1));
	EXPECT_EQ(-EBADF, import_fd(self->importer, INT32_MAX));
}

TEST_F(arguments, import_no_dmabuf)
{
	int null = open("/dev/null", O_RDWR);
	int pipes[2];

	ASSERT_LE(0, null);
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EINVAL, import_fd(self->importer, null));
	EXPECT_EQ(-EINVAL, import_fd(self->importer, pipes[0]));
	EXPECT_EQ(-EINVAL, import_fd(self->importer, self->importer));
	EXPECT_EQ(-EINVAL, import_fd(self->importer, self->exporter));
}

/* Nobody would know the handle. */
TEST_F(arguments, import_into_read_only)
{
	struct p2pbuf_import *args;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, NO_ROUTE);

	args = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	ASSERT_NE(MAP_FAILED, args);
	args->fd = self->fd;
	args->access = READ_WRITE;
	ASSERT_EQ(0, mprotect(args, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, import_raw(self->importer, args));
	EXPECT_EQ(self->attached, count_attached());
}

TEST_F(arguments, unknown_handle)
{
	static const uint32_t unknown[] = { 0, 1, INT32_MAX, UINT32_MAX };
	struct p2pbuf_query query;
	struct p2pbuf_copy copy;
	unsigned int i;
	char byte = 1;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(-ENOENT, map_handle(self->importer, unknown[i]));
		EXPECT_EQ(-ENOENT, unmap_handle(self->importer, unknown[i]));
		EXPECT_EQ(-ENOENT, release_handle(self->importer, unknown[i]));
		EXPECT_EQ(-ENOENT, query_handle(self->importer, unknown[i], &query,
						NULL, 0));
		EXPECT_EQ(-ENOENT, copy_buffer(self->importer, unknown[i], 0, 0,
					       &byte, 1, &copy));
	}
}

/* Attach asks for the route, so this is where an unreachable pair is refused. */
TEST_F(arguments, attach_needs_route)
{
	bool reachable = expected_route() != P2PBUF_ROUTE_UNKNOWN;
	int expected = reachable ? 0 : -EREMOTEIO;
	unsigned int interconnect;
	uint32_t handle;

	for (interconnect = P2PBUF_INTERCONNECT_AUTO;
	     interconnect <= P2PBUF_INTERCONNECT_SGT; interconnect++) {
		EXPECT_EQ(expected, import_buffer(self->importer, self->fd, interconnect,
						  READ_WRITE, &handle));
		EXPECT_EQ(self->attached + reachable, count_attached());
		if (reachable)
			EXPECT_EQ(0, release_handle(self->importer, handle));
	}
}

/*
 * One import of a DMABUF of four ranges, by each interconnect
 */

FIXTURE(import) {
	int exporter;
	int importer;
	int fd;
	uint8_t *cpu;
	uint32_t handle;
	int buffers;
	int attached;
};

FIXTURE_VARIANT(import) {
	enum p2pbuf_interconnect interconnect;
};

FIXTURE_VARIANT_ADD(import, phys) { .interconnect = P2PBUF_INTERCONNECT_PHYS };
FIXTURE_VARIANT_ADD(import, sgt) { .interconnect = P2PBUF_INTERCONNECT_SGT };

FIXTURE_SETUP(import)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, NO_ROUTE);

	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->importer = open_importer();
	ASSERT_LE(0, self->importer);
	self->buffers = count_ours();
	ASSERT_LE(0, self->buffers);
	self->attached = count_attached();
	self->fd = export_pages(self->exporter, pages, NR_PAGES);
	ASSERT_LE(0, self->fd);
	self->cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->cpu);
	memset(self->cpu, 0, SIZE);
	ASSERT_EQ(0, import_buffer(self->importer, self->fd, variant->interconnect,
				   READ_WRITE, &self->handle));
}

FIXTURE_TEARDOWN(import)
{
	munmap(self->cpu, SIZE);
	close(self->fd);
	close(self->importer);
	EXPECT_EQ(self->attached, count_attached());
	EXPECT_EQ(self->buffers, count_ours());
	close(self->exporter);
}

/* Another import of the same DMABUF, mapped. */
static int import_mapped(int importer, int fd, enum p2pbuf_interconnect interconnect,
			 unsigned int access, uint32_t *handle)
{
	int ret = import_buffer(importer, fd, interconnect, access, handle);

	return ret ?: map_handle(importer, *handle);
}

/* Device to CPU and CPU to device, all of it. */
static void expect_data(struct __test_metadata *_metadata, int importer, uint32_t handle,
			uint8_t *cpu, unsigned int seed)
{
	static uint8_t user[SIZE];
	size_t where = 0;

	pattern_fill(cpu, SIZE, seed, 0);
	memset(user, 0, SIZE);
	EXPECT_EQ(0, read_buffer(importer, handle, 0, user, SIZE));
	EXPECT_EQ(0, pattern_check(user, SIZE, seed, 0, &where)) {
		TH_LOG("read differs at %zu", where);
	}

	pattern_fill(user, SIZE, seed + 1, 0);
	EXPECT_EQ(0, write_buffer(importer, handle, 0, user, SIZE));
	EXPECT_EQ(0, pattern_check(cpu, SIZE, seed + 1, 0, &where)) {
		TH_LOG("written differs at %zu", where);
	}
}

TEST_F(import, both_directions)
{
	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	expect_data(_metadata, self->importer, self->handle, self->cpu, 1);
}

TEST_F(import, handle_flags)
{
	static const unsigned long cmds[] = {
		P2PBUF_IOCTL_MAP, P2PBUF_IOCTL_UNMAP, P2PBUF_IOCTL_RELEASE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		struct p2pbuf_handle args = { .handle = self->handle, .flags = 1 };

		EXPECT_EQ(-EINVAL, handle_raw(self->importer, cmds[i], &args));
		args.flags = 1U << 31;
		EXPECT_EQ(-EINVAL, handle_raw(self->importer, cmds[i], &args));
	}
}

TEST_F(import, map_twice)
{
	EXPECT_EQ(0, map_handle(self->importer, self->handle));
	EXPECT_EQ(-EALREADY, map_handle(self->importer, self->handle));
	EXPECT_EQ(0, unmap_handle(self->importer, self->handle));
	EXPECT_EQ(0, map_handle(self->importer, self->handle));
}

TEST_F(import, not_mapped)
{
	struct p2pbuf_copy copy;
	char byte = 1;

	EXPECT_EQ(-ENXIO, unmap_handle(self->importer, self->handle));
	EXPECT_EQ(-ENXIO, copy_buffer(self->importer, self->handle, 0, 0, &byte, 1,
				      &copy));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, unmap_handle(self->importer, self->handle));
	EXPECT_EQ(-ENXIO, unmap_handle(self->importer, self->handle));
	EXPECT_EQ(-ENXIO, copy_buffer(self->importer, self->handle,
				      P2PBUF_COPY_TO_BUFFER, 0, &byte, 1, &copy));
	EXPECT_EQ(0, copy.copied);
}

TEST_F(import, release_mapped)
{
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	EXPECT_EQ(self->attached + 1, count_attached());
	EXPECT_EQ(0, release_handle(self->importer, self->handle));
	EXPECT_EQ(self->attached, count_attached());
	EXPECT_EQ(-ENOENT, release_handle(self->importer, self->handle));
	EXPECT_EQ(-ENOENT, map_handle(self->importer, self->handle));
}

TEST_F(import, handle_of_another_file)
{
	struct p2pbuf_query query;
	int other = open_importer();

	ASSERT_LE(0, other);
	EXPECT_EQ(-ENOENT, map_handle(other, self->handle));
	EXPECT_EQ(-ENOENT, release_handle(other, self->handle));
	EXPECT_EQ(-ENOENT, query_handle(other, self->handle, &query, NULL, 0));
	close(other);
	EXPECT_EQ(0, map_handle(self->importer, self->handle));
}

TEST_F(import, close_mapped_and_unmapped)
{
	int other = open_importer();
	uint32_t handle;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, import_mapped(other, self->fd, variant->interconnect, READ_WRITE,
				   &handle));
	ASSERT_EQ(0, import_buffer(other, self->fd, variant->interconnect, READ_WRITE,
				   &handle));
	EXPECT_EQ(self->attached + 3, count_attached());
	close(other);
	EXPECT_EQ(self->attached + 1, count_attached());
	EXPECT_EQ(0, map_handle(self->importer, self->handle));
}

TEST_F(import, holds_the_dmabuf)
{
	if (!data_arrives())
		SKIP(return, NO_DATA);

	munmap(self->cpu, SIZE);
	close(self->fd);
	EXPECT_EQ(self->buffers + 1, count_ours());

	/* Another view of the same pages, for the comparison. */
	self->fd = export_pages(self->exporter, pages, NR_PAGES);
	ASSERT_LE(0, self->fd);
	self->cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->cpu);

	EXPECT_EQ(0, map_handle(self->importer, self->handle));
	expect_data(_metadata, self->importer, self->handle, self->cpu, 2);
	EXPECT_EQ(0, release_handle(self->importer, self->handle));
	EXPECT_EQ(self->buffers + 1, count_ours());
}

TEST_F(import, handles_are_unique)
{
	static bool seen[65536];
	uint32_t handle;
	int i;

	EXPECT_NE(0, self->handle);
	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(0, import_buffer(self->importer, self->fd,
					   variant->interconnect, READ_WRITE, &handle));
		ASSERT_NE(self->handle, handle);
		ASSERT_GT(ARRAY_SIZE(seen), handle);
		ASSERT_FALSE(seen[handle]);
		seen[handle] = true;
	}
	EXPECT_EQ(self->attached + 1001, count_attached());
}

/*
 * Query
 */

static const struct p2pbuf_query unset_query = {
	.state = UINT32_MAX,
	.interconnect = UINT32_MAX,
	.access = UINT32_MAX,
	.route = UINT32_MAX,
	.nr_ranges = UINT32_MAX,
	.nr_merged = UINT32_MAX,
	.nr_segments = UINT32_MAX,
	.size = UINT64_MAX,
};

TEST_F(import, query_unmapped)
{
	struct p2pbuf_segment seg = { 1, 1 };
	struct p2pbuf_query query = unset_query;

	query.handle = self->handle;
	query.segments = (uintptr_t)&seg;
	query.capacity = 1;
	ASSERT_EQ(0, query_raw(self->importer, &query));
	EXPECT_EQ(self->handle, query.handle);
	EXPECT_EQ(0, query.state);
	EXPECT_EQ(variant->interconnect, query.interconnect);
	EXPECT_EQ(READ_WRITE, query.access);
	EXPECT_EQ(P2PBUF_ROUTE_UNKNOWN, query.route);
	EXPECT_EQ(0, query.nr_ranges);
	EXPECT_EQ(0, query.nr_merged);
	EXPECT_EQ(0, query.nr_segments);
	EXPECT_EQ(SIZE, query.size);
	EXPECT_EQ(0, query.capacity);
	EXPECT_EQ(1, seg.addr);
}

/* One IOVA range, or a segment for each range. */
static unsigned int expected_segments(void)
{
	return expected_route() == P2PBUF_ROUTE_IOVA ? 1 : NR_PAGES;
}

TEST_F(import, query_mapped)
{
	struct p2pbuf_query query = unset_query;

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	query.handle = self->handle;
	ASSERT_EQ(0, query_raw(self->importer, &query));
	EXPECT_EQ(P2PBUF_STATE_MAPPED, query.state);
	EXPECT_EQ(variant->interconnect, query.interconnect);
	EXPECT_EQ(READ_WRITE, query.access);
	EXPECT_EQ(expected_route(), query.route);
	EXPECT_EQ(NR_PAGES, query.nr_ranges);
	EXPECT_EQ(NR_PAGES, query.nr_merged);
	EXPECT_EQ(expected_segments(), query.nr_segments);
	EXPECT_EQ(SIZE, query.size);
	EXPECT_EQ(0, query.capacity);

	ASSERT_EQ(0, unmap_handle(self->importer, self->handle));
	ASSERT_EQ(0, query_raw(self->importer, &query));
	EXPECT_EQ(0, query.state);
	EXPECT_EQ(P2PBUF_ROUTE_UNKNOWN, query.route);
	EXPECT_EQ(0, query.nr_segments);
}

TEST_F(import, query_merged)
{
	static const unsigned int touching[] = { 3, 4, 5, 8, 9, 1, 2, 3 };
	struct p2pbuf_query query;
	uint32_t handle;
	int fd;

	fd = export_pages(self->exporter, touching, ARRAY_SIZE(touching));
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, import_mapped(self->importer, fd, variant->interconnect, READ_WRITE,
				   &handle));
	ASSERT_EQ(0, query_handle(self->importer, handle, &query, NULL, 0));
	EXPECT_EQ(8, query.nr_ranges);
	EXPECT_EQ(3, query.nr_merged);
	EXPECT_EQ(expected_route() == P2PBUF_ROUTE_IOVA ? 1 : 3, query.nr_segments);
	EXPECT_EQ(8 * PAGE, query.size);
	close(fd);
}

TEST_F(import, query_access)
{
	static const unsigned int access[] = { P2PBUF_ACCESS_READ, P2PBUF_ACCESS_WRITE };
	struct p2pbuf_query query;
	uint32_t handle;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(access); i++) {
		ASSERT_EQ(0, import_mapped(self->importer, self->fd,
					   variant->interconnect, access[i], &handle));
		ASSERT_EQ(0, query_handle(self->importer, handle, &query, NULL, 0));
		EXPECT_EQ(access[i], query.access);
		EXPECT_EQ(expected_route(), query.route);
	}
}

TEST_F(import, query_all_segments)
{
	struct p2pbuf_segment segs[NR_PAGES + 1] = { };
	struct p2pbuf_query query;
	uint64_t total = 0;
	unsigned int i;

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, query_handle(self->importer, self->handle, &query, segs,
				  ARRAY_SIZE(segs)));
	ASSERT_EQ(expected_segments(), query.capacity);
	for (i = 0; i < query.capacity; i++) {
		EXPECT_NE(0, segs[i].addr);
		total += segs[i].length;
	}
	EXPECT_EQ(SIZE, total);
	EXPECT_EQ(0, segs[query.capacity].length);
	/* The segments have the order of the ranges. */
	if (query.capacity == NR_PAGES)
		EXPECT_EQ((pages[0] - pages[1]) * PAGE, segs[0].addr - segs[1].addr);
}

/* Part of the segments, into an array whose other elements stay as they are. */
static void expect_window(struct __test_metadata *_metadata, int importer,
			  uint32_t handle, unsigned int first, unsigned int capacity)
{
	struct p2pbuf_segment all[NR_PAGES], part[NR_PAGES + 2] = { };
	unsigned int nr = expected_segments(), filled, i;
	struct p2pbuf_query query;

	ASSERT_EQ(0, query_handle(importer, handle, &query, all, NR_PAGES));
	query.segments = (uintptr_t)part;
	query.first_segment = first;
	query.capacity = capacity;
	ASSERT_EQ(0, query_raw(importer, &query));

	filled = first >= nr ? 0 : nr - first < capacity ? nr - first : capacity;
	EXPECT_EQ(filled, query.capacity) {
		TH_LOG("from %u, room for %u", first, capacity);
	}
	for (i = 0; i < filled; i++) {
		EXPECT_EQ(all[first + i].addr, part[i].addr);
		EXPECT_EQ(all[first + i].length, part[i].length);
	}
	EXPECT_EQ(0, part[filled].addr);
	EXPECT_EQ(0, part[filled].length);
}

TEST_F(import, query_segment_windows)
{
	unsigned int first, capacity;

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	for (first = 0; first <= NR_PAGES + 1; first++)
		for (capacity = 0; capacity <= NR_PAGES + 1; capacity++)
			expect_window(_metadata, self->importer, self->handle, first,
				      capacity);
	expect_window(_metadata, self->importer, self->handle, UINT32_MAX, 2);
	expect_window(_metadata, self->importer, self->handle, 0, UINT32_MAX);
	expect_window(_metadata, self->importer, self->handle, 1, UINT32_MAX);
}

TEST_F(import, query_bad_segments)
{
	struct p2pbuf_segment *hole = before_hole(0);
	struct p2pbuf_query query;

	ASSERT_NE(NULL, hole);
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	EXPECT_EQ(-EFAULT, query_handle(self->importer, self->handle, &query, hole, 1));
	EXPECT_EQ(0, query_handle(self->importer, self->handle, &query, hole, 0));
	EXPECT_EQ(expected_segments(), query.nr_segments);
	EXPECT_EQ(0, query_handle(self->importer, self->handle, &query, NULL, 5));
	EXPECT_EQ(0, query.capacity);
}

/*
 * Copy
 */

TEST_F(import, copy_arguments)
{
	static const struct {
		uint64_t offset, length;
		unsigned int flags;
		int error;
	} bad[] = {
		{ 0, PAGE, 4, -EINVAL },
		{ 0, PAGE, 1U << 31, -EINVAL },
		{ 0, 0, 0, -ENODATA },
		{ SIZE, 0, 0, -ENODATA },
		{ UINT64_MAX, 1, 0, -EOVERFLOW },
		{ 1, UINT64_MAX, 0, -EOVERFLOW },
		{ PAGE, -PAGE, P2PBUF_COPY_TO_BUFFER, -EOVERFLOW },
		{ SIZE, 1, 0, -ERANGE },
		{ SIZE - 1, 2, 0, -ERANGE },
		{ 0, SIZE + 1, P2PBUF_COPY_TO_BUFFER, -ERANGE },
		{ 0, UINT64_MAX, 0, -ERANGE },
	};
	struct p2pbuf_copy result;
	static char user[SIZE];
	unsigned int i;

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(bad[i].error,
			  copy_buffer(self->importer, self->handle, bad[i].flags,
				      bad[i].offset, user, bad[i].length, &result)) {
			TH_LOG("element %u", i);
		}
}

TEST_F(import, copy_direction)
{
	struct p2pbuf_copy result;
	uint32_t reads, writes;
	char byte = 1;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, import_mapped(self->importer, self->fd, variant->interconnect,
				   P2PBUF_ACCESS_READ, &reads));
	ASSERT_EQ(0, import_mapped(self->importer, self->fd, variant->interconnect,
				   P2PBUF_ACCESS_WRITE, &writes));
	EXPECT_EQ(-EACCES, copy_buffer(self->importer, reads, P2PBUF_COPY_TO_BUFFER, 0,
				       &byte, 1, &result));
	EXPECT_EQ(-EACCES, copy_buffer(self->importer, writes, 0, 0, &byte, 1, &result));

	EXPECT_EQ(0, copy_buffer(self->importer, writes, P2PBUF_COPY_TO_BUFFER, 0, &byte,
				 1, &result));
	byte = 2;
	EXPECT_EQ(0, copy_buffer(self->importer, reads, 0, 0, &byte, 1, &result));
	EXPECT_EQ(1, byte);
}

/* The second page of the user's memory does not exist. */
TEST_F(import, copy_bad_user)
{
	uint8_t *user = before_hole(PAGE);
	struct p2pbuf_copy result;
	size_t where = 0;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_NE(NULL, user);
	ASSERT_EQ(0, map_handle(self->importer, self->handle));

	pattern_fill(self->cpu, SIZE, 3, 0);
	EXPECT_EQ(-EFAULT, copy_buffer(self->importer, self->handle, 0, 0, user,
				       2 * PAGE, &result));
	EXPECT_EQ(PAGE, result.copied);
	EXPECT_EQ(0, pattern_check(user, PAGE, 3, 0, &where));

	pattern_fill(user, PAGE, 4, 0);
	EXPECT_EQ(-EFAULT, copy_buffer(self->importer, self->handle,
				       P2PBUF_COPY_TO_BUFFER, 0, user, 2 * PAGE,
				       &result));
	EXPECT_EQ(PAGE, result.copied);
	EXPECT_EQ(0, pattern_check(self->cpu, PAGE, 4, 0, &where));
	EXPECT_EQ(0, pattern_check(self->cpu + PAGE, PAGE, 3, PAGE, &where));

	EXPECT_EQ(-EFAULT, copy_buffer(self->importer, self->handle, 0, 0, NULL, 1,
				       &result));
	EXPECT_EQ(0, result.copied);
	EXPECT_EQ(-EFAULT, copy_buffer(self->importer, self->handle,
				       P2PBUF_COPY_TO_BUFFER, 0, NULL, 1, &result));
	EXPECT_EQ(0, result.copied);
}

/* Kernel addresses are not user memory. */
TEST_F(import, copy_kernel_address)
{
	void *kernel = (void *)0xffff888000000000UL;
	struct p2pbuf_copy result;

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	self->cpu[0] = 1;
	EXPECT_EQ(-EFAULT, copy_buffer(self->importer, self->handle, 0, 0, kernel, 1,
				       &result));
	EXPECT_EQ(-EFAULT, copy_buffer(self->importer, self->handle,
				       P2PBUF_COPY_TO_BUFFER, 0, kernel, 1, &result));
	EXPECT_EQ(1, self->cpu[0]);
}

TEST_F(import, write_only_is_unproven)
{
	static uint8_t user[SIZE];
	struct p2pbuf_copy result;
	size_t where = 0;
	uint32_t handle;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, import_mapped(self->importer, self->fd, variant->interconnect,
				   P2PBUF_ACCESS_WRITE, &handle));
	pattern_fill(user, SIZE, 5, 0);
	EXPECT_EQ(0, copy_buffer(self->importer, handle, P2PBUF_COPY_TO_BUFFER, 0, user,
				 SIZE, &result));
	EXPECT_EQ(SIZE, result.copied);
	EXPECT_EQ(SIZE, result.unproven);
	EXPECT_EQ(0, pattern_check(self->cpu, SIZE, 5, 0, &where));
}

TEST_F(import, no_readback_is_unproven)
{
	static uint8_t user[SIZE];
	struct p2pbuf_copy result;
	size_t where = 0;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	pattern_fill(user, SIZE, 6, 0);
	EXPECT_EQ(0, copy_buffer(self->importer, self->handle,
				 P2PBUF_COPY_TO_BUFFER | P2PBUF_COPY_NO_READBACK, 100,
				 user, PAGE, &result));
	EXPECT_EQ(PAGE, result.copied);
	EXPECT_EQ(PAGE, result.unproven);
	EXPECT_EQ(0, pattern_check(self->cpu + 100, PAGE, 6, 0, &where));
}

TEST_F(import, zeros_are_unproven)
{
	static uint8_t user[SIZE], zeros[SIZE];
	struct p2pbuf_copy result;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	memset(user, 0xff, SIZE);
	EXPECT_EQ(0, copy_buffer(self->importer, self->handle, 0, 0, user, SIZE,
				 &result));
	EXPECT_EQ(SIZE, result.copied);
	EXPECT_EQ(SIZE, result.unproven);
	EXPECT_EQ(0, memcmp(user, zeros, SIZE));

	/* One page with something in it */
	self->cpu[PAGE + 7] = 1;
	EXPECT_EQ(0, copy_buffer(self->importer, self->handle, 0, 0, user, SIZE,
				 &result));
	EXPECT_EQ(SIZE - PAGE, result.unproven);
}

/* What the driver puts where the data should arrive must not be taken for it. */
TEST_F(import, data_like_a_fill)
{
	static const uint8_t fills[] = { 0xa5, 0x5a, 0x3c, 0xc3, 0xff };
	static uint8_t user[PAGE], same[PAGE];
	unsigned int i;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	for (i = 0; i < ARRAY_SIZE(fills); i++) {
		memset(same, fills[i], PAGE);
		memset(self->cpu, fills[i], PAGE);
		EXPECT_EQ(0, read_buffer(self->importer, self->handle, 0, user, PAGE));
		EXPECT_EQ(0, memcmp(user, same, PAGE));
		memset(self->cpu, 0, PAGE);
		EXPECT_EQ(0, write_buffer(self->importer, self->handle, 0, same, PAGE));
		EXPECT_EQ(0, memcmp(self->cpu, same, PAGE));
	}
}

/*
 * Permissions of the DMABUF
 */

TEST_F(import, read_only_dmabuf)
{
	struct p2pbuf_range range = { 5 * PAGE, PAGE };
	uint32_t handle;
	uint8_t byte = 0;
	int fd;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	fd = export_ranges(self->exporter, TEST_BAR, &range, 1, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, import_mapped(self->importer, fd, variant->interconnect,
					 P2PBUF_ACCESS_WRITE, &handle));
	EXPECT_EQ(-EACCES, import_mapped(self->importer, fd, variant->interconnect,
					 READ_WRITE, &handle));
	ASSERT_EQ(0, import_mapped(self->importer, fd, variant->interconnect,
				   P2PBUF_ACCESS_READ, &handle));
	self->cpu[9] = 0x77;
	EXPECT_EQ(0, read_buffer(self->importer, handle, 9, &byte, 1));
	EXPECT_EQ(0x77, byte);
	close(fd);
}

/*
 * Several users
 */

TEST_F(import, inherited_by_child)
{
	struct p2pbuf_query query;
	uint8_t byte = 0;
	int status;
	pid_t pid;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	self->cpu[17] = 0x55;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (map_handle(self->importer, self->handle))
			_exit(1);
		if (read_buffer(self->importer, self->handle, 17, &byte, 1))
			_exit(2);
		_exit(byte == 0x55 ? 0 : 3);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);

	/* What the child mapped stays: the file is the same. */
	EXPECT_EQ(-EALREADY, map_handle(self->importer, self->handle));
	EXPECT_EQ(0, query_handle(self->importer, self->handle, &query, NULL, 0));
	EXPECT_EQ(P2PBUF_STATE_MAPPED, query.state);
}

struct race {
	int importer;
	int fd;
	enum p2pbuf_interconnect interconnect;
	atomic_uint handle;
	atomic_int done[5];
	atomic_int wrong;
};

/* Counts a success, notes an error that is not expected. */
static void judge(struct race *race, int call, int ret, int fine)
{
	if (!ret)
		race->done[call]++;
	else if (ret != -ENOENT && ret != fine)
		race->wrong = ret;
}

static void *race_loop(void *arg)
{
	struct race *race = arg;
	uint8_t user[32] = { };
	uint32_t handle;
	int i;

	for (i = 0; i < 50; i++) {
		handle = race->handle;
		judge(race, 0, map_handle(race->importer, handle), -EALREADY);
		judge(race, 1, read_buffer(race->importer, handle, PAGE - 16, user, 32),
		      -ENXIO);
		judge(race, 2, unmap_handle(race->importer, handle), -ENXIO);
		if (i % 5)
			continue;
		judge(race, 3, release_handle(race->importer, handle), 0);
		judge(race, 4, import_buffer(race->importer, race->fd,
					     race->interconnect, READ_WRITE, &handle), 0);
		race->handle = handle;
	}
	return NULL;
}

TEST_F(import, two_threads_one_handle)
{
	struct race race = {
		.importer = self->importer,
		.fd = self->fd,
		.interconnect = variant->interconnect,
		.handle = self->handle,
	};
	pthread_t threads[2];
	int i;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	/* The copies have something to find. */
	memset(self->cpu, 1, SIZE);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, race_loop, &race));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));

	EXPECT_EQ(0, race.wrong);
	for (i = 0; i < 5; i++)
		EXPECT_LT(0, race.done[i]);
}

struct long_copy {
	int importer;
	uint32_t handle;
	int ret;
	struct p2pbuf_copy result;
	uint8_t user[SIZE];
};

static void *copy_all(void *arg)
{
	struct long_copy *copy = arg;

	copy->ret = copy_buffer(copy->importer, copy->handle, 0, 0, copy->user, SIZE,
				&copy->result);
	return NULL;
}

static void start_copy(struct __test_metadata *_metadata, struct long_copy *copy,
		       pthread_t *thread)
{
	ASSERT_EQ(0, pthread_create(thread, NULL, copy_all, copy));
	/* A chunk takes 300 ms; whatever the outcome, it must be a clean one. */
	usleep(350000);
}

TEST_F(import, unmap_during_copy)
{
	static struct long_copy copy;
	pthread_t thread;

	copy.importer = self->importer;
	copy.handle = self->handle;
	pattern_fill(self->cpu, SIZE, 8, 0);
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	start_copy(_metadata, &copy, &thread);
	EXPECT_EQ(0, unmap_handle(self->importer, self->handle));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_TRUE(!copy.ret || copy.ret == -ENXIO) {
		TH_LOG("copy returned %d", copy.ret);
	}
	EXPECT_EQ(!copy.ret, copy.result.copied == SIZE);
}

TEST_F(import, release_during_copy)
{
	static struct long_copy copy;
	pthread_t thread;

	copy.importer = self->importer;
	copy.handle = self->handle;
	pattern_fill(self->cpu, SIZE, 9, 0);
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	start_copy(_metadata, &copy, &thread);
	EXPECT_EQ(0, release_handle(self->importer, self->handle));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_TRUE(!copy.ret || copy.ret == -ENOENT) {
		TH_LOG("copy returned %d", copy.ret);
	}
	EXPECT_EQ(!copy.ret, copy.result.copied == SIZE);
}

/*
 * AUTO
 */

FIXTURE(automatic) {
	int exporter;
	int importer;
};

FIXTURE_SETUP(automatic)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, NO_ROUTE);
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->importer = open_importer();
	ASSERT_LE(0, self->importer);
}

FIXTURE_TEARDOWN(automatic)
{
	close(self->importer);
	close(self->exporter);
}

TEST_F(automatic, is_phys)
{
	struct p2pbuf_query query;
	uint32_t handle;
	int fd;

	fd = export_simple(self->exporter, 0, PAGE);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, import_buffer(self->importer, fd, P2PBUF_INTERCONNECT_AUTO,
				   READ_WRITE, &handle));
	ASSERT_EQ(0, query_handle(self->importer, handle, &query, NULL, 0));
	EXPECT_EQ(P2PBUF_INTERCONNECT_PHYS, query.interconnect);
	close(fd);
}

/*
 * Other exporters: system memory, which is reachable on any topology
 */

static int create_udmabuf(size_t size)
{
	struct udmabuf_create create = { .size = size };
	int memfd, dev, fd;

	dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return -errno;
	memfd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (memfd < 0 || ftruncate(memfd, size) ||
	    fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -errno;
	create.memfd = memfd;
	fd = ioctl(dev, UDMABUF_CREATE, &create);
	close(memfd);
	close(dev);
	return fd;
}

static int alloc_dma_heap(size_t size)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap, ret;

	heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	if (heap < 0)
		return -errno;
	ret = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data);
	close(heap);
	return ret ? ret : (int)data.fd;
}

FIXTURE(foreign) {
	int importer;
	int fd;
};

FIXTURE_VARIANT(foreign) {
	int (*create)(size_t size);
};

FIXTURE_VARIANT_ADD(foreign, udmabuf) { .create = create_udmabuf };
FIXTURE_VARIANT_ADD(foreign, dma_heap) { .create = alloc_dma_heap };

FIXTURE_SETUP(foreign)
{
	self->fd = variant->create(SIZE);
	if (self->fd == -ENOENT)
		SKIP(return, "the kernel does not have this exporter");
	ASSERT_LE(0, self->fd);
	self->importer = open_importer();
	ASSERT_LE(0, self->importer);
}

FIXTURE_TEARDOWN(foreign)
{
	close(self->importer);
	close(self->fd);
}

TEST_F(foreign, phys_not_offered)
{
	uint32_t handle;

	EXPECT_EQ(-EOPNOTSUPP, import_buffer(self->importer, self->fd,
					     P2PBUF_INTERCONNECT_PHYS, READ_WRITE,
					     &handle));
}

TEST_F(foreign, auto_is_sgt)
{
	struct p2pbuf_query query;
	uint32_t handle;
	uint8_t *cpu;

	ASSERT_EQ(0, import_mapped(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
				   READ_WRITE, &handle));
	ASSERT_EQ(0, query_handle(self->importer, handle, &query, NULL, 0));
	EXPECT_EQ(P2PBUF_STATE_MAPPED, query.state);
	EXPECT_EQ(P2PBUF_INTERCONNECT_SGT, query.interconnect);
	EXPECT_EQ(P2PBUF_ROUTE_UNKNOWN, query.route);
	EXPECT_EQ(0, query.nr_ranges);
	EXPECT_EQ(0, query.nr_merged);
	EXPECT_LT(0, query.nr_segments);
	EXPECT_EQ(SIZE, query.size);

	cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, cpu);
	expect_data(_metadata, self->importer, handle, cpu, 10);
}

TEST_HARNESS_MAIN
