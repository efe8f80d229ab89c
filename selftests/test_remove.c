// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers unbound and modules unloaded in every state of the other side.
 *
 * That nothing is left is shown by the driver binding again and working; that nothing is
 * used after it is gone, by the kernel's silence, which the rig checks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

FIXTURE(remove)
{
	int exporter;
	int importer;
	int fd;
	uint32_t handle;
};

FIXTURE_VARIANT(remove)
{
	unsigned int interconnect;
};

FIXTURE_VARIANT_ADD(remove, phys)
{
	.interconnect = P2PBUF_INTERCONNECT_PHYS,
};

FIXTURE_VARIANT_ADD(remove, sgt)
{
	.interconnect = P2PBUF_INTERCONNECT_SGT,
};

FIXTURE_SETUP(remove)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");

	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	self->fd = export_simple(self->exporter, 0, 64 * PAGE);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, import_buffer(self->importer, self->fd, variant->interconnect,
				   P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE,
				   &self->handle));
}

FIXTURE_TEARDOWN(remove)
{
	close(self->fd);
	close(self->importer);
	close(self->exporter);
	EXPECT_EQ(0, bind_both());
}

/* All that a DMABUF of a function that is gone still answers. */
static void expect_dead(struct __test_metadata *_metadata, FIXTURE_DATA(remove) *self)
{
	struct p2pbuf_region_info info;
	uint32_t handle;
	int fd;

	EXPECT_EQ(-ENODEV, region_info(self->exporter, TEST_BAR, &info));
	fd = export_simple(self->exporter, 0, PAGE);
	EXPECT_EQ(-ENODEV, fd);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-ENODEV, import_buffer(self->importer, self->fd,
					 P2PBUF_INTERCONNECT_PHYS, P2PBUF_ACCESS_READ,
					 &handle));
	EXPECT_EQ(-ENODEV, import_buffer(self->importer, self->fd,
					 P2PBUF_INTERCONNECT_SGT, P2PBUF_ACCESS_READ,
					 &handle));
	EXPECT_EQ(-ENODEV, map_handle(self->importer, self->handle));
	EXPECT_EQ(64 * PAGE, lseek(self->fd, 0, SEEK_END));
}

TEST_F(remove, exporter_while_attached)
{
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	expect_dead(_metadata, self);
}

TEST_F(remove, exporter_while_mapped)
{
	struct p2pbuf_query query;
	uint8_t data[16];

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));

	ASSERT_EQ(0, query_handle(self->importer, self->handle, &query, NULL, 0));
	EXPECT_EQ(P2PBUF_STATE_STALE, query.state);
	EXPECT_EQ(0, query.nr_segments);
	EXPECT_EQ(-ESTALE, read_buffer(self->importer, self->handle, 0, data, 16));
	EXPECT_EQ(0, unmap_handle(self->importer, self->handle));
	EXPECT_EQ(-ENXIO, unmap_handle(self->importer, self->handle));
	EXPECT_EQ(-ENXIO, read_buffer(self->importer, self->handle, 0, data, 16));
	expect_dead(_metadata, self);
}

TEST_F(remove, exporter_while_mmapped)
{
	uint8_t *map = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
			    0);

	ASSERT_NE(MAP_FAILED, map);
	memset(map, 0x11, 64 * PAGE);
	EXPECT_FALSE(raises_sigbus(map));
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_TRUE(raises_sigbus(map));
	EXPECT_TRUE(raises_sigbus(map + 63 * PAGE));
	expect_dead(_metadata, self);
	munmap(map, 64 * PAGE);
}

/* Bound again, the function makes new DMABUFs; the old one stays dead. */
TEST_F(remove, exporter_bound_again)
{
	uint8_t data[64], *map;
	size_t where;
	uint32_t handle;
	int node, fd;

	if (!data_arrives())
		SKIP(return, NO_DATA);

	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	expect_dead(_metadata, self);
	EXPECT_TRUE(raises_sigbus(map));
	munmap(map, PAGE);

	node = open_exporter();
	ASSERT_GE(node, 0);
	fd = export_simple(node, 0, PAGE);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, import_buffer(self->importer, fd, variant->interconnect,
				   P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &handle));
	ASSERT_EQ(0, map_handle(self->importer, handle));
	pattern_fill(data, sizeof(data), 1, 0);
	EXPECT_EQ(0, write_buffer(self->importer, handle, 0, data, sizeof(data)));
	memset(data, 0, sizeof(data));
	EXPECT_EQ(0, read_buffer(self->importer, handle, 0, data, sizeof(data)));
	EXPECT_EQ(0, pattern_check(data, sizeof(data), 1, 0, &where));
	close(fd);
	close(node);
}

