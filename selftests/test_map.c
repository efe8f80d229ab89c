// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a mapping is: its segments, its scatterlist, its page tables, its limits, and
 * that a failed or undone one leaves nothing behind.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define GIB		(1024UL * 1024 * 1024)
#define ANY_PHYS	"virtio-iommu refuses no physical address"
#define SG_LIMIT	(4 * GIB)

FIXTURE(map)
{
	int exporter;
	int importer;
	int test;
	int fd;
	uint64_t bar;		/* bus address of the BAR, the same as physical on x86 */
};

FIXTURE_SETUP(map)
{
	uint64_t size;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");

	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	self->fd = -1;
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
	ASSERT_EQ(0, bar_resource(TEST_BAR, &self->bar, &size));
}

FIXTURE_TEARDOWN(map)
{
	set_limit(self->test, 0);
	close(self->fd);
	close(self->test);
	close(self->importer);
	close(self->exporter);
}

static int import_and_map(int importer, int fd, unsigned int interconnect,
			  uint32_t *handle)
{
	int ret = import_buffer(importer, fd, interconnect,
				P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, handle);

	return ret ? ret : map_handle(importer, *handle);
}

/* Every second page of the BAR, shuffled; @pages gets the order. */
static int export_scattered(int exporter, unsigned int *pages, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		pages[i] = 2 * i;
	shuffle(pages, nr, 1);
	return export_pages(exporter, pages, nr);
}

/* On the routes without IOVA each address is known; with it there is one segment. */
static void check_segments(struct __test_metadata *_metadata, FIXTURE_DATA(map) *self,
			   unsigned int interconnect, unsigned int nr)
{
	struct p2pbuf_segment *segs = calloc(nr + 1, sizeof(*segs));
	unsigned int *pages = calloc(nr, sizeof(*pages));
	struct p2pbuf_query query;
	unsigned int i, wrong = 0;
	uint32_t handle;

	self->fd = export_scattered(self->exporter, pages, nr);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, import_and_map(self->importer, self->fd, interconnect, &handle));
	ASSERT_EQ(0, query_handle(self->importer, handle, &query, segs, nr + 1));

	EXPECT_EQ(expected_route(), query.route);
	EXPECT_EQ(nr, query.nr_ranges);
	EXPECT_EQ(nr, query.nr_merged);
	EXPECT_EQ(nr * PAGE, query.size);
	EXPECT_EQ(query.nr_segments, query.capacity);
	if (query.route == P2PBUF_ROUTE_IOVA) {
		EXPECT_EQ(1, query.nr_segments);
		EXPECT_EQ(nr * PAGE, segs[0].length);
	} else {
		EXPECT_EQ(nr, query.nr_segments);
		for (i = 0; i < nr; i++)
			if (segs[i].addr != self->bar + pages[i] * PAGE ||
			    segs[i].length != PAGE)
				wrong++;
		EXPECT_EQ(0, wrong);
	}
	EXPECT_EQ(0, release_handle(self->importer, handle));
	free(pages);
	free(segs);
}

TEST_F(map, segments_phys)
{
	check_segments(_metadata, self, P2PBUF_INTERCONNECT_PHYS, 4096);
}

TEST_F(map, segments_sgt)
{
	check_segments(_metadata, self, P2PBUF_INTERCONNECT_SGT, 4096);
}

/* 16 touching pages, a hole, 4 touching pages backwards, one page twice. */
TEST_F(map, neighbours_are_merged)
{
	static const unsigned int pages[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		23, 22, 21, 20, 30, 30,
	};
	struct p2pbuf_segment segs[8] = {};
	struct p2pbuf_query query;
	uint32_t handle;

	self->fd = export_pages(self->exporter, pages, ARRAY_SIZE(pages));
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, import_and_map(self->importer, self->fd, P2PBUF_INTERCONNECT_PHYS,
				    &handle));
	ASSERT_EQ(0, query_handle(self->importer, handle, &query, segs, 8));
	EXPECT_EQ(22, query.nr_ranges);
	EXPECT_EQ(7, query.nr_merged);
	EXPECT_EQ(22 * PAGE, query.size);
	if (query.route != P2PBUF_ROUTE_IOVA) {
		EXPECT_EQ(7, query.nr_segments);
		EXPECT_EQ(16 * PAGE, segs[0].length);
		EXPECT_EQ(PAGE, segs[6].length);
	}
}

