// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can happen to the exporter's function: access goes before the memory does, and is
 * back when the memory is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/pci_regs.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define SIZE		(8 * PAGE)
#define LATE_SECONDS	"/sys/module/p2pbuf_exporter/parameters/late_seconds"

/* A buffer that the CPU and, by each interconnect, the importer have mapped. */
struct pair {
	int exporter;
	int importer;
	int fd;
	uint8_t *cpu;
	uint32_t handles[2];
};

static int open_pair(struct pair *pair)
{
	pair->exporter = open_exporter();
	if (pair->exporter < 0)
		return pair->exporter;
	pair->importer = open_importer();
	if (pair->importer < 0)
		return pair->importer;
	pair->fd = export_simple(pair->exporter, 0, SIZE);
	if (pair->fd < 0)
		return pair->fd;
	pair->cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pair->fd, 0);
	if (pair->cpu == MAP_FAILED)
		return -errno;
	return import_both(pair->importer, pair->fd, pair->handles);
}

static void close_pair(struct pair *pair)
{
	munmap(pair->cpu, SIZE);
	close(pair->fd);
	close(pair->importer);
	close(pair->exporter);
}

FIXTURE(event)
{
	struct pair pair;
};

FIXTURE_VARIANT(event)
{
	int (*happen)(int exporter);
};

FIXTURE_VARIANT_ADD(event, reset_ioctl)
{
	.happen = reset_by_ioctl,
};

FIXTURE_VARIANT_ADD(event, reset_sysfs)
{
	.happen = reset_by_sysfs,
};

FIXTURE_VARIANT_ADD(event, memory)
{
	.happen = memory_off_and_on,
};

FIXTURE_VARIANT_ADD(event, suspend)
{
	.happen = suspend_and_resume,
};

FIXTURE_VARIANT_ADD(event, hibernate)
{
	.happen = hibernate_and_resume,
};

FIXTURE_VARIANT_ADD(event, error)
{
	.happen = error_and_recovery,
};

FIXTURE_SETUP(event)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	if (variant->happen == hibernate_and_resume && !can_hibernate())
		SKIP(return, "the kernel cannot hibernate");

	ASSERT_EQ(0, open_pair(&self->pair));
}

FIXTURE_TEARDOWN(event)
{
	close_pair(&self->pair);
}

static int state_of(int importer, uint32_t handle)
{
	struct p2pbuf_query query;
	int ret = query_handle(importer, handle, &query, NULL, 0);

	return ret ? ret : (int)query.state;
}

static bool data_moves(struct pair *pair, uint32_t handle, unsigned int seed)
{
	uint8_t data[PAGE];
	size_t where;

	pattern_fill(pair->cpu, PAGE, seed, 0);
	if (read_buffer(pair->importer, handle, 0, data, PAGE) ||
	    pattern_check(data, PAGE, seed, 0, &where))
		return false;
	pattern_fill(data, PAGE, seed + 1, 0);
	return !write_buffer(pair->importer, handle, 0, data, PAGE) &&
	       !pattern_check(pair->cpu, PAGE, seed + 1, 0, &where);
}

static bool works_again(struct pair *pair, uint32_t handle)
{
	return !map_handle(pair->importer, handle) &&
	       state_of(pair->importer, handle) == P2PBUF_STATE_MAPPED &&
	       (!data_arrives() || data_moves(pair, handle, handle));
}

TEST_F_TIMEOUT(event, same_dmabuf_works_again, GUEST_TIMEOUT)
{
	uint8_t data[PAGE];
	unsigned int i;

	memset(self->pair.cpu, 0x55, SIZE);
	ASSERT_EQ(0, variant->happen(self->pair.exporter));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(P2PBUF_STATE_STALE, state_of(self->pair.importer, self->pair.handles[i]));
		EXPECT_EQ(-ESTALE, read_buffer(self->pair.importer, self->pair.handles[i], 0, data,
					       PAGE));
		EXPECT_TRUE(works_again(&self->pair, self->pair.handles[i]));
	}
	EXPECT_FALSE(raises_sigbus(self->pair.cpu));
	EXPECT_FALSE(raises_sigbus(self->pair.cpu + SIZE - 1));
}

