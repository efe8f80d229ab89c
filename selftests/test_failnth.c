// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call fails at its first allocation or access to user memory, at its second, and
 * so on, until it succeeds untouched. A call that fails says so by a documented error,
 * changes nothing, and succeeds when it is repeated.
 *
 * The kernel's own checks do the rest: this makes the error paths run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "failnth.h"
#include "footprint.h"
#include "kselftest_harness.h"
#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define NR_PAGES	4U
#define SIZE		(NR_PAGES * PAGE)
/* More than any call allocates. */
#define MAX_NTH		5000
#define MAX_ERRORS	4

/* Over all tests, which are processes of their own. */
static struct total {
	unsigned int calls;
	unsigned int injected;
} *total;

/* A large buffer: more than what IOVA caches keep, and most of it in small leaves. */
#define MIB		(1024 * 1024UL)
#define LARGE		(16 * MIB)

static const struct p2pbuf_range small[NR_PAGES] = {
	{ 5 * PAGE, PAGE }, { 2 * PAGE, PAGE }, { 9 * PAGE, PAGE }, { 0, PAGE },
};

static const struct p2pbuf_range large[] = {
	{ 5 * PAGE, PAGE }, { LARGE, LARGE - PAGE }, { 3 * PAGE, PAGE },
};

/* No two of them can be merged, and no slab holds them. */
#define NR_MANY		4096U
static struct p2pbuf_range many[NR_MANY];

/**
 * struct scene - what one call finds
 * @exporter: node, or -1
 * @importer: likewise
 * @fd: DMABUF, or -1
 * @handle: its import, or 0
 * @made: what the call made: a descriptor, or -1
 * @map: where the DMABUF is mapped for the CPU, or MAP_FAILED
 */
struct scene {
	int exporter;
	int importer;
	int fd;
	uint32_t handle;
	int made;
	uint8_t *map;
};

/* How far the scene is set before the call. */
enum stage { BARE, OPEN, EXPORTED, IMPORTED, MAPPED };

enum source { SMALL, BIG, RAM };

/* Small IOVAs come from a cache, and their page tables are there already. */
enum allocates { MAYBE, HOST_BRIDGE, ALWAYS };

/**
 * struct subject - a call to be failed
 * @stage: what it needs
 * @source: DMABUF of four pages, a large one, or a page of another exporter's RAM
 * @interconnect: of the import
 * @flow: likewise
 * @flags: likewise
 * @prepare: the rest of what it needs
 * @call: 0 or more, or -errno
 * @undo: what the end of the scene does not undo
 * @errors: besides ENOMEM and EFAULT; of binding, those of the PCI core
 * @below: kernel function without which nothing fails; NULL: all that is called
 * @allocates: whether it is certain to allocate memory
 * @hidden: the failure is retried by somebody, or is none to the caller
 */
struct subject {
	enum stage stage;
	enum source source;
	enum p2pbuf_interconnect interconnect;
	enum p2pbuf_flow flow;
	unsigned int flags;
	int (*prepare)(struct scene *scene);
	int (*call)(struct scene *scene);
	int (*undo)(struct scene *scene);
	int errors[MAX_ERRORS];
	const char *below;
	enum allocates allocates;
	bool hidden;
};

/*
 * The scene
 */

static int export_source(const struct scene *scene, enum source source)
{
	struct p2pbuf_test_export page = {};
	int test, ret;

	switch (source) {
	case SMALL:
		return export_ranges(scene->exporter, TEST_BAR, small, NR_PAGES,
				     O_RDWR | O_CLOEXEC);
	case BIG:
		return export_ranges(scene->exporter, TEST_BAR, large, ARRAY_SIZE(large),
				     O_RDWR | O_CLOEXEC);
	case RAM:
		test = open_test_module();
		ret = ioctl(test, P2PBUF_TEST_EXPORT, &page) ? -errno : page.fd;
		close(test);
		return ret;
	}
	return -EINVAL;
}

static int import(struct scene *scene, const struct subject *subject)
{
	return import_flow(scene->importer, scene->fd, subject->interconnect,
			   subject->flow, subject->flags, &scene->handle);
}

