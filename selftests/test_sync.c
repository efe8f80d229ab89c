// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences, transfers, flows and timeouts.
 *
 * A gate is a fence of the test module that signals when told to. What must wait for it
 * is shown by data: the source is changed while the gate is closed, and what arrives has
 * to be the change. The waits before are for a driver that does not wait.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/pci_regs.h>
#include <linux/sync_file.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define NR_PAGES	4U
#define SIZE		(NR_PAGES * PAGE)
/* Long enough for a driver that does not wait to have moved a chunk. */
#define A_WHILE		2
#define OLD		1
#define NEW		2
#define OTHER		3

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
	ret = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -errno : (int)data.fd;
	close(heap);
	return ret;
}

/* Buffers */

struct buffer {
	int fd;
	uint32_t handle;
	uint8_t *cpu;
	size_t size;
};

static int map_buffer(struct buffer *buf, int importer, unsigned int interconnect,
		      unsigned int flow)
{
	int ret;

	buf->cpu = mmap(NULL, buf->size, PROT_READ | PROT_WRITE, MAP_SHARED, buf->fd, 0);
	if (buf->cpu == MAP_FAILED)
		return -errno;
	ret = import_flow(importer, buf->fd, interconnect, flow, 0, &buf->handle);
	return ret ? ret : map_handle(importer, buf->handle);
}

/* Every second page from @first on, from behind, so that no two merge. */
static int export_buffer(struct buffer *buf, int exporter, unsigned int first,
			 unsigned int nr)
{
	unsigned int *pages = calloc(nr, sizeof(*pages)), i;

	for (i = 0; i < nr; i++)
		pages[i] = first + 2 * (nr - 1 - i);
	buf->size = nr * PAGE;
	buf->fd = export_pages(exporter, pages, nr);
	free(pages);
	return buf->fd < 0 ? buf->fd : 0;
}

static int create_buffer(struct buffer *buf, int exporter, int importer,
			 unsigned int interconnect, unsigned int first, unsigned int nr)
{
	int ret = export_buffer(buf, exporter, first, nr);

	return ret ? ret : map_buffer(buf, importer, interconnect,
				      P2PBUF_FLOW_REVOCABLE);
}

static void drop_buffer(struct buffer *buf)
{
	if (buf->cpu)
		munmap(buf->cpu, buf->size);
	if (buf->fd >= 0)
		close(buf->fd);
	buf->cpu = NULL;
	buf->fd = -1;
}

static void fill(struct buffer *buf, unsigned int seed)
{
	pattern_fill(buf->cpu, buf->size, seed, 0);
}

static int holds(struct buffer *buf, unsigned int seed)
{
	size_t where;

	return !pattern_check(buf->cpu, buf->size, seed, 0, &where);
}

/*
 * Three buffers of a BAR, by each interconnect
 */

FIXTURE(sync)
{
	int exporter;
	int importer;
	struct buffer a;
	struct buffer b;
	struct buffer c;
};

FIXTURE_VARIANT(sync)
{
	unsigned int interconnect;
};

FIXTURE_VARIANT_ADD(sync, phys)
{
	.interconnect = P2PBUF_INTERCONNECT_PHYS,
};

FIXTURE_VARIANT_ADD(sync, sgt)
{
	.interconnect = P2PBUF_INTERCONNECT_SGT,
};

FIXTURE_SETUP(sync)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "no route between the two functions here");
	if (!data_arrives())
		SKIP(return, NO_DATA);

	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->importer = open_importer();
	ASSERT_LE(0, self->importer);
	ASSERT_EQ(0, create_buffer(&self->a, self->exporter, self->importer,
				   variant->interconnect, 0, NR_PAGES));
	ASSERT_EQ(0, create_buffer(&self->b, self->exporter, self->importer,
				   variant->interconnect, 1, NR_PAGES));
	ASSERT_EQ(0, create_buffer(&self->c, self->exporter, self->importer,
				   variant->interconnect, 100, NR_PAGES));
	fill(&self->a, OLD);
	fill(&self->b, OTHER);
	fill(&self->c, OTHER);
}

FIXTURE_TEARDOWN(sync)
{
	close(self->importer);
	drop_buffer(&self->a);
	drop_buffer(&self->b);
	drop_buffer(&self->c);
	close(self->exporter);
	EXPECT_EQ(0, bind_both());
}

static int transfer(FIXTURE_DATA(sync) *self, struct buffer *src, struct buffer *dst)
{
	return transfer_buffer(self->importer, src->handle, 0, dst->handle, 0, SIZE);
}

/*
 * Data
 */

/* What the engine does, in the order in which it does it. */
static void model_transfer(uint8_t *dst, uint64_t dst_offset, const uint8_t *src,
			   uint64_t src_offset, size_t length)
{
	uint8_t chunk[PAGE];
	size_t len;

	while (length) {
		len = PAGE - src_offset % PAGE;
		if (len > PAGE - dst_offset % PAGE)
			len = PAGE - dst_offset % PAGE;
		if (len > length)
			len = length;
		memcpy(chunk, src + src_offset, len);
		memcpy(dst + dst_offset, chunk, len);
		src_offset += len;
		dst_offset += len;
		length -= len;
	}
}

/* All of both buffers is as it should be afterwards; 0 if so. */
static int transfer_matches(FIXTURE_DATA(sync) *self, struct buffer *src,
			    uint64_t src_offset, struct buffer *dst, uint64_t dst_offset,
			    size_t length)
{
	static uint8_t expected_src[SIZE], expected_dst[SIZE];
	int ret;

	fill(src, OLD);
	if (src != dst)
		fill(dst, OTHER);
	memcpy(expected_src, src->cpu, SIZE);
	memcpy(expected_dst, dst->cpu, SIZE);
	model_transfer(expected_dst, dst_offset, expected_src, src_offset, length);
	if (src == dst) {
		memcpy(expected_dst, src->cpu, SIZE);
		model_transfer(expected_dst, dst_offset, expected_dst, src_offset,
			       length);
		memcpy(expected_src, expected_dst, SIZE);
	}

	ret = wait_fence(transfer_buffer(self->importer, src->handle, src_offset,
					 dst->handle, dst_offset, length));
	if (ret != 1)
		return ret ? ret : -ETIME;
	return memcmp(expected_src, src->cpu, SIZE) || memcmp(expected_dst, dst->cpu, SIZE);
}

