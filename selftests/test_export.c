// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exporter's two ioctls: what they say, what they make, what they refuse.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "p2pbuf_test.h"

#define MAX_RANGES	"/sys/module/p2pbuf_exporter/parameters/max_ranges"
#define DEFAULT_RANGES	65536U
#define EXPORTER	"p2pbuf_exporter"

static int count_ours(void)
{
	int attachments;

	return count_buffers(EXPORTER, &attachments);
}

static int export_raw(int exporter, const struct p2pbuf_export *args)
{
	int ret = ioctl(exporter, P2PBUF_IOCTL_EXPORT, args);

	return ret < 0 ? -errno : ret;
}

/* Every test leaves as many DMABUFs as it found. */
FIXTURE(export) {
	int exporter;
	int buffers;
};

FIXTURE_SETUP(export)
{
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->buffers = count_ours();
	ASSERT_LE(0, self->buffers);
}

FIXTURE_TEARDOWN(export)
{
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_EQ(self->buffers, count_ours());
}

/*
 * The node
 */

TEST_F(export, node)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->exporter, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0600, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
}

/*
 * Regions
 */

TEST_F(export, region_sub_page)
{
	struct p2pbuf_region_info info;

	ASSERT_EQ(0, region_info(self->exporter, 0, &info));
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(P2PBUF_REASON_SUB_PAGE, info.reason);
	EXPECT_EQ(256, info.size);
}

TEST_F(export, region_absent)
{
	static const unsigned int absent[] = { 1, 3, 4, 5 };
	struct p2pbuf_region_info info;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(absent); i++) {
		ASSERT_EQ(0, region_info(self->exporter, absent[i], &info));
		EXPECT_EQ(absent[i], info.index);
		EXPECT_EQ(0, info.flags);
		EXPECT_EQ(P2PBUF_REASON_ABSENT, info.reason);
		EXPECT_EQ(0, info.size);
	}
}

TEST_F(export, region_exportable)
{
	struct p2pbuf_region_info info;
	uint64_t start, size;

	ASSERT_EQ(0, region_info(self->exporter, TEST_BAR, &info));
	EXPECT_EQ(P2PBUF_REGION_EXPORTABLE | P2PBUF_REGION_64BIT |
		  P2PBUF_REGION_PREFETCHABLE | P2PBUF_REGION_WRITE_COMBINING,
		  info.flags);
	EXPECT_EQ(P2PBUF_REASON_NONE, info.reason);
	EXPECT_LE(65536, info.size);
	EXPECT_EQ(0, info.size & (info.size - 1));

	ASSERT_EQ(0, bar_resource(TEST_BAR, &start, &size));
	EXPECT_EQ(size, info.size);
}

TEST_F(export, region_out_of_range)
{
	struct p2pbuf_region_info info;

	EXPECT_EQ(-ENXIO, region_info(self->exporter, 6, &info));
	EXPECT_EQ(-ENXIO, region_info(self->exporter, UINT32_MAX, &info));
}

TEST_F(export, region_members_not_zero)
{
	static const struct p2pbuf_region_info bad[] = {
		{ .index = TEST_BAR, .flags = 1 },
		{ .index = TEST_BAR, .reason = 1 },
		{ .index = TEST_BAR, .reserved = 1 },
		{ .index = TEST_BAR, .size = 1ULL << 63 },
	};
	struct p2pbuf_region_info info;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		info = bad[i];
		EXPECT_EQ(-1, ioctl(self->exporter, P2PBUF_IOCTL_REGION_INFO, &info));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(0, memcmp(&info, &bad[i], sizeof(info)));
	}
}

/*
 * What is refused. The order of the variants is the order of the checks; each fault
 * is also met by the one that is looked for next.
 */

FIXTURE(refused) {
	int exporter;
	int buffers;
};

FIXTURE_VARIANT(refused) {
	/* region_index, open_flags, flags, nr_ranges */
	struct p2pbuf_export args;
	bool bad_pointer;
	struct p2pbuf_range ranges[2];
	int error;
};

