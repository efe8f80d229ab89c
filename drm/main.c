// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2pbuf-drm: what each DRM driver here does with p2pbuf's DMABUFs, and p2pbuf with
 * theirs. TAP, and at its end a table of drivers.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drm_test.h"

#define NR_CHECKS	6

static const struct {
	const char *name;
	void (*check)(const struct context *ctx, struct result *result);
} checks[NR_CHECKS] = {
	{ "import", check_import },
	{ "dumb", check_dumb },
	{ "both", check_both },
	{ "fences", check_fences },
	{ "kms", check_kms },
	{ "reference", check_reference },
};

static const char usage[] =
"usage: p2pbuf-drm [OPTION]...\n"
"\n"
"For every DRM and accel node: import a DMABUF of a BAR by PRIME, move data between its\n"
"dumb buffers and that BAR by device DMA, order DMA and the driver's work by fences.\n"
"What needs a function that is not there is skipped.\n"
"\n"
"  --exporter BDF   function bound to p2pbuf_exporter; memory decoding of it is\n"
"                   turned off and on [default: $P2PBUF_EXPORTER]\n"
"  --importer BDF   function bound to p2pbuf_importer; given this, the start of\n"
"                   the exporter's BAR is written to [default: $P2PBUF_IMPORTER]\n"
"  --driver NAME    only nodes of this driver\n"
"  -h, --help       this text\n";

static const struct option options[] = {
	{ "exporter", required_argument, NULL, 'e' },
	{ "importer", required_argument, NULL, 'i' },
	{ "driver", required_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int open_end(const char *kind, const char *bdf)
{
	char path[64];
	int fd;

	if (!bdf)
		return -ENOENT;
	snprintf(path, sizeof(path), "/dev/p2pbuf/%s/%s", kind, bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The largest region there is to export. */
static unsigned int choose_bar(int exporter)
{
	struct p2pbuf_region_info info;
	unsigned int bar, best = 0;
	uint64_t size = 0;

	for (bar = 0; bar < 6; bar++) {
		if (region_info(exporter, bar, &info) ||
		    !(info.flags & P2PBUF_REGION_EXPORTABLE) || info.size <= size)
			continue;
		size = info.size;
		best = bar;
	}
	return best;
}

static int find_vgem(const struct card *cards, unsigned int nr)
{
	while (nr--)
		if (!strcmp(cards[nr].driver, "vgem"))
			return cards[nr].fd;
	return -ENOENT;
}

static bool report(const struct card *card, const char *check, unsigned int number,
		   const struct result *result)
{
	static const char * const words[] = {
		[PASSED] = "ok", [FAILED] = "not ok", [SKIPPED] = "ok",
	};

	printf("%s %u %s.%s.%s%s%s\n", words[result->verdict], number,
	       strrchr(card->node, '/') + 1, card->driver, check,
	       result->verdict == SKIPPED ? " # SKIP " : " # ", result->text);
	fflush(stdout);
	return result->verdict != FAILED;
}

static bool check_card(const struct context *ctx, struct result *results,
		       unsigned int *number)
{
	bool good = true;
	unsigned int i;

	for (i = 0; i < NR_CHECKS; i++) {
		set_result(&results[i], FAILED, "nothing was checked");
		checks[i].check(ctx, &results[i]);
		good &= report(ctx->card, checks[i].name, ++*number, &results[i]);
	}
	return good;
}

static void print_table(const struct card *cards, struct result (*results)[NR_CHECKS],
			unsigned int nr)
{
	unsigned int card, i;

	for (card = 0; card < nr; card++) {
		printf("# %s: %s on %s (%s), %s by drmGetDevices2()\n", cards[card].node,
		       cards[card].driver, cards[card].device, cards[card].bus,
		       cards[card].listed ? "found" : "not found");
		for (i = 0; i < NR_CHECKS; i++)
			printf("#   %-10s%s%s\n", checks[i].name,
			       results[card][i].verdict == FAILED ? "FAILED: " :
			       results[card][i].verdict == SKIPPED ? "skipped: " : "",
			       results[card][i].text);
	}
}

/* Those of other drivers stay open: vgem's fences serve all. */
static unsigned int choose_cards(struct card *chosen, const struct card *cards,
				 unsigned int nr, const char *driver)
{
	unsigned int i, left = 0;

	for (i = 0; i < nr; i++)
		if (!driver || !strcmp(cards[i].driver, driver))
			chosen[left++] = cards[i];
	return left;
}

static int run(const struct ends *ends, const char *driver)
{
	struct context ctx = { .ends = *ends };
	struct card cards[MAX_CARDS], chosen[MAX_CARDS];
	struct result results[MAX_CARDS][NR_CHECKS];
	unsigned int i, nr, number = 0;
	bool good = true;

	nr = find_cards(cards);
	ctx.vgem = find_vgem(cards, nr);
	nr = choose_cards(chosen, cards, nr, driver);
	printf("TAP version 13\n1..%u%s\n", nr * NR_CHECKS,
	       nr ? "" : " # SKIP no such DRM device");
	for (i = 0; i < nr; i++) {
		ctx.card = &chosen[i];
		good &= check_card(&ctx, results[i], &number);
	}
	print_table(chosen, results, nr);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const char *exporter = getenv("P2PBUF_EXPORTER"), *importer = getenv("P2PBUF_IMPORTER");
	const char *driver = NULL;
	struct ends ends;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (option == 'e') {
			exporter = optarg;
		} else if (option == 'i') {
			importer = optarg;
		} else if (option == 'd') {
			driver = optarg;
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? EXIT_SUCCESS : EXIT_FAILURE;
		}
	}

	ends.exporter = open_end("exporter", exporter);
	ends.importer = open_end("importer", importer);
	ends.bar = choose_bar(ends.exporter);
	return run(&ends, driver);
}
