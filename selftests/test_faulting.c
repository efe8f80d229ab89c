// SPDX-License-Identifier: GPL-2.0-only
/*
 * User memory whose fault lasts: every pointer that an ioctl takes, while something else
 * happens to the same objects. That must not wait for the fault; then the fault ends, and
 * the ioctl returns what the UAPI says.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"

#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define SIZE		(4 * PAGE)
/* Pages of the DMABUF: the first is copied, two others may hold arguments. */
#define ARG_OFFSET	(2 * PAGE)
#define ARRAY_OFFSET	(3 * PAGE)
#define LENGTH		64

union argument {
	struct p2pbuf_region_info region_info;
	struct p2pbuf_export export;
	struct p2pbuf_reset reset;
	struct p2pbuf_memory memory;
	struct p2pbuf_route_info route;
	struct p2pbuf_revoke revoke;
	struct p2pbuf_import import;
	struct p2pbuf_handle handle;
	struct p2pbuf_query query;
	struct p2pbuf_copy copy;
	struct p2pbuf_transfer transfer;
	struct p2pbuf_audit audit;
	struct p2pbuf_verdict verdict;
};

/* The objects of a call. */
struct scene {
	int exporter;
	int importer;
	int fd;
	uint32_t handle;
};

/* What happened while the fault lasted, as far as a result depends on it. */
enum meanwhile {
	NOTHING,
	CLOSED,
	REVOKED,
	RELEASED,
	NO_EXPORTER,
	NO_IMPORTER,
	NR_MEANWHILE
};

/* Where the fault is: the argument as it is read, or written, or what it points to. */
enum where {
	IN,
	OUT,
	ARRAY_IN,
	ARRAY_OUT,
};

struct call {
	const char *name;
	unsigned long cmd;
	enum where where;
	int results[NR_MEANWHILE];
};

#define AT(_call, _where) \
	.name = #_call " " #_where, .cmd = P2PBUF_IOCTL_##_call, .where = _where
#define NEEDS_EXPORTER \
	.results = { [NO_EXPORTER] = -ENODEV }
#define NEEDS_MAPPING \
	.results = { [REVOKED] = -ESTALE, [RELEASED] = -ENOENT, \
		     [NO_EXPORTER] = -ESTALE, [NO_IMPORTER] = -ENODEV }

/* What was done before the fault is done. */
static const struct call calls[] = {
	{ AT(REGION_INFO, IN), NEEDS_EXPORTER },
	{ AT(REGION_INFO, OUT) },
	{ AT(EXPORT, IN), NEEDS_EXPORTER },
	{ AT(EXPORT, ARRAY_IN), NEEDS_EXPORTER },
	{ AT(RESET, IN), NEEDS_EXPORTER },
	{ AT(MEMORY, IN), NEEDS_EXPORTER },
	{ AT(ROUTE, IN), NEEDS_EXPORTER },
	{ AT(ROUTE, OUT) },
	{ AT(REVOKE, IN),
	  .results = { [CLOSED] = -EBADF } },
	{ AT(IMPORT, IN),
	  .results = { [CLOSED] = -EBADF, [NO_EXPORTER] = -ENODEV,
		       [NO_IMPORTER] = -ENODEV } },
	{ AT(IMPORT, OUT) },
	{ AT(MAP, IN),
	  .results = { [RELEASED] = -ENOENT, [NO_EXPORTER] = -ENODEV,
		       [NO_IMPORTER] = -ENODEV } },
	{ AT(UNMAP, IN),
	  .results = { [RELEASED] = -ENOENT, [NO_IMPORTER] = -ENODEV } },
	{ AT(RELEASE, IN),
	  .results = { [RELEASED] = -ENOENT } },
	{ AT(QUERY, IN),
	  .results = { [RELEASED] = -ENOENT, [NO_IMPORTER] = -ENODEV } },
	{ AT(QUERY, ARRAY_OUT) },
	{ AT(QUERY, OUT) },
	{ AT(COPY, IN), NEEDS_MAPPING },
	{ AT(COPY, ARRAY_IN), NEEDS_MAPPING },
	{ AT(COPY, ARRAY_OUT) },
	{ AT(COPY, OUT) },
	{ AT(TRANSFER, IN), NEEDS_MAPPING },
	/* Told before it starts: what has started cannot be called back. */
	{ AT(TRANSFER, OUT), NEEDS_MAPPING },
	{ AT(AUDIT, IN), NEEDS_MAPPING },
	{ AT(AUDIT, ARRAY_OUT) },
	{ AT(AUDIT, OUT) },
	{ AT(VERDICT, IN), NEEDS_MAPPING },
	{ AT(VERDICT, OUT) },
};

