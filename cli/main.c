// SPDX-License-Identifier: GPL-2.0-only
/* p2pbuf: which PCI functions can reach which, and DMABUFs of their memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const struct command commands[] = {
	{ "topo", "which functions reach which, by which route, and why", run_topo },
	{ "regions", "a function's BARs, and what of them can be exported", run_regions },
	{ "bind", "give a function to the exporter or the importer", run_bind },
	{ "unbind", "take a function from its p2pbuf driver", run_unbind },
	{ "export", "make a DMABUF of BAR ranges and hand it on", run_export },
	{ "revoke", "take access away from one DMABUF, for good", run_revoke },
	{ "import", "map a DMABUF for the importer: route, ranges, segments", run_import },
	{ "audit", "where a mapping's DMA addresses lead, and whether that is right", run_audit },
	{ "verify", "move data by device DMA and compare", run_verify },
	{ "bench", "time map, unmap and copies", run_bench },
	{ "events", "revoke and restore of DMABUFs as they happen", run_events },
	{ }
};

static const struct command *find(const char *name)
{
	const struct command *command;

	for (command = commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

/* Of argp's texts: the subcommands behind the description. */
static char *add_commands(int key, const char *text, void *input)
{
	const struct command *command;
	size_t size;
	char *help;
	FILE *file;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	file = open_memstream(&help, &size);
	if (!file)
		return (char *)text;
	fputs("Subcommands:\n", file);
	for (command = commands; command->name; command++)
		fprintf(file, "  %-10s %s\n", command->name, command->summary);
	fprintf(file, "\n%s", text);
	fclose(file);
	return help;
}

static const char doc[] =
	"PCIe peer-to-peer DMABUFs: which functions can reach which and why, BAR ranges as "
	"DMABUFs, and where a DMABUF's DMA addresses really lead.\v"
	"p2pbuf SUBCOMMAND --help has the options, with examples.\n\n"
	"Exit status: 0 done and good; 1 done, and the answer is bad; 2 usage; 3 something is "
	"not there; 4 refused, by the kernel or because of a user; 5 command and modules are of "
	"different versions.";

struct chosen {
	const struct command *command;
	int at;
};

/* The first word that is no option is the subcommand; what follows is its own. */
static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct chosen *chosen = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		chosen->command = find(arg);
		if (!chosen->command)
			argp_error(state, "there is no subcommand \"%s\"", arg);
		chosen->at = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "SUBCOMMAND [ARGUMENT...]",
		.doc = doc,
		.help_filter = add_commands,
	};
	struct chosen chosen = { };
	char name[64];

	argp_err_exit_status = EXIT_USAGE;
	argp_program_version_hook = version_print;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &chosen);

	output_command = chosen.command->name;
	/* argp's messages begin with it. */
	snprintf(name, sizeof(name), "p2pbuf %s", chosen.command->name);
	argv[chosen.at] = name;
	return chosen.command->run(argc - chosen.at, argv + chosen.at);
}
