// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once: threads of several processes use both nodes, hand each other what
 * they opened, and are killed, while another process resets both functions, turns memory
 * off and on, suspends, makes errors, and unbinds and binds both drivers. One process has
 * no rights, only DMABUFs that it was given, and does with them all that it can, fences
 * first; nobody asks it to stop.
 *
 * Each event has a DMABUF with a fence that signals only after access went, and to which
 * another is added then, which does not signal before the event is over.
 *
 * Each call must return what is documented, nothing may hang, nothing may be left, and all
 * must work at the end. The kernel's own checks are the rig's.
 *
 * What a thread does depends on the seed, in which order the threads do it does not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "foreign.h"
#include "p2pbuf_test.h"
#include "tally.h"

#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define NR_PROCESSES	2
#define NR_THREADS	4
/* One more process makes the events, and one holds DMABUFs. */
#define EVENTS		NR_PROCESSES
#define HOLDER		(NR_PROCESSES + 1)
#define NR_ALL		(NR_PROCESSES + 2)
#define NOBODY		65534
#define NR_NODES	2
#define NR_DMABUFS	6
/* Milliseconds for which each event has to wait, at least. */
#define WAIT_MS		50
#define NR_HANDLES	4
/* Of a thread of the holder's that have not signalled, as a rule. */
#define NR_FENCES	4
/* BAR pages in use, and at most in one buffer. */
#define NR_PAGES	64
#define MAX_PAGES	16
#define MAX_SIZE	(MAX_PAGES * PAGE)
/* Of all events, after which each call should have succeeded. */
#define MAX_ROUNDS	50
/* Seconds between two processes that are killed. */
#define KILL_EVERY	7

/* Events of the exporter's function, and of one DMABUF. */
enum {
	BY_IOCTL, BY_SYSFS, MEMORY, UNBIND, TO_SLEEP, FAULT, REVOCATION, NR_EVENTS
};

enum {
	OPEN = NR_TALLY_IOCTLS, DUP, CLOSE, SEND, RECEIVE, MMAP, TOUCH, FORK, POLL, FENCE,
	RESET_EXPORTER, RESET_IMPORTER, REBIND_EXPORTER, REBIND_IMPORTER, SUSPEND, ERROR,
	RUNTIME_PM, KILL,
	/* The holder's */
	FENCE_ADDED, ASK_DMABUF, WRITE_OUT, PRIME, NODE,
	/* Of each event that it waited for what it had to, and for nothing else. */
	BOUNDED,
	NR_KINDS = BOUNDED + NR_EVENTS,
};

static const struct tally_kind more_kinds[] = {
	{ .name = "open", .errnos = { ENOENT, ENODEV, ENXIO } },
	{ .name = "dup" },
	{ .name = "close" },
	{ .name = "send", .errnos = { EAGAIN, ETOOMANYREFS } },
	{ .name = "receive", .errnos = { EAGAIN } },
	{ .name = "mmap", .errnos = { ENODEV, EINVAL, EACCES, EIO } },
	{ .name = "touch", .errnos = { EFAULT } },
	{ .name = "fork" },
	{ .name = "poll", .errnos = { EINTR } },
	{ .name = "fence", .errnos = { EIO, EAGAIN, ETIMEDOUT, ESTALE } },
	{ .name = "reset exporter" },
	{ .name = "reset importer" },
	{ .name = "rebind exporter" },
	{ .name = "rebind importer" },
	/* Somebody is in a call that cannot be frozen. */
	{ .name = "suspend", .errnos = { EBUSY } },
	{ .name = "error" },
	{ .name = "runtime PM" },
	{ .name = "kill" },
	{ .name = "fence added" },
	{ .name = "ask DMABUF", .errnos = { EINTR, ENOTTY } },
	{ .name = "write out", .errnos = { EFAULT } },
	{ .name = "PRIME import", .errnos = { EOPNOTSUPP, ENODEV }, .refused = true },
	{ .name = "node", .errnos = { EACCES, ENOENT }, .refused = true },
	{ .name = "bounded reset" },
	{ .name = "bounded sysfs" },
	{ .name = "bounded memory" },
	{ .name = "bounded unbind" },
	{ .name = "bounded suspend" },
	{ .name = "bounded error" },
	{ .name = "bounded revoke" },
};

/**
 * struct place - where a thread is
 * @kind: of its call, or -1
 * @since: when it began, by CLOCK_MONOTONIC
 */
struct place {
	atomic_int kind;
	atomic_long since;
};

/**
 * struct shared - memory of all processes
 * @stop: the time is over
 * @failed: somebody has said why
 * @rounds: of all events
 * @places: of each thread
 */
