// SPDX-License-Identifier: GPL-2.0-only
/*
 * What "p2pbuf topo" says of each pair with our exporter, predicted and answered by the
 * driver, against the kernel's own decision; and that it does not guess.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>
#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define LIST		"/usr/local/share/p2pbuf/p2pdma-allowlist"
#define OTHER_LIST	"/tmp/allowlist"
#define NOBODY		65534

static void say_topo(int out, uid_t uid, const char *options)
{
	char command[256];

	snprintf(command, sizeof(command), "p2pbuf topo --json %s", options);
	dup2(out, STDOUT_FILENO);
	if (setgid(uid) || setuid(uid))
		_exit(1);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(1);
}

/* Its document, or NULL. */
static struct json_object *topo_as(uid_t uid, const char *options)
{
	struct json_object *document;
	int out[2], status;
	pid_t child;

	if (pipe(out))
		return NULL;
	child = fork();
	if (!child)
		say_topo(out[1], uid, options);
	close(out[1]);
	document = json_object_from_fd(out[0]);
	close(out[0]);
	waitpid(child, &status, 0);
	return json_object_object_get(document, "topo");
}

static struct json_object *topo(const char *options)
{
	return topo_as(0, options);
}

static const char *text(struct json_object *object, const char *key)
{
	return json_object_get_string(json_object_object_get(object, key)) ?: "null";
}

static size_t nr_pairs(struct json_object *document)
{
	return json_object_array_length(json_object_object_get(document, "pairs"));
}

static struct json_object *pair_at(struct json_object *document, size_t index)
{
	return json_object_array_get_idx(json_object_object_get(document, "pairs"), index);
}

/* Of those that it says something of, the next pair with our exporter from @index on. */
static struct json_object *next_of_ours(struct json_object *document, size_t *index)
{
	struct json_object *pair;

	while (*index < nr_pairs(document)) {
		pair = pair_at(document, (*index)++);
		if (!strcmp(text(pair, "exporter"), exporter_bdf()))
			return pair;
	}
	return NULL;
}

static struct json_object *pair_with(struct json_object *document, const char *importer)
{
	struct json_object *pair;
	size_t i = 0;

	while ((pair = next_of_ours(document, &i)))
		if (!strcmp(text(pair, "importer"), importer))
			return pair;
	return NULL;
}

/* Why nothing through a host bridge can be predicted here, or NULL. */
static const char *list_problem(struct json_object *document)
{
	struct json_object *list = json_object_object_get(document, "allowlist");

	return json_object_get_string(json_object_object_get(list, "problem"));
}

static const char *topo_name(enum p2pbuf_route route)
{
	return route == P2PBUF_ROUTE_UNKNOWN ? "refused" : route_name(route);
}

static const char *host_of(struct json_object *document, const char *bdf)
{
	struct json_object *functions = json_object_object_get(document, "functions");
	struct json_object *function;
	size_t i;

	for (i = 0; i < json_object_array_length(functions); i++) {
		function = json_object_array_get_idx(functions, i);
		if (!strcmp(text(function, "function"), bdf))
			return text(function, "host_bridge");
	}
	return "null";
}

FIXTURE(topo)
{
	int exporter;
	int test;
	int fd;
	struct json_object *answered;
	struct json_object *predicted;
};

FIXTURE_SETUP(topo)
{
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
	self->fd = export_simple(self->exporter, 0, 4 * PAGE);
	ASSERT_GE(self->fd, 0);
	self->answered = topo("");
	ASSERT_NE(NULL, self->answered);
	self->predicted = topo("--predict");
	ASSERT_NE(NULL, self->predicted);
}

FIXTURE_TEARDOWN(topo)
{
	close(self->fd);
	close(self->test);
	close(self->exporter);
}

/* The importer's function is one of them, and AHCI's another. */
TEST_F(topo, answered_by_driver)
{
	struct json_object *pair;
	unsigned int nr = 0;
	size_t i = 0;

	while ((pair = next_of_ours(self->answered, &i))) {
		EXPECT_STREQ("driver", text(pair, "source"));
		nr++;
	}
	EXPECT_GE(nr, 2);
	pair = pair_with(self->answered, importer_bdf());
	ASSERT_NE(NULL, pair);
	EXPECT_STREQ(topo_name(expected_route()), text(pair, "route"));
}

