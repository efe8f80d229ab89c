// SPDX-License-Identifier: MIT
/*
 * PRIME with DMABUFs of PCI BAR memory, which have no struct page.
 *
 * The exporter is vfio-pci or p2pbuf_exporter, each with subtests of its name; which
 * function, if there are several, says $PRIME_P2PBUF_EXPORTER. Its memory is written to.
 * Data is moved by a function of p2pbuf_importer.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include <xf86drm.h>
#include <xf86drmMode.h>

#include <drm/vgem_drm.h>

#include "igt.h"

#include "exporter.h"

IGT_TEST_DESCRIPTION("PRIME with memory of PCI BARs, which has no struct page.");

#define BYTES		16384
#define WORDS		(BYTES / sizeof(uint32_t))
#define OLD		1u
#define NEW		2u

static int card = -1;
static int importer = -1;
static struct source source = { -1, -1, -1, 0 };

/* Never zero, which is what a refused read leaves. */
static uint32_t word(uint32_t seed, uint32_t index)
{
	return seed << 24 | (index + 1);
}

static void fill(uint32_t *words, uint32_t seed)
{
	uint32_t i;

	for (i = 0; i < WORDS; i++)
		words[i] = word(seed, i);
}

static bool holds(const uint32_t *words, uint32_t seed)
{
	uint32_t i;

	for (i = 0; i < WORDS; i++)
		if (words[i] != word(seed, i))
			return false;
	return true;
}

/* Dumb buffers */

struct dumb {
	int drm;
	uint32_t handle;
	int fd;
	uint32_t *cpu;
};

static void dumb_open(struct dumb *dumb, int drm)
{
	uint64_t size, offset;
	uint32_t pitch;
	int ret;

	dumb->drm = drm;
	ret = drmModeCreateDumbBuffer(drm, 1024, BYTES / 4096, 32, 0, &dumb->handle,
				      &pitch, &size);
	igt_require_f(!ret, "the driver has no dumb buffers\n");
	igt_assert_eq(drmModeMapDumbBuffer(drm, dumb->handle, &offset), 0);
	dumb->cpu = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, drm, offset);
	igt_assert(dumb->cpu != MAP_FAILED);
	ret = drmPrimeHandleToFD(drm, dumb->handle, DRM_CLOEXEC | DRM_RDWR, &dumb->fd);
	igt_assert_eq(ret, 0);
}

static void dumb_close(struct dumb *dumb)
{
	close(dumb->fd);
	munmap(dumb->cpu, BYTES);
	drmModeDestroyDumbBuffer(dumb->drm, dumb->handle);
}

static void cpu_access(const struct dumb *dumb, uint64_t flags)
{
	struct dma_buf_sync args = { .flags = flags | DMA_BUF_SYNC_RW };

	igt_assert_eq(ioctl(dumb->fd, DMA_BUF_IOCTL_SYNC, &args), 0);
}

static void dumb_fill(struct dumb *dumb, uint32_t seed)
{
	cpu_access(dumb, DMA_BUF_SYNC_START);
	fill(dumb->cpu, seed);
	cpu_access(dumb, DMA_BUF_SYNC_END);
}

static bool dumb_holds(struct dumb *dumb, uint32_t seed)
{
	bool ret;

	cpu_access(dumb, DMA_BUF_SYNC_START);
	ret = holds(dumb->cpu, seed);
	cpu_access(dumb, DMA_BUF_SYNC_END);
	return ret;
}

/* The exporter's DMABUFs */

static int import(int drm, int fd, uint32_t *handle)
{
	*handle = 0;
	return drmPrimeFDToHandle(drm, fd, handle) ? -errno : 0;
}

/* A file of its own: the same one would find the handle it has. */
static int reopen(int drm)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", drm);
	fd = open(path, O_RDWR | O_CLOEXEC);
	igt_assert_fd(fd);
	return fd;
}

/* Whatever an earlier subtest left. */
static int export_usable(const struct exporter *exporter)
{
	int fd;

	igt_abort_on_f(exporter->set_memory(&source, true), "memory decoding stays off\n");
	fd = exporter->export(&source, BYTES);
	igt_require_f(fd >= 0, "no DMABUF of %s: %s\n", exporter->name, strerror(-fd));
	return fd;
}

static int export_and_import(const struct exporter *exporter, uint32_t *handle)
{
	int fd = export_usable(exporter);
	int ret = import(card, fd, handle);

	if (ret)
		close(fd);
	igt_require_f(!ret, "the driver refuses it: %s\n", strerror(-ret));
	return fd;
}

static void test_import(const struct exporter *exporter)
{
	uint32_t handle, again;
	int fd = export_and_import(exporter, &handle);

	igt_assert_eq(import(card, fd, &again), 0);
	igt_assert_eq(handle, again);
	igt_assert_eq(drmCloseBufferHandle(card, handle), 0);
	igt_assert_eq(import(card, fd, &handle), 0);
	close(fd);
	igt_assert_eq(drmCloseBufferHandle(card, handle), 0);
}

