// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device reaches through a mapping when the driver does not behave: DMA that
 * arrives after the unmap, and writes through a mapping for reads. An engine of which
 * the importer knows nothing shows it by the memory, which changes or does not.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define BEFORE		0x11
#define DURING		0x22
#define AFTER		0x33

/* Between what is done and the late write. */
#define LEAD_MS		4
/* Of the guest's time; a recovery takes long to begin. */
#define MAX_LEAD_MS	4000
/* In seconds: the kernel's logs of faults are limited to ten in so many. */
#define LOG_INTERVAL	6

FIXTURE(access)
{
	int exporter;
	int importer;
	int test;
	int fd;
	uint8_t *memory;	/* what the DMABUF covers, as the CPU sees it */
};

static int open_memory(FIXTURE_DATA(access) *self)
{
	self->exporter = open_exporter();
	if (self->exporter < 0)
		return self->exporter;
	self->fd = export_simple(self->exporter, 0, PAGE);
	if (self->fd < 0)
		return self->fd;
	self->memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	return self->memory == MAP_FAILED ? -errno : 0;
}

static void close_memory(FIXTURE_DATA(access) *self)
{
	munmap(self->memory, PAGE);
	close(self->fd);
	close(self->exporter);
}

FIXTURE_SETUP(access)
{
	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "without translation only the device itself can be stopped");

	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	ASSERT_EQ(0, open_memory(self));
	memset(self->memory, BEFORE, PAGE);
}

FIXTURE_TEARDOWN(access)
{
	close_memory(self);
	close(self->importer);
	close(self->test);
}

static unsigned int count_bytes(const uint8_t *memory, uint8_t byte)
{
	unsigned int i, count = 0;

	for (i = 0; i < PAGE; i++)
		count += memory[i] == byte;
	return count;
}

static int import_and_map(FIXTURE_DATA(access) *self, int fd, unsigned int interconnect,
			  unsigned int access, uint32_t *handle, uint64_t *addr)
{
	struct p2pbuf_segment seg;
	struct p2pbuf_query query;
	int ret;

	ret = import_buffer(self->importer, fd, interconnect, access, handle);
	if (!ret)
		ret = map_handle(self->importer, *handle);
	if (!ret)
		ret = query_handle(self->importer, *handle, &query, &seg, 1);
	if (!ret)
		*addr = seg.addr;
	return ret;
}

/* A whole write proves the mapping and puts the translation into the IOTLB. */
static int write_once(FIXTURE_DATA(access) *self, uint64_t addr)
{
	int ret;

	memset(self->memory, BEFORE, PAGE);
	ret = engine_write(self->test, addr, DURING, PAGE);
	return ret || count_bytes(self->memory, DURING) == PAGE ? ret : -EIO;
}

/*
 * A write, and another that is about to arrive, @lead_ms later. In lazy mode the kernel
 * flushes what is queued within 10 ms, so the data have to arrive sooner after the unmap
 * than that.
 */
static int write_and_start_another(FIXTURE_DATA(access) *self, uint64_t addr,
				   unsigned int lead_ms)
{
	int ret;

	ret = write_once(self, addr);
	if (!ret)
		ret = engine_start(self->test, addr, AFTER, PAGE);
	usleep((ENGINE_MS - lead_ms) * 1000);
	return ret;
}

static void check_late_write(struct __test_metadata *_metadata,
			     FIXTURE_DATA(access) *self, unsigned int interconnect)
{
	uint32_t handle;
	uint64_t addr;

	ASSERT_EQ(0, import_and_map(self, self->fd, interconnect,
				    P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &handle,
				    &addr));
	ASSERT_EQ(0, write_and_start_another(self, addr, LEAD_MS));
	ASSERT_EQ(0, unmap_handle(self->importer, handle));
	if (!engine_wait(self->test))
		SKIP(return, "the write arrived before the unmap was done");
	EXPECT_EQ(PAGE, count_bytes(self->memory, DURING));
}

TEST_F(access, late_write_phys)
{
	check_late_write(_metadata, self, P2PBUF_INTERCONNECT_PHYS);
}

TEST_F(access, late_write_sgt)
{
	check_late_write(_metadata, self, P2PBUF_INTERCONNECT_SGT);
}

/* The kernel logs it, and takes the flush for done. */
static bool flush_was_refused(void)
{
	return !run_shell("dmesg | tail -n 20 | grep -q 'Invalidation Queue Error'");
}

/* More than one page-selective command of VT-d may cover (MAMV). */
#define LARGE		(4UL * 1024 * 1024 * 1024)