struct shared {
	atomic_bool stop;
	atomic_bool failed;
	atomic_uint rounds;
	struct place places[NR_ALL][NR_THREADS];
};

static struct shared *shared;

/* Descriptors that the threads of one process share; -1 is none. */
static struct {
	pthread_mutex_t lock;
	int exporters[NR_NODES];
	int importers[NR_NODES];
	int dmabufs[NR_DMABUFS];
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Where descriptors are sent to and received from; a pair for each process. */
static int sockets[NR_ALL][2];

struct worker {
	pthread_t thread;
	unsigned int process;
	unsigned int number;
	uint64_t random;
	uint8_t *map;
	size_t map_size;
	int fence;
	struct vgem vgem;		/* the holder's */
	uint32_t fences[NR_FENCES];
	unsigned int nr_fences;
	uint8_t data[MAX_SIZE];
};

static struct worker workers[NR_THREADS];
static pthread_barrier_t all_there;
static __thread struct place *here;

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static void enter(int kind)
{
	here->since = now();
	here->kind = kind;
}

static int leave(int ret)
{
	int kind = here->kind;

	here->kind = -1;
	return tally(kind, ret);
}

#define DO(kind, call) (enter(kind), leave(call))

static void fail(const char *what)
{
	printf("stress: %s\n", what);
	shared->failed = true;
	shared->stop = true;
}

/*
 * The pool. A thread works with a copy of a descriptor, so that no number means something
 * else by the time it is used; what the copies name is shared.
 */

static int copy_fd(int fd)
{
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		DO(DUP, copy < 0 ? -errno : 0);
	return copy;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		DO(CLOSE, close(fd) ? -errno : 0);
}

static int borrow(const int *slot)
{
	int fd;

	pthread_mutex_lock(&pool.lock);
	fd = copy_fd(*slot);
	pthread_mutex_unlock(&pool.lock);
	return fd;
}

static void replace(int *slot, int fd)
{
	int before;

	pthread_mutex_lock(&pool.lock);
	before = *slot;
	*slot = fd;
	pthread_mutex_unlock(&pool.lock);
	close_fd(before);
}

static int *any_slot(struct worker *worker, int *slots, unsigned int nr)
{
	return &slots[random_below(&worker->random, nr)];
}

static int *any_dmabuf(struct worker *worker)
{
	return any_slot(worker, pool.dmabufs, NR_DMABUFS);
}

/* A node, opened if there is none in its place. */
static int borrow_node(int *slot, int (*open_node)(void))
{
	int fd = borrow(slot);

	if (fd >= 0)
		return fd;
	fd = DO(OPEN, open_node());
	if (fd >= 0)
		replace(slot, copy_fd(fd));
	else
		usleep(10000);
	return fd;
}

/* Whose function is gone is of no use any more. */
static void give_back(int *slot, int fd, bool dead)
{
	if (dead)
		replace(slot, -1);
	close_fd(fd);
}

/* What workers do; any of it can find that nothing is there. */

static void use_exporter(struct worker *worker, int (*use)(struct worker *worker, int fd))
{
	int *slot = any_slot(worker, pool.exporters, NR_NODES);
	int fd = borrow_node(slot, open_exporter);

	if (fd >= 0)
		give_back(slot, fd, use(worker, fd) == -ENODEV);
}

static bool has_hung_up(int importer)
{
	struct pollfd fds = { .fd = importer };

	return poll(&fds, 1, 0) > 0 && (fds.revents & POLLHUP);
}

static void use_importer(struct worker *worker,
			 void (*use)(struct worker *worker, int fd, uint32_t handle))
{
	int *slot = any_slot(worker, pool.importers, NR_NODES);
	int fd = borrow_node(slot, open_importer);

	/* Handles are small numbers, and most of them are in use. */
	if (fd < 0)
		return;
	use(worker, fd, 1 + random_below(&worker->random, NR_HANDLES));
	give_back(slot, fd, has_hung_up(fd));
}

static int use_region_info(struct worker *worker, int fd)
{
	struct p2pbuf_region_info info;

	return DO(TALLY_REGION_INFO,
		  region_info(fd, random_below(&worker->random, 6), &info));
}

static int use_route(struct worker *worker, int fd)
{
	const char *client = random_below(&worker->random, 2) ? importer_bdf() : exporter_bdf();
	struct p2pbuf_route_info info;

	return DO(TALLY_ROUTE, ask_route(fd, bdf_number(client), &info));
}

static int use_export(struct worker *worker, int fd)
{
	unsigned int pages[MAX_PAGES], nr, i;
	int ret;

	nr = 1 + random_below(&worker->random, MAX_PAGES);
	for (i = 0; i < nr; i++)
		pages[i] = random_below(&worker->random, NR_PAGES);
	ret = DO(TALLY_EXPORT, export_pages(fd, pages, nr));
	if (ret >= 0)
		replace(any_dmabuf(worker), ret);
	return ret;
}

/* Half of them stay in their places for a while, so that others meet them. */
static int use_revoke(struct worker *worker, int fd)
{
	int *slot = any_dmabuf(worker);
	int dmabuf = borrow(slot), ret;

	if (dmabuf < 0)
		return 0;
	ret = DO(TALLY_REVOKE, revoke_buffer(fd, dmabuf));
	give_back(slot, dmabuf, random_one_in(&worker->random, 2));
	return ret;
}

/* A DMABUF that is revoked for good looks like one that will be back. */
static void use_import(struct worker *worker, int fd, uint32_t handle)
{
	static const unsigned int flows[] = {
		P2PBUF_FLOW_REVOCABLE, P2PBUF_FLOW_MOVABLE, P2PBUF_FLOW_PINNED_REVOCABLE,
	};
	int *slot = any_dmabuf(worker);
	int dmabuf = borrow(slot), ret;

	if (dmabuf < 0)
		return;
	ret = DO(TALLY_IMPORT, import_flow(fd, dmabuf, random_below(&worker->random, 3),
					   flows[random_below(&worker->random, 3)],
					   random_below(&worker->random, 2) *
					   P2PBUF_IMPORT_ALIGNED, &handle));
	give_back(slot, dmabuf, ret == -ENODEV && random_one_in(&worker->random, 2));
	if (ret)
		return;
	DO(TALLY_MAP, map_handle(fd, handle));
	if (handle > NR_HANDLES)
		DO(TALLY_RELEASE, release_handle(fd, handle));
}

static void use_map(struct worker *worker, int fd, uint32_t handle)
{
	int ret = DO(TALLY_MAP, map_handle(fd, handle));

	if (ret == -ENODEV && random_one_in(&worker->random, 4))
		DO(TALLY_RELEASE, release_handle(fd, handle));
}

static void use_unmap(struct worker *worker, int fd, uint32_t handle)
{
	(void)worker;
	DO(TALLY_UNMAP, unmap_handle(fd, handle));
}

static void use_release(struct worker *worker, int fd, uint32_t handle)
{
	(void)worker;
	DO(TALLY_RELEASE, release_handle(fd, handle));
}

static void use_query(struct worker *worker, int fd, uint32_t handle)
{
	struct p2pbuf_segment segs[MAX_PAGES];
	struct p2pbuf_query query;

	(void)worker;
	DO(TALLY_QUERY, query_handle(fd, handle, &query, segs, MAX_PAGES));
}

static void use_audit(struct worker *worker, int fd, uint32_t handle)
{
	struct p2pbuf_place places[MAX_PAGES];
	uint64_t offset = 0;

	(void)worker;
	DO(TALLY_AUDIT, audit_handle(fd, handle, &offset, places, MAX_PAGES));
}

static void use_verdict(struct worker *worker, int fd, uint32_t handle)
{
	struct p2pbuf_verdict verdict;
	int ret;

	(void)worker;
	ret = DO(TALLY_VERDICT, verdict_of(fd, handle, &verdict));
	if (!ret && verdict.kind != P2PBUF_VERDICT_PEER_TO_PEER)
		fail(verdict_name(verdict.kind));
}

/* One chunk as a rule, as each takes a third of a second or more; three at most. */
static uint64_t any_length(struct worker *worker)
{
	return 1 + random_below(&worker->random,
				random_one_in(&worker->random, 8) ? PAGE : 256);
}

static void use_copy(struct worker *worker, int fd, uint32_t handle)
{
	/* Read-back would find what others write. */
	unsigned int flags = random_below(&worker->random, 2) *
			     (P2PBUF_COPY_TO_BUFFER | P2PBUF_COPY_NO_READBACK);
	uint64_t offset = random_below(&worker->random, PAGE);
	uint64_t length = any_length(worker);
	uint8_t *user = worker->data;
	struct p2pbuf_copy result;

	if (worker->map && length <= worker->map_size && random_one_in(&worker->random, 3))
		user = worker->map;
	DO(TALLY_COPY, copy_buffer(fd, handle, flags, offset, user, length, &result));
}

static void end_fence(struct worker *worker)
{
	int fence = worker->fence, ret;

	worker->fence = -1;
	if (fence < 0)
		return;
	enter(FENCE);
	ret = wait_fence(fence);
	leave(ret > 0 ? 0 : ret);
}

static void use_transfer(struct worker *worker, int fd, uint32_t handle)
{
	uint32_t dst = 1 + random_below(&worker->random, NR_HANDLES);
	int ret;

	/* One at a time: the engine is slow, and whoever unmaps has to wait for it. */
	end_fence(worker);
	ret = DO(TALLY_TRANSFER,
		 transfer_buffer(fd, handle, random_below(&worker->random, PAGE), dst,
				 random_below(&worker->random, PAGE),
				 any_length(worker)));
	if (ret >= 0)
		worker->fence = ret;
}

static void use_poll(struct worker *worker, int fd, uint32_t handle)
{
	struct pollfd fds = { .fd = fd, .events = POLLPRI };

	(void)handle;
	DO(POLL, poll(&fds, 1, random_below(&worker->random, 20)) < 0 ? -errno : 0);
}

/* CPU mappings */

static __thread sigjmp_buf bus_error;

static void on_bus_error(int signal)
{
	(void)signal;
	siglongjmp(bus_error, 1);
}

static int touch(volatile uint8_t *byte)
{
	if (sigsetjmp(bus_error, 1))
		return -EFAULT;
	*byte = *byte + 1;
	return 0;
}

static void end_map(struct worker *worker)
{
	if (worker->map)
		munmap(worker->map, worker->map_size);
	worker->map = NULL;
}

static void do_mmap(struct worker *worker)
{
	int fd = borrow(any_dmabuf(worker));
	off_t size;
	void *map;

	if (fd < 0)
		return;
	end_map(worker);
	size = lseek(fd, 0, SEEK_END);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!DO(MMAP, map == MAP_FAILED ? -errno : 0)) {
		worker->map = map;
		worker->map_size = size;
	}
	close_fd(fd);
}

