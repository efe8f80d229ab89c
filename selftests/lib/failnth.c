// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failnth.h"
#include "p2pbuf_test.h"

/*
 * Each failure takes one from the injector's "times", by fail-nth too, which however does
 * not care how many are left.
 */
#define MANY		1000000000

static const char *const names[NR_INJECTORS] = {
	[INJECT_SLAB] = "failslab",
	[INJECT_PAGE] = "fail_page_alloc",
	[INJECT_USERCOPY] = "fail_usercopy",
};

static void path_of(enum injector injector, const char *file, char *path, size_t size)
{
	snprintf(path, size, "/sys/kernel/debug/%s/%s", names[injector], file);
}

static int set(enum injector injector, const char *file, const char *value)
{
	char path[PATH_MAX];

	path_of(injector, file, path, sizeof(path));
	return write_file(path, "%s", value);
}

static int set_address(enum injector injector, const char *file, unsigned long addr)
{
	char value[32];

	snprintf(value, sizeof(value), "0x%lx", addr);
	return set(injector, file, value);
}

static int set_all(const char *file, const char *value)
{
	int i, ret = 0;

	for (i = 0; i < NR_INJECTORS && !ret; i++)
		ret = set(i, file, value);
	return ret;
}

static bool is_one_of(char *name, const char *const *functions, unsigned int nr)
{
	unsigned int i;

	/* The compiler's clones have a suffix; what is cold lies elsewhere. */
	if (strstr(name, ".cold"))
		return false;
	name[strcspn(name, ".")] = '\0';
	for (i = 0; i < nr; i++)
		if (!strcmp(name, functions[i]))
			return true;
	return false;
}

/*
 * Where the code of some functions of one object file begins and ends, with whatever is
 * between them. The list is sorted by address but for the modules.
 */
static int find_text(const char *const *functions, unsigned int nr, unsigned long *start,
		     unsigned long *end)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	unsigned long addr, last = 0;
	char name[128];

	if (!file)
		return -errno;
	*start = ULONG_MAX;
	*end = ULONG_MAX;
	while (fscanf(file, "%lx %*c %127s%*[^\n]", &addr, name) == 2) {
		if (!is_one_of(name, functions, nr))
			continue;
		*start = addr < *start ? addr : *start;
		last = addr > last ? addr : last;
	}
	rewind(file);
	while (fscanf(file, "%lx %*c %127s%*[^\n]", &addr, name) == 2)
		if (addr > last && addr < *end)
			*end = addr;
	fclose(file);
	return last ? 0 : -ENOENT;
}

/* Whether this kernel has all three, and may fail by the place in the code too. */
bool injectors_present(void)
{
	char path[PATH_MAX];
	int i;

	for (i = 0; i < NR_INJECTORS; i++) {
		path_of(i, "reject-start", path, sizeof(path));
		if (access(path, W_OK))
			return false;
	}
	return !access("/proc/self/fail-nth", W_OK);
}

/* dma-debug turns itself off for good when an allocation of its own fails. */
static int spare_dma_debug(void)
{
	static const char *const functions[] = {
		"active_cacheline_insert", "add_dma_entry", "dma_entry_alloc",
		"dma_debug_create_entries", "debug_dma_map_phys", "debug_dma_map_sg",
		"debug_dma_alloc_coherent", "debug_dma_alloc_pages",
	};
	unsigned long start, end;
	int i, ret;

	ret = find_text(functions, sizeof(functions) / sizeof(*functions), &start, &end);
	if (ret == -ENOENT)
		return 0;
	for (i = 0; i < NR_INJECTORS && !ret; i++)
		ret = set_address(i, "reject-start", start) ?:
		      set_address(i, "reject-end", end);
	return ret;
}

/* By themselves they spare all allocations that can wait, and single pages. */
int prepare_injectors(void)
{
	char many[16];

	snprintf(many, sizeof(many), "%d", MANY);
	return set_all("verbose", "0") ?: set_all("times", many) ?:
	       set(INJECT_SLAB, "ignore-gfp-wait", "N") ?:
	       set(INJECT_PAGE, "ignore-gfp-wait", "N") ?:
	       set(INJECT_PAGE, "ignore-gfp-highmem", "N") ?:
	       set(INJECT_PAGE, "min-order", "0") ?: spare_dma_debug();
}

/* Only what is called by @function; NULL: everything. */
int inject_below(const char *function)
{
	unsigned long start = 0, end = ULONG_MAX;
	int i, ret = 0;

	if (function)
		ret = find_text(&function, 1, &start, &end);
	for (i = 0; i < NR_INJECTORS && !ret; i++)
		ret = set_address(i, "require-start", start) ?:
		      set_address(i, "require-end", end);
	return ret;
}

/* The failures since prepare_injectors(), of all tasks. */
int count_injected(unsigned int *counts)
{
	char path[PATH_MAX], text[32];
	int i, ret;

	for (i = 0; i < NR_INJECTORS; i++) {
		path_of(i, "times", path, sizeof(path));
		ret = read_file(path, text, sizeof(text));
		if (ret < 0)
			return ret;
		counts[i] = MANY - strtol(text, NULL, 10);
	}
	return 0;
}

int fail_nth_open(struct fail_nth *fail)
{
	*fail = (struct fail_nth){
		.fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC),
	};
	return fail->fd < 0 ? -errno : 0;
}

void fail_nth_close(struct fail_nth *fail)
{
	close(fail->fd);
}

int fail_nth_arm(struct fail_nth *fail, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fail->fd, text, length, 0) == length ? 0 : -errno;
}

/* Whether the failure has happened meanwhile. It may also hit what is done here. */
bool fail_nth_disarm(struct fail_nth *fail)
{
	char text[16] = "";
	bool happened;

	happened = pread(fail->fd, text, sizeof(text), 0) > 0 && text[0] == '0';
	fail->strays += !text[0];
	while (pwrite(fail->fd, "0", 1, 0) != 1)
		fail->strays++;
	return happened;
}
