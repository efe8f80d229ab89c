// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test-only: asks the kernel what it would decide, attaches as importers that must be
 * refused, and makes mappings fail half way. Never load it where data matters.
 */
#include <linux/cleanup.h>
#include <linux/dma-buf-mapping.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <p2pbuf.h>

#include "p2pbuf_test_ioctl.h"

DEFINE_FREE(put_pdev, struct pci_dev *, pci_dev_put(_T))

static struct pci_dev *find_function(char *name)
{
	struct device *dev;

	name[P2PBUF_TEST_NAME - 1] = '\0';
	dev = bus_find_device_by_name(&pci_bus_type, NULL, name);
	return dev ? to_pci_dev(dev) : NULL;
}

/* A DMABUF and the function to map it for; both NULL if one of them is not there. */
struct target {
	struct dma_buf *dmabuf;
	struct pci_dev *client;
};

static void put_target(struct target *target)
{
	pci_dev_put(target->client);
	if (target->dmabuf)
		dma_buf_put(target->dmabuf);
}

static struct target get_target(int fd, char *name)
{
	struct target target = { .client = find_function(name) };

	target.dmabuf = dma_buf_get(fd);
	if (IS_ERR(target.dmabuf))
		target.dmabuf = NULL;
	if (target.client && target.dmabuf)
		return target;
	put_target(&target);
	return (struct target){};
}

DEFINE_CLASS(target, struct target, put_target(&_T), get_target(fd, name), int fd, char *name)

/* Importers of all kinds. */

static void ignore_invalidate(struct dma_buf_attachment *attach)
{
}

static const struct dma_buf_attach_ops no_peer2peer_ops = {
	.invalidate_mappings = ignore_invalidate,
};

static const struct dma_buf_attach_ops no_invalidate_ops = {
	.allow_peer2peer = true,
};

static const struct dma_buf_attach_ops full_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = ignore_invalidate,
};

static const struct dma_buf_attach_ops *const kind_ops[] = {
	[P2PBUF_TEST_STATIC] = NULL,
	[P2PBUF_TEST_NO_PEER2PEER] = &no_peer2peer_ops,
	[P2PBUF_TEST_NO_INVALIDATE] = &no_invalidate_ops,
	[P2PBUF_TEST_FULL] = &full_ops,
};

static int test_attach(struct p2pbuf_test_attach *args)
{
	struct dma_buf_attachment *attach;

	CLASS(target, target)(args->fd, args->client);

	if (args->kind >= ARRAY_SIZE(kind_ops))
		return -EINVAL;
	if (!target.client)
		return -ENOENT;

	attach = dma_buf_dynamic_attach(target.dmabuf, &target.client->dev,
					kind_ops[args->kind], NULL);
	args->result = PTR_ERR_OR_ZERO(attach);
	if (!args->result)
		dma_buf_detach(target.dmabuf, attach);
	return 0;
}

/* The scatterlist of an exporter. */

static void inspect(const struct sg_table *sgt, struct p2pbuf_test_sgt *args)
{
	struct scatterlist *sg;
	dma_addr_t end = 0;
	int i;

	args->nents = sgt->nents;
	args->orig_nents = sgt->orig_nents;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 len = sg_dma_len(sg);

		if (sg_page(sg) || !len || !PAGE_ALIGNED(len | sg_dma_address(sg)))
			args->bad_entries++;
		if (sg_dma_is_bus_address(sg))
			args->bus_entries++;
		if (i && sg_dma_address(sg) != end)
			args->broken++;
		args->total += len;
		args->longest = max(args->longest, len);
		end = sg_dma_address(sg) + len;
	}
}

static int map_and_inspect(struct dma_buf_attachment *attach,
			   struct p2pbuf_test_sgt *args)
{
	struct sg_table *sgt;

	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	args->bad_entries = 0;
	args->bus_entries = 0;
	args->broken = 0;
	args->total = 0;
	args->longest = 0;
	inspect(sgt, args);
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	return 0;
}