/* Compare the page tables from @addr on with ranges of the BAR. */
static int walk(FIXTURE_DATA(map) *self, uint64_t addr, const struct p2pbuf_range *ranges,
		unsigned int nr, struct p2pbuf_test_walk *args)
{
	*args = (struct p2pbuf_test_walk){
		.addr = addr,
		.bar = self->bar,
		.ranges = (uintptr_t)ranges,
		.nr = nr,
	};
	strncpy(args->client, importer_bdf(), sizeof(args->client) - 1);
	return ioctl(self->test, P2PBUF_TEST_WALK, args) ? -errno : 0;
}

/* Before the unmap all is there, and after it nothing. */
static void check_tables(struct __test_metadata *_metadata, FIXTURE_DATA(map) *self,
			 unsigned int interconnect, const struct p2pbuf_range *ranges,
			 unsigned int nr, uint64_t *pages)
{
	struct p2pbuf_test_walk args;
	struct p2pbuf_segment seg;
	struct p2pbuf_query query;
	uint32_t handle;
	int fd;

	fd = export_ranges(self->exporter, TEST_BAR, ranges, nr, O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, import_and_map(self->importer, fd, interconnect, &handle));
	close(fd);
	ASSERT_EQ(0, query_handle(self->importer, handle, &query, &seg, 1));
	ASSERT_EQ(0, walk(self, seg.addr, ranges, nr, &args));
	EXPECT_EQ(0, args.wrong);
	EXPECT_EQ(0, args.unmapped);

	ASSERT_EQ(0, unmap_handle(self->importer, handle));
	ASSERT_EQ(0, walk(self, seg.addr, ranges, nr, &args));
	EXPECT_EQ(0, args.wrong);
	EXPECT_EQ(args.pages, args.unmapped);
	EXPECT_EQ(0, release_handle(self->importer, handle));
	*pages = args.pages;
}

/* 4,096 single pages in no order. */
static void scatter(struct p2pbuf_range *ranges)
{
	unsigned int i, order[4096];

	for (i = 0; i < ARRAY_SIZE(order); i++)
		order[i] = i;
	shuffle(order, ARRAY_SIZE(order), 1);
	for (i = 0; i < ARRAY_SIZE(order); i++)
		ranges[i] = (struct p2pbuf_range){ 2 * order[i] * PAGE, PAGE };
}

TEST_F(map, page_tables_agree)
{
	struct p2pbuf_range odd = { PAGE, 32 * 1024 * 1024 };
	static struct p2pbuf_range scattered[4096];
	uint64_t pages;
	unsigned int i;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOMMU page tables on this route");

	scatter(scattered);
	for (i = P2PBUF_INTERCONNECT_PHYS; i <= P2PBUF_INTERCONNECT_SGT; i++) {
		check_tables(_metadata, self, i, scattered, 4096, &pages);
		EXPECT_EQ(4096, pages);
		check_tables(_metadata, self, i, &odd, 1, &pages);
		EXPECT_EQ(8192, pages);
	}
}

/* The BAR's first eighth of @total over and over; no more than the BAR is long. */
static uint64_t repeat_eighth(FIXTURE_DATA(map) *self, uint64_t total,
			      struct p2pbuf_range *ranges)
{
	uint64_t size = bar_size(self->exporter, TEST_BAR);
	unsigned int i;

	total = total < size ? total : size;
	for (i = 0; i < 8; i++)
		ranges[i] = (struct p2pbuf_range){ 0, total / 8 };
	return total;
}