static void do_touch(struct worker *worker)
{
	if (worker->map)
		DO(TOUCH, touch(worker->map + random_below(&worker->random,
							   worker->map_size)));
}

/* A child has a copy of each mapping and descriptor. */
static void do_fork(struct worker *worker)
{
	pid_t child;

	enter(FORK);
	child = fork();
	if (!child)
		_exit(worker->map && touch(worker->map) > 0);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	leave(child < 0 ? -errno : 0);
}

/* To another process and from there */

static int send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec io = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec io = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static void do_send(struct worker *worker)
{
	int fd = borrow(any_dmabuf(worker));
	unsigned int to;

	if (fd < 0)
		return;
	/* To itself, too: what nobody receives is held all the same. */
	do
		to = random_below(&worker->random, NR_ALL);
	while (to == EVENTS);
	DO(SEND, send_fd(sockets[to][1], fd));
	close_fd(fd);
}

static void do_receive(struct worker *worker)
{
	int fd = DO(RECEIVE, receive_fd(sockets[worker->process][0]));

	if (fd >= 0)
		replace(any_dmabuf(worker), fd);
}

static void do_close(struct worker *worker)
{
	switch (random_below(&worker->random, 8)) {
	case 0:
		replace(any_slot(worker, pool.importers, NR_NODES), -1);
		break;
	case 1:
		replace(any_slot(worker, pool.exporters, NR_NODES), -1);
		break;
	default:
		replace(any_dmabuf(worker), -1);
	}
}

