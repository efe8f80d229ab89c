// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf events: revoke and restore of DMABUFs as they happen. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dmabuf.h"

enum { OPTION_COUNT = 0x300 };

static const char *importer_word;
static char **source_words;
static unsigned int nr_sources;
static uint64_t wanted;

static const struct argp_option options[] = {
	{ "count", OPTION_COUNT, "N", 0, "End after N events", 0 },
	{ }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case OPTION_COUNT:
		if (!parse_size(arg, &wanted) || !wanted)
			argp_error(state, "--count: \"%s\" is no number of events", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0) {
			importer_word = arg;
			return 0;
		}
		if (!source_words)
			source_words = must_have(calloc(state->argc, sizeof(*source_words)));
		source_words[nr_sources++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (!nr_sources)
			argp_error(state, "IMPORTER and SOURCE are missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/**
 * struct watched - a DMABUF that is waited for
 * @session: its import
 * @has_access: what is known of it
 */
struct watched {
	struct session session;
	bool has_access;
};

static uint64_t nr_shown;

/* A line, in either form; others may read it while we wait for more. */
static void tell(const struct session *session, const char *event)
{
	struct json_object *object;
	struct timespec time;

	nr_shown++;
	clock_gettime(CLOCK_REALTIME, &time);
	if (!output_json) {
		printf("%ld.%06ld %s %s%s%s\n", time.tv_sec, time.tv_nsec / 1000,
		       session->source ?: session->bdf, paint(PAINT_HEAD), event,
		       paint(PAINT_OFF));
		fflush(stdout);
		return;
	}
	object = must_have(json_object_new_object());
	json_object_object_add(object, "time",
			       json_object_new_double(time.tv_sec + time.tv_nsec / 1e9));
	json_add_string(object, "source", session->source);
	json_add_string(object, "event", event);
	json_add_number(object, "number", session->query.nr_events);
	document_line("events", object);
}

/* Whether a map succeeds is what access means. */
static bool try_map(struct watched *watched)
{
	struct session *session = &watched->session;

	unmap_handle(session->importer, session->handle);
	return !map_handle(session->importer, session->handle);
}

static int query(struct session *session)
{
	int ret;

	ret = query_handle(session->importer, session->handle, &session->query, NULL, 0);
	return ret ? refused(CALL_QUERY, -ret) : EXIT_FINE;
}

/*
 * What happened since the last time. An exporter that takes access away gives it back
 * later, and tells both; one that moves its buffer tells once.
 */
static int look(struct watched *watched)
{
	unsigned int before = watched->session.query.nr_events, seen, i;
	bool has_access, alternates;
	int ret;

	ret = query(&watched->session);
	if (ret || watched->session.query.nr_events == before)
		return ret;
	do {
		seen = watched->session.query.nr_events;
		has_access = try_map(watched);
		ret = query(&watched->session);
		if (ret)
			return ret;
	} while (watched->session.query.nr_events != seen);

	alternates = (seen - before) % 2 == (has_access != watched->has_access);
	if (!alternates) {
		for (i = before; i != seen; i++)
			tell(&watched->session, "invalidated");
	} else {
		for (i = before; i != seen; i++) {
			watched->has_access = !watched->has_access;
			tell(&watched->session, watched->has_access ? "restored" : "revoked");
		}
	}
	watched->has_access = has_access;
	return EXIT_FINE;
}

static int open_all(struct watched *all)
{
	char bdf[BDF_ROOM];
	unsigned int i;
	int importer, ret;

	importer = open_importer(importer_word, bdf);
	if (importer < 0)
		return -importer;
	for (i = 0; i < nr_sources; i++) {
		struct session *session = &all[i].session;

		session->importer = importer;
		memcpy(session->bdf, bdf, sizeof(bdf));
		ret = import_source(session, source_words[i]);
		if (ret)
			return ret;
		all[i].has_access = !map_handle(importer, session->handle);
		ret = query(session);
		if (ret)
			return ret;
		tell(session, all[i].has_access ? "watching" : "watching, revoked");
	}
	nr_shown = 0;
	return EXIT_FINE;
}

static int watch(struct watched *all)
{
	struct pollfd fds[2] = {
		{ .fd = all[0].session.importer, .events = POLLPRI },
		{ .fd = catch_ends(), .events = POLLIN },
	};
	struct session gone = all[0].session;
	unsigned int i;
	int ret;

	while (!wanted || nr_shown < wanted) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			break;
		if (fds[0].revents & POLLHUP) {
			gone.source = NULL;
			tell(&gone, "importer gone");
			break;
		}
		for (i = 0; i < nr_sources; i++) {
			ret = look(&all[i]);
			if (ret)
				return ret;
		}
	}
	return EXIT_FINE;
}

static const char doc[] =
	"Import DMABUFs and print a line whenever the exporter takes access away or gives it "
	"back, until a signal or the importer's removal ends this. With --json each line is a "
	"document.\v" SOURCE_HELP "\n"
	"Examples:\n"
	"  p2pbuf events 0000:02:00.0 socket:/run/buffer\n"
	"  p2pbuf events 0000:02:00.0 pid:1234:5 pid:1234:6 --count 2 --json";

int run_events(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &import_argp }, { .argp = &output_argp }, { }
	};
	static const struct argp argp = {
		.options = options, .parser = parse, .args_doc = "IMPORTER SOURCE...",
		.doc = doc, .children = children,
	};
	struct watched *all;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	all = must_have(calloc(nr_sources, sizeof(*all)));
	ret = open_all(all);
	if (!ret)
		ret = watch(all);
	free(all);
	return ret;
}