/* Including the port that is in the way, or the host bridge. */
TEST_F(topo, predicted_as_answered)
{
	static const char *const same[] = { "route", "reason", "common", "redirecting", "why",
					    "change" };
	struct json_object *pair, *other;
	unsigned int j;
	size_t i = 0;

	if (list_problem(self->predicted))
		SKIP(return, "%s", list_problem(self->predicted));
	while ((pair = next_of_ours(self->answered, &i))) {
		other = pair_with(self->predicted, text(pair, "importer"));
		ASSERT_NE(NULL, other);
		EXPECT_STREQ("predicted", text(other, "source"));
		for (j = 0; j < ARRAY_SIZE(same); j++)
			EXPECT_STREQ(text(pair, same[j]), text(other, same[j]));
	}
}

/* The driver's words are put together from the ioctl; what it names has to be in ours. */
TEST_F(topo, reasons_name_what_the_driver_names)
{
	struct p2pbuf_route_info info;
	struct json_object *pair;
	char name[32];
	size_t i = 0;

	if (list_problem(self->predicted))
		SKIP(return, "%s", list_problem(self->predicted));
	while ((pair = next_of_ours(self->predicted, &i))) {
		ASSERT_EQ(0, ask_route(self->exporter, bdf_number(text(pair, "importer")),
				       &info));
		EXPECT_STREQ(topo_name(info.route), text(pair, "route"));
		if (info.reason == P2PBUF_ROUTE_REASON_REDIRECT) {
			snprintf(name, sizeof(name), "ACS of %04llx:%02llx:%02llx.%llx",
				 info.port >> 16, info.port >> 8 & 0xff,
				 info.port >> 3 & 0x1f, info.port & 7);
			EXPECT_NE(NULL, strstr(text(pair, "why"), name));
			EXPECT_NE(NULL, strstr(text(pair, "change"), name + strlen("ACS of ")));
		}
		if (info.route == P2PBUF_ROUTE_UNKNOWN) {
			snprintf(name, sizeof(name), "host bridge pci%04llx:%02llx",
				 info.host >> 16, info.host >> 8 & 0xff);
			EXPECT_NE(NULL, strstr(text(pair, "why"), name));
		}
	}
}

/* Its helper does not tell bus address from host bridge; struct pages do, below. */
TEST_F(topo, agrees_with_kernel_helper)
{
	struct p2pbuf_test_helper args;
	struct json_object *pair;
	const char *route;
	size_t i = 0;

	if (list_problem(self->predicted))
		SKIP(return, "%s", list_problem(self->predicted));
	while ((pair = next_of_ours(self->predicted, &i))) {
		args = (struct p2pbuf_test_helper){ .fd = self->fd };
		strncpy(args.client, text(pair, "importer"), sizeof(args.client) - 1);
		ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_HELPER, &args));
		route = text(pair, "route");
		EXPECT_EQ(!strcmp(route, "refused"), args.result == -EINVAL);
		EXPECT_EQ(!strcmp(route, "iova"), args.translated);
	}
}

TEST_F(topo, follows_acs)
{
	bool redirects = expected_route() != P2PBUF_ROUTE_BUS_ADDR;
	struct json_object *answered, *predicted;
	char port[32];

	if (common_port(port, sizeof(port)))
		SKIP(return, "no port is common to both functions");
	if (list_problem(self->predicted))
		SKIP(return, "%s", list_problem(self->predicted));

	ASSERT_EQ(0, set_redirect(port, !redirects));
	answered = pair_with(topo(""), importer_bdf());
	predicted = pair_with(topo("--predict"), importer_bdf());
	EXPECT_EQ(0, set_redirect(port, redirects));
	EXPECT_STREQ(text(answered, "route"), text(predicted, "route"));
	EXPECT_STREQ(text(answered, "why"), text(predicted, "why"));
	EXPECT_STREQ(redirects ? "none" : "redirect", text(predicted, "reason"));
	EXPECT_EQ(redirects, !strcmp("bus-address", text(predicted, "route")));
}

