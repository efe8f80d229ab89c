// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-pci's DMABUFs beside ours: the same function, the same importer, the same tests,
 * by the scatterlist that any importer gets.
 *
 * Where a kernel's vfio-pci is known to be wrong the test says "finding:" and passes;
 * it fails if vfio-pci is wrong in another way. Ours has to be right.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "foreign.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define finding(text, ...) \
	ksft_print_msg("finding: vfio-pci: " text "\n", ##__VA_ARGS__)

#define LINEAR		(16 * PAGE)
#define MAX_RANGES	3
#define SMALL_MASK	28

static const struct p2pbuf_range one = { 3 * PAGE, 4 * PAGE };

/* Not in order, and no two touch. */
static const struct p2pbuf_range several[MAX_RANGES] = {
	{ 5 * PAGE, PAGE }, { 2 * PAGE, PAGE }, { 9 * PAGE, 3 * PAGE },
};

FIXTURE(bar)
{
	struct vfio vfio;
	int exporter;
	int importer;
	int test;
	int fd;
	uint32_t handle;
	bool small_mask;
	uint8_t *linear;	/* the start of the BAR as the CPU sees it */
};

FIXTURE_VARIANT(bar)
{
	bool vfio;
};

FIXTURE_VARIANT_ADD(bar, vfio_pci)
{
	.vfio = true,
};

FIXTURE_VARIANT_ADD(bar, p2pbuf)
{
	.vfio = false,
};

