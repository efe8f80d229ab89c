// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command p2pbuf: what it prints, its documents, its exit statuses, and what it leaves
 * behind. What the drivers make of its calls is other tests' matter.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>
#include <linux/dma-buf.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

/* As cli/cli.h has them. */
enum { FINE, BAD, USAGE, MISSING, REFUSED, OTHER_VERSION };

#define SOCKET		"/tmp/cli.socket"
#define ERRORS		"/tmp/cli.errors"
#define RANGES		"96K+16K,32K+16K,0+16K,0x10000-80K"
#define SIZE		(16 * PAGE)

/**
 * struct run - a run of the command
 * @status: its exit status
 * @out: what it printed
 * @errors: likewise, on stderr
 */
struct run {
	int status;
	char out[16384];
	char errors[4096];
};

/* By a shell; "p2pbuf " is put before. */
static void __attribute__((format(printf, 2, 3)))
run_command(struct run *run, const char *format, ...)
{
	char command[1024], line[1200];
	size_t used;
	va_list args;
	FILE *pipe;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	snprintf(line, sizeof(line), "exec 2>" ERRORS "; p2pbuf %s", command);

	*run = (struct run){ .status = -1 };
	fflush(NULL);
	pipe = popen(line, "r");
	if (!pipe)
		return;
	used = fread(run->out, 1, sizeof(run->out) - 1, pipe);
	run->out[used] = '\0';
	status = pclose(pipe);
	run->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	read_file(ERRORS, run->errors, sizeof(run->errors));
}

/* What belongs to the subcommand in the one document that @out is; NULL if it is none. */
static struct json_object *parse_document(const char *out, const char *command)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *whole;
	size_t end;

	whole = json_tokener_parse_ex(tokener, out, strlen(out));
	end = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	if (!whole || strspn(out + end, "\n") != strlen(out + end) ||
	    json_object_get_int(json_object_object_get(whole, "schema")) != 1 ||
	    strcmp(command, json_object_get_string(json_object_object_get(whole, "command")) ?:
			    ""))
		return NULL;
	return json_object_object_get(whole, command);
}

static struct json_object *document_of(const struct run *run, const char *command)
{
	return parse_document(run->out, command);
}

static const char *text(struct json_object *object, const char *key)
{
	return json_object_get_string(json_object_object_get(object, key)) ?: "";
}

static uint64_t number(struct json_object *object, const char *key)
{
	return json_object_get_uint64(json_object_object_get(object, key));
}

static bool flag(struct json_object *object, const char *key)
{
	return json_object_get_boolean(json_object_object_get(object, key));
}

static bool is_reachable(void)
{
	return expected_route() != P2PBUF_ROUTE_UNKNOWN;
}

/*
 * Everywhere
 */

FIXTURE(command)
{
	struct run run;
	int attachments;
};

FIXTURE_SETUP(command)
{
}

/* Nothing is left, and the functions have their drivers. */
FIXTURE_TEARDOWN(command)
{
	EXPECT_EQ(0, count_buffers("p2pbuf_exporter", &self->attachments));
	EXPECT_TRUE(is_bound("p2pbuf_exporter", exporter_bdf()));
	EXPECT_TRUE(is_bound("p2pbuf_importer", importer_bdf()));
	EXPECT_EQ(0, bind_both());
}

TEST_F(command, version)
{
	char version[64], expected[256];

	ASSERT_LT(0, read_file("/sys/module/p2pbuf/version", version, sizeof(version)));
	snprintf(expected, sizeof(expected), "p2pbuf %smodules %s", version, version);
	run_command(&self->run, "--version");
	EXPECT_EQ(FINE, self->run.status);
	EXPECT_STREQ(expected, self->run.out);
	run_command(&self->run, "audit --version");
	EXPECT_STREQ(expected, self->run.out);
}

#define MODULE	"/sys/module/p2pbuf"

/* With a file of another version over the modules' own, and with none. */
TEST_F(command, version_mismatch)
{
	ASSERT_EQ(0, run_shell("echo 0.0 > /tmp/version"));
	run_command(&self->run,
		    "--version >/dev/null; unshare -m sh -c 'mount --bind /tmp/version " MODULE
		    "/version && p2pbuf regions %s'", exporter_bdf());
	EXPECT_EQ(OTHER_VERSION, self->run.status);
	EXPECT_NE(NULL, strstr(self->run.errors, "the modules loaded are 0.0"));
	run_command(&self->run,
		    "--version >/dev/null; unshare -m sh -c 'mount -t tmpfs none " MODULE
		    " && p2pbuf regions %s'", exporter_bdf());
	EXPECT_EQ(MISSING, self->run.status);
	EXPECT_NE(NULL, strstr(self->run.errors, "modprobe p2pbuf_exporter"));
}