/* If an attachment or a mapping were left, revoke would wait for it. */
static void test_refusal(const struct exporter *exporter)
{
	uint32_t handle;
	int fd = export_usable(exporter);
	int ret = import(card, fd, &handle);

	if (!ret) {
		drmCloseBufferHandle(card, handle);
		close(fd);
	}
	igt_require_f(ret, "the driver imports it\n");
	igt_assert_f(ret == -EOPNOTSUPP || ret == -EREMOTEIO, "%s\n", strerror(-ret));
	igt_assert_eq(exporter->set_memory(&source, false), 0);
	igt_assert_eq(exporter->set_memory(&source, true), 0);
	igt_assert_eq(import(card, fd, &handle), ret);
	close(fd);
}

static void test_revoke(const struct exporter *exporter)
{
	uint32_t handle, again;
	int fd = export_and_import(exporter, &handle);
	int other = reopen(card);

	igt_assert_eq(exporter->set_memory(&source, false), 0);
	igt_assert_eq(import(other, fd, &again), -ENODEV);
	igt_assert_eq(drmCloseBufferHandle(card, handle), 0);
	igt_assert_eq(import(card, fd, &again), -ENODEV);
	igt_assert_eq(exporter->set_memory(&source, true), 0);
	close(other);
	close(fd);
}

static void test_restore(const struct exporter *exporter)
{
	uint32_t handle, again;
	int fd = export_and_import(exporter, &handle);
	int other = reopen(card);

	igt_assert_eq(exporter->set_memory(&source, false), 0);
	igt_assert_eq(exporter->set_memory(&source, true), 0);
	igt_assert_eq(import(other, fd, &again), 0);
	igt_assert_eq(drmCloseBufferHandle(other, again), 0);
	igt_assert_eq(drmCloseBufferHandle(card, handle), 0);
	close(other);
	close(fd);
}

/* Data */

static uint32_t take(int fd)
{
	uint32_t handle;
	int ret = importer_take(importer, fd, &handle);

	igt_require_f(ret != -EREMOTEIO, "no route between the two functions\n");
	igt_assert_eq(ret, 0);
	return handle;
}

static void wait_for(int fence)
{
	struct pollfd fds = { .fd = fence, .events = POLLIN };

	igt_assert_fd(fence);
	igt_assert_eq(poll(&fds, 1, 1000 * 1000), 1);
	close(fence);
}

static void test_dumb_dma(void)
{
	uint32_t data[WORDS], handle;
	struct dumb dumb;

	dumb_open(&dumb, card);
	handle = take(dumb.fd);
	dumb_fill(&dumb, OLD);
	igt_assert_eq(importer_read(importer, handle, data, BYTES), 0);
	igt_assert(holds(data, OLD));
	fill(data, NEW);
	igt_assert_eq(importer_write(importer, handle, data, BYTES), 0);
	igt_assert(dumb_holds(&dumb, NEW));
	importer_drop(importer, handle);
	dumb_close(&dumb);
}

/* By way of the BAR: what arrives at the end has been in it. */
static void test_dma(const struct exporter *exporter)
{
	uint32_t bar, from, to;
	struct dumb first, last;
	int fd;

	fd = export_usable(exporter);
	dumb_open(&first, card);
	dumb_open(&last, card);
	bar = take(fd);
	from = take(first.fd);
	to = take(last.fd);
	dumb_fill(&first, NEW);
	dumb_fill(&last, OLD);
	wait_for(importer_transfer(importer, from, bar, BYTES));
	wait_for(importer_transfer(importer, bar, to, BYTES));
	igt_assert(dumb_holds(&last, NEW));
	importer_drop(importer, to);
	importer_drop(importer, from);
	importer_drop(importer, bar);
	dumb_close(&last);
	dumb_close(&first);
	close(fd);
}

static bool is_ready(int fd)
{
	struct pollfd fds = { .fd = fd, .events = POLLIN };

	return poll(&fds, 1, 0) == 1;
}

static uint32_t close_gate(const struct dumb *dumb)
{
	struct drm_vgem_fence_attach args = {
		.handle = dumb->handle,
		.flags = VGEM_FENCE_WRITE,
	};

	igt_assert_eq(drmIoctl(dumb->drm, DRM_IOCTL_VGEM_FENCE_ATTACH, &args), 0);
	return args.out_fence;
}

static void open_gate(const struct dumb *dumb, uint32_t fence)
{
	struct drm_vgem_fence_signal args = { .fence = fence };

	igt_assert_eq(drmIoctl(dumb->drm, DRM_IOCTL_VGEM_FENCE_SIGNAL, &args), 0);
}

/*
 * vgem's fence delays the transfer, whose own fence is seen in the driver's buffer. The
 * contents are changed meanwhile, past DMA_BUF_IOCTL_SYNC, which would wait, too.
 */