struct copier {
	int importer;
	uint32_t handle;
	struct p2pbuf_copy result;
	int ret;
};

static void *copy_all(void *arg)
{
	struct copier *copier = arg;
	uint8_t *data = malloc(64 * PAGE);

	copier->ret = copy_buffer(copier->importer, copier->handle, 0, 0, data, 64 * PAGE,
				  &copier->result);
	free(data);
	return NULL;
}

/* A transfer of 64 chunks is under way: it ends between two chunks, or whole. */
TEST_F_TIMEOUT(remove, exporter_while_copying, GUEST_TIMEOUT)
{
	struct copier copier = { .importer = self->importer, .handle = self->handle };
	pthread_t thread;

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, pthread_create(&thread, NULL, copy_all, &copier));
	usleep(500000);
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-ESTALE, copier.ret);
	EXPECT_LT(copier.result.copied, 64 * PAGE);
	EXPECT_EQ(0, copier.result.copied % PAGE);
	expect_dead(_metadata, self);
}

static void expect_importer_dead(struct __test_metadata *_metadata,
				 FIXTURE_DATA(remove) *self)
{
	struct p2pbuf_query query;
	uint8_t data[16];
	uint32_t handle;

	EXPECT_EQ(-ENODEV, import_buffer(self->importer, self->fd, 0, P2PBUF_ACCESS_READ,
					 &handle));
	EXPECT_EQ(-ENODEV, map_handle(self->importer, self->handle));
	EXPECT_EQ(-ENODEV, unmap_handle(self->importer, self->handle));
	EXPECT_EQ(-ENODEV, query_handle(self->importer, self->handle, &query, NULL, 0));
	EXPECT_EQ(-ENODEV, read_buffer(self->importer, self->handle, 0, data, 16));
	EXPECT_EQ(0, release_handle(self->importer, self->handle));
	EXPECT_EQ(-ENOENT, release_handle(self->importer, self->handle));
}

TEST_F(remove, importer_while_attached)
{
	ASSERT_EQ(0, unbind_driver(importer_bdf()));
	expect_importer_dead(_metadata, self);
}

/* The exporter's unbind after it would wait for a mapping left behind. */
TEST_F(remove, importer_while_mapped)
{
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, unbind_driver(importer_bdf()));
	expect_importer_dead(_metadata, self);
	EXPECT_EQ(0, unbind_driver(exporter_bdf()));
}

TEST_F_TIMEOUT(remove, importer_while_copying, GUEST_TIMEOUT)
{
	struct copier copier = { .importer = self->importer, .handle = self->handle };
	pthread_t thread;

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, pthread_create(&thread, NULL, copy_all, &copier));
	usleep(500000);
	ASSERT_EQ(0, unbind_driver(importer_bdf()));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(-ENODEV, copier.ret);
	EXPECT_LT(copier.result.copied, 64 * PAGE);
	EXPECT_EQ(0, unbind_driver(exporter_bdf()));
}

/* Both at once, each waiting for what the other gives up. */
static void *unbind_thread(void *bdf)
{
	return (void *)(long)unbind_driver(bdf);
}

