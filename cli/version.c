// SPDX-License-Identifier: GPL-2.0-only
/* The command's version and the modules', which must be one. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static bool module_version(char *version, size_t size)
{
	FILE *file = fopen("/sys/module/p2pbuf/version", "re");
	bool found;

	if (!file)
		return false;
	found = fgets(version, size, file);
	fclose(file);
	version[found ? strcspn(version, "\n") : 0] = '\0';
	return found;
}

/* EXIT_FINE, or why the subcommands that need the modules cannot go on: said. */
int version_check(void)
{
	char version[64];

	if (!module_version(version, sizeof(version))) {
		say_error("load them: modprobe p2pbuf_exporter; modprobe p2pbuf_importer",
			  "the modules are not loaded");
		return EXIT_MISSING;
	}
	if (!strcmp(version, VERSION))
		return EXIT_FINE;
	say_error("install command and modules of one version, and load the modules anew",
		  "this is version " VERSION ", the modules loaded are %s", version);
	return EXIT_VERSION;
}

void version_print(FILE *stream, struct argp_state *state)
{
	char version[64];

	(void)state;
	fprintf(stream, "p2pbuf " VERSION "\n");
	if (module_version(version, sizeof(version)))
		fprintf(stream, "modules %s\n", version);
	else
		fprintf(stream, "modules not loaded\n");
}