TEST_F(command, help)
{
	static const char * const names[] = {
		"regions", "bind", "unbind", "export", "revoke", "import", "audit", "verify",
		"bench", "events",
	};
	char example[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(example, sizeof(example), "\n  p2pbuf %s 0000:", names[i]);
		run_command(&self->run, "%s --help", names[i]);
		EXPECT_EQ(FINE, self->run.status);
		EXPECT_NE(NULL, strstr(self->run.out, example))
			TH_LOG("%s", names[i]);
	}
	run_command(&self->run, "--help");
	EXPECT_EQ(FINE, self->run.status);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_NE(NULL, strstr(self->run.out, names[i]));
}

/* %s is the exporter's function; the importer's is $P2PBUF_IMPORTER. */
TEST_F(command, usage)
{
	static const char * const lines[] = {
		"", "no-such-command", "regions", "regions x", "regions %s 2", "regions --no",
		"bind %s", "bind %s other", "unbind", "unbind %s 2", "export %s",
		"export %s 6", "export %s x", "export %s 2 4096", "export %s 2 -1+4096",
		"export %s 2 8K-4K", "export %s 2 99999999999T+4K",
		"export %s 2 --exec", "export %s 2 --clients 1",
		"export %s 2 --socket x --exec true", "revoke %s", "revoke %s x",
		"revoke %s fd:0 x", "revoke %s export:$P2PBUF_EXPORTER:2", "revoke x fd:0",
		"import $P2PBUF_IMPORTER",
		"import x export:%s:2", "import $P2PBUF_IMPORTER x",
		"import $P2PBUF_IMPORTER fd:", "import $P2PBUF_IMPORTER pid:1",
		"import $P2PBUF_IMPORTER export:%s", "import $P2PBUF_IMPORTER export:%s:2:x",
		"import $P2PBUF_IMPORTER export:%s:2 --flow x",
		"import $P2PBUF_IMPORTER export:%s:2 --access ''",
		"import $P2PBUF_IMPORTER export:%s:2 x",
		"audit $P2PBUF_IMPORTER export:%s:2 --expect x",
		"verify $P2PBUF_IMPORTER export:%s:2 --bytes 0",
		"bench $P2PBUF_IMPORTER export:%s:2 --maps 0",
		"events $P2PBUF_IMPORTER", "regions %s --color x",
	};
	char line[256];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		const char *at = strstr(lines[i], "%s");

		snprintf(line, sizeof(line), "%.*s%s%s", at ? (int)(at - lines[i]) : 255,
			 lines[i], at ? exporter_bdf() : "", at ? at + 2 : "");
		run_command(&self->run, "%s", line);
		EXPECT_EQ(USAGE, self->run.status)
			TH_LOG("p2pbuf %s: %s%s", line, self->run.out, self->run.errors);
		EXPECT_STREQ("", self->run.out);
		EXPECT_STRNE("", self->run.errors);
	}
}

TEST_F(command, missing)
{
	static const char * const lines[] = {
		"regions 0000:7f:1f.7", "bind 7f:1f.7 exporter", "unbind 0000:7f:1f.7",
		"regions $P2PBUF_IMPORTER", "import $P2PBUF_EXPORTER export:$P2PBUF_EXPORTER:2",
		"import $P2PBUF_IMPORTER fd:99", "import $P2PBUF_IMPORTER pid:1:99",
		"import $P2PBUF_IMPORTER socket:/no", "import $P2PBUF_IMPORTER fd:0",
		"export $P2PBUF_EXPORTER 2 --exec /no", "revoke $P2PBUF_EXPORTER fd:0",
		"revoke $P2PBUF_EXPORTER socket:/no", "revoke $P2PBUF_IMPORTER fd:0",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		run_command(&self->run, "%s", lines[i]);
		EXPECT_EQ(MISSING, self->run.status)
			TH_LOG("p2pbuf %s: %s", lines[i], self->run.errors);
	}
	run_command(&self->run, "regions %s", importer_bdf());
	EXPECT_NE(NULL, strstr(self->run.errors, "p2pbuf bind"));
}

TEST_F(command, regions)
{
	struct json_object *document, *region;
	uint64_t start, size;

	ASSERT_EQ(0, bar_resource(TEST_BAR, &start, &size));
	run_command(&self->run, "regions %s --json", exporter_bdf());
	ASSERT_EQ(FINE, self->run.status);
	document = document_of(&self->run, "regions");
	ASSERT_NE(NULL, document);
	EXPECT_STREQ(exporter_bdf(), text(document, "function"));
	region = json_object_array_get_idx(json_object_object_get(document, "regions"),
					   TEST_BAR);
	EXPECT_EQ(size, number(region, "bytes"));
	EXPECT_TRUE(flag(region, "exportable"));
	region = json_object_array_get_idx(json_object_object_get(document, "regions"), 0);
	EXPECT_FALSE(flag(region, "exportable"));
	EXPECT_NE(NULL, strstr(text(region, "reason"), "smaller than a page"));

	/* For people: the same, and no colours where nobody looks. */
	run_command(&self->run, "regions %s", exporter_bdf());
	EXPECT_EQ(FINE, self->run.status);
	EXPECT_NE(NULL, strstr(self->run.out, "no: smaller than a page"));
	EXPECT_EQ(NULL, strchr(self->run.out, '\033'));
	run_command(&self->run, "regions %s --color always", exporter_bdf());
	EXPECT_NE(NULL, strchr(self->run.out, '\033'));
}