TEST_F_TIMEOUT(remove, both_while_copying, GUEST_TIMEOUT)
{
	struct copier copier = { .importer = self->importer, .handle = self->handle };
	pthread_t threads[3];
	void *ret;

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, copy_all, &copier));
	usleep(500000);
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, unbind_thread,
				    (void *)exporter_bdf()));
	ASSERT_EQ(0, pthread_create(&threads[2], NULL, unbind_thread,
				    (void *)importer_bdf()));
	ASSERT_EQ(0, pthread_join(threads[0], NULL));
	ASSERT_EQ(0, pthread_join(threads[1], &ret));
	EXPECT_EQ(NULL, ret);
	ASSERT_EQ(0, pthread_join(threads[2], &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_TRUE(copier.ret == -ESTALE || copier.ret == -ENODEV);
}

/*
 * An importer that answers late: the exporter's unbind is still waiting long after it
 * told the importer, and ends after the unmap.
 */
TEST_F_TIMEOUT(remove, exporter_waits_for_unmap, GUEST_TIMEOUT)
{
	struct p2pbuf_test_hold args = { .fd = self->fd };
	uint32_t invalidated = 0;
	pthread_t thread;
	void *ret;
	int test;

	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(test, 0);
	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_HOLD, &args));
	ASSERT_EQ(0, args.result);

	ASSERT_EQ(0, pthread_create(&thread, NULL, unbind_thread,
				    (void *)exporter_bdf()));
	while (!invalidated) {
		usleep(1000);
		ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_INVALIDATED, &invalidated));
	}
	sleep(2);
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, &ret));
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_DROP));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	close(test);
	expect_dead(_metadata, self);
}

/* A process killed while it copies: closing the file waits for the engine. */
TEST_F_TIMEOUT(remove, killed_while_copying, GUEST_TIMEOUT)
{
	struct copier copier = { .importer = self->importer, .handle = self->handle };
	int status;
	pid_t pid;

	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		copy_all(&copier);
		_exit(0);
	}
	close(self->importer);
	usleep(500000);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_EQ(0, unbind_driver(importer_bdf()));
	self->importer = -1;
}

/* The file is closed with a mapping that was never undone. */
TEST_F(remove, closed_while_mapped)
{
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
	close(self->importer);
	self->importer = -1;
	EXPECT_EQ(0, unbind_driver(exporter_bdf()));
}

/* Nodes come and go with the binding. */
TEST_F(remove, nodes)
{
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_EQ(-ENOENT, open_exporter());
	ASSERT_EQ(0, unbind_driver(importer_bdf()));
	EXPECT_EQ(-ENOENT, open_importer());
}

/* Modules: neither holds the other; each only its own open files. */
TEST_F(remove, modules_in_either_order)
{
	/* Held by the files of this fixture. */
	EXPECT_NE(0, run_shell("rmmod p2pbuf_importer 2>/dev/null"));
	EXPECT_NE(0, run_shell("rmmod p2pbuf_exporter 2>/dev/null"));
	EXPECT_NE(0, run_shell("rmmod p2pbuf 2>/dev/null"));

	/* The importer first, a DMABUF is still there. */
	close(self->importer);
	self->importer = -1;
	EXPECT_EQ(0, run_shell("rmmod p2pbuf_importer"));
	EXPECT_EQ(0, run_shell("modprobe p2pbuf_importer dma_bits=64"));

	/* The exporter first, the importer's node is open. */
	self->importer = open_importer();
	EXPECT_GE(self->importer, 0);
	close(self->fd);
	self->fd = -1;
	close(self->exporter);
	self->exporter = -1;
	EXPECT_EQ(0, run_shell("rmmod p2pbuf_exporter"));
	EXPECT_EQ(0, run_shell("modprobe p2pbuf_exporter"));
	EXPECT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
}

/*
 * What another driver uses is never exported: a function has one driver, and a BAR that
 * somebody has claimed keeps ours from binding.
 */

static int bind_exporter_to(const char *bdf)
{
	return write_file("/sys/bus/pci/drivers/p2pbuf_exporter/bind", "%s", bdf);
}

static int override_driver(const char *bdf, const char *driver)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", bdf);
	return write_file(path, "%s\n", driver);
}

static bool is_exporter_node(const char *bdf)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/p2pbuf/exporter/%s", bdf);
	return !access(path, F_OK);
}

TEST(function_of_another_driver)
{
	ASSERT_EQ(0, override_driver(importer_bdf(), "p2pbuf_exporter"));
	EXPECT_EQ(-EBUSY, bind_exporter_to(importer_bdf()));
	EXPECT_FALSE(is_exporter_node(importer_bdf()));
	ASSERT_EQ(0, override_driver(importer_bdf(), ""));
	EXPECT_TRUE(has_driver(importer_bdf()));
}

