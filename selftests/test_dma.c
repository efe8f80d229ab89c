// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data by real DMA, both interconnects, both directions, whatever route there is.
 *
 * The CPU's side is an mmap of another DMABUF: the same part of the BAR in its own
 * order, so that an order mixed up in the driver does not cancel out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"

#define MAX_PAGES	8192U

FIXTURE(dma)
{
	int exporter;
	int importer;
	int fd;
	uint32_t handle;
	uint8_t *linear;	/* the BAR's first MAX_PAGES pages */
	unsigned int *pages;	/* of the BAR, in the buffer's order */
	unsigned int nr;
};

FIXTURE_VARIANT(dma)
{
	unsigned int interconnect;
};

FIXTURE_VARIANT_ADD(dma, phys)
{
	.interconnect = P2PBUF_INTERCONNECT_PHYS,
};

FIXTURE_VARIANT_ADD(dma, sgt)
{
	.interconnect = P2PBUF_INTERCONNECT_SGT,
};

FIXTURE_SETUP(dma)
{
	int fd;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	if (!data_arrives())
		SKIP(return, NO_DATA);

	self->fd = -1;
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);

	fd = export_simple(self->exporter, 0, MAX_PAGES * PAGE);
	ASSERT_GE(fd, 0);
	self->linear = mmap(NULL, MAX_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			    fd, 0);
	ASSERT_NE(MAP_FAILED, self->linear);
	close(fd);
}

FIXTURE_TEARDOWN(dma)
{
	free(self->pages);
	if (self->linear)
		munmap(self->linear, MAX_PAGES * PAGE);
	close(self->fd);
	close(self->importer);
	close(self->exporter);
}

/* Every second page, so that no two merge, in a shuffled order. */
static void choose_pages(FIXTURE_DATA(dma) *self, unsigned int nr)
{
	unsigned int i;

	self->nr = nr;
	self->pages = calloc(nr, sizeof(*self->pages));
	for (i = 0; i < nr; i++)
		self->pages[i] = 2 * i;
	shuffle(self->pages, nr, nr);
}

static int import_pages(FIXTURE_DATA(dma) *self, unsigned int interconnect,
			unsigned int nr)
{
	int ret;

	choose_pages(self, nr);
	self->fd = export_pages(self->exporter, self->pages, nr);
	if (self->fd < 0)
		return self->fd;
	ret = import_buffer(self->importer, self->fd, interconnect,
			    P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &self->handle);
	return ret ? ret : map_handle(self->importer, self->handle);
}

static uint8_t *linear_at(FIXTURE_DATA(dma) *self, uint64_t offset)
{
	return self->linear + self->pages[offset / PAGE] * PAGE + offset % PAGE;
}

/* As the CPU sees the buffer, byte by byte through the other order. */
static void cpu_write(FIXTURE_DATA(dma) *self, uint64_t offset, const uint8_t *data,
		      size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		*linear_at(self, offset + i) = data[i];
}

static void cpu_read(FIXTURE_DATA(dma) *self, uint64_t offset, uint8_t *data,
		     size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		data[i] = *linear_at(self, offset + i);
}

static int device_read_matches(FIXTURE_DATA(dma) *self, uint64_t offset, size_t length,
			       unsigned int seed)
{
	uint8_t *data = malloc(length);
	size_t where;
	int ret;

	pattern_fill(data, length, seed, offset);
	cpu_write(self, offset, data, length);
	memset(data, 0, length);
	ret = read_buffer(self->importer, self->handle, offset, data, length);
	if (!ret)
		ret = pattern_check(data, length, seed, offset, &where);
	free(data);
	return ret;
}

/* Also that the bytes beside are as they were. */
static int device_write_matches(FIXTURE_DATA(dma) *self, uint64_t offset, size_t length,
				unsigned int seed)
{
	uint64_t size = (uint64_t)self->nr * PAGE;
	uint64_t start = offset ? offset - 1 : 0;
	uint64_t end = offset + length < size ? offset + length + 1 : size;
	uint8_t *data = malloc(end - start);
	size_t where;
	int ret;

	pattern_fill(data, end - start, seed + 1, start);
	cpu_write(self, start, data, end - start);
	pattern_fill(data + (offset - start), length, seed, offset);
	ret = write_buffer(self->importer, self->handle, offset, data + (offset - start),
			   length);
	if (ret)
		goto out;

	cpu_read(self, start, data, end - start);
	ret = pattern_check(data + (offset - start), length, seed, offset, &where);
	if (offset != start)
		ret |= pattern_check(data, 1, seed + 1, start, &where);
	if (offset + length != end)
		ret |= pattern_check(data + (end - start - 1), 1, seed + 1, end - 1,
				     &where);
out:
	free(data);
	return ret;
}

/*
 * The shortest access to the end of a page. QEMU's virtio-iommu looks for two bytes
 * where a DMA begins, so it may translate the last byte of a mapping by the mapping
 * behind it.
 */