static bool has_news(int importer)
{
	struct pollfd poll_importer = { .fd = importer, .events = POLLPRI };

	return poll(&poll_importer, 1, 0) == 1 && poll_importer.revents == POLLPRI;
}

/* Loss and return are an event each, also for who had nothing mapped. */
TEST_F_TIMEOUT(event, is_told, GUEST_TIMEOUT)
{
	struct p2pbuf_query query;
	unsigned int i;

	ASSERT_EQ(0, unmap_handle(self->pair.importer, self->pair.handles[1]));
	EXPECT_FALSE(has_news(self->pair.importer));
	ASSERT_EQ(0, variant->happen(self->pair.exporter));
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(has_news(self->pair.importer));
		ASSERT_EQ(0, query_handle(self->pair.importer, self->pair.handles[i], &query, NULL,
					  0));
		EXPECT_EQ(2, query.nr_events);
	}
	EXPECT_FALSE(has_news(self->pair.importer));
}

/* A query whose answer does not reach the user has told nothing. */
TEST_F_TIMEOUT(event, is_not_told, GUEST_TIMEOUT)
{
	struct p2pbuf_query *query, again;

	ASSERT_EQ(0, variant->happen(self->pair.exporter));
	ASSERT_EQ(0, query_handle(self->pair.importer, self->pair.handles[1], &again, NULL, 0));

	query = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, query);
	*query = (struct p2pbuf_query){ .handle = self->pair.handles[0] };
	ASSERT_EQ(0, mprotect(query, PAGE, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->pair.importer, P2PBUF_IOCTL_QUERY, query));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(has_news(self->pair.importer));

	ASSERT_EQ(0, query_handle(self->pair.importer, self->pair.handles[0], &again, NULL, 0));
	EXPECT_FALSE(has_news(self->pair.importer));
	munmap(query, PAGE);
}

/* The event waits for the chunk under way and for the unmap; then the copy is refused. */
TEST_F_TIMEOUT(event, with_dma_in_flight, GUEST_TIMEOUT)
{
	struct traffic traffic[2];
	unsigned int i;

	if (!data_arrives())
		SKIP(return, NO_DATA);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, start_traffic(&traffic[i], self->pair.importer,
					   self->pair.handles[i]));
	EXPECT_EQ(0, variant->happen(self->pair.exporter));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-ESTALE, wait_for_traffic(&traffic[i]));
		EXPECT_TRUE(works_again(&self->pair, self->pair.handles[i]));
	}
}

/* The importer's own function: the mapping stays, the engine waits. */

FIXTURE(own_event)
{
	struct pair pair;
};

FIXTURE_VARIANT(own_event)
{
	int (*happen)(void);
	const char *topology;	/* the only one where it can be made to happen, or NULL */
};

static int reset_importer(void)
{
	return reset_function(importer_bdf());
}

static int error_above_importer(void)
{
	return error_below("port1");
}

FIXTURE_VARIANT_ADD(own_event, reset)
{
	.happen = reset_importer,
};

FIXTURE_VARIANT_ADD(own_event, error)
{
	.happen = error_above_importer,
	.topology = "host-bridge",
};

FIXTURE_SETUP(own_event)
{
	if (variant->topology && strcmp(variant->topology, getenv("P2PBUF_TOPOLOGY")))
		SKIP(return, "no port above the importer alone");
	if (!data_arrives())
		SKIP(return, NO_DATA);
	ASSERT_EQ(0, open_pair(&self->pair));
}

FIXTURE_TEARDOWN(own_event)
{
	close_pair(&self->pair);
}

