// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files held by something else than a descriptor of this process: a module can be unloaded
 * as soon as nothing holds a file of it, and not before; a function can be unbound at once,
 * and what is held then leads nowhere.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/aio_abi.h>
#include <linux/close_range.h>
#include <linux/dma-buf.h>
#include <linux/io_uring.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"

#define SIZE		(2 * PAGE)
/* Of an open file. */
#define FIRST_HANDLE	1

enum object {
	DMABUF,
	EXPORTER,
	IMPORTER,
	NR_OBJECTS
};

/* Those that can be mapped, that have wait queues for poll(), and all. */
enum objects {
	NONE = 0,
	MAPPED = 1 << DMABUF,
	POLLED = 1 << DMABUF | 1 << IMPORTER,
	ALL = 1 << DMABUF | 1 << EXPORTER | 1 << IMPORTER,
};

/* What holds the file. */
struct grip {
	int fd;
	int source;		/* the file, for who needs it by number */
	pid_t child;
	uint8_t *map;
	aio_context_t aio;
	pthread_t thread;
	atomic_int tid;		/* of @thread, when it runs */
	int pipe[2];
};

/*
 * Other processes
 */

/* With one descriptor, as 0, or none; holding what is mapped. */
static int start_child(struct grip *grip, int fd)
{
	int fds[2];
	char byte;
	ssize_t n;

	if (pipe(fds))
		return -errno;
	grip->child = fork();
	if (!grip->child) {
		if (fd >= 0)
			dup2(fd, 0);
		close_range(fd >= 0, ~0U, 0);
		for (;;)
			pause();
	}
	/* Until it has closed the others. */
	close(fds[1]);
	n = read(fds[0], &byte, 1);
	close(fds[0]);
	return n ? -EIO : 0;
}

static void kill_child(struct grip *grip)
{
	kill(grip->child, SIGKILL);
	waitpid(grip->child, NULL, 0);
}

static int hold_by_child(struct grip *grip, int fd)
{
	return start_child(grip, fd);
}

/* Taken back out of the child, which does not live on. */
static int hold_by_pidfd(struct grip *grip, int fd)
{
	int pidfd, ret = start_child(grip, fd);

	if (ret)
		return ret;
	pidfd = syscall(SYS_pidfd_open, grip->child, 0);
	grip->fd = syscall(SYS_pidfd_getfd, pidfd, 0, 0);
	ret = grip->fd < 0 ? -errno : 0;
	close(pidfd);
	kill_child(grip);
	return ret;
}

/*
 * Descriptors
 */

static int keep(struct grip *grip, int fd)
{
	grip->fd = fd;
	return fd < 0 ? -errno : 0;
}

static void close_grip(struct grip *grip)
{
	close(grip->fd);
}

static int give_back(struct grip *grip)
{
	return dup(grip->fd);
}

static int hold_by_dup(struct grip *grip, int fd)
{
	return keep(grip, dup(fd));
}

static int open_again(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

/* No file of the driver's, but the path to it. */
static int hold_by_path(struct grip *grip, int fd)
{
	return keep(grip, open_again(fd, O_PATH));
}

static int hold_by_inotify(struct grip *grip, int fd)
{
	char path[32];
	int ret;

	ret = keep(grip, inotify_init1(IN_CLOEXEC));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!ret && inotify_add_watch(grip->fd, path, IN_ALL_EVENTS) < 0)
		ret = -errno;
	return ret;
}

static int hold_by_epoll(struct grip *grip, int fd)
{
	struct epoll_event event = { .events = EPOLLPRI };
	int ret = keep(grip, epoll_create1(EPOLL_CLOEXEC));

	if (!ret && epoll_ctl(grip->fd, EPOLL_CTL_ADD, fd, &event))
		ret = -errno;
	return ret;
}

static int hold_by_io_uring(struct grip *grip, int fd)
{
	struct io_uring_params params = { };
	int ret = keep(grip, syscall(SYS_io_uring_setup, 1, &params));

	if (!ret && syscall(SYS_io_uring_register, grip->fd, IORING_REGISTER_FILES, &fd,
			    1) < 0)
		ret = -errno;
	return ret;
}

/*
 * Sockets
 */

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