/* Calls that wait end with EINTR. */
static void do_interrupt(struct worker *worker)
{
	pthread_kill(workers[random_below(&worker->random, NR_THREADS)].thread, SIGUSR1);
}

static void on_interrupt(int signal)
{
	(void)signal;
}

/* The holder has nothing but DMABUFs. */

/*
 * One in many is left to signal by itself, after 10 s, and is in each sync_file until then.
 * There are always some.
 */
static void add_fence(struct worker *worker)
{
	uint32_t *oldest = &worker->fences[worker->nr_fences % NR_FENCES];
	int fence, fd = borrow(any_dmabuf(worker));

	if (fd < 0)
		return;
	if (worker->nr_fences >= NR_FENCES && !random_one_in(&worker->random, 1000))
		signal_vgem_fence(&worker->vgem, *oldest);
	fence = DO(FENCE_ADDED, add_vgem_fence(&worker->vgem, oldest));
	if (fence >= 0) {
		worker->nr_fences++;
		DO(FENCE_ADDED, import_fence(fd, 1 + random_below(&worker->random, 3), fence));
	}
	close_fd(fence);
	close_fd(fd);
	usleep(random_below(&worker->random, 10000));
}

/* The fault is in kernel mode. */
static void write_out(struct worker *worker)
{
	int pipe[2];

	if (!worker->map || pipe2(pipe, O_NONBLOCK | O_CLOEXEC))
		return;
	DO(WRITE_OUT, write(pipe[1], worker->map, worker->map_size) < 0 ? -errno : 0);
	close(pipe[0]);
	close(pipe[1]);
}

