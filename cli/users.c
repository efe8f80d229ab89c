// SPDX-License-Identifier: GPL-2.0-only
/*
 * What uses a function by way of its driver: network interfaces that are up, block devices
 * that are mounted, swapped to or part of another one, and open device nodes, those of its
 * VFIO group included.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "users.h"

/**
 * struct search - what has been found
 * @users: sentences
 * @nodes: numbers of device nodes whose openers are looked for
 * @nr: how many
 */
struct search {
	struct json_object *users;
	struct node {
		dev_t dev;
		bool is_block;
		char name[NAME_MAX + 1];
	} *nodes;
	size_t nr;
};

static void __attribute__((format(printf, 2, 3)))
add_user(struct search *search, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		must_have(NULL);
	va_end(args);
	json_object_array_add(search->users, must_have(json_object_new_string(text)));
	free(text);
}

static void add_node(struct search *search, const char *name, dev_t dev, bool is_block)
{
	struct node *node;

	search->nodes = must_have(reallocarray(search->nodes, search->nr + 1,
					       sizeof(*search->nodes)));
	node = &search->nodes[search->nr++];
	node->dev = dev;
	node->is_block = is_block;
	snprintf(node->name, sizeof(node->name), "%s", name);
}

static bool has_entries(const char *path)
{
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(path);

	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return found;
}

/* Mounted, by its number in the third column of mountinfo. */
static void look_at_mounts(struct search *search, const char *name, dev_t dev)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	unsigned int major, minor;
	char line[4096], where[1024];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %u:%u %*s %1023s", &major, &minor, where) == 3 &&
		    makedev(major, minor) == dev)
			add_user(search, "block device %s is mounted at %s", name, where);
	if (file)
		fclose(file);
}

static void look_at_swap(struct search *search, const char *name, dev_t dev)
{
	FILE *file = fopen("/proc/swaps", "re");
	char line[4096], path[1024];
	struct stat stat_of;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%1023s", path) == 1 && !stat(path, &stat_of) &&
		    S_ISBLK(stat_of.st_mode) && stat_of.st_rdev == dev)
			add_user(search, "block device %s is swap space", name);
	if (file)
		fclose(file);
}

static void look_at_block(struct search *search, const char *path, const char *name, dev_t dev)
{
	char holders[PATH_MAX + 16];

	look_at_mounts(search, name, dev);
	look_at_swap(search, name, dev);
	snprintf(holders, sizeof(holders), "%s/holders", path);
	if (has_entries(holders))
		add_user(search, "block device %s is part of another one", name);
}

static void look_at_net(struct search *search, const char *path, const char *name)
{
	char flags[32];

	if (!sysfs_read(flags, sizeof(flags), "%s/flags", path) &&
	    strtoul(flags, NULL, 16) & IFF_UP)
		add_user(search, "network interface %s is up", name);
}

/* A device of a class, below the function. */
static void look_at_device(struct search *search, const char *path, const char *name)
{
	char subsystem[64], number[32];
	unsigned int major, minor;
	bool is_block;

	if (sysfs_link(subsystem, sizeof(subsystem), "%s/subsystem", path))
		return;
	if (!strcmp(subsystem, "net"))
		look_at_net(search, path, name);
	if (sysfs_read(number, sizeof(number), "%s/dev", path) ||
	    sscanf(number, "%u:%u", &major, &minor) != 2)
		return;
	is_block = !strcmp(subsystem, "block");
	if (is_block)
		look_at_block(search, path, name, makedev(major, minor));
	add_node(search, name, makedev(major, minor), is_block);
}

/* Other functions have users of their own. */
static void look_below(struct search *search, const char *path)
{
	char below[PATH_MAX], bdf[BDF_ROOM];
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    parse_function(entry->d_name, bdf) ||
		    snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(below))
			continue;
		look_at_device(search, below, entry->d_name);
		look_below(search, below);
	}
	if (dir)
		closedir(dir);
}

/* Its node is no device below the function. */
static void look_at_vfio_group(struct search *search, const char *bdf)
{
	char group[32], path[64];
	struct stat node;

	if (sysfs_link(group, sizeof(group), "/sys/bus/pci/devices/%s/iommu_group", bdf))
		return;
	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	if (!stat(path, &node))
		add_node(search, path, node.st_rdev, false);
}

static bool is_number(const char *name)
{
	return isdigit((unsigned char)*name);
}

static void look_at_descriptor(struct search *search, int fds, const char *fd, int pid)
{
	struct stat open_file;
	char comm[32];
	size_t i;

	if (fstatat(fds, fd, &open_file, 0))
		return;
	for (i = 0; i < search->nr; i++) {
		if (open_file.st_rdev != search->nodes[i].dev ||
		    S_ISBLK(open_file.st_mode) != search->nodes[i].is_block ||
		    !(S_ISBLK(open_file.st_mode) || S_ISCHR(open_file.st_mode)))
			continue;
		if (sysfs_read(comm, sizeof(comm), "/proc/%d/comm", pid))
			strcpy(comm, "?");
		add_user(search, "process %d (%s) has %s open", pid, comm, search->nodes[i].name);
	}
}

static void look_at_process(struct search *search, int pid)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (is_number(entry->d_name))
			look_at_descriptor(search, dirfd(dir), entry->d_name, pid);
	if (dir)
		closedir(dir);
}

static void look_at_processes(struct search *search)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && search->nr && (entry = readdir(dir)))
		if (is_number(entry->d_name))
			look_at_process(search, atoi(entry->d_name));
	if (dir)
		closedir(dir);
}

/* An array of sentences; what other users' processes have open takes root to see. */
struct json_object *find_users(const char *bdf)
{
	struct search search = { .users = must_have(json_object_new_array()) };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", bdf);
	look_below(&search, path);
	look_at_vfio_group(&search, bdf);
	look_at_processes(&search);
	free(search.nodes);
	return search.users;
}