static int test_sgt(struct p2pbuf_test_sgt *args)
{
	struct dma_buf_attachment *attach;
	u32 i;

	CLASS(target, target)(args->fd, args->client);

	if (!target.client)
		return -ENOENT;

	attach = dma_buf_dynamic_attach(target.dmabuf, &target.client->dev, &full_ops,
					NULL);
	args->result = PTR_ERR_OR_ZERO(attach);
	if (args->result)
		return 0;
	args->wrapped = IS_ENABLED(CONFIG_DMABUF_DEBUG);
	args->quarantine = IS_ENABLED(CONFIG_KASAN);
	for (i = 0; i < args->repeat && !args->result; i++)
		args->result = map_and_inspect(attach, args);
	dma_buf_detach(target.dmabuf, attach);
	return 0;
}

/*
 * The kernel's decision. An attachment that was never attached is enough for it, and
 * needs no route.
 */

static phys_addr_t translate(struct device *dev, dma_addr_t addr)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain ? iommu_iova_to_phys(domain, addr) : 0;
}

static int ask_helper(struct dma_buf_attachment *attach,
		      const struct p2pbuf_ranges *ranges, void *_args)
{
	struct p2pbuf_test_helper *args = _args;
	struct phys_vec vec = { ranges->vecs[0].paddr, PAGE_SIZE };
	struct p2pbuf_path path;
	struct sg_table *sgt;

	args->phys = vec.paddr;
	args->bus_addr = pci_p2pdma_bus_addr_map(ranges->provider, vec.paddr);
	if (!p2pbuf_route(ranges->provider, attach->dev, &path))
		args->route = path.route;

	sgt = dma_buf_phys_vec_to_sgt(attach, ranges->provider, &vec, 1, PAGE_SIZE,
				      DMA_BIDIRECTIONAL);
	args->result = PTR_ERR_OR_ZERO(sgt);
	if (args->result)
		return 0;
	args->addr = sg_dma_address(sgt->sgl);
	args->translated = args->addr != args->phys &&
			   translate(attach->dev, args->addr) == args->phys;
	/* The helper forgets to restore it and would leak the scatterlist. */
	sgt->orig_nents = sgt->nents;
	dma_buf_free_sgt(attach, sgt, DMA_BIDIRECTIONAL);
	return 0;
}

/* Call @fn with the ranges behind a DMABUF of ours. */
static int with_ranges(const struct target *target,
		       int (*fn)(struct dma_buf_attachment *attach,
				 const struct p2pbuf_ranges *ranges, void *args),
		       void *args)
{
	struct dma_buf_attachment attach = {};
	const struct p2pbuf_phys_ops *ops;
	const struct p2pbuf_ranges *ranges;
	int ret;

	if (!target->client)
		return -ENOENT;
	ops = p2pbuf_phys_ops(target->dmabuf);
	if (!ops)
		return -EOPNOTSUPP;

	attach.dmabuf = target->dmabuf;
	attach.dev = &target->client->dev;
	dma_resv_lock(target->dmabuf->resv, NULL);
	ranges = ops->map(&attach, DMA_BIDIRECTIONAL);
	ret = PTR_ERR_OR_ZERO(ranges);
	if (!ret) {
		ret = fn(&attach, ranges, args);
		ops->unmap(&attach);
	}
	dma_resv_unlock(target->dmabuf->resv);
	return ret;
}

static int test_helper(struct p2pbuf_test_helper *args)
{
	CLASS(target, target)(args->fd, args->client);

	return with_ranges(&target, ask_helper, args);
}

/* P2PDMA struct pages, on a function bound to the driver below. */

#define PAGE_BAR	2

static struct pci_driver test_driver;

static void map_page(struct device *client, void *addr, struct p2pbuf_test_page *args)
{
	struct scatterlist sg;
	struct sg_table sgt = { .sgl = &sg, .nents = 1, .orig_nents = 1 };

	sg_init_table(&sg, 1);
	sg_set_page(&sg, virt_to_page(addr), PAGE_SIZE, 0);
	args->result = dma_map_sgtable(client, &sgt, DMA_TO_DEVICE, 0);
	if (args->result)
		return;
	args->bus_addr = sg_dma_is_bus_address(&sg);
	dma_unmap_sgtable(client, &sgt, DMA_TO_DEVICE, 0);
}