/* Without data a copy tells only that. */
static bool makes_sense(const struct call *call)
{
	return data_arrives() || (call->cmd != P2PBUF_IOCTL_COPY &&
				  call->cmd != P2PBUF_IOCTL_TRANSFER);
}

static int node_of(const struct call *call, const struct scene *scene)
{
	return _IOC_NR(call->cmd) < _IOC_NR(P2PBUF_IOCTL_IMPORT) ? scene->exporter :
								   scene->importer;
}

static union argument make_argument(const struct call *call, const struct scene *scene,
				    const void *array)
{
	union argument arg = { };

	switch (call->cmd) {
	case P2PBUF_IOCTL_REGION_INFO:
		arg.region_info.index = TEST_BAR;
		break;
	case P2PBUF_IOCTL_EXPORT:
		arg.export.region_index = TEST_BAR;
		arg.export.open_flags = O_RDWR | O_CLOEXEC;
		arg.export.nr_ranges = 1;
		arg.export.ranges = (uintptr_t)array;
		break;
	case P2PBUF_IOCTL_RESET:
		break;
	case P2PBUF_IOCTL_MEMORY:
		arg.memory.on = 1;
		break;
	case P2PBUF_IOCTL_ROUTE:
		arg.route.client = bdf_number(importer_bdf());
		break;
	case P2PBUF_IOCTL_REVOKE:
		arg.revoke.fd = scene->fd;
		break;
	case P2PBUF_IOCTL_IMPORT:
		arg.import.fd = scene->fd;
		arg.import.access = READ_WRITE;
		break;
	case P2PBUF_IOCTL_QUERY:
		arg.query.handle = scene->handle;
		arg.query.segments = (uintptr_t)array;
		arg.query.capacity = 1;
		break;
	case P2PBUF_IOCTL_COPY:
		arg.copy.handle = scene->handle;
		arg.copy.flags = call->where == ARRAY_IN ? P2PBUF_COPY_TO_BUFFER : 0;
		arg.copy.length = LENGTH;
		arg.copy.user = (uintptr_t)array;
		break;
	case P2PBUF_IOCTL_TRANSFER:
		arg.transfer.src = scene->handle;
		arg.transfer.dst = scene->handle;
		arg.transfer.dst_offset = PAGE;
		arg.transfer.length = LENGTH;
		break;
	case P2PBUF_IOCTL_AUDIT:
		arg.audit.handle = scene->handle;
		arg.audit.places = (uintptr_t)array;
		arg.audit.capacity = 1;
		break;
	default:
		arg.handle.handle = scene->handle;
	}
	return arg;
}

/* What the argument points to, as far as it is read; enough for what is written. */
static const struct p2pbuf_range content[LENGTH / sizeof(struct p2pbuf_range)] = {
	{ 0, PAGE },
};

static const struct scene nothing_open = { .exporter = -1, .importer = -1, .fd = -1 };

static int open_scene(struct scene *scene, const struct call *call)
{
	int ret;

	*scene = (struct scene){ .importer = open_importer() };
	scene->exporter = open_exporter();
	scene->fd = export_simple(scene->exporter, 0, SIZE);
	ret = import_buffer(scene->importer, scene->fd, P2PBUF_INTERCONNECT_AUTO,
			    READ_WRITE, &scene->handle);
	if (ret || call->cmd == P2PBUF_IOCTL_MAP)
		return ret;
	return map_handle(scene->importer, scene->handle);
}

