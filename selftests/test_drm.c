// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reference GPU importer, by the ioctls of its render node: what it imports, data by
 * DMA in both directions, access taken away and given back, fences, refusals, and its
 * function unbound while a buffer is mapped. Needs a second edu function, see
 * selftests/cells.py.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include <kselftest_harness.h>

#include "failnth.h"
#include "foreign.h"

/* A kernel of one's own is tested where nobody may have installed DRM's headers. */
#if __has_include("drm/drm.h")
#include <drm/p2pbuf_drm.h>

#define DRIVER		"p2pbuf_drm"
#define NR_PAGES	4
#define SIZE		(NR_PAGES * PAGE)
#define TO_BUFFER	DRM_P2PBUF_COPY_TO_BUFFER
#define LARGE		(16 * 1024 * 1024UL)
/* Where DRM puts the first object that can be mapped (DRM_FILE_PAGE_OFFSET_START). */
#define FIRST_OFFSET	0x100000000ULL

/* No two of them merge. */
static const unsigned int pages[NR_PAGES] = { 5, 1, 7, 3 };

static int call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) ? -errno : 0;
}

static int import(int render, int fd, uint32_t *handle)
{
	struct drm_prime_handle args = { .fd = fd };
	int ret = call(render, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args);

	*handle = args.handle;
	return ret;
}

static int export(int render, uint32_t handle)
{
	struct drm_prime_handle args = { .handle = handle, .flags = DRM_CLOEXEC };

	return call(render, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args) ?: args.fd;
}

static int release(int render, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	return call(render, DRM_IOCTL_GEM_CLOSE, &args);
}

static int copy(int render, struct drm_p2pbuf_copy args)
{
	return call(render, DRM_IOCTL_P2PBUF_COPY, &args);
}

static int copy_in(int render, uint32_t handle, uint64_t offset, const void *user,
		   uint32_t length, uint32_t out_sync)
{
	return copy(render, (struct drm_p2pbuf_copy){
		.handle = handle, .flags = TO_BUFFER, .offset = offset,
		.length = length, .user = (uintptr_t)user, .out_sync = out_sync,
	});
}

static int copy_out(int render, uint32_t handle, uint64_t offset, void *user,
		    uint32_t length)
{
	return copy(render, (struct drm_p2pbuf_copy){
		.handle = handle, .offset = offset, .length = length,
		.user = (uintptr_t)user,
	});
}

static uint32_t create_syncobj(int render)
{
	struct drm_syncobj_create args = {};

	return call(render, DRM_IOCTL_SYNCOBJ_CREATE, &args) ? 0 : args.handle;
}

static int syncobj_to_fence(int render, uint32_t syncobj)
{
	struct drm_syncobj_handle args = {
		.handle = syncobj,
		.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE,
		.fd = -1,
	};

	return call(render, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &args) ?: args.fd;
}

static int fence_to_syncobj(int render, uint32_t syncobj, int fence)
{
	struct drm_syncobj_handle args = {
		.handle = syncobj,
		.flags = DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE,
		.fd = fence,
	};

	return call(render, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &args);
}

/* Waits; the status of the fence that a copy left in a syncobj. */
static int outcome(int render, uint32_t syncobj)
{
	return wait_fence(syncobj_to_fence(render, syncobj));
}

/* It is the importer's, by itself. */
static int bind_gpu(const char *bdf)
{
	if (run_shell("modprobe " DRIVER " dma_bits=64"))
		return -ENOENT;
	if (has_driver(bdf))
		unbind_driver(bdf);
	return bind_driver(bdf, DRIVER);
}