static int test_page(struct p2pbuf_test_page *args)
{
	struct pci_dev *client __free(put_pdev) = NULL;
	struct pci_dev *owner __free(put_pdev) = NULL;
	struct p2pbuf_path path;
	void *addr;

	owner = find_function(args->owner);
	client = find_function(args->client);
	if (!owner || !client)
		return -ENOENT;

	guard(device)(&owner->dev);
	if (owner->dev.driver != &test_driver.driver)
		return -ENODEV;
	addr = pci_alloc_p2pmem(owner, PAGE_SIZE);
	if (!addr)
		return -ENOMEM;
	map_page(&client->dev, addr, args);
	pci_free_p2pmem(owner, addr, PAGE_SIZE);

	args->route = P2PBUF_ROUTE_UNKNOWN;
	if (!p2pbuf_route(pcim_p2pdma_provider(owner, PAGE_BAR), &client->dev, &path))
		args->route = path.route;
	return 0;
}

static int test_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	return pci_p2pdma_add_resource(pdev, PAGE_BAR, SZ_2M, 0);
}

static struct pci_driver test_driver = {
	.name = "p2pbuf_test",
	.probe = test_probe,
};

/* Failures half way. */

/* More than any IOMMU's page tables can hold. */
#define BAD_PHYS	BIT_ULL(60)

static struct p2pbuf_ranges *every_second_page(const struct p2pbuf_ranges *from, u32 nr)
{
	struct p2pbuf_range *user __free(kvfree) = NULL;
	u32 i;

	user = kvmalloc_array(nr, sizeof(*user), GFP_KERNEL);
	if (!user)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < nr; i++)
		user[i] = (struct p2pbuf_range){ 2 * i * PAGE_SIZE, PAGE_SIZE };
	return p2pbuf_ranges_create(from->provider, from->vecs[0].paddr,
				    from->vecs[0].len, user, nr);
}

static u32 count_translated(struct device *dev, const struct p2pbuf_ranges *ranges,
			    dma_addr_t first)
{
	u32 count = 0;
	u64 offset;

	for (offset = 0; offset < ranges->size; offset += PAGE_SIZE)
		if (translate(dev, first + offset))
			count++;
	return count;
}

/*
 * A good mapping before tells where the next IOVA of that size will be: the allocator
 * gives the one that was freed last.
 */
static void fail_links(struct device *dev, struct p2pbuf_ranges *ranges,
		       dma_addr_t first, struct p2pbuf_test_fail *args)
{
	struct p2pbuf_mapping map;
	u32 i;

	ranges->vecs[args->fail_at].paddr = BAD_PHYS;
	for (i = 0; i < args->repeat; i++) {
		args->result = p2pbuf_map(&map, dev, ranges, DMA_BIDIRECTIONAL);
		if (!args->result)
			p2pbuf_unmap(&map);
	}
	args->left_mapped = count_translated(dev, ranges, first);
}

#ifdef CONFIG_ARCH_HAS_DMA_OPS

/*
 * DMA operations that fail at one call and count what stays mapped. (dma-direct itself
 * fails half way only with a WARN.) One test at a time.
 */
static u32 fault_calls_left;
static u32 fault_live;

static dma_addr_t fault_map_phys(struct device *dev, phys_addr_t phys, size_t size,
				 enum dma_data_direction dir, unsigned long attrs)
{
	if (!fault_calls_left)
		return DMA_MAPPING_ERROR;
	fault_calls_left--;
	fault_live++;
	return phys;
}

static void fault_unmap_phys(struct device *dev, dma_addr_t addr, size_t size,
			     enum dma_data_direction dir, unsigned long attrs)
{
	fault_live--;
}

static const struct dma_map_ops fault_ops = {
	.map_phys = fault_map_phys,
	.unmap_phys = fault_unmap_phys,
};

static int fail_map_phys(struct device *dev, struct p2pbuf_ranges *ranges,
			 struct p2pbuf_test_fail *args)
{
	const struct dma_map_ops *ops = get_dma_ops(dev);
	struct p2pbuf_mapping map;
	u32 i;

	set_dma_ops(dev, &fault_ops);
	fault_live = 0;
	for (i = 0; i < args->repeat; i++) {
		fault_calls_left = args->fail_at;
		args->result = p2pbuf_map(&map, dev, ranges, DMA_BIDIRECTIONAL);
		if (!args->result)
			p2pbuf_unmap(&map);
	}
	set_dma_ops(dev, ops);
	args->left_mapped = fault_live;
	return 0;
}

