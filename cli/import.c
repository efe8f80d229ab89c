// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf import: map a DMABUF and say how. */
#include <stdio.h>
#include <stdlib.h>

#include "dmabuf.h"

enum { OPTION_SEGMENTS = 0x300, OPTION_HOLD };

static bool with_segments, hold;

static const struct argp_option options[] = {
	{ "segments", OPTION_SEGMENTS, NULL, 0, "List the DMA segments (CAP_SYS_ADMIN)", 0 },
	{ "hold", OPTION_HOLD, NULL, 0, "Keep it mapped until a signal ends this", 0 },
	{ }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	(void)state;
	switch (key) {
	case OPTION_SEGMENTS:
		with_segments = true;
		return 0;
	case OPTION_HOLD:
		hold = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void add_segment(struct json_object *list, const struct p2pbuf_segment *segment)
{
	struct json_object *object = must_have(json_object_new_object());

	json_add_number(object, "address", segment->addr);
	json_add_number(object, "bytes", segment->length);
	json_object_array_add(list, object);
}

static int add_segments(const struct session *session, struct json_object *document)
{
	struct json_object *list = must_have(json_object_new_array());
	unsigned int first = 0, i;
	struct p2pbuf_segment *segs;
	struct p2pbuf_query query;
	int ret = 0;

	json_object_object_add(document, "list", list);
	segs = must_have(calloc(session->query.nr_segments + 1, sizeof(*segs)));
	while (!ret && first < session->query.nr_segments) {
		ret = query_segments(session->importer, session->handle, first, segs,
				     session->query.nr_segments - first, &query);
		if (!ret && !query.capacity)
			break;
		for (i = 0; !ret && i < query.capacity; i++)
			add_segment(list, &segs[i]);
		first += query.capacity;
	}
	free(segs);
	return ret ? refused(CALL_QUERY, -ret) : EXIT_FINE;
}

static void show(struct json_object *document)
{
	struct json_object *list = json_member(document, "list"), *segment;
	struct table *table;
	size_t i;

	show_session(document);
	if (!list)
		return;
	table = table_new();
	table_cell(table, "segment");
	table_cell(table, "DMA address");
	table_cell(table, "length");
	table_end_row(table);
	for (i = 0; i < json_object_array_length(list); i++) {
		segment = json_object_array_get_idx(list, i);
		table_cell(table, "%zu", i);
		table_cell(table, "%#lx", json_number(segment, "address"));
		table_cell(table, "%s", size_text(json_number(segment, "bytes")));
		table_end_row(table);
	}
	table_print(table);
}

static const char doc[] =
	"Import a DMABUF, map it for the importer's function, and show the route, the ranges and "
	"the DMA segments.\v" SOURCE_HELP "\n"
	"Examples:\n"
	"  p2pbuf import 0000:02:00.0 export:0000:01:00.0:2\n"
	"  p2pbuf import 0000:02:00.0 pid:1234:5 --segments\n"
	"  p2pbuf import 0000:02:00.0 socket:/run/buffer --interconnect sgt --hold";

int run_import(int argc, char **argv)
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
	ret = with_segments ? add_segments(&session, document) : EXIT_FINE;
	if (ret)
		return ret;
	document_print("import", document, show);
	if (hold)
		wait_for_end(catch_ends());
	return EXIT_FINE;
}
