// SPDX-License-Identifier: GPL-2.0-only
/* A DMABUF imported and mapped, as the options say. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dmabuf.h"

enum {
	OPTION_INTERCONNECT = 0x200, OPTION_FLOW, OPTION_ACCESS, OPTION_ALIGNED, OPTION_NO_PEER
};

static const char * const interconnects[] = {
	[P2PBUF_INTERCONNECT_AUTO] = "auto",
	[P2PBUF_INTERCONNECT_PHYS] = "phys",
	[P2PBUF_INTERCONNECT_SGT] = "sgt",
	NULL
};

static const char * const flows[] = {
	[P2PBUF_FLOW_REVOCABLE] = "revocable",
	[P2PBUF_FLOW_MOVABLE] = "movable",
	[P2PBUF_FLOW_PINNED] = "pinned",
	[P2PBUF_FLOW_PINNED_REVOCABLE] = "pinned-revocable",
	[P2PBUF_FLOW_STATIC] = "static",
	NULL
};

#define ACCESS_ALL	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)

static const char * const accesses[] = {
	[0] = "",
	[P2PBUF_ACCESS_READ] = "read",
	[P2PBUF_ACCESS_WRITE] = "write",
	[ACCESS_ALL] = "read-write",
	NULL
};

static struct p2pbuf_import how = { .access = ACCESS_ALL };
static const char *importer_word, *source_word;

static const struct argp_option options[] = {
	{ "interconnect", OPTION_INTERCONNECT, "KIND", 0,
	  "auto (default), phys (the importer maps) or sgt (the exporter maps)", 0 },
	{ "flow", OPTION_FLOW, "FLOW", 0,
	  "revocable (default), movable, pinned, pinned-revocable or static", 0 },
	{ "access", OPTION_ACCESS, "HOW", 0,
	  "What the function may do to the buffer: read, write or read-write (default)", 0 },
	{ "aligned", OPTION_ALIGNED, NULL, 0,
	  "Map so that the IOMMU can use its largest pages", 0 },
	{ "no-peer2peer", OPTION_NO_PEER, NULL, 0,
	  "Do not let the exporter place the buffer in a BAR", 0 },
	{ }
};

static unsigned int choose(const char *option, const char *word,
			   const char * const *words, struct argp_state *state)
{
	unsigned int i;

	for (i = 0; words[i]; i++)
		if (*word && !strcmp(word, words[i]))
			return i;
	argp_error(state, "--%s: there is no \"%s\"", option, word);
	return 0;
}

static error_t parse_how(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case OPTION_INTERCONNECT:
		how.interconnect = choose("interconnect", arg, interconnects, state);
		return 0;
	case OPTION_FLOW:
		how.flow = choose("flow", arg, flows, state);
		return 0;
	case OPTION_ACCESS:
		how.access = choose("access", arg, accesses, state);
		return 0;
	case OPTION_ALIGNED:
		how.flags |= P2PBUF_IMPORT_ALIGNED;
		return 0;
	case OPTION_NO_PEER:
		how.flags |= P2PBUF_IMPORT_NO_PEER2PEER;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_words(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			importer_word = arg;
		else if (state->arg_num == 1)
			source_word = arg;
		else
			argp_error(state, "\"%s\" is one argument too many", arg);
		return 0;
	case ARGP_KEY_END:
		if (!source_word)
			argp_error(state, "IMPORTER and SOURCE are missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Children of the subcommands' own. */
const struct argp import_argp = { .options = options, .parser = parse_how };

static const struct argp_child import_child[] = { { .argp = &import_argp }, { } };

const struct argp session_argp = { .parser = parse_words, .children = import_child };

int open_importer(const char *function, char bdf[BDF_ROOM])
{
	int ret;

	ret = find_function(function, bdf);
	if (!ret)
		ret = version_check();
	return ret ? -ret : open_node(IMPORTER, bdf);
}

/* Nothing is mapped yet; @session->importer is open. */
int import_source(struct session *session, const char *source)
{
	struct p2pbuf_import args = how;
	int ret;

	session->source = source;
	session->fd = open_source(source);
	if (session->fd < 0)
		return -session->fd;
	args.fd = session->fd;
	ret = import_by(session->importer, &args);
	if (ret)
		return refused(CALL_IMPORT, -ret);
	session->handle = args.handle;
	return EXIT_FINE;
}

int map_session(struct session *session)
{
	int ret;

	ret = map_handle(session->importer, session->handle);
	if (ret)
		return refused(CALL_MAP, -ret);
	ret = query_handle(session->importer, session->handle, &session->query, NULL, 0);
	return ret ? refused(CALL_QUERY, -ret) : EXIT_FINE;
}

/* As the command line says. */
int open_session(struct session *session)
{
	int ret;

	session->importer = open_importer(importer_word, session->bdf);
	if (session->importer < 0)
		return -session->importer;
	ret = import_source(session, source_word);
	return ret ? ret : map_session(session);
}

bool may_read(const struct session *session)
{
	return session->query.access & P2PBUF_ACCESS_READ;
}

bool may_write(const struct session *session)
{
	return session->query.access & P2PBUF_ACCESS_WRITE;
}

struct json_object *describe_session(const struct session *session)
{
	struct json_object *document = must_have(json_object_new_object());
	const struct p2pbuf_query *query = &session->query;
	struct stat stat;

	json_add_string(document, "importer", session->bdf);
	json_add_string(document, "source", session->source);
	if (!fstat(session->fd, &stat))
		json_add_number(document, "inode", stat.st_ino);
	json_add_number(document, "bytes", query->size);
	json_add_string(document, "interconnect", interconnects[query->interconnect]);
	json_add_string(document, "flow", flows[how.flow]);
	json_add_string(document, "access", accesses[query->access & ACCESS_ALL]);
	json_add_string(document, "route", route_name(query->route));
	json_add_number(document, "ranges", query->nr_ranges);
	json_add_number(document, "merged", query->nr_merged);
	json_add_number(document, "segments", query->nr_segments);
	return document;
}

/* An exporter that does not tell has neither route nor ranges. */
void show_session(struct json_object *document)
{
	printf("%s of %s (inode %lu) mapped for %s by %s\n",
	       size_text(json_number(document, "bytes")), json_string(document, "source"),
	       json_number(document, "inode"), json_string(document, "importer"),
	       json_string(document, "interconnect"));
	if (json_number(document, "ranges"))
		printf("route %s%s%s, ranges %lu, merged %lu, ", paint(PAINT_GOOD),
		       json_string(document, "route"), paint(PAINT_OFF),
		       json_number(document, "ranges"), json_number(document, "merged"));
	else
		fputs("the exporter does not tell its ranges, ", stdout);
	printf("DMA segments %lu\n", json_number(document, "segments"));
}
