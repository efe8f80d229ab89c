/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the subcommands share that work with functions, DMABUFs and imports.
 *
 * Where a function can fail it has said why, and returns an enum exit_code; where it
 * returns a descriptor, the negative of one.
 */
#ifndef _P2PBUF_CLI_DMABUF_H
#define _P2PBUF_CLI_DMABUF_H

#include "cli.h"

/* Room for the address of a PCI function, with its NUL. */
#define BDF_ROOM	24
/* What one chunk of a copy is, and the smallest CPU page. */
#define CHUNK		4096

/* size.c: sizes as people write them */
bool parse_number(const char *text, const char **end, uint64_t *value);
bool parse_size(const char *text, uint64_t *size);
bool parse_range(const char *text, struct p2pbuf_range *range);
const char *size_text(uint64_t size);
const char *function_text(uint64_t bdf);

/* sysfs.c: 0 or -errno */
int sysfs_read(char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int sysfs_write(const char *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int sysfs_link(char *name, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* node.c: functions and their nodes */
#define EXPORTER	"exporter"
#define IMPORTER	"importer"

bool parse_function(const char *text, char bdf[BDF_ROOM]);
int find_function(const char *text, char bdf[BDF_ROOM]);
int open_node(const char *kind, const char *bdf);

/* reasons.c: what an errno of the drivers means, by the call that had it */
enum call {
	CALL_REGION_INFO,
	CALL_EXPORT,
	CALL_REVOKE,
	CALL_IMPORT,
	CALL_MAP,
	CALL_UNMAP,
	CALL_QUERY,
	CALL_COPY,
	CALL_AUDIT,
};

int refused(enum call call, int error);

/**
 * struct exported - a DMABUF of ours
 * @fd: of the DMABUF
 * @bdf: the function
 * @bar: of it
 * @size: of the DMABUF
 * @ino: its inode
 */
struct exported {
	int fd;
	char bdf[BDF_ROOM];
	unsigned int bar;
	uint64_t size;
	uint64_t ino;
};

/* ranges.c: a DMABUF of ranges as they are written, or of the whole BAR */
int export_text(const char *function, const char *bar, char *const *ranges,
		unsigned int nr, unsigned int open_flags, struct exported *exported);

/* source.c: a DMABUF, wherever it comes from */
#define SOURCE_HELP							\
	"SOURCE is a DMABUF:\n"						\
	"  export:BDF:BAR[:RANGE,...]  made here by the exporter, as by p2pbuf export\n" \
	"  pid:PID:FD                  descriptor FD of process PID\n"	\
	"  socket:PATH                 from p2pbuf export --socket PATH\n"	\
	"  fd:N                        inherited descriptor N\n"

int open_source(const char *text);

/**
 * struct session - a DMABUF imported and, from open_session() on, mapped
 * @bdf: the importer's function
 * @importer: its node
 * @fd: the DMABUF
 * @source: as it was written
 * @handle: of the import
 * @query: what the driver says of it
 */
struct session {
	char bdf[BDF_ROOM];
	int importer;
	int fd;
	const char *source;
	uint32_t handle;
	struct p2pbuf_query query;
};

/* session.c */
extern const struct argp import_argp;		/* how to import */
extern const struct argp session_argp;		/* ... and the arguments IMPORTER SOURCE */

int open_importer(const char *function, char bdf[BDF_ROOM]);
int import_source(struct session *session, const char *source);
int map_session(struct session *session);
int open_session(struct session *session);
bool may_read(const struct session *session);
bool may_write(const struct session *session);
struct json_object *describe_session(const struct session *session);
void show_session(struct json_object *document);

/* places.c: where the mapping leads, in the buffer's order */
struct places {
	struct p2pbuf_place *all;
	size_t nr;
};

int find_places(const struct session *session, struct places *places);

/* ends.c: signals that end the command, as a descriptor */
int catch_ends(void);
bool has_ended(int ends);
void wait_for_end(int ends);

/* progress.c: a bar on a terminal */
void progress(const char *what, uint64_t done, uint64_t all);

/* serve.c: descriptors over UNIX sockets */
int serve_descriptor(int fd, const char *path, unsigned int clients, int ends,
		     void (*ready)(void *context), void *context);
int fetch_descriptor(const char *path);

#endif /* _P2PBUF_CLI_DMABUF_H */