TEST_F_TIMEOUT(sync, transfer_data, GUEST_TIMEOUT)
{
	static const size_t lengths[] = { 1, 2, 7, 64, 4095, 4096, 4097, 8192, 8195 };
	static const struct {
		uint64_t src, dst;
	} offsets[] = {
		{ 0, 0 }, { 1, 0 }, { 0, 1 }, { PAGE - 1, 1 }, { 100, 2 * PAGE - 3 },
		{ PAGE - 3, PAGE - 5 }, { 2 * PAGE - 5, PAGE },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		for (j = 0; j < ARRAY_SIZE(offsets); j++)
			EXPECT_EQ(0, transfer_matches(self, &self->a, offsets[j].src,
						      &self->b, offsets[j].dst,
						      lengths[i])) {
				TH_LOG("length %zu, element %u", lengths[i], j);
			}
	EXPECT_EQ(0, transfer_matches(self, &self->a, 0, &self->b, 0, SIZE));
	EXPECT_EQ(0, transfer_matches(self, &self->a, SIZE - 1, &self->b, SIZE - 1, 1));
}

TEST_F_TIMEOUT(sync, same_buffer, GUEST_TIMEOUT)
{
	static const struct {
		uint64_t src, dst;
		size_t length;
	} pieces[] = {
		{ 0, 2 * PAGE, PAGE }, { 3 * PAGE, 1, 100 }, { 0, 0, SIZE },
		/* Overlapping, the target behind and before the source */
		{ 0, PAGE, 3 * PAGE }, { PAGE, 0, 3 * PAGE }, { 0, 100, PAGE },
		{ 100, 0, PAGE }, { 0, PAGE + 7, 2 * PAGE }, { PAGE + 7, 0, 2 * PAGE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pieces); i++)
		EXPECT_EQ(0, transfer_matches(self, &self->a, pieces[i].src, &self->a,
					      pieces[i].dst, pieces[i].length)) {
			TH_LOG("element %u", i);
		}
}

/* Two imports of one DMABUF share its reservation object. */
TEST_F_TIMEOUT(sync, same_dmabuf, GUEST_TIMEOUT)
{
	uint32_t other;
	size_t where;
	int fence;

	ASSERT_EQ(0, import_flow(self->importer, self->a.fd, variant->interconnect,
				 P2PBUF_FLOW_REVOCABLE, 0, &other));
	ASSERT_EQ(0, map_handle(self->importer, other));
	fence = transfer_buffer(self->importer, other, 0, self->a.handle, PAGE, PAGE);
	ASSERT_EQ(1, wait_fence(fence));
	EXPECT_EQ(0, pattern_check(self->a.cpu, PAGE, OLD, 0, &where));
	EXPECT_EQ(0, pattern_check(self->a.cpu + PAGE, PAGE, OLD, 0, &where));
	EXPECT_EQ(0, pattern_check(self->a.cpu + 2 * PAGE, PAGE, OLD, 2 * PAGE, &where));
}

TEST_F_TIMEOUT(sync, longest, GUEST_TIMEOUT)
{
	const unsigned int nr = P2PBUF_TRANSFER_MAX / PAGE;
	struct buffer from, to;

	ASSERT_EQ(0, create_buffer(&from, self->exporter, self->importer,
				   variant->interconnect, 200, nr));
	ASSERT_EQ(0, create_buffer(&to, self->exporter, self->importer,
				   variant->interconnect, 201, nr));
	fill(&from, OLD);
	fill(&to, OTHER);
	EXPECT_EQ(1, wait_fence(transfer_buffer(self->importer, from.handle, 0,
						to.handle, 0, P2PBUF_TRANSFER_MAX)));
	EXPECT_TRUE(holds(&to, OLD));
	drop_buffer(&from);
	drop_buffer(&to);
}

/* What is queued is limited by its chunks: here, one and two each. */
TEST_F_TIMEOUT(sync, queue_is_limited, GUEST_TIMEOUT)
{
	int fences[P2PBUF_TRANSFER_CHUNKS - 1];
	int test, gate, i;

	test = close_gate(self->a.fd, DMA_BUF_SYNC_WRITE, &gate);
	ASSERT_LE(0, test);
	for (i = 0; i < ARRAY_SIZE(fences); i++) {
		fences[i] = transfer_buffer(self->importer, self->a.handle, 0,
					    self->b.handle, 0, 1);
		ASSERT_LE(0, fences[i]);
	}
	EXPECT_EQ(-EBUSY, transfer_buffer(self->importer, self->a.handle, 1,
					  self->b.handle, 0, PAGE));
	close(fences[0]);
	fences[0] = transfer_buffer(self->importer, self->a.handle, 0, self->b.handle, 0,
				    PAGE);
	EXPECT_LE(0, fences[0]);
	EXPECT_EQ(-EBUSY, transfer_buffer(self->importer, self->a.handle, 0,
					  self->b.handle, 0, 1));

	ASSERT_EQ(0, open_gate(test, gate));
	EXPECT_EQ(1, wait_fence(fences[0]));
	EXPECT_EQ(1, wait_fence(transfer_buffer(self->importer, self->a.handle, 0,
						self->b.handle, 0, 2 * PAGE)));
	for (i = 1; i < ARRAY_SIZE(fences); i++)
		EXPECT_EQ(1, wait_fence(fences[i]));
}

TEST_F_TIMEOUT(sync, no_readback, GUEST_TIMEOUT)
{
	struct p2pbuf_transfer args = {
		.src = self->a.handle,
		.dst = self->b.handle,
		.length = SIZE,
		.flags = P2PBUF_COPY_NO_READBACK,
	};

	ASSERT_EQ(0, ioctl(self->importer, P2PBUF_IOCTL_TRANSFER, &args));
	EXPECT_EQ(FD_CLOEXEC, fcntl(args.fence_fd, F_GETFD));
	EXPECT_EQ(1, wait_fence(args.fence_fd));
	EXPECT_TRUE(holds(&self->b, OLD));
}

/* RAM to BAR and back */
TEST_F_TIMEOUT(sync, with_ram, GUEST_TIMEOUT)
{
	struct buffer ram = { .size = SIZE };

	ram.fd = alloc_dma_heap(SIZE);
	if (ram.fd == -ENOENT)
		SKIP(return, "the kernel has no system DMA heap");
	ASSERT_LE(0, ram.fd);
	ASSERT_EQ(0, map_buffer(&ram, self->importer, P2PBUF_INTERCONNECT_AUTO,
				P2PBUF_FLOW_REVOCABLE));
	EXPECT_EQ(1, wait_fence(transfer(self, &self->a, &ram)));
	EXPECT_TRUE(holds(&ram, OLD));
	fill(&ram, NEW);
	EXPECT_EQ(1, wait_fence(transfer(self, &ram, &self->b)));
	EXPECT_TRUE(holds(&self->b, NEW));
	drop_buffer(&ram);
}

/*
 * Errors
 */

TEST_F(sync, transfer_arguments)
{
	const uint32_t a = self->a.handle, b = self->b.handle;
	const uint64_t max = P2PBUF_TRANSFER_MAX;
	const struct {
		struct p2pbuf_transfer args;
		int error;
	} bad[] = {
		{ { a, b, 0, 0, PAGE, 1, 0 }, EINVAL },
		{ { a, b, 0, 0, PAGE, 4, 0 }, EINVAL },
		{ { a, b, 0, 0, PAGE, 1U << 31, 0 }, EINVAL },
		{ { a, b, 0, 0, PAGE, 0, 1 }, EINVAL },
		{ { a, b, 0, 0, PAGE, 0, -1 }, EINVAL },
		{ { 0, b, 0, 0, PAGE, 0, 0 }, ENOENT },
		{ { a, 77, 0, 0, PAGE, 0, 0 }, ENOENT },
		{ { a, b, 0, 0, 0, 0, 0 }, ENODATA },
		{ { a, b, SIZE, SIZE, 0, 0, 0 }, ENODATA },
		{ { a, b, 0, 0, max + 1, 0, 0 }, EMSGSIZE },
		{ { a, b, 0, 0, UINT64_MAX, 0, 0 }, EMSGSIZE },
		{ { a, b, UINT64_MAX, 0, 1, 0, 0 }, EOVERFLOW },
		{ { a, b, 0, -PAGE, PAGE, 0, 0 }, EOVERFLOW },
		{ { a, b, SIZE, 0, 1, 0, 0 }, ERANGE },
		{ { a, b, 0, SIZE - 1, 2, 0, 0 }, ERANGE },
		{ { a, b, 0, 0, SIZE + 1, 0, 0 }, ERANGE },
	};
	struct p2pbuf_transfer args;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		args = bad[i].args;
		EXPECT_EQ(-1, ioctl(self->importer, P2PBUF_IOCTL_TRANSFER, &args));
		EXPECT_EQ(bad[i].error, errno) {
			TH_LOG("element %u", i);
		}
		EXPECT_EQ(0, memcmp(&args, &bad[i].args, sizeof(args)));
	}
	EXPECT_EQ(0, count_fences(self->a.fd, DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(0, count_fences(self->b.fd, DMA_BUF_SYNC_WRITE));
}

TEST_F(sync, transfer_needs_access)
{
	uint32_t reads, writes;

	ASSERT_EQ(0, import_buffer(self->importer, self->a.fd, variant->interconnect,
				   P2PBUF_ACCESS_READ, &reads));
	ASSERT_EQ(0, import_buffer(self->importer, self->b.fd, variant->interconnect,
				   P2PBUF_ACCESS_WRITE, &writes));
	ASSERT_EQ(0, map_handle(self->importer, reads));
	ASSERT_EQ(0, map_handle(self->importer, writes));
	EXPECT_EQ(-EACCES, transfer_buffer(self->importer, self->a.handle, 0, reads, 0, 1));
	EXPECT_EQ(-EACCES, transfer_buffer(self->importer, writes, 0, self->a.handle, 0,
					   1));
	EXPECT_EQ(1, wait_fence(transfer_buffer(self->importer, reads, 0, writes, 0,
						SIZE)));
	EXPECT_TRUE(holds(&self->b, OLD));
}

/* The lowest descriptor that is free: neither open nor reserved. */
static int next_descriptor(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* The result is taken back: nobody must think that 0 or more is a descriptor. */
TEST_F(sync, transfer_needs_mapping)
{
	struct p2pbuf_transfer args = {
		.src = self->a.handle,
		.dst = self->b.handle,
		.length = PAGE,
	};
	const struct p2pbuf_transfer before = args;
	int next = next_descriptor();

	ASSERT_EQ(0, unmap_handle(self->importer, self->a.handle));
	EXPECT_EQ(-1, ioctl(self->importer, P2PBUF_IOCTL_TRANSFER, &args));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(0, memcmp(&before, &args, sizeof(args)));
	ASSERT_EQ(0, map_handle(self->importer, self->a.handle));
	ASSERT_EQ(0, unmap_handle(self->importer, self->b.handle));
	EXPECT_EQ(-ENXIO, transfer(self, &self->a, &self->b));
	EXPECT_EQ(next, next_descriptor());
	EXPECT_EQ(0, count_fences(self->a.fd, DMA_BUF_SYNC_WRITE));
}

/* Nothing of a transfer that nobody could know of: no fence, no file, no data. */
static void expect_nothing_started(struct __test_metadata *_metadata,
				   FIXTURE_DATA(sync) *self, int next)
{
	EXPECT_EQ(0, count_fences(self->a.fd, DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(0, count_fences(self->b.fd, DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(next, next_descriptor());
	sleep(A_WHILE);
	EXPECT_TRUE(holds(&self->b, OTHER));
}

TEST_F(sync, transfer_into_read_only)
{
	struct p2pbuf_transfer *args;
	int next = next_descriptor();

	args = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	ASSERT_NE(MAP_FAILED, args);
	args->src = self->a.handle;
	args->dst = self->b.handle;
	args->length = SIZE;
	ASSERT_EQ(0, mprotect(args, PAGE, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->importer, P2PBUF_IOCTL_TRANSFER, args));
	EXPECT_EQ(EFAULT, errno);
	expect_nothing_started(_metadata, self, next);
}

TEST_F(sync, transfer_without_descriptor)
{
	struct rlimit before, none;
	int next = next_descriptor(), ret;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
	none = before;
	none.rlim_cur = next;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	ret = transfer(self, &self->a, &self->b);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
	EXPECT_EQ(-EMFILE, ret);
	expect_nothing_started(_metadata, self, next);
}

/*
 * The place among the fences
 */

/* A reader of the source, a writer of the target, until it is over. */
TEST_F_TIMEOUT(sync, transfer_is_fenced, GUEST_TIMEOUT)
{
	int gate, test, fence, readers, writers;
	char driver[32] = "";
	unsigned int nr;

	test = close_gate(self->b.fd, DMA_BUF_SYNC_READ, &gate);
	ASSERT_LE(0, test);
	fence = transfer(self, &self->a, &self->b);
	ASSERT_LE(0, fence);
	EXPECT_EQ(0, fence_info(fence, &nr, driver));
	EXPECT_EQ(1, nr);
	EXPECT_STREQ("p2pbuf_importer", driver);

	EXPECT_EQ(0, count_fences(self->a.fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(1, count_fences(self->a.fd, DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(1, count_fences(self->b.fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(2, count_fences(self->b.fd, DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(1, ready(self->a.fd, POLLIN));
	EXPECT_EQ(0, ready(self->a.fd, POLLOUT));
	EXPECT_EQ(0, ready(self->b.fd, POLLIN));
	EXPECT_EQ(0, ready(self->b.fd, POLLOUT));
	EXPECT_EQ(0, ready(fence, POLLIN));

	writers = export_fence(self->b.fd, DMA_BUF_SYNC_READ);
	readers = export_fence(self->a.fd, DMA_BUF_SYNC_WRITE);
	ASSERT_EQ(0, open_gate(test, gate));
	EXPECT_EQ(1, wait_fence(writers));
	EXPECT_EQ(1, wait_fence(readers));
	EXPECT_EQ(1, fence_status(fence));
	EXPECT_EQ(1, ready(self->a.fd, POLLOUT));
	EXPECT_EQ(1, ready(self->b.fd, POLLOUT));
	EXPECT_TRUE(holds(&self->b, OLD));
	close(fence);
}

/* Within one DMABUF it is a writer, once. */
TEST_F_TIMEOUT(sync, transfer_within_is_a_writer, GUEST_TIMEOUT)
{
	int gate, test, fence;

	test = close_gate(self->a.fd, DMA_BUF_SYNC_READ, &gate);
	ASSERT_LE(0, test);
	fence = transfer_buffer(self->importer, self->a.handle, 0, self->a.handle,
				PAGE, PAGE);
	ASSERT_LE(0, fence);
	EXPECT_EQ(1, count_fences(self->a.fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(2, count_fences(self->a.fd, DMA_BUF_SYNC_WRITE));
	ASSERT_EQ(0, open_gate(test, gate));
	EXPECT_EQ(1, wait_fence(fence));
}

/* What it must obey: writers of the source, readers and writers of the target. */
static void expect_transfer_waits(struct __test_metadata *_metadata,
				  FIXTURE_DATA(sync) *self, struct buffer *gated,
				  unsigned int flags)
{
	int gate, test, fence;

	fill(&self->a, OLD);
	fill(&self->b, OTHER);
	test = close_gate(gated->fd, flags, &gate);
	ASSERT_LE(0, test);
	fence = transfer(self, &self->a, &self->b);
	ASSERT_LE(0, fence);
	sleep(A_WHILE);
	EXPECT_EQ(0, fence_status(fence));
	EXPECT_TRUE(holds(&self->b, OTHER));
	fill(&self->a, NEW);
	ASSERT_EQ(0, open_gate(test, gate));
	EXPECT_EQ(1, wait_fence(fence));
	EXPECT_TRUE(holds(&self->b, NEW));
}

TEST_F_TIMEOUT(sync, transfer_waits, GUEST_TIMEOUT)
{
	expect_transfer_waits(_metadata, self, &self->a, DMA_BUF_SYNC_WRITE);
	expect_transfer_waits(_metadata, self, &self->b, DMA_BUF_SYNC_READ);
	expect_transfer_waits(_metadata, self, &self->b, DMA_BUF_SYNC_WRITE);
}

/* Of all of them, on both sides, in either order */
TEST_F_TIMEOUT(sync, transfer_waits_for_all, GUEST_TIMEOUT)
{
	int gates[4], tests[4], fence, i;

	for (i = 0; i < 4; i++) {
		tests[i] = close_gate(i < 2 ? self->a.fd : self->b.fd, DMA_BUF_SYNC_WRITE,
				      &gates[i]);
		ASSERT_LE(0, tests[i]);
	}
	fence = transfer(self, &self->a, &self->b);
	ASSERT_LE(0, fence);
	for (i = 3; i >= 0; i--) {
		sleep(A_WHILE);
		EXPECT_EQ(0, fence_status(fence));
		EXPECT_TRUE(holds(&self->b, OTHER));
		ASSERT_EQ(0, open_gate(tests[i], gates[i]));
	}
	EXPECT_EQ(1, wait_fence(fence));
	EXPECT_TRUE(holds(&self->b, OLD));
}

/* Readers of the source are no reason to wait. */
TEST_F_TIMEOUT(sync, transfer_passes_readers, GUEST_TIMEOUT)
{
	int gate, test;

	test = close_gate(self->a.fd, DMA_BUF_SYNC_READ, &gate);
	ASSERT_LE(0, test);
	EXPECT_EQ(1, wait_fence(transfer(self, &self->a, &self->b)));
	EXPECT_TRUE(holds(&self->b, OLD));
	ASSERT_EQ(0, open_gate(test, gate));
}

struct copier {
	int importer;
	uint32_t handle;
	unsigned int flags;
	int ret;
	struct p2pbuf_copy result;
	uint8_t user[SIZE];
};

static void *copy_all(void *arg)
{
	struct copier *copier = arg;

	copier->ret = copy_buffer(copier->importer, copier->handle, copier->flags, 0,
				  copier->user, SIZE, &copier->result);
	return NULL;
}

/* A copy that has to wait for a gate in a. */
static pthread_t start_copy(struct __test_metadata *_metadata, FIXTURE_DATA(sync) *self,
			    struct copier *copier, unsigned int flags)
{
	pthread_t thread;

	copier->importer = self->importer;
	copier->handle = self->a.handle;
	copier->flags = flags;
	memset(copier->user, 0x11, SIZE);
	ASSERT_EQ(0, pthread_create(&thread, NULL, copy_all, copier));
	sleep(A_WHILE);
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, NULL));
	return thread;
}

TEST_F_TIMEOUT(sync, copy_waits, GUEST_TIMEOUT)
{
	static struct copier copier;
	int gate, test;
	pthread_t thread;
	size_t where;

	/* A reader waits for writers, */
	test = close_gate(self->a.fd, DMA_BUF_SYNC_WRITE, &gate);
	ASSERT_LE(0, test);
	thread = start_copy(_metadata, self, &copier, 0);
	fill(&self->a, NEW);
	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, copier.ret);
	EXPECT_EQ(0, pattern_check(copier.user, SIZE, NEW, 0, &where));

	/* a writer for readers too, */
	test = close_gate(self->a.fd, DMA_BUF_SYNC_READ, &gate);
	ASSERT_LE(0, test);
	thread = start_copy(_metadata, self, &copier, P2PBUF_COPY_TO_BUFFER);
	EXPECT_TRUE(holds(&self->a, NEW));
	/* and a reader passes them. */
	EXPECT_EQ(0, read_buffer(self->importer, self->a.handle, 0, copier.user, PAGE));
	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, copier.ret);
}

static void ignore_signal(int signal)
{
	(void)signal;
}

TEST_F_TIMEOUT(sync, waiting_copy_is_interrupted, GUEST_TIMEOUT)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	static struct copier copier;
	int gate, test;
	pthread_t thread;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	test = close_gate(self->a.fd, DMA_BUF_SYNC_WRITE, &gate);
	ASSERT_LE(0, test);
	thread = start_copy(_metadata, self, &copier, 0);
	/* The signal comes first, so it decides though the gate opens too. */
	ASSERT_EQ(0, pthread_kill(thread, SIGUSR1));
	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-EINTR, copier.ret);
	EXPECT_EQ(0, copier.result.copied);
}

/* A copy that waits is in nobody's way. */
TEST_F_TIMEOUT(sync, unmap_while_copy_waits, GUEST_TIMEOUT)
{
	static struct copier copier;
	int gate, test;
	pthread_t thread;

	test = close_gate(self->a.fd, DMA_BUF_SYNC_WRITE, &gate);
	ASSERT_LE(0, test);
	thread = start_copy(_metadata, self, &copier, 0);
	EXPECT_EQ(0, unmap_handle(self->importer, self->a.handle));
	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-ENXIO, copier.ret);
}

/* The fence of one transfer, imported elsewhere, holds back a copy there. */
TEST_F_TIMEOUT(sync, imported_fence, GUEST_TIMEOUT)
{
	uint8_t byte;
	int fence;

	fence = transfer(self, &self->a, &self->b);
	ASSERT_LE(0, fence);
	ASSERT_EQ(0, import_fence(self->c.fd, DMA_BUF_SYNC_WRITE, fence));
	EXPECT_EQ(0, read_buffer(self->importer, self->c.handle, 0, &byte, 1));
	EXPECT_EQ(1, fence_status(fence));
	EXPECT_TRUE(holds(&self->b, OLD));
	close(fence);
}

/*
 * Two importers
 */

/* Another function with the importer's driver */
static int open_other_function(void)
{
	const char *bdf = importer_bdf();
	char path[300];
	struct dirent *entry;
	int fd = -ENOENT;
	DIR *dir;

	dir = opendir("/dev/p2pbuf/importer");
	while (dir && fd < 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, bdf))
			continue;
		snprintf(path, sizeof(path), "/dev/p2pbuf/importer/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return fd;
}

/* From a to b by one, from b to c by the other, from c to a by the first again. */
static int submit_round(FIXTURE_DATA(sync) *self, int second, uint32_t b, uint32_t c,
			int *fences)
{
	fences[0] = transfer(self, &self->a, &self->b);
	fences[1] = transfer_buffer(second, b, 0, c, 0, SIZE);
	fences[2] = transfer(self, &self->c, &self->a);
	return fences[0] < 0 || fences[1] < 0 || fences[2] < 0;
}

static void expect_ordered(struct __test_metadata *_metadata, FIXTURE_DATA(sync) *self,
			   int second, unsigned int interconnect)
{
	int gate, test, fences[3], i;
	uint32_t b, c;

	ASSERT_EQ(0, import_buffer(second, self->b.fd, interconnect, READ_WRITE, &b));
	ASSERT_EQ(0, import_buffer(second, self->c.fd, interconnect, READ_WRITE, &c));
	ASSERT_EQ(0, map_handle(second, b));
	ASSERT_EQ(0, map_handle(second, c));

	for (i = 0; i < 4; i++) {
		fill(&self->a, OLD + i);
		fill(&self->b, OTHER + 10);
		fill(&self->c, OTHER + 20);
		/* Every other time all of them are waiting before the first starts. */
		test = i % 2 ? close_gate(self->a.fd, DMA_BUF_SYNC_WRITE, &gate) : -1;
		ASSERT_EQ(0, submit_round(self, second, b, c, fences));
		if (i % 2) {
			fill(&self->a, OLD + i + 30);
			sleep(A_WHILE);
			EXPECT_TRUE(holds(&self->c, OTHER + 20));
			ASSERT_EQ(0, open_gate(test, gate));
		}
		EXPECT_EQ(1, wait_fence(fences[2]));
		EXPECT_EQ(1, fence_status(fences[0]));
		EXPECT_EQ(1, fence_status(fences[1]));
		EXPECT_TRUE(holds(&self->b, OLD + i + 30 * (i % 2)));
		EXPECT_TRUE(holds(&self->c, OLD + i + 30 * (i % 2)));
		EXPECT_TRUE(holds(&self->a, OLD + i + 30 * (i % 2)));
		close(fences[0]);
		close(fences[1]);
	}
	close(second);
}

TEST_F_TIMEOUT(sync, two_files, GUEST_TIMEOUT)
{
	int second = open_importer();

	ASSERT_LE(0, second);
	expect_ordered(_metadata, self, second, variant->interconnect);
}

TEST_F_TIMEOUT(sync, two_functions, GUEST_TIMEOUT)
{
	int second = open_other_function();

	if (second == -ENOENT)
		SKIP(return, "only one function to import for in this guest");
	ASSERT_LE(0, second);
	expect_ordered(_metadata, self, second, variant->interconnect);
}

/*
 * Ends
 */

struct ender {
	FIXTURE_DATA(sync) *self;
	int (*end)(FIXTURE_DATA(sync) *self);
	int ret;
};

static void *end_it(void *arg)
{
	struct ender *ender = arg;

	ender->ret = ender->end(ender->self);
	return NULL;
}

static int end_by_unmap(FIXTURE_DATA(sync) *self)
{
	return unmap_handle(self->importer, self->b.handle);
}

static int end_by_unmap_of_source(FIXTURE_DATA(sync) *self)
{
	return unmap_handle(self->importer, self->a.handle);
}

static int end_by_release(FIXTURE_DATA(sync) *self)
{
	return release_handle(self->importer, self->b.handle);
}

static int end_by_close(FIXTURE_DATA(sync) *self)
{
	int ret = close(self->importer);

	self->importer = -1;
	return ret;
}

static int end_by_unbind(FIXTURE_DATA(sync) *self)
{
	(void)self;
	return unbind_driver(importer_bdf());
}

/* Waits for a transfer that has not started; afterwards it is over and whole. */
static void expect_end_waits(struct __test_metadata *_metadata, FIXTURE_DATA(sync) *self,
			     int (*end)(FIXTURE_DATA(sync) *self))
{
	struct ender ender = { .self = self, .end = end };
	int gate, test, fence;
	pthread_t thread;

	test = close_gate(self->a.fd, DMA_BUF_SYNC_WRITE, &gate);
	ASSERT_LE(0, test);
	fence = transfer(self, &self->a, &self->b);
	ASSERT_LE(0, fence);
	ASSERT_EQ(0, pthread_create(&thread, NULL, end_it, &ender));
	sleep(A_WHILE);
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, NULL));
	EXPECT_EQ(0, fence_status(fence));
	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, ender.ret);
	EXPECT_EQ(1, fence_status(fence));
	EXPECT_TRUE(holds(&self->b, OLD));
	close(fence);
}

TEST_F_TIMEOUT(sync, unmap_waits, GUEST_TIMEOUT)
{
	expect_end_waits(_metadata, self, end_by_unmap);
}

TEST_F_TIMEOUT(sync, unmap_of_source_waits, GUEST_TIMEOUT)
{
	expect_end_waits(_metadata, self, end_by_unmap_of_source);
}

TEST_F_TIMEOUT(sync, release_waits, GUEST_TIMEOUT)
{
	expect_end_waits(_metadata, self, end_by_release);
}

TEST_F_TIMEOUT(sync, close_waits, GUEST_TIMEOUT)
{
	expect_end_waits(_metadata, self, end_by_close);
}

TEST_F_TIMEOUT(sync, unbind_waits, GUEST_TIMEOUT)
{
	expect_end_waits(_metadata, self, end_by_unbind);
}

/* With the engine running, and nothing held back */
TEST_F_TIMEOUT(sync, unbind_while_running, GUEST_TIMEOUT)
{
	int fence = transfer(self, &self->a, &self->b);

	ASSERT_LE(0, fence);
	ASSERT_EQ(0, unbind_driver(importer_bdf()));
	EXPECT_EQ(1, fence_status(fence));
	EXPECT_TRUE(holds(&self->b, OLD));
	EXPECT_EQ(-ENODEV, transfer(self, &self->a, &self->b));
	close(fence);
}

/* Killed: nobody is left who knows of the transfer but the fence. */
TEST_F_TIMEOUT(sync, outlives_its_file, GUEST_TIMEOUT)
{
	int fence = transfer(self, &self->a, &self->b);

	ASSERT_LE(0, fence);
	ASSERT_EQ(0, close(self->importer));
	self->importer = -1;
	EXPECT_EQ(1, fence_status(fence));
	EXPECT_TRUE(holds(&self->b, OLD));
	close(fence);
}

/* A signalled fence needs nothing of the module that made it. */
TEST_F_TIMEOUT(sync, outlives_its_module, GUEST_TIMEOUT)
{
	char driver[32] = "";
	int fence, merged;
	struct sync_merge_data merge = { .name = "both" };
	unsigned int nr;

	fence = transfer(self, &self->a, &self->b);
	ASSERT_LE(0, fence);
	merged = transfer(self, &self->b, &self->c);
	ASSERT_LE(0, merged);
	close(self->importer);
	self->importer = -1;
	ASSERT_EQ(0, run_shell("rmmod p2pbuf_importer"));

	EXPECT_EQ(1, fence_info(fence, &nr, driver));
	EXPECT_EQ(1, nr);
	EXPECT_STRNE("p2pbuf_importer", driver);
	TH_LOG("the fence's driver is now \"%s\"", driver);
	EXPECT_EQ(1, ready(fence, POLLIN));
	merge.fd2 = merged;
	EXPECT_EQ(0, ioctl(fence, SYNC_IOC_MERGE, &merge));
	EXPECT_EQ(1, ready(merge.fence, POLLIN));
	EXPECT_EQ(0, import_fence(self->c.fd, DMA_BUF_SYNC_WRITE, fence));
	EXPECT_EQ(1, ready(self->c.fd, POLLOUT));
	/* The last references go while there is no module. */
	close(merge.fence);
	close(merged);
	close(fence);
	drop_buffer(&self->a);
	drop_buffer(&self->b);
	drop_buffer(&self->c);
	EXPECT_EQ(0, run_shell("modprobe p2pbuf_importer dma_bits=64"));
}

/*
 * The exporter takes the memory away
 */

static int unbind_exporter(FIXTURE_DATA(sync) *self)
{
	(void)self;
	return unbind_driver(exporter_bdf());
}

/* Pages of the BAR as an exporter bound again shows them */
static int page_holds(unsigned int page, unsigned int seed, uint64_t position)
{
	int exporter, fd, ret = -1;
	uint8_t *cpu;
	size_t where;

	exporter = open_exporter();
	fd = export_pages(exporter, &page, 1);
	cpu = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (cpu != MAP_FAILED) {
		ret = !pattern_check(cpu, PAGE, seed, position, &where);
		munmap(cpu, PAGE);
	}
	close(fd);
	close(exporter);
	return ret;
}

/* A transfer by @flow that has not started, and the exporter unbinds: its status. */
static int status_after_unbind(struct __test_metadata *_metadata,
			       FIXTURE_DATA(sync) *self, unsigned int interconnect,
			       unsigned int flow)
{
	struct ender ender = { .self = self, .end = unbind_exporter };
	int gate, test, fence, status;
	uint32_t a, b;
	pthread_t thread;

	ASSERT_EQ(0, import_flow(self->importer, self->a.fd, interconnect, flow, 0, &a));
	ASSERT_EQ(0, import_flow(self->importer, self->b.fd, interconnect, flow, 0, &b));
	ASSERT_EQ(0, map_handle(self->importer, a));
	ASSERT_EQ(0, map_handle(self->importer, b));
	test = close_gate(self->a.fd, DMA_BUF_SYNC_WRITE, &gate);
	ASSERT_LE(0, test);
	fence = transfer_buffer(self->importer, a, 0, b, 0, SIZE);
	ASSERT_LE(0, fence);

	ASSERT_EQ(0, pthread_create(&thread, NULL, end_it, &ender));
	sleep(A_WHILE);
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, NULL));
	EXPECT_EQ(0, fence_status(fence));
	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, ender.ret);
	status = fence_status(fence);
	close(fence);
	ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	return status;
}

TEST_F_TIMEOUT(sync, revoked_before_start, GUEST_TIMEOUT)
{
	EXPECT_EQ(-ESTALE, status_after_unbind(_metadata, self, variant->interconnect,
					       P2PBUF_FLOW_REVOCABLE));
	/* The first page of b is its last in the BAR. */
	EXPECT_EQ(1, page_holds(1 + 2 * (NR_PAGES - 1), OTHER, 0));
	EXPECT_EQ(-ESTALE, transfer(self, &self->a, &self->b));
}

/* The memory is there until the fence signals, and what moves is not lost. */
TEST_F_TIMEOUT(sync, invalidated_before_start, GUEST_TIMEOUT)
{
	EXPECT_EQ(1, status_after_unbind(_metadata, self, variant->interconnect,
					 P2PBUF_FLOW_MOVABLE));
	EXPECT_EQ(1, page_holds(1 + 2 * (NR_PAGES - 1), OLD, 0));
	EXPECT_EQ(1, page_holds(1, OLD, (NR_PAGES - 1) * PAGE));
}

/* Under way, it ends before the exporter's unbind does. */
TEST_F_TIMEOUT(sync, revoked_while_running, GUEST_TIMEOUT)
{
	int fence = transfer(self, &self->a, &self->b);

	ASSERT_LE(0, fence);
	/* Until the first chunk has arrived */
	while (holds(&self->b, OTHER))
		usleep(1000);
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_EQ(1, fence_status(fence));
	ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	EXPECT_EQ(1, page_holds(1, OLD, (NR_PAGES - 1) * PAGE));
	close(fence);
}

/*
 * Flows
 */

static const struct {
	const char *name;
	bool revocable;
} flows[] = {
	[P2PBUF_FLOW_REVOCABLE] = { "revocable", true },
	[P2PBUF_FLOW_MOVABLE] = { "movable", true },
	[P2PBUF_FLOW_PINNED] = { "pinned", false },
	[P2PBUF_FLOW_PINNED_REVOCABLE] = { "pinned and revocable", true },
	[P2PBUF_FLOW_STATIC] = { "static", false },
};

/* What cannot be revoked or does not want a BAR gets none. */
TEST_F(sync, flows_of_a_bar)
{
	unsigned int flow;
	uint32_t handle;

	for (flow = 0; flow < ARRAY_SIZE(flows); flow++) {
		EXPECT_EQ(flows[flow].revocable ? 0 : -EOPNOTSUPP,
			  import_flow(self->importer, self->a.fd, variant->interconnect,
				      flow, 0, &handle)) {
			TH_LOG("%s", flows[flow].name);
		}
		EXPECT_EQ(-EOPNOTSUPP,
			  import_flow(self->importer, self->a.fd, variant->interconnect,
				      flow, P2PBUF_IMPORT_NO_PEER2PEER, &handle));
	}
}

/* An exporter of RAM takes whatever comes. */
TEST_F_TIMEOUT(sync, flows_of_ram, GUEST_TIMEOUT)
{
	unsigned int flow, flags;
	struct buffer ram = { };
	int fence;

	for (flow = 0; flow < ARRAY_SIZE(flows); flow++) {
		for (flags = 0; flags <= P2PBUF_IMPORT_NO_PEER2PEER; flags++) {
			ram = (struct buffer){ .fd = alloc_dma_heap(SIZE), .size = SIZE };
			if (ram.fd == -ENOENT)
				SKIP(return, "the kernel has no system DMA heap");
			ASSERT_LE(0, ram.fd);
			ram.cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				       ram.fd, 0);
			ASSERT_NE(MAP_FAILED, ram.cpu);
			ASSERT_EQ(0, import_flow(self->importer, ram.fd,
						 P2PBUF_INTERCONNECT_SGT, flow, flags,
						 &ram.handle)) {
				TH_LOG("%s", flows[flow].name);
			}
			ASSERT_EQ(0, map_handle(self->importer, ram.handle));
			fence = transfer(self, &self->a, &ram);
			EXPECT_EQ(1, wait_fence(fence));
			EXPECT_TRUE(holds(&ram, OLD));
			EXPECT_EQ(0, release_handle(self->importer, ram.handle));
			drop_buffer(&ram);
		}
	}
}

static int count_pins(int test)
{
	uint32_t pins = 0;

	return ioctl(test, P2PBUF_TEST_PINS, &pins) ? -errno : (int)pins;
}

/* From import to release by the pinned flows; while mapped by the static one. */
TEST_F(sync, pins)
{
	struct p2pbuf_test_export page = { .pin_error = 0 };
	int test = open_test_module(), pinned;
	unsigned int flow;
	uint32_t handle;

	ASSERT_LE(0, test);
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_EXPORT, &page));
	for (flow = 0; flow < ARRAY_SIZE(flows); flow++) {
		pinned = flow == P2PBUF_FLOW_PINNED ||
			 flow == P2PBUF_FLOW_PINNED_REVOCABLE;
		ASSERT_EQ(0, import_flow(self->importer, page.fd, P2PBUF_INTERCONNECT_SGT,
					 flow, 0, &handle));
		EXPECT_EQ(pinned, count_pins(test));
		ASSERT_EQ(0, map_handle(self->importer, handle));
		EXPECT_EQ(pinned || flow == P2PBUF_FLOW_STATIC, count_pins(test));
		ASSERT_EQ(0, unmap_handle(self->importer, handle));
		EXPECT_EQ(pinned, count_pins(test));
		ASSERT_EQ(0, release_handle(self->importer, handle));
		EXPECT_EQ(0, count_pins(test));
	}
	close(page.fd);
	close(test);
}

TEST_F(sync, pin_fails)
{
	struct p2pbuf_test_export page = { .pin_error = -ENOSPC };
	int test = open_test_module();
	uint32_t handle;

	ASSERT_LE(0, test);
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_EXPORT, &page));
	EXPECT_EQ(-ENOSPC, import_flow(self->importer, page.fd, P2PBUF_INTERCONNECT_SGT,
				       P2PBUF_FLOW_PINNED, 0, &handle));
	EXPECT_EQ(-ENOSPC, import_flow(self->importer, page.fd, P2PBUF_INTERCONNECT_SGT,
				       P2PBUF_FLOW_PINNED_REVOCABLE, 0, &handle));
	EXPECT_EQ(0, import_flow(self->importer, page.fd, P2PBUF_INTERCONNECT_SGT,
				 P2PBUF_FLOW_REVOCABLE, 0, &handle));
	close(page.fd);
	close(test);
}