static int begin(struct scene *scene, const struct subject *subject)
{
	int ret = 0;

	*scene = (struct scene){
		.exporter = -1, .importer = -1, .fd = -1, .made = -1, .map = MAP_FAILED,
	};
	if (subject->stage >= OPEN) {
		scene->exporter = open_exporter();
		scene->importer = open_importer();
	}
	if (subject->stage >= EXPORTED) {
		scene->fd = export_source(scene, subject->source);
		ret = scene->fd;
	}
	if (subject->stage >= IMPORTED && ret >= 0)
		ret = import(scene, subject);
	if (subject->stage >= MAPPED && !ret)
		ret = map_handle(scene->importer, scene->handle);
	if (subject->prepare && ret >= 0)
		ret = subject->prepare(scene);
	return ret;
}

static int memory_off(struct scene *scene)
{
	return set_memory(scene->exporter, false);
}

static int memory_on(struct scene *scene)
{
	return set_memory(scene->exporter, true);
}

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int end(struct scene *scene, const struct subject *subject)
{
	int ret = 0;

	if (subject->undo)
		ret = subject->undo(scene);
	/* A mapping that is counted and does not exist would be waited for without end. */
	if (scene->exporter >= 0)
		ret = memory_off(scene) ?: memory_on(scene) ?: ret;
	if (scene->map != MAP_FAILED)
		munmap(scene->map, SIZE);
	close_if(scene->made);
	close_if(scene->fd);
	close_if(scene->importer);
	close_if(scene->exporter);
	return ret;
}

/*
 * The calls, in memory and with strings that are there before anything fails
 */

static uint8_t data[PAGE];

static int call_open_exporter(struct scene *scene)
{
	return scene->made = open_exporter();
}

static int call_open_importer(struct scene *scene)
{
	return scene->made = open_importer();
}

static int call_region_info(struct scene *scene)
{
	struct p2pbuf_region_info info;

	return region_info(scene->exporter, TEST_BAR, &info);
}

static int call_route(struct scene *scene)
{
	struct p2pbuf_route_info info;

	return ask_route(scene->exporter, bdf_number(importer_bdf()), &info);
}

static int call_export(struct scene *scene)
{
	return scene->made = export_source(scene, SMALL);
}

static int call_export_many(struct scene *scene)
{
	return scene->made = export_ranges(scene->exporter, TEST_BAR, many, NR_MANY,
					   O_RDWR | O_CLOEXEC);
}

static int call_reset(struct scene *scene)
{
	return reset_exporter(scene->exporter);
}

static int call_revoke(struct scene *scene)
{
	return revoke_buffer(scene->exporter, scene->fd);
}

/* With nothing near it, so that a fault needs page tables. */
#define ALONE	((void *)(1UL << 45))

static int call_mmap(struct scene *scene)
{
	scene->map = mmap(ALONE, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, scene->fd, 0);
	return scene->map == MAP_FAILED ? -errno : 0;
}

/* A fault without memory is repeated until there is some. */
static int call_touch(struct scene *scene)
{
	(void)*(volatile uint8_t *)scene->map;
	return 0;
}

static int import_as(struct scene *scene, enum p2pbuf_interconnect interconnect,
		     enum p2pbuf_flow flow)
{
	return import_flow(scene->importer, scene->fd, interconnect, flow, 0,
			   &scene->handle);
}

static int call_import_revocable(struct scene *scene)
{
	return import_as(scene, P2PBUF_INTERCONNECT_PHYS, P2PBUF_FLOW_REVOCABLE);
}

static int call_import_movable(struct scene *scene)
{
	return import_as(scene, P2PBUF_INTERCONNECT_SGT, P2PBUF_FLOW_MOVABLE);
}

static int call_import_pinned(struct scene *scene)
{
	return import_as(scene, P2PBUF_INTERCONNECT_SGT, P2PBUF_FLOW_PINNED);
}