static void test_fence_order(void)
{
	int vgem = __drm_open_driver(DRIVER_VGEM);
	uint32_t from, to, gate;
	struct dumb first, last;
	int fence;

	igt_require_f(vgem >= 0, "needs vgem\n");
	dumb_open(&first, vgem);
	dumb_open(&last, card);
	dumb_fill(&first, OLD);
	from = take(first.fd);
	to = take(last.fd);
	gate = close_gate(&first);
	fence = importer_transfer(importer, from, to, BYTES);
	igt_assert_fd(fence);
	sleep(1);
	igt_assert(!is_ready(fence));
	igt_assert(!is_ready(last.fd));
	fill(first.cpu, NEW);
	__sync_synchronize();
	open_gate(&first, gate);
	wait_for(fence);
	igt_assert(is_ready(last.fd));
	igt_assert(dumb_holds(&last, NEW));
	importer_drop(importer, to);
	importer_drop(importer, from);
	dumb_close(&last);
	dumb_close(&first);
	drm_close_driver(vgem);
}

/* Closing */

enum {
	HANDLE,
	BUFFER,
	SOURCE,
	FILE_OF_DRM,
	NR_THINGS,
};

struct things {
	const struct exporter *exporter;
	int drm;
	int fd;
	uint32_t handle;
};

static void close_thing(struct things *things, unsigned int which)
{
	if (which == HANDLE && things->handle && things->drm >= 0) {
		igt_assert_eq(drmCloseBufferHandle(things->drm, things->handle), 0);
	} else if (which == BUFFER) {
		close(things->fd);
	} else if (which == SOURCE) {
		things->exporter->close(&source);
	} else if (which == FILE_OF_DRM) {
		close(things->drm);
		things->drm = -1;
	}
}

static void close_in_order(const struct exporter *exporter, const unsigned int *order)
{
	struct things things = { .exporter = exporter };
	unsigned int i;

	things.fd = export_usable(exporter);
	things.drm = reopen(card);
	/* Refused is as good: then there is no handle to close. */
	import(things.drm, things.fd, &things.handle);
	for (i = 0; i < NR_THINGS; i++)
		close_thing(&things, order[i]);
	igt_assert_eq(exporter->open(&source), 0);
}

/* All 24 orders, by number. */
static void nth_order(unsigned int number, unsigned int *order)
{
	unsigned int left[NR_THINGS] = { HANDLE, BUFFER, SOURCE, FILE_OF_DRM };
	unsigned int i, pick;

	for (i = 0; i < NR_THINGS; i++) {
		pick = number % (NR_THINGS - i);
		number /= NR_THINGS - i;
		order[i] = left[pick];
		left[pick] = left[NR_THINGS - i - 1];
	}
}

static void test_close_orders(const struct exporter *exporter)
{
	unsigned int order[NR_THINGS], number;

	for (number = 0; number < 24; number++) {
		nth_order(number, order);
		close_in_order(exporter, order);
	}
}

static const struct {
	const char *name;
	const char *what;
	void (*test)(const struct exporter *exporter);
	bool moves_data;
} tests[] = {
	{ "import", "One handle for one DMABUF.", test_import, false },
	{ "refusal", "A refusal leaves nothing behind.", test_refusal, false },
	{ "revoke", "Nobody imports what is revoked.", test_revoke, false },
	{ "restore", "Access comes back.", test_restore, false },
	{ "dma", "DRM buffer to BAR to DRM buffer.", test_dma, true },
	{ "close-orders", "Handle, DMABUF, both devices, in all orders.",
	  test_close_orders, false },
	{ }
};

static void subtests_of(const struct exporter *exporter)
{
	static unsigned int i;

	igt_fixture() {
		int ret = exporter->open(&source);

		igt_require_f(!ret, "no function of %s: %s\n", exporter->name,
			      strerror(-ret));
	}

	for (i = 0; tests[i].name; i++) {
		igt_describe(tests[i].what);
		igt_subtest_f("%s-%s", exporter->name, tests[i].name) {
			igt_require_f(!tests[i].moves_data || importer >= 0,
				      "no function of p2pbuf_importer\n");
			tests[i].test(exporter);
		}
	}

	igt_fixture()
		exporter->close(&source);
}

int igt_main()
{
	igt_fixture() {
		card = drm_open_driver(DRIVER_ANY | DRIVER_VIRTIO | DRIVER_VGEM);
		importer = importer_open();
	}

	/* The first is useful without p2pbuf. */
	igt_subtest_group()
		subtests_of(&vfio_exporter);

	igt_subtest_group()
		subtests_of(&p2pbuf_exporter);

	igt_subtest_group() {
		igt_fixture()
			igt_require_f(importer >= 0, "no function of p2pbuf_importer\n");

		igt_describe("The driver's own buffer by another device's DMA.");
		igt_subtest("dumb-dma")
			test_dumb_dma();

		igt_describe("Other devices' fences are obeyed, and seen in the driver's buffer.");
		igt_subtest("fence-order")
			test_fence_order();
	}

	igt_fixture() {
		close(importer);
		drm_close_driver(card);
	}
}
