// SPDX-License-Identifier: MIT
/* One subtest of each way to end, for drm/protocol.py to look at what is said of them. */
#include <signal.h>

#include "igt.h"

IGT_TEST_DESCRIPTION("All that a test can say.");

int igt_main()
{
	igt_fixture()
		igt_require(true);

	igt_describe("Ends.");
	igt_subtest("succeeds")
		igt_info("all is well\n");

	igt_subtest("skips")
		igt_skip("not here\n");

	igt_subtest_group() {
		igt_fixture()
			igt_require_f(false, "nothing to test\n");

		igt_subtest("skipped")
			igt_assert(false);
	}

	igt_subtest("fails")
		igt_assert_eq(1, 2);

	igt_subtest("crashes")
		raise(SIGSEGV);

	igt_subtest_f("succeeds-%s", "late")
		igt_assert(true);

	igt_subtest("aborts")
		igt_abort_on_f(true, "no way on\n");
}
