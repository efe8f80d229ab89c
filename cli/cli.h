/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the subcommands of p2pbuf share.
 *
 * A subcommand makes one JSON document of what it found. With --json that is printed as it
 * is; otherwise the subcommand shows the same document to people, so that the two
 * cannot differ.
 */
#ifndef _P2PBUF_CLI_H
#define _P2PBUF_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#include "p2pbuf_calls.h"

/* Changed when a member of a document goes or means something else; new ones may come. */
#define JSON_SCHEMA	1

/**
 * enum exit_code - what p2pbuf exits with
 * @EXIT_FINE: done, and the answer is good
 * @EXIT_BAD: done, and the answer is not: no route, a wrong mapping, wrong data, a wait that a
 *	signal ended
 * @EXIT_USAGE: the command line makes no sense; nothing was done
 * @EXIT_MISSING: a function, driver, module, node or file is not there
 * @EXIT_REFUSED: the kernel refused, or the function is in use; the message has the reason
 * @EXIT_VERSION: the modules are of another version than the command needs
 */
enum exit_code {
	EXIT_FINE,
	EXIT_BAD,
	EXIT_USAGE,
	EXIT_MISSING,
	EXIT_REFUSED,
	EXIT_VERSION,
};

/**
 * struct command - a subcommand
 * @name: as typed
 * @summary: one line for "p2pbuf --help"
 * @run: as main(); @argv[0] is "p2pbuf NAME"
 */
struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int run_topo(int argc, char **argv);
int run_regions(int argc, char **argv);
int run_bind(int argc, char **argv);
int run_unbind(int argc, char **argv);
int run_export(int argc, char **argv);
int run_revoke(int argc, char **argv);
int run_import(int argc, char **argv);
int run_audit(int argc, char **argv);
int run_verify(int argc, char **argv);
int run_bench(int argc, char **argv);
int run_events(int argc, char **argv);

/* output.c */
extern const struct argp output_argp;
extern bool output_json;
extern const char *output_command;	/* the subcommand's name */
void document_print(const char *command, struct json_object *document,
		    void (*show)(struct json_object *document));
void document_line(const char *command, struct json_object *document);
void json_add_string(struct json_object *object, const char *key, const char *value);
void json_add_number(struct json_object *object, const char *key, uint64_t value);
void json_add_flag(struct json_object *object, const char *key, bool value);
const char *json_string(struct json_object *object, const char *key);
uint64_t json_number(struct json_object *object, const char *key);
bool json_flag(struct json_object *object, const char *key);
struct json_object *json_member(struct json_object *object, const char *key);
bool is_terminal(int fd);
const char *paint(const char *sgr);

#define PAINT_GOOD	"32"
#define PAINT_BAD	"31"
#define PAINT_HEAD	"1"
#define PAINT_OFF	"0"

/* table.c: columns as wide as their widest cell */
struct table;

struct table *table_new(void);
void table_cell(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void table_end_row(struct table *table);
void table_print(struct table *table);

/* error.c */
void say_error(const char *hint, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* memory.c: or the end */
void *must_have(void *memory);

/* version.c */
int version_check(void);
void version_print(FILE *stream, struct argp_state *state);

#endif /* _P2PBUF_CLI_H */
