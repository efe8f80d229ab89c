// SPDX-License-Identifier: MIT
/*
 * IGT's protocol, as igt_runner takes it:
 *
 * - --list-subtests prints one name a line and nothing else; --run-subtest takes patterns
 *   with *, ? and [], separated by commas, each turned around by a leading !, the last
 *   one that matches decides; exit status 79 if there is no such subtest.
 * - stdout has "IGT-Version: ", "Starting subtest: NAME" and "Subtest NAME: RESULT
 *   (0.000s)" with SUCCESS, SKIP, FAIL or CRASH; stderr has the same two lines if
 *   $IGT_SENTINEL_ON_STDERR is set; the kernel log has both ends as well.
 * - The exit status is 0, 77 if all was skipped, that of the first failure (98, or 128 and
 *   the signal), 112 at once if going on would mislead whatever runs next.
 *
 * igt_runner's socket is optional, and not used.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "igt.h"

enum result {
	NONE,
	SUCCESS,
	SKIP,
	FAIL,
	CRASH,
};

static const char * const result_names[] = {
	[SUCCESS] = "SUCCESS", [SKIP] = "SKIP", [FAIL] = "FAIL", [CRASH] = "CRASH",
};

sigjmp_buf shim_block;
const char *shim_device;

static const char *test_name;
static const char *pattern;
static bool listing;
static bool describing;
static bool prefixing;
static bool sentinels;
static bool matched;
static bool in_block;
static char subtest[128];		/* empty outside */
static const char *description;
static struct timespec started;
static enum result rest;		/* of what a fixture took along */
static bool succeeded;
static int failure;			/* exit status of the first one */

static void tell_kernel(const char *format, const char *result)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	dprintf(fd, format, test_name, subtest, result);
	close(fd);
}

__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	fflush(stdout);
	if (!sentinels)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

static void say_result(const char *result, double seconds)
{
	say("Subtest %s: %s (%.3fs)\n", subtest, result, seconds);
	tell_kernel("<6>[IGT] %s: finished subtest %s, %s\n", result);
}

static double elapsed(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - started.tv_sec + (now.tv_nsec - started.tv_nsec) / 1e9;
}

/* Ends a subtest, or takes along what follows a fixture. */
static void end_with(enum result result)
{
	in_block = false;
	if (!*subtest) {
		rest = result == SUCCESS ? rest : result;
		return;
	}
	succeeded |= result == SUCCESS;
	say_result(result_names[result], elapsed());
	*subtest = '\0';
}

_Noreturn static void leave_block(enum result result)
{
	if (!in_block)
		exit(result == SKIP ? IGT_EXIT_SKIP : IGT_EXIT_FAILURE);
	end_with(result);
	siglongjmp(shim_block, 1);
}

bool shim_end_block(void)
{
	end_with(SUCCESS);
	return false;
}

bool shim_begin_fixture(void)
{
	in_block = !listing && !rest;
	return in_block;
}

/* IGT leaves out what no pattern asks for, and takes all if there is none. */
static bool is_wanted(const char *name)
{
	char *copy, *word, *state;
	bool wanted = false, turned;

	if (!pattern)
		return true;
	copy = strdup(pattern);
	for (word = strtok_r(copy, ",", &state); word; word = strtok_r(NULL, ",", &state)) {
		turned = *word == '!';
		if (!fnmatch(word + turned, name, 0))
			wanted = !turned;
	}
	free(copy);
	matched |= wanted;
	return wanted;
}

static void list(const char *name)
{
	if (prefixing)
		printf("igt@%s@", test_name);
	printf("%s\n", name);
	if (describing)
		printf("  %s\n\n", description ?: "NO DOCUMENTATION!");
}

static void check_name(const char *name)
{
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '-' && *name != '_')
			abort();
}

