// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways in which the PCI core resets a function alone, with DMA to it in flight. The
 * exporter's usual function has none of them and is reset with its bus, see test_events;
 * so these are others, see selftests/cells.py.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"

FIXTURE(method)
{
	char bdf[16];
	int exporter;
	int importer;
	uint32_t handles[2];	/* by each interconnect */
};

FIXTURE_VARIANT(method)
{
	uint16_t vendor;
	uint16_t device;
	unsigned int bar;
	uint64_t memory;	/* where in @bar something keeps what is written */
	const char *method;	/* as the PCI core spells it */
};

/* nvme's controller memory buffer */
FIXTURE_VARIANT_ADD(method, flr)
{
	.vendor = 0x1b36, .device = 0x0010, .bar = 2, .memory = 0, .method = "flr",
};

/* e1000e's packet buffer memory, of which QEMU has the first 10 KiB */
FIXTURE_VARIANT_ADD(method, pm)
{
	.vendor = 0x8086, .device = 0x10d3, .bar = 0, .memory = 0x10000, .method = "pm",
};

static int choose_method(const char *bdf, const char *method)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_method", bdf);
	return write_file(path, "%s", method);
}

FIXTURE_SETUP(method)
{
	char path[128];
	int fd;

	if (find_function(variant->vendor, variant->device, self->bdf, sizeof(self->bdf)))
		SKIP(return, "no function with this reset in this guest");
	if (!data_arrives())
		SKIP(return, NO_DATA);

	ASSERT_EQ(0, choose_method(self->bdf, variant->method));
	ASSERT_EQ(0, bind_driver(self->bdf, "p2pbuf_exporter"));
	snprintf(path, sizeof(path), "/dev/p2pbuf/exporter/%s", self->bdf);
	self->exporter = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	fd = export_ranges(self->exporter, variant->bar,
			   &(struct p2pbuf_range){ variant->memory, TRAFFIC_SIZE }, 1,
			   O_RDWR | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, import_both(self->importer, fd, self->handles));
	close(fd);
}

FIXTURE_TEARDOWN(method)
{
	close(self->importer);
	close(self->exporter);
	EXPECT_EQ(0, unbind_driver(self->bdf));
}

static int reset_by_sysfs_file(const char *bdf, int exporter)
{
	(void)exporter;
	return reset_function(bdf);
}

static int reset_by_node(const char *bdf, int exporter)
{
	(void)bdf;
	return reset_exporter(exporter);
}

static void check_reset(struct __test_metadata *_metadata, FIXTURE_DATA(method) *self,
			int (*reset)(const char *bdf, int exporter))
{
	uint8_t data[PAGE] = { 1 };
	struct traffic traffic[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, start_traffic(&traffic[i], self->importer,
					   self->handles[i]));
	EXPECT_EQ(0, reset(self->bdf, self->exporter));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-ESTALE, wait_for_traffic(&traffic[i]));
		EXPECT_EQ(0, map_handle(self->importer, self->handles[i]));
		EXPECT_EQ(0, write_buffer(self->importer, self->handles[i], 0, data,
					  sizeof(data)));
	}
}

TEST_F_TIMEOUT(method, by_sysfs, GUEST_TIMEOUT)
{
	check_reset(_metadata, self, reset_by_sysfs_file);
}

TEST_F_TIMEOUT(method, by_ioctl, GUEST_TIMEOUT)
{
	check_reset(_metadata, self, reset_by_node);
}

TEST_HARNESS_MAIN
