// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which route, and who is refused. The kernel's own decision is the reference, asked
 * through p2pbuf_test.ko.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

FIXTURE(route)
{
	int exporter;
	int importer;
	int test;
	int fd;
};

FIXTURE_SETUP(route)
{
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
	self->fd = export_simple(self->exporter, 0, 4 * PAGE);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(route)
{
	close(self->fd);
	close(self->test);
	close(self->importer);
	close(self->exporter);
}

static int try_attach_as(int test, int fd, unsigned int kind, const char *client)
{
	struct p2pbuf_test_attach args = { .fd = fd, .kind = kind };

	snprintf(args.client, sizeof(args.client), "%s", client);
	return ioctl(test, P2PBUF_TEST_ATTACH, &args) ? -errno : args.result;
}

static int try_attach(int test, int fd, unsigned int kind)
{
	return try_attach_as(test, fd, kind, importer_bdf());
}

TEST_F(route, attach_static_refused)
{
	EXPECT_EQ(-EOPNOTSUPP, try_attach(self->test, self->fd, P2PBUF_TEST_STATIC));
}

TEST_F(route, attach_without_peer2peer_refused)
{
	EXPECT_EQ(-EOPNOTSUPP,
		  try_attach(self->test, self->fd, P2PBUF_TEST_NO_PEER2PEER));
}

TEST_F(route, attach_without_invalidate_refused)
{
	EXPECT_EQ(-EOPNOTSUPP,
		  try_attach(self->test, self->fd, P2PBUF_TEST_NO_INVALIDATE));
}

TEST_F(route, attach_by_route)
{
	int expected = expected_route() == P2PBUF_ROUTE_UNKNOWN ? -EREMOTEIO : 0;

	EXPECT_EQ(expected, try_attach(self->test, self->fd, P2PBUF_TEST_FULL));
}

/* The kernel says bus address, distance 0: no bridge is in between. */
TEST_F(route, attach_same_function)
{
	struct p2pbuf_test_attach args = { .fd = self->fd, .kind = P2PBUF_TEST_FULL };

	strncpy(args.client, exporter_bdf(), sizeof(args.client) - 1);
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_ATTACH, &args));
	EXPECT_EQ(0, args.result);
}

/* What p2pbuf_route_explain() says, from the answer of the ioctl. */
static void explain(const struct p2pbuf_route_info *info, char *text, size_t size)
{
	unsigned int port = info->port, bus = info->host >> 8;
	char why[64] = "no common switch, and";

	if (info->reason == P2PBUF_ROUTE_REASON_REDIRECT)
		snprintf(why, sizeof(why), "ACS of port %04x:%02x:%02x.%x redirects to",
			 port >> 16, port >> 8 & 0xff, port >> 3 & 0x1f, port & 7);
	snprintf(text, size, "%s: no peer-to-peer route to %s: %s host bridge pci%04x:%02x%s",
		 importer_bdf(), exporter_bdf(), why, bus >> 8, bus & 0xff,
		 info->port ? ", which is not" : " is not");
}