FIXTURE_SETUP(refused)
{
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->buffers = count_ours();
	ASSERT_LE(0, self->buffers);
}

FIXTURE_TEARDOWN(refused)
{
	EXPECT_EQ(0, close(self->exporter));
	EXPECT_EQ(self->buffers, count_ours());
}

FIXTURE_VARIANT_ADD(refused, flags) {
	.args = { TEST_BAR, O_RDWR, 1, 1 },
	.ranges = { { 0, PAGE } },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(refused, flags_high_bit) {
	.args = { TEST_BAR, O_RDWR, 1U << 31, 1 },
	.ranges = { { 0, PAGE } },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(refused, open_flags_append) {
	.args = { TEST_BAR, O_RDWR | O_APPEND, 0, 1 },
	.ranges = { { 0, PAGE } },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(refused, open_flags_nonblock) {
	.args = { TEST_BAR, O_RDWR | O_NONBLOCK, 0, 1 },
	.ranges = { { 0, PAGE } },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(refused, open_flags_creat) {
	.args = { TEST_BAR, O_RDWR | O_CREAT, 0, 1 },
	.ranges = { { 0, PAGE } },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(refused, open_flags_access_3) {
	.args = { TEST_BAR, O_ACCMODE, 0, 1 },
	.ranges = { { 0, PAGE } },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(refused, flags_and_no_ranges) {
	.args = { TEST_BAR, O_RDWR, 1, 0 },
	.ranges = { { 0, PAGE } },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(refused, open_flags_and_no_ranges) {
	.args = { TEST_BAR, O_ACCMODE, 0, 0 },
	.ranges = { { 0, PAGE } },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(refused, no_ranges) {
	.args = { TEST_BAR, O_RDWR, 0, 0 },
	.ranges = { { 0, PAGE } },
	.error = ENODATA,
};

FIXTURE_VARIANT_ADD(refused, no_ranges_and_bad_pointer) {
	.args = { TEST_BAR, O_RDWR, 0, 0 },
	.bad_pointer = true,
	.ranges = { { 0, PAGE } },
	.error = ENODATA,
};

FIXTURE_VARIANT_ADD(refused, no_ranges_and_no_region) {
	.args = { 6, O_RDWR, 0, 0 },
	.ranges = { { 0, PAGE } },
	.error = ENODATA,
};

FIXTURE_VARIANT_ADD(refused, too_many) {
	.args = { TEST_BAR, O_RDWR, 0, DEFAULT_RANGES + 1 },
	.ranges = { { 0, PAGE } },
	.error = EMSGSIZE,
};

FIXTURE_VARIANT_ADD(refused, far_too_many) {
	.args = { TEST_BAR, O_RDWR, 0, UINT32_MAX },
	.ranges = { { 0, PAGE } },
	.error = EMSGSIZE,
};

FIXTURE_VARIANT_ADD(refused, too_many_and_bad_pointer) {
	.args = { TEST_BAR, O_RDWR, 0, DEFAULT_RANGES + 1 },
	.bad_pointer = true,
	.ranges = { { 0, PAGE } },
	.error = EMSGSIZE,
};

FIXTURE_VARIANT_ADD(refused, bad_pointer) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.bad_pointer = true,
	.ranges = { { 0, PAGE } },
	.error = EFAULT,
};

FIXTURE_VARIANT_ADD(refused, bad_pointer_and_no_region) {
	.args = { 6, O_RDWR, 0, 1 },
	.bad_pointer = true,
	.ranges = { { 0, PAGE } },
	.error = EFAULT,
};

FIXTURE_VARIANT_ADD(refused, region_6) {
	.args = { 6, O_RDWR, 0, 1 },
	.ranges = { { 0, PAGE } },
	.error = ENXIO,
};

FIXTURE_VARIANT_ADD(refused, region_huge) {
	.args = { UINT32_MAX, O_RDWR, 0, 1 },
	.ranges = { { 0, PAGE } },
	.error = ENXIO,
};

FIXTURE_VARIANT_ADD(refused, region_absent) {
	.args = { 1, O_RDWR, 0, 1 },
	.ranges = { { 0, PAGE } },
	.error = ENXIO,
};

FIXTURE_VARIANT_ADD(refused, region_upper_half) {
	.args = { TEST_BAR + 1, O_RDWR, 0, 1 },
	.ranges = { { 0, PAGE } },
	.error = ENXIO,
};

FIXTURE_VARIANT_ADD(refused, region_absent_and_no_length) {
	.args = { 1, O_RDWR, 0, 1 },
	.ranges = { { 0, 0 } },
	.error = ENXIO,
};

FIXTURE_VARIANT_ADD(refused, region_sub_page) {
	.args = { 0, O_RDWR, 0, 1 },
	.ranges = { { 0, PAGE } },
	.error = EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(refused, region_sub_page_and_no_length) {
	.args = { 0, O_RDWR, 0, 1 },
	.ranges = { { 0, 0 } },
	.error = EOPNOTSUPP,
};

FIXTURE_VARIANT_ADD(refused, no_length) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { PAGE, 0 } },
	.error = ENODATA,
};

FIXTURE_VARIANT_ADD(refused, no_length_and_unaligned) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { 1, 0 } },
	.error = ENODATA,
};

FIXTURE_VARIANT_ADD(refused, no_length_second) {
	.args = { TEST_BAR, O_RDWR, 0, 2 },
	.ranges = { { 0, PAGE }, { PAGE, 0 } },
	.error = ENODATA,
};

FIXTURE_VARIANT_ADD(refused, unaligned_offset) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { 1, PAGE } },
	.error = EDOM,
};

FIXTURE_VARIANT_ADD(refused, unaligned_offset_half) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { PAGE / 2, PAGE } },
	.error = EDOM,
};

