// SPDX-License-Identifier: GPL-2.0-only
/*
 * The node /dev/p2pbuf/exporter/<domain:bus:dev.fn> and its ioctls.
 */
#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "exporter.h"

static unsigned int max_ranges = 65536;
module_param(max_ranges, uint, 0644);
MODULE_PARM_DESC(max_ranges,
		 "Most ranges that one DMABUF may have; each takes 24 bytes, charged to the caller's memory cgroup [default: 65536]");

static int exporter_open(struct inode *inode, struct file *file)
{
	struct p2pbuf_exporter *exp =
		container_of(file->private_data, struct p2pbuf_exporter, misc);

	kref_get(&exp->kref);
	file->private_data = exp;
	return 0;
}

static int exporter_close(struct inode *inode, struct file *file)
{
	p2pbuf_exporter_put(file->private_data);
	return 0;
}

/* The struct of any of the ioctls. */
union args {
	struct p2pbuf_region_info region_info;
	struct p2pbuf_export export;
	struct p2pbuf_reset reset;
	struct p2pbuf_memory memory;
	struct p2pbuf_route_info route;
	struct p2pbuf_revoke revoke;
};

static long call_region_info(struct p2pbuf_exporter *exp, union args *args)
{
	struct p2pbuf_region_info *info = &args->region_info;
	const struct p2pbuf_region *region;
	unsigned int bar;

	if (info->index >= PCI_STD_NUM_BARS)
		return -ENXIO;
	if (info->flags || info->reason || info->reserved || info->size)
		return -EINVAL;

	guard(mutex)(&exp->lock);
	if (!exp->pdev)
		return -ENODEV;

	bar = array_index_nospec(info->index, PCI_STD_NUM_BARS);
	region = &exp->regions[bar];
	info->flags = region->flags;
	info->reason = region->reason;
	info->size = pci_resource_len(exp->pdev, bar);
	return 0;
}

static struct p2pbuf_range *copy_ranges(const struct p2pbuf_export *args)
{
	size_t bytes = array_size(args->nr_ranges, sizeof(struct p2pbuf_range));
	struct p2pbuf_range *user;

	/* The user chooses the size: too much is an error, not worth a warning. */
	user = kvmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!user)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(user, u64_to_user_ptr(args->ranges), bytes)) {
		kvfree(user);
		return ERR_PTR(-EFAULT);
	}
	return user;
}

static long call_export(struct p2pbuf_exporter *exp, union args *args)
{
	struct p2pbuf_export *export = &args->export;
	struct p2pbuf_range *user;
	struct dma_buf *dmabuf;
	int ret;

	if (export->flags || (export->open_flags & ~(O_ACCMODE | O_CLOEXEC)) ||
	    (export->open_flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (!export->nr_ranges)
		return -ENODATA;
	if (export->nr_ranges > READ_ONCE(max_ranges))
		return -EMSGSIZE;

	user = copy_ranges(export);
	if (IS_ERR(user))
		return PTR_ERR(user);
	dmabuf = p2pbuf_buffer_export(exp, export, user);
	kvfree(user);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	ret = dma_buf_fd(dmabuf, export->open_flags);
	if (ret < 0)
		dma_buf_put(dmabuf);
	return ret;
}

static long call_reset(struct p2pbuf_exporter *exp, union args *args)
{
	if (args->reset.flags || args->reset.reserved)
		return -EINVAL;
	return p2pbuf_exporter_reset(exp);
}

static long call_memory(struct p2pbuf_exporter *exp, union args *args)
{
	if (args->memory.flags || args->memory.on > 1)
		return -EINVAL;
	return p2pbuf_exporter_set_memory(exp, args->memory.on);
}

static long call_revoke(struct p2pbuf_exporter *exp, union args *args)
{
	struct p2pbuf_buffer *buf;
	struct dma_buf *dmabuf;
	int ret;

	if (args->revoke.flags)
		return -EINVAL;

	dmabuf = dma_buf_get(args->revoke.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	buf = p2pbuf_buffer_of(exp, dmabuf);
	ret = buf ? p2pbuf_buffer_revoke(buf) : -EXDEV;
	dma_buf_put(dmabuf);
	return ret;
}

static long call_route(struct p2pbuf_exporter *exp, union args *args)
{
	struct p2pbuf_route_info *info = &args->route;

	if (info->route || info->reason || info->common || info->port || info->host ||
	    info->flags || info->reserved)
		return -EINVAL;
	return p2pbuf_exporter_route(exp, info);
}

/* By number. The first version of each struct is the one there is. */
static const struct {
	unsigned int cmd;
	long (*call)(struct p2pbuf_exporter *exp, union args *args);
} calls[] = {
	{ P2PBUF_IOCTL_REGION_INFO, call_region_info },
	{ P2PBUF_IOCTL_EXPORT, call_export },
	{ P2PBUF_IOCTL_RESET, call_reset },
	{ P2PBUF_IOCTL_MEMORY, call_memory },
	{ P2PBUF_IOCTL_ROUTE, call_route },
	{ P2PBUF_IOCTL_REVOKE, call_revoke },
};

static long exporter_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	union args args;
	unsigned int i;
	size_t known;
	long ret;

	/* The number names the call; the size, which may differ, is its version. */
	for (i = 0; (cmd ^ calls[i].cmd) & ~IOCSIZE_MASK; )
		if (++i == ARRAY_SIZE(calls))
			return -ENOTTY;

	known = _IOC_SIZE(calls[i].cmd);
	ret = p2pbuf_copy_args(&args, known, known, user, _IOC_SIZE(cmd)) ?:
	      calls[i].call(file->private_data, &args);
	if (ret || !(cmd & IOC_OUT))
		return ret;
	return copy_struct_to_user(user, _IOC_SIZE(cmd), &args, known, NULL);
}

static void exporter_show_fdinfo(struct seq_file *m, struct file *file)
{
	p2pbuf_exporter_show(file->private_data, m);
}

const struct file_operations p2pbuf_exporter_fops = {
	.owner = THIS_MODULE,
	.open = exporter_open,
	.release = exporter_close,
	.unlocked_ioctl = exporter_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = exporter_show_fdinfo,
};