TEST_F_TIMEOUT(map, page_tables_of_large_agree, GUEST_TIMEOUT)
{
	struct p2pbuf_range ranges[8], whole = {};
	uint64_t pages, total;
	unsigned int i;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOMMU page tables on this route");

	whole.length = bar_size(self->exporter, TEST_BAR);
	for (i = P2PBUF_INTERCONNECT_PHYS; i <= P2PBUF_INTERCONNECT_SGT; i++) {
		total = repeat_eighth(self, GIB, ranges);
		check_tables(_metadata, self, i, ranges, 8, &pages);
		EXPECT_EQ(total / PAGE, pages);

		total = repeat_eighth(self, 8 * GIB, ranges);
		check_tables(_metadata, self, i, ranges, 8, &pages);
		EXPECT_GT(pages, total / PAGE / 9);

		check_tables(_metadata, self, i, &whole, 1, &pages);
		if (whole.length <= GIB)
			EXPECT_EQ(whole.length / PAGE, pages);
	}
}

/* Pages of all IOMMUs' tables, which no memory cgroup is charged for. */
static long iommu_pages(void)
{
	char text[16384], *line;

	if (read_file("/proc/vmstat", text, sizeof(text)) <= 0)
		return -1;
	line = strstr(text, "nr_iommu_pages ");
	return line ? strtol(line + strlen("nr_iommu_pages "), NULL, 10) : -1;
}

/*
 * What one mapping costs at most: where no large leaf can be used, 8 bytes for each page,
 * and a few tables above those.
 */
TEST_F(map, page_tables_cost_a_512th)
{
	struct p2pbuf_range ranges[15];
	uint64_t length = 4 * 1024 * 1024;
	long before, during;
	uint32_t handle;
	unsigned int i;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOMMU page tables on this route");
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		ranges[i] = (struct p2pbuf_range){ (i + 1) * PAGE, length };
	self->fd = export_ranges(self->exporter, TEST_BAR, ranges, ARRAY_SIZE(ranges), O_RDWR);
	ASSERT_GE(self->fd, 0);
	before = iommu_pages();
	ASSERT_GE(before, 0);
	ASSERT_EQ(0, import_and_map(self->importer, self->fd, P2PBUF_INTERCONNECT_PHYS,
				    &handle));
	during = iommu_pages();
	ksft_print_msg("%ld pages of tables for %lu MiB\n", during - before,
		       ARRAY_SIZE(ranges) * length >> 20);
	EXPECT_LE(during - before, ARRAY_SIZE(ranges) * length / PAGE / 512 + 4);
}

static int look_at_sgt(FIXTURE_DATA(map) *self, unsigned int repeat,
		       struct p2pbuf_test_sgt *args)
{
	*args = (struct p2pbuf_test_sgt){ .fd = self->fd, .repeat = repeat };
	strncpy(args->client, importer_bdf(), sizeof(args->client) - 1);
	return ioctl(self->test, P2PBUF_TEST_SGT, args) ? -errno : args->result;
}

/* More than one entry can hold; two ranges where the BAR is less than that. */
TEST_F(map, sgt_entries)
{
	uint64_t total, size = bar_size(self->exporter, TEST_BAR);
	struct p2pbuf_test_sgt args;

	total = size < 6 * GIB ? size : 6 * GIB;
	self->fd = export_repeated(self->exporter, total / 2, 2);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, look_at_sgt(self, 1, &args));

	EXPECT_EQ(0, args.bad_entries);
	EXPECT_EQ(total, args.total);
	EXPECT_LT(args.longest, SG_LIMIT);
	EXPECT_GE(args.nents, args.total / SG_LIMIT + 1);
	if (expected_route() == P2PBUF_ROUTE_IOVA)
		EXPECT_EQ(0, args.broken);

	if (args.wrapped)
		SKIP(return, "CONFIG_DMABUF_DEBUG hides the exporter's own table");
	EXPECT_EQ(0, args.orig_nents);
	EXPECT_EQ(expected_route() == P2PBUF_ROUTE_BUS_ADDR ? args.nents : 0,
		  args.bus_entries);
}

