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
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

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
	EXPECT_EQ(0, hide_function(self->bdf, false));
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

/* Neither the error nor the state that the PCI core saved outlives it. */
TEST_F_TIMEOUT(method, fails, GUEST_TIMEOUT)
{
	uint8_t data[PAGE] = { 1 };
	struct traffic traffic[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, start_traffic(&traffic[i], self->importer, self->handles[i]));
	ASSERT_EQ(0, hide_function(self->bdf, true));
	EXPECT_EQ(-EIO, reset_exporter(self->exporter));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-ESTALE, wait_for_traffic(&traffic[i]));
		EXPECT_EQ(-EIO, map_handle(self->importer, self->handles[i]));
	}
	EXPECT_EQ(-ENOTTY, reset_function(self->bdf));
	EXPECT_TRUE(is_lost_by(self->exporter, "failed"));
	ASSERT_EQ(0, hide_function(self->bdf, false));
	EXPECT_EQ(-EIO, map_handle(self->importer, self->handles[0]));

	EXPECT_EQ(0, reset_exporter(self->exporter));
	EXPECT_TRUE(is_lost_by(self->exporter, "nothing"));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, map_handle(self->importer, self->handles[i]));
		EXPECT_EQ(0, write_buffer(self->importer, self->handles[i], 0, data,
					  sizeof(data)));
	}
}

/*
 * Errors above a switch, whose recovery needs a driver for each function below it. Here the
 * usual exporter, and functions that the tests give a driver or not.
 */
FIXTURE(recovery)
{
	int exporter;
	int importer;
	int fd;
	uint8_t *cpu;
	uint32_t handles[2];
	struct traffic traffic[2];
};

FIXTURE_SETUP(recovery)
{
	unsigned int i;
	char bdf[16];

	if (strcmp(getenv("P2PBUF_TOPOLOGY"), "switch") ||
	    find_function(0x8086, 0x10d3, bdf, sizeof(bdf)))
		SKIP(return, "no other functions below a switch");
	if (!data_arrives())
		SKIP(return, NO_DATA);

	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	self->fd = export_simple(self->exporter, 0, TRAFFIC_SIZE);
	ASSERT_GE(self->fd, 0);
	self->cpu = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->cpu);
	ASSERT_EQ(0, import_both(self->importer, self->fd, self->handles));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, start_traffic(&self->traffic[i], self->importer,
					   self->handles[i]));
}

FIXTURE_TEARDOWN(recovery)
{
	munmap(self->cpu, PAGE);
	close(self->fd);
	close(self->importer);
	close(self->exporter);
}

static void expect_maps(struct __test_metadata *_metadata, FIXTURE_DATA(recovery) *self, int ret)
{
	uint32_t handle;
	unsigned int i;

	for (i = 0; i < 2; i++)
		EXPECT_EQ(ret, map_handle(self->importer, self->handles[i]));
	if (!ret)
		return;
	EXPECT_EQ(ret, import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
				     P2PBUF_ACCESS_READ, &handle));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(-ret, errno);
	EXPECT_TRUE(raises_sigbus(self->cpu));
}

static void expect_data(struct __test_metadata *_metadata, FIXTURE_DATA(recovery) *self)
{
	uint8_t data[PAGE];
	unsigned int i;
	size_t where;

	for (i = 0; i < 2; i++) {
		pattern_fill(data, PAGE, 40 + i, 0);
		EXPECT_EQ(0, write_buffer(self->importer, self->handles[i], 0, data, PAGE));
		EXPECT_EQ(0, pattern_check(self->cpu, PAGE, 40 + i, 0, &where));
	}
}

/* It ends with a permanent failure, and that with a reset of each function. */
TEST_F_TIMEOUT(recovery, fails, GUEST_TIMEOUT)
{
	uint8_t data[PAGE] = { 1 };
	unsigned int i;

	ASSERT_EQ(0, unrecovered_error("port0"));
	for (i = 0; i < 2; i++)
		EXPECT_NE(0, wait_for_traffic(&self->traffic[i]));
	expect_maps(_metadata, self, -EIO);

	EXPECT_EQ(0, reset_exporter(self->exporter));
	expect_maps(_metadata, self, 0);
	EXPECT_FALSE(raises_sigbus(self->cpu));

	/* The importer's function, of which the same was said. */
	EXPECT_EQ(-EIO, write_buffer(self->importer, self->handles[0], 0, data, PAGE));
	EXPECT_EQ(0, reset_function(importer_bdf()));
	expect_data(_metadata, self);
}

/*
 * Two exporters of the same kind as the first, one of which has a late importer: the
 * recovery has told the first and waits for the other.
 */
static const struct {
	uint16_t vendor;
	uint16_t device;
	unsigned int bar;
} others[] = { { 0x1b36, 0x0010, 2 }, { 0x8086, 0x10d3, 0 } };

static void *inject_error(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)error_below("port0");
}

/* A reset in between ends no recovery. */
TEST_F_TIMEOUT(recovery, is_ended_by_resume_alone, GUEST_TIMEOUT)
{
	struct p2pbuf_test_hold hold = {};
	char bdf[2][16], path[128];
	pthread_t thread;
	unsigned int i;
	int late, test;
	void *ret;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, find_function(others[i].vendor, others[i].device, bdf[i],
					   sizeof(bdf[i])));
		ASSERT_EQ(0, bind_driver(bdf[i], "p2pbuf_exporter"));
	}
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(test, 0);
	snprintf(path, sizeof(path), "/dev/p2pbuf/exporter/%s", bdf[0]);
	late = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_GE(late, 0);
	hold.fd = export_ranges(late, others[0].bar, &(struct p2pbuf_range){ 0, PAGE }, 1,
				O_RDWR | O_CLOEXEC);
	ASSERT_GE(hold.fd, 0);
	strncpy(hold.client, importer_bdf(), sizeof(hold.client) - 1);
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_HOLD, &hold));
	ASSERT_EQ(0, hold.result);

	ASSERT_EQ(0, pthread_create(&thread, NULL, inject_error, NULL));
	while (!is_lost_by(self->exporter, "error") || !is_lost_by(late, "error"))
		usleep(100000);
	EXPECT_EQ(0, reset_exporter(self->exporter));
	EXPECT_TRUE(is_lost_by(self->exporter, "error"));
	expect_maps(_metadata, self, -ENODEV);

	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_DROP));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	for (i = 0; i < 2; i++)
		EXPECT_NE(0, wait_for_traffic(&self->traffic[i]));
	EXPECT_TRUE(is_lost_by(self->exporter, "nothing"));
	expect_maps(_metadata, self, 0);
	expect_data(_metadata, self);

	close(hold.fd);
	close(late);
	close(test);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, unbind_driver(bdf[i]));
}

TEST_HARNESS_MAIN