static int open_render(const char *bdf)
{
	char pattern[128], path[64];
	glob_t found;
	int fd;

	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%s/drm/renderD*", bdf);
	if (glob(pattern, 0, NULL, &found))
		return -ENOENT;
	snprintf(path, sizeof(path), "/dev/dri/%s", strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* How often the exporter's buffers are mapped for the function; -1 if not attached. */
static int count_maps(int exporter, const char *bdf)
{
	char path[64], text[4096], wanted[64], *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", exporter);
	if (read_file(path, text, sizeof(text)) < 0)
		return -EIO;
	snprintf(wanted, sizeof(wanted), "importer=%s maps=", bdf);
	at = strstr(text, wanted);
	return at ? atoi(at + strlen(wanted)) : -1;
}

FIXTURE(drm)
{
	char bdf[16];
	int exporter;
	int render;
	int fd;
	uint32_t handle;
	uint8_t data[SIZE];
};

FIXTURE_SETUP(drm)
{
	self->exporter = -1;
	self->render = -1;
	self->fd = -1;
	if (find_other_function(0x1234, 0x11e8, importer_bdf(), self->bdf,
				sizeof(self->bdf)))
		SKIP(return, "no second edu function in this guest");
	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, bind_gpu(self->bdf));
	self->render = open_render(self->bdf);
	ASSERT_GE(self->render, 0);
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->fd = export_pages(self->exporter, pages, NR_PAGES);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, import(self->render, self->fd, &self->handle));
}

/* Whatever a test left open: nothing of the driver is held after it. */
FIXTURE_TEARDOWN(drm)
{
	close(self->fd);
	close(self->render);
	if (self->exporter >= 0) {
		set_memory(self->exporter, true);
		EXPECT_EQ(-1, count_maps(self->exporter, self->bdf));
		EXPECT_EQ(0, run_shell("rmmod " DRIVER));
	}
	close(self->exporter);
}

static bool is_pattern(const uint8_t *data, uint32_t length, unsigned int seed,
		       uint64_t position)
{
	size_t where;

	return !pattern_check(data, length, seed, position, &where);
}

/* By the CPU. */
static int buffer_set(int fd, unsigned int seed)
{
	uint8_t *cpu = mmap(NULL, SIZE, PROT_WRITE, MAP_SHARED, fd, 0);

	if (cpu == MAP_FAILED)
		return -errno;
	pattern_fill(cpu, SIZE, seed, 0);
	munmap(cpu, SIZE);
	return 0;
}

static bool buffer_has(int fd, unsigned int seed)
{
	uint8_t *cpu = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	bool match;

	if (cpu == MAP_FAILED)
		return false;
	match = is_pattern(cpu, SIZE, seed, 0);
	munmap(cpu, SIZE);
	return match;
}

static int fill(FIXTURE_DATA(drm) *self, unsigned int seed, uint32_t out_sync)
{
	pattern_fill(self->data, SIZE, seed, 0);
	return copy_in(self->render, self->handle, 0, self->data, SIZE, out_sync);
}

/* For longer than the engine would take. */
static void give_time(void)
{
	usleep(10 * NR_PAGES * ENGINE_MS * 1000);
}

static bool is_held_back(int fence)
{
	give_time();
	return !fence_status(fence);
}

static bool reads_by(FIXTURE_DATA(drm) *self, int render, unsigned int seed)
{
	memset(self->data, 0, SIZE);
	return !copy_out(render, self->handle, 0, self->data, SIZE) &&
	       is_pattern(self->data, SIZE, seed, 0);
}

static bool reads(FIXTURE_DATA(drm) *self, unsigned int seed)
{
	return reads_by(self, self->render, seed);
}

TEST_F(drm, import)
{
	uint32_t again, other_handle;
	int fd, other;

	/* Attached and not mapped until the first use. */
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));
	EXPECT_EQ(0, import(self->render, self->fd, &again));
	EXPECT_EQ(self->handle, again);

	/* The very DMABUF comes back. */
	fd = export(self->render, self->handle);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, import(self->render, fd, &again));
	EXPECT_EQ(self->handle, again);
	close(fd);

	other = open_render(self->bdf);
	ASSERT_GE(other, 0);
	EXPECT_EQ(0, import(other, self->fd, &other_handle));
	close(other);

	/* The CPU gets there by the DMABUF alone. */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->render,
				   FIRST_OFFSET));
	EXPECT_EQ(EINVAL, errno);

	EXPECT_EQ(0, release(self->render, self->handle));
	EXPECT_EQ(-1, count_maps(self->exporter, self->bdf));
	EXPECT_EQ(-EINVAL, release(self->render, self->handle));
}