TEST_F_TIMEOUT(own_event, with_dma_in_flight, GUEST_TIMEOUT)
{
	struct pair *pair = &self->pair;
	struct traffic traffic;
	unsigned int i;
	int ret;

	ASSERT_EQ(0, start_traffic(&traffic, pair->importer, pair->handles[0]));
	for (i = 0; i < 5; i++) {
		while (traffic.done < 2 * i + 1)
			usleep(10000);
		EXPECT_EQ(0, variant->happen());
	}
	ret = stop_traffic(&traffic);
	EXPECT_TRUE(!ret || ret == -EAGAIN || ret == -EINTR) {
		TH_LOG("the last write returned %d", ret);
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(P2PBUF_STATE_MAPPED, state_of(pair->importer, pair->handles[i]));
		EXPECT_TRUE(data_moves(pair, pair->handles[i], 100 + i));
	}
}

/* No DMA by a function that did not come back, until it has: by a reset, or in a recovery. */
TEST_F_TIMEOUT(own_event, fails, GUEST_TIMEOUT)
{
	struct pair *pair = &self->pair;
	struct traffic traffic[2];
	uint8_t data[PAGE] = { 1 };
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, start_traffic(&traffic[i], pair->importer, pair->handles[i]));
	ASSERT_EQ(0, hide_function(importer_bdf(), true));
	reset_importer();
	ASSERT_EQ(0, hide_function(importer_bdf(), false));
	for (i = 0; i < 2; i++) {
		wait_for_traffic(&traffic[i]);
		EXPECT_EQ(P2PBUF_STATE_MAPPED, state_of(pair->importer, pair->handles[i]));
		EXPECT_EQ(-EIO, write_buffer(pair->importer, pair->handles[i], 0, data, PAGE));
	}
	EXPECT_EQ(0, variant->happen());
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(data_moves(pair, pair->handles[i], 70 + i));
}

/* A transfer does not end, and the function does not answer: that is waited for once. */
TEST_F_TIMEOUT(own_event, falls_silent, GUEST_TIMEOUT)
{
	struct pair *pair = &self->pair;
	struct p2pbuf_test_irq irq = {};
	uint8_t data[PAGE] = { 1 };
	int test = open_test_module();

	ASSERT_LE(0, test);
	strncpy(irq.client, importer_bdf(), sizeof(irq.client) - 1);
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_IRQ_WAITS, &irq));
	ASSERT_EQ(0, hide_function(importer_bdf(), true));
	EXPECT_EQ(-ETIMEDOUT, write_buffer(pair->importer, pair->handles[0], 0, data, PAGE));
	EXPECT_EQ(-EIO, write_buffer(pair->importer, pair->handles[0], 0, data, PAGE));
	ASSERT_EQ(0, hide_function(importer_bdf(), false));
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_IRQ_COMES));
	EXPECT_EQ(-EIO, write_buffer(pair->importer, pair->handles[0], 0, data, PAGE));
	EXPECT_EQ(0, variant->happen());
	EXPECT_TRUE(data_moves(pair, pair->handles[0], 80));
	close(test);
}

/* With memory decoding off one can look around. */
FIXTURE(lost)
{
	struct pair pair;
};

FIXTURE_SETUP(lost)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");

	ASSERT_EQ(0, open_pair(&self->pair));
	memset(self->pair.cpu, 0x44, SIZE);
	ASSERT_EQ(0, set_memory(self->pair.exporter, false));
}

FIXTURE_TEARDOWN(lost)
{
	EXPECT_EQ(0, set_memory(self->pair.exporter, true));
	close_pair(&self->pair);
}

TEST_F(lost, nothing_is_accessible)
{
	uint32_t handle;
	unsigned int i;

	EXPECT_TRUE(raises_sigbus(self->pair.cpu));
	EXPECT_TRUE(raises_sigbus(self->pair.cpu + SIZE - 1));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED, self->pair.fd, 0));
	EXPECT_EQ(ENODEV, errno);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-ENODEV, map_handle(self->pair.importer, self->pair.handles[i]));
		EXPECT_EQ(-ENODEV, import_buffer(self->pair.importer, self->pair.fd,
						 P2PBUF_INTERCONNECT_PHYS + i,
						 READ_WRITE, &handle));
	}
}