/* Below a common bridge, ACS decides, and others than root cannot read it. */
TEST_F(topo, unknown_without_extended_configuration_space)
{
	struct json_object *document = topo_as(NOBODY, ""), *pair, *other;
	size_t i = 0;

	ASSERT_NE(NULL, document);
	if (list_problem(self->predicted))
		SKIP(return, "%s", list_problem(self->predicted));
	while ((pair = next_of_ours(document, &i))) {
		other = pair_with(self->predicted, text(pair, "importer"));
		EXPECT_STREQ("predicted", text(pair, "source"));
		EXPECT_STREQ(text(other, "common"), text(pair, "common"));
		if (!strcmp("null", text(other, "common"))) {
			EXPECT_STREQ(text(other, "route"), text(pair, "route"));
			continue;
		}
		EXPECT_STREQ("unknown", text(pair, "route"));
		EXPECT_STREQ("null", text(pair, "reason"));
		EXPECT_NE(NULL, strstr(text(pair, "why"), "cannot be read"));
	}
}

/* What is direct stays so, the rest is unknown. */
static void expect_unknown(struct __test_metadata *_metadata, struct json_object *before,
			   const char *list, const char *why)
{
	struct json_object *document, *pair, *other;
	char options[128];
	size_t i = 0;

	snprintf(options, sizeof(options), "--predict --allowlist %s", list);
	document = topo(options);
	ASSERT_NE(NULL, document);
	while ((pair = next_of_ours(document, &i))) {
		other = pair_with(before, text(pair, "importer"));
		if (!strcmp(text(other, "reason"), "none")) {
			EXPECT_STREQ("bus-address", text(pair, "route"));
			continue;
		}
		EXPECT_STREQ("unknown", text(pair, "route"));
		EXPECT_NE(NULL, strstr(text(pair, "why"), why));
	}
}

TEST_F(topo, unknown_by_another_kernels_list)
{
	struct utsname kernel;
	int major, minor, nr;

	uname(&kernel);
	nr = sscanf(kernel.release, "%d.%d", &major, &minor);
	ASSERT_EQ(2, nr);
	ASSERT_EQ(0, run_shell("sed 's/^linux .*/linux %d.%d.0/' " LIST " > " OTHER_LIST,
			       major, minor - 1));
	expect_unknown(_metadata, self->answered, OTHER_LIST, "the allow-list is of Linux");
	ASSERT_EQ(0, run_shell("sed 's/^linux .*/linux %d.%d.1/' " LIST " > " OTHER_LIST,
			       major, minor + 1));
	expect_unknown(_metadata, self->answered, OTHER_LIST, "the allow-list is of Linux");
}

TEST_F(topo, unknown_without_list)
{
	expect_unknown(_metadata, self->answered, "/nowhere", "no allow-list");
	ASSERT_EQ(0, run_shell("(cat " LIST "; echo bridge 8086) > " OTHER_LIST));
	expect_unknown(_metadata, self->answered, OTHER_LIST, "makes no sense");
}

/*
 * With a list of our own in place of the kernel's, of pairs that are not direct: refused,
 * or as the domain has it.
 */
static void expect_allowed(struct __test_metadata *_metadata, struct json_object *before,
			   const char *entries, bool allowed, bool between_hosts)
{
	struct json_object *document, *pair, *other;
	bool refused;
	size_t i = 0;

	ASSERT_EQ(0, run_shell("(grep ^linux " LIST "; printf '%s') > " OTHER_LIST, entries));
	document = topo("--predict --allowlist " OTHER_LIST);
	ASSERT_NE(NULL, document);
	while ((pair = next_of_ours(document, &i))) {
		other = pair_with(before, text(pair, "importer"));
		refused = !(strcmp(host_of(document, exporter_bdf()),
				   host_of(document, text(pair, "importer"))) ?
			    between_hosts : allowed);
		if (!strcmp(text(other, "reason"), "none"))
			refused = false;
		EXPECT_EQ(refused, !strcmp("refused", text(pair, "route"))) {
			TH_LOG("%s: %s", entries, text(pair, "why"));
		}
		if (!refused && strcmp("refused", text(other, "route")))
			EXPECT_STREQ(text(other, "route"), text(pair, "route"));
	}
}

