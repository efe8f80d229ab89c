// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random calls of both nodes.
 *
 * An input is a string of bytes that an interpreter turns into a sequence of calls: from
 * open nodes, DMABUFs and imports that it sets up first, so that most calls find what they
 * name, to all of it closed again. Inputs depend on nothing before them, and what reached
 * new code (where the kernel has KCOV) is changed a little to make the next ones.
 *
 * A crash takes the guest down. So each input goes to the kernel log before it is run, and
 * with it to the console, which the rig keeps: --replay takes that log as it is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kcov.h"
#include "p2pbuf_test.h"
#include "tally.h"

#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define NR_STEPS	15
#define NR_FDS		4
#define NR_HANDLES	6
/* BAR pages that are exported as a rule. */
#define NR_PAGES	16
#define DATA_SIZE	(NR_PAGES * PAGE)
#define MAX_CORPUS	4096
/* Calls per one that moves data, each chunk of which takes half a second, and per reset. */
#define CALLS_PER_DMA	800
#define CALLS_PER_RESET	1000
/* What marks an input in the log. */
#define MARK		"p2pbuf-fuzz: input "

/**
 * struct step - one call
 * @op: which, see ops[]
 * @object: index of a DMABUF or handle
 * @other: likewise
 * @mutation: what is made wrong, see mutate()
 * @values: of arguments
 * @where: of the mutation
 * @what: likewise
 * @dma: 1: may move data
 * @compat: as a 32-bit program, if large enough
 */
struct step {
	uint8_t op;
	uint8_t object;
	uint8_t other;
	uint8_t mutation;
	uint8_t values[4];
	uint8_t where;
	uint8_t what;
	uint8_t dma;
	uint8_t compat;
};

struct input {
	uint8_t setup[8];
	struct step steps[NR_STEPS];
};

union args {
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
	uint8_t bytes[256];
	uint32_t words[64];
	uint64_t longs[32];
};

/**
 * struct world - what an input's calls find
 * @exporter: node
 * @importer: node
 * @fds: DMABUFs
 * @nr_fds: of them
 * @handles: imports
 * @nr_handles: of them
 * @mapped: there was a map
 * @cpu: mmap of a DMABUF, or NULL
 */
struct world {
	int exporter;
	int importer;
	int fds[NR_FDS];
	unsigned int nr_fds;
	uint32_t handles[NR_HANDLES];
	unsigned int nr_handles;
	bool mapped;
	void *cpu;
};

/*
 * All of user memory that calls name, below 4 GiB. @args and @args_readonly are the same
 * page, and no page follows it, nor @data.
 */
static union args *args, *args_readonly;
static uint8_t *data;
static bool compat;

enum { UNKNOWN = NR_TALLY_IOCTLS, OPEN, MMAP, TOUCH, POLL };

static const struct tally_kind more_kinds[] = {
	{ .name = "unknown ioctl", .errnos = { ENOTTY }, .refused = true },
	{ .name = "open" },
	{ .name = "mmap", .errnos = { EACCES, EBADF, ENODEV } },
	{ .name = "touch", .errnos = { EFAULT } },
	{ .name = "poll" },
};