/* Once more is no error and changes nothing; a reset does not turn it on. */
TEST_F(lost, stays_lost)
{
	EXPECT_EQ(0, set_memory(self->pair.exporter, false));
	EXPECT_EQ(-ENODEV, map_handle(self->pair.importer, self->pair.handles[0]));
	EXPECT_EQ(0, reset_exporter(self->pair.exporter));
	EXPECT_EQ(-ENODEV, map_handle(self->pair.importer, self->pair.handles[0]));
	EXPECT_TRUE(raises_sigbus(self->pair.cpu));
}

TEST_F(lost, export_meanwhile)
{
	uint32_t handle;
	uint8_t *cpu;
	int fd;

	fd = export_simple(self->pair.exporter, PAGE, PAGE);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-ENODEV, import_buffer(self->pair.importer, fd, P2PBUF_INTERCONNECT_PHYS,
					 READ_WRITE, &handle));
	ASSERT_EQ(0, set_memory(self->pair.exporter, true));
	EXPECT_EQ(0, import_buffer(self->pair.importer, fd, P2PBUF_INTERCONNECT_PHYS, READ_WRITE,
				   &handle));
	EXPECT_EQ(0, map_handle(self->pair.importer, handle));
	cpu = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, cpu);
	EXPECT_EQ(0x44, *cpu);
	munmap(cpu, PAGE);
	close(fd);
}

TEST_F(lost, unbind_and_bind)
{
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	EXPECT_EQ(-ENODEV, map_handle(self->pair.importer, self->pair.handles[0]));
	EXPECT_EQ(-ENODEV, set_memory(self->pair.exporter, true));
	EXPECT_EQ(-ENODEV, reset_exporter(self->pair.exporter));
	close(self->pair.exporter);
	self->pair.exporter = open_exporter();
	EXPECT_GE(self->pair.exporter, 0);
}

TEST_F(lost, bad_arguments)
{
	struct p2pbuf_memory memory = { .on = 2 };
	struct p2pbuf_reset reset = { .flags = 1 };

	EXPECT_EQ(-1, ioctl(self->pair.exporter, P2PBUF_IOCTL_MEMORY, &memory));
	EXPECT_EQ(EINVAL, errno);
	memory = (struct p2pbuf_memory){ .on = 1, .flags = 1 };
	EXPECT_EQ(-1, ioctl(self->pair.exporter, P2PBUF_IOCTL_MEMORY, &memory));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-ENODEV, map_handle(self->pair.importer, self->pair.handles[0]));
	EXPECT_EQ(-1, ioctl(self->pair.exporter, P2PBUF_IOCTL_RESET, &reset));
	EXPECT_EQ(EINVAL, errno);
	reset = (struct p2pbuf_reset){ .reserved = 1 };
	EXPECT_EQ(-1, ioctl(self->pair.exporter, P2PBUF_IOCTL_RESET, &reset));
	EXPECT_EQ(EINVAL, errno);
}

/* ... nor one that failed; one that works gives back nothing that the user took. */
TEST_F(lost, failed_reset)
{
	ASSERT_EQ(0, hide_function(exporter_bdf(), true));
	EXPECT_EQ(-EIO, reset_exporter(self->pair.exporter));
	EXPECT_TRUE(is_lost_by(self->pair.exporter, "memory-off failed"));
	ASSERT_EQ(0, hide_function(exporter_bdf(), false));
	EXPECT_EQ(-EIO, map_handle(self->pair.importer, self->pair.handles[0]));
	EXPECT_EQ(0, reset_by_sysfs(self->pair.exporter));
	EXPECT_TRUE(is_lost_by(self->pair.exporter, "memory-off"));
	EXPECT_EQ(0, read_command(exporter_bdf()) & PCI_COMMAND_MEMORY);
	EXPECT_EQ(-ENODEV, map_handle(self->pair.importer, self->pair.handles[0]));
	ASSERT_EQ(0, set_memory(self->pair.exporter, true));
	EXPECT_TRUE(works_again(&self->pair, self->pair.handles[0]));
}