static int open_test(void)
{
	int fd;

	if (run_shell("modprobe p2pbuf_test"))
		return -ENOENT;
	fd = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int rebind(const char *driver)
{
	unbind_driver(exporter_bdf());
	return bind_driver(exporter_bdf(), driver);
}

static int open_exporting(FIXTURE_DATA(bar) *self, bool vfio)
{
	int ret;

	if (!vfio) {
		self->exporter = open_exporter();
		return self->exporter < 0 ? self->exporter : 0;
	}
	ret = rebind("vfio-pci");
	if (!ret)
		ret = vfio_open(&self->vfio, exporter_bdf());
	if (ret)
		rebind("p2pbuf_exporter");
	return ret;
}

static int export_bar(FIXTURE_DATA(bar) *self, const struct p2pbuf_range *ranges,
		      unsigned int nr)
{
	if (self->exporter < 0)
		return vfio_export(&self->vfio, TEST_BAR, ranges, nr);
	return export_ranges(self->exporter, TEST_BAR, ranges, nr, O_RDWR | O_CLOEXEC);
}

static void *map_linear(FIXTURE_DATA(bar) *self)
{
	void *map;
	int fd;

	if (self->exporter < 0)
		return vfio_map_bar(&self->vfio, TEST_BAR, LINEAR);
	fd = export_simple(self->exporter, 0, LINEAR);
	map = mmap(NULL, LINEAR, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return map;
}

FIXTURE_SETUP(bar)
{
	int ret;

	self->vfio = (struct vfio){ -1, -1, -1 };
	self->exporter = -1;
	self->importer = -1;
	self->test = -1;
	self->fd = -1;
	self->linear = MAP_FAILED;
	if (variant->vfio && !has_iommu_group(exporter_bdf()))
		SKIP(return, "vfio-pci needs an IOMMU group");

	self->test = open_test();
	ASSERT_GE(self->test, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	ret = open_exporting(self, variant->vfio);
	if (variant->vfio && ret == -EPERM)
		SKIP(return, "the importer is in the same IOMMU group");
	ASSERT_EQ(0, ret);
	self->linear = map_linear(self);
	ASSERT_NE(MAP_FAILED, self->linear);
}

FIXTURE_TEARDOWN(bar)
{
	if (self->linear != MAP_FAILED)
		munmap(self->linear, LINEAR);
	close(self->fd);
	close(self->importer);
	close(self->test);
	close(self->exporter);
	vfio_close(&self->vfio);
	if (self->small_mask)
		EXPECT_EQ(0, reload_importer(64));
	if (variant->vfio && has_iommu_group(exporter_bdf()))
		EXPECT_EQ(0, rebind("p2pbuf_exporter"));
}

static int import_bar(FIXTURE_DATA(bar) *self, const struct p2pbuf_range *ranges,
		      unsigned int nr)
{
	self->fd = export_bar(self, ranges, nr);
	if (self->fd < 0)
		return self->fd;
	return import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_SGT,
			     P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &self->handle);
}

static int map_bar_ranges(FIXTURE_DATA(bar) *self, const struct p2pbuf_range *ranges,
			  unsigned int nr)
{
	int ret = import_bar(self, ranges, nr);

	return ret ? ret : map_handle(self->importer, self->handle);
}

/* Every byte leads to its range of the BAR, by the route there is. */
static void check_places(struct __test_metadata *_metadata, FIXTURE_DATA(bar) *self,
			 const struct p2pbuf_range *ranges, unsigned int nr)
{
	struct p2pbuf_place places[MAX_RANGES + 1];
	struct p2pbuf_verdict verdict;
	uint64_t end = 0;
	unsigned int i;

	ASSERT_EQ(0, verdict_of(self->importer, self->handle, &verdict));
	EXPECT_EQ(P2PBUF_VERDICT_PEER_TO_PEER, verdict.kind);
	ASSERT_EQ(nr, audit_handle(self->importer, self->handle, &end, places,
				   ARRAY_SIZE(places)));
	for (i = 0; i < nr; i++) {
		EXPECT_EQ(expected_route(), places[i].via);
		EXPECT_EQ(bdf_number(exporter_bdf()), places[i].bdf);
		EXPECT_EQ(TEST_BAR, places[i].bar);
		EXPECT_EQ(ranges[i].offset, places[i].offset);
		EXPECT_EQ(ranges[i].length, places[i].length);
	}
}

/* The buffer's contents out of the BAR's, or back. */
static uint64_t gather(const struct p2pbuf_range *ranges, unsigned int nr,
		       const uint8_t *bar, uint8_t *buffer)
{
	uint64_t at = 0;
	unsigned int i;

	for (i = 0; i < nr; at += ranges[i++].length)
		memcpy(buffer + at, bar + ranges[i].offset, ranges[i].length);
	return at;
}

static void scatter(const struct p2pbuf_range *ranges, unsigned int nr, uint8_t *bar,
		    const uint8_t *buffer)
{
	unsigned int i;

	for (i = 0; i < nr; buffer += ranges[i++].length)
		memcpy(bar + ranges[i].offset, buffer, ranges[i].length);
}

/* All of the buffer both ways, and what lies between its ranges stays as it was. */
static void check_data(struct __test_metadata *_metadata, FIXTURE_DATA(bar) *self,
		       const struct p2pbuf_range *ranges, unsigned int nr)
{
	static uint8_t bar[LINEAR], buffer[LINEAR], data[LINEAR];
	uint64_t size;

	if (!data_arrives())
		return;
	pattern_fill(bar, LINEAR, 1, 0);
	memcpy(self->linear, bar, LINEAR);
	size = gather(ranges, nr, bar, buffer);
	ASSERT_EQ(0, read_buffer(self->importer, self->handle, 0, data, size));
	EXPECT_EQ(0, memcmp(data, buffer, size));

	pattern_fill(data, size, 2, 0);
	scatter(ranges, nr, bar, data);
	ASSERT_EQ(0, write_buffer(self->importer, self->handle, 0, data, size));
	EXPECT_EQ(0, memcmp(self->linear, bar, LINEAR));
}

TEST_F_TIMEOUT(bar, one_range, GUEST_TIMEOUT)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");

	ASSERT_EQ(0, map_bar_ranges(self, &one, 1));
	check_places(_metadata, self, &one, 1);
	check_data(_metadata, self, &one, 1);
	EXPECT_EQ(0, unmap_handle(self->importer, self->handle));
}

/*
 * Linux 7.2: dma_buf_phys_vec_to_sgt() links each range at IOVA offset 0. Most IOMMU
 * drivers refuse the second; virtio-iommu hears too late that its device did.
 */
static bool ranges_collide(FIXTURE_DATA(bar) *self, int ret)
{
	struct p2pbuf_verdict verdict;

	if (ret == -EADDRINUSE) {
		finding("several ranges are not mapped for an IOMMU (EADDRINUSE)");
		return true;
	}
	if (ret || verdict_of(self->importer, self->handle, &verdict) ||
	    verdict.kind != P2PBUF_VERDICT_UNMAPPED)
		return false;
	finding("several ranges are mapped wrongly, and map does not fail");
	return true;
}

TEST_F_TIMEOUT(bar, several_ranges, GUEST_TIMEOUT)
{
	int ret;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");

	ret = map_bar_ranges(self, several, ARRAY_SIZE(several));
	if (variant->vfio && expected_route() == P2PBUF_ROUTE_IOVA &&
	    ranges_collide(self, ret))
		return;
	ASSERT_EQ(0, ret);
	check_places(_metadata, self, several, ARRAY_SIZE(several));
	check_data(_metadata, self, several, ARRAY_SIZE(several));
	EXPECT_EQ(0, unmap_handle(self->importer, self->handle));
}

static int map_times(FIXTURE_DATA(bar) *self, unsigned int repeat, bool *quarantine)
{
	struct p2pbuf_test_sgt args = { .fd = self->fd, .repeat = repeat };

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	if (ioctl(self->test, P2PBUF_TEST_SGT, &args))
		return -errno;
	*quarantine = args.quarantine;
	return args.result;
}

/*
 * Linux 7.2: dma_buf_free_sgt() frees no entry, because orig_nents is 0. The
 * one entry is 32 bytes, so 100,000 maps leave 3,125 KiB, and nothing else in the guest
 * comes near half of that.
 */
TEST_F_TIMEOUT(bar, unmap_leaks_nothing, GUEST_TIMEOUT)
{
	long before, grown;
	bool quarantine;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");

	self->fd = export_bar(self, &one, 1);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, map_times(self, 1000, &quarantine));
	if (quarantine)
		SKIP(return, "KASAN keeps freed memory");
	before = unreclaimable_kib();
	ASSERT_GT(before, 0);
	ASSERT_EQ(0, map_times(self, 100000, &quarantine));
	grown = unreclaimable_kib() - before;

	TH_LOG("%ld KiB more after 100,000 maps", grown);
	if (variant->vfio && grown > 2600 && grown < 3700)
		finding("each unmap leaks a scatterlist (%ld KiB in 100,000)", grown);
	else
		EXPECT_LT(grown, 1500);
}

