// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf bind and unbind: which driver a function has. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dmabuf.h"
#include "users.h"

enum { OPTION_FORCE = 0x300, OPTION_FROM, OPTION_RESTORE };

#define DEVICES		"/sys/bus/pci/devices"
#define DRIVERS		"/sys/bus/pci/drivers"
#define NAME_ROOM	64
/* As sysfs shows that there is none, and what clears it. */
#define NO_OVERRIDE	"(null)"
#define CLEAR		"\n"

static const char *function, *kind, *from;
static bool force, restore;

/**
 * struct binding - what a function had before
 * @bdf: the function
 * @driver: that is bound, or ""
 * @override: its driver_override
 */
struct binding {
	char bdf[BDF_ROOM];
	char driver[NAME_ROOM];
	char override[NAME_ROOM];
};

static const struct argp_option bind_options[] = {
	{ "from", OPTION_FROM, "DRIVER", 0,
	  "Take it from this driver, unless something uses the function", 0 },
	{ "force", OPTION_FORCE, NULL, 0,
	  "Take it from whichever driver has it, whatever uses it", 0 },
	{ }
};

static const struct argp_option unbind_options[] = {
	{ "restore", OPTION_RESTORE, NULL, 0,
	  "Let the kernel bind the driver that it would choose by itself", 0 },
	{ }
};

static error_t parse_options(int key, char *arg)
{
	switch (key) {
	case OPTION_FORCE:
		force = true;
		return 0;
	case OPTION_FROM:
		from = arg;
		return 0;
	case OPTION_RESTORE:
		restore = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_bind(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "\"%s\" is one argument too many", arg);
		if (state->arg_num == 1 && strcmp(arg, EXPORTER) && strcmp(arg, IMPORTER))
			argp_error(state, "\"%s\" is neither exporter nor importer", arg);
		*(state->arg_num ? &kind : &function) = arg;
		return 0;
	case ARGP_KEY_END:
		if (!kind)
			argp_error(state, "BDF and exporter or importer are missing");
		return 0;
	default:
		return parse_options(key, arg);
	}
}

static error_t parse_unbind(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "\"%s\" is one argument too many", arg);
		function = arg;
		return 0;
	case ARGP_KEY_END:
		if (!function)
			argp_error(state, "BDF is missing");
		return 0;
	default:
		return parse_options(key, arg);
	}
}

static int look(const char *bdf, struct binding *binding)
{
	snprintf(binding->bdf, sizeof(binding->bdf), "%s", bdf);
	if (sysfs_link(binding->driver, sizeof(binding->driver), DEVICES "/%s/driver", bdf))
		binding->driver[0] = '\0';
	return sysfs_read(binding->override, sizeof(binding->override),
			  DEVICES "/%s/driver_override", bdf);
}

static bool is_bound_to(const char *bdf, const char *driver)
{
	struct binding binding;

	look(bdf, &binding);
	return !strcmp(binding.driver, driver);
}

static int override(const char *bdf, const char *driver)
{
	return sysfs_write(strcmp(driver, NO_OVERRIDE) ? driver : CLEAR,
			   DEVICES "/%s/driver_override", bdf);
}

static int release(const struct binding *binding)
{
	if (!*binding->driver)
		return 0;
	return sysfs_write(binding->bdf, DRIVERS "/%s/unbind", binding->driver);
}

/* As it was, as far as the kernel lets us. */
static int undo(const struct binding *before)
{
	int ret;

	ret = override(before->bdf, before->override);
	if (!ret && *before->driver && !is_bound_to(before->bdf, before->driver))
		ret = sysfs_write(before->bdf, DRIVERS "/%s/bind", before->driver);
	if (ret)
		say_error("the kernel log may say more: dmesg",
			  "%s could not be given back to %s: %s", before->bdf,
			  *before->driver ? before->driver : "no driver", strerror(-ret));
	return ret;
}

static int take(const struct binding *before, const char *driver)
{
	int ret;

	ret = override(before->bdf, driver);
	if (!ret)
		ret = release(before);
	if (!ret)
		ret = sysfs_write(before->bdf, "/sys/bus/pci/drivers_probe");
	if (!ret && !is_bound_to(before->bdf, driver))
		ret = -ENODEV;
	return ret;
}

static int say_in_use(const struct binding *before)
{
	struct json_object *users = find_users(before->bdf);
	size_t nr = json_object_array_length(users), i;

	if (!nr) {
		json_object_put(users);
		return EXIT_FINE;
	}
	say_error("end that first, or take the function all the same: --force",
		  "%s is in use by way of %s:", before->bdf, before->driver);
	for (i = 0; i < nr; i++)
		fprintf(stderr, "        %s\n",
			json_object_get_string(json_object_array_get_idx(users, i)));
	json_object_put(users);
	return EXIT_REFUSED;
}