static void must(bool fine, const char *what)
{
	if (fine)
		return;
	printf("p2pbuf-fuzz: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *before_no_page(size_t size, int prot, int fd)
{
	void *map = mmap(NULL, size + PAGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	must(map != MAP_FAILED, "mmap");
	map = mmap(map, size, prot, MAP_SHARED | MAP_FIXED, fd, 0);
	must(map != MAP_FAILED, "mmap");
	return map;
}

static void set_up_memory(void)
{
	int fd = memfd_create("args", MFD_CLOEXEC);

	must(fd >= 0 && !ftruncate(fd, DATA_SIZE), "memfd");
	args = before_no_page(PAGE, PROT_READ | PROT_WRITE, fd);
	args_readonly = before_no_page(PAGE, PROT_READ, fd);
	close(fd);
	fd = memfd_create("data", MFD_CLOEXEC);
	must(fd >= 0 && !ftruncate(fd, DATA_SIZE), "memfd");
	data = before_no_page(DATA_SIZE, PROT_READ | PROT_WRITE, fd);
	close(fd);
}

static void *hole(void)
{
	return data + DATA_SIZE;
}

/* Valid arguments of each call */

/* Now and then any number. */
static int pick_fd(const struct world *world, uint8_t object)
{
	return object < 248 && world->nr_fds ? world->fds[object % world->nr_fds] :
						 object | 128;
}

static uint32_t pick_handle(const struct world *world, uint8_t object)
{
	return object < 248 && world->nr_handles ?
	       world->handles[object % world->nr_handles] : object;
}

static void fill_region_info(const struct world *world, const struct step *step)
{
	(void)world;
	args->region_info.index = step->values[0] % 6;
}

static void fill_export(const struct world *world, const struct step *step)
{
	static const uint32_t access[] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY };
	struct p2pbuf_range *ranges = (void *)data;
	unsigned int i, nr = 1 + step->values[0] % 8;

	(void)world;
	for (i = 0; i < nr; i++)
		ranges[i] = (struct p2pbuf_range){
			.offset = (step->values[1] + i * step->values[2]) % NR_PAGES * PAGE,
			.length = (1 + step->values[3] % 2) * PAGE,
		};
	args->export = (struct p2pbuf_export){
		.region_index = TEST_BAR,
		.open_flags = access[step->object % 4] | O_CLOEXEC,
		.nr_ranges = nr,
		.ranges = (uintptr_t)ranges,
	};
}

static void fill_nothing(const struct world *world, const struct step *step)
{
	(void)world;
	(void)step;
}

static void fill_memory(const struct world *world, const struct step *step)
{
	(void)world;
	args->memory.on = step->values[0] & 1;
}

static void fill_route(const struct world *world, const struct step *step)
{
	(void)world;
	args->route.client = step->values[0] & 1 ? bdf_number(importer_bdf()) :
						   step->values[1] << 3;
}

static void fill_revoke(const struct world *world, const struct step *step)
{
	args->revoke.fd = pick_fd(world, step->object);
}

static void fill_import(const struct world *world, const struct step *step)
{
	static const uint32_t access[] = {
		READ_WRITE, READ_WRITE, P2PBUF_ACCESS_READ, P2PBUF_ACCESS_WRITE,
	};

	args->import = (struct p2pbuf_import){
		.fd = pick_fd(world, step->object),
		.interconnect = step->values[0] % 3,
		.access = access[step->values[1] % 4],
		.flow = step->values[2] % 5,
		.flags = step->values[3] % 16 == 1 ? P2PBUF_IMPORT_NO_PEER2PEER :
			 step->values[3] & P2PBUF_IMPORT_ALIGNED,
	};
}

static void fill_handle(const struct world *world, const struct step *step)
{
	args->handle.handle = pick_handle(world, step->object);
}

static void fill_query(const struct world *world, const struct step *step)
{
	args->query = (struct p2pbuf_query){
		.handle = pick_handle(world, step->object),
		.segments = (uintptr_t)data,
		.first_segment = step->values[0] % 4,
		.capacity = step->values[1] % 16,
	};
}

static void fill_copy(const struct world *world, const struct step *step)
{
	args->copy = (struct p2pbuf_copy){
		.handle = pick_handle(world, step->object),
		.flags = step->values[0] % 4,
		.offset = step->values[1] * 16,
		.length = 1 + step->values[2] * 4,
		.user = (uintptr_t)(step->values[3] < 32 && world->cpu ? world->cpu : data),
	};
}

static void fill_transfer(const struct world *world, const struct step *step)
{
	args->transfer = (struct p2pbuf_transfer){
		.src = pick_handle(world, step->object),
		.dst = pick_handle(world, step->other),
		.src_offset = step->values[0] * 8,
		.dst_offset = step->values[1] * 8,
		.length = 1 + step->values[2] * 4,
		.flags = step->values[3] & P2PBUF_COPY_NO_READBACK,
	};
}

static void fill_audit(const struct world *world, const struct step *step)
{
	args->audit = (struct p2pbuf_audit){
		.handle = pick_handle(world, step->object),
		.offset = step->values[0] % 8 * PAGE,
		.places = (uintptr_t)data,
		.capacity = 1 + step->values[1] % 16,
	};
}

/* What a call that succeeded leaves, or takes. */

static void add_fd(struct world *world, int fd)
{
	if (world->nr_fds == NR_FDS)
		close(world->fds[--world->nr_fds]);
	world->fds[world->nr_fds++] = fd;
}

static void add_handle(struct world *world, uint32_t handle)
{
	if (world->nr_handles == NR_HANDLES)
		release_handle(world->importer, world->handles[--world->nr_handles]);
	world->handles[world->nr_handles++] = handle;
}

static void remove_handle(struct world *world, uint32_t handle)
{
	unsigned int i;

	for (i = 0; i < world->nr_handles; i++)
		if (world->handles[i] == handle)
			world->handles[i] = world->handles[--world->nr_handles];
}

static void note_success(struct world *world, unsigned int kind, int ret)
{
	switch (kind) {
	case TALLY_EXPORT:
		add_fd(world, ret);
		break;
	case TALLY_IMPORT:
		add_handle(world, args->import.handle);
		break;
	case TALLY_RELEASE:
		remove_handle(world, args->handle.handle);
		break;
	case TALLY_MAP:
		world->mapped = true;
		break;
	case TALLY_TRANSFER:
		close(args->transfer.fence_fd);
		break;
	}
}

/* What is no ioctl of ours */

static void do_mmap(struct world *world, const struct step *step)
{
	int prot = step->values[0] & 1 ? PROT_READ : PROT_READ | PROT_WRITE;
	int fd = pick_fd(world, step->object);
	void *map;

	if (world->cpu)
		munmap(world->cpu, PAGE);
	world->cpu = NULL;
	map = mmap(NULL, PAGE, prot, MAP_SHARED | MAP_32BIT, fd, 0);
	if (tally(MMAP, map == MAP_FAILED ? -errno : 0) >= 0)
		world->cpu = map;
}

static void do_touch(struct world *world, const struct step *step)
{
	(void)step;
	if (world->cpu)
		tally(TOUCH, raises_sigbus(world->cpu) ? -EFAULT : 0);
}

static void do_poll(struct world *world, const struct step *step)
{
	struct pollfd fds[] = {
		{ .fd = world->importer, .events = POLLPRI },
		{ .fd = pick_fd(world, step->object), .events = POLLIN | POLLOUT },
	};

	tally(POLL, poll(fds, 2, 0) < 0 ? -errno : 0);
}

static void do_close(struct world *world, const struct step *step)
{
	(void)step;
	if (world->nr_fds)
		close(world->fds[--world->nr_fds]);
}

enum {
	OP_EXPORT, OP_IMPORT, OP_MAP, OP_MEMORY, OP_QUERY, OP_RESET, OP_REGION_INFO,
	OP_ROUTE, OP_UNMAP, OP_RELEASE, OP_COPY, OP_TRANSFER, OP_AUDIT, OP_VERDICT, OP_MMAP,
	OP_TOUCH, OP_POLL, OP_CLOSE, OP_REVOKE, NR_OPS,
};

/**
 * struct op - what a step can be
 * @weight: how often, in the sum of all
 * @cmd: number of an ioctl, or 0
 * @fill: makes valid arguments for it
 * @run: does what is no ioctl
 */
struct op {
	unsigned int weight;
	unsigned int cmd;
	void (*fill)(const struct world *world, const struct step *step);
	void (*run)(struct world *world, const struct step *step);
};

#define IOCTL(number, func)	.cmd = P2PBUF_IOCTL_##number, .fill = func

static const struct op ops[NR_OPS] = {
	[OP_EXPORT] = { .weight = 12, IOCTL(EXPORT, fill_export) },
	[OP_IMPORT] = { .weight = 12, IOCTL(IMPORT, fill_import) },
	[OP_MAP] = { .weight = 14, IOCTL(MAP, fill_handle) },
	[OP_MEMORY] = { .weight = 6, IOCTL(MEMORY, fill_memory) },
	[OP_QUERY] = { .weight = 8, IOCTL(QUERY, fill_query) },
	[OP_RESET] = { .weight = 1, IOCTL(RESET, fill_nothing) },
	[OP_REGION_INFO] = { .weight = 4, IOCTL(REGION_INFO, fill_region_info) },
	[OP_ROUTE] = { .weight = 4, IOCTL(ROUTE, fill_route) },
	[OP_UNMAP] = { .weight = 10, IOCTL(UNMAP, fill_handle) },
	[OP_RELEASE] = { .weight = 6, IOCTL(RELEASE, fill_handle) },
	[OP_COPY] = { .weight = 10, IOCTL(COPY, fill_copy) },
	[OP_TRANSFER] = { .weight = 10, IOCTL(TRANSFER, fill_transfer) },
	[OP_AUDIT] = { .weight = 8, IOCTL(AUDIT, fill_audit) },
	[OP_VERDICT] = { .weight = 6, IOCTL(VERDICT, fill_handle) },
	[OP_MMAP] = { .weight = 4, .run = do_mmap },
	[OP_TOUCH] = { .weight = 6, .run = do_touch },
	[OP_POLL] = { .weight = 2, .run = do_poll },
	[OP_CLOSE] = { .weight = 2, .run = do_close },
	[OP_REVOKE] = { .weight = 1, IOCTL(REVOKE, fill_revoke) },
};

static const struct op *pick_op(uint8_t value)
{
	unsigned int i, left = 0;

	for (i = 0; i < NR_OPS; i++)
		left += ops[i].weight;
	left = value % left;
	for (i = 0; left >= ops[i].weight; i++)
		left -= ops[i].weight;
	return &ops[i];
}

/* The smallest value that picks ops[@index]. */
static uint8_t op_value(unsigned int index)
{
	uint8_t value = 0;

	while (index--)
		value += ops[index].weight;
	return value;
}

/**
 * struct request - an ioctl
 * @fd: node
 * @cmd: number
 * @arg: address of the struct
 */
struct request {
	int fd;
	unsigned int cmd;
	void *arg;
};

static uint64_t interesting(uint8_t what)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 5, 6, PAGE - 1, PAGE, PAGE + 1, DATA_SIZE, 64 << 20,
		P2PBUF_TRANSFER_MAX, P2PBUF_TRANSFER_MAX + 1, 65536, 65537, INT32_MAX,
		1ULL << 31, UINT32_MAX, 1ULL << 32, (1ULL << 32) + 1, 1ULL << 47,
		0xffff800000000000, INT64_MAX, 1ULL << 63, -PAGE, UINT64_MAX,
	};

	return values[what % (sizeof(values) / sizeof(*values))];
}

