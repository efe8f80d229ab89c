// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSI-X table and its pending bits are not exported, and what lies beside them is.
 * QEMU's nvme has both in BAR 0 behind its registers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define NVME_VENDOR	0x1b36
#define NVME_DEVICE	0x0010
#define BIND		"/sys/bus/pci/drivers/p2pbuf_exporter/bind"
#define ALLOW		"/sys/module/p2pbuf_exporter/parameters/allow_msix"

FIXTURE(msix)
{
	char bdf[16];
	int test;
	int exporter;
	uint64_t size;
	unsigned int bar;
	uint64_t table;		/* offsets of the page that each begins in */
	uint64_t pba;
};

static int config_byte(int config, unsigned int at)
{
	uint8_t value;

	return pread(config, &value, 1, at) == 1 ? value : -1;
}

static int find_capability(int config, uint8_t id)
{
	int at = config_byte(config, PCI_CAPABILITY_LIST);

	while (at > 0 && config_byte(config, at) != id)
		at = config_byte(config, at + PCI_CAP_LIST_NEXT);
	return at;
}

static int read_place(int config, int at, unsigned int *bar, uint64_t *page)
{
	uint32_t value;

	if (pread(config, &value, sizeof(value), at) != sizeof(value))
		return -EIO;
	*bar = value & PCI_MSIX_TABLE_BIR;
	*page = (value & PCI_MSIX_TABLE_OFFSET) & ~(PAGE - 1);
	return 0;
}

static int find_structures(FIXTURE_DATA(msix) *self)
{
	unsigned int pba_bar;
	char path[128];
	int config, cap, ret = -EIO;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", self->bdf);
	config = open(path, O_RDONLY | O_CLOEXEC);
	if (config < 0)
		return -errno;
	cap = find_capability(config, PCI_CAP_ID_MSIX);
	if (cap > 0 &&
	    !read_place(config, cap + PCI_MSIX_TABLE, &self->bar, &self->table) &&
	    !read_place(config, cap + PCI_MSIX_PBA, &pba_bar, &self->pba) &&
	    pba_bar == self->bar)
		ret = 0;
	close(config);
	return ret;
}

static int open_node_of(const char *bdf)
{
	char path[128];

	snprintf(path, sizeof(path), "/dev/p2pbuf/exporter/%s", bdf);
	return open(path, O_RDWR | O_CLOEXEC);
}

FIXTURE_SETUP(msix)
{
	if (find_function(NVME_VENDOR, NVME_DEVICE, self->bdf, sizeof(self->bdf)))
		SKIP(return, "no nvme function here");
	ASSERT_EQ(0, find_structures(self));
	ASSERT_EQ(0, bind_driver(self->bdf, "p2pbuf_exporter"));
	self->test = open_test_module();
	ASSERT_GE(self->test, 0);
	self->exporter = open_node_of(self->bdf);
	ASSERT_GE(self->exporter, 0);
	self->size = bar_size(self->exporter, self->bar);
	ASSERT_GT(self->table, 0);
}

FIXTURE_TEARDOWN(msix)
{
	close(self->exporter);
	close(self->test);
	EXPECT_EQ(0, write_file(ALLOW, "0"));
	if (has_driver(self->bdf))
		EXPECT_EQ(0, unbind_driver(self->bdf));
}

