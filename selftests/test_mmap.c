// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU's view of a DMABUF: what is where, what is refused, how it is cached.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "p2pbuf_test.h"

#define PAT_LIST	"/sys/kernel/debug/x86/pat_memtype_list"
#define NR_PAGES	16U
#define SIZE		(NR_PAGES * PAGE)
#define SEED		7

/*
 * Two views of the same pages: one DMABUF in the order of the BAR, one shuffled. A page
 * of the shuffled one is looked up in the other by its number.
 */
FIXTURE(mmap) {
	int exporter;
	int fd;
	int linear_fd;
	unsigned int pages[NR_PAGES];
	uint8_t *map;
	uint8_t *linear;
};

static void *map_fd(int fd, size_t length, off_t offset)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
}

FIXTURE_SETUP(mmap)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		self->pages[i] = i;
	shuffle(self->pages, NR_PAGES, SEED);

	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->fd = export_pages(self->exporter, self->pages, NR_PAGES);
	ASSERT_LE(0, self->fd);
	self->linear_fd = export_simple(self->exporter, 0, SIZE);
	ASSERT_LE(0, self->linear_fd);
	self->map = map_fd(self->fd, SIZE, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->linear = map_fd(self->linear_fd, SIZE, 0);
	ASSERT_NE(MAP_FAILED, self->linear);
	memset(self->linear, 0, SIZE);
}

FIXTURE_TEARDOWN(mmap)
{
	munmap(self->linear, SIZE);
	munmap(self->map, SIZE);
	close(self->linear_fd);
	close(self->fd);
	close(self->exporter);
}

/* Fill all of the shuffled view so that each byte tells its offset in it. */
static void fill_pages(uint8_t *linear, const unsigned int *pages)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		pattern_fill(linear + pages[i] * PAGE, PAGE, SEED, i * PAGE);
}

/* For memory that is mapped twice, which the compiler does not know. */
static uint64_t load(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void store(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_SEQ_CST);
}

static void expect_pattern(struct __test_metadata *_metadata, const void *view,
			   size_t length, uint64_t offset)
{
	size_t where = 0;

	EXPECT_EQ(0, pattern_check(view, length, SEED, offset, &where)) {
		TH_LOG("differs at %zu of %zu", where, length);
	}
}

/*
 * Contents
 */

TEST_F(mmap, order_of_ranges)
{
	unsigned int i, moved = 0;

	for (i = 0; i < NR_PAGES; i++)
		moved += self->pages[i] != i;
	ASSERT_LT(NR_PAGES / 2, moved);

	fill_pages(self->linear, self->pages);
	expect_pattern(_metadata, self->map, SIZE, 0);
}

TEST_F(mmap, writes_are_seen)
{
	unsigned int i;

	pattern_fill(self->map, SIZE, SEED, 0);
	for (i = 0; i < NR_PAGES; i++)
		expect_pattern(_metadata, self->linear + self->pages[i] * PAGE, PAGE,
			       i * PAGE);
}

TEST_F(mmap, ranges_of_several_pages)
{
	static const struct p2pbuf_range ranges[] = {
		{ 12 * PAGE, 3 * PAGE },
		{ 2 * PAGE, 5 * PAGE },
		{ 7 * PAGE, PAGE },
		{ 13 * PAGE, 2 * PAGE },
	};
	uint64_t at = 0;
	unsigned int i;
	uint8_t *map;
	int fd;

	fd = export_ranges(self->exporter, TEST_BAR, ranges, ARRAY_SIZE(ranges), O_RDWR);
	ASSERT_LE(0, fd);
	map = map_fd(fd, 11 * PAGE, 0);
	ASSERT_NE(MAP_FAILED, map);
	pattern_fill(self->linear, SIZE, SEED, 0);
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		expect_pattern(_metadata, map + at, ranges[i].length, ranges[i].offset);
		at += ranges[i].length;
	}
	/* The last range repeats pages of the first. */
	store((uint64_t *)(map + PAGE), 0x1234);
	EXPECT_EQ(0x1234, load((uint64_t *)(map + 9 * PAGE)));
	close(fd);
}