static unsigned int other_size(unsigned int cmd, uint8_t what)
{
	unsigned int size = _IOC_SIZE(cmd);
	const unsigned int sizes[] = {
		0, 1, size - 8, size - 4, size - 1, size + 1, size + 8, 2 * size,
		sizeof(*args), PAGE, PAGE + 1, _IOC_SIZEMASK,
	};

	size = sizes[what % (sizeof(sizes) / sizeof(*sizes))];
	return (cmd & ~IOCSIZE_MASK) | (size << _IOC_SIZESHIFT & IOCSIZE_MASK);
}

static void *other_address(uint8_t what)
{
	uint8_t *bytes = (uint8_t *)args;
	void *const addresses[] = {
		NULL, hole(), args_readonly, bytes + 1, bytes + PAGE - 8, bytes + PAGE - 1,
		(void *)~0UL, (void *)(1UL << 47), (void *)0xffff888000000000,
	};

	return addresses[what % (sizeof(addresses) / sizeof(*addresses))];
}

static void fill_randomly(const struct step *step)
{
	uint64_t state;
	unsigned int i;

	memcpy(&state, step, sizeof(state));
	for (i = 0; i < sizeof(*args) / sizeof(*args->longs); i++)
		args->longs[i] = random_next(&state);
}

/* Half of all calls stay as they are. */
static void mutate(const struct world *world, const struct step *step,
		   struct request *request)
{
	unsigned int size = _IOC_SIZE(request->cmd);
	uint64_t *ranges = (void *)data;