FIXTURE_VARIANT_ADD(refused, unaligned_length) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { 0, PAGE + 8 } },
	.error = EDOM,
};

FIXTURE_VARIANT_ADD(refused, unaligned_length_1) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { 0, 1 } },
	.error = EDOM,
};

FIXTURE_VARIANT_ADD(refused, unaligned_and_overflow) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { -PAGE, 2 * PAGE - 1 } },
	.error = EDOM,
};

FIXTURE_VARIANT_ADD(refused, unaligned_second) {
	.args = { TEST_BAR, O_RDWR, 0, 2 },
	.ranges = { { 0, PAGE }, { 8, PAGE } },
	.error = EDOM,
};

FIXTURE_VARIANT_ADD(refused, end_overflow) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { -PAGE, 2 * PAGE } },
	.error = EOVERFLOW,
};

FIXTURE_VARIANT_ADD(refused, end_overflow_to_0) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { -PAGE, PAGE } },
	.error = EOVERFLOW,
};

FIXTURE_VARIANT_ADD(refused, end_overflow_by_length) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { PAGE, -PAGE } },
	.error = EOVERFLOW,
};

FIXTURE_VARIANT_ADD(refused, physical_overflow) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { -2 * PAGE, PAGE } },
	.error = EOVERFLOW,
};

FIXTURE_VARIANT_ADD(refused, physical_overflow_by_length) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { 0, -PAGE } },
	.error = EOVERFLOW,
};

FIXTURE_VARIANT_ADD(refused, beyond_end) {
	.args = { TEST_BAR, O_RDWR, 0, 1 },
	.ranges = { { 1ULL << 60, PAGE } },
	.error = ERANGE,
};

FIXTURE_VARIANT_ADD(refused, beyond_end_second) {
	.args = { TEST_BAR, O_RDWR, 0, 2 },
	.ranges = { { 0, PAGE }, { 1ULL << 60, PAGE } },
	.error = ERANGE,
};