static int send_fd(int socket, int fd)
{
	union control control = { };
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	union control control = { };
	char data;
	struct iovec byte = { .iov_base = &data, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EIO;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static int hold_by_unread(struct grip *grip, int fd)
{
	int ret, pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -errno;
	ret = send_fd(pair[0], fd);
	close(pair[0]);
	return ret ?: keep(grip, pair[1]);
}

static int take_unread(struct grip *grip)
{
	return receive_fd(grip->fd);
}

/* An address that the kernel chooses. */
static int hold_by_unaccepted(struct grip *grip, int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(address.sun_family);
	int ret, client;

	ret = keep(grip, socket(AF_UNIX, SOCK_STREAM, 0));
	if (ret)
		return ret;
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	if (!bind(grip->fd, (struct sockaddr *)&address, length)) {
		length = sizeof(address);
		getsockname(grip->fd, (struct sockaddr *)&address, &length);
	}
	if (listen(grip->fd, 1) ||
	    connect(client, (struct sockaddr *)&address, length))
		ret = -errno;
	ret = ret ?: send_fd(client, fd);
	close(client);
	return ret;
}

static int take_unaccepted(struct grip *grip)
{
	int fd, connection = accept(grip->fd, NULL, NULL);

	fd = receive_fd(connection);
	close(connection);
	return fd;
}

/* Each end is in a message to itself: garbage, once we close them. */
static int hold_by_cycle(struct grip *grip, int fd)
{
	int ret, pair[2];

	(void)grip;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return -errno;
	ret = send_fd(pair[0], fd) ?: send_fd(pair[0], pair[1]) ?:
	      send_fd(pair[1], pair[0]);
	close(pair[0]);
	close(pair[1]);
	return ret;
}

/* The kernel looks for garbage when some socket is closed. */
static void collect_garbage(struct grip *grip)
{
	(void)grip;
	close(socket(AF_UNIX, SOCK_STREAM, 0));
}

/*
 * CPU mappings
 */

static int hold_by_mmap(struct grip *grip, int fd)
{
	grip->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (grip->map == MAP_FAILED)
		return -errno;
	return raises_sigbus(grip->map) ? -EFAULT : 0;
}

static void drop_mmap(struct grip *grip)
{
	munmap(grip->map, SIZE);
}

/* What is left of it at another place. */
static int hold_by_mremap(struct grip *grip, int fd)
{
	int ret = hold_by_mmap(grip, fd);
	void *place;

	if (ret)
		return ret;
	place = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	grip->map = mremap(grip->map, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	if (grip->map == MAP_FAILED)
		return -errno;
	munmap(grip->map + PAGE, PAGE);
	return raises_sigbus(grip->map) ? -EFAULT : 0;
}

static int hold_by_child_mmap(struct grip *grip, int fd)
{
	int ret = hold_by_mmap(grip, fd) ?: start_child(grip, -1);

	drop_mmap(grip);
	grip->map = NULL;
	return ret;
}

/*
 * Calls that wait
 */

static int hold_by_aio(struct grip *grip, int fd)
{
	struct iocb request = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = fd,
		.aio_buf = POLLPRI,
	};
	struct iocb *requests[] = { &request };

	if (syscall(SYS_io_setup, 1, &grip->aio) ||
	    syscall(SYS_io_submit, grip->aio, 1, requests) != 1)
		return -errno;
	return 0;
}

static void drop_aio(struct grip *grip)
{
	syscall(SYS_io_destroy, grip->aio);
}

/* In a call that nothing but the pipe ends, unless the function goes. */
static void *poll_source(void *arg)
{
	struct grip *grip = arg;
	struct pollfd fds[] = {
		{ .fd = grip->source },
		{ .fd = grip->pipe[0], .events = POLLIN },
	};

	grip->tid = gettid();
	poll(fds, ARRAY_SIZE(fds), -1);
	return NULL;
}

/* And sleeps, so that it has taken the files and not only begun. */
static bool polls(pid_t tid)
{
	char path[64], call[64] = "", stat[256] = "";

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	read_file(path, call, sizeof(call));
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	read_file(path, stat, sizeof(stat));
	return strtol(call, NULL, 10) == SYS_poll && strstr(stat, ") S ");
}

static int hold_by_poll(struct grip *grip, int fd)
{
	grip->source = fd;
	grip->tid = 0;
	if (pipe2(grip->pipe, O_CLOEXEC) ||
	    pthread_create(&grip->thread, NULL, poll_source, grip))
		return -EAGAIN;
	while (!polls(grip->tid))
		usleep(1000);
	return 0;
}

static void drop_poll(struct grip *grip)
{
	close(grip->pipe[1]);
	pthread_join(grip->thread, NULL);
	close(grip->pipe[0]);
}

/**
 * struct way - to hold a file
 * @name: of it
 * @objects: whose files it can be
 * @holds: those of them that it keeps alive
 * @hold: with the file's descriptor, which is closed after it; 0 or -errno
 * @take: gives a descriptor of what is held, if there is one
 * @drop: undoes @hold
 */
struct way {
	const char *name;
	enum objects objects;
	enum objects holds;
	int (*hold)(struct grip *grip, int fd);
	int (*take)(struct grip *grip);
	void (*drop)(struct grip *grip);
};

static const struct way ways[] = {
	{ "dup", ALL, ALL, hold_by_dup, give_back, close_grip },
	{ "child", ALL, ALL, hold_by_child, NULL, kill_child },
	{ "pidfd_getfd", ALL, ALL, hold_by_pidfd, give_back, close_grip },
	{ "unread message", ALL, ALL, hold_by_unread, take_unread, close_grip },
	{ "unaccepted connection", ALL, ALL, hold_by_unaccepted, take_unaccepted,
	  close_grip },
	{ "cycle of sockets", ALL, ALL, hold_by_cycle, NULL, collect_garbage },
	{ "io_uring", ALL, ALL, hold_by_io_uring, NULL, close_grip },
	/* By its wait queues; the exporter's node has none. */
	{ "poll", ALL, POLLED, hold_by_poll, NULL, drop_poll },
	{ "aio", POLLED, POLLED, hold_by_aio, NULL, drop_aio },
	{ "epoll", POLLED, NONE, hold_by_epoll, NULL, close_grip },
	{ "inotify", ALL, NONE, hold_by_inotify, NULL, close_grip },
	/* The DMABUF is released with its dentry. */
	{ "O_PATH", ALL, MAPPED, hold_by_path, NULL, close_grip },
	{ "mmap", MAPPED, MAPPED, hold_by_mmap, NULL, drop_mmap },
	{ "mremap", MAPPED, MAPPED, hold_by_mremap, NULL, drop_mmap },
	{ "mmap of a child", MAPPED, MAPPED, hold_by_child_mmap, NULL, kill_child },
};

/*
 * Modules
 */

static const char * const modules[] = { "p2pbuf_exporter", "p2pbuf_importer" };

static int unload(const char *module)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? -errno : 0;
}

static int users_of(const char *module)
{
	char path[64], text[16];
	int ret;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module);
	ret = read_file(path, text, sizeof(text));
	return ret < 0 ? ret : atoi(text);
}

