// SPDX-License-Identifier: GPL-2.0-only
/*
 * The character devices /dev/p2pbuf/<kind>/<domain:bus:dev.fn>, and how the structs of
 * their ioctls get here.
 */
#include <linux/device.h>
#include <linux/export.h>
#include <linux/miscdevice.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <p2pbuf.h>

/**
 * p2pbuf_node_register - make the node of a function
 * @misc: zeroed; to be undone by misc_deregister() while @dev is bound. Opening a node
 *	and deregistering it exclude each other, so open may take a reference on
 *	what @misc is part of.
 * @dev: the function; its devres holds the names
 * @kind: directory below /dev/p2pbuf
 * @fops: of the node
 *
 * Mode 0600.
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, or an error of misc_register().
 */
int p2pbuf_node_register(struct miscdevice *misc, struct device *dev, const char *kind,
			 const struct file_operations *fops)
{
	misc->minor = MISC_DYNAMIC_MINOR;
	misc->fops = fops;
	misc->mode = 0600;
	misc->parent = dev;
	misc->name = devm_kasprintf(dev, GFP_KERNEL, "p2pbuf-%s-%s", kind, dev_name(dev));
	misc->nodename = devm_kasprintf(dev, GFP_KERNEL, "p2pbuf/%s/%s", kind,
					dev_name(dev));
	if (!misc->name || !misc->nodename)
		return -ENOMEM;
	return misc_register(misc);
}
EXPORT_SYMBOL_GPL(p2pbuf_node_register);

/**
 * p2pbuf_copy_args - copy the struct of an ioctl from user memory
 * @args: filled in
 * @known: size in bytes of @args
 * @first: size in bytes of the version that was published first
 * @user: the program's struct
 * @size: its size in bytes, as the ioctl's number has it
 *
 * The rule of uapi/linux/p2pbuf.h for structs that grow.
 *
 * Context: may sleep.
 * Return: 0, -EINVAL (@size is below @first), -E2BIG (something that is not known here is
 * not zero), -EFAULT.
 */
int p2pbuf_copy_args(void *args, size_t known, size_t first, const void __user *user,
		     size_t size)
{
	return size < first ? -EINVAL : copy_struct_from_user(args, known, user, size);
}
EXPORT_SYMBOL_GPL(p2pbuf_copy_args);