	if (step->mutation < 128)
		return;
	switch (step->mutation % 10) {
	case 0:
	case 1:
		args->words[step->where % (size / 4)] = interesting(step->what);
		break;
	case 2:
		args->longs[step->where % (size / 8)] = interesting(step->what);
		break;
	case 3:
		args->bytes[step->where % size] ^= 1 << step->what % 8;
		break;
	case 4:
		request->cmd = other_size(request->cmd, step->what);
		break;
	case 5:
		request->arg = other_address(step->what);
		break;
	case 6:
		request->cmd ^= 1 << step->what % 32;
		break;
	case 7:
		request->fd = request->fd == world->importer ? world->exporter :
							       world->importer;
		break;
	case 8:
		fill_randomly(step);
		break;
	case 9:
		ranges[step->where % 4] = interesting(step->what);
		break;
	}
}

/* All the way to the engine, but not to start it. */
static void keep_from_engine(const struct world *world, struct request *request)
{
	switch (tally_find(request->cmd)) {
	case TALLY_COPY:
		args->copy.flags |= P2PBUF_COPY_TO_BUFFER;
		args->copy.user = (uintptr_t)hole();
		break;
	case TALLY_TRANSFER:
		if (world->mapped)
			request->arg = args_readonly;
		break;
	}
}

