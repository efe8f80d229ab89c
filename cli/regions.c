// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf regions: a function's BARs. */
#include <stdio.h>
#include <stdlib.h>

#include "dmabuf.h"

#define NR_BARS	6

static const char *function;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_ARG:
		if (function)
			argp_error(state, "\"%s\" is one argument too many", arg);
		function = arg;
		return 0;
	case ARGP_KEY_END:
		if (!function)
			argp_error(state, "BDF is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* NULL: it can be. */
static const char *reason_text(unsigned int reason)
{
	static const char * const texts[] = {
		[P2PBUF_REASON_NONE] = NULL,
		[P2PBUF_REASON_ABSENT] = "not there, or the upper half of a 64-bit BAR",
		[P2PBUF_REASON_IO_PORT] = "I/O ports, which peers cannot reach",
		[P2PBUF_REASON_SUB_PAGE] = "smaller than a page, or not aligned to one",
		[P2PBUF_REASON_NOT_MAPPABLE] = "the PCI core lets nobody map this function's BARs",
	};

	return reason < sizeof(texts) / sizeof(*texts) ? texts[reason] : "unknown";
}

static struct json_object *describe(unsigned int bar, const struct p2pbuf_region_info *info)
{
	struct json_object *region = must_have(json_object_new_object());

	json_add_number(region, "bar", bar);
	json_add_number(region, "bytes", info->size);
	json_add_flag(region, "exportable", info->flags & P2PBUF_REGION_EXPORTABLE);
	json_add_flag(region, "64bit", info->flags & P2PBUF_REGION_64BIT);
	json_add_flag(region, "prefetchable", info->flags & P2PBUF_REGION_PREFETCHABLE);
	json_add_flag(region, "write_combining", info->flags & P2PBUF_REGION_WRITE_COMBINING);
	json_add_string(region, "reason", reason_text(info->reason));
	return region;
}

static void show_kind(struct table *table, struct json_object *region)
{
	table_cell(table, "%s%s%s", json_flag(region, "64bit") ? "64-bit" : "32-bit",
		   json_flag(region, "prefetchable") ? " prefetchable" : "",
		   json_flag(region, "write_combining") ? " write-combining" : "");
}

static void show(struct json_object *document)
{
	struct json_object *regions = json_member(document, "regions"), *region;
	struct table *table = table_new();
	size_t i;

	table_cell(table, "BAR");
	table_cell(table, "size");
	table_cell(table, "memory");
	table_cell(table, "exportable");
	table_end_row(table);
	for (i = 0; i < json_object_array_length(regions); i++) {
		region = json_object_array_get_idx(regions, i);
		if (!json_number(region, "bytes"))
			continue;
		table_cell(table, "%lu", json_number(region, "bar"));
		table_cell(table, "%s", size_text(json_number(region, "bytes")));
		show_kind(table, region);
		table_cell(table, "%s%s", json_flag(region, "exportable") ? "yes" : "no: ",
			   json_string(region, "reason") ?: "");
		table_end_row(table);
	}
	table_print(table);
}

static int describe_all(int exporter, struct json_object *regions)
{
	struct p2pbuf_region_info info;
	unsigned int bar;
	int ret;

	for (bar = 0; bar < NR_BARS; bar++) {
		ret = region_info(exporter, bar, &info);
		if (ret)
			return refused(CALL_REGION_INFO, -ret);
		json_object_array_add(regions, describe(bar, &info));
	}
	return EXIT_FINE;
}

static const char doc[] =
	"Show the BARs of a function that is bound to the exporter, and what of them can be "
	"exported.\v"
	"Example:\n"
	"  p2pbuf regions 0000:01:00.0";

int run_regions(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &output_argp }, { } };
	static const struct argp argp = {
		.parser = parse, .args_doc = "BDF", .doc = doc, .children = children,
	};
	struct json_object *document, *regions;
	char bdf[BDF_ROOM];
	int exporter, ret;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	ret = find_function(function, bdf);
	if (!ret)
		ret = version_check();
	if (ret)
		return ret;
	exporter = open_node(EXPORTER, bdf);
	if (exporter < 0)
		return -exporter;

	document = must_have(json_object_new_object());
	regions = must_have(json_object_new_array());
	json_add_string(document, "function", bdf);
	json_object_object_add(document, "regions", regions);
	ret = describe_all(exporter, regions);
	if (!ret)
		document_print("regions", document, show);
	return ret;
}
