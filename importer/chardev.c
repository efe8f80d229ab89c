// SPDX-License-Identifier: GPL-2.0-only
/*
 * The node /dev/p2pbuf/importer/<domain:bus:dev.fn> and its ioctls.
 */
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "importer.h"

/* Segments that one query fills at most: 1 MiB. */
#define QUERY_SEGMENTS	65536U
/* Places that one audit fills at most: 896 KiB. */
#define AUDIT_PLACES	16384U

/**
 * struct importer_file - an open node
 * @importer: a reference is held
 * @handles: the attachments by handle; each entry holds a reference, which its
 *	lock protects
 */
struct importer_file {
	struct p2pbuf_importer *importer;
	struct xarray handles;
};

DEFINE_FREE(attachment_put, struct p2pbuf_attachment *, p2pbuf_attachment_put(_T))

static int importer_open(struct inode *inode, struct file *file)
{
	struct p2pbuf_importer *importer =
		container_of(file->private_data, struct p2pbuf_importer, misc);
	struct importer_file *ifile;

	ifile = kzalloc_obj(*ifile, GFP_KERNEL_ACCOUNT);
	if (!ifile)
		return -ENOMEM;

	kref_get(&importer->kref);
	ifile->importer = importer;
	xa_init_flags(&ifile->handles, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	file->private_data = ifile;
	return 0;
}

static void remove_attachment(struct p2pbuf_attachment *att)
{
	p2pbuf_attachment_shutdown(att);
	p2pbuf_attachment_put(att);
}

static int importer_close(struct inode *inode, struct file *file)
{
	struct importer_file *ifile = file->private_data;
	struct p2pbuf_attachment *att;
	unsigned long handle;

	xa_for_each(&ifile->handles, handle, att)
		remove_attachment(att);
	xa_destroy(&ifile->handles);
	p2pbuf_importer_put(ifile->importer);
	kfree(ifile);
	return 0;
}

static struct p2pbuf_attachment *get_attachment(struct importer_file *ifile, u32 handle)
{
	struct p2pbuf_attachment *att;

	xa_lock(&ifile->handles);
	att = xa_load(&ifile->handles, handle);
	if (att)
		kref_get(&att->kref);
	xa_unlock(&ifile->handles);
	return att;
}

/* A number that an import under way has only reserved is left alone. */
static struct p2pbuf_attachment *take_attachment(struct importer_file *ifile, u32 handle)
{
	struct p2pbuf_attachment *att;

	xa_lock(&ifile->handles);
	att = xa_load(&ifile->handles, handle);
	if (att)
		__xa_erase(&ifile->handles, handle);
	xa_unlock(&ifile->handles);
	return att;
}

static long ioctl_import(struct importer_file *ifile, void __user *arg, size_t size)
{
	struct p2pbuf_attachment *att;
	struct p2pbuf_import args;
	int ret;

	ret = p2pbuf_copy_args(&args, sizeof(args), sizeof(args), arg, size);
	if (ret)
		return ret;
	if (args.handle)
		return -EINVAL;

	att = p2pbuf_attachment_create(ifile->importer, &args);
	if (IS_ERR(att))
		return PTR_ERR(att);

	/*
	 * Reserve the number, tell it to the user, and only then let the handle be
	 * found: nobody can use it before this call is certain to succeed.
	 */
	ret = xa_alloc(&ifile->handles, &args.handle, NULL, xa_limit_31b,
		       GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_remove;
	ret = copy_struct_to_user(arg, size, &args, sizeof(args), NULL);
	if (ret)
		goto err_release;
	xa_store(&ifile->handles, args.handle, att, GFP_KERNEL_ACCOUNT);
	return 0;

err_release:
	xa_release(&ifile->handles, args.handle);
err_remove:
	remove_attachment(att);
	return ret;
}

static int copy_handle(struct p2pbuf_handle *args, void __user *arg, size_t size)
{
	int ret;

	ret = p2pbuf_copy_args(args, sizeof(*args), sizeof(*args), arg, size);
	if (ret)
		return ret;
	return args->flags ? -EINVAL : 0;
}

static long call_with_handle(struct importer_file *ifile, void __user *arg, size_t size,
			     int (*call)(struct p2pbuf_attachment *att))
{
	struct p2pbuf_attachment *att __free(attachment_put) = NULL;
	struct p2pbuf_handle args;
	int ret;

	ret = copy_handle(&args, arg, size);
	if (ret)
		return ret;
	att = get_attachment(ifile, args.handle);
	return att ? call(att) : -ENOENT;
}

static long ioctl_release(struct importer_file *ifile, void __user *arg, size_t size)
{
	struct p2pbuf_attachment *att;
	struct p2pbuf_handle args;
	int ret;

	ret = copy_handle(&args, arg, size);
	if (ret)
		return ret;
	att = take_attachment(ifile, args.handle);
	if (!att)
		return -ENOENT;
	remove_attachment(att);
	return 0;
}

/* Physical addresses are for those who may know them anyway. */
static bool may_see_addresses(void)
{
	return capable(CAP_SYS_ADMIN);
}

static long ioctl_query(struct importer_file *ifile, void __user *arg, size_t size)
{
	struct p2pbuf_attachment *att __free(attachment_put) = NULL;
	struct p2pbuf_segment *segs __free(kvfree) = NULL;
	struct p2pbuf_query args;
	int ret;

	/* What was published first ended with the capacity. */
	ret = p2pbuf_copy_args(&args, sizeof(args), offsetofend(struct p2pbuf_query, capacity),
			       arg, size);
	if (ret)
		return ret;
	if (args.reserved)
		return -EINVAL;
	att = get_attachment(ifile, args.handle);
	if (!att)
		return -ENOENT;

	args.capacity = args.segments ? min(args.capacity, QUERY_SEGMENTS) : 0;
	if (args.capacity && !may_see_addresses())
		return -EPERM;
	segs = kvmalloc_array(args.capacity, sizeof(*segs), GFP_KERNEL_ACCOUNT);
	if (!segs)
		return -ENOMEM;

	ret = p2pbuf_attachment_query(att, &args, segs);
	if (ret)
		return ret;
	if (copy_to_user(u64_to_user_ptr(args.segments), segs,
			 array_size(args.capacity, sizeof(*segs))))
		return -EFAULT;
	ret = copy_struct_to_user(arg, size, &args, sizeof(args), NULL);
	if (!ret)
		p2pbuf_attachment_told(att, args.nr_events);
	return ret;
}

static long ioctl_copy(struct importer_file *ifile, void __user *arg, size_t size)
{
	struct p2pbuf_attachment *att __free(attachment_put) = NULL;
	struct p2pbuf_copy args;
	int ret, err;

	ret = p2pbuf_copy_args(&args, sizeof(args), sizeof(args), arg, size);
	if (ret)
		return ret;
	if (args.flags & ~(P2PBUF_COPY_TO_BUFFER | P2PBUF_COPY_NO_READBACK))
		return -EINVAL;
	att = get_attachment(ifile, args.handle);
	if (!att)
		return -ENOENT;

	ret = p2pbuf_attachment_copy(att, &args);
	err = copy_struct_to_user(arg, size, &args, sizeof(args), NULL);
	return ret ?: err;
}

/*
 * A transfer that was started cannot be called back: what can fail comes before, telling
 * the user too. The descriptor is of no use until it is installed.
 */
static int start_transfer(struct p2pbuf_job *job, struct p2pbuf_transfer *args,
			  void __user *arg, size_t size)
{
	int ret, fd = get_unused_fd_flags(O_CLOEXEC);
	struct sync_file *sync;

	if (fd < 0)
		return fd;
	sync = sync_file_create(job->fence);
	if (!sync) {
		ret = -ENOMEM;
		goto err_put_fd;
	}
	args->fence_fd = fd;
	ret = copy_struct_to_user(arg, size, args, sizeof(*args), NULL);
	if (ret)
		goto err_put_file;
	ret = p2pbuf_transfer_start(job);
	if (ret)
		goto err_take_back;
	fd_install(fd, sync->file);
	return 0;

err_take_back:
	args->fence_fd = 0;
	if (copy_struct_to_user(arg, size, args, sizeof(*args), NULL))
		ret = -EFAULT;
err_put_file:
	fput(sync->file);
err_put_fd:
	put_unused_fd(fd);
	return ret;
}

static long ioctl_transfer(struct importer_file *ifile, void __user *arg, size_t size)
{
	struct p2pbuf_attachment *src __free(attachment_put) = NULL;
	struct p2pbuf_attachment *dst __free(attachment_put) = NULL;
	struct p2pbuf_transfer args;
	struct p2pbuf_job *job;
	int ret;

	ret = p2pbuf_copy_args(&args, sizeof(args), sizeof(args), arg, size);
	if (ret)
		return ret;
	if ((args.flags & ~P2PBUF_COPY_NO_READBACK) || args.fence_fd)
		return -EINVAL;
	src = get_attachment(ifile, args.src);
	dst = get_attachment(ifile, args.dst);
	if (!src || !dst)
		return -ENOENT;
	ret = p2pbuf_transfer_check(src, dst, &args);
	if (ret)
		return ret;

	job = p2pbuf_job_create(src, dst, &args);
	if (IS_ERR(job))
		return PTR_ERR(job);
	ret = start_transfer(job, &args, arg, size);
	if (ret)
		p2pbuf_job_free(job);
	return ret;
}

static long ioctl_audit(struct importer_file *ifile, void __user *arg, size_t size)
{
	struct p2pbuf_attachment *att __free(attachment_put) = NULL;
	struct p2pbuf_place *places __free(kvfree) = NULL;
	struct p2pbuf_audit args;
	int ret;

	ret = p2pbuf_copy_args(&args, sizeof(args), sizeof(args), arg, size);
	if (ret)
		return ret;
	if (!may_see_addresses())
		return -EPERM;
	if (args.flags || args.reserved || !args.capacity)
		return -EINVAL;
	att = get_attachment(ifile, args.handle);
	if (!att)
		return -ENOENT;

	args.capacity = min(args.capacity, AUDIT_PLACES);
	places = kvmalloc_array(args.capacity, sizeof(*places), GFP_KERNEL_ACCOUNT);
	if (!places)
		return -ENOMEM;

	ret = p2pbuf_attachment_audit(att, &args, places);
	if (ret)
		return ret;
	if (copy_to_user(u64_to_user_ptr(args.places), places,
			 array_size(args.capacity, sizeof(*places))))
		return -EFAULT;
	return copy_struct_to_user(arg, size, &args, sizeof(args), NULL);
}

static long ioctl_verdict(struct importer_file *ifile, void __user *arg, size_t size)
{
	struct p2pbuf_attachment *att __free(attachment_put) = NULL;
	struct p2pbuf_verdict args;
	int ret;

	ret = p2pbuf_copy_args(&args, sizeof(args), sizeof(args), arg, size);
	if (ret)
		return ret;
	if (!may_see_addresses())
		return -EPERM;
	if (args.flags)
		return -EINVAL;
	att = get_attachment(ifile, args.handle);
	if (!att)
		return -ENOENT;

	ret = p2pbuf_attachment_verdict(att, &args);
	return ret ?: copy_struct_to_user(arg, size, &args, sizeof(args), NULL);
}

static long importer_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct importer_file *ifile = file->private_data;
	void __user *uarg = (void __user *)arg;
	size_t size = _IOC_SIZE(cmd);

	/* The number names the call; the size, which may differ, is its version. */
	switch (cmd & ~IOCSIZE_MASK) {
	case P2PBUF_IOCTL_IMPORT & ~IOCSIZE_MASK:
		return ioctl_import(ifile, uarg, size);
	case P2PBUF_IOCTL_MAP & ~IOCSIZE_MASK:
		return call_with_handle(ifile, uarg, size, p2pbuf_attachment_map);
	case P2PBUF_IOCTL_UNMAP & ~IOCSIZE_MASK:
		return call_with_handle(ifile, uarg, size, p2pbuf_attachment_unmap);
	case P2PBUF_IOCTL_RELEASE & ~IOCSIZE_MASK:
		return ioctl_release(ifile, uarg, size);
	case P2PBUF_IOCTL_QUERY & ~IOCSIZE_MASK:
		return ioctl_query(ifile, uarg, size);
	case P2PBUF_IOCTL_COPY & ~IOCSIZE_MASK:
		return ioctl_copy(ifile, uarg, size);
	case P2PBUF_IOCTL_TRANSFER & ~IOCSIZE_MASK:
		return ioctl_transfer(ifile, uarg, size);
	case P2PBUF_IOCTL_AUDIT & ~IOCSIZE_MASK:
		return ioctl_audit(ifile, uarg, size);
	case P2PBUF_IOCTL_VERDICT & ~IOCSIZE_MASK:
		return ioctl_verdict(ifile, uarg, size);
	default:
		return -ENOTTY;
	}
}

static bool has_news(struct importer_file *ifile)
{
	struct p2pbuf_attachment *att;
	unsigned long handle;
	bool news = false;

	xa_lock(&ifile->handles);
	xa_for_each(&ifile->handles, handle, att)
		if (atomic_read(&att->nr_events) != atomic_read(&att->nr_seen))
			news = true;
	xa_unlock(&ifile->handles);
	return news;
}

static __poll_t importer_poll(struct file *file, poll_table *wait)
{
	struct importer_file *ifile = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &ifile->importer->events, wait);
	if (has_news(ifile))
		events |= EPOLLPRI;
	if (!READ_ONCE(ifile->importer->bound))
		events |= EPOLLHUP;
	return events;
}

/* The next one from *@handle on, with a reference; or NULL. */
static struct p2pbuf_attachment *next_attachment(struct importer_file *ifile,
						 unsigned long *handle)
{
	struct p2pbuf_attachment *att;

	xa_lock(&ifile->handles);
	att = xa_find(&ifile->handles, handle, ULONG_MAX, XA_PRESENT);
	if (att)
		kref_get(&att->kref);
	xa_unlock(&ifile->handles);
	return att;
}

static void importer_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct importer_file *ifile = file->private_data;
	struct p2pbuf_attachment *att;
	unsigned long handle;

	p2pbuf_importer_show(ifile->importer, m);
	for (handle = 0; (att = next_attachment(ifile, &handle)); handle++) {
		p2pbuf_attachment_show(att, handle, m);
		p2pbuf_attachment_put(att);
	}
}

const struct file_operations p2pbuf_importer_fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_close,
	.poll = importer_poll,
	.unlocked_ioctl = importer_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = importer_show_fdinfo,
};