static unsigned int shortest_end(void)
{
	return iommu_is("virtio") ? 2 : 1;
}

TEST_F_TIMEOUT(dma, lengths, GUEST_TIMEOUT)
{
	static const size_t lengths[] = { 1, 2, 3, 7, 8, 64, 511, 4095, 4096, 4097, 8192,
					  12289 };
	unsigned int i;

	ASSERT_EQ(0, import_pages(self, variant->interconnect, 8));
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		EXPECT_EQ(0, device_read_matches(self, 0, lengths[i], i));
		EXPECT_EQ(0, device_write_matches(self, 0, lengths[i], i + 100));
		if (lengths[i] % PAGE && lengths[i] % PAGE < shortest_end())
			continue;
		EXPECT_EQ(0, device_read_matches(self, 5 * PAGE - lengths[i], lengths[i],
						 i + 200));
		EXPECT_EQ(0, device_write_matches(self, 5 * PAGE - lengths[i], lengths[i],
						  i + 300));
	}
}

/* Each edge: the end before, the byte after, and a piece across. */
TEST_F_TIMEOUT(dma, range_edges, GUEST_TIMEOUT)
{
	unsigned int end = shortest_end();
	uint64_t edge;

	ASSERT_EQ(0, import_pages(self, variant->interconnect, 6));
	for (edge = PAGE; edge < 6 * PAGE; edge += PAGE) {
		EXPECT_EQ(0, device_read_matches(self, edge - end, end, edge));
		EXPECT_EQ(0, device_read_matches(self, edge, 1, edge + 1));
		EXPECT_EQ(0, device_read_matches(self, edge - 9, 18, edge + 2));
		EXPECT_EQ(0, device_write_matches(self, edge - end, end, edge + 3));
		EXPECT_EQ(0, device_write_matches(self, edge, 1, edge + 4));
		EXPECT_EQ(0, device_write_matches(self, edge - 9, 18, edge + 5));
	}
	EXPECT_EQ(0, device_read_matches(self, 0, 1, 7));
	EXPECT_EQ(0, device_read_matches(self, 6 * PAGE - end, end, 8));
}

TEST_F_TIMEOUT(dma, shuffled_ranges_whole, GUEST_TIMEOUT)
{
	ASSERT_EQ(0, import_pages(self, variant->interconnect, 64));
	EXPECT_EQ(0, device_read_matches(self, 0, 64 * PAGE, 1));
	EXPECT_EQ(0, device_write_matches(self, 0, 64 * PAGE, 2));
}

/* Every seventh edge is enough by DMA: test_map looks at each address. */
TEST_F_TIMEOUT(dma, shuffled_ranges_4096, GUEST_TIMEOUT)
{
	unsigned int i, wrong = 0;

	ASSERT_EQ(0, import_pages(self, variant->interconnect, 4096));
	for (i = 1; i < self->nr; i += 7)
		if (device_read_matches(self, i * PAGE - 2, 4, i))
			wrong++;
	EXPECT_EQ(0, wrong);
	for (i = 1; i < self->nr; i += 63)
		if (device_write_matches(self, i * PAGE - 2, 4, i))
			wrong++;
	EXPECT_EQ(0, wrong);
}

TEST_F(dma, one_range)
{
	ASSERT_EQ(0, import_pages(self, variant->interconnect, 1));
	EXPECT_EQ(0, device_read_matches(self, 0, PAGE, 1));
	EXPECT_EQ(0, device_write_matches(self, 0, PAGE, 2));
}

/* The last page of the BAR: above 4 GiB, and in a 64 GiB BAR far above. */
TEST_F(dma, end_of_bar)
{
	uint64_t size = bar_size(self->exporter, TEST_BAR);
	uint8_t data[64], *cpu;
	size_t where;

	self->fd = export_simple(self->exporter, 0, size);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, import_buffer(self->importer, self->fd, variant->interconnect,
				   P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE,
				   &self->handle));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	cpu = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, size - PAGE);
	ASSERT_NE(MAP_FAILED, cpu);

	pattern_fill(cpu + PAGE - sizeof(data), sizeof(data), 1, 0);
	ASSERT_EQ(0, read_buffer(self->importer, self->handle, size - sizeof(data), data,
				 sizeof(data)));
	EXPECT_EQ(0, pattern_check(data, sizeof(data), 1, 0, &where));

	pattern_fill(data, sizeof(data), 2, 0);
	ASSERT_EQ(0, write_buffer(self->importer, self->handle, size - sizeof(data), data,
				  sizeof(data)));
	EXPECT_EQ(0, pattern_check(cpu + PAGE - sizeof(data), sizeof(data), 2, 0, &where));
	munmap(cpu, PAGE);
}

/*
 * Past the driver under test: what the device wrote is where the BAR's own addresses
 * say, as the PCI core's resource file shows it while no driver claims the BAR.
 */
