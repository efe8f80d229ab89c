// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the addresses of a mapping lead, as audit and verdict tell it, and what they
 * say of exporters that map wrongly.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define READ_WRITE	(P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE)
#define NR_PAGES	64U
#define NOBODY		65534
/* 32 bits do not hold it. */
#define LARGE		((4UL * 1024 + 64) * 1024 * 1024)

FIXTURE(audit)
{
	int exporter;
	int importer;
	int fd;
	uint64_t bar;
	uint32_t handle;
	unsigned int pages[NR_PAGES];	/* of the BAR, in the buffer's order */
};

FIXTURE_VARIANT(audit)
{
	unsigned int interconnect;
};

FIXTURE_VARIANT_ADD(audit, phys)
{
	.interconnect = P2PBUF_INTERCONNECT_PHYS,
};

FIXTURE_VARIANT_ADD(audit, sgt)
{
	.interconnect = P2PBUF_INTERCONNECT_SGT,
};

/* Every second page, shuffled, so that no two merge. */
FIXTURE_SETUP(audit)
{
	uint64_t size;
	unsigned int i;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");

	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	ASSERT_EQ(0, bar_resource(TEST_BAR, &self->bar, &size));
	for (i = 0; i < NR_PAGES; i++)
		self->pages[i] = 2 * i;
	shuffle(self->pages, NR_PAGES, 3);
	self->fd = export_pages(self->exporter, self->pages, NR_PAGES);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, import_buffer(self->importer, self->fd, variant->interconnect,
				   READ_WRITE, &self->handle));
	ASSERT_EQ(0, map_handle(self->importer, self->handle));
}

FIXTURE_TEARDOWN(audit)
{
	close(self->fd);
	close(self->importer);
	close(self->exporter);
}

static bool place_is(const struct p2pbuf_place *place, uint64_t bar, uint64_t offset,
		     uint64_t length)
{
	return place->kind == P2PBUF_PLACE_BAR && place->via == expected_route() &&
	       place->bdf == bdf_number(exporter_bdf()) && place->bar == TEST_BAR &&
	       place->offset == offset && place->phys == bar + offset &&
	       place->length == length;
}

TEST_F(audit, each_page)
{
	struct p2pbuf_segment segs[NR_PAGES];
	struct p2pbuf_place places[NR_PAGES + 1];
	struct p2pbuf_query query;
	unsigned int i, wrong = 0;
	uint64_t offset = 0;

	ASSERT_EQ(0, query_handle(self->importer, self->handle, &query, segs, NR_PAGES));
	ASSERT_EQ(NR_PAGES, audit_handle(self->importer, self->handle, &offset, places,
					 NR_PAGES + 1));
	EXPECT_EQ(NR_PAGES * PAGE, offset);
	for (i = 0; i < NR_PAGES; i++) {
		unsigned int segment = query.nr_segments == 1 ? 0 : i;
		uint64_t within = query.nr_segments == 1 ? i * PAGE : 0;

		if (!place_is(&places[i], self->bar, self->pages[i] * PAGE, PAGE) ||
		    places[i].segment != segment ||
		    places[i].addr != segs[segment].addr + within)
			wrong++;
	}
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, audit_handle(self->importer, self->handle, &offset, places, 1));
	EXPECT_EQ(NR_PAGES * PAGE, offset);
}

/* One place after the other gives the same. */
TEST_F(audit, continued)
{
	uint64_t at = 0, offset = 0;
	struct p2pbuf_place all[NR_PAGES], one;
	unsigned int i;

	ASSERT_EQ(NR_PAGES, audit_handle(self->importer, self->handle, &offset, all,
					 NR_PAGES));
	for (i = 0; i < NR_PAGES; i++) {
		ASSERT_EQ(1, audit_handle(self->importer, self->handle, &at, &one, 1));
		EXPECT_EQ((i + 1) * PAGE, at);
		EXPECT_EQ(0, memcmp(&one, &all[i], sizeof(one)));
	}
}