FIXTURE_VARIANT_ADD(refused, first_range_before_second) {
	.args = { TEST_BAR, O_RDWR, 0, 2 },
	.ranges = { { 1ULL << 60, PAGE }, { 0, 0 } },
	.error = ERANGE,
};

TEST_F(refused, error)
{
	struct p2pbuf_export args = variant->args;

	if (!variant->bad_pointer)
		args.ranges = (uintptr_t)variant->ranges;
	EXPECT_EQ(-variant->error, export_raw(self->exporter, &args));
}

TEST_F(export, just_beyond_end)
{
	uint64_t size = bar_size(self->exporter, TEST_BAR);

	EXPECT_EQ(-ERANGE, export_simple(self->exporter, size, PAGE));
	EXPECT_EQ(-ERANGE, export_simple(self->exporter, size - PAGE, 2 * PAGE));
	EXPECT_EQ(-ERANGE, export_simple(self->exporter, 0, size + PAGE));
}

TEST_F(export, ranges_half_unmapped)
{
	struct p2pbuf_range *last = before_hole(sizeof(*last));
	int fd;

	ASSERT_NE(NULL, last);
	*last = (struct p2pbuf_range){ 0, PAGE };
	EXPECT_EQ(-EFAULT, export_ranges(self->exporter, TEST_BAR, last, 2, O_RDWR));

	fd = export_ranges(self->exporter, TEST_BAR, last, 1, O_RDWR);
	ASSERT_LE(0, fd);
	close(fd);
}

TEST_F(export, struct_unmapped)
{
	char *half = before_hole(sizeof(struct p2pbuf_export) / 2);

	ASSERT_NE(NULL, half);
	EXPECT_EQ(-EFAULT, export_raw(self->exporter, NULL));
	EXPECT_EQ(-EFAULT, export_raw(self->exporter, (void *)half));
}

/*
 * What is made
 */

static void expect_size(struct __test_metadata *_metadata, int fd, uint64_t size)
{
	ASSERT_LE(0, fd);
	EXPECT_EQ(size, lseek(fd, 0, SEEK_END));
	close(fd);
}

TEST_F(export, one_page)
{
	uint64_t size = bar_size(self->exporter, TEST_BAR);

	expect_size(_metadata, export_simple(self->exporter, 0, PAGE), PAGE);
	expect_size(_metadata, export_simple(self->exporter, size - PAGE, PAGE), PAGE);
}

TEST_F(export, whole_bar)
{
	uint64_t size = bar_size(self->exporter, TEST_BAR);

	expect_size(_metadata, export_simple(self->exporter, 0, size), size);
}

TEST_F(export, touching_overlapping_repeated)
{
	static const struct p2pbuf_range ranges[] = {
		{ 0, 2 * PAGE },
		{ 2 * PAGE, PAGE },
		{ PAGE, 4 * PAGE },
		{ PAGE, 4 * PAGE },
		{ 0, PAGE },
	};
	int fd;

	fd = export_ranges(self->exporter, TEST_BAR, ranges, ARRAY_SIZE(ranges), O_RDWR);
	expect_size(_metadata, fd, 12 * PAGE);
}

/* However they lie: half of the BAR twice is as long as all of it. */
TEST_F(export, half_a_bar_twice)
{
	uint64_t half = bar_size(self->exporter, TEST_BAR) / 2;
	struct p2pbuf_range ranges[] = { { PAGE, half }, { PAGE, half } };
	int fd;

	fd = export_ranges(self->exporter, TEST_BAR, ranges, 2, O_RDWR);
	expect_size(_metadata, fd, 2 * half);
	ranges[1].length += PAGE;
	EXPECT_EQ(-EFBIG, export_ranges(self->exporter, TEST_BAR, ranges, 2, O_RDWR));
}

TEST_F(export, many_whole_bars)
{
	uint64_t size = bar_size(self->exporter, TEST_BAR);
	struct p2pbuf_range ranges[100];
	unsigned int i, nr;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		ranges[i] = (struct p2pbuf_range){ 0, size };
	for (nr = 2; nr <= ARRAY_SIZE(ranges); nr++)
		EXPECT_EQ(-EFBIG, export_ranges(self->exporter, TEST_BAR, ranges, nr,
						O_RDWR));
}

