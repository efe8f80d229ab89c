// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other drivers' DMABUFs of RAM, data by real DMA, the CPU's side by the exporter's own
 * mmap() between DMA_BUF_IOCTL_SYNC calls.
 *
 * Where DMA has to be bounced, data gets lost with exporters that map with
 * DMA_ATTR_SKIP_CPU_SYNC: the test says "finding:" and passes if exactly that is lost
 * which is known to be.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include <kselftest_harness.h>

#include "foreign.h"

#define SIZE		(8 * PAGE)
#define LONG		(1024 * PAGE)
#define SMALL_MASK	32

/* What arrived of what was written, by whom and when. */
enum {
	CPU_BEFORE_MAP		= 1 << 0,
	CPU_WHILE_MAPPED	= 1 << 1,
	DEVICE_WHILE_MAPPED	= 1 << 2,
	DEVICE_AFTER_UNMAP	= 1 << 3,
	ALL			= (1 << 4) - 1,
};

FIXTURE(ram)
{
	int importer;
	int fd;
	uint32_t handle;
	uint8_t *cpu;
	bool small_mask;
	bool sync_bounced;	/* the exporter maps for a device of its own */
	bool map_bounced;
};

FIXTURE_VARIANT(ram)
{
	const char *exporter;
	bool syncs;		/* bounce buffers, for the devices it mapped for */
};

FIXTURE_VARIANT_ADD(ram, udmabuf)
{
	.exporter = "udmabuf",
};

FIXTURE_VARIANT_ADD(ram, system_heap)
{
	.exporter = "system",
	.syncs = true,
};

FIXTURE_VARIANT_ADD(ram, vgem)
{
	.exporter = "vgem",
};

FIXTURE_VARIANT_ADD(ram, bochs)
{
	.exporter = "bochs-drm",
};

FIXTURE_VARIANT_ADD(ram, virtio_gpu)
{
	.exporter = "virtio_gpu",
};

FIXTURE_SETUP(ram)
{
	void *cpu;

	self->fd = export_ram(variant->exporter, SIZE, &cpu);
	if (self->fd == -ENOENT)
		SKIP(return, "no %s in this guest", variant->exporter);
	ASSERT_GE(self->fd, 0);
	ASSERT_NE(MAP_FAILED, cpu);
	self->cpu = cpu;
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
}

FIXTURE_TEARDOWN(ram)
{
	munmap(self->cpu, SIZE);
	close(self->fd);
	close(self->importer);
	if (self->small_mask)
		EXPECT_EQ(0, reload_importer(64));
}

/* 2 KiB slots of the bounce buffer that are in use. */
static long slots_used(void)
{
	char text[32];

	if (read_file("/sys/kernel/debug/swiotlb/io_tlb_used", text, sizeof(text)) < 0)
		return 0;
	return atol(text);
}

static int cpu_fill(FIXTURE_DATA(ram) *self, unsigned int seed)
{
	int ret = sync_cpu(self->fd, DMA_BUF_SYNC_START);

	if (ret)
		return ret;
	pattern_fill(self->cpu, SIZE, seed, 0);
	return sync_cpu(self->fd, DMA_BUF_SYNC_END);
}

static bool cpu_sees(FIXTURE_DATA(ram) *self, unsigned int seed)
{
	size_t where;
	bool match;

	if (sync_cpu(self->fd, DMA_BUF_SYNC_START))
		return false;
	match = !pattern_check(self->cpu, SIZE, seed, 0, &where);
	return !sync_cpu(self->fd, DMA_BUF_SYNC_END) && match;
}

static bool device_sees(FIXTURE_DATA(ram) *self, unsigned int seed)
{
	uint8_t data[SIZE];
	size_t where;

	return !read_buffer(self->importer, self->handle, 0, data, SIZE) &&
	       !pattern_check(data, SIZE, seed, 0, &where);
}

/* 0 says that it is where the device reads it again, not that the CPU sees it. */
static int device_fill(FIXTURE_DATA(ram) *self, unsigned int seed)
{
	uint8_t data[SIZE];

	pattern_fill(data, SIZE, seed, 0);
	return write_buffer(self->importer, self->handle, 0, data, SIZE);
}

static void fill_and_map(struct __test_metadata *_metadata, FIXTURE_DATA(ram) *self)
{
	struct p2pbuf_verdict verdict;
	long before;

	before = slots_used();
	ASSERT_EQ(0, cpu_fill(self, 1));
	self->sync_bounced = slots_used() > before;
	ASSERT_EQ(0, import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_SGT,
				   P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE,
				   &self->handle));
	before = slots_used();
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	self->map_bounced = slots_used() > before;
	ASSERT_EQ(0, verdict_of(self->importer, self->handle, &verdict));
	EXPECT_EQ(P2PBUF_VERDICT_RAM, verdict.kind);
	EXPECT_EQ(SIZE, verdict.ram_bytes);
}