TEST_F(route, refusal_names_the_bridge)
{
	static const char mark[] = "p2pbuf selftest: refusal_names_the_bridge";
	struct p2pbuf_route_info info;
	static char log[1 << 20];
	const char *since;
	char text[256];

	if (expected_route() != P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is reachable");

	ASSERT_EQ(0, write_file("/dev/kmsg", "%s", mark));
	EXPECT_EQ(-EREMOTEIO, try_attach(self->test, self->fd, P2PBUF_TEST_FULL));
	since = log_since(log, sizeof(log), mark);
	EXPECT_NE(NULL, strstr(since, "no peer-to-peer route to"));
	EXPECT_NE(NULL, strstr(since, exporter_bdf()));
	EXPECT_NE(NULL, strstr(since, importer_bdf()));
	EXPECT_NE(NULL, strstr(since, "pci0000:00"));

	ASSERT_EQ(0, ask_route(self->exporter, bdf_number(importer_bdf()), &info));
	explain(&info, text, sizeof(text));
	EXPECT_NE(NULL, strstr(since, text))
		TH_LOG("%s", text);
}

/* In one slot it is the port that is in the way, and the log says which. */
TEST_F(route, refusal_names_the_port)
{
	static const char mark[] = "p2pbuf selftest: refusal_names_the_port";
	char port[32], text[128];
	static char log[1 << 20];

	if (expected_route() != P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is reachable");
	if (common_port(port, sizeof(port)))
		SKIP(return, "no port is common to both functions");

	ASSERT_EQ(0, write_file("/dev/kmsg", "%s", mark));
	EXPECT_EQ(-EREMOTEIO, try_attach(self->test, self->fd, P2PBUF_TEST_FULL));
	snprintf(text, sizeof(text), "no peer-to-peer route to %s: ACS of port %s",
		 exporter_bdf(), port);
	EXPECT_NE(NULL, strstr(log_since(log, sizeof(log), mark), text));
}

static unsigned int count_refusals(const char *log)
{
	unsigned int nr = 0;

	for (; (log = strstr(log, "no peer-to-peer route to")); log++)
		nr++;
	return nr;
}

/* However often: whoever holds a DMABUF does not fill the log, nor hide another's refusal. */
TEST_F(route, refusal_is_named_once)
{
	static const char mark[] = "p2pbuf selftest: refusal_is_named_once";
	static char log[1 << 20];
	char port[P2PBUF_TEST_NAME], text[64];
	unsigned int i;
	int other;

	if (expected_route() != P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is reachable");

	ASSERT_EQ(0, write_file("/dev/kmsg", "%s", mark));
	for (i = 0; i < 300; i++)
		ASSERT_EQ(-EREMOTEIO, try_attach(self->test, self->fd, P2PBUF_TEST_FULL));
	EXPECT_EQ(1, count_refusals(log_since(log, sizeof(log), mark)));

	other = export_simple(self->exporter, 0, PAGE);
	ASSERT_GE(other, 0);
	EXPECT_EQ(-EREMOTEIO, try_attach(self->test, other, P2PBUF_TEST_FULL));
	EXPECT_EQ(2, count_refusals(log_since(log, sizeof(log), mark)));
	close(other);

	/* Another device's, of the DMABUF whose log one has had already. */
	ASSERT_EQ(0, port_above(importer_bdf(), port, sizeof(port)));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(-EREMOTEIO, try_attach_as(self->test, self->fd, P2PBUF_TEST_FULL,
						    port));
	EXPECT_EQ(3, count_refusals(log_since(log, sizeof(log), mark)));
	snprintf(text, sizeof(text), "%s: no peer-to-peer route to", port);
	EXPECT_NE(NULL, strstr(log_since(log, sizeof(log), mark), text));
}

/*
 * P2PBUF_IOCTL_ROUTE
 */

static const char *importer_path(void)
{
	static char path[PATH_MAX];
	char link[PATH_MAX];

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", importer_bdf());
	return realpath(link, path) ?: "";
}

/* The lowest bridge above both functions by their places in sysfs; 0 if there is none. */
static uint64_t lowest_common(void)
{
	char link[PATH_MAX], exporter[PATH_MAX], *name, *rest;
	uint64_t common = 0;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", exporter_bdf());
	if (!realpath(link, exporter))
		return -1;
	/* /sys/devices/pci0000:00/<port>/<port>/<function> */
	strtok_r(exporter, "/", &rest);
	strtok_r(NULL, "/", &rest);
	strtok_r(NULL, "/", &rest);
	while ((name = strtok_r(NULL, "/", &rest)) && strstr(importer_path(), name))
		common = bdf_number(name);
	return common;
}

static unsigned int expected_reason(void)
{
	if (expected_route() == P2PBUF_ROUTE_BUS_ADDR)
		return P2PBUF_ROUTE_REASON_NONE;
	return lowest_common() ? P2PBUF_ROUTE_REASON_REDIRECT :
				 P2PBUF_ROUTE_REASON_NO_COMMON;
}

static unsigned int importer_root_bus(void)
{
	unsigned int bus;

	return sscanf(importer_path(), "/sys/devices/pci0000:%x/", &bus) == 1 ? bus : -1;
}

TEST_F(route, asked)
{
	struct p2pbuf_route_info info;

	ASSERT_EQ(0, ask_route(self->exporter, bdf_number(importer_bdf()), &info));
	EXPECT_EQ(bdf_number(importer_bdf()), info.client);
	EXPECT_EQ(expected_route(), info.route);
	EXPECT_EQ(expected_reason(), info.reason);
	EXPECT_EQ(lowest_common(), info.common);
	EXPECT_EQ(info.reason == P2PBUF_ROUTE_REASON_REDIRECT ? info.common : 0,
		  info.port);
	EXPECT_EQ(importer_root_bus() << 8, info.host);
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(0, info.reserved);
}

/* Also after it had one, and whatever it had. */
TEST_F(route, asked_without_driver)
{
	struct p2pbuf_route_info before, after;

	ASSERT_EQ(0, ask_route(self->exporter, bdf_number(importer_bdf()), &before));
	ASSERT_EQ(0, unbind_driver(importer_bdf()));
	EXPECT_EQ(0, ask_route(self->exporter, bdf_number(importer_bdf()), &after));
	ASSERT_EQ(0, bind_driver(importer_bdf(), "p2pbuf_importer"));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(expected_route(), after.route);
}

TEST_F(route, asked_of_itself)
{
	struct p2pbuf_route_info info;

	ASSERT_EQ(0, ask_route(self->exporter, bdf_number(exporter_bdf()), &info));
	EXPECT_EQ(P2PBUF_ROUTE_BUS_ADDR, info.route);
	EXPECT_EQ(P2PBUF_ROUTE_REASON_NONE, info.reason);
	EXPECT_EQ(bdf_number(exporter_bdf()), info.common);
	EXPECT_EQ(0, info.port);
}

/* Attaching is refused where there is no route, and only there. */
TEST_F(route, asked_of_every_function)
{
	struct p2pbuf_test_attach attach = { .fd = self->fd, .kind = P2PBUF_TEST_FULL };
	struct p2pbuf_route_info info;
	unsigned int nr = 0;
	struct dirent *entry;
	DIR *dir;

	dir = opendir("/sys/bus/pci/devices");
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		nr++;
		snprintf(attach.client, sizeof(attach.client), "%.*s",
			 P2PBUF_TEST_NAME - 1, entry->d_name);
		EXPECT_EQ(0, ioctl(self->test, P2PBUF_TEST_ATTACH, &attach));
		EXPECT_EQ(0, ask_route(self->exporter, bdf_number(entry->d_name), &info));
		EXPECT_EQ(info.route == P2PBUF_ROUTE_UNKNOWN ? -EREMOTEIO : 0,
			  attach.result)
			TH_LOG("%s", entry->d_name);
		EXPECT_EQ(info.route == P2PBUF_ROUTE_BUS_ADDR,
			  info.reason == P2PBUF_ROUTE_REASON_NONE)
			TH_LOG("%s", entry->d_name);
	}
	closedir(dir);
	EXPECT_LT(2, nr);
}

TEST_F(route, asked_of_nobody)
{
	static const uint64_t nobody[] = {
		0xff00, 1ULL << 16, 0xffffffff, 1ULL << 32, 1ULL << 47, 1ULL << 48, INT64_MAX,
		1ULL << 63, UINT64_MAX,
	};
	struct p2pbuf_route_info info, expected;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nobody); i++) {
		expected = (struct p2pbuf_route_info){ .client = nobody[i] };
		EXPECT_EQ(-ENXIO, ask_route(self->exporter, nobody[i], &info))
			TH_LOG("%#llx", (unsigned long long)nobody[i]);
		EXPECT_EQ(0, memcmp(&expected, &info, sizeof(info)));
	}
	/* One above in what is cut off is not the same function. */
	EXPECT_EQ(-ENXIO, ask_route(self->exporter, 1ULL << 48 | bdf_number(importer_bdf()),
				    &info));
}

