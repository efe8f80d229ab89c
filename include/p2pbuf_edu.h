/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What p2pbuf_edu.ko gives to the drivers of QEMU's edu function: its DMA engine, and what
 * can happen to it.
 *
 * A driver's drvdata is its struct edu.
 */
#ifndef _P2PBUF_EDU_H
#define _P2PBUF_EDU_H

#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/types.h>

/* QEMU: docs/specs/pci-ids */
#define EDU_VENDOR_ID	0x1234
#define EDU_DEVICE_ID	0x11e8

/* Bytes that the engine moves at once: its buffer, and never across a page. */
#define EDU_CHUNK	4096U

/**
 * enum edu_event - what happens to the function
 * @EDU_RESET: it is being reset
 * @EDU_ERROR: the PCI core is recovering it from an error
 * @EDU_SUSPEND: the system is suspended
 */
enum edu_event {
	EDU_RESET	= BIT(0),
	EDU_ERROR	= BIT(1),
	EDU_SUSPEND	= BIT(2),
};

/**
 * struct edu - the DMA engine of QEMU's edu function
 * @pdev: the function
 * @regs: BAR 0
 * @state: configuration space as of probe
 * @irq: of its MSI; kept, as asking takes a mutex that others allocate under
 * @timeouts: counts the times that the engine did not complete, of the owner, or NULL
 * @lock: one chunk at a time; protects all below
 * @done: completed by the interrupt handler
 * @bounce: a chunk of system memory
 * @bounce_addr: its DMA address
 * @dead: the engine did not stop when told to; nothing is started any more
 * @lost: it did not answer when a transfer did not end or after something happened to the
 *	function, or a recovery failed; nothing is started until it answers after a reset
 * @paused: enum edu_event, what happens to the function; nothing is started until all are over
 */
struct edu {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct pci_saved_state *state;
	int irq;
	atomic64_t *timeouts;
	struct mutex lock; /* see above */
	struct completion done;
	void *bounce;
	dma_addr_t bounce_addr;
	bool dead;
	bool lost;
	u32 paused;
};

/**
 * edu_chunk - size of the next chunk
 * @addr: DMA address of the peer's memory
 * @len: bytes wanted, contiguous from there on
 *
 * Within one page of DMA address space, so that an IOMMU refuses the chunk as a whole or
 * not at all.
 *
 * Return: bytes, not more than EDU_CHUNK.
 */
static inline size_t edu_chunk(dma_addr_t addr, u64 len)
{
	return min(len, EDU_CHUNK - (u64)(addr & (EDU_CHUNK - 1)));
}

int edu_init(struct edu *edu, struct pci_dev *pdev, unsigned int dma_bits);
int edu_keep_state(struct edu *edu);
bool edu_recover(struct edu *edu);
void edu_pause(struct edu *edu, enum edu_event event);
void edu_resume(struct edu *edu, enum edu_event event);
void edu_fail(struct edu *edu);
int edu_read_chunk(struct edu *edu, dma_addr_t peer, void *data, size_t len,
		   bool *proven);
int edu_write_chunk(struct edu *edu, dma_addr_t peer, const void *data, size_t len,
		    bool readback, bool *proven);

extern const struct pci_error_handlers edu_err_handler;
extern const struct dev_pm_ops edu_pm_ops;

#endif /* _P2PBUF_EDU_H */