static uint32_t state(int importer, uint32_t handle)
{
	struct p2pbuf_query query;

	return query_handle(importer, handle, &query, NULL, 0) ? UINT32_MAX : query.state;
}

/* Invalidated, it is unmapped and stays so. */
static void expect_stale(struct __test_metadata *_metadata, FIXTURE_DATA(sync) *self,
			 unsigned int interconnect, unsigned int flow)
{
	uint32_t handle;
	uint8_t byte;

	ASSERT_EQ(0, import_flow(self->importer, self->a.fd, interconnect, flow, 0,
				 &handle));
	ASSERT_EQ(0, map_handle(self->importer, handle));
	ASSERT_EQ(0, move_buffer(self->a.fd, -1));
	EXPECT_EQ(P2PBUF_STATE_STALE, state(self->importer, handle));
	EXPECT_EQ(-ESTALE, read_buffer(self->importer, handle, 0, &byte, 1));
	EXPECT_EQ(-ESTALE, transfer_buffer(self->importer, handle, 0, self->b.handle, 0,
					   1));
	EXPECT_EQ(-ESTALE, transfer_buffer(self->importer, self->b.handle, 0, handle, 0,
					   1));
	EXPECT_EQ(P2PBUF_STATE_STALE, state(self->importer, handle));
	EXPECT_EQ(0, map_handle(self->importer, handle));
	EXPECT_EQ(0, read_buffer(self->importer, handle, 0, &byte, 1));
	EXPECT_EQ(0, release_handle(self->importer, handle));
}