#else

static int fail_map_phys(struct device *dev, struct p2pbuf_ranges *ranges,
			 struct p2pbuf_test_fail *args)
{
	return -EOPNOTSUPP;
}

#endif

static int fail_maps(struct dma_buf_attachment *attach,
		     const struct p2pbuf_ranges *from, void *_args)
{
	struct p2pbuf_ranges *ranges __free(p2pbuf_ranges) = NULL;
	struct p2pbuf_test_fail *args = _args;
	struct p2pbuf_mapping map;
	enum p2pbuf_route route;
	dma_addr_t first = 0;

	ranges = every_second_page(from, args->nr);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);

	args->result = p2pbuf_map(&map, attach->dev, ranges, DMA_BIDIRECTIONAL);
	if (args->result)
		return 0;
	route = map.route;
	if (route == P2PBUF_ROUTE_IOVA)
		first = map.iova.addr;
	p2pbuf_unmap(&map);

	if (route != P2PBUF_ROUTE_IOVA)
		return fail_map_phys(attach->dev, ranges, args);
	fail_links(attach->dev, ranges, first, args);
	return 0;
}

static int test_fail(struct p2pbuf_test_fail *args)
{
	CLASS(target, target)(args->fd, args->client);

	if (args->fail_at >= args->nr)
		return -EINVAL;
	return with_ranges(&target, fail_maps, args);
}

static int test_limit(struct p2pbuf_test_limit *args)
{
	struct pci_dev *client __free(put_pdev) =
		find_function(args->client);

	if (!client)
		return -ENOENT;
	client->dev.bus_dma_limit = args->limit;
	return 0;
}

static int test_ranges(struct p2pbuf_test_ranges *args)
{
	struct p2pbuf_ranges *ranges __free(p2pbuf_ranges) = NULL;
	struct p2pbuf_range *user __free(kvfree) = NULL;

	user = vmemdup_array_user(u64_to_user_ptr(args->ranges), args->nr, sizeof(*user));
	if (IS_ERR(user))
		return PTR_ERR(no_free_ptr(user));

	ranges = p2pbuf_ranges_create(NULL, args->bar_start, args->bar_size, user, args->nr);
	args->result = PTR_ERR_OR_ZERO(ranges);
	if (args->result)
		return 0;
	args->nr_merged = ranges->nr;
	args->size = ranges->size;
	args->last = ranges->last;
	return 0;
}

/* Every page's translation. */

static u64 count_wrong(const struct p2pbuf_mapping *map)
{
	u64 offset, run, wrong = 0;

	for (offset = 0; offset < map->ranges->size; offset += PAGE_SIZE)
		if (translate(map->dev, map->iova.addr + offset) !=
		    p2pbuf_ranges_find(map->ranges, offset, &run))
			wrong++;
	return wrong;
}

static void walk(struct dma_buf_attachment *attach, struct p2pbuf_test_walk *args)
{
	const struct p2pbuf_ranges *ranges;
	struct p2pbuf_mapping map;
	dma_addr_t first = 0;

	args->result = p2pbuf_map_attachment(&map, attach, DMA_BIDIRECTIONAL);
	if (args->result)
		return;
	args->route = map.route;
	ranges = map.ranges;
	if (map.route == P2PBUF_ROUTE_IOVA) {
		first = map.iova.addr;
		args->pages = ranges->size / PAGE_SIZE;
		args->wrong = count_wrong(&map);
	}
	p2pbuf_unmap_attachment(&map, attach);
	if (args->route == P2PBUF_ROUTE_IOVA)
		args->left = count_translated(attach->dev, ranges, first);
}

static int test_walk(struct p2pbuf_test_walk *args)
{
	struct dma_buf_attachment *attach;

	CLASS(target, target)(args->fd, args->client);

	if (!target.client)
		return -ENOENT;

	attach = dma_buf_dynamic_attach(target.dmabuf, &target.client->dev, &full_ops,
					NULL);
	args->result = PTR_ERR_OR_ZERO(attach);
	if (args->result)
		return 0;
	dma_resv_lock(target.dmabuf->resv, NULL);
	walk(attach, args);
	dma_resv_unlock(target.dmabuf->resv);
	dma_buf_detach(target.dmabuf, attach);
	return 0;
}