/* Only one who lets access be taken away, and does peer-to-peer, is served. */
static const bool revocable[] = {
	[P2PBUF_FLOW_REVOCABLE] = true,
	[P2PBUF_FLOW_MOVABLE] = true,
	[P2PBUF_FLOW_PINNED] = false,
	[P2PBUF_FLOW_PINNED_REVOCABLE] = true,
	[P2PBUF_FLOW_STATIC] = false,
};

TEST_F(bar, flows)
{
	unsigned int flow;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");

	self->fd = export_bar(self, &one, 1);
	ASSERT_GE(self->fd, 0);
	for (flow = 0; flow < ARRAY_SIZE(revocable); flow++) {
		EXPECT_EQ(revocable[flow] ? P2PBUF_VERDICT_PEER_TO_PEER : -EOPNOTSUPP,
			  verdict_by_flow(self->importer, self->fd, flow, 0))
			TH_LOG("flow %u", flow);
		EXPECT_EQ(-EOPNOTSUPP, verdict_by_flow(self->importer, self->fd, flow,
						       P2PBUF_IMPORT_NO_PEER2PEER))
			TH_LOG("flow %u", flow);
	}
}

/* Ours says it first, and says why. */
TEST_F(bar, no_route)
{
	int ret;

	if (expected_route() != P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is reachable");

	ret = import_bar(self, &one, 1);
	if (!variant->vfio) {
		EXPECT_EQ(-EREMOTEIO, ret);
		return;
	}
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-EINVAL, map_handle(self->importer, self->handle));
}

/* Of bus addresses nobody but the exporter can see that they are out of reach. */
TEST_F(bar, small_mask)
{
	uint64_t start, size;
	int ret;

	ASSERT_EQ(0, bar_resource(TEST_BAR, &start, &size));
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	if (start < 1UL << SMALL_MASK)
		SKIP(return, "the BAR is below the mask");
	if (variant->vfio && expected_route() == P2PBUF_ROUTE_HOST_BRIDGE)
		SKIP(return, "ends in a WARNING of dma_map_phys(), then ENOMEM");

	close(self->importer);
	self->small_mask = true;
	ASSERT_EQ(0, reload_importer(SMALL_MASK));
	self->importer = open_importer();
	if (self->importer == -ENOENT && mask_is_refused(SMALL_MASK))
		SKIP(return, NO_ZONE);
	ASSERT_GE(self->importer, 0);

	ret = map_bar_ranges(self, &one, 1);
	if (expected_route() == P2PBUF_ROUTE_IOVA) {
		ASSERT_EQ(0, ret);
		check_data(_metadata, self, &one, 1);
	} else if (variant->vfio && !ret) {
		check_places(_metadata, self, &one, 1);
		finding("gives out bus addresses above the importer's DMA mask");
	} else {
		EXPECT_EQ(-ERANGE, ret);
	}
}

static int read_byte(FIXTURE_DATA(bar) *self)
{
	uint8_t byte;

	return read_buffer(self->importer, self->handle, 0, &byte, 1);
}

static void check_revoked(struct __test_metadata *_metadata, FIXTURE_DATA(bar) *self)
{
	struct p2pbuf_query query;

	EXPECT_EQ(-ESTALE, read_byte(self));
	ASSERT_EQ(0, query_handle(self->importer, self->handle, &query, NULL, 0));
	EXPECT_EQ(P2PBUF_STATE_STALE, query.state);
	EXPECT_EQ(-ENODEV, map_handle(self->importer, self->handle));
}