TEST_F(topo, entries_of_the_list)
{
	struct json_object *list = json_object_object_get(self->predicted, "allowlist");
	char vendor[32], entry[64];
	unsigned int family, by;
	int nr;

	if (list_problem(self->predicted))
		SKIP(return, "%s", list_problem(self->predicted));
	expect_allowed(_metadata, self->predicted, "", false, false);
	expect_allowed(_metadata, self->predicted, "bridge 8086 29c0 same-only\\n", true, false);
	/* The other root bus begins with a root port. */
	expect_allowed(_metadata, self->predicted, "bridge 8086 29c0 any\\n", true, false);
	expect_allowed(_metadata, self->predicted,
		       "bridge 8086 any any\\nbridge 1b36 000c any\\n", true, true);
	expect_allowed(_metadata, self->predicted,
		       "bridge 8086 29c0 any\\nbridge 1b36 000c same-only\\n", true, false);
	expect_allowed(_metadata, self->predicted,
		       "bridge 8086 29c1 any\\nbridge 1b36 29c0 any\\n", false, false);

	nr = sscanf(text(list, "cpu"), "%31s family %u", vendor, &family);
	ASSERT_EQ(2, nr);
	for (by = 0; by < 3; by++) {
		snprintf(entry, sizeof(entry), "cpu %s %u\\n", vendor, family + by - 1);
		expect_allowed(_metadata, self->predicted, entry, by < 2, by < 2);
	}
	snprintf(entry, sizeof(entry), "cpu Other %u\\n", family);
	expect_allowed(_metadata, self->predicted, entry, false, false);
}

TEST_F(topo, exit_status)
{
	bool refused = expected_route() == P2PBUF_ROUTE_UNKNOWN;

	EXPECT_EQ(0, run_shell("p2pbuf topo > /dev/null"));
	EXPECT_EQ(refused, run_shell("p2pbuf topo %s %s > /dev/null", exporter_bdf(),
				     importer_bdf()));
	/* Without the domain. */
	EXPECT_EQ(refused, run_shell("p2pbuf topo %s %s > /dev/null", exporter_bdf() + 5,
				     importer_bdf() + 5));
	EXPECT_EQ(2, run_shell("p2pbuf topo 1:2 2> /dev/null"));
	EXPECT_EQ(2, run_shell("p2pbuf topo 01:20.0 2> /dev/null"));
	EXPECT_EQ(3, run_shell("p2pbuf topo fe:1f.7 2> /dev/null"));
	/* No memory BAR. */
	EXPECT_EQ(3, run_shell("p2pbuf topo 00:00.0 2> /dev/null"));
}

FIXTURE(page)
{
	int test;
};

FIXTURE_SETUP(page)
{
	self->test = lend_exporter();
	ASSERT_GE(self->test, 0);
}

FIXTURE_TEARDOWN(page)
{
	EXPECT_EQ(0, take_exporter_back(self->test));
}

TEST_F(page, agrees_with_kernel_sgtable)
{
	struct json_object *document = topo(""), *pair;
	struct p2pbuf_test_page args;
	unsigned int nr = 0;
	const char *route;
	size_t i = 0;

	ASSERT_NE(NULL, document);
	if (list_problem(document))
		SKIP(return, "%s", list_problem(document));
	while ((pair = next_of_ours(document, &i))) {
		args = (struct p2pbuf_test_page){ };
		strncpy(args.owner, exporter_bdf(), sizeof(args.owner) - 1);
		strncpy(args.client, text(pair, "importer"), sizeof(args.client) - 1);
		ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_PAGE, &args));
		route = text(pair, "route");
		EXPECT_STREQ("predicted", text(pair, "source"));
		EXPECT_STREQ(topo_name(args.route), route);
		EXPECT_EQ(!strcmp(route, "refused"), args.result == -EREMOTEIO);
		EXPECT_EQ(!strcmp(route, "bus-address"), args.bus_addr);
		nr++;
	}
	EXPECT_GE(nr, 2);
}

TEST_HARNESS_MAIN
