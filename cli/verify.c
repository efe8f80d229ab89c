// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2pbuf verify: data by device DMA, each way, beside what the CPU sees in an mmap() of the
 * DMABUF, or read back where it cannot be mapped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "dmabuf.h"

enum { OPTION_BYTES = 0x300 };

static uint64_t budget = 64 * 1024;

static const struct argp_option options[] = {
	{ "bytes", OPTION_BYTES, "SIZE", 0,
	  "How much of the buffer to test: a size, or all (default: 64K)", 0 },
	{ }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	if (key != OPTION_BYTES)
		return ARGP_ERR_UNKNOWN;
	if (!strcmp(arg, "all"))
		budget = UINT64_MAX;
	else if (!parse_size(arg, &budget) || !budget)
		argp_error(state, "--bytes: \"%s\" is no size", arg);
	return 0;
}

/**
 * struct proof - what was done and seen
 * @session: the import
 * @cpu: its contents, or NULL if the CPU cannot map them
 * @cpu_writes: and whether it can write them
 * @chunks: offsets to test, in ascending order
 * @nr: how many
 * @read: bytes that the device read
 * @written: bytes that it wrote
 * @unproven: of both, how many no comparison could prove
 * @wrong: bytes that were not what they should be
 * @where: the first of them
 * @ended: a signal came before all was done
 */
struct proof {
	struct session session;
	uint8_t *cpu;
	bool cpu_writes;
	uint64_t *chunks;
	size_t nr;
	uint64_t read;
	uint64_t written;
	uint64_t unproven;
	uint64_t wrong;
	uint64_t where;
	bool ended;
};

/* The exporter takes the pages away when it takes access away. */
static void end_by_sigbus(int signal)
{
	static const char text[] = "\np2pbuf: the exporter took access away meanwhile\n";

	(void)signal;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_BAD);
	_exit(EXIT_REFUSED);
}

static void map_for_cpu(struct proof *proof)
{
	uint64_t size = proof->session.query.size;
	int fd = proof->session.fd;

	signal(SIGBUS, end_by_sigbus);
	proof->cpu_writes = true;
	proof->cpu = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (proof->cpu != MAP_FAILED)
		return;
	proof->cpu_writes = false;
	proof->cpu = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (proof->cpu == MAP_FAILED)
		proof->cpu = NULL;
}

/*
 * The sample
 */

static uint64_t nr_chunks(const struct proof *proof)
{
	return (proof->session.query.size + CHUNK - 1) / CHUNK;
}

static void add_chunk(struct proof *proof, uint64_t index)
{
	proof->chunks[proof->nr++] = index * CHUNK;
}

static int compare(const void *first, const void *second)
{
	uint64_t a = *(const uint64_t *)first, b = *(const uint64_t *)second;

	return a < b ? -1 : a > b;
}

static void sort_chunks(struct proof *proof)
{
	size_t i, kept = 0;

	qsort(proof->chunks, proof->nr, sizeof(*proof->chunks), compare);
	for (i = 0; i < proof->nr; i++)
		if (!kept || proof->chunks[kept - 1] != proof->chunks[i])
			proof->chunks[kept++] = proof->chunks[i];
	proof->nr = kept;
}

/* @nr chunks, evenly over all, with the first and the last. */
static void spread_chunks(struct proof *proof, uint64_t nr)
{
	uint64_t last = nr_chunks(proof) - 1, i, step, rest;

	/* i * last / (nr - 1), which may not fit into 64 bits halfway. */
	step = nr > 1 ? last / (nr - 1) : 0;
	rest = nr > 1 ? last % (nr - 1) : 0;
	for (i = 0; i < nr; i++)
		add_chunk(proof, nr > 1 ? i * step + i * rest / (nr - 1) : 0);
}

/* The first and the last chunk of each piece, as many as there is room for. */
static void add_edges(struct proof *proof, uint64_t room)
{
	uint64_t offset = 0, step;
	struct places places;
	size_t i;

	if (find_places(&proof->session, &places))
		places.nr = 0;
	step = room ? (2 * places.nr + room - 1) / room : 0;
	for (i = 0; step && i < places.nr; i++) {
		if (!(i % step)) {
			add_chunk(proof, offset / CHUNK);
			add_chunk(proof, (offset + places.all[i].length - 1) / CHUNK);
		}
		offset += places.all[i].length;
	}
	free(places.all);
}

/* Half of what there is goes to the edges of the pieces, where mistakes are. */
static void choose_chunks(struct proof *proof)
{
	uint64_t all = nr_chunks(proof), nr = (budget - 1) / CHUNK + 1;

	nr = nr < all ? nr : all;
	proof->chunks = must_have(calloc(nr + 2, sizeof(*proof->chunks)));
	if (nr < all)
		add_edges(proof, nr / 2);
	spread_chunks(proof, nr - proof->nr);
	sort_chunks(proof);
}