/*
 * A function that does not answer when access should come back
 */
FIXTURE(failure)
{
	struct pair pair;
};

FIXTURE_VARIANT(failure)
{
	int (*happen)(int exporter);
	int ret;
	const char *topology;	/* the only one where it can be made to happen, or NULL */
};

FIXTURE_VARIANT_ADD(failure, reset_ioctl)
{
	.happen = reset_by_ioctl,
	.ret = -EIO,
};

FIXTURE_VARIANT_ADD(failure, reset_sysfs)
{
	.happen = reset_by_sysfs,
};

static int memory_on(int exporter)
{
	return set_memory(exporter, true);
}

FIXTURE_VARIANT_ADD(failure, memory_on)
{
	.happen = memory_on,
	.ret = -EIO,
};

FIXTURE_VARIANT_ADD(failure, suspend)
{
	.happen = suspend_and_resume,
};

/* Below a switch its ports are reset too, and with them what hides the function. */
FIXTURE_VARIANT_ADD(failure, error)
{
	.happen = lost_link,
	.topology = "host-bridge",
};

FIXTURE_SETUP(failure)
{
	if (variant->topology && strcmp(variant->topology, getenv("P2PBUF_TOPOLOGY")))
		SKIP(return, "the recovery finds the function again");
	if (!data_arrives())
		SKIP(return, NO_DATA);
	ASSERT_EQ(0, open_pair(&self->pair));
}

FIXTURE_TEARDOWN(failure)
{
	EXPECT_EQ(0, hide_function(exporter_bdf(), false));
	close_pair(&self->pair);
}

static void expect_failed(struct __test_metadata *_metadata, struct pair *pair)
{
	uint32_t handle;
	unsigned int i;

	EXPECT_TRUE(is_lost_by(pair->exporter, "failed"));
	EXPECT_TRUE(raises_sigbus(pair->cpu));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED, pair->fd, 0));
	EXPECT_EQ(EIO, errno);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-EIO, map_handle(pair->importer, pair->handles[i]));
		EXPECT_EQ(-EIO, import_buffer(pair->importer, pair->fd,
					      P2PBUF_INTERCONNECT_PHYS + i, READ_WRITE,
					      &handle));
	}
}

/* Not when it answers again, and not by turning memory decoding on. */
TEST_F_TIMEOUT(failure, ends_with_a_reset_that_works, GUEST_TIMEOUT)
{
	struct pair *pair = &self->pair;
	int withdrawn = export_simple(pair->exporter, 0, PAGE);
	struct traffic traffic[2];
	uint32_t handle;
	unsigned int i;

	ASSERT_EQ(0, revoke_buffer(pair->exporter, withdrawn));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, start_traffic(&traffic[i], pair->importer, pair->handles[i]));
	ASSERT_EQ(0, hide_function(exporter_bdf(), true));
	EXPECT_EQ(variant->ret, variant->happen(pair->exporter));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(-ESTALE, wait_for_traffic(&traffic[i]));
	expect_failed(_metadata, pair);
	/* What no reset brings back. */
	EXPECT_EQ(-ENODEV, import_buffer(pair->importer, withdrawn, P2PBUF_INTERCONNECT_AUTO,
					 READ_WRITE, &handle));
	close(withdrawn);

	ASSERT_EQ(0, hide_function(exporter_bdf(), false));
	expect_failed(_metadata, pair);
	EXPECT_EQ(-EIO, set_memory(pair->exporter, true));
	expect_failed(_metadata, pair);

	EXPECT_EQ(0, reset_exporter(pair->exporter));
	EXPECT_TRUE(is_lost_by(pair->exporter, "nothing"));
	EXPECT_EQ(PCI_COMMAND_MEMORY, read_command(exporter_bdf()) & PCI_COMMAND_MEMORY);
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(works_again(pair, pair->handles[i]));
	EXPECT_FALSE(raises_sigbus(pair->cpu));
}

