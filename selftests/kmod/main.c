// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test-only: asks the kernel what it would decide, attaches as importers that must be
 * refused, makes mappings fail half way, and exports with faults. Never load it where data matters.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kmod.h"

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
	case P2PBUF_TEST_TRANSLATE:
		return test_translate(holder, args);
	case P2PBUF_TEST_PUNCH:
		return test_punch(args);
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
	case P2PBUF_TEST_ROGUE:
		return test_rogue(args);
	case P2PBUF_TEST_TRANSLATED:
		return test_translated(args);
	case P2PBUF_TEST_STRATEGY_MAP:
		return test_strategy_map(holder, args);
	case P2PBUF_TEST_STRATEGY_UNMAP:
		return test_strategy_unmap(holder);
	case P2PBUF_TEST_ENGINE:
		return test_engine(&holder->engine, args);
	case P2PBUF_TEST_ENGINE_WAIT:
		return test_engine_wait(&holder->engine, args);
	case P2PBUF_TEST_FENCE:
		return test_fence(holder, args);
	case P2PBUF_TEST_SIGNAL:
		return test_signal(holder);
	case P2PBUF_TEST_FOLLOW:
		return test_follow(holder, args);
	case P2PBUF_TEST_FOLLOWED:
		return test_followed(holder);
	case P2PBUF_TEST_MOVE:
		return test_move(args);
	case P2PBUF_TEST_EXPORT:
		return test_export(args);
	case P2PBUF_TEST_PINS:
		*(u32 *)args = atomic_read(&nr_pins);
		return 0;
	case P2PBUF_TEST_CLAIM:
		return test_claim(holder, args);
	case P2PBUF_TEST_IRQ_WAITS:
		return test_irq_waits(holder, args);
	case P2PBUF_TEST_IRQ_COMES:
		return test_irq_comes(holder);
	case P2PBUF_TEST_LOCK:
		return test_lock(holder, args);
	case P2PBUF_TEST_UNLOCK:
		return test_unlock(holder);
	case P2PBUF_TEST_MMAP:
		return test_mmap_choose(holder, args);
	case P2PBUF_TEST_SILENCE:
		return test_silence(holder, args);
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
	if (ret < 0 || !(_IOC_DIR(cmd) & _IOC_READ))
		return ret;
	return copy_to_user((void __user *)arg, args, size) ? -EFAULT : ret;
}

static int test_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc_obj(struct holder);
	return file->private_data ? 0 : -ENOMEM;
}

static int test_close(struct inode *inode, struct file *file)
{
	struct holder *holder = file->private_data;

	test_drop(holder);
	test_signal(holder);
	test_unfollow(holder);
	test_strategy_unmap(holder);
	engine_release(&holder->engine);
	test_unclaim(holder);
	test_unlock(holder);
	test_irq_comes(holder);
	if (holder->to_mmap)
		dma_buf_put(holder->to_mmap);
	test_speak(holder);
	test_untranslate(holder);
	kfree(holder);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_close,
	.unlocked_ioctl = test_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = test_mmap,
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
	if (ret) {
		misc_deregister(&test_misc);
		return ret;
	}
	p2pbuf_register_phys(&rogue_phys_ops);
	return 0;
}
module_init(p2pbuf_test_init);

static void __exit p2pbuf_test_exit(void)
{
	p2pbuf_unregister_phys(&rogue_phys_ops);
	pci_unregister_driver(&test_driver);
	misc_deregister(&test_misc);
}
module_exit(p2pbuf_test_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Test-only oracles and faults for p2pbuf");
MODULE_IMPORT_NS("DMA_BUF");
