// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a DMABUF of device memory is mapped as it should be, whoever exports it. To test
 * another exporter copy this file and replace open_buffer(): the rest knows nothing of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "foreign.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define NR_PAGES	4U

/* A DMABUF of NR_PAGES pages, or -errno. What made it may be closed, or stay open. */
static int open_buffer(void)
{
	static const unsigned int pages[NR_PAGES] = { 6, 2, 9, 0 };
	int exporter, fd;

	exporter = open_exporter();
	if (exporter < 0)
		return exporter;
	fd = export_pages(exporter, pages, NR_PAGES);
	close(exporter);
	return fd;
}

FIXTURE(conform)
{
	struct conform conform;
};

FIXTURE_SETUP(conform)
{
	struct conform *conform = &self->conform;

	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	conform->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(conform->test, 0);
	conform->importer = open_importer();
	ASSERT_GE(conform->importer, 0);
	conform->fd = open_buffer();
	ASSERT_GE(conform->fd, 0);
	/* An exporter need not have mmap(); then its data is not compared. */
	conform->cpu = mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			    conform->fd, 0);
	if (conform->cpu == MAP_FAILED)
		conform->cpu = NULL;
}

FIXTURE_TEARDOWN(conform)
{
	if (self->conform.cpu)
		munmap(self->conform.cpu, NR_PAGES * PAGE);
	close(self->conform.fd);
	close(self->conform.importer);
	close(self->conform.test);
}

/* Route, addresses, lengths, data, IOTLB flush, unmap: the check that fails is named. */
TEST_F(conform, mapping)
{
	const char *failed = nonconformity(&self->conform);
	const char *expected = expected_route() == P2PBUF_ROUTE_UNKNOWN ? "attach" : "none";

	EXPECT_STREQ(expected, failed ? failed : "none");
}

/* Device memory or an error, but never RAM, for an importer of any kind. */
TEST_F(conform, flows)
{
	unsigned int flow;
	int verdict;

	for (flow = P2PBUF_FLOW_REVOCABLE; flow <= P2PBUF_FLOW_STATIC; flow++) {
		verdict = verdict_by_flow(self->conform.importer, self->conform.fd, flow, 0);
		if (verdict < 0)
			continue;
		EXPECT_EQ(P2PBUF_VERDICT_PEER_TO_PEER, verdict) {
			TH_LOG("flow %u: %s", flow, verdict_name(verdict));
		}
	}
}

/* Who cannot take peer memory is told so. */
TEST_F(conform, without_peer_to_peer)
{
	EXPECT_EQ(-EOPNOTSUPP,
		  verdict_by_flow(self->conform.importer, self->conform.fd,
				  P2PBUF_FLOW_REVOCABLE, P2PBUF_IMPORT_NO_PEER2PEER));
}

TEST_HARNESS_MAIN