/* A recovery resets the link above the function, and so the function. */
TEST_F_TIMEOUT(lost, recovery_after_failure, GUEST_TIMEOUT)
{
	ASSERT_EQ(0, set_memory(self->pair.exporter, true));
	ASSERT_EQ(0, hide_function(exporter_bdf(), true));
	EXPECT_EQ(-EIO, set_memory(self->pair.exporter, true));
	EXPECT_TRUE(is_lost_by(self->pair.exporter, "failed"));
	ASSERT_EQ(0, hide_function(exporter_bdf(), false));

	EXPECT_EQ(0, error_and_recovery(self->pair.exporter));
	EXPECT_TRUE(is_lost_by(self->pair.exporter, "nothing"));
	EXPECT_TRUE(works_again(&self->pair, self->pair.handles[0]));
}

/* It answers, and its BARs are not where the kernel believes. */
TEST(misplaced_function_is_not_bound)
{
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	ASSERT_EQ(0, hide_function(exporter_bdf(), true));
	/* The PCI core does not always notice. */
	reset_function(exporter_bdf());
	EXPECT_NE(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	ASSERT_EQ(0, hide_function(exporter_bdf(), false));
	EXPECT_NE(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	EXPECT_EQ(0, replace_function(exporter_bdf()));
}

/*
 * The reset by the ioctl, and who has the function meanwhile
 */

struct resets {
	atomic_uint done;
	atomic_bool stop;
	int ret;		/* the first that was neither 0 nor -ENODEV */
};

static void *reset_again_and_again(void *arg)
{
	struct resets *resets = arg;
	int fd, ret;

	while (!resets->stop) {
		fd = open_exporter();
		if (fd < 0)
			continue;
		do {
			ret = reset_exporter(fd);
			resets->done++;
		} while (!ret && !resets->stop);
		if (ret && ret != -ENODEV && !resets->ret)
			resets->ret = ret;
		close(fd);
	}
	return NULL;
}

/* The PCI core says so of a driver that has no callback for it. */
static int count_resets_of_others(void)
{
	return run_shell("exit $(dmesg | grep -c '%s: resetting')", exporter_bdf());
}

FIXTURE(race) {};

FIXTURE_SETUP(race)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
}

FIXTURE_TEARDOWN(race) {}

TEST_F_TIMEOUT(race, reset_and_other_drivers, GUEST_TIMEOUT)
{
	struct resets resets = {};
	unsigned int i, seen;
	pthread_t thread;
	struct pair pair;
	int before = count_resets_of_others();

	ASSERT_EQ(0, pthread_create(&thread, NULL, reset_again_and_again, &resets));
	for (i = 0; i < 20; i++) {
		for (seen = resets.done; resets.done == seen;)
			usleep(1000);
		/* At another point of the reset each time. */
		usleep(i * 7000);
		ASSERT_EQ(0, unbind_driver(exporter_bdf()));
		ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_test"));
		ASSERT_EQ(0, unbind_driver(exporter_bdf()));
		ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	}
	resets.stop = true;
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, resets.ret);
	EXPECT_EQ(before, count_resets_of_others());

	ASSERT_EQ(0, open_pair(&pair));
	EXPECT_TRUE(!data_arrives() || data_moves(&pair, pair.handles[0], 9));
	close_pair(&pair);
}

/* An importer that does not keep the contract is waited for, and named. */
static void *memory_off(void *exporter)
{
	return (void *)(intptr_t)set_memory(*(int *)exporter, false);
}

