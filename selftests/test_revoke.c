// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access taken from one DMABUF for good, and what whoever holds a DMABUF can do to a revoke of
 * any kind, and to those who use its memory meanwhile: nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
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

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define SIZE		(4 * PAGE)
#define NR		3
#define LATE_SECONDS	"/sys/module/p2pbuf_exporter/parameters/late_seconds"

/* DMABUFs of one BAR, each of its own ranges. */
FIXTURE(revoke)
{
	int exporter;
	int importer;
	int test;
	int fds[NR];
	uint8_t *cpu[NR];
};

FIXTURE_SETUP(revoke)
{
	unsigned int i;

	ASSERT_EQ(0, bind_both());
	self->test = open_test_module();
	ASSERT_GE(self->test, 0);
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	for (i = 0; i < NR; i++) {
		self->fds[i] = export_simple(self->exporter, i * SIZE, SIZE);
		ASSERT_GE(self->fds[i], 0);
		self->cpu[i] = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				    self->fds[i], 0);
		ASSERT_NE(MAP_FAILED, self->cpu[i]);
		memset(self->cpu[i], 0x40 + i, SIZE);
	}
}

FIXTURE_TEARDOWN(revoke)
{
	unsigned int i;

	close(self->test);
	for (i = 0; i < NR; i++) {
		munmap(self->cpu[i], SIZE);
		close(self->fds[i]);
	}
	close(self->importer);
	close(self->exporter);
	EXPECT_EQ(0, bind_both());
}

static int state_of(int importer, uint32_t handle)
{
	struct p2pbuf_query query;
	int ret = query_handle(importer, handle, &query, NULL, 0);

	return ret ? ret : (int)query.state;
}

static bool has_access(int fd, const uint8_t *cpu)
{
	void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	int error = errno;

	if (map == MAP_FAILED)
		return error != ENODEV || !raises_sigbus((volatile uint8_t *)cpu);
	munmap(map, SIZE);
	return !raises_sigbus((volatile uint8_t *)cpu);
}

/* What fdinfo of the exporter's node says. */
static const char *told_of(int exporter)
{
	static char text[64 * 1024];
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", exporter);
	return read_file(path, text, sizeof(text)) < 0 ? "" : text;
}

static unsigned int count_in(const char *text, const char *what)
{
	unsigned int nr = 0;

	for (; (text = strstr(text, what)); text++)
		nr++;
	return nr;
}

static bool has_route(void)
{
	return expected_route() != P2PBUF_ROUTE_UNKNOWN;
}

/* An importer that does not answer has it mapped until the test module is told to drop it. */
static int hold(int test, int fd)
{
	struct p2pbuf_test_hold hold = { .fd = fd };

	snprintf(hold.client, sizeof(hold.client), "%s", importer_bdf());
	return ioctl(test, P2PBUF_TEST_HOLD, &hold) ? -errno : hold.result;
}

struct caller {
	pthread_t thread;
	int (*call)(struct caller *caller);
	int exporter;
	int fd;
	atomic_bool done;
	int ret;
};

static void *call_it(void *arg)
{
	struct caller *caller = arg;

	caller->ret = caller->call(caller);
	caller->done = true;
	return NULL;
}

static int call_memory_off(struct caller *caller)
{
	return set_memory(caller->exporter, false);
}

static int call_reset(struct caller *caller)
{
	return reset_exporter(caller->exporter);
}

static int call_revoke(struct caller *caller)
{
	return revoke_buffer(caller->exporter, caller->fd);
}

/* Until the event has taken access away and waits, as fdinfo shows. */
static int start(struct caller *caller, const char *shown)
{
	int ret = pthread_create(&caller->thread, NULL, call_it, caller);

	while (!ret && !caller->done && !strstr(told_of(caller->exporter), shown))
		usleep(1000);
	return -ret;
}

/* The same by a child, which can be killed. */
static pid_t start_child(struct caller *caller, const char *shown)
{
	pid_t child = fork();

	if (!child)
		_exit(-caller->call(caller));
	while (!strstr(told_of(caller->exporter), shown))
		usleep(1000);
	return child;
}

static int finish(struct caller *caller)
{
	pthread_join(caller->thread, NULL);
	return caller->ret;
}

