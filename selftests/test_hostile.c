// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whoever holds a DMABUF can add fences to it, and does not decide thereby how long an event
 * takes: what is waited for is fixed when access goes. For this it does not matter who adds
 * them and how; here a module does it at the worst moment, and p2pbuf-stress has a process
 * that may do no more than any user.
 */
#include <unistd.h>

#include <kselftest_harness.h>

#include "failnth.h"
#include "p2pbuf_test.h"

/* Access to all of them goes before any is waited for. */
#define NR_BUFFERS	3

/* For how long each event has to wait. */
#define WAIT_MS		1000

/* In percent, of each allocation that may fail at all. */
#define PROBABILITY	"/sys/kernel/debug/failslab/probability"

FIXTURE(hostile)
{
	int exporter;
	int fds[NR_BUFFERS];
	struct followed followed[NR_BUFFERS];
};

/* NULL: P2PBUF_IOCTL_REVOKE, of each buffer */
FIXTURE_VARIANT(hostile)
{
	int (*happen)(int exporter);
};

FIXTURE_VARIANT_ADD(hostile, reset_ioctl)
{
	.happen = reset_by_ioctl,
};

FIXTURE_VARIANT_ADD(hostile, reset_sysfs)
{
	.happen = reset_by_sysfs,
};

FIXTURE_VARIANT_ADD(hostile, memory)
{
	.happen = memory_off_and_on,
};

FIXTURE_VARIANT_ADD(hostile, suspend)
{
	.happen = suspend_and_resume,
};

FIXTURE_VARIANT_ADD(hostile, hibernate)
{
	.happen = hibernate_and_resume,
};

FIXTURE_VARIANT_ADD(hostile, error)
{
	.happen = error_and_recovery,
};

FIXTURE_VARIANT_ADD(hostile, unbind)
{
	.happen = unbind_and_bind,
};

FIXTURE_VARIANT_ADD(hostile, revoke)
{
	.happen = NULL,
};

FIXTURE_SETUP(hostile)
{
	unsigned int i;

	if (expected_route() == P2PBUF_ROUTE_UNKNOWN)
		SKIP(return, "the pair is unreachable");
	if (variant->happen == hibernate_and_resume && !can_hibernate())
		SKIP(return, "the kernel cannot hibernate");

	self->exporter = open_exporter();
	ASSERT_GE(self->exporter, 0);
	for (i = 0; i < NR_BUFFERS; i++) {
		self->fds[i] = export_simple(self->exporter, i * PAGE, PAGE);
		ASSERT_GE(self->fds[i], 0);
		ASSERT_EQ(0, follow(&self->followed[i], self->fds[i], WAIT_MS));
	}
}

FIXTURE_TEARDOWN(hostile)
{
	unsigned int i;

	for (i = 0; i < NR_BUFFERS; i++) {
		unfollow(&self->followed[i]);
		close(self->fds[i]);
	}
	close(self->exporter);
}

static int revoke_all(FIXTURE_DATA(hostile) *self)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NR_BUFFERS && !ret; i++)
		ret = revoke_buffer(self->exporter, self->fds[i]);
	return ret;
}

TEST_F(hostile, fences)
{
	const char *wrong;
	unsigned int i;

	EXPECT_EQ(0, variant->happen ? variant->happen(self->exporter) : revoke_all(self));
	for (i = 0; i < NR_BUFFERS; i++) {
		wrong = what_follows(&self->followed[i]);
		EXPECT_EQ(NULL, wrong)
			TH_LOG("buffer %u: %s", i, wrong);
	}
}

/* Nor when memory is short just as the exporter has to note which fences there are. */
TEST_F(hostile, fences_without_memory)
{
	const char *wrong;
	unsigned int i;
	int ret;

	if (!injectors_present())
		SKIP(return, "the kernel has no fault injection");
	ASSERT_EQ(0, prepare_injectors());
	ASSERT_EQ(0, inject_below(variant->happen ? "p2pbuf_exporter_revoke" :
						    "p2pbuf_buffer_revoke"));
	ASSERT_EQ(0, write_file(PROBABILITY, "100"));
	ret = variant->happen ? variant->happen(self->exporter) : revoke_all(self);
	EXPECT_EQ(0, write_file(PROBABILITY, "0"));
	EXPECT_EQ(0, inject_below(NULL));
	EXPECT_EQ(0, ret);
	for (i = 0; i < NR_BUFFERS; i++) {
		wrong = what_follows(&self->followed[i]);
		EXPECT_EQ(NULL, wrong)
			TH_LOG("buffer %u: %s", i, wrong);
	}
}

TEST_HARNESS_MAIN
