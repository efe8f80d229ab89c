// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf bench: how long map, unmap and copies take by the clock. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dmabuf.h"

enum { OPTION_MAPS = 0x300, OPTION_COPIES, OPTION_BYTES };

static uint64_t maps = 1000, copies = 16, bytes = 64 * 1024;

static const struct argp_option options[] = {
	{ "maps", OPTION_MAPS, "N", 0, "Map and unmap so often (default: 1000)", 0 },
	{ "copies", OPTION_COPIES, "N", 0, "Copy so often each way (default: 16)", 0 },
	{ "bytes", OPTION_BYTES, "SIZE", 0, "... so much (default: 64K, or all)", 0 },
	{ }
};

static void take(const char *option, char *arg, uint64_t least, uint64_t most,
		 uint64_t *value, struct argp_state *state)
{
	if (!parse_size(arg, value) || *value < least || *value > most)
		argp_error(state, "--%s: \"%s\" is not between %lu and %lu", option, arg, least,
			   most);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case OPTION_MAPS:
		take("maps", arg, 1, 10000000, &maps, state);
		return 0;
	case OPTION_COPIES:
		take("copies", arg, 0, 1000000, &copies, state);
		return 0;
	case OPTION_BYTES:
		take("bytes", arg, 1, 1UL << 30, &bytes, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000UL + time.tv_nsec;
}

static int compare(const void *first, const void *second)
{
	uint64_t a = *(const uint64_t *)first, b = *(const uint64_t *)second;

	return a < b ? -1 : a > b;
}

static void add_times(struct json_object *document, const char *name, uint64_t *times)
{
	struct json_object *object = must_have(json_object_new_object());

	qsort(times, maps, sizeof(*times), compare);
	json_add_number(object, "least_ns", times[0]);
	json_add_number(object, "median_ns", times[maps / 2]);
	json_add_number(object, "most_ns", times[maps - 1]);
	json_object_object_add(document, name, object);
}

/* It is mapped before and after. */
static int time_maps(const struct session *session, struct json_object *document)
{
	uint64_t *map = must_have(calloc(maps, sizeof(*map)));
	uint64_t *unmap = must_have(calloc(maps, sizeof(*unmap)));
	uint64_t start, i;
	int ret = 0, failed = 0;

	for (i = 0; i < maps && !ret && !failed; i++) {
		progress("mapping", i, maps);
		start = now();
		ret = unmap_handle(session->importer, session->handle);
		unmap[i] = now() - start;
		if (ret)
			break;
		start = now();
		failed = map_handle(session->importer, session->handle);
		map[i] = now() - start;
	}
	progress("mapping", 1, 1);
	if (!ret && !failed) {
		json_add_number(document, "maps", maps);
		add_times(document, "map", map);
		add_times(document, "unmap", unmap);
	}
	free(map);
	free(unmap);
	if (ret)
		return refused(CALL_UNMAP, -ret);
	return failed ? refused(CALL_MAP, -failed) : EXIT_FINE;
}

/* One way; what is written is what was read before. */
static int time_copies(const struct session *session, const char *name, unsigned int flags,
		       void *data, struct json_object *document)
{
	uint64_t start, spent = 0, i;
	struct p2pbuf_copy copy;
	int ret = 0;

	for (i = 0; i < copies && !ret; i++) {
		progress("copying", i, copies);
		start = now();
		ret = copy_buffer(session->importer, session->handle, flags, 0, data, bytes, &copy);
		spent += now() - start;
	}
	progress("copying", 1, 1);
	if (ret)
		return refused(CALL_COPY, -ret);
	json_add_number(document, name, spent);
	return EXIT_FINE;
}

static int time_both(const struct session *session, struct json_object *document)
{
	void *data;
	int ret = EXIT_FINE;

	if (bytes > session->query.size)
		bytes = session->query.size;
	data = must_have(calloc(1, bytes));
	json_add_number(document, "copies", copies);
	json_add_number(document, "copy_bytes", bytes);
	if (may_read(session))
		ret = time_copies(session, "read_ns", 0, data, document);
	if (!ret && may_read(session) && may_write(session))
		ret = time_copies(session, "write_ns",
				  P2PBUF_COPY_TO_BUFFER | P2PBUF_COPY_NO_READBACK, data,
				  document);
	free(data);
	return ret;
}

static void show_times(struct table *table, struct json_object *document, const char *name)
{
	struct json_object *times = json_member(document, name);

	table_cell(table, "%s", name);
	table_cell(table, "%lu", json_number(times, "least_ns"));
	table_cell(table, "%lu", json_number(times, "median_ns"));
	table_cell(table, "%lu", json_number(times, "most_ns"));
	table_end_row(table);
}

static void show_rate(struct json_object *document, const char *name, const char *what)
{
	double seconds = json_number(document, name) / 1e9;
	uint64_t nr = json_number(document, "copies"), each = json_number(document, "copy_bytes");

	if (seconds > 0)
		printf("%s %lu times %s by DMA: %.3g s each, %.4g kB/s\n", what, nr,
		       size_text(each), seconds / nr, nr * each / seconds / 1000);
}

static void show(struct json_object *document)
{
	struct table *table = table_new();

	show_session(document);
	printf("%lu times, in ns:\n", json_number(document, "maps"));
	table_cell(table, "call");
	table_cell(table, "least");
	table_cell(table, "median");
	table_cell(table, "most");
	table_end_row(table);
	show_times(table, document, "map");
	show_times(table, document, "unmap");
	table_print(table);
	show_rate(document, "read_ns", "read");
	show_rate(document, "write_ns", "wrote");
}

static const char doc[] =
	"Time map, unmap and copies by the clock, system calls included. Emulated machines "
	"have no meaningful times: make bench counts instructions there.\v" SOURCE_HELP "\n"
	"Examples:\n"
	"  p2pbuf bench 0000:02:00.0 export:0000:01:00.0:2\n"
	"  p2pbuf bench 0000:02:00.0 pid:1234:5 --maps 100000 --copies 0";

int run_bench(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &session_argp }, { .argp = &output_argp }, { }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "IMPORTER SOURCE",
		.doc = doc, .children = children,
	};
	struct json_object *document;
	struct session session;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	ret = open_session(&session);
	if (ret)
		return ret;
	document = describe_session(&session);
	ret = time_maps(&session, document);
	if (!ret && copies)
		ret = time_both(&session, document);
	if (!ret)
		document_print("bench", document, show);
	return ret;
}