/* Some of what held it goes by a work item of the kernel. */
static bool gets_unused(const char *module)
{
	int i;

	for (i = 0; i < HUNG_SECONDS * 100 && users_of(module); i++)
		usleep(10000);
	return !users_of(module);
}

static int load_both(void)
{
	if (run_shell("modprobe p2pbuf_exporter && modprobe p2pbuf_importer dma_bits=64"))
		return -ENOENT;
	return bind_both();
}

FIXTURE(held)
{
	int fds[NR_OBJECTS];
	struct grip grip;
};

/* Which driver goes first, of its function and of the kernel. */
FIXTURE_VARIANT(held)
{
	enum object object;
	unsigned int first;
};

FIXTURE_VARIANT_ADD(held, dmabuf_exporter_first)
{
	.object = DMABUF,
	.first = 0,
};

FIXTURE_VARIANT_ADD(held, dmabuf_importer_first)
{
	.object = DMABUF,
	.first = 1,
};

FIXTURE_VARIANT_ADD(held, exporter_first)
{
	.object = EXPORTER,
	.first = 0,
};

FIXTURE_VARIANT_ADD(held, exporter_last)
{
	.object = EXPORTER,
	.first = 1,
};

FIXTURE_VARIANT_ADD(held, importer_last)
{
	.object = IMPORTER,
	.first = 0,
};

FIXTURE_VARIANT_ADD(held, importer_first)
{
	.object = IMPORTER,
	.first = 1,
};

FIXTURE_SETUP(held)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
}

FIXTURE_TEARDOWN(held)
{
	EXPECT_EQ(0, load_both());
}

/* The importer's node has a mapping of the DMABUF. */
static int open_all(int *fds)
{
	uint32_t handle;

	fds[EXPORTER] = open_exporter();
	fds[IMPORTER] = open_importer();
	fds[DMABUF] = export_simple(fds[EXPORTER], 0, SIZE);
	return import_buffer(fds[IMPORTER], fds[DMABUF], P2PBUF_INTERCONNECT_AUTO,
			     P2PBUF_ACCESS_READ, &handle) ?:
	       map_handle(fds[IMPORTER], handle);
}

static void close_all(int *fds)
{
	unsigned int i;

	for (i = 0; i < NR_OBJECTS; i++)
		close(fds[i]);
}

