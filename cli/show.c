// SPDX-License-Identifier: GPL-2.0-only
/* What "p2pbuf topo" found, for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "topo.h"

#define MOST_COLUMNS	30	/* of the matrix side by side */
#define LABEL_WIDTH	24
#define CELL_WIDTH	6

static struct json_object *at(struct json_object *array, size_t index)
{
	return json_object_array_get_idx(array, index);
}

static size_t length(struct json_object *array)
{
	return json_object_array_length(array);
}

static const char *or_dash(const char *text)
{
	return text ?: "-";
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* --- the tree ------------------------------------------------------------------ */

/* "0:4K 2:64M" */
static void bars_cell(struct table *table, struct json_object *bars)
{
	char text[160] = "";
	size_t i, used;

	for (i = 0; i < length(bars); i++) {
		used = strlen(text);
		snprintf(text + used, sizeof(text) - used, "%s%u:%s", i ? " " : "",
			 (unsigned int)json_number(at(bars, i), "bar"),
			 size_text(json_number(at(bars, i), "size")));
	}
	table_cell(table, "%s", text[0] ? text : "-");
}

static void group_cell(struct table *table, struct json_object *function)
{
	if (json_member(function, "iommu_group"))
		table_cell(table, "%d %s", (int)json_number(function, "iommu_group"),
			   json_string(function, "iommu_domain") ?: "?");
	else
		table_cell(table, "-");
}

static void function_row(struct table *table, struct json_object *function, int depth)
{
	table_cell(table, "%*s%s", 2 * depth, "", json_string(function, "function"));
	table_cell(table, "%s", json_string(function, "kind"));
	table_cell(table, "%s", json_string(function, "acs"));
	group_cell(table, function);
	bars_cell(table, json_member(function, "bars"));
	table_cell(table, "%s", or_dash(json_string(function, "driver")));
	table_cell(table, "%s", json_string(function, "name"));
	table_end_row(table);
}

static void add_below(struct table *table, struct json_object *functions, const char *host,
		      const char *upstream, int depth)
{
	struct json_object *function;
	size_t i;

	for (i = 0; i < length(functions); i++) {
		function = at(functions, i);
		if (!same(json_string(function, "upstream"), upstream) ||
		    !same(json_string(function, "host_bridge"), host))
			continue;
		function_row(table, function, depth);
		add_below(table, functions, host, json_string(function, "function"), depth + 1);
	}
}

static void show_tree(struct json_object *functions)
{
	static const char *const heads[] = { "FUNCTION", "KIND", "ACS", "IOMMU GROUP", "BARS",
					     "DRIVER", "NAME" };
	struct table *table = table_new();
	const char *host, *last = NULL;
	size_t i;

	for (i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		table_cell(table, "%s", heads[i]);
	table_end_row(table);
	/* Functions are sorted by domain and bus, so those on root buses come host by host. */
	for (i = 0; i < length(functions); i++) {
		host = json_string(at(functions, i), "host_bridge");
		if (json_string(at(functions, i), "upstream") || same(host, last))
			continue;
		table_cell(table, "%s", host);
		table_end_row(table);
		add_below(table, functions, host, NULL, 1);
		last = host;
	}
	table_print(table);
}

/* --- reasons ----------------------------------------------------------------------- */

/**
 * struct reason - what several pairs have in common
 * @pair: the first of them
 * @alike: all of them would be changed by the same
 */
struct reason {
	struct json_object *pair;
	bool alike;
};

/**
 * struct matrix - pairs by their reasons
 * @pairs: all of them
 * @reasons: without duplicates
 * @nr: how many
 * @of: by pair, its reason
 */
struct matrix {
	struct json_object *pairs;
	struct reason *reasons;
	size_t nr;
	size_t *of;
};

static size_t find_reason(struct matrix *matrix, struct json_object *pair)
{
	struct reason *reason = matrix->reasons;
	size_t i;

	for (i = 0; i < matrix->nr; i++, reason++) {
		if (!same(json_string(pair, "why"), json_string(reason->pair, "why")) ||
		    !same(json_string(pair, "route"), json_string(reason->pair, "route")))
			continue;
		reason->alike &= json_object_equal(json_member(pair, "change"),
						   json_member(reason->pair, "change"));
		return i;
	}
	*reason = (struct reason){ .pair = pair, .alike = true };
	return matrix->nr++;
}

static void find_reasons(struct matrix *matrix)
{
	size_t nr = length(matrix->pairs), i;

	matrix->reasons = must_have(calloc(nr + 1, sizeof(*matrix->reasons)));
	matrix->of = must_have(calloc(nr + 1, sizeof(*matrix->of)));
	for (i = 0; i < nr; i++)
		matrix->of[i] = find_reason(matrix, at(matrix->pairs, i));
}

static const char *colour(const char *route)
{
	if (!strcmp(route, "refused"))
		return PAINT_BAD;
	return strcmp(route, "unknown") ? PAINT_GOOD : PAINT_HEAD;
}

static void show_change(struct json_object *change, const char *indent)
{
	size_t i;

	for (i = 0; i < length(change); i++)
		printf("%schange  %s\n", indent, json_object_get_string(at(change, i)));
}

static void show_reasons(const struct matrix *matrix)
{
	const struct reason *reason = matrix->reasons;
	const char *route;
	size_t i;

	for (i = 1; i <= matrix->nr; i++, reason++) {
		route = json_string(reason->pair, "route");
		printf("%3zu  %s%s%s: %s\n", i, paint(colour(route)), route, paint(PAINT_OFF),
		       json_string(reason->pair, "why"));
		if (reason->alike)
			show_change(json_member(reason->pair, "change"), "     ");
		else
			printf("     change  differs: p2pbuf topo EXPORTER IMPORTER\n");
	}
}

/* --- the matrix --------------------------------------------------------------------- */

static unsigned int columns_at_once(void)
{
	struct winsize size;
	unsigned int width = 100, columns;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		width = size.ws_col;
	columns = width > LABEL_WIDTH + CELL_WIDTH ? (width - LABEL_WIDTH) / CELL_WIDTH : 1;
	return columns < MOST_COLUMNS ? columns : MOST_COLUMNS;
}

static char route_letter(const char *route)
{
	switch (route[0]) {
	case 'b':
		return 'B';
	case 'h':
		return 'H';
	case 'i':
		return 'I';
	case 'r':
		return 'x';
	default:
		return '?';
	}
}

/* A pair is at @row * (functions - 1) + @column, the diagonal left out. */
static void add_row(struct table *table, const struct matrix *matrix, size_t nr, size_t row,
		    size_t first, size_t end)
{
	struct json_object *pair = at(matrix->pairs, row * (nr - 1));
	bool answered = same(json_string(pair, "source"), "driver");
	size_t column, index;

	table_cell(table, "%2zu %s%s", row + 1, json_string(pair, "exporter"),
		   answered ? " *" : "");
	for (column = first; column < end; column++) {
		index = row * (nr - 1) + column - (column > row);
		pair = at(matrix->pairs, index);
		if (row == column)
			table_cell(table, "-");
		else
			table_cell(table, "%c%zu", route_letter(json_string(pair, "route")),
				   matrix->of[index] + 1);
	}
	table_end_row(table);
}

static void show_columns(const struct matrix *matrix, size_t nr, size_t first, size_t end)
{
	struct table *table = table_new();
	size_t i;

	table_cell(table, "EXPORTER | IMPORTER");
	for (i = first; i < end; i++)
		table_cell(table, "%zu", i + 1);
	table_end_row(table);
	for (i = 0; i < nr; i++)
		add_row(table, matrix, nr, i, first, end);
	table_print(table);
	putchar('\n');
}

/* @nr functions, of which each has a pair with each other one. */
static void show_matrix(const struct matrix *matrix, size_t nr)
{
	unsigned int columns = columns_at_once();
	size_t first;

	for (first = 0; first < nr; first += columns)
		show_columns(matrix, nr, first, first + columns < nr ? first + columns : nr);
	printf("B bus-address, H host-bridge, I iova, x refused, ? unknown; then the reason\n"
	       "* answered by the exporter's driver; the others are predicted\n");
}

static void show_list(const struct matrix *matrix)
{
	struct table *table = table_new();
	struct json_object *pair;
	size_t i;

	table_cell(table, "EXPORTER");
	table_cell(table, "IMPORTER");
	table_cell(table, "ROUTE");
	table_cell(table, "SOURCE");
	table_cell(table, "REASON");
	table_end_row(table);
	for (i = 0; i < length(matrix->pairs); i++) {
		pair = at(matrix->pairs, i);
		table_cell(table, "%s", json_string(pair, "exporter"));
		table_cell(table, "%s", json_string(pair, "importer"));
		table_cell(table, "%s", json_string(pair, "route"));
		table_cell(table, "%s", json_string(pair, "source"));
		table_cell(table, "%zu", matrix->of[i] + 1);
		table_end_row(table);
	}
	table_print(table);
}

/* The number of functions if each has a pair with each other one, else 0. */
static size_t is_square(struct json_object *pairs)
{
	size_t nr = length(pairs), side = 2;

	while (side * (side - 1) < nr)
		side++;
	/* With one function named, that one alternates. */
	return side > 2 && side * (side - 1) == nr &&
	       same(json_string(at(pairs, 0), "exporter"),
		    json_string(at(pairs, side - 2), "exporter")) ? side : 0;
}

static void show_list_head(struct json_object *list)
{
	const char *problem = json_string(list, "problem");

	if (problem)
		printf("%s%s%s: routes through host bridges cannot be predicted\n",
		       paint(PAINT_BAD), problem, paint(PAINT_OFF));
	else
		printf("allow-list of Linux %s\n", json_string(list, "linux"));
}

void topo_show(struct json_object *document)
{
	struct matrix matrix = { .pairs = json_member(document, "pairs") };
	size_t side = is_square(matrix.pairs);

	show_tree(json_member(document, "functions"));
	putchar('\n');
	find_reasons(&matrix);
	if (side)
		show_matrix(&matrix, side);
	else
		show_list(&matrix);
	show_list_head(json_member(document, "allowlist"));
	putchar('\n');
	show_reasons(&matrix);
	free(matrix.reasons);
	free(matrix.of);
}