TEST_F_TIMEOUT(drm, both_ways, GUEST_TIMEOUT)
{
	uint32_t syncobj = create_syncobj(self->render);

	ASSERT_EQ(0, fill(self, 1, syncobj));
	EXPECT_EQ(1, count_maps(self->exporter, self->bdf));
	EXPECT_EQ(1, outcome(self->render, syncobj));
	EXPECT_TRUE(buffer_has(self->fd, 1));
	EXPECT_TRUE(reads(self, 1));
	EXPECT_EQ(1, count_maps(self->exporter, self->bdf));
}

/* Over the edge of a range, and of a chunk, at odd places. */
TEST_F_TIMEOUT(drm, odd_piece, GUEST_TIMEOUT)
{
	const uint64_t offset = PAGE - 77;
	const uint32_t length = PAGE + 131;
	uint8_t *data = self->data;

	ASSERT_EQ(0, fill(self, 1, 0));
	pattern_fill(data, length, 2, offset);
	ASSERT_EQ(0, copy_in(self->render, self->handle, offset, data, length, 0));
	memset(data, 0, SIZE);
	ASSERT_EQ(0, copy_out(self->render, self->handle, 0, data, SIZE));
	EXPECT_TRUE(is_pattern(data, offset, 1, 0));
	EXPECT_TRUE(is_pattern(data + offset, length, 2, offset));
	EXPECT_TRUE(is_pattern(data + offset + length, SIZE - offset - length, 1,
			       offset + length));
}

/* Two files, two mappings, one memory. */
TEST_F_TIMEOUT(drm, two_files, GUEST_TIMEOUT)
{
	int other = open_render(self->bdf);
	uint32_t handle;

	ASSERT_GE(other, 0);
	ASSERT_EQ(0, import(other, self->fd, &handle));
	ASSERT_EQ(0, fill(self, 1, 0));
	/* In order: it has been written. */
	memset(self->data, 0, SIZE);
	EXPECT_EQ(0, copy_out(other, handle, 0, self->data, SIZE));
	EXPECT_TRUE(is_pattern(self->data, SIZE, 1, 0));
	close(other);
	EXPECT_TRUE(reads(self, 1));
}

/* By the scatterlist, as its exporter offers nothing else. */
TEST_F_TIMEOUT(drm, scatterlist, GUEST_TIMEOUT)
{
	uint32_t handle;
	void *cpu;
	int fd;

	fd = export_ram("udmabuf", SIZE, &cpu);
	if (fd == -ENOENT)
		SKIP(return, "no udmabuf in this guest");
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, import(self->render, fd, &handle));
	pattern_fill(self->data, SIZE, 3, 0);
	ASSERT_EQ(0, copy_in(self->render, handle, 0, self->data, SIZE, 0));
	memset(self->data, 0, SIZE);
	EXPECT_EQ(0, copy_out(self->render, handle, 0, self->data, SIZE));
	EXPECT_TRUE(is_pattern(self->data, SIZE, 3, 0));
	EXPECT_TRUE(is_pattern(cpu, SIZE, 3, 0));
	EXPECT_EQ(0, release(self->render, handle));
	munmap(cpu, SIZE);
	close(fd);
}

/* Unmapped when access goes; mapped again by the next use after it is back. */
TEST_F_TIMEOUT(drm, revoke_and_restore, GUEST_TIMEOUT)
{
	ASSERT_EQ(0, fill(self, 1, 0));
	ASSERT_EQ(0, set_memory(self->exporter, false));
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));
	EXPECT_EQ(-ENODEV, copy_out(self->render, self->handle, 0, self->data, SIZE));
	EXPECT_EQ(-ENODEV, fill(self, 2, 0));
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));

	ASSERT_EQ(0, set_memory(self->exporter, true));
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));
	/* The copy that was accepted before was carried out. */
	EXPECT_TRUE(reads(self, 1));
	EXPECT_EQ(1, count_maps(self->exporter, self->bdf));
}

