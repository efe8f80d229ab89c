// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf audit: where the DMA addresses of a mapping lead, and whether that is right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dmabuf.h"

enum { OPTION_PLACES = 0x300, OPTION_EXPECT };

static bool with_places;
static unsigned int expected = P2PBUF_VERDICT_PEER_TO_PEER;

static const struct argp_option options[] = {
	{ "places", OPTION_PLACES, NULL, 0, "List where each piece leads", 0 },
	{ "expect", OPTION_EXPECT, "KIND", 0,
	  "peer-to-peer (default), or ram for an exporter of system RAM", 0 },
	{ }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case OPTION_PLACES:
		with_places = true;
		return 0;
	case OPTION_EXPECT:
		if (!strcmp(arg, verdict_name(P2PBUF_VERDICT_RAM)))
			expected = P2PBUF_VERDICT_RAM;
		else if (strcmp(arg, verdict_name(P2PBUF_VERDICT_PEER_TO_PEER)))
			argp_error(state, "--expect is peer-to-peer or ram");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What is to be said of each, and what an author of the exporter looks at next. */
static const char *sentence(unsigned int kind)
{
	static const char * const texts[] = {
		[P2PBUF_VERDICT_NONE] = "nothing was looked at",
		[P2PBUF_VERDICT_PEER_TO_PEER] =
			"every byte lies in a BAR, by the route there is",
		[P2PBUF_VERDICT_RAM] =
			"in system RAM: right for an exporter of RAM, a silent fallback for one of device memory",
		[P2PBUF_VERDICT_WRONG_ROUTE] =
			"the right memory by another route than there is between the two functions",
		[P2PBUF_VERDICT_NO_ROUTE] = "in the BAR of a function that cannot be reached",
		[P2PBUF_VERDICT_MISPLACED] = "not where the exporter's description says",
		[P2PBUF_VERDICT_OTHER] = "nothing known lies there",
		[P2PBUF_VERDICT_UNMAPPED] =
			"not mapped in the importer's IOMMU domain: DMA to it faults",
		[P2PBUF_VERDICT_RAW_BAR] =
			"a BAR's bus address, which the importer's IOMMU does not map: DMA to it faults",
		[P2PBUF_VERDICT_LENGTH] =
			"the lengths of the segments do not add up to the DMABUF's size",
		[P2PBUF_VERDICT_OVERFLOW] =
			"the segments lack a multiple of 4 GiB: a length did not fit into 32 bits",
	};

	return kind < sizeof(texts) / sizeof(*texts) ? texts[kind] : "unknown to this version";
}

static const char *place_name(unsigned int kind)
{
	static const char * const names[] = {
		[P2PBUF_PLACE_BAR] = "bar",
		[P2PBUF_PLACE_RAM] = "ram",
		[P2PBUF_PLACE_OTHER] = "other",
		[P2PBUF_PLACE_UNMAPPED] = "unmapped",
		[P2PBUF_PLACE_RAW_BAR] = "raw-bar",
	};

	return kind < sizeof(names) / sizeof(*names) ? names[kind] : "?";
}

static bool in_bar(const struct p2pbuf_place *place)
{
	return place->kind == P2PBUF_PLACE_BAR || place->kind == P2PBUF_PLACE_RAW_BAR;
}

static struct json_object *describe_place(const struct p2pbuf_place *place, uint64_t offset)
{
	struct json_object *object = must_have(json_object_new_object());

	json_add_number(object, "offset", offset);
	json_add_number(object, "bytes", place->length);
	json_add_number(object, "segment", place->segment);
	json_add_number(object, "address", place->addr);
	json_add_string(object, "kind", place_name(place->kind));
	json_add_number(object, "phys", place->phys);
	json_add_string(object, "route", route_name(place->via));
	json_add_flag(object, "marked", place->flags & P2PBUF_PLACE_MARKED);
	if (in_bar(place)) {
		json_add_string(object, "function", function_text(place->bdf));
		json_add_number(object, "bar", place->bar);
		json_add_number(object, "bar_offset", place->offset);
	}
	return object;
}

static int add_places(const struct session *session, struct json_object *document)
{
	struct json_object *list = must_have(json_object_new_array());
	struct places places;
	uint64_t offset = 0;
	size_t i;
	int ret;

	json_object_object_add(document, "places", list);
	ret = find_places(session, &places);
	for (i = 0; i < places.nr; i++) {
		json_object_array_add(list, describe_place(&places.all[i], offset));
		offset += places.all[i].length;
	}
	free(places.all);
	return ret ? refused(CALL_AUDIT, -ret) : EXIT_FINE;
}

static void add_verdict(struct json_object *document, const struct p2pbuf_verdict *verdict)
{
	json_add_string(document, "verdict", verdict_name(verdict->kind));
	json_add_string(document, "sentence", sentence(verdict->kind));
	json_add_string(document, "expected", verdict_name(expected));
	json_add_flag(document, "right", verdict->kind == expected);
	json_add_flag(document, "described", verdict->described);
	json_add_number(document, "total", verdict->total);
	json_add_number(document, "bar_bytes", verdict->bar_bytes);
	json_add_number(document, "ram_bytes", verdict->ram_bytes);
	json_add_number(document, "unmapped_bytes", verdict->unmapped_bytes);
	json_add_number(document, "other_bytes", verdict->other_bytes);
	json_add_number(document, "offset", verdict->offset);
	/* Of the lengths there is none. */
	json_object_object_add(document, "place", verdict->place.length ?
			       describe_place(&verdict->place, verdict->offset) : NULL);
}

/* What lies there, in words. */
static void print_where(char *text, size_t size, struct json_object *place)
{
	const char *kind = json_string(place, "kind");

	if (json_string(place, "function"))
		snprintf(text, size, "%sBAR %lu of %s + %#lx",
			 strcmp(kind, "bar") ? "not mapped, but the address of " : "",
			 json_number(place, "bar"), json_string(place, "function"),
			 json_number(place, "bar_offset"));
	else if (!strcmp(kind, "unmapped"))
		snprintf(text, size, "not mapped");
	else
		snprintf(text, size, "%s at %#lx", strcmp(kind, "ram") ? "nothing known" : "RAM",
			 json_number(place, "phys"));
}

static void show_places(struct json_object *list)
{
	struct table *table = table_new();
	struct json_object *place;
	char where[128];
	size_t i;

	table_cell(table, "offset");
	table_cell(table, "length");
	table_cell(table, "DMA address");
	table_cell(table, "by");
	table_cell(table, "leads to");
	table_end_row(table);
	for (i = 0; i < json_object_array_length(list); i++) {
		place = json_object_array_get_idx(list, i);
		print_where(where, sizeof(where), place);
		table_cell(table, "%s", size_text(json_number(place, "offset")));
		table_cell(table, "%s", size_text(json_number(place, "bytes")));
		table_cell(table, "%#lx", json_number(place, "address"));
		table_cell(table, "%s", json_string(place, "route"));
		table_cell(table, "%s", where);
		table_end_row(table);
	}
	table_print(table);
}

static void show(struct json_object *document)
{
	bool right = json_flag(document, "right");
	struct json_object *place = json_member(document, "place");
	char where[128];

	show_session(document);
	printf("verdict %s%s%s: %s\n", paint(right ? PAINT_GOOD : PAINT_BAD),
	       json_string(document, "verdict"), paint(PAINT_OFF),
	       json_string(document, "sentence"));
	if (!right) {
		printf("expected %s; ", json_string(document, "expected"));
		if (place) {
			print_where(where, sizeof(where), place);
			printf("first at offset %s: DMA address %#lx by %s: %s\n",
			       size_text(json_number(document, "offset")),
			       json_number(place, "address"), json_string(place, "route"), where);
		} else {
			printf("%s of %s\n", size_text(json_number(document, "total")),
			       size_text(json_number(document, "bytes")));
		}
	}
	if (!json_flag(document, "described"))
		puts("the exporter does not describe its buffer: "
		     "the order of its pieces was not compared");
	if (json_member(document, "places"))
		show_places(json_member(document, "places"));
}

static const char doc[] =
	"Map a DMABUF, look up each page of the mapping in the importer's IOMMU domain, and say "
	"where it leads and whether that is right. Exits with 0 if it is, with 1 if not. "
	"Needs CAP_SYS_ADMIN. Where the exporter offers phys, it is the importer that maps: "
	"--interconnect sgt looks at the exporter's own mapping.\v" SOURCE_HELP "\n"
	"Examples:\n"
	"  p2pbuf audit 0000:02:00.0 pid:1234:5 --interconnect sgt\n"
	"  p2pbuf audit 0000:02:00.0 export:0000:01:00.0:2:0+64K --places\n"
	"  p2pbuf audit 0000:02:00.0 socket:/run/buffer --expect ram";

int run_audit(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &session_argp }, { .argp = &output_argp }, { }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "IMPORTER SOURCE",
		.doc = doc, .children = children,
	};
	struct p2pbuf_verdict verdict;
	struct json_object *document;
	struct session session;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	ret = open_session(&session);
	if (ret)
		return ret;
	ret = verdict_of(session.importer, session.handle, &verdict);
	if (ret)
		return refused(CALL_AUDIT, -ret);
	document = describe_session(&session);
	add_verdict(document, &verdict);
	ret = with_places ? add_places(&session, document) : EXIT_FINE;
	if (ret)
		return ret;
	document_print("audit", document, show);
	return verdict.kind == expected ? EXIT_FINE : EXIT_BAD;
}
