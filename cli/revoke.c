// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf revoke: one DMABUF loses access, for good. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dmabuf.h"

static const char *function, *source;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "\"%s\" is one argument too many", arg);
		*(state->arg_num ? &source : &function) = arg;
		return 0;
	case ARGP_KEY_END:
		if (!source)
			argp_error(state, "BDF and SOURCE are missing");
		if (!strncmp(source, "export:", strlen("export:")))
			argp_error(state, "\"%s\" makes a DMABUF, which nobody has yet", source);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* One that comes just before the wait interrupts nothing, and another follows it. */
static void note_end(int signal)
{
	(void)signal;
	alarm(1);
}

static void handle_ends(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM };
	struct sigaction action = { .sa_handler = note_end };
	unsigned int i;

	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		sigaction(ends[i], &action, NULL);
}

static struct json_object *describe(const char *bdf, int fd)
{
	struct json_object *document = must_have(json_object_new_object());
	struct stat stat;

	json_add_string(document, "function", bdf);
	json_add_string(document, "source", source);
	if (!fstat(fd, &stat))
		json_add_number(document, "inode", stat.st_ino);
	return document;
}

static void show(struct json_object *document)
{
	printf("%s of %s (inode %lu): access is gone, for good\n",
	       json_string(document, "source"), json_string(document, "function"),
	       json_number(document, "inode"));
}

static const char doc[] =
	"Take access away from one DMABUF, for good, and wait until it is gone: nobody can map it "
	"any more, CPU mappings raise SIGBUS, importers have unmapped it. Other DMABUFs of the "
	"same BAR are left alone. A signal ends the wait; access is lost all the same, and the "
	"same command waits again.\v" SOURCE_HELP "\n"
	"Examples:\n"
	"  p2pbuf revoke 0000:01:00.0 socket:/run/buffer\n"
	"  p2pbuf revoke 0000:01:00.0 pid:1234:5";

int run_revoke(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &output_argp }, { } };
	static const struct argp argp = {
		.parser = parse, .args_doc = "BDF SOURCE", .doc = doc, .children = children,
	};
	char bdf[BDF_ROOM];
	int exporter, fd, ret;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	ret = find_function(function, bdf);
	if (!ret)
		ret = version_check();
	if (ret)
		return ret;
	exporter = open_node(EXPORTER, bdf);
	if (exporter < 0)
		return -exporter;
	fd = open_source(source);
	if (fd < 0)
		return -fd;

	handle_ends();
	ret = revoke_buffer(exporter, fd);
	if (ret) {
		refused(CALL_REVOKE, -ret);
		return ret == -EINTR ? EXIT_BAD : EXIT_REFUSED;
	}
	document_print("revoke", describe(bdf, fd), show);
	return EXIT_FINE;
}
