// SPDX-License-Identifier: GPL-2.0-only
/* A function that does not answer, by p2pbuf_test.ko or since its bus is not where it was. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "p2pbuf_test.h"
#include "../kmod/p2pbuf_test_ioctl.h"

/* See there. */
int begin_silence(int test, const char *bdf, unsigned int when, unsigned int after,
		  unsigned int nr_reads)
{
	struct p2pbuf_test_silence args = {
		.when = when, .after = after, .nr_reads = nr_reads,
	};

	snprintf(args.client, sizeof(args.client), "%s", bdf);
	return ioctl(test, P2PBUF_TEST_SILENCE, &args) ? -errno : 0;
}

/* How many reads were all ones, or -errno. */
int end_silence(int test, const char *bdf)
{
	struct p2pbuf_test_silence args = { .when = P2PBUF_TEST_SPEAKS };

	snprintf(args.client, sizeof(args.client), "%s", bdf);
	return ioctl(test, P2PBUF_TEST_SILENCE, &args) ? -errno : (int)args.nr_reads;
}

/* What it was, or -errno: nobody answers at a bus that no port forwards to. */
int set_secondary_bus(const char *port, unsigned int bus)
{
	uint8_t before, now = bus;
	char path[PATH_MAX];
	int config, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", port);
	config = open(path, O_RDWR | O_CLOEXEC);
	if (config < 0)
		return -errno;
	ret = pread(config, &before, 1, PCI_SECONDARY_BUS) == 1 &&
	      pwrite(config, &now, 1, PCI_SECONDARY_BUS) == 1 ? before : -EIO;
	close(config);
	return ret;
}