/* Whether the driver that has it may lose it. */
static int may_take(const struct binding *before)
{
	char hint[160];

	if (!*before->driver || force)
		return EXIT_FINE;
	if (from && !strcmp(from, before->driver))
		return say_in_use(before);
	if (from) {
		say_error(NULL, "%s is bound to %s, not to %s", before->bdf, before->driver, from);
		return EXIT_REFUSED;
	}
	say_in_use(before);
	snprintf(hint, sizeof(hint), "p2pbuf bind %s %s --from %s takes it from there",
		 before->bdf, kind, before->driver);
	say_error(hint, "%s is bound to %s", before->bdf, before->driver);
	return EXIT_REFUSED;
}

static int need_driver(const char *driver)
{
	char path[128], hint[96];
	int ret;

	ret = version_check();
	snprintf(path, sizeof(path), DRIVERS "/%s", driver);
	if (ret || !access(path, F_OK))
		return ret;
	snprintf(hint, sizeof(hint), "modprobe %s", driver);
	say_error(hint, "the driver %s is not there", driver);
	return EXIT_MISSING;
}

static void show_binding(struct json_object *document)
{
	const char *before = json_string(document, "before") ?: "no driver";
	const char *now = json_string(document, "driver") ?: "no driver";

	if (!strcmp(before, now))
		printf("%s: %s already\n", json_string(document, "function"), now);
	else
		printf("%s: %s -> %s\n", json_string(document, "function"), before, now);
}

static void print_binding(const char *command, const struct binding *before, const char *now)
{
	struct json_object *document = must_have(json_object_new_object());

	json_add_string(document, "function", before->bdf);
	json_add_string(document, "before", *before->driver ? before->driver : NULL);
	json_add_string(document, "driver", *now ? now : NULL);
	document_print(command, document, show_binding);
}

/* After an attempt that failed with @error. */
static int undo_and_say(const struct binding *before, const char *driver, int error)
{
	bool undone = !undo(before);

	say_error(error == EACCES || error == EPERM ? "run this as root" :
						     "the kernel log may say why: dmesg",
		  "%s does not take %s (%s)%s", driver, before->bdf, strerror(error),
		  undone ? "; it is as it was" : "");
	return EXIT_REFUSED;
}

static const char bind_doc[] =
	"Give a function to the exporter (any function with memory BARs) or the importer (QEMU's "
	"edu). A function that another driver has is left alone unless --from or --force says "
	"otherwise. If it fails, the function gets its former driver back.\v"
	"Examples:\n"
	"  p2pbuf bind 0000:01:00.0 exporter\n"
	"  p2pbuf bind 0000:01:00.0 exporter --from nvme";

/* No signal may come between two drivers. */
static int rebind(const struct binding *before, const char *driver)
{
	int ret;

	catch_ends();
	ret = take(before, driver);
	return ret ? undo_and_say(before, driver, -ret) : EXIT_FINE;
}

int run_bind(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &output_argp }, { } };
	static const struct argp argp = {
		.options = bind_options, .parser = parse_bind,
		.args_doc = "BDF exporter|importer", .doc = bind_doc, .children = children,
	};
	char bdf[BDF_ROOM], driver[NAME_ROOM];
	struct binding before;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	snprintf(driver, sizeof(driver), "p2pbuf_%s", kind);
	ret = find_function(function, bdf);
	if (!ret)
		ret = need_driver(driver);
	if (ret)
		return ret;
	if (look(bdf, &before)) {
		say_error(NULL, "%s has no driver_override", bdf);
		return EXIT_MISSING;
	}
	if (strcmp(before.driver, driver)) {
		ret = may_take(&before);
		if (!ret)
			ret = rebind(&before, driver);
		if (ret)
			return ret;
	}
	print_binding("bind", &before, driver);
	return EXIT_FINE;
}

static const char unbind_doc[] =
	"Take a function from the exporter or the importer and clear its driver_override. DMABUFs "
	"of it lose access for good.\v"
	"Examples:\n"
	"  p2pbuf unbind 0000:01:00.0\n"
	"  p2pbuf unbind 0000:01:00.0 --restore";

static int give_back(const struct binding *before)
{
	int ret;

	catch_ends();
	ret = override(before->bdf, NO_OVERRIDE);
	if (!ret)
		ret = release(before);
	if (ret)
		return undo_and_say(before, "the kernel", -ret);
	if (restore)
		ret = sysfs_write(before->bdf, "/sys/bus/pci/drivers_probe");
	if (!ret)
		return EXIT_FINE;
	say_error("the kernel log may say why: dmesg", "%s has no driver now: %s", before->bdf,
		  strerror(-ret));
	return EXIT_REFUSED;
}

int run_unbind(int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &output_argp }, { } };
	static const struct argp argp = {
		.options = unbind_options, .parser = parse_unbind, .args_doc = "BDF",
		.doc = unbind_doc, .children = children,
	};
	struct binding before, after;
	char bdf[BDF_ROOM];
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	ret = find_function(function, bdf);
	if (ret)
		return ret;
	look(bdf, &before);
	if (strncmp(before.driver, "p2pbuf_", strlen("p2pbuf_"))) {
		say_error("p2pbuf topo shows which driver has it",
			  "%s is not bound to a driver of p2pbuf", bdf);
		return EXIT_MISSING;
	}
	ret = give_back(&before);
	if (ret)
		return ret;
	look(bdf, &after);
	print_binding("unbind", &before, after.driver);
	return EXIT_FINE;
}