static void poll_dmabuf(struct worker *worker)
{
	struct pollfd fds = { .fd = borrow(any_dmabuf(worker)), .events = POLLIN | POLLOUT };

	DO(POLL, poll(&fds, 1, random_below(&worker->random, 20)) < 0 ? -errno : 0);
	close_fd(fds.fd);
}

/* Who begins an access waits for fences, too. */
static void sync_begin_and_end(int fd)
{
	const uint64_t flags = DMA_BUF_SYNC_RW;

	if (!DO(ASK_DMABUF, sync_cpu(fd, flags | DMA_BUF_SYNC_START)))
		DO(ASK_DMABUF, sync_cpu(fd, flags | DMA_BUF_SYNC_END));
}

static void ask_dmabuf(struct worker *worker)
{
	int fd = borrow(any_dmabuf(worker));

	if (fd < 0)
		return;
	switch (random_below(&worker->random, 8)) {
	case 0:
		sync_begin_and_end(fd);
		break;
	case 1:
		DO(ASK_DMABUF, ioctl(fd, DMA_BUF_SET_NAME_B, "held") ? -errno : 0);
		break;
	case 2:
		DO(ASK_DMABUF, ioctl(fd, P2PBUF_IOCTL_RESET, NULL) ? -errno : 0);
		break;
	case 3:
		DO(ASK_DMABUF, lseek(fd, 0, SEEK_END) < 0 ? -errno : 0);
		break;
	default:
		close_fd(DO(ASK_DMABUF, export_fence(fd, DMA_BUF_SYNC_RW)));
	}
	close_fd(fd);
}

static void try_prime(struct worker *worker)
{
	int fd = borrow(any_dmabuf(worker));

	if (fd >= 0)
		DO(PRIME, prime_import(worker->vgem.card, fd));
	close_fd(fd);
}

static void try_node(struct worker *worker)
{
	int fd = random_below(&worker->random, 2) ? open_exporter() : open_importer();

	close_fd(DO(NODE, fd));
}

struct action {
	unsigned int weight;
	int (*exporter)(struct worker *worker, int fd);
	void (*importer)(struct worker *worker, int fd, uint32_t handle);
	void (*other)(struct worker *worker);
};

static const struct action actions[] = {
	{ .weight = 20, .exporter = use_region_info },
	{ .weight = 20, .exporter = use_route },
	{ .weight = 60, .exporter = use_export },
	{ .weight = 3, .exporter = use_revoke },
	{ .weight = 100, .importer = use_import },
	{ .weight = 80, .importer = use_map },
	{ .weight = 40, .importer = use_unmap },
	{ .weight = 50, .importer = use_release },
	{ .weight = 50, .importer = use_query },
	{ .weight = 40, .importer = use_audit },
	{ .weight = 40, .importer = use_verdict },
	{ .weight = 3, .importer = use_copy },
	{ .weight = 6, .importer = use_transfer },
	{ .weight = 20, .other = end_fence },
	{ .weight = 20, .importer = use_poll },
	{ .weight = 50, .other = do_mmap },
	{ .weight = 150, .other = do_touch },
	{ .weight = 3, .other = do_fork },
	{ .weight = 40, .other = do_send },
	{ .weight = 40, .other = do_receive },
	{ .weight = 30, .other = do_close },
	{ .weight = 10, .other = do_interrupt },
	{ }
};

static const struct action holder_actions[] = {
	{ .weight = 150, .other = add_fence },
	{ .weight = 40, .other = do_receive },
	{ .weight = 20, .other = do_send },
	{ .weight = 5, .other = do_close },
	{ .weight = 40, .other = do_mmap },
	{ .weight = 100, .other = do_touch },
	{ .weight = 40, .other = write_out },
	{ .weight = 3, .other = do_fork },
	{ .weight = 20, .other = poll_dmabuf },
	{ .weight = 30, .other = ask_dmabuf },
	{ .weight = 5, .other = try_prime },
	{ .weight = 2, .other = try_node },
	{ .weight = 10, .other = do_interrupt },
	{ }
};

static const struct action *any_action(struct worker *worker)
{
	const struct action *action, *table;
	unsigned int left = 0;

	table = worker->process == HOLDER ? holder_actions : actions;
	for (action = table; action->weight; action++)
		left += action->weight;
	left = random_below(&worker->random, left);
	for (action = table; left >= action->weight; action++)
		left -= action->weight;
	return action;
}

static void *work(void *arg)
{
	struct worker *worker = arg;

	here = &shared->places[worker->process][worker->number];
	pthread_barrier_wait(&all_there);
	while (!shared->stop) {
		const struct action *action = any_action(worker);

		if (action->exporter)
			use_exporter(worker, action->exporter);
		else if (action->importer)
			use_importer(worker, action->importer);
		else
			action->other(worker);
	}
	end_fence(worker);
	end_map(worker);
	return NULL;
}