TEST_F(access, late_write_large)
{
	uint32_t handle;
	uint64_t addr;

	if (bar_size(self->exporter, TEST_BAR) < LARGE)
		SKIP(return, "this BAR has less");
	close(self->fd);
	self->fd = export_simple(self->exporter, 0, LARGE);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, import_and_map(self, self->fd, P2PBUF_INTERCONNECT_PHYS,
				    P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &handle,
				    &addr));
	ASSERT_EQ(0, write_and_start_another(self, addr, LEAD_MS));
	ASSERT_EQ(0, unmap_handle(self->importer, handle));
	if (!engine_wait(self->test))
		SKIP(return, "the write arrived before the unmap was done");
	if (count_bytes(self->memory, AFTER) == PAGE && flush_was_refused())
		SKIP(return, "finding: the IOMMU refused the flush, DMA reached the memory");
	EXPECT_EQ(PAGE, count_bytes(self->memory, DURING));
}

/* The control: nothing but the unmap keeps it away. */
TEST_F(access, late_write_control)
{
	uint32_t handle;
	uint64_t addr;

	ASSERT_EQ(0, import_and_map(self, self->fd, P2PBUF_INTERCONNECT_PHYS,
				    P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &handle,
				    &addr));
	ASSERT_EQ(0, write_and_start_another(self, addr, LEAD_MS));
	ASSERT_EQ(1, engine_wait(self->test));
	EXPECT_EQ(PAGE, count_bytes(self->memory, AFTER));
}

/* What the kernel's own dma_iova_destroy() does is reported; it is not ours to pass. */
TEST_F(access, finding_dma_iova_destroy)
{
	struct p2pbuf_test_strategy_map args = {
		.fd = self->fd,
		.strategy = P2PBUF_TEST_DESTROY,
	};
	struct utsname kernel;
	unsigned int arrived;

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_STRATEGY_MAP, &args));
	ASSERT_EQ(0, args.result);
	ASSERT_EQ(0, write_and_start_another(self, args.first, LEAD_MS));
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_STRATEGY_UNMAP));
	if (!engine_wait(self->test))
		SKIP(return, "the write arrived before the unmap was done");

	arrived = count_bytes(self->memory, AFTER);
	EXPECT_EQ(PAGE, arrived + count_bytes(self->memory, DURING));
	uname(&kernel);
	ksft_print_msg("finding: %s: after dma_iova_destroy() DMA reached %s\n",
		       kernel.release, arrived ? "the memory" : "nothing");
}

/* Through a mapping for device reads, cold and with the translation in the IOTLB. */
static void check_read_only(struct __test_metadata *_metadata,
			    FIXTURE_DATA(access) *self, unsigned int interconnect)
{
	struct p2pbuf_range range = { 0, PAGE };
	uint32_t handle;
	uint64_t addr;
	int fd;

	fd = export_ranges(self->exporter, TEST_BAR, &range, 1, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, import_and_map(self, fd, interconnect, P2PBUF_ACCESS_READ, &handle,
				    &addr));
	close(fd);
	ASSERT_EQ(0, engine_write(self->test, addr, AFTER, PAGE));
	EXPECT_EQ(PAGE, count_bytes(self->memory, BEFORE));
	EXPECT_EQ(PAGE, engine_read(self->test, addr, AFTER, PAGE));
	EXPECT_EQ(0, engine_read(self->test, addr, BEFORE, PAGE));
	ASSERT_EQ(0, engine_write(self->test, addr, AFTER, PAGE));
	EXPECT_EQ(PAGE, count_bytes(self->memory, BEFORE));
	EXPECT_EQ(0, release_handle(self->importer, handle));

	ASSERT_EQ(0, import_and_map(self, self->fd, interconnect,
				    P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &handle,
				    &addr));
	ASSERT_EQ(0, engine_write(self->test, addr, AFTER, PAGE));
	EXPECT_EQ(PAGE, count_bytes(self->memory, AFTER));
}

TEST_F(access, read_only_phys)
{
	check_read_only(_metadata, self, P2PBUF_INTERCONNECT_PHYS);
}

TEST_F(access, read_only_sgt)
{
	check_read_only(_metadata, self, P2PBUF_INTERCONNECT_SGT);
}

/*
 * What happens to the exporter's function: DMA from before it and DMA from after it.
 */

/* @frozen: nothing runs until access has gone, so that none can begin just before. */
struct event {
	const char *name;
	int (*happen)(int exporter);
	bool frozen;
};