/* Access does not end before what was accepted is over. */
TEST_F_TIMEOUT(drm, revoke_waits, GUEST_TIMEOUT)
{
	uint32_t syncobj = create_syncobj(self->render);
	int fence;

	ASSERT_EQ(0, fill(self, 1, syncobj));
	fence = syncobj_to_fence(self->render, syncobj);
	ASSERT_GE(fence, 0);
	ASSERT_EQ(0, set_memory(self->exporter, false));
	EXPECT_EQ(1, fence_status(fence));
	close(fence);
	ASSERT_EQ(0, set_memory(self->exporter, true));
}

static void *memory_off(void *exporter)
{
	return (void *)(intptr_t)set_memory(*(int *)exporter, false);
}

static void *read_all(void *data)
{
	FIXTURE_DATA(drm) *self = data;

	return (void *)(intptr_t)copy_out(self->render, self->handle, 0, self->data, SIZE);
}

/* ... even if that has not begun, as it waits for somebody else; and no other begins. */
TEST_F_TIMEOUT(drm, revoke_waits_for_fences, GUEST_TIMEOUT)
{
	uint32_t syncobj = create_syncobj(self->render);
	pthread_t thread, reader;
	int gate, test;
	void *ret;

	test = close_gate(self->fd, DMA_BUF_SYNC_WRITE, &gate);
	ASSERT_GE(test, 0);
	ASSERT_EQ(0, fill(self, 1, syncobj));
	ASSERT_EQ(0, pthread_create(&thread, NULL, memory_off, &self->exporter));
	give_time();
	EXPECT_EQ(1, count_maps(self->exporter, self->bdf));
	ASSERT_EQ(0, pthread_create(&reader, NULL, read_all, self));
	give_time();
	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(0, (intptr_t)ret);
	ASSERT_EQ(0, pthread_join(reader, &ret));
	EXPECT_EQ(-ENODEV, (intptr_t)ret);
	EXPECT_EQ(1, outcome(self->render, syncobj));
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));
	ASSERT_EQ(0, set_memory(self->exporter, true));
	EXPECT_TRUE(buffer_has(self->fd, 1));
}

TEST_F_TIMEOUT(drm, exporter_gone, GUEST_TIMEOUT)
{
	ASSERT_EQ(0, fill(self, 1, 0));
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_EQ(-ENODEV, copy_out(self->render, self->handle, 0, self->data, SIZE));
	ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	/* Not the function of before. */
	EXPECT_EQ(-ENODEV, copy_out(self->render, self->handle, 0, self->data, SIZE));
	EXPECT_EQ(0, release(self->render, self->handle));
}

/* The copy of pattern 2, whose fence is in @syncobj, over pattern 1. */
static void pass_gate(struct __test_metadata *_metadata, FIXTURE_DATA(drm) *self,
		      uint32_t syncobj, int test, int gate)
{
	int fence = syncobj_to_fence(self->render, syncobj);

	ASSERT_GE(fence, 0);
	EXPECT_TRUE(is_held_back(fence));
	EXPECT_TRUE(buffer_has(self->fd, 1));
	ASSERT_EQ(0, open_gate(test, gate));
	EXPECT_EQ(1, wait_fence(fence));
	EXPECT_TRUE(buffer_has(self->fd, 2));
}