/*
 * One chunk
 */

/* Never zero, which is also what a refused read leaves. */
static void fill_at_random(uint8_t *data, size_t length)
{
	size_t i;

	if (getrandom(data, length, 0) != (ssize_t)length)
		memset(data, 0x5a, length);
	for (i = 0; i < length; i++)
		data[i] = data[i] ?: 0xa5;
}

static int sync_cpu(const struct proof *proof, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(proof->session.fd, DMA_BUF_IOCTL_SYNC, &sync) ? -errno : 0;
}

static int cpu_puts(const struct proof *proof, uint64_t offset, const void *data,
		    size_t length)
{
	int ret;

	ret = sync_cpu(proof, DMA_BUF_SYNC_WRITE | DMA_BUF_SYNC_START);
	if (ret)
		return ret;
	memcpy(proof->cpu + offset, data, length);
	/* Out of write-combining buffers, too. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return sync_cpu(proof, DMA_BUF_SYNC_WRITE | DMA_BUF_SYNC_END);
}

static int cpu_gets(const struct proof *proof, uint64_t offset, void *data, size_t length)
{
	int ret;

	ret = sync_cpu(proof, DMA_BUF_SYNC_READ | DMA_BUF_SYNC_START);
	if (ret)
		return ret;
	memcpy(data, proof->cpu + offset, length);
	return sync_cpu(proof, DMA_BUF_SYNC_READ | DMA_BUF_SYNC_END);
}

static int device_copies(struct proof *proof, unsigned int flags, uint64_t offset,
			 void *data, size_t length, uint64_t *count)
{
	struct p2pbuf_copy copy;
	int ret;

	ret = copy_buffer(proof->session.importer, proof->session.handle, flags, offset, data,
			  length, &copy);
	*count += copy.copied;
	proof->unproven += copy.unproven;
	return ret;
}

static int device_gets(struct proof *proof, uint64_t offset, void *data, size_t length)
{
	return device_copies(proof, 0, offset, data, length, &proof->read);
}

static int device_puts(struct proof *proof, uint64_t offset, void *data, size_t length)
{
	return device_copies(proof, P2PBUF_COPY_TO_BUFFER, offset, data, length,
			     &proof->written);
}

static void expect_same(struct proof *proof, uint64_t offset, const uint8_t *got,
			const uint8_t *wanted, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (got[i] == wanted[i])
			continue;
		if (!proof->wrong++)
			proof->where = offset + i;
	}
}

/* Of what the CPU wrote, or of what it sees if it cannot write. */
static int prove_read(struct proof *proof, uint64_t offset, size_t length)
{
	uint8_t wanted[CHUNK], got[CHUNK];
	int ret;

	if (proof->cpu_writes) {
		fill_at_random(wanted, length);
		ret = cpu_puts(proof, offset, wanted, length);
	} else {
		ret = cpu_gets(proof, offset, wanted, length);
	}
	if (!ret)
		ret = device_gets(proof, offset, got, length);
	if (!ret)
		expect_same(proof, offset, got, wanted, length);
	return ret;
}

/* With the CPU's eyes, or else with the device's. */
static int prove_write(struct proof *proof, uint64_t offset, size_t length)
{
	uint8_t wanted[CHUNK], got[CHUNK];
	int ret;

	fill_at_random(wanted, length);
	ret = device_puts(proof, offset, wanted, length);
	if (ret)
		return ret;
	if (proof->cpu)
		ret = cpu_gets(proof, offset, got, length);
	else if (may_read(&proof->session))
		ret = device_gets(proof, offset, got, length);
	else
		return 0;
	if (!ret)
		expect_same(proof, offset, got, wanted, length);
	return ret;
}

/* What is there now, and whether it can be known. */
static int save(struct proof *proof, uint64_t offset, uint8_t *before, size_t length,
		bool *saved)
{
	uint64_t count = 0, unproven = proof->unproven;
	int ret;

	*saved = true;
	if (proof->cpu)
		return cpu_gets(proof, offset, before, length);
	if (!may_read(&proof->session)) {
		*saved = false;
		return 0;
	}
	ret = device_copies(proof, 0, offset, before, length, &count);
	proof->unproven = unproven;
	return ret;
}

static int put_back(struct proof *proof, uint64_t offset, uint8_t *before, size_t length)
{
	uint64_t count = 0, unproven = proof->unproven;
	int ret;

	if (proof->cpu_writes && proof->cpu)
		return cpu_puts(proof, offset, before, length);
	ret = device_copies(proof, P2PBUF_COPY_TO_BUFFER | P2PBUF_COPY_NO_READBACK, offset,
			    before, length, &count);
	proof->unproven = unproven;
	return ret;
}

static int prove_chunk(struct proof *proof, uint64_t offset)
{
	uint64_t left = proof->session.query.size - offset;
	size_t length = left < CHUNK ? left : CHUNK;
	uint8_t before[CHUNK];
	bool changes, saved;
	int ret, undone = 0;

	changes = (proof->cpu && proof->cpu_writes) || may_write(&proof->session);
	ret = save(proof, offset, before, length, &saved);
	if (ret)
		return ret;
	if (may_read(&proof->session) && proof->cpu)
		ret = prove_read(proof, offset, length);
	if (!ret && may_write(&proof->session))
		ret = prove_write(proof, offset, length);
	if (changes && saved)
		undone = put_back(proof, offset, before, length);
	return ret ?: undone;
}

/* A signal is obeyed between two chunks, when what was there is back. */
static int prove_all(struct proof *proof)
{
	int ends = catch_ends(), ret = 0;
	size_t i;

	for (i = 0; !ret && i < proof->nr && !proof->ended; i++) {
		progress("verifying", i, proof->nr);
		ret = prove_chunk(proof, proof->chunks[i]);
		proof->ended = has_ended(ends);
	}
	progress("verifying", 1, 1);
	return ret;
}

static bool is_verified(const struct proof *proof)
{
	return !proof->wrong && !proof->unproven && !proof->ended &&
	       proof->read + proof->written;
}

static struct json_object *describe(const struct proof *proof)
{
	struct json_object *document = describe_session(&proof->session);

	json_add_flag(document, "cpu_view", proof->cpu);
	json_add_number(document, "sampled", proof->nr * CHUNK < proof->session.query.size ?
			proof->nr * CHUNK : proof->session.query.size);
	json_add_number(document, "read", proof->read);
	json_add_number(document, "written", proof->written);
	json_add_number(document, "unproven", proof->unproven);
	json_add_number(document, "wrong", proof->wrong);
	json_object_object_add(document, "wrong_at", proof->wrong ?
			       json_object_new_uint64(proof->where) : NULL);
	json_add_flag(document, "complete", !proof->ended);
	json_add_flag(document, "verified", is_verified(proof));
	return document;
}

static void show(struct json_object *document)
{
	bool verified = json_flag(document, "verified");

	show_session(document);
	printf("%s of %s tested, %s: %s read by DMA, %s written by DMA\n",
	       size_text(json_number(document, "sampled")),
	       size_text(json_number(document, "bytes")),
	       json_flag(document, "cpu_view") ? "compared with what the CPU sees" :
						 "read back, as the CPU cannot map it",
	       size_text(json_number(document, "read")),
	       size_text(json_number(document, "written")));
	if (json_number(document, "unproven"))
		printf("%lu bytes unproven: zeros, which a refused read leaves too, or not read "
		       "back\n", json_number(document, "unproven"));
	if (!json_flag(document, "complete"))
		puts("ended by a signal before all was tested");
	if (json_number(document, "wrong"))
		printf("%lu bytes are wrong, the first at offset %#lx\n",
		       json_number(document, "wrong"), json_number(document, "wrong_at"));
	printf("%s%s%s\n", paint(verified ? PAINT_GOOD : PAINT_BAD),
	       verified ? "verified" : "not verified", paint(PAINT_OFF));
}

static const char doc[] =
	"Move data by the importer's DMA engine, both ways, and compare: patterns at random, at "
	"the edges of the buffer's pieces and evenly between. What was there before is put "
	"back.\v" SOURCE_HELP "\n"
	"Examples:\n"
	"  p2pbuf verify 0000:02:00.0 export:0000:01:00.0:2:0+1M\n"
	"  p2pbuf verify 0000:02:00.0 pid:1234:5 --bytes all\n"
	"  p2pbuf verify 0000:02:00.0 socket:/run/buffer --access read";

int run_verify(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &session_argp }, { .argp = &output_argp }, { }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "IMPORTER SOURCE",
		.doc = doc, .children = children,
	};
	struct proof proof = { };
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	ret = open_session(&proof.session);
	if (ret)
		return ret;
	map_for_cpu(&proof);
	choose_chunks(&proof);
	ret = prove_all(&proof);
	if (ret) {
		refused(CALL_COPY, -ret);
		return ret == -EIO ? EXIT_BAD : EXIT_REFUSED;
	}
	document_print("verify", describe(&proof), show);
	return is_verified(&proof) ? EXIT_FINE : EXIT_BAD;
}
