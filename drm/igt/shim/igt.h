/* SPDX-License-Identifier: MIT */
/*
 * The part of IGT's API that prime_p2pbuf is written against, for building it where IGT's
 * source is not. igt_core.c speaks IGT's protocol.
 *
 * As in IGT, what a block changes and another one uses has to be static or volatile.
 */
#ifndef SHIM_IGT_H
#define SHIM_IGT_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IGT_EXIT_SUCCESS	0
#define IGT_EXIT_SKIP		77
#define IGT_EXIT_INVALID	79
#define IGT_EXIT_FAILURE	98
#define IGT_EXIT_ABORT		112

#define IGT_TEST_DESCRIPTION(text) \
	const char *const shim_description = text

extern const char *const shim_description;
extern const char *shim_device;		/* of --device or $IGT_DEVICE, or NULL */

/* "int igt_main() { ... }" is the test. */
void shim_body(void);
void shim_begin_test(int argc, char **argv);
int shim_end_test(void);

#define igt_main() \
	main(int argc, char **argv) \
	{ \
		shim_begin_test(argc, argv); \
		shim_body(); \
		return shim_end_test(); \
	} \
	void shim_body(void)

/* A failure or a skip inside a block jumps to its end. */
extern sigjmp_buf shim_block;
bool shim_begin_fixture(void);
bool shim_begin_subtest(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
bool shim_end_block(void);

#define SHIM_BLOCK(begin) \
	for (volatile bool shim_runs = (begin); \
	     shim_runs && !sigsetjmp(shim_block, 1); \
	     shim_runs = shim_end_block())

#define igt_fixture()		SHIM_BLOCK(shim_begin_fixture())
#define igt_subtest(name)	SHIM_BLOCK(shim_begin_subtest("%s", name))
#define igt_subtest_f(...)	SHIM_BLOCK(shim_begin_subtest(__VA_ARGS__))

/* A fixture that fails or skips takes along what follows in its group. */
int shim_begin_group(void);
void shim_end_group(int saved);

#define igt_subtest_group() \
	for (volatile int shim_saved = shim_begin_group(), shim_once = 1; shim_once; \
	     shim_end_group(shim_saved), shim_once = 0)

void shim_describe(const char *text);

#define igt_describe(text)	shim_describe(text)

_Noreturn void igt_skip(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
_Noreturn void shim_fail(int status, const char *file, int line, const char *check,
			 const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void igt_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define SHIM_FAIL_UNLESS(good, status, expr, ...) do { \
		if (!(good)) \
			shim_fail(status, __FILE__, __LINE__, expr, __VA_ARGS__); \
	} while (0)

#define igt_assert_f(expr, ...) \
	SHIM_FAIL_UNLESS(expr, IGT_EXIT_FAILURE, #expr, __VA_ARGS__)

/* Ends the whole run of whatever runs tests. */
#define igt_abort_on_f(expr, ...) \
	SHIM_FAIL_UNLESS(!(expr), IGT_EXIT_ABORT, #expr, __VA_ARGS__)

#define igt_assert(expr) igt_assert_f(expr, "%s", "")

#define igt_assert_eq(a, b) do { \
		int shim_a = (a), shim_b = (b); \
		if (shim_a != shim_b) \
			shim_fail(IGT_EXIT_FAILURE, __FILE__, __LINE__, #a " == " #b, \
				  "%d is not %d\n", shim_a, shim_b); \
	} while (0)

#define igt_assert_fd(fd) igt_assert_f((fd) >= 0, "no file descriptor\n")

#define igt_require_f(expr, ...) do { \
		if (!(expr)) \
			igt_skip(__VA_ARGS__); \
	} while (0)

#define igt_require(expr) igt_require_f(expr, "Test requirement: %s\n", #expr)

/* Of IGT's masks of drivers these; all others count as the rest of DRIVER_ANY. */
#define DRIVER_VGEM	0x004
#define DRIVER_VIRTIO	0x400
#define DRIVER_ANY	(~(DRIVER_VGEM | DRIVER_VIRTIO))

/* By --device drm:NODE, $IGT_DEVICE and $IGT_FORCE_DRIVER; skips if there is none. */
int drm_open_driver(int chipset);
int __drm_open_driver(int chipset);
int drm_close_driver(int fd);

#endif /* SHIM_IGT_H */