/* A refusal has the call, the errno and what to do next, in either form. */
TEST_F(command, refused)
{
	struct json_object *error;

	run_command(&self->run, "export %s 2 1+1 --json", exporter_bdf());
	EXPECT_EQ(REFUSED, self->run.status);
	error = json_object_object_get(document_of(&self->run, "export"), "error");
	ASSERT_NE(NULL, error);
	EXPECT_STREQ("export", text(error, "call"));
	EXPECT_STREQ("EDOM", text(error, "errno"));
	EXPECT_NE(NULL, strstr(self->run.errors, text(error, "hint")));
	EXPECT_NE(NULL, strstr(self->run.errors, text(error, "text")));
}

TEST_F(command, exec)
{
	run_command(&self->run,
		    "export %s 2 0+64K --exec sh -c "
		    "'readlink /proc/self/fd/$P2PBUF_DMABUF_FD; exit 7'", exporter_bdf());
	EXPECT_EQ(7, self->run.status);
	EXPECT_EQ(0, strncmp(self->run.out, "/dmabuf:", 8));
}

/*
 * Bind and unbind
 */

static const char *override_of(const char *bdf)
{
	static char content[64];
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", bdf);
	read_file(path, content, sizeof(content));
	return content;
}

TEST_F(command, bind_unbind)
{
	const char *bdf = exporter_bdf();
	struct json_object *document;

	run_command(&self->run, "unbind %s --json", bdf);
	ASSERT_EQ(FINE, self->run.status);
	document = document_of(&self->run, "unbind");
	EXPECT_STREQ("p2pbuf_exporter", text(document, "before"));
	EXPECT_EQ(NULL, json_object_object_get(document, "driver"));
	EXPECT_FALSE(has_driver(bdf));
	EXPECT_STREQ("(null)\n", override_of(bdf));

	run_command(&self->run, "unbind %s", bdf);
	EXPECT_EQ(MISSING, self->run.status);
	run_command(&self->run, "regions %s", bdf);
	EXPECT_EQ(MISSING, self->run.status);

	run_command(&self->run, "bind %s exporter --json", bdf);
	ASSERT_EQ(FINE, self->run.status);
	document = document_of(&self->run, "bind");
	EXPECT_STREQ("p2pbuf_exporter", text(document, "driver"));
	EXPECT_TRUE(is_bound("p2pbuf_exporter", bdf));
	EXPECT_STREQ("p2pbuf_exporter\n", override_of(bdf));

	/* Once more is no error. */
	run_command(&self->run, "bind %s exporter", bdf);
	EXPECT_EQ(FINE, self->run.status);
}

/* The kernel chooses the importer's driver for its function by itself. */
TEST_F(command, unbind_restore)
{
	run_command(&self->run, "bind %s exporter --from p2pbuf_importer", importer_bdf());
	ASSERT_EQ(FINE, self->run.status);
	EXPECT_TRUE(is_bound("p2pbuf_exporter", importer_bdf()));
	run_command(&self->run, "unbind %s --restore", importer_bdf());
	EXPECT_EQ(FINE, self->run.status);
	EXPECT_TRUE(is_bound("p2pbuf_importer", importer_bdf()));
	EXPECT_STREQ("(null)\n", override_of(importer_bdf()));
}

/* The importer does not take a function that is no edu. */
TEST_F(command, bind_undone)
{
	const char *bdf = exporter_bdf();

	run_command(&self->run, "bind %s importer --from p2pbuf_exporter", bdf);
	EXPECT_EQ(REFUSED, self->run.status);
	EXPECT_NE(NULL, strstr(self->run.errors, "it is as it was"));
	EXPECT_TRUE(is_bound("p2pbuf_exporter", bdf));
	EXPECT_STREQ("p2pbuf_exporter\n", override_of(bdf));
}

/* Another driver's function is left alone, all the more so if it is in use. */
TEST_F(command, bind_refused)
{
	const char *bdf = importer_bdf();
	char user[96];
	int importer;

	run_command(&self->run, "bind %s exporter", bdf);
	EXPECT_EQ(REFUSED, self->run.status);
	EXPECT_NE(NULL, strstr(self->run.errors, "--from p2pbuf_importer"));
	run_command(&self->run, "bind %s exporter --from nobody", bdf);
	EXPECT_EQ(REFUSED, self->run.status);

	importer = open_importer();
	ASSERT_GE(importer, 0);
	snprintf(user, sizeof(user), "process %d (test_cli) has p2pbuf-importer-", getpid());
	run_command(&self->run, "bind %s exporter --from p2pbuf_importer", bdf);
	EXPECT_EQ(REFUSED, self->run.status);
	EXPECT_NE(NULL, strstr(self->run.errors, user))
		TH_LOG("%s", self->run.errors);
	EXPECT_TRUE(is_bound("p2pbuf_importer", bdf));

	run_command(&self->run, "bind %s exporter --force", bdf);
	EXPECT_EQ(FINE, self->run.status);
	EXPECT_TRUE(is_bound("p2pbuf_exporter", bdf));
	close(importer);
	run_command(&self->run, "unbind %s --restore", bdf);
	EXPECT_EQ(FINE, self->run.status);
}