/* A write, over a gate that is a reader or a writer. */
static void obey(struct __test_metadata *_metadata, FIXTURE_DATA(drm) *self,
		 unsigned int gate_is)
{
	uint32_t syncobj = create_syncobj(self->render);
	int gate, test;

	ASSERT_EQ(0, fill(self, 1, syncobj));
	EXPECT_EQ(1, outcome(self->render, syncobj));
	EXPECT_EQ(0, count_fences(self->fd, DMA_BUF_SYNC_WRITE));

	test = close_gate(self->fd, gate_is, &gate);
	ASSERT_GE(test, 0);
	ASSERT_EQ(0, fill(self, 2, syncobj));
	/* Its own is there for others, a writer's. */
	EXPECT_EQ(2, count_fences(self->fd, DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(gate_is == DMA_BUF_SYNC_WRITE ? 2 : 1,
		  count_fences(self->fd, DMA_BUF_SYNC_READ));
	pass_gate(_metadata, self, syncobj, test, gate);
}

TEST_F_TIMEOUT(drm, write_after_write, GUEST_TIMEOUT)
{
	obey(_metadata, self, DMA_BUF_SYNC_WRITE);
}

TEST_F_TIMEOUT(drm, write_after_read, GUEST_TIMEOUT)
{
	obey(_metadata, self, DMA_BUF_SYNC_READ);
}

/* Its fence is there, a reader's. */
TEST_F_TIMEOUT(drm, read_after_write, GUEST_TIMEOUT)
{
	pthread_t thread;
	int gate, test;
	void *ret;

	ASSERT_EQ(0, fill(self, 1, 0));
	test = close_gate(self->fd, DMA_BUF_SYNC_WRITE, &gate);
	ASSERT_GE(test, 0);
	memset(self->data, 0, SIZE);
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_all, self));
	give_time();
	EXPECT_EQ(1, count_fences(self->fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(2, count_fences(self->fd, DMA_BUF_SYNC_WRITE));
	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(0, (intptr_t)ret);
	EXPECT_TRUE(is_pattern(self->data, SIZE, 1, 0));
}

/* Mapped anew, and not used before the exporter's move is over. */
TEST_F_TIMEOUT(drm, read_after_move, GUEST_TIMEOUT)
{
	pthread_t thread;
	int gate, test;
	void *ret;

	ASSERT_EQ(0, fill(self, 1, 0));
	ASSERT_TRUE(reads(self, 1));
	test = close_gate(-1, 0, &gate);
	ASSERT_GE(test, 0);
	ASSERT_EQ(0, move_buffer(self->fd, gate));
	give_time();
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));

	ASSERT_EQ(0, pthread_create(&thread, NULL, read_all, self));
	give_time();
	EXPECT_EQ(1, count_maps(self->exporter, self->bdf));
	ASSERT_EQ(0, buffer_set(self->fd, 2));
	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(0, (intptr_t)ret);
	EXPECT_TRUE(is_pattern(self->data, SIZE, 2, 0));
}

/* A fence given with the call, of which the buffer knows nothing. */
TEST_F_TIMEOUT(drm, fence_of_the_caller, GUEST_TIMEOUT)
{
	uint32_t in = create_syncobj(self->render), out = create_syncobj(self->render);
	int gate, test;

	ASSERT_EQ(0, fill(self, 1, out));
	EXPECT_EQ(1, outcome(self->render, out));
	test = close_gate(-1, 0, &gate);
	ASSERT_GE(test, 0);
	ASSERT_EQ(0, fence_to_syncobj(self->render, in, gate));

	pattern_fill(self->data, SIZE, 2, 0);
	ASSERT_EQ(0, copy(self->render, (struct drm_p2pbuf_copy){
		.handle = self->handle, .flags = TO_BUFFER, .length = SIZE,
		.user = (uintptr_t)self->data, .in_sync = in, .out_sync = out }));
	/* What the call has accepted is the driver's. */
	memset(self->data, 0, SIZE);
	pass_gate(_metadata, self, out, test, gate);
}

/* A reader's fence does not hold up other readers. */
TEST_F_TIMEOUT(drm, readers_share, GUEST_TIMEOUT)
{
	int gate, test;

	ASSERT_EQ(0, fill(self, 1, 0));
	test = close_gate(self->fd, DMA_BUF_SYNC_READ, &gate);
	ASSERT_GE(test, 0);
	EXPECT_TRUE(reads(self, 1));
	EXPECT_EQ(0, open_gate(test, gate));
}

/* As many as may be queued; after them there is room again. */
TEST_F_TIMEOUT(drm, too_many, GUEST_TIMEOUT)
{
	uint32_t syncobj = create_syncobj(self->render);
	int gate, test, i;

	test = close_gate(self->fd, DMA_BUF_SYNC_WRITE, &gate);
	ASSERT_GE(test, 0);
	for (i = 0; i < DRM_P2PBUF_COPIES; i++)
		EXPECT_EQ(0, fill(self, i + 1, syncobj));
	EXPECT_EQ(-EBUSY, fill(self, i + 1, syncobj));
	ASSERT_EQ(0, open_gate(test, gate));
	EXPECT_EQ(1, outcome(self->render, syncobj));
	EXPECT_TRUE(buffer_has(self->fd, i));
	EXPECT_EQ(0, fill(self, i + 1, syncobj));
	EXPECT_EQ(1, outcome(self->render, syncobj));
}