/*
 * A leaked scatterlist of one entry is 32 bytes, and each leaked mapping more: 100,000
 * times that is 3,125 KiB or more. What else happens in the guest is far below half of
 * it.
 */
TEST_F_TIMEOUT(map, sgt_leaks_nothing, GUEST_TIMEOUT)
{
	struct p2pbuf_test_sgt args;
	long before, after;

	self->fd = export_simple(self->exporter, 0, PAGE);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, look_at_sgt(self, 1000, &args));
	if (args.quarantine)
		SKIP(return, "KASAN keeps freed memory; kmemleak sees leaks there");
	before = unreclaimable_kib();
	ASSERT_GT(before, 0);
	ASSERT_EQ(0, look_at_sgt(self, 100000, &args));
	after = unreclaimable_kib();
	EXPECT_LT(after - before, 1500);
}

static int fail_at(int test, int fd, unsigned int nr, unsigned int at,
		   unsigned int repeat, struct p2pbuf_test_fail *args)
{
	*args = (struct p2pbuf_test_fail){
		.fd = fd, .nr = nr, .fail_at = at, .repeat = repeat,
	};
	strncpy(args->client, importer_bdf(), sizeof(args->client) - 1);
	return ioctl(test, P2PBUF_TEST_FAIL, args) ? -errno : 0;
}

/* The first, some and the last range. */
TEST_F_TIMEOUT(map, failure_undoes_all, GUEST_TIMEOUT)
{
	static const unsigned int at[] = { 0, 1, 2, 500, 4095 };
	struct p2pbuf_range whole = { 0, 64 * 1024 * 1024 };
	struct p2pbuf_test_fail args;
	uint64_t pages;
	unsigned int i;
	int ret;

	if (expected_route() == P2PBUF_ROUTE_BUS_ADDR)
		SKIP(return, "bus addresses are computed, that cannot fail half way");
	if (expected_route() == P2PBUF_ROUTE_IOVA && iommu_is("virtio"))
		SKIP(return, ANY_PHYS);

	self->fd = export_simple(self->exporter, whole.offset, whole.length);
	ASSERT_GE(self->fd, 0);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		ret = fail_at(self->test, self->fd, 4096, at[i], 1, &args);
		if (ret == -EOPNOTSUPP)
			SKIP(return, "kernel without CONFIG_ARCH_HAS_DMA_OPS");
		ASSERT_EQ(0, ret);
		EXPECT_LT(args.result, 0);
		EXPECT_NE(-ENOMEM, args.result);
		EXPECT_EQ(0, args.left_mapped);
	}
	if (expected_route() == P2PBUF_ROUTE_IOVA)
		check_tables(_metadata, self, P2PBUF_INTERCONNECT_PHYS, &whole, 1,
			     &pages);
}

/* One byte short of the BAR; an IOVA is taken from below the limit instead. */
TEST_F(map, bus_limit)
{
	int expected = expected_route() == P2PBUF_ROUTE_IOVA ? 0 : -EADDRNOTAVAIL;
	uint32_t handle;
	unsigned int i;

	self->fd = export_simple(self->exporter, 0, PAGE);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, set_limit(self->test, self->bar + PAGE - 2));
	for (i = P2PBUF_INTERCONNECT_PHYS; i <= P2PBUF_INTERCONNECT_SGT; i++)
		EXPECT_EQ(expected, import_and_map(self->importer, self->fd, i, &handle));
	ASSERT_EQ(0, set_limit(self->test, 0));
	EXPECT_EQ(0, import_and_map(self->importer, self->fd, P2PBUF_INTERCONNECT_PHYS,
				    &handle));
}

/* The importer's driver loaded again with another DMA mask. */
FIXTURE(mask)
{
	int exporter;
	int importer;
	int fd;
};

FIXTURE_VARIANT(mask)
{
	unsigned int bits;
};