static unsigned int move_data(struct __test_metadata *_metadata, FIXTURE_DATA(ram) *self)
{
	unsigned int arrived = 0;

	if (device_sees(self, 1))
		arrived |= CPU_BEFORE_MAP;
	EXPECT_EQ(0, cpu_fill(self, 2));
	if (device_sees(self, 2))
		arrived |= CPU_WHILE_MAPPED;
	EXPECT_EQ(0, device_fill(self, 3));
	if (cpu_sees(self, 3))
		arrived |= DEVICE_WHILE_MAPPED;
	EXPECT_EQ(0, device_fill(self, 4));
	EXPECT_EQ(0, unmap_handle(self->importer, self->handle));
	if (cpu_sees(self, 4))
		arrived |= DEVICE_AFTER_UNMAP;
	return arrived;
}

/*
 * Bounced for the importer: it sees what was there at map, and nothing goes back. Bounced
 * for the exporter's own device only (udmabuf): each sync puts back what the CPU wrote.
 */
static void check_data(struct __test_metadata *_metadata, FIXTURE_DATA(ram) *self,
		       const char *exporter, bool syncs)
{
	unsigned int arrived, known = ALL;

	fill_and_map(_metadata, self);
	arrived = move_data(_metadata, self);
	if (arrived == ALL)
		return;

	if (!syncs && self->map_bounced)
		known = CPU_BEFORE_MAP;
	else if (!syncs && self->sync_bounced)
		known = CPU_BEFORE_MAP | CPU_WHILE_MAPPED;
	ASSERT_EQ(known, arrived);
	ksft_print_msg("finding: %s: bounced%s, and the device's writes are lost%s\n",
		       exporter, self->map_bounced ? "" : " by its own sync",
		       arrived & CPU_WHILE_MAPPED ? "" : ", the CPU's since map too");
}

TEST_F_TIMEOUT(ram, both_ways, GUEST_TIMEOUT)
{
	check_data(_metadata, self, variant->exporter, variant->syncs);
}

/* RAM stays where it is, so that every importer is served. */
TEST_F(ram, flows)
{
	unsigned int flow;

	for (flow = P2PBUF_FLOW_REVOCABLE; flow <= P2PBUF_FLOW_STATIC; flow++) {
		EXPECT_EQ(P2PBUF_VERDICT_RAM,
			  verdict_by_flow(self->importer, self->fd, flow, 0))
			TH_LOG("flow %u", flow);
		EXPECT_EQ(P2PBUF_VERDICT_RAM,
			  verdict_by_flow(self->importer, self->fd, flow,
					  P2PBUF_IMPORT_NO_PEER2PEER))
			TH_LOG("flow %u", flow);
	}
}

/* Memory above 4 GiB is used first. */
TEST_F_TIMEOUT(ram, small_mask, GUEST_TIMEOUT)
{
	if (sysconf(_SC_PHYS_PAGES) * PAGE <= 1UL << SMALL_MASK)
		SKIP(return, "a guest of 4 GiB or less: the mask reaches all");

	close(self->importer);
	self->small_mask = true;
	ASSERT_EQ(0, reload_importer(SMALL_MASK));
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	check_data(_metadata, self, variant->exporter, variant->syncs);
	if (!translates())
		EXPECT_TRUE(self->map_bounced);
}

/*
 * A device says which lengths it takes (dma_set_max_seg_size()): without that 64 KiB, and DMA-API
 * debugging warns of what is longer, as the heap's pages are.
 */
TEST(long_entries)
{
	char cmdline[4096] = "";
	struct p2pbuf_query query;
	int fd, importer;
	uint32_t handle;
	void *cpu;

	read_file("/proc/cmdline", cmdline, sizeof(cmdline));
	if (strstr(cmdline, "swiotlb=force"))
		SKIP(return, "too long to be bounced");
	fd = export_ram("system", LONG, &cpu);
	if (fd == -ENOENT)
		SKIP(return, "no system DMA heap in this guest");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bind_both());
	importer = open_importer();
	ASSERT_LE(0, importer);
	ASSERT_EQ(0, import_buffer(importer, fd, P2PBUF_INTERCONNECT_SGT, P2PBUF_ACCESS_READ,
				   &handle));
	ASSERT_EQ(0, map_handle(importer, handle));
	ASSERT_EQ(0, query_handle(importer, handle, &query, NULL, 0));
	if (translates())
		EXPECT_EQ(1, query.nr_segments);
	EXPECT_EQ(0, release_handle(importer, handle));
	close(importer);
	munmap(cpu, LONG);
	close(fd);
}

TEST_HARNESS_MAIN
