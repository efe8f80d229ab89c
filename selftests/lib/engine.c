// SPDX-License-Identifier: GPL-2.0-only
/* The importer function's DMA engine with any address, by the test module. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

static int run(int test, enum p2pbuf_test_dma dma, uint64_t addr, uint8_t fill,
	       unsigned int length, unsigned int *changed)
{
	struct p2pbuf_test_engine args = {
		.dma = dma,
		.length = length,
		.addr = addr,
		.fill = fill,
	};

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	if (ioctl(test, P2PBUF_TEST_ENGINE, &args))
		return -errno;
	if (changed)
		*changed = args.changed;
	return 0;
}

/* The bytes that a device read puts in the place of @fill, or -errno. */
int engine_read(int test, uint64_t addr, uint8_t fill, unsigned int length)
{
	unsigned int changed;
	int ret = run(test, P2PBUF_TEST_DMA_READ, addr, fill, length, &changed);

	return ret ? ret : (int)changed;
}

int engine_write(int test, uint64_t addr, uint8_t fill, unsigned int length)
{
	return run(test, P2PBUF_TEST_DMA_WRITE, addr, fill, length, NULL);
}

/* Begin to write; the data leave the engine ENGINE_MS later. */
int engine_start(int test, uint64_t addr, uint8_t fill, unsigned int length)
{
	return run(test, P2PBUF_TEST_DMA_START, addr, fill, length, NULL);
}

/* Until the engine is idle. 1: it was still running, 0: it was not. */
int engine_wait(int test)
{
	uint32_t was_running;

	if (ioctl(test, P2PBUF_TEST_ENGINE_WAIT, &was_running))
		return -errno;
	return was_running;
}

/* The highest address that the importer's bus reaches; 0: none. */
int set_limit(int test, uint64_t limit)
{
	struct p2pbuf_test_limit args = { .limit = limit };

	strncpy(args.client, importer_bdf(), sizeof(args.client) - 1);
	return ioctl(test, P2PBUF_TEST_LIMIT, &args) ? -errno : 0;
}