/* An importer that takes its time. */

/**
 * struct holder - what an open file holds
 * @target: of the mapping; references are held while @attach lives
 * @attach: NULL if nothing is held
 * @sgt: the mapping
 * @invalidated: calls of invalidate_mappings
 *
 * The test makes one call at a time.
 */
struct holder {
	struct target target;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	atomic_t invalidated;
};

static void count_invalidate(struct dma_buf_attachment *attach)
{
	struct holder *holder = attach->importer_priv;

	atomic_inc(&holder->invalidated);
}

static const struct dma_buf_attach_ops holder_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = count_invalidate,
};

static int test_drop(struct holder *holder)
{
	if (!holder->attach)
		return -ENOENT;
	dma_buf_unmap_attachment_unlocked(holder->attach, holder->sgt, DMA_BIDIRECTIONAL);
	dma_buf_detach(holder->target.dmabuf, holder->attach);
	holder->attach = NULL;
	put_target(&holder->target);
	return 0;
}

static int hold(struct holder *holder)
{
	struct dma_buf *dmabuf = holder->target.dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;

	attach = dma_buf_dynamic_attach(dmabuf, &holder->target.client->dev, &holder_ops,
					holder);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt)) {
		dma_buf_detach(dmabuf, attach);
		return PTR_ERR(sgt);
	}
	holder->attach = attach;
	holder->sgt = sgt;
	return 0;
}

static int test_hold(struct holder *holder, struct p2pbuf_test_hold *args)
{
	if (holder->attach)
		return -EBUSY;
	holder->target = get_target(args->fd, args->client);
	if (!holder->target.client)
		return -ENOENT;

	args->result = hold(holder);
	if (args->result)
		put_target(&holder->target);
	return 0;
}

static int dispatch(struct holder *holder, unsigned int cmd, void *args)
{
	switch (cmd) {
	case P2PBUF_TEST_ATTACH:
		return test_attach(args);
	case P2PBUF_TEST_SGT:
		return test_sgt(args);
	case P2PBUF_TEST_HELPER:
		return test_helper(args);
	case P2PBUF_TEST_PAGE:
		return test_page(args);
	case P2PBUF_TEST_FAIL:
		return test_fail(args);
	case P2PBUF_TEST_LIMIT:
		return test_limit(args);
	case P2PBUF_TEST_RANGES:
		return test_ranges(args);
	case P2PBUF_TEST_WALK:
		return test_walk(args);
	case P2PBUF_TEST_HOLD:
		return test_hold(holder, args);
	case P2PBUF_TEST_INVALIDATED:
		*(u32 *)args = atomic_read(&holder->invalidated);
		return 0;
	case P2PBUF_TEST_DROP:
		return test_drop(holder);
	default:
		return -ENOTTY;
	}
}

static long test_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	u64 args[32] = {};
	size_t size = _IOC_SIZE(cmd);
	int ret;

	if (size > sizeof(args))
		return -ENOTTY;
	if (copy_from_user(args, (void __user *)arg, size))
		return -EFAULT;
	ret = dispatch(file->private_data, cmd, args);
	if (ret)
		return ret;
	return copy_to_user((void __user *)arg, args, size) ? -EFAULT : 0;
}

static int test_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc_obj(struct holder);
	return file->private_data ? 0 : -ENOMEM;
}

static int test_close(struct inode *inode, struct file *file)
{
	test_drop(file->private_data);
	kfree(file->private_data);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_close,
	.unlocked_ioctl = test_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice test_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "p2pbuf-test",
	.nodename = "p2pbuf/test",
	.mode = 0600,
	.fops = &test_fops,
};

static int __init p2pbuf_test_init(void)
{
	int ret;

	ret = misc_register(&test_misc);
	if (ret)
		return ret;
	ret = pci_register_driver(&test_driver);
	if (ret)
		misc_deregister(&test_misc);
	return ret;
}
module_init(p2pbuf_test_init);

static void __exit p2pbuf_test_exit(void)
{
	pci_unregister_driver(&test_driver);
	misc_deregister(&test_misc);
}
module_exit(p2pbuf_test_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Test-only oracles and faults for p2pbuf");
MODULE_IMPORT_NS("DMA_BUF");