FIXTURE_VARIANT_ADD(mask, bits28)
{
	.bits = 28,
};

FIXTURE_VARIANT_ADD(mask, bits32)
{
	.bits = 32,
};

FIXTURE_SETUP(mask)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");

	ASSERT_EQ(0, reload_importer(variant->bits));
	self->fd = -1;
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	if (self->importer == -ENOENT && mask_is_refused(variant->bits))
		SKIP(return, NO_ZONE);
	ASSERT_GE(self->importer, 0);
}

FIXTURE_TEARDOWN(mask)
{
	close(self->fd);
	close(self->importer);
	close(self->exporter);
	EXPECT_EQ(0, reload_importer(64));
}

TEST_F(mask, reach)
{
	uint64_t bar, size;
	uint32_t handle;
	unsigned int i;
	int expected;

	ASSERT_EQ(0, bar_resource(TEST_BAR, &bar, &size));
	expected = -ERANGE;
	if (bar + PAGE <= 1UL << variant->bits || expected_route() == P2PBUF_ROUTE_IOVA)
		expected = 0;

	self->fd = export_simple(self->exporter, 0, PAGE);
	ASSERT_GE(self->fd, 0);
	for (i = P2PBUF_INTERCONNECT_PHYS; i <= P2PBUF_INTERCONNECT_SGT; i++)
		EXPECT_EQ(expected, import_and_map(self->importer, self->fd, i, &handle));
}

/*
 * Half of the IOMMU's address space is the most that one mapping can have: an IOVA is
 * aligned to its size, and the first page is never given away. Where half is more than the
 * BAR, a limit of the bus makes the space smaller.
 */
TEST_F(map, half_of_the_iova_space)
{
	uint64_t half = 1UL << (iova_bits() - 1);
	uint64_t bar = bar_size(self->exporter, TEST_BAR);
	unsigned int extra;
	uint32_t handle;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");

	/*
	 * After a mapping above 4 GiB the kernel puts small ones there too, for example
	 * what the importer's driver allocates when it binds.
	 */
	close(self->importer);
	ASSERT_EQ(0, replace_function(importer_bdf()));
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);

	if (half >= bar) {
		half = bar / 2;
		ASSERT_EQ(0, set_limit(self->test, 2 * half - 1));
	}
	for (extra = 0; extra < 2; extra++) {
		self->fd = export_simple(self->exporter, 0, half + extra * PAGE);
		ASSERT_GE(self->fd, 0);
		EXPECT_EQ(extra ? -ENOMEM : 0,
			  import_and_map(self->importer, self->fd,
					 P2PBUF_INTERCONNECT_PHYS, &handle));
		EXPECT_EQ(0, release_handle(self->importer, handle));
		close(self->fd);
	}
}

/* More than the mask can ever hold is no lack of space. */
TEST_F(mask, larger_than_the_mask)
{
	uint64_t length = (1UL << variant->bits) + PAGE;
	uint32_t handle;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");
	if (length > bar_size(self->exporter, TEST_BAR))
		SKIP(return, "the mask reaches more than this BAR has");

	self->fd = export_simple(self->exporter, 0, length);
	ASSERT_GE(self->fd, 0);
	EXPECT_EQ(-ERANGE, import_and_map(self->importer, self->fd,
					  P2PBUF_INTERCONNECT_PHYS, &handle));
	EXPECT_EQ(-ERANGE, import_and_map(self->importer, self->fd,
					  P2PBUF_INTERCONNECT_SGT, &handle));
}

/*
 * An eighth of the space each time, or what the BAR has: in the end one cannot fit, and one
 * more does later.
 */