static int count_named(void)
{
	return run_shell("exit $(dmesg | grep -c '%s %s (p2pbuf_importer) %s %lu bytes')",
			 "waiting for", importer_bdf(), "to unmap a DMABUF of", 3 * PAGE);
}

TEST(late_importer_is_named)
{
	struct p2pbuf_test_hold hold = {};
	int exporter, test, before;
	pthread_t thread;
	void *ret;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	ASSERT_EQ(0, write_file(LATE_SECONDS, "1"));
	test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(test, 0);
	exporter = open_exporter();
	ASSERT_GE(exporter, 0);
	hold.fd = export_simple(exporter, 0, 3 * PAGE);
	ASSERT_GE(hold.fd, 0);
	strncpy(hold.client, importer_bdf(), sizeof(hold.client) - 1);
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_HOLD, &hold));
	ASSERT_EQ(0, hold.result);

	before = count_named();
	ASSERT_EQ(0, pthread_create(&thread, NULL, memory_off, &exporter));
	while (count_named() < before + 2) {
		ASSERT_EQ(EBUSY, pthread_tryjoin_np(thread, &ret));
		usleep(100000);
	}
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_DROP));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(0, set_memory(exporter, true));
	EXPECT_EQ(0, write_file(LATE_SECONDS, "10"));
	close(hold.fd);
	close(exporter);
	close(test);
}

static void *wait_for_reset(void *exporter)
{
	return (void *)(intptr_t)reset_exporter(*(int *)exporter);
}

static bool can_read_config(const char *bdf)
{
	int port = open_port(bdf), ret;
	uint16_t vendor;

	ret = pread(port, &vendor, sizeof(vendor), PCI_VENDOR_ID);
	close(port);
	return ret == sizeof(vendor) && read_command(bdf) >= 0;
}

/* Nobody else is kept from the function and the port above it, or cannot be killed. */
TEST(reset_waits_for_importer)
{
	struct p2pbuf_test_hold hold = {};
	int exporter, test, status;
	pthread_t thread;
	pid_t child;
	void *ret;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(test, 0);
	exporter = open_exporter();
	ASSERT_GE(exporter, 0);
	hold.fd = export_simple(exporter, 0, PAGE);
	ASSERT_GE(hold.fd, 0);
	strncpy(hold.client, importer_bdf(), sizeof(hold.client) - 1);
	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_HOLD, &hold));
	ASSERT_EQ(0, hold.result);

	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_for_reset, &exporter));
	while (!is_lost_by(exporter, "reset"))
		usleep(10000);
	EXPECT_TRUE(can_read_config(exporter_bdf()));
	child = fork();
	if (!child) {
		reset_exporter(exporter);
		_exit(1);
	}
	ASSERT_LT(0, child);
	usleep(100000);
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(EBUSY, pthread_tryjoin_np(thread, &ret));

	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_DROP));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_TRUE(is_lost_by(exporter, "nothing"));
	close(hold.fd);
	close(exporter);
	close(test);
}

static int count_named_fences(void)
{
	return run_shell("exit $(dmesg | grep -c '%s p2pbuf_test (p2pbuf_test) %s %lu bytes')",
			 "waiting for a fence of", "on a DMABUF of", 5 * PAGE);
}

TEST(late_fence_is_named)
{
	int exporter, test, gate, fd, before;
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, write_file(LATE_SECONDS, "1"));
	exporter = open_exporter();
	ASSERT_GE(exporter, 0);
	fd = export_simple(exporter, 0, 5 * PAGE);
	ASSERT_GE(fd, 0);
	test = close_gate(fd, DMA_BUF_SYNC_READ, &gate);
	ASSERT_GE(test, 0);

	before = count_named_fences();
	ASSERT_EQ(0, pthread_create(&thread, NULL, memory_off, &exporter));
	while (count_named_fences() < before + 2) {
		ASSERT_EQ(EBUSY, pthread_tryjoin_np(thread, &ret));
		usleep(100000);
	}
	ASSERT_EQ(0, open_gate(test, gate));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(0, set_memory(exporter, true));
	EXPECT_EQ(0, write_file(LATE_SECONDS, "10"));
	close(fd);
	close(exporter);
}