static const struct event events[] = {
	{ "reset by ioctl", reset_by_ioctl, false },
	{ "reset by sysfs", reset_by_sysfs, false },
	{ "memory off and on", memory_off_and_on, false },
	{ "suspend and resume", suspend_and_resume, false },
	{ "hibernate and resume", hibernate_and_resume, true },
	{ "error and recovery", error_and_recovery, false },
	{ "unbind and bind", unbind_and_bind, false },
	{ "remove and rescan", remove_and_rescan, false },
};

/* An event in a thread of its own. */
struct happening {
	const struct event *event;
	int exporter;
	int ret;
};

static void *happen(void *arg)
{
	struct happening *happening = arg;

	happening->ret = happening->event->happen(happening->exporter);
	return NULL;
}

/* Let the event happen, and a write arrive @lead_ms after its beginning. */
static int happen_and_write(FIXTURE_DATA(access) *self, const struct event *event,
			    uint64_t addr, unsigned int lead_ms)
{
	struct happening happening = { .event = event, .exporter = self->exporter };
	pthread_t thread;
	int ret;

	if (lead_ms < ENGINE_MS)
		return write_and_start_another(self, addr, lead_ms) ?:
		       event->happen(self->exporter);
	ret = write_once(self, addr);
	if (ret)
		return ret;
	if (pthread_create(&thread, NULL, happen, &happening))
		return -EAGAIN;
	usleep((lead_ms - ENGINE_MS) * 1000);
	ret = engine_start(self->test, addr, AFTER, PAGE);
	pthread_join(thread, NULL);
	return ret ?: happening.ret;
}

/*
 * Map, let the event happen, and a write arrive @lead_ms after it began, or later. The
 * memory is looked at through a new DMABUF, since the old one may be gone for good.
 */
static int write_into_event(FIXTURE_DATA(access) *self, unsigned int interconnect,
			    const struct event *event, unsigned int lead_ms,
			    uint64_t *addr)
{
	uint32_t handle;
	int ret;

	ret = import_and_map(self, self->fd, interconnect,
			     P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &handle, addr);
	if (!ret)
		ret = happen_and_write(self, event, *addr, lead_ms);
	if (!ret)
		ret = engine_wait(self->test) < 0 ? -EIO : 0;
	close_memory(self);
	return ret ? ret : open_memory(self);
}

/*
 * How long it takes from the call to the moment when access goes is the event's affair;
 * so the write comes later and later until it is too late. It is never so much later that
 * it could have begun when access was gone.
 */
static void check_event(struct __test_metadata *_metadata, FIXTURE_DATA(access) *self,
			unsigned int interconnect, const struct event *event)
{
	unsigned int lead_ms;
	uint64_t addr;
	int faults;

	for (lead_ms = LEAD_MS; lead_ms < MAX_LEAD_MS;
	     lead_ms += lead_ms < ENGINE_MS / 2 ? lead_ms : ENGINE_MS / 2) {
		ASSERT_EQ(0, write_into_event(self, interconnect, event, lead_ms, &addr));
		if (event->frozen || count_bytes(self->memory, AFTER) != PAGE)
			break;
	}
	EXPECT_EQ(PAGE, count_bytes(self->memory, event->frozen ? AFTER : DURING)) {
		TH_LOG("%s: a write from before it arrived", event->name);
	}

	memset(self->memory, DURING, PAGE);
	sleep(LOG_INTERVAL);
	faults = count_faults(addr);
	ASSERT_EQ(0, engine_write(self->test, addr, AFTER, PAGE));
	EXPECT_EQ(PAGE, count_bytes(self->memory, DURING)) {
		TH_LOG("%s: a write from after it arrived", event->name);
	}
	if (faults_are_logged())
		EXPECT_EQ(faults + 1, count_faults(addr));
}

static void check_events(struct __test_metadata *_metadata, FIXTURE_DATA(access) *self,
			 unsigned int interconnect)
{
	unsigned int i;
	char port[16];

	if (!common_port(port, sizeof(port)))
		SKIP(return, "the functions share a bus, which is not reset for one");

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		/* Its driver does not set the device up again (drivers/iommu, 7.3.4). */
		if (iommu_is("virtio") && (events[i].happen == suspend_and_resume ||
					   events[i].happen == hibernate_and_resume))
			continue;
		if (events[i].happen == hibernate_and_resume && !can_hibernate())
			continue;
		check_event(_metadata, self, interconnect, &events[i]);
	}
}

TEST_F_TIMEOUT(access, events_phys, GUEST_TIMEOUT)
{
	check_events(_metadata, self, P2PBUF_INTERCONNECT_PHYS);
}

TEST_F_TIMEOUT(access, events_sgt, GUEST_TIMEOUT)
{
	check_events(_metadata, self, P2PBUF_INTERCONNECT_SGT);
}

TEST_HARNESS_MAIN