static int close_scene(struct scene *scene)
{
	close(scene->importer);
	close(scene->fd);
	close(scene->exporter);
	*scene = nothing_open;
	return 0;
}

/* DMABUFs that something still holds. */
static int nr_left(void)
{
	int attachments;

	return count_buffers("p2pbuf_exporter", &attachments);
}

/* What a call returned, its descriptors closed. */
static int finish_call(const struct call *call, const union argument *before,
		       union argument *arg, int ret)
{
	if (ret < 0)
		return memcmp(before, arg, _IOC_SIZE(call->cmd)) ? -EBADMSG : ret;
	if (call->cmd == P2PBUF_IOCTL_EXPORT)
		return close(ret);
	if (call->cmd == P2PBUF_IOCTL_TRANSFER)
		return wait_fence(arg->transfer.fence_fd) == 1 ? 0 : -EIO;
	return ret;
}

/* A call whose user memory holds it. */
struct victim {
	const struct call *call;
	int node;
	union argument before;
	union argument in_reach;
	union argument *arg;
	uint8_t array[LENGTH];
	struct held held;
	pthread_t thread;
	int ret;
};

static void *make_call(void *arg)
{
	struct victim *victim = arg;

	victim->ret = ioctl(victim->node, victim->call->cmd, victim->arg);
	if (victim->ret < 0)
		victim->ret = -errno;
	return NULL;
}

static int hold_call(struct victim *victim, const struct call *call,
		     const struct scene *scene)
{
	bool array = call->where == ARRAY_IN || call->where == ARRAY_OUT;
	int ret;

	victim->call = call;
	victim->node = node_of(call, scene);
	memcpy(victim->array, content, sizeof(content));
	victim->before = make_argument(call, scene, victim->array);
	ret = hold_page(&victim->held, call->where == OUT,
			array ? (const void *)content : &victim->before,
			array ? sizeof(content) : sizeof(victim->before));
	if (ret)
		return ret;
	if (array)
		victim->before = make_argument(call, scene, victim->held.page);
	victim->in_reach = victim->before;
	victim->arg = array ? &victim->in_reach : (union argument *)victim->held.page;

	if (pthread_create(&victim->thread, NULL, make_call, victim))
		return -EAGAIN;
	return wait_for_fault(&victim->held);
}

static int end_call(struct victim *victim)
{
	int ret = let_fault_go(&victim->held);

	if (ret)
		return ret;
	pthread_join(victim->thread, NULL);
	ret = finish_call(victim->call, &victim->before, victim->arg, victim->ret);
	drop_page(&victim->held);
	return ret;
}

/*
 * What happens meanwhile
 */

static int touch(struct scene *scene)
{
	volatile uint8_t *map;
	int ret = 0;

	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, scene->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	if (raises_sigbus(map) || raises_sigbus(map + SIZE - 1))
		ret = -EFAULT;
	munmap((void *)map, SIZE);
	return ret;
}

/* By another handle, as the state of the first one is the call's. */
static int use(struct scene *scene)
{
	struct p2pbuf_region_info info;
	struct p2pbuf_query query;
	struct p2pbuf_copy result;
	uint8_t data[LENGTH];
	uint32_t handle;
	int fd;

	fd = export_simple(scene->exporter, 0, PAGE);
	close(fd);
	if (fd < 0)
		return fd;
	return region_info(scene->exporter, TEST_BAR, &info) ?:
	       query_handle(scene->importer, scene->handle, &query, NULL, 0) ?:
	       import_buffer(scene->importer, scene->fd, P2PBUF_INTERCONNECT_SGT,
			     READ_WRITE, &handle) ?:
	       map_handle(scene->importer, handle) ?:
	       (data_arrives() ? copy_buffer(scene->importer, handle, 0, 0, data, LENGTH,
					     &result) : 0) ?:
	       unmap_handle(scene->importer, handle) ?:
	       release_handle(scene->importer, handle);
}

static int reset(struct scene *scene)
{
	return reset_exporter(scene->exporter);
}

static int without_memory(struct scene *scene)
{
	return memory_off_and_on(scene->exporter);
}