/*
 * In the background
 */

/* By a shell, which it takes the place of. */
static pid_t __attribute__((format(printf, 2, 3)))
start_command(int *out, const char *format, ...)
{
	char command[512], line[600];
	va_list args;
	int ends[2];
	pid_t pid;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	snprintf(line, sizeof(line), "exec p2pbuf %s", command);
	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(ends[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", line, NULL);
		_exit(127);
	}
	close(ends[1]);
	*out = ends[0];
	return pid;
}

/* All that there is until the next empty read; a line, or a document in one write. */
static const char *read_some(int out, char *some, size_t size)
{
	ssize_t used = read(out, some, size - 1);

	some[used > 0 ? used : 0] = '\0';
	return some;
}

static int end_command(pid_t pid, int signal)
{
	int status;

	if (signal)
		kill(pid, signal);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* By pid and descriptor, until a signal ends it. */
TEST_F(command, export_kept)
{
	struct json_object *document;
	char link[64], target[64] = "";
	pid_t pid;
	int out;

	pid = start_command(&out, "export %s 2 1M+64K --json", exporter_bdf());
	ASSERT_GT(pid, 0);
	document = parse_document(read_some(out, self->run.out, sizeof(self->run.out)),
				  "export");
	ASSERT_NE(NULL, document);
	EXPECT_EQ(pid, number(document, "pid"));
	EXPECT_EQ(SIZE, number(document, "bytes"));
	snprintf(link, sizeof(link), "/proc/%d/fd/%lu", pid, number(document, "fd"));
	EXPECT_LT(0, readlink(link, target, sizeof(target)));
	EXPECT_EQ(0, strncmp(target, "/dmabuf:", 8));
	EXPECT_EQ(1, count_buffers("p2pbuf_exporter", &self->attachments));

	run_command(&self->run, "import %s pid:%d:%lu --json", importer_bdf(), pid,
		    number(document, "fd"));
	EXPECT_EQ(is_reachable() ? FINE : REFUSED, self->run.status);
	EXPECT_EQ(FINE, end_command(pid, SIGTERM));
	close(out);
}

TEST_F(command, export_socket)
{
	struct stat stat_of = { };
	pid_t pid;
	int out;

	pid = start_command(&out, "export %s 2 0+64K --socket " SOCKET, exporter_bdf());
	ASSERT_GT(pid, 0);
	EXPECT_NE(NULL, strstr(read_some(out, self->run.out, sizeof(self->run.out)),
			       "socket:" SOCKET));
	EXPECT_EQ(0, stat(SOCKET, &stat_of));
	EXPECT_EQ(S_IFSOCK | 0600, stat_of.st_mode);

	run_command(&self->run, "import %s socket:" SOCKET, importer_bdf());
	EXPECT_EQ(is_reachable() ? FINE : REFUSED, self->run.status);
	/* It is taken. */
	run_command(&self->run, "export %s 2 --socket " SOCKET, exporter_bdf());
	EXPECT_EQ(REFUSED, self->run.status);

	EXPECT_EQ(FINE, end_command(pid, SIGINT));
	EXPECT_EQ(-1, access(SOCKET, F_OK));
	close(out);
}

TEST_F(command, export_clients)
{
	pid_t pid;
	int out;

	pid = start_command(&out, "export %s 2 0+64K --socket " SOCKET " --clients 1",
			    exporter_bdf());
	ASSERT_GT(pid, 0);
	read_some(out, self->run.out, sizeof(self->run.out));
	run_command(&self->run, "import %s socket:" SOCKET, importer_bdf());
	EXPECT_EQ(is_reachable() ? FINE : REFUSED, self->run.status);
	EXPECT_EQ(FINE, end_command(pid, 0));
	EXPECT_EQ(-1, access(SOCKET, F_OK));
	close(out);
}

/* What was lent to one client is taken back, and nobody else's. */
TEST_F(command, revoke)
{
	struct json_object *document, *error;
	char kept[64];
	pid_t pids[2];
	int outs[2];

	pids[0] = start_command(&outs[0], "export %s 2 0+64K --socket " SOCKET, exporter_bdf());
	ASSERT_GT(pids[0], 0);
	read_some(outs[0], self->run.out, sizeof(self->run.out));
	pids[1] = start_command(&outs[1], "export %s 2 0+64K --json", exporter_bdf());
	ASSERT_GT(pids[1], 0);
	document = parse_document(read_some(outs[1], self->run.out, sizeof(self->run.out)),
				  "export");
	snprintf(kept, sizeof(kept), "pid:%d:%lu", pids[1], number(document, "fd"));

	run_command(&self->run, "revoke %s socket:" SOCKET " --json", exporter_bdf());
	EXPECT_EQ(FINE, self->run.status)
		TH_LOG("%s", self->run.errors);
	document = document_of(&self->run, "revoke");
	ASSERT_NE(NULL, document);
	EXPECT_STREQ(exporter_bdf(), text(document, "function"));
	EXPECT_STREQ("socket:" SOCKET, text(document, "source"));
	EXPECT_NE(0, number(document, "inode"));

	/* For good, so that the answer is the same after an event. */
	EXPECT_EQ(0, reset_function(exporter_bdf()));
	run_command(&self->run, "import %s socket:" SOCKET " --json", importer_bdf());
	EXPECT_EQ(REFUSED, self->run.status);
	error = json_object_object_get(document_of(&self->run, "import"), "error");
	EXPECT_STREQ("ENODEV", text(error, "errno"));
	EXPECT_NE(NULL, strstr(text(error, "text"), "taken access away"));
	EXPECT_NE(NULL, strstr(text(error, "hint"), "p2pbuf revoke"));

	run_command(&self->run, "import %s %s", importer_bdf(), kept);
	EXPECT_EQ(is_reachable() ? FINE : REFUSED, self->run.status);

	/* Once more is no error, and to people it says what holds. */
	run_command(&self->run, "revoke %s socket:" SOCKET, exporter_bdf());
	EXPECT_EQ(FINE, self->run.status);
	EXPECT_NE(NULL, strstr(self->run.out, "access is gone, for good"));

	EXPECT_EQ(FINE, end_command(pids[0], SIGTERM));
	EXPECT_EQ(FINE, end_command(pids[1], SIGTERM));
	close(outs[0]);
	close(outs[1]);
}

/*
 * A DMABUF of the test's
 */

FIXTURE(buffer)
{
	struct run run;
	int exporter;
	int fd;
	char source[32];
};

FIXTURE_SETUP(buffer)
{
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->fd = export_simple(self->exporter, 0, SIZE);
	ASSERT_GE(self->fd, 0);
	snprintf(self->source, sizeof(self->source), "pid:%d:%d", getpid(), self->fd);
}

FIXTURE_TEARDOWN(buffer)
{
	close(self->fd);
	close(self->exporter);
}

/* No route, where there is none: the export is fine, the import says why not. */
TEST_F(buffer, import)
{
	struct json_object *document;

	run_command(&self->run, "import %s export:%s:2:" RANGES " --segments --json",
		    importer_bdf(), exporter_bdf());
	document = document_of(&self->run, "import");
	ASSERT_NE(NULL, document);
	if (!is_reachable()) {
		EXPECT_EQ(REFUSED, self->run.status);
		document = json_object_object_get(document, "error");
		EXPECT_STREQ("EREMOTEIO", text(document, "errno"));
		EXPECT_NE(NULL, strstr(text(document, "hint"), "p2pbuf topo"));
		return;
	}
	EXPECT_EQ(FINE, self->run.status);
	EXPECT_STREQ(route_name(expected_route()), text(document, "route"));
	EXPECT_EQ(4, number(document, "ranges"));
	EXPECT_EQ(4, number(document, "merged"));
	EXPECT_EQ(SIZE, number(document, "bytes"));
	EXPECT_EQ(number(document, "segments"),
		  json_object_array_length(json_object_object_get(document, "list")));
}

TEST_F(buffer, inherited)
{
	int fd = dup(self->fd);

	if (!is_reachable())
		SKIP(return, "the pair is unreachable");
	run_command(&self->run, "import %s fd:%d --interconnect sgt --json", importer_bdf(), fd);
	EXPECT_EQ(FINE, self->run.status);
	EXPECT_STREQ("sgt", text(document_of(&self->run, "import"), "interconnect"));
	close(fd);
}

TEST_F(buffer, audit)
{
	struct json_object *document, *place;

	if (!is_reachable())
		SKIP(return, "the pair is unreachable");
	run_command(&self->run, "audit %s export:%s:2:" RANGES " --places --json",
		    importer_bdf(), exporter_bdf());
	EXPECT_EQ(FINE, self->run.status);
	document = document_of(&self->run, "audit");
	ASSERT_NE(NULL, document);
	EXPECT_STREQ("peer-to-peer", text(document, "verdict"));
	EXPECT_TRUE(flag(document, "right"));
	ASSERT_EQ(4, json_object_array_length(json_object_object_get(document, "places")));
	place = json_object_array_get_idx(json_object_object_get(document, "places"), 1);
	EXPECT_EQ(4 * PAGE, number(place, "offset"));
	EXPECT_STREQ(exporter_bdf(), text(place, "function"));
	EXPECT_EQ(TEST_BAR, number(place, "bar"));
	EXPECT_EQ(8 * PAGE, number(place, "bar_offset"));

	run_command(&self->run, "audit %s %s --expect ram", importer_bdf(), self->source);
	EXPECT_EQ(BAD, self->run.status);
}

/* All of the buffer, and what was there is there again. */
TEST_F_TIMEOUT(buffer, verify, GUEST_TIMEOUT)
{
	struct json_object *document;
	size_t where;
	uint8_t *cpu;

	if (!is_reachable())
		SKIP(return, "the pair is unreachable");
	cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, cpu);
	pattern_fill(cpu, SIZE, 5, 0);
	run_command(&self->run, "verify %s %s --json", importer_bdf(), self->source);
	EXPECT_EQ(0, pattern_check(cpu, SIZE, 5, 0, &where));
	munmap(cpu, SIZE);
	document = document_of(&self->run, "verify");
	ASSERT_NE(NULL, document);
	if (!data_arrives()) {
		EXPECT_EQ(BAD, self->run.status);
		EXPECT_STREQ("EIO", text(json_object_object_get(document, "error"), "errno"));
		return;
	}
	EXPECT_EQ(FINE, self->run.status);
	EXPECT_TRUE(flag(document, "verified"));
	EXPECT_TRUE(flag(document, "cpu_view"));
	EXPECT_EQ(SIZE, number(document, "read"));
	EXPECT_EQ(SIZE, number(document, "written"));
	EXPECT_EQ(0, number(document, "wrong") + number(document, "unproven"));
}

/* Of a large buffer, the first and the last page are in the sample. */
TEST_F_TIMEOUT(buffer, verify_sample, GUEST_TIMEOUT)
{
	struct json_object *document;

	if (!is_reachable() || !data_arrives())
		SKIP(return, "no data arrives");
	run_command(&self->run, "verify %s export:%s:2 --bytes 16K --json", importer_bdf(),
		    exporter_bdf());
	EXPECT_EQ(FINE, self->run.status);
	document = document_of(&self->run, "verify");
	EXPECT_GE(4 * PAGE, number(document, "read"));
	EXPECT_LE(2 * PAGE, number(document, "read"));
	EXPECT_EQ(number(document, "sampled"), number(document, "read"));
}

/* The CPU cannot write it, devices may not. */
TEST_F_TIMEOUT(buffer, read_only, GUEST_TIMEOUT)
{
	struct p2pbuf_range range = { 0, PAGE };
	struct json_object *document;
	int fd;

	if (!is_reachable())
		SKIP(return, "the pair is unreachable");
	fd = export_ranges(self->exporter, TEST_BAR, &range, 1, O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	run_command(&self->run, "verify %s pid:%d:%d --json", importer_bdf(), getpid(), fd);
	EXPECT_EQ(REFUSED, self->run.status);
	document = json_object_object_get(document_of(&self->run, "verify"), "error");
	EXPECT_STREQ("EACCES", text(document, "errno"));
	EXPECT_NE(NULL, strstr(text(document, "hint"), "--access read"));

	/* Zeros prove nothing. */
	if (data_arrives()) {
		uint8_t *cpu = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);

		ASSERT_NE(MAP_FAILED, cpu);
		memset(cpu, 0, PAGE);
		run_command(&self->run, "verify %s pid:%d:%d --access read --json",
			    importer_bdf(), getpid(), fd);
		EXPECT_EQ(BAD, self->run.status);
		document = document_of(&self->run, "verify");
		EXPECT_EQ(PAGE, number(document, "unproven"));
		EXPECT_EQ(0, number(document, "wrong"));
		pattern_fill(cpu, PAGE, 1, 0);
		run_command(&self->run, "verify %s pid:%d:%d --access read", importer_bdf(),
			    getpid(), fd);
		EXPECT_EQ(FINE, self->run.status);
		munmap(cpu, PAGE);
	}
	close(fd);
}

TEST_F_TIMEOUT(buffer, bench, GUEST_TIMEOUT)
{
	struct json_object *document, *times;

	if (!is_reachable())
		SKIP(return, "the pair is unreachable");
	run_command(&self->run, "bench %s %s --maps 10 --copies %d --bytes 4K --json",
		    importer_bdf(), self->source, data_arrives());
	EXPECT_EQ(FINE, self->run.status);
	document = document_of(&self->run, "bench");
	ASSERT_NE(NULL, document);
	EXPECT_EQ(10, number(document, "maps"));
	times = json_object_object_get(document, "map");
	EXPECT_LT(0, number(times, "least_ns"));
	EXPECT_LE(number(times, "least_ns"), number(times, "median_ns"));
	EXPECT_LE(number(times, "median_ns"), number(times, "most_ns"));
	if (data_arrives())
		EXPECT_LT(0, number(document, "read_ns"));
}

/* Each is a document of its own, and there as soon as it happened. */
TEST_F(buffer, events)
{
	static const char * const expected[] = {
		"watching", "revoked", "restored", "invalidated",
	};
	struct json_object *document;
	unsigned int seen = 0;
	char *line, *end;
	pid_t pid;
	int out;

	if (!is_reachable())
		SKIP(return, "the pair is unreachable");
	pid = start_command(&out, "events %s %s --count 3 --json", importer_bdf(),
			    self->source);
	ASSERT_GT(pid, 0);
	while (*read_some(out, self->run.out, sizeof(self->run.out))) {
		for (line = self->run.out; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			document = parse_document(line, "events");
			ASSERT_LT(seen, ARRAY_SIZE(expected));
			EXPECT_STREQ(expected[seen], text(document, "event"));
			EXPECT_STREQ(self->source, text(document, "source"));
			if (seen == 0)
				EXPECT_EQ(0, reset_function(exporter_bdf()));
			if (seen == 2)
				EXPECT_EQ(0, move_buffer(self->fd, -1));
			seen++;
		}
	}
	EXPECT_EQ(ARRAY_SIZE(expected), seen);
	EXPECT_EQ(FINE, end_command(pid, 0));
	close(out);
}

TEST_F(buffer, events_end)
{
	char lines[1024] = "";
	pid_t pid;
	int out;

	if (!is_reachable())
		SKIP(return, "the pair is unreachable");
	pid = start_command(&out, "events %s %s", importer_bdf(), self->source);
	ASSERT_GT(pid, 0);
	read_some(out, self->run.out, sizeof(self->run.out));
	EXPECT_EQ(0, unbind_driver(importer_bdf()));
	read_some(out, lines, sizeof(lines));
	EXPECT_NE(NULL, strstr(lines, "importer gone"));
	EXPECT_EQ(FINE, end_command(pid, 0));
	run_command(&self->run, "bind %s importer", importer_bdf());
	EXPECT_EQ(FINE, self->run.status);
	run_command(&self->run, "unbind %s --restore", importer_bdf());
	EXPECT_EQ(FINE, self->run.status);
	close(out);
}

/* Who watches is told once: it does not come back with the next event. */
TEST_F(buffer, events_of_revoke)
{
	static const char * const expected[] = {
		" watching\n", " watching\n", " revoked\n", " revoked\n", " restored\n",
	};
	char sources[2][32], lines[1024] = "", *at = lines;
	const char *source;
	size_t used = 0;
	unsigned int i;
	int out, other;
	pid_t pid;

	if (!is_reachable())
		SKIP(return, "the pair is unreachable");
	other = export_simple(self->exporter, 0, SIZE);
	ASSERT_GE(other, 0);
	strcpy(sources[0], self->source);
	snprintf(sources[1], sizeof(sources[1]), "pid:%d:%d", getpid(), other);
	pid = start_command(&out, "events %s %s %s --count 3", importer_bdf(), sources[0],
			    sources[1]);
	ASSERT_GT(pid, 0);
	while (!strstr(lines, sources[1]))
		used += strlen(read_some(out, lines + used, sizeof(lines) - used));

	run_command(&self->run, "revoke %s %s", exporter_bdf(), sources[0]);
	EXPECT_EQ(FINE, self->run.status);
	while (!strstr(lines, "revoked"))
		used += strlen(read_some(out, lines + used, sizeof(lines) - used));
	EXPECT_EQ(0, reset_function(exporter_bdf()));
	while (*read_some(out, lines + used, sizeof(lines) - used))
		used += strlen(lines + used);

	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		source = sources[i != 0 && i != 2];
		at = strstr(at, source);
		ASSERT_NE(NULL, at)
			TH_LOG("line %u: %s", i, lines);
		at += strlen(source);
		EXPECT_EQ(0, strncmp(at, expected[i], strlen(expected[i])))
			TH_LOG("line %u: %s", i, lines);
	}
	EXPECT_EQ(NULL, strstr(at, "pid:"));
	EXPECT_EQ(FINE, end_command(pid, 0));
	close(out);
	close(other);
}