static int call_import_pinned_revocable(struct scene *scene)
{
	return import_as(scene, P2PBUF_INTERCONNECT_PHYS, P2PBUF_FLOW_PINNED_REVOCABLE);
}

static int call_import_static(struct scene *scene)
{
	return import_as(scene, P2PBUF_INTERCONNECT_SGT, P2PBUF_FLOW_STATIC);
}

static int call_map(struct scene *scene)
{
	return map_handle(scene->importer, scene->handle);
}

static int call_unmap(struct scene *scene)
{
	return unmap_handle(scene->importer, scene->handle);
}

static int call_release(struct scene *scene)
{
	int ret = release_handle(scene->importer, scene->handle);

	if (!ret)
		scene->handle = 0;
	return ret;
}

static int call_query(struct scene *scene)
{
	struct p2pbuf_segment segs[NR_PAGES];
	struct p2pbuf_query query;

	return query_handle(scene->importer, scene->handle, &query, segs, NR_PAGES);
}

static int call_read(struct scene *scene)
{
	struct p2pbuf_copy copy;

	return copy_buffer(scene->importer, scene->handle, 0, PAGE, data, PAGE, &copy);
}

static int call_write(struct scene *scene)
{
	struct p2pbuf_copy copy;

	return copy_buffer(scene->importer, scene->handle,
			   P2PBUF_COPY_TO_BUFFER | P2PBUF_COPY_NO_READBACK, PAGE, data,
			   PAGE, &copy);
}

/* The user's memory is the DMABUF itself, and its page is not there yet. */
static int call_read_to_mmap(struct scene *scene)
{
	struct p2pbuf_copy copy;

	return copy_buffer(scene->importer, scene->handle, 0, PAGE, scene->map, PAGE, &copy);
}

static int call_transfer(struct scene *scene)
{
	struct p2pbuf_transfer args = {
		.src = scene->handle, .dst = scene->handle, .dst_offset = 2 * PAGE,
		.length = PAGE, .flags = P2PBUF_COPY_NO_READBACK,
	};

	if (!ioctl(scene->importer, P2PBUF_IOCTL_TRANSFER, &args))
		return scene->made = args.fence_fd;
	/* The descriptor may have been told already, and is taken back. */
	return errno == EFAULT || !args.fence_fd ? -errno : -ENOTRECOVERABLE;
}

static int end_transfer(struct scene *scene)
{
	int ret = wait_fence(scene->made);

	scene->made = -1;
	return ret < 0 ? ret : 0;
}

/* A transfer whose mapping goes may be over before it has started. */
static int forget_transfer(struct scene *scene)
{
	wait_fence(scene->made);
	scene->made = -1;
	return 0;
}

static int call_audit(struct scene *scene)
{
	struct p2pbuf_place places[NR_PAGES];
	uint64_t offset = 0;

	return audit_handle(scene->importer, scene->handle, &offset, places, NR_PAGES);
}

static int call_verdict(struct scene *scene)
{
	struct p2pbuf_verdict verdict;

	return verdict_of(scene->importer, scene->handle, &verdict);
}

static int call_poll(struct scene *scene)
{
	struct pollfd fds[] = {
		{ .fd = scene->importer, .events = POLLPRI },
		{ .fd = scene->fd, .events = POLLIN | POLLOUT },
	};
	int ret = poll(fds, ARRAY_SIZE(fds), 0);

	return ret < 0 ? -errno : ret;
}

static int prepare_epoll(struct scene *scene)
{
	return scene->made = epoll_create1(EPOLL_CLOEXEC);
}

static int call_epoll(struct scene *scene)
{
	struct epoll_event event = { .events = EPOLLPRI };

	return epoll_ctl(scene->made, EPOLL_CTL_ADD, scene->importer, &event) ? -errno : 0;
}

/* As an exporter that moves it; the unmap is a work item. */
static int prepare_move(struct scene *scene)
{
	struct p2pbuf_query query;
	int ret = move_buffer(scene->fd, -1);

	do {
		ret = ret ?: query_handle(scene->importer, scene->handle, &query, NULL, 0);
	} while (!ret && query.nr_segments);
	return ret;
}

/* Drivers come and go */