TEST_F(mmap, offsets)
{
	unsigned int first, nr;
	uint8_t *part;

	fill_pages(self->linear, self->pages);
	for (first = 0; first < NR_PAGES; first++) {
		nr = NR_PAGES - first;
		part = map_fd(self->fd, nr * PAGE, first * PAGE);
		ASSERT_NE(MAP_FAILED, part);
		expect_pattern(_metadata, part, nr * PAGE, first * PAGE);
		munmap(part, nr * PAGE);
	}
}

TEST_F(mmap, every_eighth_of_the_bar)
{
	uint64_t size = bar_size(self->exporter, TEST_BAR);
	uint64_t *map, *last;
	unsigned int i;
	int fd;

	fd = export_simple(self->exporter, 0, size);
	ASSERT_LE(0, fd);
	map = map_fd(fd, size, 0);
	ASSERT_NE(MAP_FAILED, map);
	last = map_fd(fd, PAGE, size - PAGE);
	ASSERT_NE(MAP_FAILED, last);

	for (i = 0; i < 8; i++)
		store(&map[i * (size / 8 / 8)], i + 1);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(i + 1, load(&map[i * (size / 8 / 8)]));
	store(&map[size / 8 - 1], 0x1234);
	EXPECT_EQ(0x1234, load(&last[PAGE / 8 - 1]));
	munmap(last, PAGE);
	munmap(map, size);
	close(fd);
}

/* A quarter of the BAR, and over again: pages at the end are those of the beginning. */
TEST_F(mmap, repeated)
{
	uint64_t size = bar_size(self->exporter, TEST_BAR) / 4;
	struct p2pbuf_range ranges[3] = { { 0, size }, { 0, size }, { 0, size } };
	uint64_t *map;
	int fd;

	fd = export_ranges(self->exporter, TEST_BAR, ranges, 3, O_RDWR);
	ASSERT_LE(0, fd);
	map = map_fd(fd, 3 * size, 0);
	ASSERT_NE(MAP_FAILED, map);
	store(&map[2 * size / 8 + 3], 0x5678);
	EXPECT_EQ(0x5678, load(&map[3]));
	EXPECT_EQ(0x5678, load(&map[size / 8 + 3]));
	munmap(map, 3 * size);
	close(fd);
}

/*
 * What is refused
 */

static int try_mmap(int fd, size_t length, int prot, int flags, off_t offset)
{
	void *map = mmap(NULL, length, prot, flags, fd, offset);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, length);
	return 0;
}