/* Of a function that is not bound any more. */
static bool is_dead(enum object object, int fd)
{
	struct p2pbuf_region_info info;

	switch (object) {
	case DMABUF:
		return mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED &&
		       errno == ENODEV;
	case EXPORTER:
		return region_info(fd, TEST_BAR, &info) == -ENODEV;
	default:
		return map_handle(fd, FIRST_HANDLE) == -ENODEV &&
		       ready(fd, POLLHUP) == 1;
	}
}

/* A DMABUF is held by its importer's node, too. */
static bool is_held(const struct way *way, enum object object, unsigned int module)
{
	return (way->holds & (1 << object)) && (object == IMPORTER || module == 0);
}

static void expect_held(struct __test_metadata *_metadata, const struct way *way,
			enum object object)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modules); i++) {
		if (is_held(way, object, i)) {
			EXPECT_EQ(-EAGAIN, unload(modules[i]))
				TH_LOG("%s: %s", way->name, modules[i]);
		} else {
			EXPECT_TRUE(gets_unused(modules[i]))
				TH_LOG("%s: %s", way->name, modules[i]);
		}
	}
}

static void expect_dead(struct __test_metadata *_metadata, const struct way *way,
			enum object object, struct grip *grip)
{
	int fd;

	if (grip->map) {
		EXPECT_TRUE(raises_sigbus(grip->map))
			TH_LOG("%s", way->name);
	}
	if (!way->take)
		return;
	fd = way->take(grip);
	EXPECT_TRUE(is_dead(object, fd))
		TH_LOG("%s", way->name);
	close(fd);
}

static void unbind_both(struct __test_metadata *_metadata, unsigned int first)
{
	EXPECT_EQ(0, unbind_driver(first ? importer_bdf() : exporter_bdf()));
	EXPECT_EQ(0, unbind_driver(first ? exporter_bdf() : importer_bdf()));
}

static void unload_both(struct __test_metadata *_metadata, const struct way *way,
			unsigned int first)
{
	unsigned int i, module;

	for (i = 0; i < ARRAY_SIZE(modules); i++) {
		module = i ^ first;
		EXPECT_TRUE(gets_unused(modules[module]))
			TH_LOG("%s: %s", way->name, modules[module]);
		EXPECT_EQ(0, unload(modules[module]))
			TH_LOG("%s: %s", way->name, modules[module]);
	}
}

TEST_F_TIMEOUT(held, in_all_ways, GUEST_TIMEOUT)
{
	const struct way *way;

	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		if (!(way->objects & (1 << variant->object)))
			continue;
		self->grip = (struct grip){ };
		ASSERT_EQ(0, open_all(self->fds));
		ASSERT_EQ(0, way->hold(&self->grip, self->fds[variant->object]))
			TH_LOG("%s", way->name);
		close_all(self->fds);

		expect_held(_metadata, way, variant->object);
		unbind_both(_metadata, variant->first);
		expect_dead(_metadata, way, variant->object, &self->grip);
		way->drop(&self->grip);
		unload_both(_metadata, way, variant->first);
		ASSERT_EQ(KSFT_PASS, _metadata->exit_code);
		ASSERT_EQ(0, load_both());
	}
}

/* Opened by its path in /proc, a node is a file of its own; a DMABUF is not opened. */
TEST_F(held, opened_again)
{
	const char *module = modules[variant->object == IMPORTER];
	int fd;

	ASSERT_EQ(0, open_all(self->fds));
	fd = open_again(self->fds[variant->object], O_RDWR);
	if (variant->object == DMABUF) {
		EXPECT_EQ(-1, fd);
		EXPECT_EQ(ENXIO, errno);
	}
	close_all(self->fds);
	if (fd >= 0)
		EXPECT_EQ(-EAGAIN, unload(module));
	close(fd);
	EXPECT_EQ(0, unload(module));
}

/*
 * Who polls a DMABUF leaves a callback with its fences, which holds the file when nobody
 * else does, until they signal.
 */
TEST(polled_fence)
{
	int fence, gate, exporter = open_exporter();
	int fd = export_simple(exporter, 0, SIZE);

	ASSERT_LE(0, fd);
	gate = close_gate(fd, DMA_BUF_SYNC_WRITE, &fence);
	ASSERT_LE(0, gate);
	EXPECT_EQ(0, ready(fd, POLLIN));
	close(fd);
	close(exporter);
	EXPECT_EQ(-EAGAIN, unload(modules[0]));
	EXPECT_EQ(0, open_gate(gate, fence));
	EXPECT_TRUE(gets_unused(modules[0]));
	EXPECT_EQ(0, unload(modules[0]));
	EXPECT_EQ(0, load_both());
}

TEST_HARNESS_MAIN