static int bind_by_name(const char *driver, const char *bdf)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	return write_file(path, "%s", bdf);
}

static int unbind_exporter(struct scene *scene)
{
	(void)scene;
	return unbind_driver(exporter_bdf());
}

static int bind_exporter(struct scene *scene)
{
	(void)scene;
	return bind_by_name(EXPORTER, exporter_bdf());
}

static int unbind_importer(struct scene *scene)
{
	(void)scene;
	return unbind_driver(importer_bdf());
}

static int bind_importer(struct scene *scene)
{
	(void)scene;
	return bind_by_name(IMPORTER, importer_bdf());
}

static int unload(const char *module)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? -errno : 0;
}

static int open_module(struct scene *scene, const char *module)
{
	struct utsname host;
	char path[512];
	int ret;

	ret = unload(module);
	if (ret)
		return ret;
	uname(&host);
	snprintf(path, sizeof(path), "/lib/modules/%s/%s.ko", host.release, module);
	scene->made = open(path, O_RDONLY | O_CLOEXEC);
	return scene->made < 0 ? -errno : 0;
}

static int load(struct scene *scene, const char *options)
{
	return syscall(SYS_finit_module, scene->made, options, 0) ? -errno : 0;
}

static int unload_exporter(struct scene *scene)
{
	return open_module(scene, EXPORTER);
}

static int load_exporter(struct scene *scene)
{
	return load(scene, "");
}

static int override_importer(const char *driver)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
		 importer_bdf());
	return write_file(path, "%s\n", driver);
}

/* Its probe is failed elsewhere. */
static int unload_importer(struct scene *scene)
{
	return open_module(scene, IMPORTER) ?: override_importer("none");
}

static int load_importer(struct scene *scene)
{
	return load(scene, "dma_bits=64");
}

/*
 * A driver that was loaded without memory for its probe is there, and not bound; and
 * perhaps without its file to bind by.
 */
static int probe(const char *bdf)
{
	return write_file("/sys/bus/pci/drivers_probe", "%s", bdf);
}

static int rebind(struct scene *scene)
{
	int ret = 0;

	(void)scene;
	if (!is_bound(EXPORTER, exporter_bdf()))
		ret = probe(exporter_bdf());
	if (!ret && !is_bound(IMPORTER, importer_bdf()))
		ret = override_importer("") ?: probe(importer_bdf());
	return ret;
}

/*
 * The sweep
 */

static bool is_documented(const struct subject *subject, int error)
{
	int i;

	for (i = 0; i < MAX_ERRORS; i++)
		if (subject->errors[i] && error == -subject->errors[i])
			return true;
	return error == -ENOMEM || error == -EFAULT;
}

/**
 * struct sweep - all failures of one call
 * @fail: this task's
 * @rest: what is held before and after each scene
 * @nth: which one fails now
 * @done: it did not: the call was left alone
 * @calls: so far
 * @failed: of these, how many returned an error
 */
struct sweep {
	struct fail_nth fail;
	long rest[NR_HELD];
	unsigned int nth;
	bool done;
	unsigned int calls;
	unsigned int failed;
};

/* NULL, or what is wrong. */
static const char *fail_call(struct sweep *sweep, const struct subject *subject,
			     struct scene *scene)
{
	long before[NR_HELD], after[NR_HELD];
	static char text[128];
	const char *changed;
	int ret;

	look(before, scene->importer, scene->handle);
	if (fail_nth_arm(&sweep->fail, sweep->nth))
		return "fail-nth cannot be set";
	ret = subject->call(scene);
	sweep->done = !fail_nth_disarm(&sweep->fail);
	sweep->calls++;
	total->calls++;

	if (ret >= 0)
		return NULL;
	sweep->failed++;
	if (sweep->done || !is_documented(subject, ret)) {
		snprintf(text, sizeof(text), "%s with error %d",
			 sweep->done ? "untouched" : "failed", ret);
		return text;
	}
	look(after, scene->importer, scene->handle);
	changed = difference(before, after);
	/* What is mapped anew stays mapped. */
	if (changed && subject->flow != P2PBUF_FLOW_MOVABLE)
		return changed;
	ret = subject->call(scene);
	if (ret >= 0)
		return NULL;
	snprintf(text, sizeof(text), "repeated with error %d", ret);
	return text;
}