TEST_F_TIMEOUT(sync, invalidated_is_stale, GUEST_TIMEOUT)
{
	expect_stale(_metadata, self, variant->interconnect, P2PBUF_FLOW_REVOCABLE);
	expect_stale(_metadata, self, variant->interconnect,
		     P2PBUF_FLOW_PINNED_REVOCABLE);
}

TEST_F_TIMEOUT(sync, movable_maps_anew, GUEST_TIMEOUT)
{
	uint32_t handle;
	uint8_t user[64];
	size_t where;

	ASSERT_EQ(0, import_flow(self->importer, self->a.fd, variant->interconnect,
				 P2PBUF_FLOW_MOVABLE, 0, &handle));
	EXPECT_EQ(-ENXIO, read_buffer(self->importer, handle, 0, user, sizeof(user)));
	ASSERT_EQ(0, map_handle(self->importer, handle));

	ASSERT_EQ(0, move_buffer(self->a.fd, -1));
	EXPECT_EQ(P2PBUF_STATE_STALE, state(self->importer, handle));
	EXPECT_EQ(0, read_buffer(self->importer, handle, 0, user, sizeof(user)));
	EXPECT_EQ(0, pattern_check(user, sizeof(user), OLD, 0, &where));
	EXPECT_EQ(P2PBUF_STATE_MAPPED, state(self->importer, handle));

	ASSERT_EQ(0, move_buffer(self->a.fd, -1));
	EXPECT_EQ(1, wait_fence(transfer_buffer(self->importer, handle, 0,
						self->b.handle, 0, SIZE)));
	EXPECT_TRUE(holds(&self->b, OLD));
	EXPECT_EQ(P2PBUF_STATE_MAPPED, state(self->importer, handle));

	/* What the user unmapped is not mapped again. */
	ASSERT_EQ(0, move_buffer(self->a.fd, -1));
	EXPECT_EQ(0, unmap_handle(self->importer, handle));
	EXPECT_EQ(-ENXIO, read_buffer(self->importer, handle, 0, user, sizeof(user)));
	EXPECT_EQ(-ENXIO, transfer_buffer(self->importer, handle, 0, self->b.handle, 0,
					  1));
}