static int release(struct scene *scene)
{
	return release_handle(scene->importer, scene->handle);
}

static int unbind_exporter(struct scene *scene)
{
	(void)scene;
	return unbind_driver(exporter_bdf());
}

static int unbind_importer(struct scene *scene)
{
	(void)scene;
	return unbind_driver(importer_bdf());
}

struct other {
	int (*happen)(struct scene *scene);
	struct scene *scene;
	pthread_t thread;
	int ret;
};

static void *run_other(void *arg)
{
	struct other *other = arg;

	other->ret = other->happen(other->scene);
	return NULL;
}

/* -ETIMEDOUT if it does not end. */
static int try_other(struct other *other)
{
	struct timespec until;

	if (pthread_create(&other->thread, NULL, run_other, other))
		return -EAGAIN;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HUNG_SECONDS;
	return -pthread_timedjoin_np(other->thread, NULL, &until);
}

FIXTURE(faulting)
{
	struct scene scene;
	struct victim victim;
	struct other other;
};

FIXTURE_VARIANT(faulting)
{
	int (*happen)(struct scene *scene);
	enum meanwhile meanwhile;
};

FIXTURE_VARIANT_ADD(faulting, touch)
{
	touch, NOTHING,
};

FIXTURE_VARIANT_ADD(faulting, use)
{
	use, NOTHING,
};

FIXTURE_VARIANT_ADD(faulting, close)
{
	close_scene, CLOSED,
};

FIXTURE_VARIANT_ADD(faulting, reset)
{
	reset, REVOKED,
};

FIXTURE_VARIANT_ADD(faulting, memory)
{
	without_memory, REVOKED,
};

FIXTURE_VARIANT_ADD(faulting, release)
{
	release, RELEASED,
};

FIXTURE_VARIANT_ADD(faulting, unbind_exporter)
{
	unbind_exporter, NO_EXPORTER,
};

FIXTURE_VARIANT_ADD(faulting, unbind_importer)
{
	unbind_importer, NO_IMPORTER,
};

FIXTURE_SETUP(faulting)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	self->scene = nothing_open;
}

FIXTURE_TEARDOWN(faulting)
{
	close_scene(&self->scene);
	EXPECT_EQ(0, nr_left());
	EXPECT_EQ(0, bind_both());
}

TEST_F(faulting, nobody_waits)
{
	const struct call *call;
	int ret;

	for (call = calls; call < calls + ARRAY_SIZE(calls); call++) {
		if (!makes_sense(call))
			continue;
		ASSERT_EQ(0, open_scene(&self->scene, call));
		ASSERT_EQ(0, hold_call(&self->victim, call, &self->scene))
			TH_LOG("%s", call->name);

		self->other = (struct other){
			.happen = variant->happen,
			.scene = &self->scene,
		};
		ret = try_other(&self->other);
		EXPECT_EQ(0, ret)
			TH_LOG("%s: waits for the fault", call->name);
		EXPECT_EQ(call->results[variant->meanwhile], end_call(&self->victim))
			TH_LOG("%s", call->name);
		/* Not before the fault is over, which may be what it waits for. */
		if (ret == -ETIMEDOUT)
			pthread_join(self->other.thread, NULL);
		EXPECT_EQ(0, self->other.ret)
			TH_LOG("%s", call->name);
		close_scene(&self->scene);
		EXPECT_EQ(0, nr_left())
			TH_LOG("%s", call->name);
		EXPECT_EQ(0, bind_both());
		ASSERT_EQ(KSFT_PASS, _metadata->exit_code);
	}
}

/*
 * Killed while it is held
 */

static void be_victim(const struct call *call, int ready)
{
	static struct victim victim;
	struct scene scene;

	if (open_scene(&scene, call) || hold_call(&victim, call, &scene))
		_exit(1);
	if (write(ready, "", 1) == 1)
		pause();
	_exit(1);
}

/* 0 once it is held. */
static int start_child(const struct call *call, pid_t *pid)
{
	int fds[2];
	char byte;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	*pid = fork();
	if (!*pid)
		be_victim(call, fds[1]);
	close(fds[1]);
	n = read(fds[0], &byte, 1);
	close(fds[0]);
	return n == 1 ? 0 : -ECHILD;
}

