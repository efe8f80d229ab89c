// SPDX-License-Identifier: GPL-2.0-only
/* Mappings by both interconnects, and DMA that goes on while something happens. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "p2pbuf_test.h"

/* Import and map once by each interconnect. */
int import_both(int importer, int fd, uint32_t *handles)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 2 && !ret; i++) {
		ret = import_buffer(importer, fd, P2PBUF_INTERCONNECT_PHYS + i,
				    P2PBUF_ACCESS_READ | P2PBUF_ACCESS_WRITE, &handles[i]);
		if (!ret)
			ret = map_handle(importer, handles[i]);
	}
	return ret;
}

/* Suspend freezes threads by a signal, and a reset makes the engine pause. */
static bool goes_on(int ret)
{
	return !ret || ret == -EINTR || ret == -EAGAIN;
}

static void *write_again_and_again(void *arg)
{
	struct traffic *traffic = arg;
	uint8_t data[TRAFFIC_SIZE];

	memset(data, 0x66, sizeof(data));
	while (!traffic->stop && goes_on(traffic->ret)) {
		traffic->ret = write_buffer(traffic->importer, traffic->handle, 0, data,
					    sizeof(data));
		traffic->done++;
	}
	return NULL;
}

/* Device writes to the buffer's first bytes until they fail; the first one is over. */
int start_traffic(struct traffic *traffic, int importer, uint32_t handle)
{
	int ret;

	*traffic = (struct traffic){ .importer = importer, .handle = handle };
	ret = pthread_create(&traffic->thread, NULL, write_again_and_again, traffic);
	while (!ret && !traffic->done)
		usleep(10000);
	return -ret;
}

/* What the last write returned. */
int wait_for_traffic(struct traffic *traffic)
{
	pthread_join(traffic->thread, NULL);
	return traffic->ret;
}

int stop_traffic(struct traffic *traffic)
{
	traffic->stop = true;
	return wait_for_traffic(traffic);
}