struct mapper {
	int importer;
	uint32_t handle;
	int ret;
};

static void *map_in_thread(void *arg)
{
	struct mapper *mapper = arg;

	mapper->ret = map_handle(mapper->importer, mapper->handle);
	return NULL;
}

/* A map waits for the move too; if it gives up, the buffer is as stale as before. */
TEST_F_TIMEOUT(sync, waiting_map_is_interrupted, GUEST_TIMEOUT)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	struct mapper mapper = { .importer = self->importer };
	int gate, test;
	pthread_t thread;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, import_flow(self->importer, self->a.fd, variant->interconnect,
				 P2PBUF_FLOW_REVOCABLE, 0, &mapper.handle));
	ASSERT_EQ(0, map_handle(self->importer, mapper.handle));
	test = close_gate(-1, 0, &gate);
	ASSERT_LE(0, test);
	ASSERT_EQ(0, move_buffer(self->a.fd, gate));
	EXPECT_EQ(P2PBUF_STATE_STALE, state(self->importer, mapper.handle));

	ASSERT_EQ(0, pthread_create(&thread, NULL, map_in_thread, &mapper));
	sleep(A_WHILE);
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, NULL));
	ASSERT_EQ(0, pthread_kill(thread, SIGUSR1));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-EINTR, mapper.ret);
	EXPECT_EQ(P2PBUF_STATE_STALE, state(self->importer, mapper.handle));
	ASSERT_EQ(0, open_gate(test, gate));
	EXPECT_EQ(0, map_handle(self->importer, mapper.handle));
	EXPECT_EQ(0, release_handle(self->importer, mapper.handle));
}

