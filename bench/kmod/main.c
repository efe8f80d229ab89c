// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test-only: maps ranges of a BAR by every interface there is, so that they can be compared.
 * Never load it where data matters.
 */
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "bench.h"

static struct pci_dev *find_function(char *name)
{
	struct device *dev;

	name[P2PBUF_BENCH_NAME - 1] = '\0';
	dev = bus_find_device_by_name(&pci_bus_type, NULL, name);
	return dev ? to_pci_dev(dev) : NULL;
}

static int set_ranges(struct bench *bench, const struct p2pbuf_bench_setup *args,
		      const struct p2pbuf_range *user)
{
	resource_size_t start = pci_resource_start(bench->provider, args->bar);
	struct p2pdma_provider *provider;
	struct p2pbuf_ranges *ranges;
	u32 i;

	provider = pcim_p2pdma_provider(bench->provider, args->bar);
	if (!provider)
		return -ENODEV;
	ranges = p2pbuf_ranges_create(provider, start,
				      pci_resource_len(bench->provider, args->bar), user,
				      args->nr);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	bench->vecs = kvmalloc_array(args->nr, sizeof(*bench->vecs), GFP_KERNEL);
	if (!bench->vecs) {
		p2pbuf_ranges_free(ranges);
		return -ENOMEM;
	}
	for (i = 0; i < args->nr; i++) {
		bench->vecs[i].paddr = start + user[i].offset;
		bench->vecs[i].len = user[i].length;
	}
	bench->nr = args->nr;
	bench->size = ranges->size;
	bench->ranges = ranges;
	return 0;
}

static int setup(struct bench *bench, struct p2pbuf_bench_setup *args)
{
	struct p2pbuf_range *user __free(kvfree) = NULL;
	struct p2pbuf_path path;
	int ret;

	if (bench->provider)
		return -EBUSY;
	if (args->bar >= PCI_STD_NUM_BARS)
		return -EINVAL;
	user = vmemdup_array_user(u64_to_user_ptr(args->ranges), args->nr, sizeof(*user));
	if (IS_ERR(user))
		return PTR_ERR(user);

	bench->provider = find_function(args->provider);
	bench->client = find_function(args->client);
	if (!bench->provider || !bench->client)
		return -ENOENT;
	bench->dev = &bench->client->dev;
	bench->attach.dev = bench->dev;

	ret = set_ranges(bench, args, user);
	if (ret)
		return ret;
	/* Without a route each strategy says so itself. */
	bench->peer = (struct p2pbuf_peer){ .dev = bench->dev, .ranges = bench->ranges };
	p2pbuf_peer_route(&bench->peer, &path);
	bench->route = path.route;
	args->route = path.route;
	return 0;
}

static int dispatch(struct bench *bench, unsigned int cmd, void *args)
{
	switch (cmd) {
	case P2PBUF_BENCH_SETUP:
		return setup(bench, args);
	case P2PBUF_BENCH_RUN:
		return bench_run(bench, args);
	case P2PBUF_BENCH_HOLD:
		return bench_hold(bench, args);
	case P2PBUF_BENCH_DROP:
		bench_drop(bench);
		return 0;
	case P2PBUF_BENCH_PROBE:
		return bench_probe(bench, args);
	case P2PBUF_BENCH_SET_UP_PAGES:
		*(struct p2pbuf_bench_pages *)args = pages_cost;
		return 0;
	default:
		return -ENOTTY;
	}
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	u64 args[sizeof(struct p2pbuf_bench_probe) / sizeof(u64)] = {};
	size_t size = _IOC_SIZE(cmd);
	int ret;

	if (size > sizeof(args))
		return -ENOTTY;
	if (copy_from_user(args, (void __user *)arg, size))
		return -EFAULT;
	ret = dispatch(file->private_data, cmd, args);
	if (ret < 0 || !(_IOC_DIR(cmd) & _IOC_READ))
		return ret;
	return copy_to_user((void __user *)arg, args, size) ? -EFAULT : ret;
}

static int bench_open(struct inode *inode, struct file *file)
{
	struct bench *bench = kzalloc_obj(*bench);

	if (!bench)
		return -ENOMEM;
	dma_resv_init(&bench->resv);
	bench->dmabuf.resv = &bench->resv;
	bench->attach.dmabuf = &bench->dmabuf;
	file->private_data = bench;
	return 0;
}

static int bench_close(struct inode *inode, struct file *file)
{
	struct bench *bench = file->private_data;

	bench_drop(bench);
	p2pbuf_ranges_free(bench->ranges);
	kvfree(bench->vecs);
	pci_dev_put(bench->client);
	pci_dev_put(bench->provider);
	dma_resv_fini(&bench->resv);
	kfree(bench);
	return 0;
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.open = bench_open,
	.release = bench_close,
	.unlocked_ioctl = bench_ioctl,
};

static struct miscdevice bench_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "p2pbuf-bench",
	.nodename = "p2pbuf/bench",
	.mode = 0600,
	.fops = &bench_fops,
};

static int __init p2pbuf_bench_init(void)
{
	int ret;

	ret = misc_register(&bench_misc);
	if (ret)
		return ret;
	ret = pci_register_driver(&pages_driver);
	if (ret)
		misc_deregister(&bench_misc);
	return ret;
}
module_init(p2pbuf_bench_init);

static void __exit p2pbuf_bench_exit(void)
{
	pci_unregister_driver(&pages_driver);
	misc_deregister(&bench_misc);
}
module_exit(p2pbuf_bench_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Test-only comparison of p2pbuf with other ways to map");
MODULE_IMPORT_NS("DMA_BUF");