TEST_F_TIMEOUT(revoke, one_of_several, GUEST_TIMEOUT)
{
	uint32_t handles[2], other, handle;
	unsigned int i;

	if (has_route()) {
		ASSERT_EQ(0, import_both(self->importer, self->fds[0], handles));
		ASSERT_EQ(0, import_buffer(self->importer, self->fds[1],
					   P2PBUF_INTERCONNECT_AUTO, READ_WRITE, &other));
		ASSERT_EQ(0, map_handle(self->importer, other));
	}
	EXPECT_EQ(0, revoke_buffer(self->exporter, self->fds[0]));
	EXPECT_EQ(0, revoke_buffer(self->exporter, self->fds[0]));

	EXPECT_FALSE(has_access(self->fds[0], self->cpu[0]));
	EXPECT_TRUE(raises_sigbus(self->cpu[0] + SIZE - 1));
	EXPECT_TRUE(has_access(self->fds[1], self->cpu[1]));
	EXPECT_EQ(0x41, self->cpu[1][0]);
	EXPECT_EQ(1, count_in(told_of(self->exporter), "state=revoked\n"));
	EXPECT_EQ(NR - 1, count_in(told_of(self->exporter), "state=accessible\n"));
	if (!has_route())
		return;
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(P2PBUF_STATE_STALE, state_of(self->importer, handles[i]));
		EXPECT_EQ(-ENODEV, map_handle(self->importer, handles[i]));
		EXPECT_EQ(-ENODEV, import_buffer(self->importer, self->fds[0],
						 P2PBUF_INTERCONNECT_PHYS + i, READ_WRITE,
						 &handle));
	}
	EXPECT_EQ(P2PBUF_STATE_MAPPED, state_of(self->importer, other));
}

/* No event brings it back, and the others come back as always. */
TEST_F_TIMEOUT(revoke, for_good, GUEST_TIMEOUT)
{
	ASSERT_EQ(0, revoke_buffer(self->exporter, self->fds[0]));
	ASSERT_EQ(0, set_memory(self->exporter, false));
	EXPECT_EQ(1, count_in(told_of(self->exporter), "state=revoked\n"));
	EXPECT_EQ(NR - 1, count_in(told_of(self->exporter), "state=lost\n"));
	/* One that is lost already is not given back either. */
	EXPECT_EQ(0, revoke_buffer(self->exporter, self->fds[1]));
	ASSERT_EQ(0, set_memory(self->exporter, true));
	EXPECT_FALSE(has_access(self->fds[0], self->cpu[0]));
	EXPECT_FALSE(has_access(self->fds[1], self->cpu[1]));
	EXPECT_TRUE(has_access(self->fds[2], self->cpu[2]));

	ASSERT_EQ(0, reset_exporter(self->exporter));
	EXPECT_FALSE(has_access(self->fds[0], self->cpu[0]));
	EXPECT_EQ(2, count_in(told_of(self->exporter), "state=revoked\n"));
	EXPECT_EQ(1, count_in(told_of(self->exporter), "state=accessible\n"));
}

static int mmap_errno(int fd)
{
	void *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return errno;
	munmap(map, SIZE);
	return 0;
}

/* EIO promises that a reset helps, which of a DMABUF that was taken back is not so. */
TEST_F_TIMEOUT(revoke, of_a_failed_function, GUEST_TIMEOUT)
{
	uint32_t handle;

	ASSERT_EQ(0, revoke_buffer(self->exporter, self->fds[0]));
	ASSERT_EQ(0, hide_function(exporter_bdf(), true));
	EXPECT_EQ(-EIO, reset_exporter(self->exporter));
	EXPECT_EQ(0, revoke_buffer(self->exporter, self->fds[1]));
	EXPECT_EQ(ENODEV, mmap_errno(self->fds[0]));
	EXPECT_EQ(ENODEV, mmap_errno(self->fds[1]));
	EXPECT_EQ(EIO, mmap_errno(self->fds[2]));
	EXPECT_EQ(-ENODEV, import_buffer(self->importer, self->fds[0], P2PBUF_INTERCONNECT_AUTO,
					 READ_WRITE, &handle));
	EXPECT_EQ(-EIO, import_buffer(self->importer, self->fds[2], P2PBUF_INTERCONNECT_AUTO,
				      READ_WRITE, &handle));
	ASSERT_EQ(0, hide_function(exporter_bdf(), false));
	EXPECT_EQ(0, reset_exporter(self->exporter));
	EXPECT_EQ(ENODEV, mmap_errno(self->fds[0]));
	EXPECT_EQ(0, mmap_errno(self->fds[2]));
}

