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

static int region_info(struct p2pbuf_exporter *exp, struct p2pbuf_region_info *info)
{
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

static long ioctl_region_info(struct p2pbuf_exporter *exp, void __user *arg,
			      size_t size)
{
	struct p2pbuf_region_info info;
	int ret;

	ret = p2pbuf_copy_args(&info, sizeof(info), sizeof(info), arg, size);
	if (ret)
		return ret;

	ret = region_info(exp, &info);
	if (ret)
		return ret;
	return copy_struct_to_user(arg, size, &info, sizeof(info), NULL);
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

static long ioctl_export(struct p2pbuf_exporter *exp, void __user *arg, size_t size)
{
	struct p2pbuf_range *user;
	struct p2pbuf_export args;
	struct dma_buf *dmabuf;
	int ret;

	ret = p2pbuf_copy_args(&args, sizeof(args), sizeof(args), arg, size);
	if (ret)
		return ret;
	if (args.flags || (args.open_flags & ~(O_ACCMODE | O_CLOEXEC)) ||
	    (args.open_flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if (!args.nr_ranges)
		return -ENODATA;
	if (args.nr_ranges > READ_ONCE(max_ranges))
		return -EMSGSIZE;

	user = copy_ranges(&args);
	if (IS_ERR(user))
		return PTR_ERR(user);
	dmabuf = p2pbuf_buffer_export(exp, &args, user);
	kvfree(user);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	ret = dma_buf_fd(dmabuf, args.open_flags);
	if (ret < 0)
		dma_buf_put(dmabuf);
	return ret;
}

static long ioctl_reset(struct p2pbuf_exporter *exp, void __user *arg, size_t size)
{
	struct p2pbuf_reset args;
	int ret;

	ret = p2pbuf_copy_args(&args, sizeof(args), sizeof(args), arg, size);
	if (ret)
		return ret;
	if (args.flags || args.reserved)
		return -EINVAL;
	return p2pbuf_exporter_reset(exp);
}

static long ioctl_memory(struct p2pbuf_exporter *exp, void __user *arg, size_t size)
{
	struct p2pbuf_memory args;
	int ret;

	ret = p2pbuf_copy_args(&args, sizeof(args), sizeof(args), arg, size);
	if (ret)
		return ret;
	if (args.flags || args.on > 1)
		return -EINVAL;
	return p2pbuf_exporter_set_memory(exp, args.on);
}

static long ioctl_revoke(struct p2pbuf_exporter *exp, void __user *arg, size_t size)
{
	struct p2pbuf_buffer *buf;
	struct p2pbuf_revoke args;
	struct dma_buf *dmabuf;
	int ret;

	ret = p2pbuf_copy_args(&args, sizeof(args), sizeof(args), arg, size);
	if (ret)
		return ret;
	if (args.flags)
		return -EINVAL;

	dmabuf = dma_buf_get(args.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	buf = p2pbuf_buffer_of(exp, dmabuf);
	ret = buf ? p2pbuf_buffer_revoke(buf) : -EXDEV;
	dma_buf_put(dmabuf);
	return ret;
}

static long ioctl_route(struct p2pbuf_exporter *exp, void __user *arg, size_t size)
{
	struct p2pbuf_route_info info;
	int ret;

	ret = p2pbuf_copy_args(&info, sizeof(info), sizeof(info), arg, size);
	if (ret)
		return ret;
	if (info.route || info.reason || info.common || info.port || info.host ||
	    info.flags || info.reserved)
		return -EINVAL;

	ret = p2pbuf_exporter_route(exp, &info);
	if (ret)
		return ret;
	return copy_struct_to_user(arg, size, &info, sizeof(info), NULL);
}

static long exporter_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct p2pbuf_exporter *exp = file->private_data;
	void __user *uarg = (void __user *)arg;
	size_t size = _IOC_SIZE(cmd);

	/* The number names the call; the size, which may differ, is its version. */
	switch (cmd & ~IOCSIZE_MASK) {
	case P2PBUF_IOCTL_REGION_INFO & ~IOCSIZE_MASK:
		return ioctl_region_info(exp, uarg, size);
	case P2PBUF_IOCTL_EXPORT & ~IOCSIZE_MASK:
		return ioctl_export(exp, uarg, size);
	case P2PBUF_IOCTL_RESET & ~IOCSIZE_MASK:
		return ioctl_reset(exp, uarg, size);
	case P2PBUF_IOCTL_MEMORY & ~IOCSIZE_MASK:
		return ioctl_memory(exp, uarg, size);
	case P2PBUF_IOCTL_ROUTE & ~IOCSIZE_MASK:
		return ioctl_route(exp, uarg, size);
	case P2PBUF_IOCTL_REVOKE & ~IOCSIZE_MASK:
		return ioctl_revoke(exp, uarg, size);
	default:
		return -ENOTTY;
	}
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
