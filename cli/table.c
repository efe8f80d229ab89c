// SPDX-License-Identifier: GPL-2.0-only
/* Columns as wide as their widest cell. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MOST_COLUMNS	32

struct row {
	char *cells[MOST_COLUMNS];
	unsigned int nr;
};

struct table {
	struct row *rows;
	size_t nr;		/* complete ones; one more is being filled */
	size_t room;
};

struct table *table_new(void)
{
	struct table *table = must_have(calloc(1, sizeof(*table)));

	table->room = 16;
	table->rows = must_have(calloc(table->room, sizeof(*table->rows)));
	return table;
}

void table_cell(struct table *table, const char *format, ...)
{
	struct row *row = &table->rows[table->nr];
	va_list args;

	if (row->nr == MOST_COLUMNS)
		abort();
	va_start(args, format);
	if (vasprintf(&row->cells[row->nr++], format, args) < 0)
		must_have(NULL);
	va_end(args);
}

void table_end_row(struct table *table)
{
	if (++table->nr == table->room) {
		table->room *= 2;
		table->rows = must_have(reallocarray(table->rows, table->room,
						     sizeof(*table->rows)));
	}
	table->rows[table->nr].nr = 0;
}

static size_t width(const struct table *table, unsigned int column)
{
	size_t widest = 0, i, length;

	for (i = 0; i < table->nr; i++) {
		if (column >= table->rows[i].nr)
			continue;
		length = strlen(table->rows[i].cells[column]);
		widest = length > widest ? length : widest;
	}
	return widest;
}

static void print_row(const struct table *table, const struct row *row,
		      const size_t *widths)
{
	bool is_head = row == table->rows;
	unsigned int i;

	fputs(is_head ? paint(PAINT_HEAD) : "", stdout);
	for (i = 0; i + 1 < row->nr; i++)
		printf("%-*s  ", (int)widths[i], row->cells[i]);
	printf("%s%s\n", row->nr ? row->cells[i] : "", is_head ? paint(PAINT_OFF) : "");
}

/* The first row is the heading. Frees @table. */
void table_print(struct table *table)
{
	size_t widths[MOST_COLUMNS], i;
	unsigned int column;

	for (column = 0; column < MOST_COLUMNS; column++)
		widths[column] = width(table, column);
	for (i = 0; i < table->nr; i++) {
		print_row(table, &table->rows[i], widths);
		for (column = 0; column < table->rows[i].nr; column++)
			free(table->rows[i].cells[column]);
	}
	free(table->rows);
	free(table);
}
