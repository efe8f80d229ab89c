// SPDX-License-Identifier: GPL-2.0-only
/*
 * That the benchmark measures what it says: every strategy that a route has, no flush more
 * than counted elsewhere, and leaf entries that two witnesses agree about. How much anything
 * costs is not asserted.
 */
#include <stdio.h>
#include <string.h>

#include <kselftest_harness.h>

#include "p2pbuf_test.h"

#define LINE	4096

/* How many of @command's records have @word in them; -1 if it failed. */
static int count_records(const char *command, const char *word)
{
	FILE *output = popen(command, "r");
	char line[LINE];
	int nr = 0;

	if (!output)
		return -1;
	while (fgets(line, sizeof(line), output))
		nr += !strncmp(line, "bench {", 7) && strstr(line, word);
	return pclose(output) ? -1 : nr;
}

/* Strategies that map @ranges on this route, the corrected helper among them. */
static int strategies(unsigned int ranges)
{
	switch (expected_route()) {
	case P2PBUF_ROUTE_BUS_ADDR:
		return 6;	/* not each range for itself; no limit */
	case P2PBUF_ROUTE_HOST_BRIDGE:
		return 8;	/* no limit */
	default:
		return ranges == 1 ? 9 : 8;	/* the kernel's helper fails */
	}
}

TEST(every_strategy)
{
	EXPECT_EQ(strategies(1), count_records("p2pbuf-bench cost -r 1 shuffled:1:4096",
					       "\"unmap\":["));
	EXPECT_EQ(strategies(64), count_records("p2pbuf-bench cost -r 1 shuffled:64:4096",
						"\"unmap\":["));
	EXPECT_TRUE(is_bound("p2pbuf_exporter", exporter_bdf()));
}

TEST(one_flush)
{
	struct flushes flushes;

	if (!translates() || count_flushes(0, 0, &flushes))
		SKIP(return, "no flushes here that the rig counts");
	EXPECT_EQ(1, count_records("p2pbuf-bench cost -r 1 -s phys holes:64:4096",
				   "\"flushes_unmap\":1}"));
	EXPECT_EQ(1, count_records("p2pbuf-bench cost -r 1 -s dma_map_phys holes:64:4096",
				   "\"flushes_unmap\":64}"));
}

/* "name":{...} in @line, up to the brace. */
static bool find_object(const char *line, const char *name, char *object, size_t size)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":{", name);
	at = strstr(line, key);
	if (!at)
		return false;
	at += strlen(key);
	snprintf(object, size, "%.*s", (int)strcspn(at, "}"), at);
	return true;
}

TEST(leaves_agree)
{
	static const char * const command =
		"p2pbuf-bench leaves contiguous:1:16777216 odd:4:4194304 holes:8:2097152";
	char line[LINE], walker[256], probe[256];
	FILE *output;
	int nr = 0;

	if (expected_route() != P2PBUF_ROUTE_IOVA)
		SKIP(return, "no IOVA on this route");
	output = popen(command, "r");
	ASSERT_NE(NULL, output);
	while (fgets(line, sizeof(line), output)) {
		nr++;
		EXPECT_TRUE(find_object(line, "walker", walker, sizeof(walker)));
		EXPECT_TRUE(find_object(line, "probe", probe, sizeof(probe)));
		EXPECT_STREQ(walker, probe);
		EXPECT_LT(0, strlen(probe));
	}
	EXPECT_EQ(0, pclose(output));
	EXPECT_EQ(9, nr);
}

/* On the bus-address route a mapping is the importer's own struct and nothing else. */
TEST(memory_is_counted)
{
	static const char * const command =
		"p2pbuf-bench memory shuffled:64:4096 shuffled:64:65536";
	static const char * const nothing =
		"\"what\":\"mapping phys\",\"ranges\":64,\"exported\":4194304,\"bytes\":0}";

	EXPECT_EQ(2, count_records(command, "\"what\":\"mapping phys\""));
	if (expected_route() == P2PBUF_ROUTE_BUS_ADDR)
		EXPECT_EQ(1, count_records(command, nothing));
}

TEST(bad_arguments)
{
	EXPECT_EQ(-1, count_records("p2pbuf-bench cost nonsense:1:4096 2>/dev/null", ""));
	EXPECT_EQ(-1, count_records("p2pbuf-bench cost shuffled:1:4095 2>/dev/null", ""));
	EXPECT_EQ(-1, count_records("p2pbuf-bench nothing 2>/dev/null", ""));
}

TEST_HARNESS_MAIN
