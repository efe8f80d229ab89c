// SPDX-License-Identifier: GPL-2.0-only
/*
 * With swiotlb=force on the kernel's command line all DMA has to be bounced, which peer
 * memory cannot be.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"

TEST(map_refused)
{
	char cmdline[4096];
	uint32_t handle;
	int exporter, importer, fd;
	unsigned int i;

	ASSERT_GT(read_file("/proc/cmdline", cmdline, sizeof(cmdline)), 0);
	if (!strstr(cmdline, "swiotlb=force"))
		SKIP(return, "booted without swiotlb=force");
	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");

	exporter = open_exporter();
	ASSERT_GE(exporter, 0);
	importer = open_importer();
	ASSERT_GE(importer, 0);
	fd = export_simple(exporter, 0, PAGE);
	ASSERT_GE(fd, 0);
	for (i = P2PBUF_INTERCONNECT_PHYS; i <= P2PBUF_INTERCONNECT_SGT; i++) {
		ASSERT_EQ(0, import_buffer(importer, fd, i, P2PBUF_ACCESS_READ, &handle));
		EXPECT_EQ(-EPERM, map_handle(importer, handle));
	}
}

TEST_HARNESS_MAIN