static int call(const struct request *request, bool as_compat)
{
	int ret;

	kcov_begin();
	if (as_compat && compat && (uintptr_t)request->arg <= UINT32_MAX)
		return compat_ioctl(request->fd, request->cmd, request->arg);
	ret = ioctl(request->fd, request->cmd, request->arg);
	return ret < 0 ? -errno : ret;
}

static bool run_ioctl(struct world *world, const struct op *op, const struct step *step)
{
	bool of_importer = _IOC_NR(op->cmd) >= _IOC_NR(P2PBUF_IOCTL_IMPORT);
	struct request request = {
		.fd = of_importer ? world->importer : world->exporter,
		.cmd = op->cmd,
		.arg = args,
	};
	unsigned int kind;
	bool new;
	int ret;

	memset(args, 0, sizeof(*args));
	op->fill(world, step);
	mutate(world, step, &request);
	if (!step->dma)
		keep_from_engine(world, &request);
	ret = call(&request, step->compat > 192);
	new = kcov_end();
	kind = tally_find(request.cmd);
	tally(kind < NR_TALLY_IOCTLS ? kind : UNKNOWN, ret);
	if (ret >= 0)
		note_success(world, kind, ret);
	return new;
}

static bool run_step(struct world *world, const struct step *step)
{
	const struct op *op = pick_op(step->op);

	if (op->cmd)
		return run_ioctl(world, op, step);
	op->run(world, step);
	return false;
}