TEST_F(route, asked_with_bad_input)
{
	static const struct p2pbuf_route_info bad[] = {
		{ .route = 1 }, { .reason = 1 }, { .common = 1 }, { .port = 1 },
		{ .host = 1ULL << 63 }, { .flags = 1 }, { .flags = 1U << 31 },
		{ .reserved = 1 },
	};
	struct p2pbuf_route_info info;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		info = bad[i];
		info.client = bdf_number(importer_bdf());
		EXPECT_EQ(-1, ioctl(self->exporter, P2PBUF_IOCTL_ROUTE, &info));
		EXPECT_EQ(EINVAL, errno);
	}
}

TEST_F(route, asked_of_unbound_exporter)
{
	struct p2pbuf_route_info info;

	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_EQ(-ENODEV, ask_route(self->exporter, bdf_number(importer_bdf()), &info));
	EXPECT_EQ(-ENODEV, ask_route(self->exporter, UINT64_MAX, &info));
	ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
	EXPECT_EQ(-ENODEV, ask_route(self->exporter, bdf_number(importer_bdf()), &info));
}

/* Map and look; 0 if it is refused. */
static enum p2pbuf_route mapped_route(int importer, int fd)
{
	struct p2pbuf_query query = {};
	uint32_t handle;

	if (import_buffer(importer, fd, P2PBUF_INTERCONNECT_AUTO, P2PBUF_ACCESS_READ,
			  &handle))
		return P2PBUF_ROUTE_UNKNOWN;
	if (!map_handle(importer, handle))
		query_handle(importer, handle, &query, NULL, 0);
	release_handle(importer, handle);
	return query.route;
}

