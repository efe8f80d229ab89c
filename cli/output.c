// SPDX-License-Identifier: GPL-2.0-only
/* How all subcommands print: one JSON document, or what people read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

enum { OPTION_JSON = 0x100, OPTION_COLOR };

bool output_json;
const char *output_command;
static bool in_color;

static const struct argp_option options[] = {
	{ "json", OPTION_JSON, NULL, 0, "Print one JSON document", -2 },
	{ "color", OPTION_COLOR, "WHEN", 0,
	  "auto (default: on a terminal, unless NO_COLOR is set), always or never", -2 },
	{ }
};

/* Whether people look at it, on something that can do more than print lines. */
bool is_terminal(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term && strcmp(term, "dumb");
}

static bool wants_color(const char *when)
{
	if (!strcmp(when, "auto"))
		return is_terminal(STDOUT_FILENO) && !getenv("NO_COLOR");
	return !strcmp(when, "always");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		in_color = wants_color("auto");
		return 0;
	case OPTION_JSON:
		output_json = true;
		return 0;
	case OPTION_COLOR:
		if (strcmp(arg, "auto") && strcmp(arg, "always") && strcmp(arg, "never"))
			argp_error(state, "--color is auto, always or never");
		in_color = wants_color(arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A child of each subcommand's own. */
const struct argp output_argp = { .options = options, .parser = parse };

/* The sequence that switches the terminal, or nothing. */
const char *paint(const char *sgr)
{
	static char sequences[4][16];
	static unsigned int next;
	char *sequence = sequences[next++ % 4];

	snprintf(sequence, sizeof(*sequences), "\033[%sm", sgr);
	return in_color ? sequence : "";
}

/* What every document has, and @document, which it takes. */
static struct json_object *whole_of(const char *command, struct json_object *document)
{
	struct json_object *whole = must_have(json_object_new_object());

	json_add_number(whole, "schema", JSON_SCHEMA);
	json_add_string(whole, "version", VERSION);
	json_add_string(whole, "command", command);
	json_object_object_add(whole, command, document);
	return whole;
}

static void print_json(struct json_object *whole, int flags)
{
	puts(json_object_to_json_string_ext(whole, flags | JSON_C_TO_STRING_SPACED |
						   JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(whole);
}

/* One of many, each a line of its own. Takes @document. */
void document_line(const char *command, struct json_object *document)
{
	print_json(whole_of(command, document), 0);
}

/* Takes @document. */
void document_print(const char *command, struct json_object *document,
		    void (*show)(struct json_object *document))
{
	if (output_json) {
		print_json(whole_of(command, document), JSON_C_TO_STRING_PRETTY);
		return;
	}
	show(document);
	fflush(stdout);
	json_object_put(document);
}

/* NULL becomes null. */
void json_add_string(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
}

void json_add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

void json_add_flag(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

struct json_object *json_member(struct json_object *object, const char *key)
{
	return json_object_object_get(object, key);
}

/* NULL if null or not there. */
const char *json_string(struct json_object *object, const char *key)
{
	return json_object_get_string(json_member(object, key));
}

uint64_t json_number(struct json_object *object, const char *key)
{
	return json_object_get_uint64(json_member(object, key));
}

bool json_flag(struct json_object *object, const char *key)
{
	return json_object_get_boolean(json_member(object, key));
}