TEST_F(revoke, bad_arguments)
{
	struct p2pbuf_test_rogue rogue = { .fd = self->fds[0] };
	struct p2pbuf_revoke args = { .fd = self->fds[0], .flags = 1 };
	int other, memory;

	EXPECT_EQ(-1, ioctl(self->exporter, P2PBUF_IOCTL_REVOKE, &args));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-EBADF, revoke_buffer(self->exporter, -1));
	memory = memfd_create("p2pbuf", MFD_CLOEXEC);
	EXPECT_EQ(-EINVAL, revoke_buffer(self->exporter, memory));
	close(memory);

	/* Of another exporter, with a description like ours. */
	other = ioctl(self->test, P2PBUF_TEST_ROGUE, &rogue);
	ASSERT_GE(other, 0);
	EXPECT_EQ(-EXDEV, revoke_buffer(self->exporter, other));
	close(other);
	EXPECT_TRUE(has_access(self->fds[0], self->cpu[0]));
}

TEST_F(revoke, after_unbind)
{
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_EQ(0, revoke_buffer(self->exporter, self->fds[0]));
	EXPECT_FALSE(has_access(self->fds[0], self->cpu[0]));
}

TEST_F_TIMEOUT(revoke, with_dma_in_flight, GUEST_TIMEOUT)
{
	struct traffic traffic[2];
	uint32_t handles[2];
	unsigned int i;

	if (!data_arrives())
		SKIP(return, NO_DATA);
	ASSERT_EQ(0, import_both(self->importer, self->fds[0], handles));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, start_traffic(&traffic[i], self->importer, handles[i]));
	EXPECT_EQ(0, revoke_buffer(self->exporter, self->fds[0]));
	EXPECT_EQ(0, count_in(told_of(self->exporter), "maps=1 state=revoked"));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-ESTALE, wait_for_traffic(&traffic[i]));
		EXPECT_EQ(-ENODEV, map_handle(self->importer, handles[i]));
	}
}

/* The importer is waited for, which a signal ends, and nothing but that. */
TEST_F_TIMEOUT(revoke, late_importer, GUEST_TIMEOUT)
{
	struct caller caller = { .call = call_revoke, .exporter = self->exporter,
				 .fd = self->fds[0] };
	int status;
	pid_t child;

	if (!has_route())
		SKIP(return, "the pair is unreachable");
	ASSERT_EQ(0, hold(self->test, self->fds[0]));
	child = start_child(&caller, "state=revoked");
	EXPECT_FALSE(has_access(self->fds[0], self->cpu[0]));
	/* Until the signal comes while it waits. */
	while (!waitpid(child, &status, WNOHANG)) {
		kill(child, SIGKILL);
		usleep(1000);
	}
	EXPECT_TRUE(WIFSIGNALED(status));

	ASSERT_EQ(0, start(&caller, "state=revoked"));
	EXPECT_FALSE(caller.done);
	EXPECT_EQ(1, count_in(told_of(self->exporter), "maps=1 state=revoked"));
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_DROP));
	EXPECT_EQ(0, finish(&caller));
}

static void interrupt(int signal)
{
	(void)signal;
}

/* Fences that were there are waited for, by the call that is repeated too; no other is. */
TEST_F_TIMEOUT(revoke, fences, GUEST_TIMEOUT)
{
	struct caller caller = { .call = call_revoke, .exporter = self->exporter,
				 .fd = self->fds[0] };
	struct sigaction action = { .sa_handler = interrupt };
	int before, before_fence, after, after_fence;

	before = close_gate(self->fds[0], DMA_BUF_SYNC_WRITE, &before_fence);
	ASSERT_GE(before, 0);
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, start(&caller, "state=revoked"));
	EXPECT_FALSE(caller.done);
	while (!caller.done) {
		pthread_kill(caller.thread, SIGUSR1);
		usleep(1000);
	}
	EXPECT_EQ(-EINTR, finish(&caller));
	EXPECT_FALSE(has_access(self->fds[0], self->cpu[0]));

	after = close_gate(self->fds[0], DMA_BUF_SYNC_WRITE, &after_fence);
	ASSERT_GE(after, 0);
	caller.done = false;
	ASSERT_EQ(0, start(&caller, "state=revoked"));
	EXPECT_FALSE(caller.done);
	ASSERT_EQ(0, open_gate(before, before_fence));
	EXPECT_EQ(0, finish(&caller));
	EXPECT_EQ(0, fence_status(after_fence));
	EXPECT_EQ(0, open_gate(after, after_fence));
}