/* Calls to fail; the first copy by a file maps, too. */
static int call_import(FIXTURE_DATA(drm) *self, int render)
{
	return import(render, self->fd, &self->handle);
}

static int call_write(FIXTURE_DATA(drm) *self, int render)
{
	return copy_in(render, self->handle, 0, self->data, SIZE, 0);
}

static int call_read(FIXTURE_DATA(drm) *self, int render)
{
	return copy_out(render, self->handle, 0, self->data, SIZE);
}

typedef int (*drm_call)(FIXTURE_DATA(drm) *self, int render);

/* Large, so that its mapping needs page tables that no other has left. */
static int export_large(int exporter)
{
	const struct p2pbuf_range ranges[] = {
		{ 5 * PAGE, PAGE }, { LARGE, LARGE - PAGE }, { 3 * PAGE, PAGE },
	};

	return export_ranges(exporter, TEST_BAR, ranges, ARRAY_SIZE(ranges),
			     O_RDWR | O_CLOEXEC);
}

/*
 * Fails a call once, with a buffer and a file of its own, repeats it, and moves data. What
 * else it made ends with the file: an import whose handle could not be told keeps it, as
 * with any driver of DRM's. NULL, or what is wrong.
 */
static const char *fail_once(FIXTURE_DATA(drm) *self, struct fail_nth *fail,
			     unsigned int nth, drm_call call, bool *untouched)
{
	int render = open_render(self->bdf), ret;
	const char *wrong = NULL;

	self->fd = export_large(self->exporter);
	if (self->fd < 0 || render < 0 || (call != call_import && call_import(self, render)))
		return "no scene";
	pattern_fill(self->data, SIZE, nth, 0);
	if (fail_nth_arm(fail, nth))
		return "fail-nth cannot be set";
	ret = call(self, render);
	*untouched = !fail_nth_disarm(fail);

	if (ret && (*untouched || (ret != -ENOMEM && ret != -EFAULT)))
		wrong = strerror(-ret);
	else if (ret && call(self, render))
		wrong = "repeated with an error";
	pattern_fill(self->data, SIZE, nth, 0);
	if (!wrong && (call_write(self, render) || !reads_by(self, render, nth)))
		wrong = "no data moved";
	close(self->fd);
	self->fd = -1;
	close(render);
	if (!wrong && count_maps(self->exporter, self->bdf) != -1)
		wrong = "still attached";
	return wrong;
}

/* Each allocation, and each access to user memory, fails once. */
TEST_F_TIMEOUT(drm, failures, GUEST_TIMEOUT)
{
	static const drm_call calls[] = { call_import, call_write, call_read };
	struct fail_nth fail;
	const char *wrong;
	bool untouched;
	unsigned int i, nth;

	if (!injectors_present())
		SKIP(return, "the kernel cannot inject failures");
	ASSERT_EQ(0, prepare_injectors());
	ASSERT_EQ(0, fail_nth_open(&fail));
	ASSERT_EQ(0, release(self->render, self->handle));
	close(self->fd);

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		untouched = false;
		for (nth = 1; !untouched; nth++) {
			wrong = fail_once(self, &fail, nth, calls[i], &untouched);
			ASSERT_EQ(NULL, wrong) {
				TH_LOG("call %u, failure %u: %s", i, nth, wrong);
			}
		}
		TH_LOG("call %u: %u failures", i, nth - 2);
		EXPECT_LT(2, nth);
	}
	fail_nth_close(&fail);

	/* None of those that failed is still counted. */
	self->fd = export_large(self->exporter);
	ASSERT_EQ(0, call_import(self, self->render));
	for (i = 0; i < DRM_P2PBUF_COPIES; i++)
		EXPECT_EQ(0, call_write(self, self->render));
}

