// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test-only: stops the guest, which goes on when the rig has answered. Not every kernel has
 * ioperm() or /dev/port.
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

/* QEMU's pvpanic (docs/specs/pvpanic.rst), of which qemu/run makes a pause. */
#define PVPANIC_PORT		0x505
#define PVPANIC_PANICKED	1

static ssize_t rig_write(struct file *file, const char __user *user, size_t size,
			 loff_t *pos)
{
	outb(PVPANIC_PANICKED, PVPANIC_PORT);
	return size;
}

static const struct file_operations rig_fops = {
	.owner = THIS_MODULE,
	.write = rig_write,
};

static struct miscdevice rig_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "p2pbuf-rig",
	.nodename = "p2pbuf/rig",
	.mode = 0600,
	.fops = &rig_fops,
};
module_misc_device(rig_misc);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Test-only pause of a guest of p2pbuf's rig");