/* Two DMABUFs, each imported; most inputs map both. */
static void set_up(struct world *world, const uint8_t *setup)
{
	static const uint8_t flows[] = {
		P2PBUF_FLOW_REVOCABLE, P2PBUF_FLOW_MOVABLE, P2PBUF_FLOW_PINNED_REVOCABLE,
	};
	unsigned int i;

	*world = (struct world){
		.exporter = tally(OPEN, open_exporter()),
		.importer = tally(OPEN, open_importer()),
	};
	for (i = 0; i < 2; i++) {
		uint8_t bits = setup[i];
		struct step export = {
			.op = op_value(OP_EXPORT),
			.values = { setup[2 + i], setup[4 + i], setup[6 + i], 0 },
		};
		struct step import = {
			.op = op_value(OP_IMPORT), .object = i,
			.values = { bits >> 2, 0, flows[(bits >> 4) % 3], 0 },
		};
		struct step map = { .op = op_value(OP_MAP), .object = i };

		run_step(world, &export);
		run_step(world, &import);
		if (bits % 4)
			run_step(world, &map);
	}
}

static void tear_down(struct world *world)
{
	if (world->cpu)
		munmap(world->cpu, PAGE);
	tally(TALLY_MEMORY, set_memory(world->exporter, true));
	close(world->importer);
	while (world->nr_fds)
		close(world->fds[--world->nr_fds]);
	close(world->exporter);
}

/* Did it reach new code? */
static bool run_input(const struct input *input)
{
	struct world world;
	bool new = false;
	unsigned int i;

	set_up(&world, input->setup);
	for (i = 0; i < NR_STEPS; i++)
		new |= run_step(&world, &input->steps[i]);
	tear_down(&world);
	return new;
}

/* Inputs as text */