static void empty_pool(void)
{
	unsigned int i;

	for (i = 0; i < NR_NODES; i++) {
		close(pool.exporters[i]);
		close(pool.importers[i]);
	}
	for (i = 0; i < NR_DMABUFS; i++)
		close(pool.dmabufs[i]);
}

/*
 * With vgem's node and no right to anything else. What waits for fences, as an access that
 * begins does, ends with a signal: else its threads wait for each other's for 10 s.
 */
static void become_holder(void)
{
	struct sigaction interrupt = { .sa_handler = on_interrupt };
	unsigned int i;

	sigaction(SIGUSR1, &interrupt, NULL);
	for (i = 0; i < NR_THREADS; i++)
		if (open_vgem(&workers[i].vgem))
			fail("there is no vgem, whose fences the holder needs");
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		fail("the holder keeps its rights");
	/* A change of them ends it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void run_workers(unsigned int process, uint64_t seed)
{
	unsigned int i;

	memset(&pool.exporters, -1, sizeof(pool) - offsetof(typeof(pool), exporters));
	for (i = 0; i < NR_THREADS; i++) {
		workers[i] = (struct worker){
			.process = process,
			.number = i,
			.random = random_next(&seed),
			.fence = -1,
		};
		shared->places[process][i].kind = -1;
	}
	if (process == HOLDER)
		become_holder();
	pthread_barrier_init(&all_there, NULL, NR_THREADS);
	for (i = 0; i < NR_THREADS; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	empty_pool();
}

/* Events */

static int set_runtime_pm(const char *bdf, bool allowed)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/power/control", bdf);
	return write_file(path, allowed ? "auto" : "on");
}

static void nap(uint64_t *random, unsigned int milliseconds)
{
	usleep(random_below(random, milliseconds) * 1000);
}

/* Held while an event is watched, which is to be the only one then, and by the others. */
static pthread_mutex_t watching = PTHREAD_MUTEX_INITIALIZER;

/**
 * struct watch - an event, and a DMABUF that is there when it happens
 * @exporter: node
 * @fd: the DMABUF, held until the event has returned
 * @on: it is watched
 * @followed: how
 */
struct watch {
	int exporter;
	int fd;
	bool on;
	struct followed followed;
};

/* Access may be lost for another reason, as by a recovery that failed. */
static bool is_accessible(int fd)
{
	void *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return false;
	munmap(map, PAGE);
	return true;
}

static void stop_watch(struct watch *watch)
{
	if (watch->on)
		unfollow(&watch->followed);
	close_fd(watch->fd);
	close_fd(watch->exporter);
}

/* False if there is no function. The holder gets the DMABUF. */
static bool start_watch(struct watch *watch, bool wanted, uint64_t *random)
{
	*watch = (struct watch){ .fd = -1 };
	watch->exporter = DO(OPEN, open_exporter());
	if (watch->exporter < 0)
		return false;
	watch->fd = DO(TALLY_EXPORT,
		       export_simple(watch->exporter, random_below(random, NR_PAGES) * PAGE,
				     PAGE));
	if (watch->fd >= 0) {
		DO(SEND, send_fd(sockets[HOLDER][1], watch->fd));
		watch->on = wanted && is_accessible(watch->fd) &&
			    !follow(&watch->followed, watch->fd, WAIT_MS);
	}
	return true;
}

static void judge(const struct watch *watch, unsigned int event)
{
	const char *wrong = what_follows(&watch->followed);

	if (wrong)
		fail(wrong);
	tally(BOUNDED + event, wrong ? -EPROTO : 0);
}

static int by_ioctl(const struct watch *watch)
{
	return reset_by_ioctl(watch->exporter);
}

static int by_sysfs(const struct watch *watch)
{
	return reset_by_sysfs(watch->exporter);
}

static int without_memory(const struct watch *watch)
{
	return set_memory(watch->exporter, false);
}

static int unbind(const struct watch *watch)
{
	return unbind_and_bind(watch->exporter);
}

static int to_sleep(const struct watch *watch)
{
	return suspend_and_resume(watch->exporter);
}

static int with_error(const struct watch *watch)
{
	return error_and_recovery(watch->exporter);
}

static int without_access(const struct watch *watch)
{
	return revoke_buffer(watch->exporter, watch->fd);
}

/* @alone: what else happens could make it fail. */
static const struct {
	int kind;
	int (*happen)(const struct watch *watch);
	bool alone;
} events[NR_EVENTS] = {
	[BY_IOCTL] = { TALLY_RESET, by_ioctl },
	[BY_SYSFS] = { RESET_EXPORTER, by_sysfs },
	[MEMORY] = { TALLY_MEMORY, without_memory },
	[UNBIND] = { REBIND_EXPORTER, unbind },
	[TO_SLEEP] = { SUSPEND, to_sleep },
	[FAULT] = { ERROR, with_error, true },
	[REVOCATION] = { TALLY_REVOKE, without_access },
};

