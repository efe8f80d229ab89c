// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions that go and come back: orderly and by surprise. With
 * mappings by both interconnects and DMA in flight. Needs the kernel's own hotplug driver
 * for PCI Express, see selftests/cells.py.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"

#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define SIZE		TRAFFIC_SIZE

static int find_express(int config)
{
	uint8_t at, id;

	pread(config, &at, 1, PCI_CAPABILITY_LIST);
	while (at && pread(config, &id, 1, at) == 1 && id != PCI_CAP_ID_EXP)
		pread(config, &at, 1, at + PCI_CAP_LIST_NEXT);
	return at;
}

static int change_slot_control(int config, uint16_t clear, uint16_t set)
{
	int at = find_express(config) + PCI_EXP_SLTCTL;
	uint16_t value;

	if (pread(config, &value, sizeof(value), at) != sizeof(value))
		return -EIO;
	value = (value & ~clear) | set;
	return pwrite(config, &value, sizeof(value), at) == sizeof(value) ? 0 : -EIO;
}

/*
 * QEMU takes a function away when power and power indicator of its slot go off, without
 * asking the guest. Its hotplug driver, which has not done this, has to find the slot
 * empty and yet powered; so it must not run in between.
 */
static int surprise(const char *bdf)
{
	struct sched_param first = { .sched_priority = 99 }, normal = {};
	int config = open_port(bdf);
	int ret;

	if (config < 0)
		return config;
	sched_setscheduler(0, SCHED_FIFO, &first);
	ret = change_slot_control(config, 0, PCI_EXP_SLTCTL_PWR_IND_OFF |
				  PCI_EXP_SLTCTL_PWR_OFF);
	if (!ret)
		ret = change_slot_control(config, PCI_EXP_SLTCTL_PWR_OFF, 0);
	sched_setscheduler(0, SCHED_OTHER, &normal);
	close(config);
	return ret;
}

static bool is_there(const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", bdf);
	return !access(path, F_OK);
}

static bool becomes(bool there, const char *bdf)
{
	unsigned int i;

	for (i = 0; i < HUNG_SECONDS * 10 && is_there(bdf) != there; i++)
		usleep(100000);
	return is_there(bdf) == there;
}

/* How a function goes and comes back. QEMU names both functions by what they are here. */

struct victim {
	const char *id;
	const char *(*bdf)(void);
	const char *driver;
	const char *model;
	unsigned int port;
};

static const struct victim exporter = {
	"exporter", exporter_bdf, "p2pbuf_exporter", "ivshmem-plain,memdev=again", 0
};

static const struct victim importer = {
	"importer", importer_bdf, "p2pbuf_importer", "edu,dma_mask=0xffffffffffffffff", 1
};

static int del_device(const struct victim *victim)
{
	char command[64];

	snprintf(command, sizeof(command), "device_del %s", victim->id);
	return tell_qemu(command);
}

/* QEMU does not take a memory that was plugged once before. */
static void add_memory(void)
{
	tell_qemu("object_del again");
	tell_qemu("object_add memory-backend-ram,id=again,share=on,reserve=off,size=64M");
}

static int add_device(const struct victim *victim)
{
	bool behind_switch = !strcmp(getenv("P2PBUF_TOPOLOGY"), "switch");
	char command[128];
	int tries, ret = -EINVAL;

	snprintf(command, sizeof(command), "device_add %s,id=%s,bus=%s%u", victim->model,
		 victim->id, behind_switch ? "down" : "port", victim->port);
	/* The old one is in QEMU until its slot is off, a while after its driver. */
	for (tries = 0; tries < HUNG_SECONDS * 10 && ret == -EINVAL; tries++) {
		usleep(100000);
		if (victim == &exporter)
			add_memory();
		ret = tell_qemu(command);
	}
	return ret;
}

static int surprise_device(const struct victim *victim)
{
	return surprise(victim->bdf());
}

/* QEMU takes away what is in a slot without power. */
static int slot_power_off(const struct victim *victim)
{
	static const char turn_off[] =
		"cd /sys/bus/pci/slots && echo 0 > $(dirname $(grep -lx %.10s */address))/power";

	return run_shell(turn_off, victim->bdf());
}

static int sysfs_remove(const struct victim *victim)
{
	return run_shell("echo 1 > /sys/bus/pci/devices/%s/remove", victim->bdf());
}

static int sysfs_rescan(const struct victim *victim)
{
	(void)victim;
	return write_file("/sys/bus/pci/rescan", "1");
}

/* The importer's driver binds by itself, a moment after the function is there. */
static int bind_again(const struct victim *victim)
{
	unsigned int i;

	if (victim == &exporter)
		return bind_driver(victim->bdf(), victim->driver);
	for (i = 0; i < HUNG_SECONDS * 10 && !is_bound(victim->driver, victim->bdf()); i++)
		usleep(100000);
	return is_bound(victim->driver, victim->bdf()) ? 0 : -ENODEV;
}

FIXTURE(unplug)
{
	int exporter;
	int importer;
	int fd;
	uint8_t *cpu;
	uint32_t handles[2];	/* by each interconnect */
	struct traffic traffic[2];
};