/* No event is waited for: one waits for an importer of another DMABUF here. */
TEST_F_TIMEOUT(revoke, during_event, GUEST_TIMEOUT)
{
	struct caller off = { .call = call_memory_off, .exporter = self->exporter };

	if (!has_route())
		SKIP(return, "the pair is unreachable");
	ASSERT_EQ(0, hold(self->test, self->fds[1]));
	ASSERT_EQ(0, start(&off, "lost-by:\tmemory-off"));
	EXPECT_EQ(0, revoke_buffer(self->exporter, self->fds[0]));
	EXPECT_FALSE(off.done);
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_DROP));
	EXPECT_EQ(0, finish(&off));
	ASSERT_EQ(0, set_memory(self->exporter, true));
	EXPECT_FALSE(has_access(self->fds[0], self->cpu[0]));
	EXPECT_TRUE(has_access(self->fds[1], self->cpu[1]));
}

/* An event whose caller is killed while importers are waited for does not happen. */
static void check_killed(struct __test_metadata *_metadata, FIXTURE_DATA(revoke) *self,
			 int (*call)(struct caller *caller), const char *shown)
{
	struct caller caller = { .call = call, .exporter = self->exporter };
	int status;
	pid_t child;

	if (!has_route())
		SKIP(return, "the pair is unreachable");
	ASSERT_EQ(0, hold(self->test, self->fds[0]));
	child = start_child(&caller, shown);
	EXPECT_FALSE(has_access(self->fds[1], self->cpu[1]));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(1, count_in(told_of(self->exporter), "lost-by:\tnothing"));
	EXPECT_EQ(NR, count_in(told_of(self->exporter), "state=accessible\n"));
	EXPECT_TRUE(has_access(self->fds[0], self->cpu[0]));
	EXPECT_EQ(0x41, self->cpu[1][0]);

	ASSERT_EQ(0, start(&caller, shown));
	EXPECT_FALSE(caller.done);
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_DROP));
	EXPECT_EQ(0, finish(&caller));
	EXPECT_EQ(0, set_memory(self->exporter, true));
}

TEST_F_TIMEOUT(revoke, killed_memory_off, GUEST_TIMEOUT)
{
	check_killed(_metadata, self, call_memory_off, "lost-by:\tmemory-off");
}

TEST_F_TIMEOUT(revoke, killed_reset, GUEST_TIMEOUT)
{
	check_killed(_metadata, self, call_reset, "lost-by:\treset");
}

/* Those that are waited for, or not yet, are shown. */
TEST_F_TIMEOUT(revoke, all_are_shown_meanwhile, GUEST_TIMEOUT)
{
	struct caller off = { .call = call_memory_off, .exporter = self->exporter };

	if (!has_route())
		SKIP(return, "the pair is unreachable");
	ASSERT_EQ(0, hold(self->test, self->fds[0]));
	ASSERT_EQ(0, start(&off, "lost-by:\tmemory-off"));
	EXPECT_EQ(NR, count_in(told_of(self->exporter), "dmabuf:\t"));
	EXPECT_EQ(NR, count_in(told_of(self->exporter), "state=lost\n"));
	EXPECT_EQ(1, count_in(told_of(self->exporter), "attachment:\t"));
	EXPECT_FALSE(off.done);
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_DROP));
	EXPECT_EQ(0, finish(&off));
	ASSERT_EQ(0, set_memory(self->exporter, true));
}

/*
 * The parameter at its ends
 */
FIXTURE(late)
{
	int exporter;
	int test;
	int fd;
};

FIXTURE_VARIANT(late)
{
	const char *seconds;
};

FIXTURE_VARIANT_ADD(late, never)
{
	.seconds = "0",
};

/* Times HZ, in 32 bits: 0, and a little less than 2^32 */
FIXTURE_VARIANT_ADD(late, overflows)
{
	.seconds = "2147483648",
};

FIXTURE_VARIANT_ADD(late, longest)
{
	.seconds = "4294967295",
};

FIXTURE_SETUP(late)
{
	if (!has_route())
		SKIP(return, "the pair is unreachable");
	ASSERT_EQ(0, bind_both());
	self->test = open_test_module();
	ASSERT_GE(self->test, 0);
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->fd = export_simple(self->exporter, 0, SIZE);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, write_file(LATE_SECONDS, "%s", variant->seconds));
}

FIXTURE_TEARDOWN(late)
{
	EXPECT_EQ(0, write_file(LATE_SECONDS, "10"));
	close(self->test);
	close(self->fd);
	close(self->exporter);
}

static int count_late(void)
{
	return run_shell("n=$(dmesg | grep -c 'waiting for .* of %lu bytes'); "
			 "exit $((n > 99 ? 99 : n))", SIZE);
}

