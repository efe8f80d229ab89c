// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this guest really does, in one line of key=value pairs: the route by each
 * interconnect, the kernel's own decision, whether data arrives, how the IOMMU
 * invalidates. Nothing of what is expected goes into it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

#define SIZE	(4 * PAGE)

static const char * const interconnects[] = {
	[P2PBUF_INTERCONNECT_PHYS] = "phys",
	[P2PBUF_INTERCONNECT_SGT] = "sgt",
};

static const char * const routes[] = {
	[P2PBUF_ROUTE_UNKNOWN] = "unknown",
	[P2PBUF_ROUTE_BUS_ADDR] = "bus-address",
	[P2PBUF_ROUTE_HOST_BRIDGE] = "host-bridge",
	[P2PBUF_ROUTE_IOVA] = "iova",
};

static void must(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "p2pbuf-observe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static const char *error_name(int ret)
{
	return strerrorname_np(-ret);
}

/* What arrived where the data should be; @before is what was there. */
static const char *what_arrived(const uint8_t *data, unsigned int seed, uint8_t before)
{
	size_t i, where;

	if (!pattern_check(data, SIZE, seed, 0, &where))
		return "arrived";
	for (i = 0; i < SIZE; i++)
		if (data[i] != before)
			return "wrong";
	return before ? "nothing" : "zeros";
}

/* A refused read of edu looks like zeros, and a refused write like none. */
static void observe_data(int importer, uint32_t handle, uint8_t *cpu, const char *name)
{
	struct p2pbuf_copy result;
	static uint8_t user[SIZE];

	pattern_fill(cpu, SIZE, 1, 0);
	memset(user, 0x55, SIZE);
	copy_buffer(importer, handle, 0, 0, user, SIZE, &result);
	printf(" read-%s=%s", name,
	       what_arrived(user, 1, result.unproven == SIZE ? 0 : 0x55));

	pattern_fill(user, SIZE, 2, 0);
	memset(cpu, 0x55, SIZE);
	copy_buffer(importer, handle, P2PBUF_COPY_TO_BUFFER, 0, user, SIZE, &result);
	printf(" write-%s=%s", name, what_arrived(cpu, 2, 0x55));
}

static void observe_import(int importer, int fd, uint8_t *cpu, unsigned int interconnect)
{
	const char *name = interconnects[interconnect];
	struct p2pbuf_query query;
	uint32_t handle;
	int ret;

	ret = import_buffer(importer, fd, interconnect,
			    P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &handle);
	if (!ret)
		ret = map_handle(importer, handle);
	if (ret) {
		printf(" route-%s=%s", name, error_name(ret));
		return;
	}
	must(!query_handle(importer, handle, &query, NULL, 0), "query");
	printf(" route-%s=%s", name, routes[query.route]);
	observe_data(importer, handle, cpu, name);
	release_handle(importer, handle);
}

/* Four single pages, so that the order counts. */
static void observe_driver(void)
{
	static const unsigned int pages[] = { 6, 0, 4, 2 };
	int exporter, importer, fd;
	uint8_t *cpu;

	exporter = open_exporter();
	must(exporter >= 0, "exporter");
	importer = open_importer();
	must(importer >= 0, "importer");
	fd = export_pages(exporter, pages, SIZE / PAGE);
	must(fd >= 0, "export");
	cpu = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(cpu != MAP_FAILED, "mmap");
	observe_import(importer, fd, cpu, P2PBUF_INTERCONNECT_PHYS);
	observe_import(importer, fd, cpu, P2PBUF_INTERCONNECT_SGT);
	close(importer);
	close(fd);
	close(exporter);
}

/* One page by dma_buf_phys_vec_to_sgt(). */
static void ask_helper(int test, struct p2pbuf_test_helper *args)
{
	int exporter = open_exporter();

	must(exporter >= 0, "exporter");
	*args = (struct p2pbuf_test_helper){
		.fd = export_simple(exporter, 0, PAGE),
	};
	snprintf(args->client, sizeof(args->client), "%s", importer_bdf());
	must(!ioctl(test, P2PBUF_TEST_HELPER, args), "P2PBUF_TEST_HELPER");
	close(args->fd);
	close(exporter);
}

/* One struct page of P2PDMA by dma_map_sgtable(). */
static void ask_page(int test, struct p2pbuf_test_page *args)
{
	*args = (struct p2pbuf_test_page){};
	snprintf(args->owner, sizeof(args->owner), "%s", exporter_bdf());
	snprintf(args->client, sizeof(args->client), "%s", importer_bdf());
	must(!unbind_driver(exporter_bdf()), "unbind");
	must(!bind_driver(exporter_bdf(), "p2pbuf_test"), "bind");
	must(!ioctl(test, P2PBUF_TEST_PAGE, args), "P2PBUF_TEST_PAGE");
	unbind_driver(exporter_bdf());
	must(!bind_driver(exporter_bdf(), "p2pbuf_exporter"), "bind again");
}

/*
 * The first tells an IOVA from the rest, the second a bus address: on x86 bus and
 * physical address are the same number.
 */
static void observe_kernel(void)
{
	struct p2pbuf_test_helper helper;
	struct p2pbuf_test_page page;
	int test;

	must(!run_shell("modprobe p2pbuf_test"), "modprobe");
	test = open(P2PBUF_TEST_NODE, O_RDWR | O_CLOEXEC);
	must(test >= 0, P2PBUF_TEST_NODE);
	ask_helper(test, &helper);
	ask_page(test, &page);
	close(test);

	printf(" kernel-phys=%s", helper.result ? error_name(helper.result) :
	       helper.translated ? "translated" : "same");
	printf(" kernel-page=%s", page.result ? error_name(page.result) :
	       page.bus_addr ? "bus-address" : "mapped");
}

/* The IOMMU group's domain type, as the kernel writes it. */
static void observe_iommu(void)
{
	char path[PATH_MAX], type[32], exporter[PATH_MAX], importer[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", importer_bdf());
	if (!realpath(path, importer)) {
		printf(" domain=none group=none");
		return;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", exporter_bdf());
	must(realpath(path, exporter), "iommu_group");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/type",
		 importer_bdf());
	must(read_file(path, type, sizeof(type)) > 0, path);
	type[strcspn(type, "\n")] = '\0';
	printf(" domain=%s group=%s", type, strcmp(exporter, importer) ? "own" : "shared");
}

int main(void)
{
	printf("seen:");
	observe_driver();
	observe_kernel();
	observe_iommu();
	printf("\n");
	return 0;
}
