// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can happen to the exporter's function, each from its beginning to its end. 0, or
 * -errno.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "p2pbuf_test.h"

/* Of the guest's time, in seconds; the recovery of a link takes one. */
#define PATIENCE	60

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

static int count_recoveries(void)
{
	return run_shell("exit $(dmesg | grep -c 'AER: device recovery successful')");
}

/* An error of the link below a port: the PCI core resets what is there. */
int error_below(const char *port)
{
	int ret, tries, before = count_recoveries();
	char command[64];

	snprintf(command, sizeof(command), "pcie_aer_inject_error %s DLP", port);
	ret = tell_qemu(command);
	for (tries = 0; !ret && count_recoveries() == before; tries++) {
		usleep(100000);
		if (tries == 10 * PATIENCE)
			ret = -ETIMEDOUT;
	}
	return ret;
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