/* Neither a fence nor a mapping is anybody's business before the time is over. */
TEST_F_TIMEOUT(late, is_not_named, GUEST_TIMEOUT)
{
	struct caller off = { .call = call_memory_off, .exporter = self->exporter };
	int gate, fence, before = count_late();

	ASSERT_EQ(0, hold(self->test, self->fd));
	gate = close_gate(self->fd, DMA_BUF_SYNC_WRITE, &fence);
	ASSERT_GE(gate, 0);
	ASSERT_EQ(0, start(&off, "lost-by:\tmemory-off"));
	usleep(100000);
	ASSERT_EQ(0, open_gate(gate, fence));
	usleep(100000);
	EXPECT_FALSE(off.done);
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_DROP));
	EXPECT_EQ(0, finish(&off));
	EXPECT_EQ(before, count_late());
	EXPECT_EQ(0, set_memory(self->exporter, true));
}

/*
 * While somebody holds the reservation lock, a slow map for example, the CPU's users go on.
 */
FIXTURE(locked)
{
	int exporter;
	int test;
	int fd;
	uint8_t *cpu;
};

FIXTURE_SETUP(locked)
{
	ASSERT_EQ(0, bind_both());
	self->test = open_test_module();
	ASSERT_GE(self->test, 0);
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->fd = export_simple(self->exporter, 0, SIZE);
	ASSERT_GE(self->fd, 0);
	self->cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->cpu);
	memset(self->cpu, 0x29, PAGE);
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_LOCK, &self->fd));
}

FIXTURE_TEARDOWN(locked)
{
	close(self->test);
	munmap(self->cpu, SIZE);
	close(self->fd);
	close(self->exporter);
}

TEST_F(locked, fault)
{
	EXPECT_FALSE(raises_sigbus(self->cpu + PAGE));
}

TEST_F(locked, fault_in_kernel_mode)
{
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	EXPECT_EQ(PAGE, write(fds[1], self->cpu + PAGE, PAGE));
	close(fds[0]);
	close(fds[1]);
}

TEST_F(locked, mmap_and_munmap)
{
	uint8_t *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, self->fd, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0x29, *map);
	EXPECT_EQ(0, munmap(map, SIZE));
}

TEST_F(locked, fork)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(raises_sigbus(self->cpu + 2 * PAGE));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

/* A signal ends an attach that waits for the lock. */
TEST_F(locked, attach)
{
	int importer = open_importer(), status;
	uint32_t handle;
	pid_t child;

	ASSERT_GE(importer, 0);
	child = fork();
	if (!child)
		_exit(!!import_buffer(importer, self->fd, P2PBUF_INTERCONNECT_AUTO, READ_WRITE,
				      &handle));
	while (!waitpid(child, &status, WNOHANG)) {
		kill(child, SIGKILL);
		usleep(1000);
	}
	EXPECT_TRUE(WIFSIGNALED(status));
	close(importer);
}

/* dma_buf_mmap() is called for a file whose mode is not the DMABUF's. */
TEST(mmap_by_an_importer)
{
	static const struct p2pbuf_range range = { 0, SIZE };
	int test, exporter, read_only, write_only, writable;
	void *map;

	ASSERT_EQ(0, bind_both());
	test = open_test_module();
	ASSERT_GE(test, 0);
	exporter = open_exporter();
	ASSERT_GE(exporter, 0);
	read_only = export_ranges(exporter, TEST_BAR, &range, 1, O_RDONLY | O_CLOEXEC);
	write_only = export_ranges(exporter, TEST_BAR, &range, 1, O_WRONLY | O_CLOEXEC);
	writable = export_ranges(exporter, TEST_BAR, &range, 1, O_RDWR | O_CLOEXEC);
	ASSERT_GE(read_only, 0);
	ASSERT_GE(write_only, 0);
	ASSERT_GE(writable, 0);

	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_MMAP, &read_only));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, test, 0));
	EXPECT_EQ(EACCES, errno);
	map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, test, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_FALSE(raises_sigbus(map));
	EXPECT_EQ(-1, mprotect(map, SIZE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	munmap(map, SIZE);

	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_MMAP, &write_only));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED, test, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_WRITE, MAP_SHARED, test, 0));
	EXPECT_EQ(EACCES, errno);

	ASSERT_EQ(0, ioctl(test, P2PBUF_TEST_MMAP, &writable));
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, test, 0);
	ASSERT_NE(MAP_FAILED, map);
	memset(map, 0x77, SIZE);
	munmap(map, SIZE);
	close(test);
	close(writable);
	close(write_only);
	close(read_only);
	close(exporter);
}

TEST_HARNESS_MAIN