static bool is_revoked(int exporter)
{
	char path[64], info[1024];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", exporter);
	return read_file(path, info, sizeof(info)) > 0 && strstr(info, " state=revoked\n");
}

/* Waits for the fence of a client, until the gate is opened. */
static pid_t start_revoke(FIXTURE_DATA(buffer) *self, int *out)
{
	pid_t pid = start_command(out, "revoke %s %s --json 2>" ERRORS, exporter_bdf(),
				  self->source);

	while (!is_revoked(self->exporter))
		usleep(10000);
	return pid;
}

TEST_F(buffer, revoke_interrupted)
{
	struct json_object *error;
	int test, fence, out;
	pid_t pid;

	test = close_gate(self->fd, DMA_BUF_SYNC_WRITE, &fence);
	ASSERT_GE(test, 0);
	pid = start_revoke(self, &out);
	EXPECT_EQ(BAD, end_command(pid, SIGTERM));
	error = parse_document(read_some(out, self->run.out, sizeof(self->run.out)), "revoke");
	error = json_object_object_get(error, "error");
	ASSERT_NE(NULL, error);
	EXPECT_STREQ("EINTR", text(error, "errno"));
	EXPECT_LT(0, read_file(ERRORS, self->run.errors, sizeof(self->run.errors)));
	EXPECT_NE(NULL, strstr(self->run.errors, "access is lost all the same"));
	EXPECT_TRUE(is_revoked(self->exporter));
	close(out);

	EXPECT_EQ(0, open_gate(test, fence));
	run_command(&self->run, "revoke %s %s", exporter_bdf(), self->source);
	EXPECT_EQ(FINE, self->run.status);
}