/* The last user of the function leaves, or its driver does. */
TEST_F(bar, end_revokes)
{
	uint32_t handle;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, map_bar_ranges(self, &one, 1));
	memset(self->linear, 0x11, LINEAR);
	ASSERT_EQ(0, read_byte(self));

	munmap(self->linear, LINEAR);
	self->linear = MAP_FAILED;
	if (variant->vfio)
		vfio_close(&self->vfio);
	else
		ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	check_revoked(_metadata, self);
	EXPECT_EQ(-ENODEV, import_buffer(self->importer, self->fd,
					 P2PBUF_INTERCONNECT_SGT, P2PBUF_ACCESS_READ,
					 &handle));
	if (!variant->vfio)
		EXPECT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
}

/* The DMABUF comes back with memory decoding. */
TEST_F(bar, decoding_off_revokes)
{
	if (!variant->vfio)
		SKIP(return, "not by way of p2pbuf_exporter");
	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, map_bar_ranges(self, &one, 1));
	memset(self->linear, 0x22, LINEAR);
	ASSERT_EQ(0, read_byte(self));
	ASSERT_EQ(0, vfio_set_memory_decoding(&self->vfio, false));
	check_revoked(_metadata, self);

	ASSERT_EQ(0, vfio_set_memory_decoding(&self->vfio, true));
	EXPECT_EQ(-ESTALE, read_byte(self));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	check_data(_metadata, self, &one, 1);
}

TEST_F(bar, reset_revokes)
{
	if (!variant->vfio)
		SKIP(return, "not by way of p2pbuf_exporter");
	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, map_bar_ranges(self, &one, 1));
	memset(self->linear, 0x33, LINEAR);
	ASSERT_EQ(0, read_byte(self));
	ASSERT_EQ(0, vfio_reset(&self->vfio));
	EXPECT_EQ(-ESTALE, read_byte(self));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	check_data(_metadata, self, &one, 1);
}

/* Copy maps anew by itself as soon as the exporter lets it. */
TEST_F(bar, movable)
{
	if (!variant->vfio)
		SKIP(return, "not by way of p2pbuf_exporter");
	if (!data_arrives())
		SKIP(return, NO_DATA);

	self->fd = export_bar(self, &one, 1);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, import_flow(self->importer, self->fd, P2PBUF_INTERCONNECT_SGT,
				 P2PBUF_FLOW_MOVABLE, 0, &self->handle));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, vfio_reset(&self->vfio));
	check_data(_metadata, self, &one, 1);

	ASSERT_EQ(0, vfio_set_memory_decoding(&self->vfio, false));
	EXPECT_EQ(-ENODEV, read_byte(self));
	ASSERT_EQ(0, vfio_set_memory_decoding(&self->vfio, true));
	check_data(_metadata, self, &one, 1);
}

/*
 * Another function's container, with the DMABUF's CPU mapping as its memory: VFIO would keep
 * the addresses for that function's DMA past a revoke.
 */
TEST(mapping_is_not_taken)
{
	struct vfio_iommu_type1_dma_map dma = {
		.argsz = sizeof(dma),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = 1UL << 30,
		.size = LINEAR,
	};
	int exporter, fd, ret;
	struct vfio vfio;
	void *map;

	if (!has_iommu_group(importer_bdf()))
		SKIP(return, "vfio-pci needs an IOMMU group");
	ASSERT_EQ(0, bind_both());
	exporter = open_exporter();
	ASSERT_GE(exporter, 0);
	fd = export_simple(exporter, 0, LINEAR);
	map = mmap(NULL, LINEAR, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	memset(map, 0x31, LINEAR);

	unbind_driver(importer_bdf());
	ASSERT_EQ(0, bind_driver(importer_bdf(), "vfio-pci"));
	ret = vfio_open(&vfio, importer_bdf());
	if (!ret) {
		dma.vaddr = (uintptr_t)map;
		EXPECT_EQ(-1, ioctl(vfio.container, VFIO_IOMMU_MAP_DMA, &dma));
		EXPECT_EQ(EFAULT, errno);
		vfio_close(&vfio);
	}
	munmap(map, LINEAR);
	close(fd);
	close(exporter);
	unbind_driver(importer_bdf());
	EXPECT_EQ(0, bind_both());
	if (ret == -EPERM)
		SKIP(return, "the exporter is in the same IOMMU group");
	EXPECT_EQ(0, ret);
}

TEST_HARNESS_MAIN