TEST_F(mask, space_used_up)
{
	uint64_t length = (1UL << variant->bits) / 8;
	uint64_t half = bar_size(self->exporter, TEST_BAR) / 2;
	uint32_t handles[129];
	int i, ret = 0;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");

	self->fd = export_repeated(self->exporter, (length < half ? length : half) / 2, 2);
	ASSERT_GE(self->fd, 0);
	for (i = 0; i < ARRAY_SIZE(handles) && !ret; i++)
		ret = import_and_map(self->importer, self->fd, P2PBUF_INTERCONNECT_PHYS,
				     &handles[i]);
	EXPECT_EQ(-ENOMEM, ret);
	ASSERT_GT(i, 1);
	EXPECT_EQ(0, unmap_handle(self->importer, handles[0]));
	EXPECT_EQ(0, map_handle(self->importer, handles[0]));
}

/*
 * 4,096 ranges take 16 MiB of IOVA. Leaked 1,000 times they would not fit below either
 * mask.
 */
TEST_F_TIMEOUT(mask, failure_gives_space_back, GUEST_TIMEOUT)
{
	struct p2pbuf_test_fail args;
	unsigned int at;
	int test;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");
	if (iommu_is("virtio"))
		SKIP(return, ANY_PHYS);

	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(test, 0);
	self->fd = export_simple(self->exporter, 0, 64 * 1024 * 1024);
	ASSERT_GE(self->fd, 0);
	for (at = 0; at < 4; at++) {
		ASSERT_EQ(0, fail_at(test, self->fd, 4096, at, 1000, &args));
		EXPECT_LT(args.result, 0);
		EXPECT_NE(-ENOMEM, args.result);
	}
	close(test);
}

/* A bus that translates: what the device is given is not what the CPU sees. */
FIXTURE(bus)
{
	int exporter;
	int importer;
	int test;
	int fd;
	uint64_t bar;
};

FIXTURE_VARIANT(bus)
{
	unsigned int bits;	/* of the importer's mask */
	uint64_t addr;		/* that the exported pages get */
	uint64_t skip;		/* bytes of them, before those that are translated */
	uint64_t length;	/* that are translated */
	int error;
};

FIXTURE_VARIANT_ADD(bus, out_of_reach)
{
	.bits = 52, .addr = 1UL << 52, .length = 2 * PAGE, .error = -ERANGE,
};

FIXTURE_VARIANT_ADD(bus, out_of_reach_by_a_page)
{
	.bits = 52, .addr = (1UL << 52) - PAGE, .length = 2 * PAGE, .error = -ERANGE,
};

FIXTURE_VARIANT_ADD(bus, into_reach)
{
	.bits = 32, .addr = (1UL << 32) - 2 * PAGE, .length = 2 * PAGE,
};

FIXTURE_VARIANT_ADD(bus, elsewhere)
{
	.bits = 64, .addr = 1UL << 60, .length = 2 * PAGE,
};

FIXTURE_VARIANT_ADD(bus, not_the_first_page)
{
	.bits = 64, .addr = 1UL << 60, .skip = PAGE, .length = PAGE,
	.error = -EADDRNOTAVAIL,
};

FIXTURE_VARIANT_ADD(bus, not_the_last_page)
{
	.bits = 64, .addr = 1UL << 60, .length = PAGE, .error = -EADDRNOTAVAIL,
};

FIXTURE_VARIANT_ADD(bus, nothing)
{
	.bits = 64, .addr = 1UL << 60, .skip = 2 * PAGE, .length = PAGE,
	.error = -EADDRNOTAVAIL,
};

FIXTURE_SETUP(bus)
{
	uint64_t size;

	if (expected_route() != P2PBUF_ROUTE_HOST_BRIDGE)
		SKIP(return, "only on this route a bus translates addresses of peers");
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	ASSERT_EQ(0, reload_importer(variant->bits));
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	ASSERT_EQ(0, bar_resource(TEST_BAR, &self->bar, &size));
	self->fd = export_simple(self->exporter, 0, 2 * PAGE);
	ASSERT_GE(self->fd, 0);
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
}

FIXTURE_TEARDOWN(bus)
{
	close(self->test);
	close(self->fd);
	close(self->importer);
	close(self->exporter);
	EXPECT_EQ(0, reload_importer(64));
}