/* Each range is checked before the sum with it, and the sum before the range behind. */
TEST_F(export, sum_in_its_place)
{
	uint64_t size = bar_size(self->exporter, TEST_BAR);
	struct p2pbuf_range ranges[] = { { 0, size }, { 0, PAGE }, { 0, 0 } };

	EXPECT_EQ(-EFBIG, export_ranges(self->exporter, TEST_BAR, ranges, 3, O_RDWR));
	ranges[1].offset = size;
	EXPECT_EQ(-ERANGE, export_ranges(self->exporter, TEST_BAR, ranges, 3, O_RDWR));
}

/* What made 64 MiB of BAR need 250 GiB of IOVA, and the tables for it. */
TEST_F(export, shifted_by_a_page)
{
	uint64_t length = bar_size(self->exporter, TEST_BAR) / 2;
	struct p2pbuf_range ranges[4001];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		ranges[i] = (struct p2pbuf_range){ i * PAGE, length };
	EXPECT_EQ(-EFBIG, export_ranges(self->exporter, TEST_BAR, ranges,
					ARRAY_SIZE(ranges), O_RDWR));
}

TEST_F(export, found_by_name)
{
	int fd = export_simple(self->exporter, 0, PAGE);

	ASSERT_LE(0, fd);
	EXPECT_EQ(self->buffers + 1, count_ours());
	close(fd);
}

TEST_F(export, outlives_node)
{
	char *map;
	int fd;

	fd = export_simple(self->exporter, 0, 2 * PAGE);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(self->exporter));

	EXPECT_EQ(2 * PAGE, lseek(fd, 0, SEEK_END));
	map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	memcpy(map + PAGE - 4, "straddles", sizeof("straddles"));
	EXPECT_STREQ("straddles", map + PAGE - 4);

	munmap(map, 2 * PAGE);
	close(fd);
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
}

TEST_F(export, no_descriptor_left)
{
	struct rlimit limit, low;
	int next, ret;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	next = dup(self->exporter);
	ASSERT_LE(0, next);
	close(next);

	low = limit;
	low.rlim_cur = next;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &low));
	ret = export_simple(self->exporter, 0, PAGE);
	EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, ret);
}

/* A DMABUF needs no descriptor, so their limit does not bound the number of DMABUFs. */
TEST_F(export, kept_by_mappings)
{
	unsigned int i, nr = 64;
	struct rlimit limit, low;
	void *maps[64];
	int fd;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	low = limit;
	low.rlim_cur = 32;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &low));
	for (i = 0; i < nr; i++) {
		fd = export_simple(self->exporter, i * PAGE, PAGE);
		EXPECT_LE(0, fd);
		maps[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		EXPECT_NE(MAP_FAILED, maps[i]);
		close(fd);
	}
	EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < nr; i++)
		*(volatile uint8_t *)maps[i] = i;
	for (i = 0; i < nr; i++) {
		EXPECT_EQ(i, *(volatile uint8_t *)maps[i]);
		munmap(maps[i], PAGE);
	}
}

/*
 * The new descriptor
 */

FIXTURE(open_flags) {
	int exporter;
};

FIXTURE_VARIANT(open_flags) {
	int flags;
};

FIXTURE_VARIANT_ADD(open_flags, rdonly) { .flags = O_RDONLY };
FIXTURE_VARIANT_ADD(open_flags, wronly) { .flags = O_WRONLY };
FIXTURE_VARIANT_ADD(open_flags, rdwr) { .flags = O_RDWR };
FIXTURE_VARIANT_ADD(open_flags, rdonly_cloexec) { .flags = O_RDONLY | O_CLOEXEC };
FIXTURE_VARIANT_ADD(open_flags, wronly_cloexec) { .flags = O_WRONLY | O_CLOEXEC };
FIXTURE_VARIANT_ADD(open_flags, rdwr_cloexec) { .flags = O_RDWR | O_CLOEXEC };