/* A thread that is frozen is interrupted. */
static void turn_memory_on(int exporter)
{
	while (DO(TALLY_MEMORY, set_memory(exporter, true)) == -EINTR)
		;
}

static void make_event(unsigned int event, bool watched, uint64_t *random)
{
	struct watch watch;
	int ret;

	if (!start_watch(&watch, watched, random))
		return;
	ret = DO(events[event].kind, events[event].happen(&watch));
	if (!ret && watch.on)
		judge(&watch, event);
	if (event == MEMORY) {
		nap(random, 30);
		turn_memory_on(watch.exporter);
	}
	stop_watch(&watch);
}

/* Every other time together with what the other thread does. */
static void make_exporter_event(unsigned int event, uint64_t *random)
{
	bool watched = events[event].alone || random_below(random, 2);

	if (watched)
		pthread_mutex_lock(&watching);
	make_event(event, watched, random);
	if (watched)
		pthread_mutex_unlock(&watching);
}

static int rebind_importer(void)
{
	return unbind_driver(importer_bdf()) ?:
	       bind_driver(importer_bdf(), "p2pbuf_importer");
}

/* What happens after the exporter's events. */
enum {
	IMPORTER_RESET = NR_EVENTS, IMPORTER_UNBIND, POWER, NR_ALL_EVENTS
};

static void make_any_event(unsigned int event, uint64_t *random)
{
	switch (event) {
	case IMPORTER_RESET:
		DO(RESET_IMPORTER, reset_function(importer_bdf()));
		break;
	case IMPORTER_UNBIND:
		DO(REBIND_IMPORTER, rebind_importer());
		break;
	case POWER:
		DO(RUNTIME_PM, set_runtime_pm(exporter_bdf(), random_below(random, 2)));
		break;
	default:
		make_exporter_event(event, random);
	}
}

/* Binding and unbinding belong to one thread; the other's events fall in between. */
static void *make_other_events(void *arg)
{
	uint64_t random = *(uint64_t *)arg;
	unsigned int event;

	here = &shared->places[EVENTS][1];
	while (!shared->stop) {
		nap(&random, 2000);
		event = random_below(&random, 2) ? MEMORY : BY_IOCTL;
		pthread_mutex_lock(&watching);
		make_event(event, false, &random);
		pthread_mutex_unlock(&watching);
	}
	return NULL;
}

/* Each as often as any other, in any order. */
static void make_events(uint64_t seed)
{
	unsigned int order[NR_ALL_EVENTS], i;
	uint64_t random = random_next(&seed);
	pthread_t thread;

	here = &shared->places[EVENTS][0];
	for (i = 0; i < NR_ALL_EVENTS; i++)
		order[i] = i;
	pthread_create(&thread, NULL, make_other_events, &seed);
	for (i = 0; !shared->stop; i++) {
		if (i % NR_ALL_EVENTS == 0) {
			shared->rounds = i / NR_ALL_EVENTS;
			shuffle(order, NR_ALL_EVENTS, random_next(&random));
		}
		nap(&random, 500);
		make_any_event(order[i % NR_ALL_EVENTS], &random);
	}
	pthread_join(thread, NULL);
	set_runtime_pm(exporter_bdf(), false);
}

/* What looks after all of them */

static bool somebody_is_stuck(void)
{
	unsigned int process, thread;
	bool stuck = false;

	for (process = 0; process < NR_ALL; process++) {
		for (thread = 0; thread < NR_THREADS; thread++) {
			struct place *place = &shared->places[process][thread];
			int kind = place->kind;

			if (kind < 0 || now() - place->since < HUNG_SECONDS)
				continue;
			printf("stress: process %u thread %u is stuck: %s\n", process,
			       thread, tally_name(kind));
			stuck = true;
		}
	}
	return stuck;
}

static pid_t start_process(unsigned int process, uint64_t seed)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (process == EVENTS)
		make_events(seed);
	else
		run_workers(process, seed);
	exit(0);
}

/* False if it does not end, because a call of it does not. */
static bool wait_for(pid_t pid, int *status)
{
	while (!waitpid(pid, status, WNOHANG)) {
		usleep(100000);
		if (somebody_is_stuck())
			return false;
	}
	return true;
}

/* With a call of it under way, as a rule. */
static bool kill_process(pid_t *pid, unsigned int process, uint64_t seed)
{
	unsigned int i;

	kill(*pid, SIGKILL);
	if (!wait_for(*pid, NULL))
		return false;
	tally(KILL, 0);
	for (i = 0; i < NR_THREADS; i++)
		shared->places[process][i].kind = -1;
	*pid = start_process(process, seed);
	return true;
}