TEST_F(dma, seen_by_resource_file)
{
	uint8_t *bar, *data = malloc(4 * PAGE);
	unsigned int i;
	size_t where;

	ASSERT_EQ(0, import_pages(self, variant->interconnect, 4));
	pattern_fill(data, 4 * PAGE, 9, 0);
	ASSERT_EQ(0, write_buffer(self->importer, self->handle, 0, data, 4 * PAGE));
	free(data);

	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	bar = map_bar(TEST_BAR, 0, 8 * PAGE);
	if (bar == MAP_FAILED) {
		bind_driver(exporter_bdf(), "p2pbuf_exporter");
		SKIP(return, "the kernel gives no resource file to user space");
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, pattern_check(bar + self->pages[i] * PAGE, PAGE, 9, i * PAGE,
					   &where));
	munmap(bar, 8 * PAGE);
	EXPECT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
}

struct reader {
	int importer;
	uint32_t handle;
	int ret;
};

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	uint8_t data[8 * PAGE];

	reader->ret = read_buffer(reader->importer, reader->handle, 0, data, sizeof(data));
	return NULL;
}

/* POLLOUT of a DMABUF waits for all fences, POLLIN for those of writers only. */
TEST_F_TIMEOUT(dma, is_fenced, GUEST_TIMEOUT)
{
	struct pollfd all, writers;
	struct reader reader;
	bool busy = false;
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, import_pages(self, variant->interconnect, 8));
	memset(self->linear, 0x77, 16 * PAGE);
	reader = (struct reader){ .importer = self->importer, .handle = self->handle };
	all = (struct pollfd){ .fd = self->fd, .events = POLLOUT };
	writers = (struct pollfd){ .fd = self->fd, .events = POLLIN };

	EXPECT_EQ(1, poll(&all, 1, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_all, &reader));
	while (pthread_tryjoin_np(thread, &ret)) {
		if (!poll(&all, 1, 0)) {
			busy = true;
			EXPECT_EQ(1, poll(&writers, 1, 0));
		}
		usleep(10000);
	}
	EXPECT_EQ(0, reader.ret);
	EXPECT_TRUE(busy);
	EXPECT_EQ(1, poll(&all, 1, 0));
}

/*
 * A refused read looks like zeros and a refused write like none, so the driver has to
 * notice. Without memory decoding nobody answers at the BAR's addresses.
 */
TEST_F(dma, refused_dma_is_noticed)
{
	struct p2pbuf_copy result;
	uint8_t data[64];
	int ret;

	ASSERT_EQ(0, import_pages(self, variant->interconnect, 1));
	pattern_fill(data, sizeof(data), 1, 0);
	cpu_write(self, 0, data, sizeof(data));

	ASSERT_EQ(0, set_memory_decoding(exporter_bdf(), false));
	ret = copy_buffer(self->importer, self->handle, 0, 0, data, sizeof(data), &result);
	EXPECT_TRUE(ret == -EIO || (!ret && result.unproven == sizeof(data)));
	pattern_fill(data, sizeof(data), 2, 0);
	ret = copy_buffer(self->importer, self->handle, P2PBUF_COPY_TO_BUFFER, 0, data,
			  sizeof(data), &result);
	EXPECT_EQ(-EIO, ret);
	EXPECT_EQ(0, result.copied);
	ASSERT_EQ(0, set_memory_decoding(exporter_bdf(), true));
	EXPECT_EQ(0, write_buffer(self->importer, self->handle, 0, data, sizeof(data)));
}

/* The mapping is right, but an IOMMU is in the way that real hardware has not there. */
TEST(uncarried_data_is_noticed)
{
	struct p2pbuf_copy result;
	int exporter, importer, fd;
	uint8_t data[64], *cpu;
	unsigned int i;
	uint32_t handle;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN || data_arrives())
		SKIP(return, "no mapping whose data gets lost");

	exporter = open_exporter();
	ASSERT_GE(exporter, 0);
	importer = open_importer();
	ASSERT_GE(importer, 0);
	fd = export_simple(exporter, 0, PAGE);
	ASSERT_GE(fd, 0);
	cpu = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, cpu);
	memset(cpu, 0x55, PAGE);
	memset(data, 0xaa, sizeof(data));
	for (i = P2PBUF_INTERCONNECT_PHYS; i <= P2PBUF_INTERCONNECT_SGT; i++) {
		ASSERT_EQ(0, import_buffer(importer, fd, i, P2PBUF_ACCESS_READ |
					   P2PBUF_ACCESS_WRITE, &handle));
		ASSERT_EQ(0, map_handle(importer, handle));
		EXPECT_EQ(-EIO, write_buffer(importer, handle, 0, data, sizeof(data)));
		EXPECT_EQ(0x55, cpu[0]);
		EXPECT_EQ(0, copy_buffer(importer, handle, 0, 0, data, sizeof(data),
					 &result));
		EXPECT_EQ(sizeof(data), result.unproven);
	}
}

TEST_HARNESS_MAIN