/* 0, or the errno of an export. */
static int export_error(FIXTURE_DATA(msix) *self, uint64_t offset, uint64_t length)
{
	struct p2pbuf_range ranges[] = { { 0, PAGE }, { offset, length } };
	int fd = export_ranges(self->exporter, self->bar, ranges, 2, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

TEST_F(msix, is_refused)
{
	EXPECT_EQ(-EPERM, export_error(self, self->table, PAGE));
	EXPECT_EQ(-EPERM, export_error(self, self->pba, PAGE));
	EXPECT_EQ(-EPERM, export_error(self, PAGE, self->size - PAGE));
	EXPECT_EQ(-EPERM, export_error(self, self->table - PAGE, 2 * PAGE));
}

TEST_F(msix, beside_it_is_not)
{
	EXPECT_EQ(0, export_error(self, self->table - PAGE, PAGE));
	EXPECT_EQ(0, export_error(self, 0, self->table));
}

TEST_F(msix, allowed_with_a_warning)
{
	ASSERT_EQ(0, write_file(ALLOW, "1"));
	EXPECT_EQ(0, export_error(self, self->table, PAGE));
	EXPECT_EQ(0, run_shell("dmesg | grep -q '%s: exporting the MSI-X structures'",
			       self->bdf));
}

/* As after a reset: where the structures are is known from when the driver bound. */
TEST_F(msix, silent_at_export)
{
	ASSERT_EQ(0, begin_silence(self->test, self->bdf, P2PBUF_TEST_SILENT, 0, 0));
	EXPECT_EQ(-EPERM, export_error(self, self->table, PAGE));
	EXPECT_EQ(-EPERM, export_error(self, self->pba, PAGE));
	EXPECT_EQ(0, export_error(self, self->table - PAGE, PAGE));
	EXPECT_EQ(0, end_silence(self->test, self->bdf));
}

TEST_F(msix, unreachable_at_export)
{
	char port[32];
	int bus, ret;

	if (port_above(self->bdf, port, sizeof(port)))
		SKIP(return, "the function is below no port");
	bus = set_secondary_bus(port, 0xfe);
	ASSERT_GT(bus, 0);
	ret = export_error(self, self->table, PAGE);
	EXPECT_EQ(0xfe, set_secondary_bus(port, bus));
	EXPECT_EQ(-EPERM, ret);
}

TEST_F(msix, silent_at_probe)
{
	ASSERT_EQ(0, unbind_driver(self->bdf));
	ASSERT_EQ(0, begin_silence(self->test, self->bdf, P2PBUF_TEST_SILENT, 0, 0));
	EXPECT_EQ(-EIO, write_file(BIND, "%s", self->bdf));
	EXPECT_LT(0, end_silence(self->test, self->bdf));
	EXPECT_FALSE(has_driver(self->bdf));

	EXPECT_EQ(0, write_file(BIND, "%s", self->bdf));
	close(self->exporter);
	self->exporter = open_node_of(self->bdf);
	EXPECT_EQ(-EPERM, export_error(self, self->table, PAGE));
}

/*
 * Whichever of the reads of probe has no answer, alone or with the two after it, the table is
 * not exported.
 */
TEST_F(msix, silent_for_a_read)
{
	unsigned int after, nr_reads, nr_refused = 0;
	int ret, nr_silent;

	close(self->exporter);
	for (nr_reads = 1; nr_reads <= 3; nr_reads += 2) {
		for (after = 0, nr_silent = 1; nr_silent; after++) {
			ASSERT_EQ(0, unbind_driver(self->bdf));
			ASSERT_EQ(0, begin_silence(self->test, self->bdf, P2PBUF_TEST_SILENT,
						   after, nr_reads));
			ret = write_file(BIND, "%s", self->bdf);
			nr_silent = end_silence(self->test, self->bdf);
			ASSERT_GE(nr_silent, 0);
			if (ret) {
				nr_refused++;
				ASSERT_EQ(0, write_file(BIND, "%s", self->bdf));
				continue;
			}
			self->exporter = open_node_of(self->bdf);
			ASSERT_GE(self->exporter, 0);
			EXPECT_EQ(-EPERM, export_error(self, self->table, PAGE))
				TH_LOG("%u after %u", nr_reads, after);
			EXPECT_EQ(-EPERM, export_error(self, self->pba, PAGE))
				TH_LOG("%u after %u", nr_reads, after);
			close(self->exporter);
		}
		EXPECT_LT(nr_reads, after);
	}
	EXPECT_LT(0, nr_refused);
	self->exporter = open_node_of(self->bdf);
}

TEST_HARNESS_MAIN