TEST_F(audit, from_within_a_page)
{
	uint64_t offset = 5 * PAGE + 100;
	struct p2pbuf_place place;

	ASSERT_EQ(1, audit_handle(self->importer, self->handle, &offset, &place, 1));
	EXPECT_EQ(6 * PAGE, offset);
	EXPECT_TRUE(place_is(&place, self->bar, self->pages[5] * PAGE + 100, PAGE - 100));
}

/* What is contiguous in the BAR is one place, whatever it is to the device. */
TEST_F(audit, one_range)
{
	uint64_t offset = 0, length = 16 * 1024 * 1024;
	struct p2pbuf_place places[2];
	uint32_t handle;
	int fd;

	fd = export_simple(self->exporter, 3 * PAGE, length);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, import_buffer(self->importer, fd, variant->interconnect, READ_WRITE,
				   &handle));
	ASSERT_EQ(0, map_handle(self->importer, handle));
	ASSERT_EQ(1, audit_handle(self->importer, handle, &offset, places, 2));
	EXPECT_TRUE(place_is(&places[0], self->bar, 3 * PAGE, length));
	close(fd);
}

TEST_F(audit, verdict)
{
	struct p2pbuf_verdict verdict;

	ASSERT_EQ(0, verdict_of(self->importer, self->handle, &verdict));
	EXPECT_STREQ("peer-to-peer", verdict_name(verdict.kind));
	EXPECT_EQ(1, verdict.described);
	EXPECT_EQ(NR_PAGES * PAGE, verdict.total);
	EXPECT_EQ(NR_PAGES * PAGE, verdict.bar_bytes);
	EXPECT_EQ(0, verdict.ram_bytes | verdict.unmapped_bytes | verdict.other_bytes);
	EXPECT_EQ(0, verdict.offset);
	EXPECT_TRUE(place_is(&verdict.place, self->bar, self->pages[0] * PAGE, PAGE));
}

/* All of the BAR; more than one step of the driver's if it is larger than 256 MiB. */
TEST_F_TIMEOUT(audit, verdict_on_all, GUEST_TIMEOUT)
{
	uint64_t size = bar_size(self->exporter, TEST_BAR);
	struct p2pbuf_verdict verdict;
	uint32_t handle;
	int fd;

	fd = export_simple(self->exporter, 0, size);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, import_buffer(self->importer, fd, variant->interconnect, READ_WRITE,
				   &handle));
	ASSERT_EQ(0, map_handle(self->importer, handle));
	ASSERT_EQ(0, verdict_of(self->importer, handle, &verdict));
	EXPECT_STREQ("peer-to-peer", verdict_name(verdict.kind));
	EXPECT_EQ(size, verdict.total);
	EXPECT_EQ(size, verdict.bar_bytes);
	close(fd);
}

static int audit_raw(int importer, struct p2pbuf_audit *args)
{
	return ioctl(importer, P2PBUF_IOCTL_AUDIT, args) ? -errno : 0;
}

TEST_F(audit, errors)
{
	struct p2pbuf_place place;
	struct p2pbuf_audit good = {
		.handle = self->handle, .places = (uintptr_t)&place, .capacity = 1,
	};
	struct p2pbuf_verdict verdict = { .handle = self->handle, .flags = 1 };
	struct p2pbuf_audit args;
	uint64_t offset = 0;

	args = good;
	args.flags = 1;
	EXPECT_EQ(-EINVAL, audit_raw(self->importer, &args));
	args = good;
	args.reserved = 1;
	EXPECT_EQ(-EINVAL, audit_raw(self->importer, &args));
	args = good;
	args.capacity = 0;
	EXPECT_EQ(-EINVAL, audit_raw(self->importer, &args));
	args = good;
	args.places = 0;
	EXPECT_EQ(-EFAULT, audit_raw(self->importer, &args));
	args = good;
	args.handle = 999;
	EXPECT_EQ(-ENOENT, audit_raw(self->importer, &args));
	args = good;
	args.offset = UINT64_MAX;
	EXPECT_EQ(0, audit_raw(self->importer, &args));
	EXPECT_EQ(0, args.capacity);

	EXPECT_EQ(-1, ioctl(self->importer, P2PBUF_IOCTL_VERDICT, &verdict));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-ENOENT, verdict_of(self->importer, 999, &verdict));

	ASSERT_EQ(0, unmap_handle(self->importer, self->handle));
	EXPECT_EQ(-ENXIO, verdict_of(self->importer, self->handle, &verdict));
	EXPECT_EQ(-ENXIO, audit_handle(self->importer, self->handle, &offset, &place, 1));
}