/* And does not touch the new place before the move is over. */
TEST_F_TIMEOUT(sync, movable_waits_for_move, GUEST_TIMEOUT)
{
	static struct copier copier;
	int gate, test, fence;
	uint32_t handle;
	pthread_t thread;
	size_t where;

	ASSERT_EQ(0, import_flow(self->importer, self->a.fd, variant->interconnect,
				 P2PBUF_FLOW_MOVABLE, 0, &handle));
	ASSERT_EQ(0, map_handle(self->importer, handle));
	test = close_gate(-1, 0, &gate);
	ASSERT_LE(0, test);
	ASSERT_EQ(0, move_buffer(self->a.fd, gate));

	self->a.handle = handle;
	thread = start_copy(_metadata, self, &copier, 0);
	fence = transfer(self, &self->a, &self->b);
	ASSERT_LE(0, fence);
	sleep(A_WHILE);
	EXPECT_EQ(0, fence_status(fence));
	EXPECT_TRUE(holds(&self->b, OTHER));
	fill(&self->a, NEW);
	ASSERT_EQ(0, open_gate(test, gate));
	EXPECT_EQ(1, wait_fence(fence));
	EXPECT_TRUE(holds(&self->b, NEW));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, copier.ret);
	EXPECT_EQ(0, pattern_check(copier.user, SIZE, NEW, 0, &where));
}