/* With the common port's redirection the other way round. */
static enum p2pbuf_route route_after_change(void)
{
	if (expected_route() != P2PBUF_ROUTE_BUS_ADDR)
		return P2PBUF_ROUTE_BUS_ADDR;
	return translates() ? P2PBUF_ROUTE_IOVA : P2PBUF_ROUTE_HOST_BRIDGE;
}

/* By the next map, also of an import that was attached before. */
TEST_F(route, acs_change_is_noticed)
{
	bool redirects = expected_route() != P2PBUF_ROUTE_BUS_ADDR;
	struct p2pbuf_route_info info;
	struct p2pbuf_query query = {};
	uint32_t handle;
	char port[32];
	int ret;

	if (common_port(port, sizeof(port)))
		SKIP(return, "no port is common to both functions");

	ret = import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
			    P2PBUF_ACCESS_READ, &handle);
	ASSERT_EQ(expected_route() == P2PBUF_ROUTE_UNKNOWN ? -EREMOTEIO : 0, ret);
	EXPECT_EQ(expected_route(), mapped_route(self->importer, self->fd));

	ASSERT_EQ(0, set_redirect(port, !redirects));
	EXPECT_EQ(route_after_change(), mapped_route(self->importer, self->fd));
	EXPECT_EQ(0, ask_route(self->exporter, bdf_number(importer_bdf()), &info));
	EXPECT_EQ(route_after_change(), info.route);
	EXPECT_EQ(redirects ? 0 : bdf_number(port), info.port);
	if (!ret) {
		EXPECT_EQ(0, map_handle(self->importer, handle));
		query_handle(self->importer, handle, &query, NULL, 0);
		EXPECT_EQ(route_after_change(), query.route);
	}
	EXPECT_EQ(0, set_redirect(port, redirects));
	EXPECT_EQ(expected_route(), mapped_route(self->importer, self->fd));
}