TEST(bar_of_another_driver)
{
	struct p2pbuf_test_claim claim = { .bar = TEST_BAR };
	int test;

	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(test, 0);
	strncpy(claim.client, exporter_bdf(), sizeof(claim.client) - 1);

	/* Bound, it is ours alone. */
	EXPECT_EQ(-1, ioctl(test, P2PBUF_TEST_CLAIM, &claim));
	EXPECT_EQ(EBUSY, errno);

	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_CLAIM, &claim));
	EXPECT_EQ(-EBUSY, bind_exporter_to(exporter_bdf()));
	EXPECT_FALSE(is_exporter_node(exporter_bdf()));
	close(test);
	EXPECT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
}

/* With an I/O-port BAR, where the rig put one (pci-testdev): see cells. */
TEST(io_port_bar)
{
	struct p2pbuf_region_info info;
	char bdf[32], path[64];
	struct p2pbuf_range range = { 0, PAGE };
	int node;

	if (find_function(0x1b36, 0x0005, bdf, sizeof(bdf)))
		SKIP(return, "no function with an I/O-port BAR in this guest");

	ASSERT_EQ(0, bind_driver(bdf, "p2pbuf_exporter"));
	snprintf(path, sizeof(path), "/dev/p2pbuf/exporter/%s", bdf);
	node = open(path, O_RDWR);
	ASSERT_GE(node, 0);
	ASSERT_EQ(0, region_info(node, 1, &info));
	EXPECT_EQ(P2PBUF_REASON_IO_PORT, info.reason);
	EXPECT_EQ(0, info.flags & P2PBUF_REGION_EXPORTABLE);
	EXPECT_EQ(-EOPNOTSUPP, export_ranges(node, 1, &range, 1, O_RDWR));
	close(node);
	EXPECT_EQ(0, unbind_driver(bdf));
}

/* The register says that it is there, and sysfs that it is not. */
static bool has_forgotten_bar(const char *bdf, unsigned int bar)
{
	unsigned long long start = 1, last = 1;
	char path[128], text[1024];
	uint32_t value = 0;
	char *line = text;
	int config;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	config = open(path, O_RDONLY | O_CLOEXEC);
	if (config < 0)
		return false;
	if (pread(config, &value, sizeof(value), PCI_BASE_ADDRESS_0 + 4 * bar) != sizeof(value))
		value = 0;
	close(config);

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", bdf);
	if (read_file(path, text, sizeof(text)) < 0)
		return false;
	while (bar-- && line)
		line = strchr(line + 1, '\n');
	return value && line && sscanf(line, "%llx %llx", &start, &last) == 2 && !start && !last;
}

/* Nowhere is room for the rig's: see cells. The PCI core has forgotten it by now. */
TEST(bar_without_address)
{
	static const char mark[] = "p2pbuf selftest: bar_without_address";
	char bdf[32], path[64], text[96];
	struct p2pbuf_region_info info;
	static char log[1 << 20];
	const char *since;
	int node;

	if (find_function(0x1b36, 0x0005, bdf, sizeof(bdf)) || !has_forgotten_bar(bdf, 2))
		SKIP(return, "no function with a BAR without an address in this guest");

	ASSERT_EQ(0, write_file("/dev/kmsg", "%s", mark));
	ASSERT_EQ(0, bind_driver(bdf, "p2pbuf_exporter"));
	snprintf(path, sizeof(path), "/dev/p2pbuf/exporter/%s", bdf);
	node = open(path, O_RDWR);
	ASSERT_GE(node, 0);
	ASSERT_EQ(0, region_info(node, 2, &info));
	EXPECT_EQ(P2PBUF_REASON_ABSENT, info.reason);
	snprintf(text, sizeof(text), "%s: BAR 2 has no address", bdf);
	since = strstr(log_since(log, sizeof(log), mark), text);
	ASSERT_NE(NULL, since);
	/* Of its upper half and of BARs that are not implemented nothing is said. */
	EXPECT_EQ(NULL, strstr(since + strlen(text), "has no address"));
	close(node);
	EXPECT_EQ(0, unbind_driver(bdf));
}

TEST_HARNESS_MAIN