/*
 * Runtime power management
 */

static bool is_suspended(void)
{
	char path[128], status[32] = "";

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power/runtime_status",
		 exporter_bdf());
	read_file(path, status, sizeof(status));
	return !strcmp(status, "suspended\n");
}

/* It happens a moment after the last user has gone. */
static bool suspends(void)
{
	unsigned int i;

	for (i = 0; i < 100 && !is_suspended(); i++)
		usleep(10000);
	return is_suspended();
}

static int set_power_control(const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power/control",
		 exporter_bdf());
	return write_file(path, "%s", value);
}

TEST(users_keep_the_function_awake)
{
	int exporter, importer, fd;
	uint32_t handle;
	uint8_t *cpu;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	exporter = open_exporter();
	ASSERT_GE(exporter, 0);
	importer = open_importer();
	ASSERT_GE(importer, 0);
	fd = export_simple(exporter, 0, SIZE);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, import_buffer(importer, fd, P2PBUF_INTERCONNECT_PHYS, READ_WRITE,
				   &handle));
	ASSERT_EQ(0, set_power_control("auto"));
	EXPECT_TRUE(suspends());

	ASSERT_EQ(0, map_handle(importer, handle));
	EXPECT_FALSE(suspends());
	cpu = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, cpu);
	ASSERT_EQ(0, unmap_handle(importer, handle));
	EXPECT_FALSE(suspends());

	/* Half of it is another VMA; then none is left. */
	ASSERT_EQ(0, munmap(cpu + PAGE, PAGE));
	EXPECT_FALSE(suspends());
	ASSERT_EQ(0, munmap(cpu, PAGE));
	EXPECT_FALSE(suspends());
	ASSERT_EQ(0, munmap(cpu + 2 * PAGE, SIZE - 2 * PAGE));
	EXPECT_TRUE(suspends());

	/* An unbind with users does not keep the next driver's function awake. */
	cpu = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, cpu);
	ASSERT_EQ(0, map_handle(importer, handle));
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	EXPECT_TRUE(suspends());
	munmap(cpu, SIZE);
	EXPECT_TRUE(suspends());
	EXPECT_EQ(0, set_power_control("on"));
	close(fd);
	close(importer);
	close(exporter);
}

static void *reset_in_thread(void *arg)
{
	return (void *)(long)reset_exporter(*(int *)arg);
}

/*
 * The function may suspend once the last user has gone, but not while it is being reset:
 * what is saved then would be restored afterwards. A reset takes some 0.05 s.
 */
TEST(no_suspend_during_reset)
{
	int exporter = open_exporter(), fd;
	unsigned int delay;
	pthread_t thread;
	uint8_t *cpu;
	void *ret;

	ASSERT_GE(exporter, 0);
	fd = export_simple(exporter, 0, PAGE);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, set_power_control("auto"));
	for (delay = 0; delay < 100000; delay += 5000) {
		cpu = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, cpu);
		ASSERT_EQ(0, pthread_create(&thread, NULL, reset_in_thread, &exporter));
		usleep(delay);
		munmap(cpu, PAGE);
		ASSERT_EQ(0, pthread_join(thread, &ret));
		EXPECT_EQ(NULL, ret);
		EXPECT_TRUE(suspends());

		cpu = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, cpu);
		*(volatile uint8_t *)cpu = delay / 5000;
		EXPECT_EQ(delay / 5000, *(volatile uint8_t *)cpu);
		munmap(cpu, PAGE);
	}
	EXPECT_EQ(0, set_power_control("on"));
	close(fd);
	close(exporter);
}

TEST_HARNESS_MAIN