TEST(killed)
{
	const struct call *call;
	pid_t pid = -1;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	for (call = calls; call < calls + ARRAY_SIZE(calls); call++) {
		if (!makes_sense(call))
			continue;
		ASSERT_EQ(0, start_child(call, &pid))
			TH_LOG("%s", call->name);
		EXPECT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(pid, waitpid(pid, NULL, 0));
		EXPECT_EQ(0, nr_left())
			TH_LOG("%s", call->name);
	}
	EXPECT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_EQ(0, unbind_driver(importer_bdf()));
	EXPECT_EQ(0, bind_both());
}

/*
 * The argument and what it points to are an mmap of the very DMABUF that it is about, so
 * that the fault takes the reservation lock.
 */

FIXTURE(own)
{
	struct scene scene;
	uint8_t *filled;	/* through another mapping */
	uint8_t *map;		/* not touched yet */
};

FIXTURE_SETUP(own)
{
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	self->scene = nothing_open;
}

FIXTURE_TEARDOWN(own)
{
	close_scene(&self->scene);
	EXPECT_EQ(0, nr_left());
	EXPECT_EQ(0, bind_both());
}

static int map_twice(FIXTURE_DATA(own) *self, const struct call *call,
		     union argument *before)
{
	int fd = self->scene.fd;

	self->filled = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	self->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (self->filled == MAP_FAILED || self->map == MAP_FAILED)
		return -errno;
	*before = make_argument(call, &self->scene, self->map + ARRAY_OFFSET);
	memcpy(self->filled + ARG_OFFSET, before, sizeof(*before));
	memcpy(self->filled + ARRAY_OFFSET, content, sizeof(content));
	return 0;
}

static void unmap_both(FIXTURE_DATA(own) *self)
{
	munmap(self->filled, SIZE);
	munmap(self->map, SIZE);
}

static int call_own(FIXTURE_DATA(own) *self, const struct call *call)
{
	int ret = ioctl(node_of(call, &self->scene), call->cmd, self->map + ARG_OFFSET);

	return ret < 0 ? -errno : ret;
}

TEST_F(own, memory)
{
	union argument before, after;
	const struct call *call;
	int ret;

	for (call = calls; call < calls + ARRAY_SIZE(calls); call++) {
		if (!makes_sense(call))
			continue;
		ASSERT_EQ(0, open_scene(&self->scene, call));
		ASSERT_EQ(0, map_twice(self, call, &before));
		ret = call_own(self, call);
		if (call->cmd == P2PBUF_IOCTL_REVOKE) {
			EXPECT_EQ(0, ret);
			EXPECT_TRUE(raises_sigbus(self->map + ARG_OFFSET));
		} else {
			memcpy(&after, self->map + ARG_OFFSET, sizeof(after));
			EXPECT_EQ(0, finish_call(call, &before, &after, ret))
				TH_LOG("%s", call->name);
		}
		unmap_both(self);
		close_scene(&self->scene);
	}
}

/* And where the fault fails. */
TEST_F(own, memory_revoked)
{
	union argument before;
	const struct call *call;

	for (call = calls; call < calls + ARRAY_SIZE(calls); call++) {
		if (call->where != IN)
			continue;
		ASSERT_EQ(0, open_scene(&self->scene, call));
		ASSERT_EQ(0, map_twice(self, call, &before));
		ASSERT_EQ(0, set_memory(self->scene.exporter, false));
		EXPECT_EQ(-EFAULT, call_own(self, call))
			TH_LOG("%s", call->name);
		EXPECT_TRUE(raises_sigbus(self->map));
		EXPECT_EQ(0, set_memory(self->scene.exporter, true));
		EXPECT_EQ(0, memcmp(self->map + ARG_OFFSET, &before, sizeof(before)))
			TH_LOG("%s", call->name);
		unmap_both(self);
		close_scene(&self->scene);
	}
}

TEST_HARNESS_MAIN
