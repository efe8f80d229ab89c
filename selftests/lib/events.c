// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can happen to the exporter's function, each from its beginning to its end. 0, or
 * -errno.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "p2pbuf_test.h"

#define SUSPEND_DELAY	"/sys/module/suspend/parameters/pm_test_delay"
#define HIBERNATE_DELAY	"/sys/module/hibernate/parameters/pm_test_delay"

int reset_by_ioctl(int exporter)
{
	return reset_exporter(exporter);
}

int reset_function(const char *bdf)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", bdf);
	return write_file(path, "1");
}

int reset_by_sysfs(int exporter)
{
	(void)exporter;
	return reset_function(exporter_bdf());
}

int memory_off_and_on(int exporter)
{
	int ret = set_memory(exporter, false);

	return ret ? ret : set_memory(exporter, true);
}

/* Down to the devices and up again at once, without firmware. */
static int sleep_and_wake(const char *delay, const char *state)
{
	return write_file(delay, "0") ?: write_file("/sys/power/pm_test", "devices") ?:
	       write_file("/sys/power/state", "%s", state);
}

int suspend_and_resume(int exporter)
{
	(void)exporter;
	return sleep_and_wake(SUSPEND_DELAY, "freeze");
}

/* A kernel may have been built without. */
bool can_hibernate(void)
{
	return !access(HIBERNATE_DELAY, F_OK);
}

/* As far as the image, which is not written. */
int hibernate_and_resume(int exporter)
{
	(void)exporter;
	return sleep_and_wake(HIBERNATE_DELAY, "disk");
}

static int count_recoveries(const char *how)
{
	return run_shell("exit $(dmesg | grep -c 'AER: device recovery %s')", how);
}

static int count_all_recoveries(void)
{
	return count_recoveries("failed") + count_recoveries("successful");
}

/* An error that a port reports, as QEMU calls it, and the end of what the PCI core does then. */
static int inject(const char *port, const char *error, const char *end)
{
	int ret, tries, before = count_all_recoveries(), as_wanted = count_recoveries(end);
	char command[64];

	snprintf(command, sizeof(command), "pcie_aer_inject_error %s %s", port, error);
	ret = tell_qemu(command);
	for (tries = 0; !ret && count_all_recoveries() == before; tries++) {
		usleep(100000);
		if (tries == 10 * HUNG_SECONDS)
			ret = -ETIMEDOUT;
	}
	return ret ?: count_recoveries(end) > as_wanted ? 0 : -EIO;
}

/* An error of the link below a port: the PCI core resets what is there. */
int error_below(const char *port)
{
	return inject(port, "DLP", "successful");
}

/* ... and it does not come back. */
int lost_link(int exporter)
{
	(void)exporter;
	return inject("port0", "DLP", "failed");
}

/* No reset is needed, but a function below the port has no driver. */
int unrecovered_error(const char *port)
{
	return inject(port, "COMP_TIME", "failed");
}

int error_and_recovery(int exporter)
{
	(void)exporter;
	return error_below("port0");
}

int unbind_and_bind(int exporter)
{
	(void)exporter;
	return unbind_driver(exporter_bdf()) ?:
	       bind_driver(exporter_bdf(), "p2pbuf_exporter");
}

/* A new function in the same place, with an IOMMU domain of its own. */
int replace_function(const char *bdf)
{
	return run_shell("echo 1 > /sys/bus/pci/devices/%s/remove", bdf) ?:
	       write_file("/sys/bus/pci/rescan", "1") ?: bind_both();
}

int remove_and_rescan(int exporter)
{
	(void)exporter;
	return replace_function(exporter_bdf());
}

/* The port above a function, as configuration space file. */
int open_port(const char *bdf)
{
	char link[PATH_MAX], path[PATH_MAX];
	char *end;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", bdf);
	if (!realpath(link, path))
		return -errno;
	end = strrchr(path, '/');
	strcpy(end, "/config");
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Its configuration space is not found, and reads all ones, while the port has another bus. */
int hide_function(const char *bdf, bool hidden)
{
	uint8_t bus = hidden ? 0xff : strtoul(bdf + strlen("0000:"), NULL, 16);
	int port = open_port(bdf), ret;

	if (port < 0)
		return port;
	ret = pwrite(port, &bus, 1, PCI_SECONDARY_BUS) == 1 ? 0 : -errno;
	close(port);
	return ret;
}

/* The command register, or -errno. */
int read_command(const char *bdf)
{
	char path[PATH_MAX];
	uint16_t command;
	int config, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	config = open(path, O_RDONLY | O_CLOEXEC);
	if (config < 0)
		return -errno;
	ret = pread(config, &command, 2, PCI_COMMAND) == 2 ? command : -EIO;
	close(config);
	return ret;
}