static const char *fail_once(struct sweep *sweep, const struct subject *subject)
{
	const char *wrong = NULL, *changed;
	struct scene scene;
	long after[NR_HELD];

	if (begin(&scene, subject) < 0)
		wrong = "no scene";
	else
		wrong = fail_call(sweep, subject, &scene);
	if (end(&scene, subject) && !wrong)
		wrong = "could not be undone";
	look(after, -1, 0);
	changed = difference(sweep->rest, after);
	return wrong ?: changed;
}

/* Untouched, which also loads what is loaded once. */
static int rehearse(const struct subject *subject)
{
	struct scene scene;
	int ret;

	ret = begin(&scene, subject);
	if (ret >= 0)
		ret = subject->call(&scene);
	return end(&scene, subject) ?: ret;
}

static bool is_to_allocate(const struct subject *subject)
{
	return subject->allocates == ALWAYS ||
	       (subject->allocates == HOST_BRIDGE &&
		expected_route() == P2PBUF_ROUTE_HOST_BRIDGE);
}

static void sweep_all(struct __test_metadata *_metadata, const struct subject *subject)
{
	unsigned int before[NR_INJECTORS], after[NR_INJECTORS];
	unsigned int i, sum = 0, memory;
	struct sweep sweep = {};
	const char *wrong;

	ASSERT_LE(0, rehearse(subject));
	ASSERT_EQ(0, fail_nth_open(&sweep.fail));
	look(sweep.rest, -1, 0);
	ASSERT_EQ(0, inject_below(subject->below));
	ASSERT_EQ(0, count_injected(before));

	for (sweep.nth = 1; !sweep.done; sweep.nth++) {
		ASSERT_GT(MAX_NTH, sweep.nth);
		wrong = fail_once(&sweep, subject);
		EXPECT_EQ(NULL, wrong) {
			TH_LOG("failure %u: %s", sweep.nth, wrong);
		}
		if (wrong)
			break;
	}

	ASSERT_EQ(0, count_injected(after));
	ASSERT_EQ(0, inject_below(NULL));
	fail_nth_close(&sweep.fail);
	for (i = 0; i < NR_INJECTORS; i++) {
		after[i] -= before[i];
		sum += after[i];
	}
	total->injected += sum;
	memory = after[INJECT_SLAB] + after[INJECT_PAGE];
	TH_LOG("%u slab, %u page, %u usercopy: %u of %u calls failed", after[INJECT_SLAB],
	       after[INJECT_PAGE], after[INJECT_USERCOPY], sweep.failed, sweep.calls);

	if (wrong)
		return;
	/* All but the last were failed. */
	EXPECT_EQ(sweep.calls - 1 + sweep.fail.strays, sum);
	if (is_to_allocate(subject))
		EXPECT_LT(0, memory);
	if (!subject->hidden)
		EXPECT_LT(0, sweep.failed);
}

FIXTURE(call)
{
};

FIXTURE_VARIANT(call)
{
	struct subject subject;
};

FIXTURE_VARIANT_ADD(call, open_exporter) {
	.subject = { .call = call_open_exporter, .allocates = ALWAYS },
};

FIXTURE_VARIANT_ADD(call, open_importer) {
	.subject = { .call = call_open_importer, .allocates = ALWAYS },
};

FIXTURE_VARIANT_ADD(call, region_info) {
	.subject = { .stage = OPEN, .call = call_region_info },
};

FIXTURE_VARIANT_ADD(call, route) {
	.subject = { .stage = OPEN, .call = call_route },
};

FIXTURE_VARIANT_ADD(call, export) {
	.subject = { .stage = OPEN, .call = call_export, .allocates = ALWAYS },
};

FIXTURE_VARIANT_ADD(call, export_many) {
	.subject = { .stage = OPEN, .call = call_export_many, .allocates = ALWAYS },
};