TEST_F(drm, refusals)
{
	const uint32_t handle = self->handle, empty = create_syncobj(self->render);
	const uint64_t user = (uintptr_t)self->data;
	const struct {
		int error;
		struct drm_p2pbuf_copy args;
	} calls[] = {
		{ -EINVAL, { handle, .length = PAGE, .user = user, .flags = 2 } },
		{ -EINVAL, { handle, .length = PAGE, .user = user, .pad = 1 } },
		{ -ENODATA, { handle, .length = 0, .user = user } },
		{ -EMSGSIZE, { handle, .length = DRM_P2PBUF_COPY_MAX + 1, .user = user } },
		{ -ENOENT, { handle + 1, .length = PAGE, .user = user } },
		{ -EOVERFLOW, { handle, .length = PAGE, .user = user, .offset = -PAGE } },
		{ -ERANGE, { handle, .length = PAGE, .user = user, .offset = SIZE - 1 } },
		{ -ENOENT, { handle, .length = PAGE, .user = user, .in_sync = empty + 1 } },
		{ -EINVAL, { handle, .length = PAGE, .user = user, .in_sync = empty } },
		{ -ENOENT, { handle, .length = PAGE, .user = user, .out_sync = empty + 1 } },
		{ -EFAULT, { handle, .length = PAGE, .user = 0, .flags = TO_BUFFER } },
	};
	uint32_t other;
	size_t i;

	ASSERT_NE(0, empty);
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		EXPECT_EQ(calls[i].error, copy(self->render, calls[i].args))
			TH_LOG("call %zu", i);
	/* None of them has mapped it. */
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));

	EXPECT_EQ(-EBADF, import(self->render, -1, &other));
	EXPECT_EQ(-EINVAL, import(self->render, self->render, &other));
}

/* A GPU maps for reading and writing. */
TEST_F(drm, read_only)
{
	struct p2pbuf_range range = { 0, SIZE };
	uint32_t handle;
	int fd;

	fd = export_ranges(self->exporter, TEST_BAR, &range, 1, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, import(self->render, fd, &handle));
	EXPECT_EQ(-EACCES, copy_out(self->render, handle, 0, self->data, PAGE));
	EXPECT_EQ(0, release(self->render, handle));
	close(fd);
}

/* The function goes while a buffer is mapped and a copy is on its way. */
static void go_on_without(struct __test_metadata *_metadata, FIXTURE_DATA(drm) *self,
			  int (*take_away)(const char *bdf))
{
	uint32_t syncobj = create_syncobj(self->render);
	uint32_t handle;
	int fence;

	ASSERT_EQ(0, fill(self, 1, syncobj));
	fence = syncobj_to_fence(self->render, syncobj);
	ASSERT_GE(fence, 0);
	EXPECT_EQ(1, count_maps(self->exporter, self->bdf));
	ASSERT_EQ(0, take_away(self->bdf));

	EXPECT_EQ(1, fence_status(fence));
	close(fence);
	EXPECT_TRUE(buffer_has(self->fd, 1));
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));
	EXPECT_EQ(-ENODEV, copy_out(self->render, self->handle, 0, self->data, SIZE));
	EXPECT_EQ(-ENODEV, import(self->render, self->fd, &handle));

	/* What happens to the exporter does not matter to the object any more. */
	EXPECT_EQ(0, set_memory(self->exporter, false));
	EXPECT_EQ(0, set_memory(self->exporter, true));
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));
}

TEST_F_TIMEOUT(drm, unplug, GUEST_TIMEOUT)
{
	go_on_without(_metadata, self, unbind_driver);
}

/* What is attached is a device that is no more, with another one in its place. */
TEST_F_TIMEOUT(drm, replace, GUEST_TIMEOUT)
{
	go_on_without(_metadata, self, replace_function);
}

struct writer {
	FIXTURE_DATA(drm) *self;
	struct held held;
};

static void *write_held(void *data)
{
	struct writer *writer = data;
	FIXTURE_DATA(drm) *self = writer->self;

	return (void *)(intptr_t)copy_in(self->render, self->handle, 0, writer->held.page,
					 PAGE, 0);
}