static void print_input(int fd, const struct input *input)
{
	const uint8_t *bytes = (const uint8_t *)input;
	char text[2 * sizeof(*input) + 1];
	unsigned int i;

	for (i = 0; i < sizeof(*input); i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	must(dprintf(fd, "<5>" MARK "%s\n", text) > 0, "trace");
}

static bool parse_input(const char *line, struct input *input)
{
	const char *text = strstr(line, MARK);
	uint8_t *bytes = (uint8_t *)input;
	unsigned int i;

	for (i = 0; text && i < sizeof(*input); i++)
		if (sscanf(text + strlen(MARK) + 2 * i, "%2hhx", &bytes[i]) != 1)
			return false;
	return text;
}

static void trace_and_run(int trace, const struct input *input, bool *new)
{
	unsigned int undocumented = tally_undocumented();

	print_input(trace, input);
	*new = run_input(input);
	if (tally_undocumented() != undocumented)
		print_input(STDOUT_FILENO, input);
}

/* Inputs to be run */

static struct input corpus[MAX_CORPUS];
static unsigned int nr_corpus;

static void keep(const struct input *input, uint64_t *state)
{
	unsigned int at = nr_corpus < MAX_CORPUS ? nr_corpus++ :
						   random_below(state, MAX_CORPUS);

	corpus[at] = *input;
}

/* Another input's end, or some bytes. */
static void vary(struct input *input, uint64_t *state)
{
	unsigned int from = random_below(state, NR_STEPS), changes;

	*input = corpus[random_below(state, nr_corpus)];
	if (random_one_in(state, 3))
		memcpy(&input->steps[from],
		       &corpus[random_below(state, nr_corpus)].steps[from],
		       (NR_STEPS - from) * sizeof(*input->steps));
	for (changes = 1 + random_below(state, 6); changes; changes--)
		((uint8_t *)input)[random_below(state, sizeof(*input))] =
			random_next(state);
}

static void make_up(struct input *input, uint64_t *state)
{
	unsigned int i;

	for (i = 0; i < sizeof(*input); i++)
		((uint8_t *)input)[i] = random_next(state);
}

/* Calls that take long are given out by the number of others. */
static void limit(struct input *input)
{
	static unsigned long nr_dma, nr_reset;
	struct step *step;

	for (step = input->steps; step < input->steps + NR_STEPS; step++) {
		unsigned int cmd = pick_op(step->op)->cmd;

		step->dma = (cmd == P2PBUF_IOCTL_COPY || cmd == P2PBUF_IOCTL_TRANSFER) &&
			    nr_dma * CALLS_PER_DMA <= tally_calls();
		nr_dma += step->dma;
		if (cmd != P2PBUF_IOCTL_RESET)
			continue;
		if (nr_reset * CALLS_PER_RESET <= tally_calls())
			nr_reset++;
		else
			step->op = op_value(OP_QUERY);
	}
}

/* By chance a call that seldom succeeds has not done so yet. */
static bool wants_more(unsigned long calls)
{
	return tally_calls() < calls ||
	       (!tally_is_complete() && tally_calls() < 4 * calls);
}

static void fuzz(uint64_t seed, unsigned long calls, int trace)
{
	struct input input;
	bool new;

	while (!tally_undocumented() && wants_more(calls)) {
		if (nr_corpus && !random_one_in(&seed, 4))
			vary(&input, &seed);
		else
			make_up(&input, &seed);
		limit(&input);
		trace_and_run(trace, &input, &new);
		if (new)
			keep(&input, &seed);
	}
}

static void replay(const char *path, int trace)
{
	FILE *file = fopen(path, "re");
	struct input input;
	char *line = NULL;
	size_t size = 0;
	bool new;

	must(file, path);
	while (getline(&line, &size, file) > 0)
		if (parse_input(line, &input))
			trace_and_run(trace, &input, &new);
	free(line);
	fclose(file);
}

static void print_help(void)
{
	printf("usage: p2pbuf-fuzz [--seed N] [--calls N] [--trace FILE]\n"
	       "       p2pbuf-fuzz --replay LOG [--trace FILE]\n"
	       "\n"
	       "--seed    what the inputs depend on (default: the time)\n"
	       "--calls   end after so many calls (default: 50000), or up to four times as many\n"
	       "          until each that can succeed has\n"
	       "--trace   where each input goes before it is run (default: /dev/kmsg)\n"
	       "--replay  run the inputs in a log, all in their order\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "calls", required_argument, NULL, 'c' },
		{ "trace", required_argument, NULL, 't' },
		{ "replay", required_argument, NULL, 'r' },
		{ }
	};
	const char *trace_path = "/dev/kmsg", *log = NULL;
	unsigned long calls = 50000;
	uint64_t seed = time(NULL);
	struct footing footing;
	time_t begin = time(NULL);
	int option, trace;
	bool good;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			calls = strtoul(optarg, NULL, 0);
			break;
		case 't':
			trace_path = optarg;
			break;
		case 'r':
			log = optarg;
			break;
		default:
			print_help();
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);

	/* The kernel drops what it takes for a flood. */
	write_file("/proc/sys/kernel/printk_devkmsg", "on\n");
	trace = open(trace_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	must(trace >= 0, trace_path);
	must(!tally_start(more_kinds, sizeof(more_kinds) / sizeof(*more_kinds)), "tally");
	set_up_memory();
	compat = has_compat_calls();
	printf("fuzz: seed %llu, 32-bit calls: %s, KCOV: %s\n", (unsigned long long)seed,
	       compat ? "yes" : "no", kcov_start() ? "no" : "yes");
	take_footing(&footing);

	if (log)
		replay(log, trace);
	else
		fuzz(seed, calls, trace);

	good = tally_report() || log;
	good &= !tally_undocumented() && back_on_footing(&footing);
	printf("fuzz: %lu calls, %lu errors expected, %u PCs covered, %ld seconds, seed %llu\n",
	       tally_calls(), tally_errors(), kcov_count(), (long)(time(NULL) - begin),
	       (unsigned long long)seed);
	return !good;
}
