// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to a function without its driver being told, or before it is. These tests
 * say what is seen of the gap; that there is one is documented in
 * Documentation/security.rst.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "kselftest_harness.h"
#include "p2pbuf_test.h"

#define SIZE	(2 * PAGE)
#define SEED	23

/* The exporter's usual function is QEMU's ivshmem-plain. */
#define VENDOR	0x1af4
#define DEVICE	0x1110

/* A DMABUF and the CPU's view of it. */
struct view {
	int exporter;
	int fd;
	uint8_t *map;
};

static int open_view(struct view *view, const char *bdf, unsigned int bar)
{
	struct p2pbuf_range range = { 0, SIZE };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/dev/p2pbuf/exporter/%s", bdf);
	view->exporter = open(path, O_RDWR | O_CLOEXEC);
	if (view->exporter < 0)
		return -errno;
	view->fd = export_ranges(view->exporter, bar, &range, 1, O_RDWR | O_CLOEXEC);
	if (view->fd < 0)
		return view->fd;
	view->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, view->fd, 0);
	return view->map == MAP_FAILED ? -errno : 0;
}

static void close_view(struct view *view)
{
	munmap(view->map, SIZE);
	close(view->fd);
	close(view->exporter);
}

static bool is_intact(const struct view *view)
{
	size_t where;

	return !pattern_check(view->map, SIZE, SEED, 0, &where);
}

/* The driver would have to watch each write of anybody. */
TEST(decoding_turned_off_in_configuration_space)
{
	struct view view;

	ASSERT_EQ(0, open_view(&view, exporter_bdf(), TEST_BAR));
	pattern_fill(view.map, SIZE, SEED, 0);
	ASSERT_EQ(0, set_memory_decoding(exporter_bdf(), false));
	EXPECT_FALSE(raises_sigbus(view.map));
	EXPECT_FALSE(is_intact(&view));
	ASSERT_EQ(0, set_memory_decoding(exporter_bdf(), true));
	EXPECT_TRUE(is_intact(&view));
	close_view(&view);
}

/* Of the port two levels above a function: /sys/devices/pci.../port/up/down/function */
static int find_reset_above(const char *bdf, char *path, size_t size)
{
	char link[PATH_MAX], real[PATH_MAX];
	unsigned int i;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", bdf);
	if (!realpath(link, real))
		return -errno;
	for (i = 0; i < 3; i++)
		*strrchr(real, '/') = '\0';
	if ((size_t)snprintf(path, size, "%s/reset_subordinate", real) >= size)
		return -ENAMETOOLONG;
	return access(path, W_OK) ? -errno : 0;
}

static void *reset_below(void *port)
{
	return (void *)(long)write_file(port, "1");
}

/*
 * The PCI core turns the bridges off on its way down, each before what is below it is told,
 * one function after the other (drivers/pci/pci.c, Linux 7.3.4,
 * pci_bus_save_and_disable_locked()). The first one is held up by a fence here.
 */
TEST(bridge_reset_further_up)
{
	char port[PATH_MAX], other[16];
	struct view first, second;
	const char *a, *b;
	pthread_t thread;
	int test, gate;
	void *ret;

	if (find_other_function(VENDOR, DEVICE, exporter_bdf(), other, sizeof(other)))
		SKIP(return, "no second function of the kind in this guest");
	if (find_reset_above(exporter_bdf(), port, sizeof(port)))
		SKIP(return, "no switch above the function");
	ASSERT_EQ(0, bind_driver(other, "p2pbuf_exporter"));
	a = strcmp(other, exporter_bdf()) < 0 ? other : exporter_bdf();
	b = a == other ? exporter_bdf() : other;
	ASSERT_EQ(0, open_view(&first, a, TEST_BAR));
	ASSERT_EQ(0, open_view(&second, b, TEST_BAR));
	pattern_fill(first.map, SIZE, SEED, 0);
	pattern_fill(second.map, SIZE, SEED, 0);
	test = close_gate(first.fd, DMA_BUF_SYNC_READ, &gate);
	ASSERT_LE(0, test);

	ASSERT_EQ(0, pthread_create(&thread, NULL, reset_below, port));
	while (!raises_sigbus(first.map)) {
		ASSERT_EQ(EBUSY, pthread_tryjoin_np(thread, &ret));
		usleep(1000);
	}
	/* It has not been told, and its memory is out of reach. */
	EXPECT_FALSE(raises_sigbus(second.map));
	EXPECT_FALSE(is_intact(&second));

	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_TRUE(is_intact(&first));
	EXPECT_TRUE(is_intact(&second));
	close_view(&second);
	close_view(&first);
	EXPECT_EQ(0, unbind_driver(other));
}

/* Intel 82576 as QEMU has it, and its virtual functions */
#define IGB		0x10c9
#define IGBVF		0x10ca
#define MAILBOX		0x800

static int set_sriov(const char *bdf, unsigned int nr)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/sriov_numvfs", bdf);
	return write_file(path, "%u", nr);
}

static unsigned int count_revokes(void)
{
	return run_shell("exit $(grep -c p2pbuf_revoke: /sys/kernel/tracing/trace)");
}

TEST(reset_of_the_physical_function)
{
	volatile uint32_t *mailbox;
	char pf[16], vf[16];
	struct view view;

	if (find_function(0x8086, IGB, pf, sizeof(pf)) || set_sriov(pf, 1))
		SKIP(return, "no function with virtual functions in this guest");
	run_shell("mount -t tracefs tracing /sys/kernel/tracing 2>/dev/null");
	ASSERT_EQ(0, write_file("/sys/kernel/tracing/events/p2pbuf/p2pbuf_revoke/enable", "1"));
	ASSERT_EQ(0, find_function(0x8086, IGBVF, vf, sizeof(vf)));
	ASSERT_EQ(0, bind_driver(vf, "p2pbuf_exporter"));
	ASSERT_EQ(0, open_view(&view, vf, 0));
	mailbox = (volatile uint32_t *)(view.map + MAILBOX);
	*mailbox = 0x600dda7a;
	EXPECT_EQ(0x600dda7a, *mailbox);

	EXPECT_EQ(0, reset_function(pf));
	EXPECT_EQ(0, count_revokes());
	EXPECT_FALSE(raises_sigbus(view.map));
	EXPECT_NE(0x600dda7a, *mailbox);

	/* Its own it is told of. */
	EXPECT_EQ(0, reset_function(vf));
	EXPECT_LT(0, count_revokes());
	close_view(&view);
	EXPECT_EQ(0, unbind_driver(vf));
	EXPECT_EQ(0, set_sriov(pf, 0));
	EXPECT_EQ(0, write_file("/sys/kernel/tracing/events/p2pbuf/p2pbuf_revoke/enable", "0"));
}

TEST_HARNESS_MAIN