/* Physical addresses are not for whoever is handed the open node. */
TEST_F(audit, unprivileged)
{
	struct p2pbuf_verdict verdict;
	struct p2pbuf_segment segment;
	struct p2pbuf_query query;
	struct p2pbuf_place place;
	uint64_t offset = 0;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (setuid(NOBODY) ||
		    verdict_of(self->importer, self->handle, &verdict) != -EPERM)
			_exit(1);
		if (query_handle(self->importer, self->handle, &query, NULL, 0) ||
		    query_handle(self->importer, self->handle, &query, &segment,
				 1) != -EPERM)
			_exit(2);
		_exit(audit_handle(self->importer, self->handle, &offset, &place, 1) !=
		      -EPERM);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(audit, revoked)
{
	struct p2pbuf_verdict verdict;
	struct p2pbuf_place place;
	uint64_t offset = 0;

	ASSERT_EQ(0, unbind_driver(exporter_bdf()));
	EXPECT_EQ(-ESTALE, verdict_of(self->importer, self->handle, &verdict));
	EXPECT_EQ(-ESTALE, audit_handle(self->importer, self->handle, &offset, &place, 1));
	EXPECT_EQ(0, bind_driver(exporter_bdf(), "p2pbuf_exporter"));
}

/*
 * Exporters with a fault
 */

FIXTURE(fault)
{
	int exporter;
	int importer;
	int test;
	int source;
};

FIXTURE_SETUP(fault)
{
	ASSERT_EQ(0, run_shell("modprobe p2pbuf_test"));
	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	self->importer = open_importer();
	ASSERT_GE(self->importer, 0);
	self->test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->test, 0);
	self->source = -1;
}

FIXTURE_TEARDOWN(fault)
{
	close(self->source);
	close(self->test);
	close(self->importer);
	close(self->exporter);
}

/* The name of the check that an exporter with @fault does not pass; NULL if none. */
static const char *caught_by(FIXTURE_DATA(fault) *self, enum p2pbuf_test_fault fault)
{
	struct p2pbuf_test_rogue args = { .fd = self->source, .fault = fault };
	struct conform conform = { .importer = self->importer, .test = self->test };
	off_t size = lseek(self->source, 0, SEEK_END);
	const char *name;

	conform.fd = ioctl(self->test, P2PBUF_TEST_ROGUE, &args);
	if (conform.fd < 0)
		return "no exporter";
	conform.cpu = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->source, 0);
	if (conform.cpu == MAP_FAILED)
		return "no memory";
	name = nonconformity(&conform);
	munmap(conform.cpu, size);
	close(conform.fd);
	return name ? name : "";
}

/* Four pages, or so much: twice the half of it. */
static int export_source(int exporter, bool large)
{
	static const unsigned int pages[] = { 6, 2, 9, 0 };

	if (!large)
		return export_pages(exporter, pages, ARRAY_SIZE(pages));
	return export_repeated(exporter, LARGE / 2, 2);
}

/*
 * The name of the check by the route: "" if there is none because what the exporter does
 * is right there, NULL if it cannot do it there.
 */
FIXTURE_VARIANT(fault)
{
	enum p2pbuf_test_fault fault;
	bool large;
	const char *caught[P2PBUF_ROUTE_IOVA + 1];
};

#define CAUGHT(refused, bus_addr, host_bridge, iova)			\
	.caught = {							\
		[P2PBUF_ROUTE_UNKNOWN] = refused,			\
		[P2PBUF_ROUTE_BUS_ADDR] = bus_addr,			\
		[P2PBUF_ROUTE_HOST_BRIDGE] = host_bridge,		\
		[P2PBUF_ROUTE_IOVA] = iova,				\
	}

FIXTURE_VARIANT_ADD(fault, none)
{
	.fault = P2PBUF_FAULT_NONE,
	CAUGHT("map", "", "", ""),
};