/* Which ends the call, and not the wait. */
TEST_F(buffer, revoke_stopped)
{
	int test, fence, out;
	pid_t pid;

	test = close_gate(self->fd, DMA_BUF_SYNC_WRITE, &fence);
	ASSERT_GE(test, 0);
	pid = start_revoke(self, &out);
	EXPECT_EQ(0, kill(pid, SIGSTOP));
	EXPECT_EQ(pid, waitpid(pid, NULL, WUNTRACED));
	EXPECT_EQ(0, kill(pid, SIGCONT));
	EXPECT_EQ(0, open_gate(test, fence));
	EXPECT_EQ(FINE, end_command(pid, 0));
	close(out);
}

/*
 * Exporters with a fault
 */

static int make_rogue(int source, enum p2pbuf_test_fault fault)
{
	struct p2pbuf_test_rogue args = { .fd = source, .fault = fault };
	int test = open_test_module(), fd;

	if (test < 0)
		return test;
	fd = ioctl(test, P2PBUF_TEST_ROGUE, &args);
	close(test);
	return fd;
}

/* Of another exporter's, and of the same exporter's for another function. */
TEST_F(buffer, revoke_of_others)
{
	struct json_object *error;
	int rogue;

	rogue = make_rogue(self->fd, P2PBUF_FAULT_NONE);
	ASSERT_GE(rogue, 0);
	run_command(&self->run, "revoke %s pid:%d:%d --json", exporter_bdf(), getpid(), rogue);
	EXPECT_EQ(REFUSED, self->run.status);
	error = json_object_object_get(document_of(&self->run, "revoke"), "error");
	ASSERT_NE(NULL, error);
	EXPECT_STREQ("EXDEV", text(error, "errno"));
	EXPECT_NE(NULL, strstr(text(error, "hint"), "inode"));
	close(rogue);

	run_command(&self->run, "bind %s exporter --from p2pbuf_importer", importer_bdf());
	ASSERT_EQ(FINE, self->run.status);
	run_command(&self->run, "revoke %s %s", importer_bdf(), self->source);
	EXPECT_EQ(REFUSED, self->run.status);
	EXPECT_NE(NULL, strstr(self->run.errors, "(EXDEV)"));
	run_command(&self->run, "unbind %s --restore", importer_bdf());
	EXPECT_EQ(FINE, self->run.status);
	EXPECT_FALSE(is_revoked(self->exporter));
}