FIXTURE_VARIANT_ADD(call, reset) {
	.subject = { .stage = MAPPED, .call = call_reset },
};

FIXTURE_VARIANT_ADD(call, memory_off) {
	.subject = { .stage = MAPPED, .call = memory_off, .undo = memory_on },
};

FIXTURE_VARIANT_ADD(call, memory_on) {
	.subject = { .stage = IMPORTED, .prepare = memory_off, .call = memory_on },
};

FIXTURE_VARIANT_ADD(call, revoke) {
	.subject = { .stage = MAPPED, .call = call_revoke },
};

FIXTURE_VARIANT_ADD(call, revoke_in_flight) {
	.subject = {
		.stage = MAPPED, .prepare = call_transfer, .call = call_revoke,
		.undo = forget_transfer,
	},
};

FIXTURE_VARIANT_ADD(call, mmap) {
	.subject = { .stage = EXPORTED, .call = call_mmap, .allocates = ALWAYS },
};

FIXTURE_VARIANT_ADD(call, touch) {
	.subject = {
		.stage = EXPORTED, .prepare = call_mmap, .call = call_touch,
		.allocates = ALWAYS, .hidden = true,
	},
};

FIXTURE_VARIANT_ADD(call, import_revocable) {
	.subject = {
		.stage = EXPORTED, .call = call_import_revocable, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, import_movable) {
	.subject = {
		.stage = EXPORTED, .call = call_import_movable, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, import_pinned_revocable) {
	.subject = {
		.stage = EXPORTED, .call = call_import_pinned_revocable,
		.allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, import_pinned_ram) {
	.subject = {
		.stage = EXPORTED, .source = RAM, .call = call_import_pinned,
		.allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, import_static_ram) {
	.subject = {
		.stage = EXPORTED, .source = RAM, .call = call_import_static,
		.allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, map_phys) {
	.subject = {
		.stage = IMPORTED, .interconnect = P2PBUF_INTERCONNECT_PHYS,
		.call = call_map, .allocates = HOST_BRIDGE,
	},
};

FIXTURE_VARIANT_ADD(call, map_sgt) {
	.subject = {
		.stage = IMPORTED, .interconnect = P2PBUF_INTERCONNECT_SGT,
		.call = call_map, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, map_pinned_ram) {
	.subject = {
		.stage = IMPORTED, .source = RAM, .flow = P2PBUF_FLOW_PINNED,
		.call = call_map, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, map_static_ram) {
	.subject = {
		.stage = IMPORTED, .source = RAM, .flow = P2PBUF_FLOW_STATIC,
		.call = call_map, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, unmap_phys) {
	.subject = {
		.stage = MAPPED, .interconnect = P2PBUF_INTERCONNECT_PHYS,
		.call = call_unmap,
	},
};

FIXTURE_VARIANT_ADD(call, unmap_sgt) {
	.subject = {
		.stage = MAPPED, .interconnect = P2PBUF_INTERCONNECT_SGT,
		.call = call_unmap,
	},
};

FIXTURE_VARIANT_ADD(call, release) {
	.subject = { .stage = MAPPED, .call = call_release },
};

FIXTURE_VARIANT_ADD(call, query) {
	.subject = { .stage = MAPPED, .call = call_query, .allocates = ALWAYS },
};

FIXTURE_VARIANT_ADD(call, audit) {
	.subject = { .stage = MAPPED, .call = call_audit, .allocates = ALWAYS },
};

FIXTURE_VARIANT_ADD(call, verdict) {
	.subject = { .stage = MAPPED, .call = call_verdict },
};

FIXTURE_VARIANT_ADD(call, poll) {
	.subject = { .stage = IMPORTED, .call = call_poll },
};

FIXTURE_VARIANT_ADD(call, epoll) {
	.subject = {
		.stage = IMPORTED, .prepare = prepare_epoll, .call = call_epoll,
		.allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, read) {
	.subject = { .stage = MAPPED, .call = call_read, .allocates = ALWAYS },
};

FIXTURE_VARIANT_ADD(call, write) {
	.subject = { .stage = MAPPED, .call = call_write, .allocates = ALWAYS },
};

FIXTURE_VARIANT_ADD(call, read_to_mmap) {
	.subject = {
		.stage = MAPPED, .prepare = call_mmap, .call = call_read_to_mmap,
		.allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, read_moved) {
	.subject = {
		.stage = MAPPED, .flow = P2PBUF_FLOW_MOVABLE,
		.interconnect = P2PBUF_INTERCONNECT_SGT, .prepare = prepare_move,
		.call = call_read, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, transfer) {
	.subject = {
		.stage = MAPPED, .call = call_transfer, .undo = end_transfer,
		.allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(call, transfer_moved) {
	.subject = {
		.stage = MAPPED, .flow = P2PBUF_FLOW_MOVABLE,
		.interconnect = P2PBUF_INTERCONNECT_PHYS, .prepare = prepare_move,
		.call = call_transfer, .undo = end_transfer, .allocates = ALWAYS,
	},
};

FIXTURE_SETUP(call)
{
	unsigned int i;

	for (i = 0; i < NR_MANY; i++)
		many[i] = (struct p2pbuf_range){ 2 * i * PAGE, PAGE };
}

FIXTURE_TEARDOWN(call)
{
}

TEST_F_TIMEOUT(call, sweep, GUEST_TIMEOUT)
{
	sweep_all(_metadata, &variant->subject);
}

/*
 * A function that is enabled already is not routed by ACPI when its driver binds: ACPICA
 * (Linux 7.3) uses freed memory after an allocation of its own has failed.
 */
static int keep_enabled(const char *driver, const char *bdf, bool on)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", bdf);
	return unbind_driver(bdf) ?: write_file(path, "%d", on) ?: bind_by_name(driver, bdf);
}

FIXTURE(driver)
{
};

FIXTURE_VARIANT(driver)
{
	struct subject subject;
};

FIXTURE_VARIANT_ADD(driver, bind_exporter) {
	.subject = {
		.prepare = unbind_exporter, .call = bind_exporter, .undo = rebind,
		.errors = { EBUSY }, .allocates = ALWAYS,
	},
};

/*
 * The importer's probe step by step, but for its interrupt handler: /proc/irq (Linux 7.3)
 * warns when it removes a file that it had no memory to create.
 */

FIXTURE_VARIANT_ADD(driver, bind_importer_action) {
	.subject = {
		.prepare = unbind_importer, .call = bind_importer, .undo = rebind,
		.below = "__devm_add_action", .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(driver, bind_importer_registers) {
	.subject = {
		.prepare = unbind_importer, .call = bind_importer, .undo = rebind,
		.below = "pcim_iomap_region", .allocates = ALWAYS,
		.errors = { EBUSY, EINVAL },
	},
};

FIXTURE_VARIANT_ADD(driver, bind_importer_memory) {
	.subject = {
		.prepare = unbind_importer, .call = bind_importer, .undo = rebind,
		.below = "dmam_alloc_attrs", .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(driver, bind_importer_vector) {
	.subject = {
		.prepare = unbind_importer, .call = bind_importer, .undo = rebind,
		.below = "__pci_enable_msi_range", .allocates = ALWAYS,
		.errors = { EINVAL, ENODEV, ENOSPC },
	},
};

FIXTURE_VARIANT_ADD(driver, bind_importer_name) {
	.subject = {
		.prepare = unbind_importer, .call = bind_importer, .undo = rebind,
		.below = "devm_kvasprintf", .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(driver, bind_importer_node) {
	.subject = {
		.prepare = unbind_importer, .call = bind_importer, .undo = rebind,
		.below = "misc_register", .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(driver, unbind_exporter) {
	.subject = {
		.call = unbind_exporter, .undo = rebind, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(driver, unbind_importer) {
	.subject = {
		.call = unbind_importer, .undo = rebind, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(driver, load_exporter) {
	.subject = {
		.prepare = unload_exporter, .call = load_exporter, .undo = rebind,
		.below = "do_one_initcall", .errors = { EINVAL }, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(driver, load_importer) {
	.subject = {
		.prepare = unload_importer, .call = load_importer, .undo = rebind,
		.below = "do_one_initcall", .errors = { EINVAL }, .allocates = ALWAYS,
	},
};

FIXTURE_SETUP(driver)
{
	ASSERT_EQ(0, keep_enabled(EXPORTER, exporter_bdf(), true));
	ASSERT_EQ(0, keep_enabled(IMPORTER, importer_bdf(), true));
}

FIXTURE_TEARDOWN(driver)
{
	EXPECT_EQ(0, keep_enabled(EXPORTER, exporter_bdf(), false));
	EXPECT_EQ(0, keep_enabled(IMPORTER, importer_bdf(), false));
}

TEST_F_TIMEOUT(driver, sweep, GUEST_TIMEOUT)
{
	sweep_all(_metadata, &variant->subject);
}

/*
 * IOVAs that a failure does not give back are missed where there are few: below a mask
 * that leaves room for some large buffers.
 */

#define FEW_BITS	28
#define DMA_BITS	64
#define MAX_LARGE	16U

static const struct subject large_import = {
	.stage = IMPORTED,
	.source = BIG,
};

/* How many fit at once, or -errno. */
static int count_large(void)
{
	struct scene scene;
	int nr = 0, ret;

	ret = begin(&scene, &large_import);
	while (!ret && nr < MAX_LARGE) {
		ret = map_handle(scene.importer, scene.handle);
		if (ret)
			break;
		nr++;
		ret = import(&scene, &large_import);
	}
	end(&scene, &large_import);
	return !ret || ret == -ENOMEM ? nr : ret;
}

FIXTURE(space)
{
};

FIXTURE_VARIANT(space)
{
	struct subject subject;
};

FIXTURE_VARIANT_ADD(space, map_phys)
{
	.subject = {
		.stage = IMPORTED, .source = BIG, .call = call_map,
		.interconnect = P2PBUF_INTERCONNECT_PHYS, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(space, map_aligned)
{
	.subject = {
		.stage = IMPORTED, .source = BIG, .call = call_map,
		.interconnect = P2PBUF_INTERCONNECT_PHYS, .flags = P2PBUF_IMPORT_ALIGNED,
		.allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(space, map_sgt)
{
	.subject = {
		.stage = IMPORTED, .source = BIG, .call = call_map,
		.interconnect = P2PBUF_INTERCONNECT_SGT, .allocates = ALWAYS,
	},
};

FIXTURE_VARIANT_ADD(space, read_moved)
{
	.subject = {
		.stage = MAPPED, .source = BIG, .call = call_read,
		.interconnect = P2PBUF_INTERCONNECT_PHYS, .flow = P2PBUF_FLOW_MOVABLE,
		.prepare = prepare_move, .allocates = ALWAYS,
	},
};

FIXTURE_SETUP(space)
{
	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");
	ASSERT_EQ(0, reload_importer(FEW_BITS));
}

FIXTURE_TEARDOWN(space)
{
	EXPECT_EQ(0, reload_importer(DMA_BITS));
}

TEST_F_TIMEOUT(space, is_given_back, GUEST_TIMEOUT)
{
	int before = count_large();

	EXPECT_LT(0, before);
	EXPECT_GT(MAX_LARGE, before);
	sweep_all(_metadata, &variant->subject);
	EXPECT_EQ(before, count_large());
}

/* The harness exits; its tests, which are processes of their own, leave without this. */
static void report(void)
{
	printf("failnth: %u calls, %u injected failures\n", total->calls, total->injected);
}

int main(int argc, char **argv)
{
	int ret;

	if (!injectors_present())
		ksft_exit_skip("the kernel cannot inject failures\n");
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		ksft_exit_skip("no route between the two functions here\n");

	ret = prepare_injectors();
	if (ret)
		ksft_exit_fail_msg("failures cannot be injected: %d\n", ret);
	run_shell("modprobe p2pbuf_test");
	total = mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	atexit(report);
	return test_harness_run(argc, argv);
}
