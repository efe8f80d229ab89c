// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which route, and who is refused. The kernel's own decision is the reference, asked
 * through p2pbuf_test.ko.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
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

static int try_attach(int test, int fd, unsigned int kind)
{
	struct p2pbuf_test_attach args = { .fd = fd, .kind = kind };

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	return ioctl(test, P2PBUF_TEST_ATTACH, &args) ? -errno : args.result;
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

/* The part of the kernel log after the last line with @mark. */
static const char *log_since(char *log, size_t size, const char *mark)
{
	char *at, *last = NULL;
	int length;

	length = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, log, size - 1);
	log[length < 0 ? 0 : length] = '\0';
	for (at = log; (at = strstr(at, mark)); at++)
		last = at;
	return last ? last : "";
}

TEST_F(route, refusal_names_the_bridge)
{
	static const char mark[] = "p2pbuf selftest: refusal_names_the_bridge";
	static char log[1 << 20];
	const char *since;

	if (expected_route() != P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is reachable");

	ASSERT_EQ(0, write_file("/dev/kmsg", "%s", mark));
	EXPECT_EQ(-EREMOTEIO, try_attach(self->test, self->fd, P2PBUF_TEST_FULL));
	since = log_since(log, sizeof(log), mark);
	EXPECT_NE(NULL, strstr(since, "no peer-to-peer route to"));
	EXPECT_NE(NULL, strstr(since, exporter_bdf()));
	EXPECT_NE(NULL, strstr(since, importer_bdf()));
	EXPECT_NE(NULL, strstr(since, "pci0000:00"));
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
	if (!ret) {
		EXPECT_EQ(0, map_handle(self->importer, handle));
		query_handle(self->importer, handle, &query, NULL, 0);
		EXPECT_EQ(route_after_change(), query.route);
	}
	EXPECT_EQ(0, set_redirect(port, redirects));
	EXPECT_EQ(expected_route(), mapped_route(self->importer, self->fd));
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
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	ASSERT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_test"));
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
}

FIXTURE_TEARDOWN(page)
{
	close(self->test);
	unbind_driver(exporter_bdf());
	EXPECT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
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