FIXTURE_VARIANT(unplug)
{
	int (*go)(const struct victim *victim);
	int (*come)(const struct victim *victim);
};

FIXTURE_VARIANT_ADD(unplug, orderly)
{
	.go = del_device,
	.come = add_device,
};

FIXTURE_VARIANT_ADD(unplug, slot_power)
{
	.go = slot_power_off,
	.come = add_device,
};

FIXTURE_VARIANT_ADD(unplug, by_surprise)
{
	.go = surprise_device,
	.come = add_device,
};

FIXTURE_VARIANT_ADD(unplug, sysfs)
{
	.go = sysfs_remove,
	.come = sysfs_rescan,
};

FIXTURE_SETUP(unplug)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	if (!data_arrives())
		SKIP(return, NO_DATA);

	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	self->fd = export_simple(self->exporter, 0, SIZE);
	ASSERT_GE(self->fd, 0);
	self->cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->cpu);
	ASSERT_EQ(0, import_both(self->importer, self->fd, self->handles));
}

FIXTURE_TEARDOWN(unplug)
{
	munmap(self->cpu, SIZE);
	close(self->fd);
	close(self->importer);
	close(self->exporter);
}

static void start_dma(struct __test_metadata *_metadata, FIXTURE_DATA(unplug) *self)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, start_traffic(&self->traffic[i], self->importer,
					   self->handles[i]));
}

/* A memory that is gone already looks like a write that was lost. */
static bool was_refused(struct traffic *traffic)
{
	int ret = wait_for_traffic(traffic);

	return ret == -ESTALE || ret == -EIO;
}

static bool data_moves(int exporter_fd, int importer_fd)
{
	uint8_t data[PAGE], *cpu;
	uint32_t handle;
	size_t where;
	int fd, ret;

	fd = export_simple(exporter_fd, 0, PAGE);
	cpu = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (cpu == MAP_FAILED)
		return false;
	pattern_fill(cpu, PAGE, 5, 0);
	ret = import_buffer(importer_fd, fd, P2PBUF_INTERCONNECT_AUTO, READ_WRITE, &handle);
	if (!ret)
		ret = map_handle(importer_fd, handle);
	if (!ret)
		ret = read_buffer(importer_fd, handle, 0, data, PAGE);
	if (!ret)
		ret = release_handle(importer_fd, handle);
	munmap(cpu, PAGE);
	close(fd);
	return !ret && !pattern_check(data, PAGE, 5, 0, &where);
}

/* It comes back as a new function; old files and DMABUFs stay dead. */
static void expect_return(struct __test_metadata *_metadata, const struct victim *victim,
			  int (*come)(const struct victim *victim))
{
	int exporter_fd, importer_fd;

	/* The slot goes off a second after the driver: until then a button means "off". */
	sleep(3);
	ASSERT_EQ(0, come(victim));
	ASSERT_TRUE(becomes(true, victim->bdf()));
	ASSERT_EQ(0, bind_again(victim));
	exporter_fd = open_exporter();
	ASSERT_GE(exporter_fd, 0);
	importer_fd = open_importer();
	ASSERT_GE(importer_fd, 0);
	EXPECT_TRUE(data_moves(exporter_fd, importer_fd));
	close(importer_fd);
	close(exporter_fd);
}

TEST_F_TIMEOUT(unplug, exporter, GUEST_TIMEOUT)
{
	struct p2pbuf_region_info info;
	unsigned int i;

	start_dma(_metadata, self);
	ASSERT_EQ(0, variant->go(&exporter));
	EXPECT_TRUE(becomes(false, exporter_bdf()));
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(was_refused(&self->traffic[i]));
		EXPECT_EQ(-ENODEV, map_handle(self->importer, self->handles[i]));
	}
	EXPECT_TRUE(raises_sigbus(self->cpu));
	EXPECT_EQ(-ENODEV, region_info(self->exporter, TEST_BAR, &info));

	expect_return(_metadata, &exporter, variant->come);
	EXPECT_EQ(-ENODEV, map_handle(self->importer, self->handles[0]));
	EXPECT_TRUE(raises_sigbus(self->cpu));
}

TEST_F_TIMEOUT(unplug, importer, GUEST_TIMEOUT)
{
	struct pollfd gone = { .fd = self->importer, .events = POLLPRI };
	struct p2pbuf_query query;
	unsigned int i;

	memset(self->cpu, 0x22, SIZE);
	start_dma(_metadata, self);
	ASSERT_EQ(0, variant->go(&importer));
	EXPECT_TRUE(becomes(false, importer_bdf()));
	for (i = 0; i < 2; i++) {
		EXPECT_NE(0, wait_for_traffic(&self->traffic[i]));
		EXPECT_EQ(-ENODEV, query_handle(self->importer, self->handles[i], &query,
						NULL, 0));
	}
	EXPECT_EQ(1, poll(&gone, 1, 0));
	EXPECT_EQ(POLLHUP, gone.revents & POLLHUP);
	/* Nothing of it holds the exporter up. */
	EXPECT_FALSE(raises_sigbus(self->cpu));
	EXPECT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));

	expect_return(_metadata, &importer, variant->come);
}

TEST_HARNESS_MAIN
