// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf export: a DMABUF of BAR ranges, kept, served or handed to a command. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dmabuf.h"

/* Where a command run by --exec finds the descriptor's number. */
#define FD_VARIABLE	"P2PBUF_DMABUF_FD"

enum { OPTION_READ_ONLY = 0x300, OPTION_SOCKET, OPTION_CLIENTS, OPTION_EXEC };

static struct {
	const char *function;
	const char *bar;
	char **ranges;
	unsigned int nr;
	unsigned int open_flags;
	const char *socket;
	uint64_t clients;
	char **command;
} args = { .open_flags = O_RDWR };

static const struct argp_option options[] = {
	{ "read-only", OPTION_READ_ONLY, NULL, 0, "Neither CPU nor devices may write it", 0 },
	{ "socket", OPTION_SOCKET, "PATH", 0,
	  "Give the descriptor to each who connects to this UNIX socket (mode 0600)", 0 },
	{ "clients", OPTION_CLIENTS, "N", 0, "End after N have got it", 0 },
	{ "exec", OPTION_EXEC, NULL, 0,
	  "Run the rest of the line, with the descriptor's number in $" FD_VARIABLE, 0 },
	{ }
};

static void take_command(struct argp_state *state)
{
	args.command = state->argv + state->next;
	if (state->next == state->argc)
		argp_error(state, "--exec: the command is missing");
	state->next = state->argc;
}

static void take_word(char *arg, struct argp_state *state)
{
	if (!args.function) {
		args.function = arg;
	} else if (!args.bar) {
		args.bar = arg;
	} else {
		if (!args.ranges)
			args.ranges = must_have(calloc(state->argc, sizeof(*args.ranges)));
		args.ranges[args.nr++] = arg;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case OPTION_READ_ONLY:
		args.open_flags = O_RDONLY;
		return 0;
	case OPTION_SOCKET:
		args.socket = arg;
		return 0;
	case OPTION_CLIENTS:
		if (!parse_size(arg, &args.clients) || !args.clients ||
		    args.clients > UINT_MAX)
			argp_error(state, "--clients: \"%s\" is no number of them", arg);
		return 0;
	case OPTION_EXEC:
		take_command(state);
		return 0;
	case ARGP_KEY_ARG:
		take_word(arg, state);
		return 0;
	case ARGP_KEY_END:
		if (!args.bar)
			argp_error(state, "BDF and BAR are missing");
		if (args.socket && args.command)
			argp_error(state, "--socket and --exec exclude each other");
		if (args.clients && !args.socket)
			argp_error(state, "--clients needs --socket");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static struct json_object *describe(const struct exported *exported)
{
	struct json_object *document = must_have(json_object_new_object());

	json_add_string(document, "function", exported->bdf);
	json_add_number(document, "bar", exported->bar);
	json_add_number(document, "bytes", exported->size);
	json_add_number(document, "inode", exported->ino);
	json_add_number(document, "pid", getpid());
	json_add_number(document, "fd", exported->fd);
	json_add_string(document, "socket", args.socket);
	return document;
}

static void show(struct json_object *document)
{
	printf("%s of BAR %lu of %s: inode %lu\n", size_text(json_number(document, "bytes")),
	       json_number(document, "bar"), json_string(document, "function"),
	       json_number(document, "inode"));
	if (args.socket)
		printf("use it as socket:%s until this ends\n", args.socket);
	else
		printf("use it as pid:%lu:%lu until this ends\n", json_number(document, "pid"),
		       json_number(document, "fd"));
}

static void announce(void *exported)
{
	document_print("export", describe(exported), show);
}

/* The command takes our place; its exit status is ours. */
static int become(const struct exported *exported)
{
	char number[16];
	int error;

	snprintf(number, sizeof(number), "%d", exported->fd);
	setenv(FD_VARIABLE, number, 1);
	execvp(args.command[0], args.command);
	error = errno;
	say_error(NULL, "%s: %s", args.command[0], strerror(error));
	return EXIT_MISSING;
}

static const char doc[] =
	"Make a DMABUF of ranges of a BAR, or of all of it, and keep it until a signal ends "
	"this.\v"
	"A range is OFFSET+LENGTH or OFFSET-END (the first byte behind it), in bytes, with K, "
	"M, G or T for units of 1024, or hexadecimal after 0x. The buffer has them in this "
	"order.\n\n"
	"Examples:\n"
	"  p2pbuf export 0000:01:00.0 2\n"
	"  p2pbuf export 0000:01:00.0 2 1M+64K 0x10000-0x20000 --socket /run/buffer\n"
	"  p2pbuf export 0000:01:00.0 2 --exec sh -c 'p2pbuf audit 0000:02:00.0 "
	"fd:$" FD_VARIABLE "'";

int run_export(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &output_argp }, { } };
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "BDF BAR [RANGE...]",
		.doc = doc, .children = children,
	};
	struct exported exported;
	int ends, ret;

	/* What follows --exec is not ours to sort. */
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, NULL);
	if (!args.command)
		args.open_flags |= O_CLOEXEC;
	ret = export_text(args.function, args.bar, args.ranges, args.nr, args.open_flags,
			  &exported);
	if (ret)
		return ret;
	if (args.command)
		return become(&exported);

	ends = catch_ends();
	if (args.socket)
		return serve_descriptor(exported.fd, args.socket, args.clients, ends,
					announce, &exported);
	announce(&exported);
	wait_for_end(ends);
	return EXIT_FINE;
}