bool shim_begin_subtest(const char *format, ...)
{
	char name[sizeof(subtest)];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	check_name(name);
	if (!is_wanted(name))
		return false;
	if (listing) {
		list(name);
		return false;
	}
	strcpy(subtest, name);
	if (rest) {
		say_result(result_names[rest], 0);
		*subtest = '\0';
		return false;
	}
	tell_kernel("<6>[IGT] %s: starting subtest %s%s\n", "");
	say("Starting subtest: %s\n", name);
	clock_gettime(CLOCK_MONOTONIC, &started);
	in_block = true;
	return true;
}

int shim_begin_group(void)
{
	return rest;
}

void shim_end_group(int saved)
{
	rest = saved;
}

void shim_describe(const char *text)
{
	description = text;
}

void igt_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	fflush(stdout);
}

void igt_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	leave_block(SKIP);
}

void shim_fail(int status, const char *file, int line, const char *check,
	       const char *format, ...)
{
	int error = errno;
	va_list args;

	fprintf(stderr, "%s:%d: failed: %s\n", file, line, check);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "last errno: %d, %s\n", error, strerror(error));
	if (status == IGT_EXIT_ABORT)
		exit(status);
	failure = failure ?: status;
	leave_block(FAIL);
}

/* The next subtest runs. */
static void crash(int sig)
{
	failure = failure ?: 128 + sig;
	if (*subtest)
		leave_block(CRASH);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void catch_crashes(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, 0 };
	unsigned int i;

	for (i = 0; signals[i]; i++)
		signal(signals[i], crash);
}

static void print_version(void)
{
	struct utsname uts;

	uname(&uts);
	igt_info("IGT-Version: shim-p2pbuf (%s) (%s: %s %s)\n", uts.machine, uts.sysname,
		 uts.release, uts.machine);
}

static const char usage[] =
"  --list-subtests\n"
"  --show-testlist\n"
"  --run-subtest <pattern>\n"
"  --describe[=<pattern>]\n"
"  --help-description\n"
"  --device drm:<node>\n"
"  --debug[=<domain>]\n"
"  --version\n"
"  --help|-h\n";

static const struct option options[] = {
	{ "list-subtests", no_argument, NULL, 'l' },
	{ "show-testlist", no_argument, NULL, 's' },
	{ "run-subtest", required_argument, NULL, 'r' },
	{ "describe", optional_argument, NULL, 'D' },
	{ "help-description", no_argument, NULL, 't' },
	{ "device", required_argument, NULL, 'd' },
	{ "debug", optional_argument, NULL, 'g' },
	{ "version", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

_Noreturn static void print_and_exit(int option)
{
	if (option == 't')
		printf("%s\n", shim_description);
	else if (option == 'v')
		print_version();
	else
		fprintf(option == 'h' ? stdout : stderr, "Usage: %s [OPTIONS]\n%s", test_name,
			usage);
	exit(strchr("tvh", option) ? IGT_EXIT_SUCCESS : IGT_EXIT_INVALID);
}

static void read_options(int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (option == 'd')
			shim_device = optarg;
		else if ((option == 'r' && !listing) || (option == 'D' && optarg))
			pattern = optarg;
		else if (!strchr("rlsDg", option))
			print_and_exit(option);
		/* Of "list" and "run" the first counts. */
		listing |= (option == 'l' && !pattern) || option == 's' || option == 'D';
		describing |= option == 'D';
		prefixing |= option == 's';
	}
}

void shim_begin_test(int argc, char **argv)
{
	test_name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	sentinels = getenv("IGT_SENTINEL_ON_STDERR");
	shim_device = getenv("IGT_DEVICE");
	read_options(argc, argv);
	if (listing)
		return;
	catch_crashes();
	tell_kernel("<6>[IGT] %s: executing%s%s\n", "");
	print_version();
}

int shim_end_test(void)
{
	if (pattern && !matched) {
		fprintf(stderr, "Unknown subtest: %s\n", pattern);
		return IGT_EXIT_INVALID;
	}
	if (listing)
		return IGT_EXIT_SUCCESS;
	if (failure)
		return failure;
	return succeeded ? IGT_EXIT_SUCCESS : IGT_EXIT_SKIP;
}