TEST_F(sync, movable_but_gone)
{
	uint32_t handle;
	uint8_t byte;

	ASSERT_EQ(0, import_flow(self->importer, self->a.fd, variant->interconnect,
				 P2PBUF_FLOW_MOVABLE, 0, &handle));
	ASSERT_EQ(0, map_handle(self->importer, handle));
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_EQ(-ENODEV, read_buffer(self->importer, handle, 0, &byte, 1));
	EXPECT_EQ(-ENODEV, transfer_buffer(self->importer, handle, 0, handle, PAGE, 1));
}

/*
 * Failures of the DMA
 */

/* Refused by nobody answering: the write is read back, and is not there. */
TEST_F_TIMEOUT(sync, refused_write, GUEST_TIMEOUT)
{
	struct buffer ram = { .size = SIZE };
	int ret;

	ram.fd = alloc_dma_heap(SIZE);
	if (ram.fd == -ENOENT)
		SKIP(return, "the kernel has no system DMA heap");
	ASSERT_LE(0, ram.fd);
	ASSERT_EQ(0, map_buffer(&ram, self->importer, P2PBUF_INTERCONNECT_AUTO,
				P2PBUF_FLOW_REVOCABLE));
	fill(&ram, NEW);
	ASSERT_EQ(0, set_memory_decoding(exporter_bdf(), false));
	ret = wait_fence(transfer(self, &ram, &self->b));
	ASSERT_EQ(0, set_memory_decoding(exporter_bdf(), true));
	EXPECT_EQ(-EIO, ret);
	EXPECT_TRUE(holds(&self->b, OTHER));
	EXPECT_EQ(1, wait_fence(transfer(self, &ram, &self->b)));
	EXPECT_TRUE(holds(&self->b, NEW));
	drop_buffer(&ram);
}