FIXTURE_SETUP(open_flags)
{
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
}

FIXTURE_TEARDOWN(open_flags)
{
	close(self->exporter);
}

TEST_F(open_flags, obeyed)
{
	struct p2pbuf_range range = { 0, PAGE };
	bool cloexec = variant->flags & O_CLOEXEC;
	int fd;

	fd = export_ranges(self->exporter, TEST_BAR, &range, 1, variant->flags);
	ASSERT_LE(0, fd);
	EXPECT_EQ(variant->flags & O_ACCMODE, fcntl(fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(cloexec ? FD_CLOEXEC : 0, fcntl(fd, F_GETFD));
	EXPECT_EQ(cloexec, run_shell("test -e /proc/$$/fd/%d", fd));
	close(fd);
}

/*
 * Limits. What is changed for all of the guest is put back by the parent, which is
 * there whatever becomes of the test.
 */

FIXTURE(limit) {
	int exporter;
	int buffers;
	char max_ranges[32];
	char file_max[32];
};

FIXTURE_SETUP(limit)
{
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->buffers = count_ours();
	ASSERT_LT(0, read_file(MAX_RANGES, self->max_ranges, sizeof(self->max_ranges)));
	ASSERT_LT(0, read_file("/proc/sys/fs/file-max", self->file_max,
			       sizeof(self->file_max)));
}

FIXTURE_TEARDOWN_PARENT(limit)
{
	EXPECT_EQ(0, write_file(MAX_RANGES, "%s", self->max_ranges));
	EXPECT_EQ(0, write_file("/proc/sys/fs/file-max", "%s", self->file_max));
	EXPECT_EQ(self->buffers, count_ours());
}

static struct p2pbuf_range *same_page(unsigned int nr)
{
	struct p2pbuf_range *ranges = calloc(nr, sizeof(*ranges));
	unsigned int i;

	for (i = 0; ranges && i < nr; i++)
		ranges[i].length = PAGE;
	return ranges;
}

TEST_F(limit, default_value)
{
	EXPECT_EQ(DEFAULT_RANGES, strtoul(self->max_ranges, NULL, 10));
}

/* Past the limit there is a DMABUF, or the BAR has fewer pages than that. */
static void expect_not_limited(struct __test_metadata *_metadata,
			       FIXTURE_DATA(limit) *self, unsigned int nr)
{
	struct p2pbuf_range *ranges = same_page(nr);
	int fd;

	ASSERT_NE(NULL, ranges);
	fd = export_ranges(self->exporter, TEST_BAR, ranges, nr, O_RDWR);
	free(ranges);
	if (nr * PAGE > bar_size(self->exporter, TEST_BAR)) {
		EXPECT_EQ(-EFBIG, fd);
		return;
	}
	expect_size(_metadata, fd, nr * PAGE);
}

TEST_F(limit, exactly)
{
	struct p2pbuf_range *ranges = same_page(DEFAULT_RANGES + 1);

	ASSERT_NE(NULL, ranges);
	EXPECT_EQ(-EMSGSIZE, export_ranges(self->exporter, TEST_BAR, ranges,
					   DEFAULT_RANGES + 1, O_RDWR));
	free(ranges);
	expect_not_limited(_metadata, self, DEFAULT_RANGES);
}

TEST_F(limit, lowered)
{
	struct p2pbuf_range *ranges = same_page(4);
	int fd;

	ASSERT_NE(NULL, ranges);
	ASSERT_EQ(0, write_file(MAX_RANGES, "3"));
	EXPECT_EQ(-EMSGSIZE, export_ranges(self->exporter, TEST_BAR, ranges, 4, O_RDWR));
	fd = export_ranges(self->exporter, TEST_BAR, ranges, 3, O_RDWR);
	expect_size(_metadata, fd, 3 * PAGE);
	free(ranges);
}

TEST_F(limit, raised)
{
	ASSERT_EQ(0, write_file(MAX_RANGES, "%u", DEFAULT_RANGES + 1));
	expect_not_limited(_metadata, self, DEFAULT_RANGES + 1);
}

/* More than an allocation can be; refused without a warning in the kernel log. */
TEST_F(limit, beyond_memory)
{
	ASSERT_EQ(0, write_file(MAX_RANGES, "%u", UINT32_MAX));
	EXPECT_EQ(-ENOMEM, export_ranges(self->exporter, TEST_BAR, NULL, 1U << 28,
					 O_RDWR));
	EXPECT_EQ(-ENOMEM, export_ranges(self->exporter, TEST_BAR, NULL, UINT32_MAX,
					 O_RDWR));
}

/* Root is not subject to the limit, so the call is made by somebody else. */
TEST_F(limit, no_file_left)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, write_file("/proc/sys/fs/file-max", "1"));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (setresuid(65534, 65534, 65534))
			_exit(1);
		_exit(export_simple(self->exporter, 0, PAGE) == -ENFILE ? 0 : 2);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/*
 * The caller pays
 */

#define CGROUP_ROOT	"/tmp/p2pbuf-cgroup2"
#define CGROUP		CGROUP_ROOT "/export"
/* 24 bytes for each range, as the module parameter says. */
#define CHARGE(nr)	(24UL * (nr))
/* Charges are made in batches of 64 pages, so the counter is not exact. */
#define CHARGE_BATCH	(64 * PAGE)

FIXTURE(cgroup) {
	int exporter;
};

FIXTURE_SETUP(cgroup)
{
	mkdir(CGROUP_ROOT, 0700);
	if (mount("none", CGROUP_ROOT, "cgroup2", 0, NULL))
		SKIP(return, "cgroup2 cannot be mounted");
	if (write_file(CGROUP_ROOT "/cgroup.subtree_control", "+memory")) {
		umount(CGROUP_ROOT);
		SKIP(return, "no memory controller in cgroup2");
	}
	ASSERT_EQ(0, mkdir(CGROUP, 0700));
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
}

FIXTURE_TEARDOWN_PARENT(cgroup)
{
	rmdir(CGROUP);
	umount(CGROUP_ROOT);
	rmdir(CGROUP_ROOT);
}

static long charged(void)
{
	char text[32];

	if (read_file(CGROUP "/memory.current", text, sizeof(text)) <= 0)
		return -1;
	return strtol(text, NULL, 10);
}

/* No two neighbours can be merged. */
static struct p2pbuf_range *descending(unsigned int nr)
{
	struct p2pbuf_range *ranges = same_page(nr);
	unsigned int i;

	for (i = 0; ranges && i < nr; i++)
		ranges[i].offset = (nr - 1 - i) * PAGE;
	return ranges;
}

TEST_F(cgroup, charged)
{
	uint64_t pages = bar_size(self->exporter, TEST_BAR) / PAGE;
	unsigned int nr = pages < DEFAULT_RANGES ? pages : DEFAULT_RANGES;
	struct p2pbuf_range *ranges;
	long before, during, after;
	int fds[4], i;

	ranges = descending(nr);
	ASSERT_NE(NULL, ranges);
	ASSERT_EQ(0, write_file(CGROUP "/cgroup.procs", "%d", getpid()));

	before = charged();
	ASSERT_LE(0, before);
	for (i = 0; i < 4; i++) {
		fds[i] = export_ranges(self->exporter, TEST_BAR, ranges, nr, O_RDWR);
		ASSERT_LE(0, fds[i]);
	}
	during = charged();
	for (i = 0; i < 4; i++)
		close(fds[i]);
	after = charged();

	EXPECT_LE(before + 4 * CHARGE(nr) - CHARGE_BATCH, during);
	EXPECT_GE(before + CHARGE(nr), after);
	free(ranges);
}

TEST_HARNESS_MAIN