TEST_F(mmap, private_is_refused)
{
	EXPECT_EQ(-EINVAL, try_mmap(self->fd, PAGE, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, try_mmap(self->fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				    0));
	EXPECT_EQ(0, try_mmap(self->fd, PAGE, PROT_READ, MAP_SHARED, 0));
}

TEST_F(mmap, beyond_size)
{
	EXPECT_EQ(-EINVAL, try_mmap(self->fd, SIZE + 1, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, try_mmap(self->fd, SIZE, PROT_READ, MAP_SHARED, PAGE));
	EXPECT_EQ(-EINVAL, try_mmap(self->fd, PAGE, PROT_READ, MAP_SHARED, SIZE));
	EXPECT_EQ(-EINVAL, try_mmap(self->fd, PAGE, PROT_READ, MAP_SHARED, 1L << 46));
	EXPECT_EQ(0, try_mmap(self->fd, PAGE, PROT_READ, MAP_SHARED, SIZE - PAGE));
}

TEST_F(mmap, read_only_dmabuf)
{
	struct p2pbuf_range range = { 0, PAGE };
	uint8_t *map;
	int fd;

	fd = export_ranges(self->exporter, TEST_BAR, &range, 1, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, try_mmap(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_mmap(fd, PAGE, PROT_WRITE, MAP_SHARED, 0));

	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	self->linear[11] = 0x42;
	EXPECT_EQ(0x42, map[11]);
	EXPECT_EQ(-1, mprotect(map, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	munmap(map, PAGE);
	close(fd);
}

/* Memory that can be written can be read, so there is no mapping for writes alone. */
TEST_F(mmap, write_only_dmabuf)
{
	struct p2pbuf_range range = { 0, PAGE };
	int fd;

	fd = export_ranges(self->exporter, TEST_BAR, &range, 1, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, try_mmap(fd, PAGE, PROT_WRITE, MAP_SHARED, 0));
	EXPECT_EQ(-EACCES, try_mmap(fd, PAGE, PROT_READ, MAP_SHARED, 0));
	close(fd);
}

static sigjmp_buf fault_jump;

static void on_fault(int signal)
{
	siglongjmp(fault_jump, signal);
}

static int fault_of_read(const uint8_t *p)
{
	struct sigaction action = { .sa_handler = on_fault }, segv, bus;
	int signal;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	signal = sigsetjmp(fault_jump, 1);
	if (!signal)
		__atomic_load_n(p, __ATOMIC_SEQ_CST);
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return signal;
}

static int fault_of_write(uint8_t *p)
{
	struct sigaction action = { .sa_handler = on_fault }, old;
	int signal;

	sigaction(SIGSEGV, &action, &old);
	signal = sigsetjmp(fault_jump, 1);
	if (!signal)
		__atomic_store_n(p, 1, __ATOMIC_SEQ_CST);
	sigaction(SIGSEGV, &old, NULL);
	return signal;
}

TEST_F(mmap, protection)
{
	ASSERT_EQ(0, mprotect(self->map, PAGE, PROT_READ));
	EXPECT_EQ(0, fault_of_read(self->map));
	EXPECT_EQ(SIGSEGV, fault_of_write(self->map));
	EXPECT_EQ(0, fault_of_write(self->map + PAGE));
	ASSERT_EQ(0, mprotect(self->map, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, fault_of_write(self->map));
	EXPECT_EQ(1, self->linear[self->pages[0] * PAGE]);
}

/*
 * Changes of the mapping
 */

TEST_F(mmap, partial_munmap)
{
	fill_pages(self->linear, self->pages);
	expect_pattern(_metadata, self->map, SIZE, 0);
	ASSERT_EQ(0, munmap(self->map + 4 * PAGE, 3 * PAGE));
	EXPECT_EQ(SIGSEGV, fault_of_read(self->map + 4 * PAGE));
	EXPECT_EQ(SIGSEGV, fault_of_read(self->map + 7 * PAGE - 1));
	expect_pattern(_metadata, self->map, 4 * PAGE, 0);
	expect_pattern(_metadata, self->map + 7 * PAGE, 9 * PAGE, 7 * PAGE);

	/* Not touched before it was cut: the offsets are right all the same. */
	ASSERT_EQ(0, munmap(self->linear, PAGE));
	self->map[0] = 1;
	expect_pattern(_metadata, self->map + 8 * PAGE, 8 * PAGE, 8 * PAGE);
}

TEST_F(mmap, growing_is_refused)
{
	uint8_t *one = map_fd(self->fd, PAGE, 0);

	ASSERT_NE(MAP_FAILED, one);
	EXPECT_EQ(MAP_FAILED, mremap(one, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(self->map, SIZE, SIZE + PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	fill_pages(self->linear, self->pages);
	expect_pattern(_metadata, one, PAGE, 0);
}

TEST_F(mmap, moving_and_shrinking)
{
	uint8_t *place = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, place);
	fill_pages(self->linear, self->pages);
	/* Half of it has been touched when it moves. */
	expect_pattern(_metadata, self->map, SIZE / 2, 0);
	ASSERT_EQ(place, mremap(self->map, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
				place));
	expect_pattern(_metadata, place, SIZE, 0);
	ASSERT_EQ(place, mremap(place, SIZE, PAGE, 0));
	expect_pattern(_metadata, place, PAGE, 0);
	EXPECT_EQ(SIGSEGV, fault_of_read(place + PAGE));
	munmap(place, PAGE);
}

/* Whatever they return: the contents stay, and so does the kernel. */
TEST_F(mmap, advice_and_locks)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
		MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_DODUMP, MADV_FREE, MADV_COLD, MADV_PAGEOUT,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_COLLAPSE,
	};
	unsigned char vec[NR_PAGES];
	unsigned int i;

	fill_pages(self->linear, self->pages);
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(self->map, SIZE, advice[i]);
		expect_pattern(_metadata, self->map, SIZE, 0);
	}
	mlock(self->map, SIZE);
	expect_pattern(_metadata, self->map, SIZE, 0);
	munlock(self->map, SIZE);
	mincore(self->map, SIZE, vec);
	msync(self->map, SIZE, MS_SYNC);
	expect_pattern(_metadata, self->map, SIZE, 0);
}

TEST_F(mmap, populated)
{
	uint8_t *map;

	fill_pages(self->linear, self->pages);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		   self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	expect_pattern(_metadata, map, SIZE, 0);
}

/*
 * Who has it
 */

TEST_F(mmap, inherited_by_child)
{
	size_t where;
	int status;
	pid_t pid;

	fill_pages(self->linear, self->pages);
	expect_pattern(_metadata, self->map, PAGE, 0);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (pattern_check(self->map, SIZE, SEED, 0, &where))
			_exit(1);
		self->map[3 * PAGE] = 0xee;
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0xee, self->map[3 * PAGE]);
}

TEST_F(mmap, outlives_descriptors)
{
	int attachments, buffers;

	buffers = count_buffers("p2pbuf_exporter", &attachments);
	fill_pages(self->linear, self->pages);
	close(self->fd);
	close(self->linear_fd);
	close(self->exporter);
	EXPECT_EQ(buffers, count_buffers("p2pbuf_exporter", &attachments));
	expect_pattern(_metadata, self->map, SIZE, 0);
	self->map[0] ^= 0xff;
	EXPECT_EQ(self->map[0], self->linear[self->pages[0] * PAGE]);

	munmap(self->map, SIZE);
	munmap(self->linear, SIZE);
	EXPECT_EQ(buffers - 2, count_buffers("p2pbuf_exporter", &attachments));
}

/*
 * Caching
 */

struct memtypes {
	unsigned int covering;
	unsigned int others;
};

/* How the PAT list has [start, end): one entry of @type over all of it, and others. */
static int read_memtypes(const char *wanted, uint64_t start, uint64_t end,
			 struct memtypes *found)
{
	unsigned long long from, to;
	char line[256], type[64];
	FILE *file = fopen(PAT_LIST, "re");

	*found = (struct memtypes){ };
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "PAT: [mem 0x%llx-0x%llx] %63s", &from, &to, type) != 3)
			continue;
		if (to <= start || from >= end)
			continue;
		if (strcmp(type, wanted))
			found->others++;
		else if (from <= start && to >= end)
			found->covering++;
	}
	fclose(file);
	return 0;
}

TEST_F(mmap, write_combining)
{
	struct memtypes types;
	uint64_t start, size;

	if (access(PAT_LIST, R_OK))
		SKIP(return, "the kernel has no PAT list");
	memset(self->map, 1, SIZE);
	ASSERT_EQ(0, bar_resource(TEST_BAR, &start, &size));
	ASSERT_EQ(0, read_memtypes("write-combining", start, start + size, &types));
	EXPECT_LT(0, types.covering);
	EXPECT_EQ(0, types.others);
}

/*
 * The kernel as the one that reads and writes it
 */

TEST_F(mmap, system_calls)
{
	int file = memfd_create("p2pbuf", MFD_CLOEXEC);
	uint8_t *fresh = map_fd(self->fd, SIZE, 0);
	static uint8_t copy[SIZE];

	ASSERT_LE(0, file);
	ASSERT_NE(MAP_FAILED, fresh);
	fill_pages(self->linear, self->pages);
	/* No page of it has been touched yet: the system call faults them in. */
	ASSERT_EQ(SIZE, pwrite(file, fresh, SIZE, 0));
	ASSERT_EQ(SIZE, pread(file, copy, SIZE, 0));
	expect_pattern(_metadata, copy, SIZE, 0);

	munmap(fresh, SIZE);
	memset(self->linear, 0, SIZE);
	fresh = map_fd(self->fd, SIZE, 0);
	ASSERT_NE(MAP_FAILED, fresh);
	ASSERT_EQ(SIZE, pread(file, fresh, SIZE, 0));
	expect_pattern(_metadata, self->map, SIZE, 0);
	close(file);
}

TEST_F(mmap, pipe)
{
	static uint8_t copy[PAGE];
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	fill_pages(self->linear, self->pages);
	ASSERT_EQ(PAGE, write(fds[1], self->map + 100, PAGE));
	ASSERT_EQ(PAGE, read(fds[0], copy, PAGE));
	expect_pattern(_metadata, copy, PAGE, 100);

	memset(self->linear, 0, SIZE);
	ASSERT_EQ(PAGE, write(fds[1], copy, PAGE));
	ASSERT_EQ(PAGE, read(fds[0], self->map + 100, PAGE));
	expect_pattern(_metadata, self->map + 100, PAGE, 100);
	close(fds[0]);
	close(fds[1]);
}

/*
 * There are no pages to be pinned: what wants them must not get any.
 */
TEST_F(mmap, no_pages)
{
	struct iovec part = { self->map, PAGE };
	int fds[2];

	fill_pages(self->linear, self->pages);
	expect_pattern(_metadata, self->map, PAGE, 0);
	ASSERT_EQ(0, pipe(fds));
	EXPECT_EQ(-1, vmsplice(fds[1], &part, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	close(fds[0]);
	close(fds[1]);
}

/*
 * Device DMA whose user memory is an mmap of the very same DMABUF: its faults take the
 * reservation lock that the importer uses too.
 */

FIXTURE(self_copy) {
	int exporter;
	int importer;
	int fd;
	uint32_t handle;
};

FIXTURE_VARIANT(self_copy) {
	enum p2pbuf_interconnect interconnect;
};

FIXTURE_VARIANT_ADD(self_copy, phys) { .interconnect = P2PBUF_INTERCONNECT_PHYS };
FIXTURE_VARIANT_ADD(self_copy, sgt) { .interconnect = P2PBUF_INTERCONNECT_SGT };

FIXTURE_SETUP(self_copy)
{
	static const unsigned int pages[] = { 9, 3, 12, 6 };

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "no route between the two functions here");
	self->exporter = open_exporter();
	ASSERT_LE(0, self->exporter);
	self->importer = open_importer();
	ASSERT_LE(0, self->importer);
	self->fd = export_pages(self->exporter, pages, ARRAY_SIZE(pages));
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, import_buffer(self->importer, self->fd, variant->interconnect,
				   P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE,
				   &self->handle));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
}

FIXTURE_TEARDOWN(self_copy)
{
	close(self->fd);
	close(self->importer);
	close(self->exporter);
}

/* The first two pages get the pattern, the others are zero. */
static void prepare(int fd)
{
	uint8_t *map = map_fd(fd, 4 * PAGE, 0);

	pattern_fill(map, 2 * PAGE, SEED, 0);
	memset(map + 2 * PAGE, 0, 2 * PAGE);
	munmap(map, 4 * PAGE);
}

/* The user's memory is not touched by the CPU before, so that the copy faults. */
TEST_F(self_copy, from_buffer)
{
	uint8_t *map;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	prepare(self->fd);
	map = map_fd(self->fd, 4 * PAGE, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, read_buffer(self->importer, self->handle, 0, map + 2 * PAGE,
				 2 * PAGE));
	expect_pattern(_metadata, map, 2 * PAGE, 0);
	expect_pattern(_metadata, map + 2 * PAGE, 2 * PAGE, 0);
}

TEST_F(self_copy, to_buffer)
{
	uint8_t *map;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	prepare(self->fd);
	map = map_fd(self->fd, 4 * PAGE, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, write_buffer(self->importer, self->handle, 2 * PAGE, map,
				  2 * PAGE));
	expect_pattern(_metadata, map, 2 * PAGE, 0);
	expect_pattern(_metadata, map + 2 * PAGE, 2 * PAGE, 0);
}

/* Source and destination are the same bytes. */
TEST_F(self_copy, onto_itself)
{
	uint8_t *map;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	prepare(self->fd);
	map = map_fd(self->fd, 2 * PAGE, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, read_buffer(self->importer, self->handle, 0, map, 2 * PAGE));
	EXPECT_EQ(0, write_buffer(self->importer, self->handle, 0, map, 2 * PAGE));
	expect_pattern(_metadata, map, 2 * PAGE, 0);
}

/* A read-only mapping cannot take what the device reads. */
TEST_F(self_copy, into_read_only)
{
	struct p2pbuf_copy result;
	uint8_t *map;

	prepare(self->fd);
	map = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, self->fd, 2 * PAGE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-EFAULT, copy_buffer(self->importer, self->handle, 0, 0, map, PAGE,
				       &result));
	EXPECT_EQ(0, result.copied);
	EXPECT_EQ(0, map[0]);
}

TEST_HARNESS_MAIN
