// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function that does not answer, as for a while after a reset, in D3cold or behind a dead
 * link: its configuration space reads all ones and takes no writes. Its BARs go on answering.
 *
 * QEMU's functions always answer, so pci_ops are replaced, of the function's bus and of the bus
 * above, where the port is that resets it.
 */
#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>

#include "kmod.h"

/**
 * struct hook - replaced pci_ops
 * @ops: what @bus has now
 * @bus: NULL if there is none
 * @real: what @bus had
 */
struct hook {
	struct pci_ops ops;
	struct pci_bus *bus;
	struct pci_ops *real;
};

/*
 * One in the system, of whoever began it. What the hooks read is written before they are
 * set, but for the last three, which change under them: @nr_reads counts while @on.
 */
static struct {
	struct mutex lock; /* of who sets and ends it */
	struct holder *holder;
	struct pci_dev *pdev;
	struct hook own;
	struct hook above;
	struct p2pbuf_test_silence args;
	int holds;
	int on;
	atomic_t nr_reads;
	atomic_t inside;
} silence = {
	.lock = __MUTEX_INITIALIZER(silence.lock),
};

static const struct hook *hook_of(struct pci_bus *bus)
{
	return bus == silence.own.bus ? &silence.own : &silence.above;
}

static bool is_chosen(struct pci_bus *bus, unsigned int devfn)
{
	return READ_ONCE(silence.on) && bus == silence.pdev->bus &&
	       devfn == silence.pdev->devfn &&
	       (silence.args.when != P2PBUF_TEST_SILENT_UNLESS_HELD ||
		atomic_read(&silence.pdev->dev.power.usage_count) <= silence.holds);
}

static u32 nr_silent(u32 reads)
{
	u32 nr = reads - min(reads, silence.args.after);

	return silence.args.nr_reads ? min(nr, silence.args.nr_reads) : nr;
}

/* Whether the next one after so many is all ones. */
static bool is_silent(u32 reads)
{
	return nr_silent(reads + 1) > nr_silent(reads);
}

/* Function level reset, or a reset of the bus that the function is on. */
static bool is_reset(struct pci_bus *bus, unsigned int devfn, int where, u32 value)
{
	struct pci_dev *pdev = silence.pdev, *port = pdev->bus->self;

	if (port && bus == port->bus && devfn == port->devfn)
		return where == PCI_BRIDGE_CONTROL && (value & PCI_BRIDGE_CTL_BUS_RESET);
	return bus == pdev->bus && devfn == pdev->devfn && pdev->pcie_cap &&
	       where == pdev->pcie_cap + PCI_EXP_DEVCTL && (value & PCI_EXP_DEVCTL_BCR_FLR);
}

static int hooked_read(struct pci_bus *bus, unsigned int devfn, int where, int size,
		       u32 *value)
{
	int ret = PCIBIOS_SUCCESSFUL;

	atomic_inc(&silence.inside);
	if (is_chosen(bus, devfn) && is_silent(atomic_fetch_inc(&silence.nr_reads)))
		*value = ~0;
	else
		ret = hook_of(bus)->real->read(bus, devfn, where, size, value);
	atomic_dec(&silence.inside);
	return ret;
}

static int hooked_write(struct pci_bus *bus, unsigned int devfn, int where, int size,
			u32 value)
{
	int ret = PCIBIOS_SUCCESSFUL;

	atomic_inc(&silence.inside);
	if (!is_chosen(bus, devfn) || !is_silent(atomic_read(&silence.nr_reads)))
		ret = hook_of(bus)->real->write(bus, devfn, where, size, value);
	if (is_reset(bus, devfn, where, value))
		WRITE_ONCE(silence.on, 1);
	atomic_dec(&silence.inside);
	return ret;
}

static void set_hook(struct hook *hook, struct pci_bus *bus)
{
	hook->bus = bus;
	hook->real = bus->ops;
	hook->ops = *bus->ops;
	hook->ops.read = hooked_read;
	hook->ops.write = hooked_write;
	pci_bus_set_ops(bus, &hook->ops);
}

static void end_hook(struct hook *hook)
{
	if (hook->bus)
		pci_bus_set_ops(hook->bus, hook->real);
}

/* Whoever has read the pointer to our ops and is not inside yet is not preempted. */
static void end_silence(void)
{
	end_hook(&silence.own);
	end_hook(&silence.above);
	do {
		synchronize_rcu();
	} while (atomic_read(&silence.inside));
	WRITE_ONCE(silence.on, 0);
	silence.own.bus = NULL;
	silence.above.bus = NULL;
	silence.holder = NULL;
	pci_dev_put(silence.pdev);
}

static void begin_silence(struct holder *holder, struct pci_dev *pdev,
			  const struct p2pbuf_test_silence *args)
{
	silence.holder = holder;
	silence.pdev = pdev;
	silence.args = *args;
	atomic_set(&silence.nr_reads, 0);
	silence.holds = atomic_read(&pdev->dev.power.usage_count);
	silence.on = args->when != P2PBUF_TEST_SILENT_FROM_RESET;
	if (pdev->bus->self)
		set_hook(&silence.above, pdev->bus->self->bus);
	set_hook(&silence.own, pdev->bus);
}

int test_silence(struct holder *holder, struct p2pbuf_test_silence *args)
{
	struct pci_dev *pdev __free(put_pdev) = find_function(args->client);

	if (!pdev)
		return -ENOENT;
	if (args->when > P2PBUF_TEST_SILENT_UNLESS_HELD)
		return -EINVAL;

	guard(mutex)(&silence.lock);
	if (silence.holder && silence.holder != holder)
		return -EBUSY;
	if (args->when != P2PBUF_TEST_SPEAKS) {
		if (silence.holder)
			return -EBUSY;
		begin_silence(holder, no_free_ptr(pdev), args);
		return 0;
	}
	if (silence.holder)
		end_silence();
	args->nr_reads = nr_silent(atomic_read(&silence.nr_reads));
	return 0;
}

void test_speak(struct holder *holder)
{
	guard(mutex)(&silence.lock);
	if (silence.holder == holder)
		end_silence();
}
