// SPDX-License-Identifier: GPL-2.0-only
/*
 * The conventions of uapi/linux/p2pbuf.h: layouts, sizes, ioctl numbers.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ioctl.h>
#include <linux/types.h>

/* No holes, whatever the compiler */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include <linux/p2pbuf.h>
#pragma GCC diagnostic pop

#include "kselftest_harness.h"
#include "p2pbuf_test.h"

/*
 * Layout: the same for 32 and 64 bits, so every 64-bit member is aligned to 8 there
 * too, and what is published stays.
 */

#define ASSERT_MEMBER(type, member, offset)				\
	static_assert(offsetof(struct type, member) == (offset), #type "." #member)
#define ASSERT_STRUCT(type, size, align)					\
	static_assert(sizeof(struct type) == (size) &&				\
		      __alignof__(struct type) == (align), #type)

ASSERT_STRUCT(p2pbuf_region_info, 24, 8);
ASSERT_MEMBER(p2pbuf_region_info, index, 0);
ASSERT_MEMBER(p2pbuf_region_info, flags, 4);
ASSERT_MEMBER(p2pbuf_region_info, reason, 8);
ASSERT_MEMBER(p2pbuf_region_info, reserved, 12);
ASSERT_MEMBER(p2pbuf_region_info, size, 16);

ASSERT_STRUCT(p2pbuf_range, 16, 8);
ASSERT_MEMBER(p2pbuf_range, offset, 0);
ASSERT_MEMBER(p2pbuf_range, length, 8);

ASSERT_STRUCT(p2pbuf_export, 24, 8);
ASSERT_MEMBER(p2pbuf_export, region_index, 0);
ASSERT_MEMBER(p2pbuf_export, open_flags, 4);
ASSERT_MEMBER(p2pbuf_export, flags, 8);
ASSERT_MEMBER(p2pbuf_export, nr_ranges, 12);
ASSERT_MEMBER(p2pbuf_export, ranges, 16);

ASSERT_STRUCT(p2pbuf_reset, 8, 4);
ASSERT_MEMBER(p2pbuf_reset, flags, 0);
ASSERT_MEMBER(p2pbuf_reset, reserved, 4);

ASSERT_STRUCT(p2pbuf_memory, 8, 4);
ASSERT_MEMBER(p2pbuf_memory, on, 0);
ASSERT_MEMBER(p2pbuf_memory, flags, 4);

ASSERT_STRUCT(p2pbuf_route_info, 48, 8);
ASSERT_MEMBER(p2pbuf_route_info, client, 0);
ASSERT_MEMBER(p2pbuf_route_info, route, 8);
ASSERT_MEMBER(p2pbuf_route_info, reason, 12);
ASSERT_MEMBER(p2pbuf_route_info, common, 16);
ASSERT_MEMBER(p2pbuf_route_info, port, 24);
ASSERT_MEMBER(p2pbuf_route_info, host, 32);
ASSERT_MEMBER(p2pbuf_route_info, flags, 40);
ASSERT_MEMBER(p2pbuf_route_info, reserved, 44);

ASSERT_STRUCT(p2pbuf_revoke, 8, 4);
ASSERT_MEMBER(p2pbuf_revoke, fd, 0);
ASSERT_MEMBER(p2pbuf_revoke, flags, 4);

ASSERT_STRUCT(p2pbuf_import, 24, 4);
ASSERT_MEMBER(p2pbuf_import, fd, 0);
ASSERT_MEMBER(p2pbuf_import, flags, 4);
ASSERT_MEMBER(p2pbuf_import, interconnect, 8);
ASSERT_MEMBER(p2pbuf_import, access, 12);
ASSERT_MEMBER(p2pbuf_import, handle, 16);
ASSERT_MEMBER(p2pbuf_import, flow, 20);

ASSERT_STRUCT(p2pbuf_handle, 8, 4);
ASSERT_MEMBER(p2pbuf_handle, handle, 0);
ASSERT_MEMBER(p2pbuf_handle, flags, 4);

ASSERT_STRUCT(p2pbuf_segment, 16, 8);
ASSERT_MEMBER(p2pbuf_segment, addr, 0);
ASSERT_MEMBER(p2pbuf_segment, length, 8);

ASSERT_STRUCT(p2pbuf_query, 64, 8);
ASSERT_MEMBER(p2pbuf_query, handle, 0);
ASSERT_MEMBER(p2pbuf_query, state, 4);
ASSERT_MEMBER(p2pbuf_query, interconnect, 8);
ASSERT_MEMBER(p2pbuf_query, access, 12);
ASSERT_MEMBER(p2pbuf_query, route, 16);
ASSERT_MEMBER(p2pbuf_query, nr_ranges, 20);
ASSERT_MEMBER(p2pbuf_query, nr_merged, 24);
ASSERT_MEMBER(p2pbuf_query, nr_segments, 28);
ASSERT_MEMBER(p2pbuf_query, size, 32);
ASSERT_MEMBER(p2pbuf_query, segments, 40);
ASSERT_MEMBER(p2pbuf_query, first_segment, 48);
ASSERT_MEMBER(p2pbuf_query, capacity, 52);
ASSERT_MEMBER(p2pbuf_query, nr_events, 56);
ASSERT_MEMBER(p2pbuf_query, reserved, 60);

ASSERT_STRUCT(p2pbuf_copy, 48, 8);
ASSERT_MEMBER(p2pbuf_copy, handle, 0);
ASSERT_MEMBER(p2pbuf_copy, flags, 4);
ASSERT_MEMBER(p2pbuf_copy, offset, 8);
ASSERT_MEMBER(p2pbuf_copy, length, 16);
ASSERT_MEMBER(p2pbuf_copy, user, 24);
ASSERT_MEMBER(p2pbuf_copy, copied, 32);
ASSERT_MEMBER(p2pbuf_copy, unproven, 40);

ASSERT_STRUCT(p2pbuf_transfer, 40, 8);
ASSERT_MEMBER(p2pbuf_transfer, src, 0);
ASSERT_MEMBER(p2pbuf_transfer, dst, 4);
ASSERT_MEMBER(p2pbuf_transfer, src_offset, 8);
ASSERT_MEMBER(p2pbuf_transfer, dst_offset, 16);
ASSERT_MEMBER(p2pbuf_transfer, length, 24);
ASSERT_MEMBER(p2pbuf_transfer, flags, 32);
ASSERT_MEMBER(p2pbuf_transfer, fence_fd, 36);

ASSERT_STRUCT(p2pbuf_place, 64, 8);
ASSERT_MEMBER(p2pbuf_place, addr, 0);
ASSERT_MEMBER(p2pbuf_place, length, 8);
ASSERT_MEMBER(p2pbuf_place, phys, 16);
ASSERT_MEMBER(p2pbuf_place, offset, 24);
ASSERT_MEMBER(p2pbuf_place, bdf, 32);
ASSERT_MEMBER(p2pbuf_place, segment, 40);
ASSERT_MEMBER(p2pbuf_place, kind, 44);
ASSERT_MEMBER(p2pbuf_place, flags, 48);
ASSERT_MEMBER(p2pbuf_place, via, 52);
ASSERT_MEMBER(p2pbuf_place, bar, 56);
ASSERT_MEMBER(p2pbuf_place, reserved, 60);

ASSERT_STRUCT(p2pbuf_audit, 32, 8);
ASSERT_MEMBER(p2pbuf_audit, handle, 0);
ASSERT_MEMBER(p2pbuf_audit, flags, 4);
ASSERT_MEMBER(p2pbuf_audit, offset, 8);
ASSERT_MEMBER(p2pbuf_audit, places, 16);
ASSERT_MEMBER(p2pbuf_audit, capacity, 24);
ASSERT_MEMBER(p2pbuf_audit, reserved, 28);

ASSERT_STRUCT(p2pbuf_verdict, 128, 8);
ASSERT_MEMBER(p2pbuf_verdict, handle, 0);
ASSERT_MEMBER(p2pbuf_verdict, flags, 4);
ASSERT_MEMBER(p2pbuf_verdict, kind, 8);
ASSERT_MEMBER(p2pbuf_verdict, described, 12);
ASSERT_MEMBER(p2pbuf_verdict, total, 16);
ASSERT_MEMBER(p2pbuf_verdict, bar_bytes, 24);
ASSERT_MEMBER(p2pbuf_verdict, ram_bytes, 32);
ASSERT_MEMBER(p2pbuf_verdict, unmapped_bytes, 40);
ASSERT_MEMBER(p2pbuf_verdict, other_bytes, 48);
ASSERT_MEMBER(p2pbuf_verdict, offset, 56);
ASSERT_MEMBER(p2pbuf_verdict, place, 64);

/* The numbers, which are published too */
static_assert(P2PBUF_IOCTL_REGION_INFO == 0xc018bb00, "REGION_INFO");
static_assert(P2PBUF_IOCTL_EXPORT == 0x4018bb01, "EXPORT");
static_assert(P2PBUF_IOCTL_RESET == 0x4008bb02, "RESET");
static_assert(P2PBUF_IOCTL_MEMORY == 0x4008bb03, "MEMORY");
static_assert(P2PBUF_IOCTL_ROUTE == 0xc030bb04, "ROUTE");
static_assert(P2PBUF_IOCTL_REVOKE == 0x4008bb05, "REVOKE");
static_assert(P2PBUF_IOCTL_IMPORT == 0xc018bb40, "IMPORT");
static_assert(P2PBUF_IOCTL_MAP == 0x4008bb41, "MAP");
static_assert(P2PBUF_IOCTL_UNMAP == 0x4008bb42, "UNMAP");
static_assert(P2PBUF_IOCTL_RELEASE == 0x4008bb43, "RELEASE");
static_assert(P2PBUF_IOCTL_QUERY == 0xc040bb44, "QUERY");
static_assert(P2PBUF_IOCTL_COPY == 0xc030bb45, "COPY");
static_assert(P2PBUF_IOCTL_TRANSFER == 0xc028bb46, "TRANSFER");
static_assert(P2PBUF_IOCTL_AUDIT == 0xc020bb47, "AUDIT");
static_assert(P2PBUF_IOCTL_VERDICT == 0xc080bb48, "VERDICT");

/* VMD's domains begin at 0x10000. */
TEST(function_number)
{
	struct p2pbuf_route_info info = { .client = bdf_number("10000:e1:1f.7") };
	struct p2pbuf_place place = { .bdf = bdf_number("10000:e1:1f.7") };

	EXPECT_EQ(0x10000e1ffULL, info.client);
	EXPECT_EQ(0x10000e1ffULL, place.bdf);
}

/* The largest struct that an ioctl number can tell, in whole words */
#define LONGEST		(_IOC_SIZEMASK & ~7U)

static unsigned int with_size(unsigned int cmd, unsigned int size)
{
	return _IOC(_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), size);
}

static unsigned int with_dir(unsigned int cmd, unsigned int dir)
{
	return _IOC(dir, _IOC_TYPE(cmd), _IOC_NR(cmd), _IOC_SIZE(cmd));
}

static int call(int fd, unsigned int cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

/*
 * Every ioctl, with arguments that fail for a reason of its own: an error of the size
 * is another one.
 */

FIXTURE(conventions) {
	int node;
	int other_node;
	uint64_t *args;
};

FIXTURE_VARIANT(conventions) {
	bool importer;
	unsigned int cmd;
	unsigned int first_size;	/* as first published, if it has grown */
	uint32_t words[4];
	int error;
};

FIXTURE_VARIANT_ADD(conventions, region_info) {
	.cmd = P2PBUF_IOCTL_REGION_INFO,
	.words = { 6 },
	.error = -ENXIO,
};

FIXTURE_VARIANT_ADD(conventions, export) {
	.cmd = P2PBUF_IOCTL_EXPORT,
	.error = -ENODATA,
};

FIXTURE_VARIANT_ADD(conventions, route) {
	.cmd = P2PBUF_IOCTL_ROUTE,
	.words = { UINT32_MAX, UINT32_MAX },
	.error = -ENXIO,
};

FIXTURE_VARIANT_ADD(conventions, revoke) {
	.cmd = P2PBUF_IOCTL_REVOKE,
	.words = { -1 },
	.error = -EBADF,
};

FIXTURE_VARIANT_ADD(conventions, import) {
	.importer = true,
	.cmd = P2PBUF_IOCTL_IMPORT,
	.words = { -1, 0, 0, P2PBUF_ACCESS_READ },
	.error = -EBADF,
};

FIXTURE_VARIANT_ADD(conventions, map) {
	.importer = true,
	.cmd = P2PBUF_IOCTL_MAP,
	.error = -ENOENT,
};

FIXTURE_VARIANT_ADD(conventions, unmap) {
	.importer = true,
	.cmd = P2PBUF_IOCTL_UNMAP,
	.error = -ENOENT,
};

FIXTURE_VARIANT_ADD(conventions, release) {
	.importer = true,
	.cmd = P2PBUF_IOCTL_RELEASE,
	.error = -ENOENT,
};

FIXTURE_VARIANT_ADD(conventions, query) {
	.importer = true,
	.cmd = P2PBUF_IOCTL_QUERY,
	.first_size = 56,
	.error = -ENOENT,
};

FIXTURE_VARIANT_ADD(conventions, copy) {
	.importer = true,
	.cmd = P2PBUF_IOCTL_COPY,
	.error = -ENOENT,
};

FIXTURE_VARIANT_ADD(conventions, transfer) {
	.importer = true,
	.cmd = P2PBUF_IOCTL_TRANSFER,
	.error = -ENOENT,
};

FIXTURE_VARIANT_ADD(conventions, verdict) {
	.importer = true,
	.cmd = P2PBUF_IOCTL_VERDICT,
	.error = -ENOENT,
};

FIXTURE_SETUP(conventions)
{
	int exporter = open_exporter(), importer = open_importer();

	ASSERT_LE(0, exporter);
	ASSERT_LE(0, importer);
	self->node = variant->importer ? importer : exporter;
	self->other_node = variant->importer ? exporter : importer;
	self->args = calloc(1, LONGEST);
	ASSERT_NE(NULL, self->args);
	memcpy(self->args, variant->words, sizeof(variant->words));
}

FIXTURE_TEARDOWN(conventions)
{
	free(self->args);
	close(self->node);
	close(self->other_node);
}

TEST_F(conventions, as_published)
{
	EXPECT_EQ(variant->error, call(self->node, variant->cmd, self->args));
}

TEST_F(conventions, shorter)
{
	unsigned int first = variant->first_size ?: _IOC_SIZE(variant->cmd), size;

	for (size = 0; size < first; size += 4)
		EXPECT_EQ(-EINVAL, call(self->node, with_size(variant->cmd, size),
					self->args));
	EXPECT_EQ(-EINVAL, call(self->node, with_size(variant->cmd, size - 1),
				self->args));
	EXPECT_EQ(variant->error, call(self->node, with_size(variant->cmd, first),
				       self->args));
}

TEST_F(conventions, longer)
{
	static const unsigned int more[] = { 1, 4, 8, 64, 4096 };
	unsigned int size, i;

	for (i = 0; i < ARRAY_SIZE(more); i++) {
		size = _IOC_SIZE(variant->cmd) + more[i];
		EXPECT_EQ(variant->error, call(self->node, with_size(variant->cmd, size),
					       self->args));
	}
	EXPECT_EQ(variant->error, call(self->node, with_size(variant->cmd, LONGEST),
				       self->args));
}

TEST_F(conventions, longer_not_zero)
{
	unsigned int known = _IOC_SIZE(variant->cmd), at;
	char *args = (char *)self->args;

	for (at = known; at < known + 16; at++) {
		args[at] = 1;
		EXPECT_EQ(-E2BIG, call(self->node, with_size(variant->cmd, known + 16),
				       args));
		/* Beyond the struct it is nobody's business. */
		EXPECT_EQ(variant->error, call(self->node, with_size(variant->cmd, at),
					       args));
		args[at] = 0;
	}
	args[LONGEST - 1] = 1;
	EXPECT_EQ(-E2BIG, call(self->node, with_size(variant->cmd, LONGEST), args));
}

TEST_F(conventions, bad_pointer)
{
	unsigned int size = _IOC_SIZE(variant->cmd);
	char *half = before_hole(size / 2), *whole = before_hole(size);

	ASSERT_NE(NULL, half);
	ASSERT_NE(NULL, whole);
	memcpy(whole, self->args, size);
	EXPECT_EQ(-EFAULT, call(self->node, variant->cmd, NULL));
	EXPECT_EQ(-EFAULT, call(self->node, variant->cmd, half));
	EXPECT_EQ(variant->error, call(self->node, variant->cmd, whole));
	EXPECT_EQ(-EFAULT, call(self->node, with_size(variant->cmd, size + 8), whole));
}

TEST_F(conventions, other_direction)
{
	unsigned int dir;

	for (dir = 0; dir < 4; dir++)
		EXPECT_EQ(dir == _IOC_DIR(variant->cmd) ? variant->error : -ENOTTY,
			  call(self->node, with_dir(variant->cmd, dir), self->args));
}

TEST_F(conventions, other_node)
{
	EXPECT_EQ(-ENOTTY, call(self->other_node, variant->cmd, self->args));
}

TEST_F(conventions, other_type)
{
	EXPECT_EQ(-ENOTTY, call(self->node, variant->cmd ^ (1 << _IOC_TYPESHIFT),
				self->args));
}

/*
 * The same call as a 32-bit program makes it: the compat entry of the kernel, which a
 * 64-bit program can take as well.
 */
#ifdef __x86_64__
#define I386_IOCTL	54

static int call32(int fd, unsigned int cmd, void *arg)
{
	int ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "a" (I386_IOCTL), "b" (fd), "c" (cmd), "d" (arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

/* Without 32-bit support the instruction faults, so somebody else tries it. */
static bool have_call32(void)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		call32(-1, 0, NULL);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static void *low_memory(void)
{
	void *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	return map == MAP_FAILED ? NULL : map;
}
#else
static int call32(int fd, unsigned int cmd, void *arg)
{
	return -EOPNOTSUPP;
}

static bool have_call32(void)
{
	return false;
}

static void *low_memory(void)
{
	return NULL;
}
#endif

TEST_F(conventions, from_32_bits)
{
	unsigned int size = _IOC_SIZE(variant->cmd);
	unsigned int first = variant->first_size ?: size;
	char *args;

	if (!have_call32())
		SKIP(return, "the kernel runs no 32-bit programs");
	args = low_memory();
	ASSERT_NE(NULL, args);
	memcpy(args, self->args, size);
	EXPECT_EQ(variant->error, call32(self->node, variant->cmd, args));
	EXPECT_EQ(-EINVAL, call32(self->node, with_size(variant->cmd, first - 4), args));
	args[size] = 1;
	EXPECT_EQ(-E2BIG, call32(self->node, with_size(variant->cmd, size + 8), args));
}

/*
 * Both nodes
 */

FIXTURE(nodes) {
	int exporter;
	int importer;
};

FIXTURE_SETUP(nodes)
{
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->importer = open_importer();
	ASSERT_LE(0, self->importer);
}

FIXTURE_TEARDOWN(nodes)
{
	close(self->importer);
	close(self->exporter);
}

TEST_F(nodes, unknown_numbers)
{
	static char args[LONGEST];
	unsigned int nr, dir, cmd;

	for (nr = 0; nr < 256; nr++) {
		for (dir = 0; dir < 4; dir++) {
			cmd = _IOC(dir, P2PBUF_IOCTL_BASE, nr, 64);
			if (nr > 0x05)
				EXPECT_EQ(-ENOTTY, call(self->exporter, cmd, args));
			if (nr < 0x40 || nr > 0x48)
				EXPECT_EQ(-ENOTTY, call(self->importer, cmd, args));
		}
	}
}

/* Structs of the future: more members than the driver knows */

struct longer_region_info {
	struct p2pbuf_region_info known;
	uint64_t unknown[4];
};

struct longer_route_info {
	struct p2pbuf_route_info known;
	uint64_t unknown[4];
};

struct longer_export {
	struct p2pbuf_export known;
	uint64_t unknown[4];
};

struct longer_import {
	struct p2pbuf_import known;
	uint64_t unknown[4];
};

struct longer_handle {
	struct p2pbuf_handle known;
	uint64_t unknown[4];
};

struct longer_query {
	struct p2pbuf_query known;
	uint64_t unknown[4];
};

struct longer_copy {
	struct p2pbuf_copy known;
	uint64_t unknown[4];
};

static bool all_zero(const uint64_t *words)
{
	return !(words[0] | words[1] | words[2] | words[3]);
}

TEST_F(nodes, longer_region_info)
{
	struct longer_region_info args = { .known.index = TEST_BAR };
	struct p2pbuf_region_info info;

	ASSERT_EQ(0, region_info(self->exporter, TEST_BAR, &info));
	ASSERT_EQ(0, call(self->exporter,
			  with_size(P2PBUF_IOCTL_REGION_INFO, sizeof(args)), &args));
	EXPECT_EQ(0, memcmp(&info, &args.known, sizeof(info)));
	EXPECT_TRUE(all_zero(args.unknown));
}

TEST_F(nodes, longer_route)
{
	struct longer_route_info args = { .known.client = bdf_number(importer_bdf()) };
	struct p2pbuf_route_info info;

	ASSERT_EQ(0, ask_route(self->exporter, args.known.client, &info));
	ASSERT_EQ(0, call(self->exporter, with_size(P2PBUF_IOCTL_ROUTE, sizeof(args)), &args));
	EXPECT_EQ(0, memcmp(&info, &args.known, sizeof(info)));
	EXPECT_TRUE(all_zero(args.unknown));
}

TEST_F(nodes, route_from_32_bits)
{
	struct p2pbuf_route_info *args, info;

	if (!have_call32())
		SKIP(return, "the kernel runs no 32-bit programs");
	args = low_memory();
	ASSERT_NE(NULL, args);
	args->client = bdf_number(importer_bdf());
	ASSERT_EQ(0, ask_route(self->exporter, args->client, &info));
	ASSERT_EQ(0, call32(self->exporter, P2PBUF_IOCTL_ROUTE, args));
	EXPECT_EQ(0, memcmp(&info, args, sizeof(info)));
}

TEST_F(nodes, longer_export)
{
	struct p2pbuf_range range = { 0, PAGE };
	struct longer_export args = {
		.known = {
			.region_index = TEST_BAR,
			.open_flags = O_RDWR,
			.nr_ranges = 1,
			.ranges = (uintptr_t)&range,
		},
	};
	int fd;

	fd = call(self->exporter, with_size(P2PBUF_IOCTL_EXPORT, sizeof(args)), &args);
	ASSERT_LE(0, fd);
	EXPECT_EQ(PAGE, lseek(fd, 0, SEEK_END));
	close(fd);
}

TEST_F(nodes, region_info_into_read_only)
{
	struct p2pbuf_region_info *info;

	info = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, info);
	EXPECT_EQ(-EFAULT, call(self->exporter, P2PBUF_IOCTL_REGION_INFO, info));
}

TEST_F(nodes, export_from_32_bits)
{
	struct p2pbuf_range *range;
	struct p2pbuf_export *args;
	int fd;

	if (!have_call32())
		SKIP(return, "the kernel runs no 32-bit programs");
	args = low_memory();
	ASSERT_NE(NULL, args);
	range = (struct p2pbuf_range *)(args + 1);
	*range = (struct p2pbuf_range){ PAGE, 2 * PAGE };
	args->region_index = TEST_BAR;
	args->open_flags = O_RDWR;
	args->nr_ranges = 1;
	args->ranges = (uintptr_t)range;

	fd = call32(self->exporter, P2PBUF_IOCTL_EXPORT, args);
	ASSERT_LE(0, fd);
	EXPECT_EQ(2 * PAGE, lseek(fd, 0, SEEK_END));
	close(fd);
}

/*
 * Calls that succeed need an import.
 */

FIXTURE(imported) {
	int exporter;
	int importer;
	int fd;
	uint8_t *cpu;
	uint32_t handle;
};

FIXTURE_SETUP(imported)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "no route between the two functions here");
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->importer = open_importer();
	ASSERT_LE(0, self->importer);
	self->fd = export_simple(self->exporter, 0, PAGE);
	ASSERT_LE(0, self->fd);
	self->cpu = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->cpu);
	ASSERT_EQ(0, import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
				   P2PBUF_ACCESS_READ, &self->handle));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
}

