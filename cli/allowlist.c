// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's allow-list of CPUs and host bridges; cli/allowlist.py makes the file. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "topo.h"

/* The first one counts. */
static void __attribute__((format(printf, 2, 3)))
note(struct allowlist *list, const char *format, ...)
{
	va_list args;

	if (list->problem[0])
		return;
	va_start(args, format);
	vsnprintf(list->problem, sizeof(list->problem), format, args);
	va_end(args);
}

/* Of the first CPU, as the kernel does. */
static void read_cpu(char *vendor, size_t size, unsigned int *family)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256], word[32];
	unsigned int number;

	*vendor = '\0';
	*family = 0;
	while (file && fgets(line, sizeof(line), file) && (!*vendor || !*family)) {
		if (sscanf(line, "vendor_id : %31s", word) == 1)
			snprintf(vendor, size, "%s", word);
		if (sscanf(line, "cpu family : %u", &number) == 1)
			*family = number;
	}
	if (file)
		fclose(file);
}

static void add_cpu(struct allowlist *list, const char *vendor, unsigned int family)
{
	unsigned int ours;
	char name[32];

	read_cpu(name, sizeof(name), &ours);
	if (!strcmp(name, vendor) && ours >= family)
		list->cpu_allowed = true;
}

static void add_bridge(struct allowlist *list, unsigned int vendor, const char *device,
		       const char *which)
{
	struct allowed_bridge *bridge = &list->bridges[list->nr];
	char *end;

	if (list->nr == sizeof(list->bridges) / sizeof(*list->bridges)) {
		note(list, "the allow-list %s is too long", list->path);
		return;
	}
	bridge->vendor = vendor;
	bridge->device = strcmp(device, "any") ? strtol(device, &end, 16) : -1;
	bridge->same_only = !strcmp(which, "same-only");
	if ((bridge->device >= 0 && *end) || (!bridge->same_only && strcmp(which, "any")))
		note(list, "the allow-list %s has an entry that makes no sense", list->path);
	list->nr++;
}

static void read_line(struct allowlist *list, const char *line)
{
	unsigned int number;
	char word[32], other[32];

	if (sscanf(line, "linux %31s", word) == 1)
		strcpy(list->version, word);
	else if (sscanf(line, "cpu %31s %u", word, &number) == 2)
		add_cpu(list, word, number);
	else if (sscanf(line, "bridge %4x %31s %31s", &number, word, other) == 3)
		add_bridge(list, number, word, other);
	else if (line[0] != '#' && line[0] != '\n')
		note(list, "the allow-list %s has a line that makes no sense", list->path);
}

/* @release is "7.3.4+deb13-amd64", @version "7.3.4". */
static bool is_release_of(const char *release, const char *version)
{
	const char *rest = release + strlen(version);

	if (strncmp(release, version, strlen(version)))
		return false;
	return !isdigit(*rest) && *rest != '.' && strncmp(rest, "-rc", 3);
}

/* The rule and the list of one kernel say nothing of another's. */
static void check_kernel(struct allowlist *list)
{
	struct utsname kernel;
	size_t length;

	uname(&kernel);
	length = strlen(kernel.machine);
	if (strcmp(kernel.machine, "x86_64") &&
	    (length != 4 || kernel.machine[0] != 'i' || strcmp(kernel.machine + 2, "86")))
		note(list, "what this machine (%s) lets pass is not known: it is not x86",
		     kernel.machine);
	if (!list->version[0])
		note(list, "the allow-list %s does not say of which kernel it is", list->path);
	else if (!is_release_of(kernel.release, list->version))
		note(list, "the allow-list is of Linux %s, and this is %s", list->version,
		     kernel.release);
}

void allowlist_read(struct allowlist *list, const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned int family;
	char line[256], vendor[32];

	*list = (struct allowlist){ .path = path };
	read_cpu(vendor, sizeof(vendor), &family);
	if (vendor[0])
		snprintf(list->cpu, sizeof(list->cpu), "%s family %u", vendor, family);
	if (!file) {
		note(list, "no allow-list: %s: %s", path, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file))
		read_line(list, line);
	fclose(file);
	check_kernel(list);
	if (!list->cpu[0])
		note(list, "/proc/cpuinfo does not tell this machine's CPU");
}