/* How much is done in a second differs widely: each call is to be tested all the same. */
static bool is_over(long begin, unsigned int seconds)
{
	return now() - begin >= (long)seconds &&
	       (tally_is_complete() || shared->rounds >= MAX_ROUNDS);
}

/* Until the time is over; false if somebody does not come back. */
static bool look_after(pid_t *pids, unsigned int seconds, uint64_t random)
{
	long begin = now(), killed = begin;

	while (!shared->stop && !is_over(begin, seconds)) {
		unsigned int process = random_below(&random, NR_PROCESSES);

		sleep(1);
		if (somebody_is_stuck())
			return false;
		if (tally_undocumented())
			fail("an error is not documented");
		if (now() - killed < KILL_EVERY)
			continue;
		if (!kill_process(&pids[process], process, random_next(&random)))
			return false;
		killed = now();
	}
	return true;
}

static bool wait_for_all(pid_t *pids)
{
	unsigned int process;
	int status;

	shared->stop = true;
	for (process = 0; process < NR_ALL; process++) {
		if (!wait_for(pids[process], &status))
			return false;
		if (status)
			fail("a process did not end well");
	}
	return true;
}

static void drain_sockets(void)
{
	unsigned int i;
	int fd;

	for (i = 0; i < NR_ALL; i++)
		while ((fd = receive_fd(sockets[i][0])) >= 0)
			close(fd);
}

/* Both functions still do what they are for. */
static int check_data(void)
{
	int exporter = open_exporter(), importer = open_importer(), fd, ret;
	uint8_t there[PAGE], back[PAGE];
	uint32_t handle;

	pattern_fill(there, PAGE, 9, 0);
	fd = export_simple(exporter, 0, PAGE);
	ret = import_buffer(importer, fd, P2PBUF_INTERCONNECT_AUTO, READ_WRITE, &handle);
	if (!ret)
		ret = map_handle(importer, handle);
	if (!ret && data_arrives())
		ret = write_buffer(importer, handle, 0, there, PAGE) ?:
		      read_buffer(importer, handle, 0, back, PAGE);
	if (!ret && data_arrives() && memcmp(there, back, PAGE))
		ret = -EIO;
	close(fd);
	close(importer);
	close(exporter);
	return ret;
}

static bool all_is_well(const struct footing *footing)
{
	bool good = !shared->failed;
	int ret;

	drain_sockets();
	good &= back_on_footing(footing);
	ret = check_data();
	if (ret)
		printf("stress: data do not move any more: %s\n", strerror(-ret));
	good &= tally_report();
	return good && !ret;
}

static void set_up(void)
{
	struct sigaction bus = { .sa_handler = on_bus_error };
	struct sigaction interrupt = { .sa_handler = on_interrupt, .sa_flags = SA_RESTART };
	unsigned int i, j;

	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGUSR1, &interrupt, NULL);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED ||
	    tally_start(more_kinds, sizeof(more_kinds) / sizeof(*more_kinds))) {
		perror("stress");
		exit(1);
	}
	for (i = 0; i < NR_ALL; i++)
		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets[i])) {
			perror("stress");
			exit(1);
		}
	for (i = 0; i < NR_ALL; i++)
		for (j = 0; j < NR_THREADS; j++)
			shared->places[i][j].kind = -1;
}

static void print_help(void)
{
	printf("usage: p2pbuf-stress [--seed N] [--seconds N]\n"
	       "\n"
	       "--seed     what the threads do (default: the time)\n"
	       "--seconds  for how long at least (default: 60); until each call has\n"
	       "           succeeded it goes on, for %u rounds of all events at most\n",
	       MAX_ROUNDS);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ }
	};
	unsigned int seconds = 60, process;
	uint64_t seed = time(NULL), random;
	struct footing footing;
	pid_t pids[NR_ALL];
	bool good;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			seconds = strtoul(optarg, NULL, 0);
			break;
		default:
			print_help();
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("stress: seed %llu\n", (unsigned long long)seed);

	set_up();
	take_footing(&footing);
	random = seed;
	for (process = 0; process < NR_ALL; process++)
		pids[process] = start_process(process, random_next(&random));
	good = look_after(pids, seconds, random) && wait_for_all(pids);
	if (good)
		good = all_is_well(&footing);
	else
		print_all_stacks();
	printf("stress: %lu calls, %lu errors expected, %u rounds of events, seed %llu\n",
	       tally_calls(), tally_errors(), shared->rounds, (unsigned long long)seed);
	return !good;
}