FIXTURE_TEARDOWN(imported)
{
	munmap(self->cpu, PAGE);
	close(self->fd);
	close(self->importer);
	close(self->exporter);
}

TEST_F(imported, longer_import)
{
	struct longer_import args = {
		.known = { .fd = self->fd, .access = P2PBUF_ACCESS_READ },
	};

	ASSERT_EQ(0, call(self->importer, with_size(P2PBUF_IOCTL_IMPORT, sizeof(args)), &args));
	EXPECT_NE(0, args.known.handle);
	EXPECT_TRUE(all_zero(args.unknown));
	EXPECT_EQ(0, release_handle(self->importer, args.known.handle));
}

TEST_F(imported, longer_handle_calls)
{
	struct longer_handle args = { .known.handle = self->handle };

	EXPECT_EQ(0, call(self->importer, with_size(P2PBUF_IOCTL_UNMAP, sizeof(args)), &args));
	EXPECT_EQ(0, call(self->importer, with_size(P2PBUF_IOCTL_MAP, sizeof(args)), &args));
	EXPECT_EQ(0, call(self->importer, with_size(P2PBUF_IOCTL_RELEASE, sizeof(args)), &args));
}

TEST_F(imported, longer_query)
{
	struct longer_query args = { .known.handle = self->handle };
	struct p2pbuf_query query;

	ASSERT_EQ(0, query_handle(self->importer, self->handle, &query, NULL, 0));
	ASSERT_EQ(0, call(self->importer, with_size(P2PBUF_IOCTL_QUERY, sizeof(args)), &args));
	EXPECT_EQ(0, memcmp(&query, &args.known, sizeof(query)));
	EXPECT_EQ(PAGE, args.known.size);
	EXPECT_TRUE(all_zero(args.unknown));
}