TEST_F(bus, reach)
{
	struct p2pbuf_test_translate args = {
		.phys = self->bar + variant->skip,
		.addr = variant->addr,
		.length = variant->length,
	};
	struct p2pbuf_verdict verdict;
	struct p2pbuf_segment seg;
	struct p2pbuf_query query;
	uint32_t handle;
	unsigned int i;

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_TRANSLATE, &args));
	for (i = P2PBUF_INTERCONNECT_PHYS; i <= P2PBUF_INTERCONNECT_SGT; i++) {
		EXPECT_EQ(variant->error, import_and_map(self->importer, self->fd, i, &handle));
		if (!variant->error) {
			ASSERT_EQ(0, query_handle(self->importer, handle, &query, &seg, 1));
			EXPECT_EQ(variant->addr, seg.addr);
			ASSERT_EQ(0, verdict_of(self->importer, handle, &verdict));
			EXPECT_EQ(P2PBUF_VERDICT_PEER_TO_PEER, verdict.kind);
		}
		EXPECT_EQ(0, release_handle(self->importer, handle));
	}
}

/* Arithmetic at its borders, of BARs that need not exist. */
FIXTURE(ranges)
{
	int test;
};

FIXTURE_SETUP(ranges)
{
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
}

FIXTURE_TEARDOWN(ranges)
{
	close(self->test);
}

static int check_ranges(int test, uint64_t bar_start, uint64_t bar_len,
			const struct p2pbuf_range *ranges, unsigned int nr,
			struct p2pbuf_test_ranges *args)
{
	*args = (struct p2pbuf_test_ranges){
		.bar_start = bar_start,
		.bar_size = bar_len,
		.ranges = (uintptr_t)ranges,
		.nr = nr,
	};
	return ioctl(test, P2PBUF_TEST_RANGES, args) ? -errno : args->result;
}

TEST_F(ranges, offset_plus_length_overflows)
{
	struct p2pbuf_range range = { -PAGE, 2 * PAGE };
	struct p2pbuf_test_ranges args;

	EXPECT_EQ(-EOVERFLOW, check_ranges(self->test, 0, -PAGE, &range, 1, &args));
	range = (struct p2pbuf_range){ -2 * PAGE, PAGE };
	EXPECT_EQ(0, check_ranges(self->test, 0, -PAGE, &range, 1, &args));
}

TEST_F(ranges, physical_address_overflows)
{
	struct p2pbuf_range range = { 0, 2 * PAGE };
	struct p2pbuf_test_ranges args;

	EXPECT_EQ(-EOVERFLOW,
		  check_ranges(self->test, -PAGE, 4 * PAGE, &range, 1, &args));
	range.length = PAGE;
	EXPECT_EQ(0, check_ranges(self->test, -PAGE, 4 * PAGE, &range, 1, &args));
	EXPECT_EQ(-1UL, args.last);
}

TEST_F(ranges, total_overflows)
{
	struct p2pbuf_range ranges[] = { { 0, 1UL << 61 }, { 0, (1UL << 61) + PAGE } };
	struct p2pbuf_test_ranges args;

	EXPECT_EQ(-EFBIG, check_ranges(self->test, 0, 1UL << 62, ranges, 2, &args));
	ranges[1].length -= PAGE;
	EXPECT_EQ(0, check_ranges(self->test, 0, 1UL << 62, ranges, 2, &args));
	EXPECT_EQ(1UL << 62, args.size);
}

TEST_F(ranges, past_the_end)
{
	struct p2pbuf_range range = { 3 * PAGE, 2 * PAGE };
	struct p2pbuf_test_ranges args;

	EXPECT_EQ(-ERANGE, check_ranges(self->test, PAGE, 4 * PAGE, &range, 1, &args));
	range.length = PAGE;
	EXPECT_EQ(0, check_ranges(self->test, PAGE, 4 * PAGE, &range, 1, &args));
	EXPECT_EQ(5 * PAGE - 1, args.last);
}

TEST_HARNESS_MAIN