TEST_F(buffer, audit_of_faults)
{
	static const struct {
		enum p2pbuf_test_fault fault;
		const char *options;
		int status;
		const char *verdict;
	} cases[] = {
		{ P2PBUF_FAULT_NONE, "", FINE, "peer-to-peer" },
		{ P2PBUF_FAULT_RAM, "", BAD, "ram" },
		{ P2PBUF_FAULT_RAM, "--expect ram", FINE, "ram" },
		{ P2PBUF_FAULT_SHORT, "", BAD, "length" },
	};
	struct json_object *document;
	unsigned int i;
	int fd;

	if (!is_reachable())
		SKIP(return, "the pair is unreachable");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		fd = make_rogue(self->fd, cases[i].fault);
		ASSERT_GE(fd, 0);
		run_command(&self->run, "audit %s pid:%d:%d --interconnect sgt --json %s",
			    importer_bdf(), getpid(), fd, cases[i].options);
		close(fd);
		EXPECT_EQ(cases[i].status, self->run.status);
		document = document_of(&self->run, "audit");
		EXPECT_STREQ(cases[i].verdict, text(document, "verdict"));
		EXPECT_EQ(cases[i].status == FINE, flag(document, "right"));
		EXPECT_STRNE("", text(document, "sentence"));
	}

	/* To people it says where. */
	fd = make_rogue(self->fd, P2PBUF_FAULT_RAM);
	run_command(&self->run, "audit %s pid:%d:%d --interconnect sgt", importer_bdf(),
		    getpid(), fd);
	EXPECT_NE(NULL, strstr(self->run.out, "expected peer-to-peer; first at offset 0: "));
	close(fd);
}

/* It cannot be mapped for the CPU, so what is written is read back. */
TEST_F_TIMEOUT(buffer, verify_by_reading_back, GUEST_TIMEOUT)
{
	struct json_object *document;
	int fd;

	if (!is_reachable() || !data_arrives())
		SKIP(return, "no data arrives");
	fd = make_rogue(self->fd, P2PBUF_FAULT_NONE);
	ASSERT_GE(fd, 0);
	run_command(&self->run, "verify %s pid:%d:%d --interconnect sgt --bytes 4K --json",
		    importer_bdf(), getpid(), fd);
	close(fd);
	EXPECT_EQ(FINE, self->run.status);
	document = document_of(&self->run, "verify");
	EXPECT_FALSE(flag(document, "cpu_view"));
	EXPECT_TRUE(flag(document, "verified"));

	/* Nothing is there to write to. */
	fd = make_rogue(self->fd, P2PBUF_FAULT_HOLE);
	ASSERT_GE(fd, 0);
	run_command(&self->run, "verify %s pid:%d:%d --interconnect sgt --bytes 4K --json",
		    importer_bdf(), getpid(), fd);
	close(fd);
	EXPECT_EQ(BAD, self->run.status);
}

TEST_HARNESS_MAIN