TEST_F(imported, longer_copy)
{
	uint8_t user = 0;
	struct longer_copy args = {
		.known = {
			.handle = self->handle,
			.offset = 5,
			.length = 1,
			.user = (uintptr_t)&user,
			.copied = UINT64_MAX,
			.unproven = UINT64_MAX,
		},
	};

	if (!data_arrives())
		SKIP(return, NO_DATA);

	self->cpu[5] = 0x99;
	ASSERT_EQ(0, call(self->importer, with_size(P2PBUF_IOCTL_COPY, sizeof(args)), &args));
	EXPECT_EQ(0x99, user);
	EXPECT_EQ(1, args.known.copied);
	EXPECT_EQ(0, args.known.unproven);
	EXPECT_TRUE(all_zero(args.unknown));
}

TEST_F(imported, query_from_32_bits)
{
	struct p2pbuf_segment *seg;
	struct p2pbuf_query *query;

	if (!have_call32())
		SKIP(return, "the kernel runs no 32-bit programs");
	query = low_memory();
	ASSERT_NE(NULL, query);
	seg = (struct p2pbuf_segment *)(query + 1);
	query->handle = self->handle;
	query->segments = (uintptr_t)seg;
	query->capacity = 1;
	ASSERT_EQ(0, call32(self->importer, P2PBUF_IOCTL_QUERY, query));
	EXPECT_EQ(PAGE, query->size);
	EXPECT_EQ(1, query->capacity);
	EXPECT_EQ(PAGE, seg->length);
}

TEST_HARNESS_MAIN