FIXTURE_VARIANT_ADD(fault, ram)
{
	.fault = P2PBUF_FAULT_RAM,
	CAUGHT("ram", "ram", "ram", "ram"),
};

FIXTURE_VARIANT_ADD(fault, raw)
{
	.fault = P2PBUF_FAULT_RAW,
	CAUGHT("no-route", "", "", "raw-bar"),
};

FIXTURE_VARIANT_ADD(fault, hole)
{
	.fault = P2PBUF_FAULT_HOLE,
	CAUGHT("other", "other", "other", "unmapped"),
};

FIXTURE_VARIANT_ADD(fault, iova)
{
	.fault = P2PBUF_FAULT_IOVA,
	CAUGHT("no-route", "wrong-route", "", ""),
};

FIXTURE_VARIANT_ADD(fault, marked)
{
	.fault = P2PBUF_FAULT_MARKED,
	CAUGHT("map", "", "wrong-route", "wrong-route"),
};

FIXTURE_VARIANT_ADD(fault, too_short)
{
	.fault = P2PBUF_FAULT_SHORT,
	CAUGHT("map", "length", "length", "length"),
};

FIXTURE_VARIANT_ADD(fault, overflow)
{
	.fault = P2PBUF_FAULT_OVERFLOW,
	.large = true,
	CAUGHT("map", "overflow", "overflow", "overflow"),
};

FIXTURE_VARIANT_ADD(fault, swapped)
{
	.fault = P2PBUF_FAULT_SWAPPED,
	CAUGHT("map", "misplaced", "misplaced", "misplaced"),
};

FIXTURE_VARIANT_ADD(fault, offset_0)
{
	.fault = P2PBUF_FAULT_OFFSET_0,
	CAUGHT(NULL, NULL, NULL, "map"),
};

FIXTURE_VARIANT_ADD(fault, no_sync)
{
	.fault = P2PBUF_FAULT_NO_SYNC,
	CAUGHT(NULL, NULL, NULL, "sync"),
};

FIXTURE_VARIANT_ADD(fault, no_unlink)
{
	.fault = P2PBUF_FAULT_NO_UNLINK,
	CAUGHT(NULL, NULL, NULL, "still-mapped"),
};

/* Behind a translating IOMMU the refused and the redirected differ from the rest. */
static const char *expected_name(enum p2pbuf_test_fault fault, const char *const *caught)
{
	enum p2pbuf_route route = expected_route();
	bool translated = translates();

	if (fault == P2PBUF_FAULT_IOVA && !translated &&
	    route == P2PBUF_ROUTE_BUS_ADDR)
		return "";
	if (fault == P2PBUF_FAULT_RAW && translated &&
	    route == P2PBUF_ROUTE_UNKNOWN)
		return "raw-bar";
	if (fault == P2PBUF_FAULT_HOLE && translated)
		return "unmapped";
	return caught[route];
}

TEST_F_TIMEOUT(fault, caught, GUEST_TIMEOUT)
{
	const char *expected = expected_name(variant->fault, variant->caught);
	struct flushes flushes;

	if (!expected)
		SKIP(return, "this fault needs IOVAs");
	if (variant->fault == P2PBUF_FAULT_OFFSET_0 &&
	    iommu_is("virtio"))
		SKIP(return, "virtio-iommu takes links that overlap and warns at unlink");
	if (variant->fault == P2PBUF_FAULT_NO_SYNC && !flushes_on_map())
		SKIP(return, "a map flushes nothing with this IOMMU");
	if (variant->fault == P2PBUF_FAULT_NO_SYNC &&
	    count_flushes(0, 0, &flushes) == -EOPNOTSUPP)
		SKIP(return, "the rig does not count: qemu/run --count-flushes");
	if (variant->large && bar_size(self->exporter, TEST_BAR) < LARGE)
		SKIP(return, "this BAR has less than an entry can hold");
	self->source = export_source(self->exporter, variant->large);
	ASSERT_GE(self->source, 0);
	EXPECT_STREQ(expected, caught_by(self, variant->fault));
}

TEST_HARNESS_MAIN