/* An import that was attached before, a new one, and the question. */
static void expect_silent(struct __test_metadata *_metadata, FIXTURE_DATA(route) *self,
			  uint32_t handle, uint64_t silent)
{
	struct p2pbuf_route_info info;
	uint32_t other;

	if (handle)
		EXPECT_EQ(-ENOLINK, map_handle(self->importer, handle));
	EXPECT_EQ(-ENOLINK, import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
					  P2PBUF_ACCESS_READ, &other));
	ASSERT_EQ(0, ask_route(self->exporter, bdf_number(importer_bdf()), &info));
	EXPECT_EQ(P2PBUF_ROUTE_UNKNOWN, info.route);
	EXPECT_EQ(P2PBUF_ROUTE_REASON_SILENT, info.reason);
	EXPECT_EQ(silent, info.port);
	EXPECT_EQ(lowest_common(), info.common);
}

/* All ones would be a port that redirects, and so another route, or none. */
TEST_F(route, silent_port_is_no_route)
{
	static const char mark[] = "p2pbuf selftest: silent_port_is_no_route";
	static char log[1 << 20];
	char port[32], text[128];
	uint32_t handle = 0;

	if (common_port(port, sizeof(port)))
		SKIP(return, "no port is common to both functions");
	if (expected_route() != P2PBUF_ROUTE_UNKNOWN)
		ASSERT_EQ(0, import_buffer(self->importer, self->fd, P2PBUF_INTERCONNECT_AUTO,
					   P2PBUF_ACCESS_READ, &handle));

	ASSERT_EQ(0, write_file("/dev/kmsg", "%s", mark));
	ASSERT_EQ(0, begin_silence(self->test, port, P2PBUF_TEST_SILENT, 0, 0));
	expect_silent(_metadata, self, handle, bdf_number(port));
	EXPECT_LT(0, end_silence(self->test, port));
	snprintf(text, sizeof(text), "unknown peer-to-peer route to %s: %s does not answer",
		 exporter_bdf(), port);
	EXPECT_NE(NULL, strstr(log_since(log, sizeof(log), mark), text));

	EXPECT_EQ(expected_route(), mapped_route(self->importer, self->fd));
	if (handle)
		EXPECT_EQ(0, map_handle(self->importer, handle));
}

/* Returns how many reads of the port were all ones. */
static int ask_while_silent(struct __test_metadata *_metadata, FIXTURE_DATA(route) *self,
			    unsigned int when, unsigned int nr_reads)
{
	struct p2pbuf_route_info info;
	char port[32];
	int silent;

	if (common_port(port, sizeof(port)))
		SKIP(return 1, "no port is common to both functions");

	EXPECT_EQ(0, begin_silence(self->test, port, when, 0, nr_reads));
	EXPECT_EQ(0, ask_route(self->exporter, bdf_number(importer_bdf()), &info));
	silent = end_silence(self->test, port);
	EXPECT_EQ(expected_route(), info.route);
	EXPECT_EQ(expected_reason(), info.reason);
	return silent;
}

/* What had been asleep is read again, */
TEST_F(route, port_answers_when_woken)
{
	EXPECT_EQ(1, ask_while_silent(_metadata, self, P2PBUF_TEST_SILENT, 1));
}

/* and is kept awake while it is. */
TEST_F(route, port_is_woken)
{
	EXPECT_LT(0, ask_while_silent(_metadata, self, P2PBUF_TEST_SILENT_UNLESS_HELD, 0));
}