/* ... and while a call has not come far enough to know. */
TEST_F(drm, unplug_during_call)
{
	struct writer writer = { .self = self };
	pthread_t thread;
	void *ret;

	pattern_fill(self->data, PAGE, 1, 0);
	ASSERT_EQ(0, hold_page(&writer.held, false, self->data, PAGE));
	ASSERT_EQ(0, pthread_create(&thread, NULL, write_held, &writer));
	ASSERT_EQ(0, wait_for_fault(&writer.held));
	EXPECT_EQ(0, unbind_driver(self->bdf));
	ASSERT_EQ(0, let_fault_go(&writer.held));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(-ENODEV, (intptr_t)ret);
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));
	drop_page(&writer.held);
}

struct reader {
	FIXTURE_DATA(drm) *self;
	atomic_bool stop;
	unsigned int done;
};

/* Without access it fails, and otherwise pattern 1 is there. */
static void *read_on(void *data)
{
	struct reader *reader = data;
	uint8_t page[PAGE];
	int ret = 0;

	while (!ret && !reader->stop) {
		ret = copy_out(reader->self->render, reader->self->handle, 0, page, PAGE);
		if (ret == -ENODEV)
			ret = 0;
		else if (!ret && !is_pattern(page, PAGE, 1, 0))
			ret = -EILSEQ;
		else
			reader->done++;
	}
	return (void *)(intptr_t)ret;
}

/* Exporter and importer lose their functions while it is in use. */
TEST_F_TIMEOUT(drm, while_in_use, GUEST_TIMEOUT)
{
	struct reader reader = { .self = self };
	pthread_t thread;
	void *ret;
	int i;

	ASSERT_EQ(0, fill(self, 1, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, read_on, &reader));
	for (i = 0; i < 10; i++) {
		usleep(5 * ENGINE_MS * 1000);
		EXPECT_EQ(0, set_memory(self->exporter, false));
		EXPECT_EQ(0, count_maps(self->exporter, self->bdf));
		EXPECT_EQ(0, set_memory(self->exporter, true));
	}
	usleep(5 * ENGINE_MS * 1000);
	EXPECT_EQ(0, unbind_driver(self->bdf));
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));
	reader.stop = true;
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(0, (intptr_t)ret);
	EXPECT_LT(0, reader.done);
}

/* Its own reset and suspend: the mapping stays, and so does the data. */
TEST_F_TIMEOUT(drm, reset_and_suspend, GUEST_TIMEOUT)
{
	ASSERT_EQ(0, fill(self, 1, 0));
	ASSERT_TRUE(reads(self, 1));
	ASSERT_EQ(0, reset_function(self->bdf));
	EXPECT_EQ(1, count_maps(self->exporter, self->bdf));
	EXPECT_TRUE(reads(self, 1));

	/* The exporter goes to sleep, too, and takes access away. */
	ASSERT_EQ(0, suspend_and_resume(self->exporter));
	EXPECT_EQ(0, count_maps(self->exporter, self->bdf));
	EXPECT_TRUE(reads(self, 1));
}

/* A pair without a route is refused by the exporter, and nothing stays attached. */
TEST(unreachable)
{
	char bdf[16];
	uint32_t handle;
	int exporter, render, fd;

	if (expected_route() != P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is reachable");
	if (find_other_function(0x1234, 0x11e8, importer_bdf(), bdf, sizeof(bdf)))
		SKIP(return, "no second edu function in this guest");
	ASSERT_EQ(0, bind_gpu(bdf));
	render = open_render(bdf);
	ASSERT_GE(render, 0);
	exporter = open_exporter();
	ASSERT_GE(exporter, 0);
	fd = export_simple(exporter, 0, SIZE);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EREMOTEIO, import(render, fd, &handle));
	EXPECT_EQ(-1, count_maps(exporter, bdf));
	close(fd);
	close(exporter);
	close(render);
	EXPECT_EQ(0, run_shell("rmmod " DRIVER));
}

#else

TEST(headers)
{
	SKIP(return, "built without DRM's headers");
}

#endif

TEST_HARNESS_MAIN