static bool is_master(void)
{
	return read_command(importer_bdf()) & PCI_COMMAND_MASTER;
}

/* Behind the driver's back. Interrupts are memory writes and do not come either. */
static int clear_master(void)
{
	uint16_t command = read_command(importer_bdf()) & ~PCI_COMMAND_MASTER;
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", importer_bdf());
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ret = pwrite(fd, &command, sizeof(command), PCI_COMMAND) == sizeof(command);
	close(fd);
	return ret ? 0 : -EIO;
}

/* The driver sets bus mastering again when the engine has stopped: before it answers. */
TEST_F_TIMEOUT(sync, copy_times_out, GUEST_TIMEOUT)
{
	static uint8_t user[SIZE];
	struct p2pbuf_copy result;

	pattern_fill(user, SIZE, NEW, 0);
	ASSERT_EQ(0, clear_master());
	EXPECT_EQ(-ETIMEDOUT, copy_buffer(self->importer, self->b.handle,
					  P2PBUF_COPY_TO_BUFFER, 0, user, SIZE, &result));
	EXPECT_TRUE(is_master());
	EXPECT_EQ(0, result.copied);
	EXPECT_EQ(0, count_fences(self->b.fd, DMA_BUF_SYNC_WRITE));
	sleep(A_WHILE);
	EXPECT_TRUE(holds(&self->b, OTHER));

	EXPECT_EQ(0, write_buffer(self->importer, self->b.handle, 0, user, SIZE));
	EXPECT_TRUE(holds(&self->b, NEW));
}

/* The interrupt of a transfer that was given up comes while the next one runs. */
TEST_F_TIMEOUT(sync, late_interrupt, GUEST_TIMEOUT)
{
	static struct copier copier;
	struct p2pbuf_test_irq irq = {};
	pthread_t thread;
	int test;

	test = open_test_module();
	ASSERT_LE(0, test);
	copier.importer = self->importer;
	copier.handle = self->b.handle;
	copier.flags = P2PBUF_COPY_TO_BUFFER | P2PBUF_COPY_NO_READBACK;
	pattern_fill(copier.user, SIZE, NEW, 0);
	strncpy(irq.client, importer_bdf(), sizeof(irq.client) - 1);
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_IRQ_WAITS, &irq));
	EXPECT_EQ(-ETIMEDOUT, write_buffer(self->importer, self->b.handle, 0, copier.user, 1));
	ASSERT_EQ(0, pthread_create(&thread, NULL, copy_all, &copier));
	while (!count_fences(self->b.fd, DMA_BUF_SYNC_WRITE))
		usleep(1000);
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_IRQ_COMES));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, copier.ret);
	EXPECT_TRUE(holds(&self->b, NEW));
	close(test);
}

TEST_F_TIMEOUT(sync, transfer_times_out, GUEST_TIMEOUT)
{
	int fence, next, test, gate;

	test = close_gate(self->a.fd, DMA_BUF_SYNC_WRITE, &gate);
	ASSERT_LE(0, test);
	fence = transfer(self, &self->a, &self->b);
	next = transfer(self, &self->b, &self->c);
	ASSERT_LE(0, fence);
	ASSERT_LE(0, next);
	ASSERT_EQ(0, clear_master());
	ASSERT_EQ(0, open_gate(test, gate));
	EXPECT_EQ(-ETIMEDOUT, wait_fence(fence));
	EXPECT_TRUE(is_master());
	EXPECT_TRUE(holds(&self->b, OTHER));

	/* The one after it is not harmed. */
	fill(&self->b, NEW);
	EXPECT_EQ(1, wait_fence(next));
	EXPECT_TRUE(holds(&self->b, NEW));
	EXPECT_EQ(1, wait_fence(transfer(self, &self->a, &self->b)));
	EXPECT_TRUE(holds(&self->b, OLD));
}

/* Stopped at any point of its way: what has not arrived then does not arrive later. */
TEST_F_TIMEOUT(sync, nothing_lands_after_timeout, GUEST_TIMEOUT)
{
	static uint8_t then[SIZE];
	unsigned int ms;
	int fence;

	for (ms = 50; ms < 2000; ms += 110) {
		fill(&self->b, OTHER);
		fence = transfer(self, &self->a, &self->b);
		ASSERT_LE(0, fence);
		usleep(ms * 1000);
		ASSERT_EQ(0, clear_master());
		EXPECT_EQ(-ETIMEDOUT, wait_fence(fence));
		EXPECT_TRUE(is_master());
		memcpy(then, self->b.cpu, SIZE);
		sleep(A_WHILE);
		EXPECT_EQ(0, memcmp(then, self->b.cpu, SIZE));
		/* The last page was not reached. */
		EXPECT_EQ(pattern_byte(OTHER, SIZE - 1), then[SIZE - 1]);
	}
	EXPECT_EQ(1, wait_fence(transfer(self, &self->a, &self->b)));
	EXPECT_TRUE(holds(&self->b, OLD));
}

/*
 * Everything at once
 */

struct race {
	FIXTURE_DATA(sync) *self;
	uint32_t handles[3];
	unsigned int seed;
	int wrong;
	int done;
};

static int race_call(struct race *race, unsigned int i)
{
	FIXTURE_DATA(sync) *self = race->self;
	uint32_t one = race->handles[(i + race->seed) % 3];
	uint32_t two = race->handles[(i / 3) % 3];
	uint8_t byte = 1;

	switch (i % 5) {
	case 0:
	case 1:
		return wait_fence(transfer_buffer(self->importer, one, 0, two, PAGE, 64));
	case 2:
		return read_buffer(self->importer, one, 0, &byte, 1);
	case 3:
		return unmap_handle(self->importer, one);
	default:
		return move_buffer(self->b.fd, -1);
	}
}

static void *race_loop(void *arg)
{
	struct race *race = arg;
	unsigned int i;
	int ret;

	for (i = 0; i < 60; i++) {
		ret = race_call(race, i);
		if (ret >= 0)
			race->done++;
		else if (ret != -ENXIO && ret != -ESTALE)
			race->wrong = ret;
		map_handle(race->self->importer, race->handles[i % 3]);
	}
	return NULL;
}

TEST_F_TIMEOUT(sync, all_at_once, GUEST_TIMEOUT)
{
	struct race races[3] = { };
	uint32_t movable;
	pthread_t threads[3];
	int i;

	/* Loaded now: the SIGCHLD of a modprobe would interrupt a copy. */
	close(open_test_module());
	ASSERT_EQ(0, import_flow(self->importer, self->b.fd, variant->interconnect,
				 P2PBUF_FLOW_MOVABLE, 0, &movable));
	ASSERT_EQ(0, map_handle(self->importer, movable));
	for (i = 0; i < 3; i++) {
		races[i] = (struct race){
			.self = self,
			.handles = { self->a.handle, self->b.handle, movable },
			.seed = i,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, race_loop, &races[i]));
	}
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_EQ(0, races[i].wrong);
		EXPECT_LT(0, races[i].done);
	}
	EXPECT_EQ(0, count_fences(self->a.fd, DMA_BUF_SYNC_WRITE));
}

TEST_HARNESS_MAIN