TEST_F(route, import_has_expected_route)
{
	struct p2pbuf_query query;
	unsigned int i;
	uint32_t handle;
	int ret;

	for (i = P2PBUF_INTERCONNECT_PHYS; i <= P2PBUF_INTERCONNECT_SGT; i++) {
		ret = import_buffer(self->importer, self->fd, i, P2PBUF_ACCESS_READ,
				    &handle);
		if (expected_route() == P2PBUF_ROUTE_UNKNOWN) {
			EXPECT_EQ(-EREMOTEIO, ret);
			continue;
		}
		ASSERT_EQ(0, ret);
		ASSERT_EQ(0, map_handle(self->importer, handle));
		ASSERT_EQ(0, query_handle(self->importer, handle, &query, NULL, 0));
		EXPECT_EQ(i, query.interconnect);
		EXPECT_EQ(expected_route(), query.route);
		EXPECT_EQ(0, release_handle(self->importer, handle));
	}
}

/*
 * dma_buf_phys_vec_to_sgt() is right for one page on every route. Its address tells IOVA
 * from the rest; bus address and physical address are equal on x86, so the second
 * reference below tells these two apart.
 */
TEST_F(route, agrees_with_kernel_helper)
{
	struct p2pbuf_test_helper args = { .fd = self->fd };

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	ASSERT_EQ(0, ioctl(self->test, P2PBUF_TEST_HELPER, &args));
	EXPECT_EQ(expected_route(), args.route);

	switch (args.route) {
	case P2PBUF_ROUTE_UNKNOWN:
		EXPECT_EQ(-EINVAL, args.result);
		break;
	case P2PBUF_ROUTE_BUS_ADDR:
		EXPECT_EQ(0, args.result);
		EXPECT_EQ(args.bus_addr, args.addr);
		EXPECT_EQ(0, args.translated);
		break;
	case P2PBUF_ROUTE_HOST_BRIDGE:
		EXPECT_EQ(0, args.result);
		EXPECT_EQ(args.phys, args.addr);
		EXPECT_EQ(0, args.translated);
		break;
	case P2PBUF_ROUTE_IOVA:
		EXPECT_EQ(0, args.result);
		EXPECT_EQ(1, args.translated);
		break;
	}
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

static int ask_page(int test, struct p2pbuf_test_page *args)
{
	*args = (struct p2pbuf_test_page){};
	strncpy(args->owner, exporter_bdf(), sizeof(args->owner) - 1);
	strncpy(args->client, importer_bdf(), sizeof(args->client) - 1);
	return ioctl(test, P2PBUF_TEST_PAGE, args) ? -errno : 0;
}

TEST_F(page, agrees_with_kernel_sgtable)
{
	struct p2pbuf_test_page args;

	ASSERT_EQ(0, ask_page(self->test, &args));
	EXPECT_EQ(expected_route(), args.route);

	EXPECT_EQ(args.route == P2PBUF_ROUTE_UNKNOWN ? -EREMOTEIO : 0, args.result);
	EXPECT_EQ(args.route == P2PBUF_ROUTE_BUS_ADDR, args.bus_addr);
}

/*
 * The kernel keeps its answer until someone asks for the distance, as we do each time:
 * so the answer of the second call is stale, and that of the third is not.
 */
TEST_F(page, kernel_misses_acs_change)
{
	bool redirects = expected_route() != P2PBUF_ROUTE_BUS_ADDR;
	struct p2pbuf_test_page args;
	bool stale, fresh;
	char port[32];

	if (common_port(port, sizeof(port)))
		SKIP(return, "no port is common to both functions");

	ASSERT_EQ(0, ask_page(self->test, &args));
	EXPECT_EQ(!redirects, args.bus_addr);

	ASSERT_EQ(0, set_redirect(port, !redirects));
	EXPECT_EQ(0, ask_page(self->test, &args));
	stale = args.bus_addr;
	EXPECT_EQ(redirects, args.route == P2PBUF_ROUTE_BUS_ADDR);
	EXPECT_EQ(0, ask_page(self->test, &args));
	fresh = args.bus_addr;
	EXPECT_EQ(0, set_redirect(port, redirects));

	EXPECT_EQ(!redirects, stale);
	EXPECT_EQ(redirects, fresh);
}

TEST_HARNESS_MAIN
