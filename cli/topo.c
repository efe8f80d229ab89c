// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf topo: which PCI function reaches which one's BARs, by which route, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "topo.h"

enum { OPTION_PREDICT = 0x200, OPTION_ALLOWLIST };

struct options {
	const char *named[2];
	unsigned int nr_named;
	bool predict;
	const char *allowlist;
};

static const struct argp_option options[] = {
	{ "predict", OPTION_PREDICT, NULL, 0,
	  "Do not ask the drivers of bound exporters, predict", 0 },
	{ "allowlist", OPTION_ALLOWLIST, "FILE", 0,
	  "The kernel's allow-list (default: " ALLOWLIST ")", 0 },
	{ }
};

static const char doc[] =
	"PCI functions with a memory BAR, and for each pair of them the route that DMA by the one "
	"to the BARs of the other takes, with the reason and what would change it.\v"
	"The address of one function limits this to pairs that it is in; two are one pair, exporter "
	"and importer. An address is domain:bus:dev.fn; the domain may be left out.\n\n"
	"Exit status: 0; of one pair, 1 if it has no route, or if that is not known.\n\n"
	"Examples:\n"
	"  p2pbuf topo\n"
	"  p2pbuf topo 01:00.0 02:00.0\n"
	"  p2pbuf topo --json";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *chosen = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = NULL;
		return 0;
	case OPTION_PREDICT:
		chosen->predict = true;
		return 0;
	case OPTION_ALLOWLIST:
		chosen->allowlist = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (chosen->nr_named == 2)
			return ARGP_ERR_UNKNOWN;
		chosen->named[chosen->nr_named++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/**
 * struct topo - one run
 * @functions: of the machine
 * @list: the kernel's allow-list
 * @predict: do not ask drivers
 * @named: functions that were named, or NULL
 * @pairs: JSON array of what was found out
 * @route: of the last pair
 */
struct topo {
	struct functions functions;
	struct allowlist list;
	bool predict;
	const struct function *named[2];
	struct json_object *pairs;
	enum topo_route route;
};

static void find_out(struct topo *topo, const struct function *exporter,
		     const struct function *importer)
{
	struct pair pair = { .exporter = exporter, .importer = importer };

	pair_predict(&pair, &topo->functions, &topo->list);
	if (!topo->predict)
		pair_answer(&pair, &topo->functions);
	json_object_array_add(topo->pairs, pair_document(&pair));
	topo->route = pair.route;
}

static bool is_candidate(const struct function *function)
{
	return !function->is_bridge && function_has_memory(function);
}

static bool is_wanted(const struct topo *topo, const struct function *a,
		      const struct function *b)
{
	const struct function *named = topo->named[0];

	return a != b && (a == named || is_candidate(a)) && (b == named || is_candidate(b)) &&
	       (!named || named == a || named == b);
}

static void find_out_all(struct topo *topo)
{
	const struct function *all = topo->functions.all;
	size_t i, j;

	topo->pairs = json_object_new_array();
	if (topo->named[1]) {
		find_out(topo, topo->named[0], topo->named[1]);
		return;
	}
	for (i = 0; i < topo->functions.nr; i++)
		for (j = 0; j < topo->functions.nr; j++)
			if (is_wanted(topo, &all[i], &all[j]))
				find_out(topo, &all[i], &all[j]);
}

static const char *acs_word(const struct function *function)
{
	if (function->acs == ACS_NONE)
		return "none";
	if (function->acs == ACS_UNREADABLE)
		return "unreadable";
	return function_redirects(function) ? "redirects" : "passes";
}

static struct json_object *bars_document(const struct function *function)
{
	struct json_object *bars = json_object_new_array(), *bar;
	unsigned int i;

	for (i = 0; i < NR_BARS; i++) {
		if (!function->bars[i].size)
			continue;
		bar = json_object_new_object();
		json_add_number(bar, "bar", i);
		json_add_number(bar, "size", function->bars[i].size);
		json_add_flag(bar, "64bit", function->bars[i].is_64bit);
		json_add_flag(bar, "prefetchable", function->bars[i].prefetchable);
		json_object_array_add(bars, bar);
	}
	return bars;
}

static void add_optional(struct json_object *document, const char *key, bool there,
			 uint64_t number)
{
	if (there)
		json_add_number(document, key, number);
	else
		json_add_string(document, key, NULL);
}

/* As in sysfs. */
static void add_id(struct json_object *document, const char *key, unsigned int id)
{
	char text[8];

	snprintf(text, sizeof(text), "0x%04x", id & 0xffff);
	json_add_string(document, key, text);
}

static struct json_object *function_document(const struct function *function)
{
	struct json_object *document = json_object_new_object();
	const struct function *upstream = function->upstream;

	json_add_string(document, "function", function->name);
	json_add_string(document, "upstream", upstream ? upstream->name : NULL);
	json_add_string(document, "host_bridge", function->host);
	json_add_string(document, "kind", function_kind(function));
	add_id(document, "vendor", function->vendor);
	add_id(document, "device", function->device);
	json_add_string(document, "name", function->title);
	json_add_string(document, "driver", function->driver[0] ? function->driver : NULL);
	json_add_string(document, "acs", acs_word(function));
	add_optional(document, "acs_control", function->acs == ACS_READ, function->acs_control);
	add_optional(document, "iommu_group", function->group >= 0, function->group);
	json_add_string(document, "iommu_domain", function->domain[0] ? function->domain : NULL);
	json_object_object_add(document, "bars", bars_document(function));
	return document;
}

static bool is_above(const struct function *bridge, const struct function *function)
{
	while (function && function != bridge)
		function = function->upstream;
	return function;
}

/* What was named or has a memory BAR, and the bridges above it. */
static bool is_shown(const struct topo *topo, const struct function *function)
{
	const struct function *other = topo->functions.all;
	const struct function *end = other + topo->functions.nr;

	if (topo->named[0])
		return is_above(function, topo->named[0]) ||
		       (topo->named[1] && is_above(function, topo->named[1]));
	for (; other < end; other++)
		if (function_has_memory(other) && is_above(function, other))
			return true;
	return false;
}

static struct json_object *list_document(const struct allowlist *list)
{
	struct json_object *document = json_object_new_object();

	json_add_string(document, "file", list->path);
	json_add_string(document, "linux", list->version[0] ? list->version : NULL);
	json_add_string(document, "problem", list->problem[0] ? list->problem : NULL);
	json_add_string(document, "cpu", list->cpu[0] ? list->cpu : NULL);
	json_add_flag(document, "cpu_allowed", list->cpu_allowed);
	return document;
}

static struct json_object *topo_document(const struct topo *topo)
{
	struct json_object *document = json_object_new_object();
	struct json_object *functions = json_object_new_array();
	struct utsname kernel;
	size_t i;

	for (i = 0; i < topo->functions.nr; i++)
		if (is_shown(topo, &topo->functions.all[i]))
			json_object_array_add(functions,
					      function_document(&topo->functions.all[i]));
	uname(&kernel);
	json_add_string(document, "kernel", kernel.release);
	json_object_object_add(document, "allowlist", list_document(&topo->list));
	json_object_object_add(document, "functions", functions);
	json_object_object_add(document, "pairs", topo->pairs);
	return document;
}

/* EXIT_FINE, or why it cannot go on: said. */
static int find_named(struct topo *topo, const struct options *chosen)
{
	char name[BDF_ROOM];
	unsigned int i;
	int ret;

	for (i = 0; i < chosen->nr_named; i++) {
		ret = find_function(chosen->named[i], name);
		if (ret)
			return ret;
		topo->named[i] = function_named(&topo->functions, name);
		if (!topo->named[i])	/* gone meanwhile, or come */
			return EXIT_MISSING;
	}
	if (!topo->named[0] || function_has_memory(topo->named[0]))
		return EXIT_FINE;
	say_error("p2pbuf topo shows those that have one",
		  "%s has no memory BAR for others to reach", topo->named[0]->name);
	return EXIT_MISSING;
}

int run_topo(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &output_argp }, { } };
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "[FUNCTION [FUNCTION]]",
		.doc = doc,
		.children = children,
	};
	struct options chosen = { .allowlist = ALLOWLIST };
	struct topo topo = { };
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &chosen);
	topo.predict = chosen.predict;
	allowlist_read(&topo.list, chosen.allowlist);
	functions_read(&topo.functions);
	ret = find_named(&topo, &chosen);
	if (ret)
		return ret;
	find_out_all(&topo);
	document_print("topo", topo_document(&topo), topo_show);
	free(topo.functions.all);

	if (!topo.named[1])
		return EXIT_FINE;
	return topo.route == TOPO_REFUSED || topo.route == TOPO_UNKNOWN ? EXIT_BAD : EXIT_FINE;
}
