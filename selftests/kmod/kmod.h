/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _P2PBUF_KMOD_H
#define _P2PBUF_KMOD_H

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/pci.h>

#include <p2pbuf.h>

#include "p2pbuf_test_ioctl.h"

/* A DMABUF and the function to map it for; both NULL if one of them is not there. */
struct target {
	struct dma_buf *dmabuf;
	struct pci_dev *client;
};

/**
 * struct engine - edu's DMA engine, borrowed until close
 * @client: its function; NULL before the first use
 * @regs: BAR 0
 * @mem: a page of system memory that the engine reaches
 * @mem_addr: its DMA address
 */
struct engine {
	struct pci_dev *client;
	void __iomem *regs;
	void *mem;
	dma_addr_t mem_addr;
};

/**
 * struct holder - what an open file holds
 * @target: of the mapping; references are held while @attach lives
 * @attach: NULL if nothing is held
 * @sgt: the mapping
 * @invalidated: calls of invalidate_mappings
 * @other: what is mapped by another strategy than ours, or NULL
 * @engine: past its driver
 * @fence: that has not signalled, or NULL
 * @follower: of a DMABUF until close, or NULL
 * @claimed: function of the BAR that is claimed until close, or NULL
 * @claimed_bar: that BAR
 * @locked: DMABUF whose reservation lock @locker holds; a reference is held
 * @locker: the thread that holds it, or NULL
 * @is_locked: it does
 * @unlock: it is to let go
 * @late_irq: an interrupt that waits, or 0
 * @to_mmap: DMABUF that mmap() of this file maps, or NULL
 * @translated: function whose DMA addresses are translated until close, or NULL
 * @bus_map: of @translated
 *
 * The test makes one call at a time.
 */
struct holder {
	struct target target;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	atomic_t invalidated;
	struct other_mapping *other;
	struct engine engine;
	struct dma_fence *fence;
	struct follower *follower;
	struct pci_dev *claimed;
	unsigned int claimed_bar;
	struct dma_buf *locked;
	struct task_struct *locker;
	struct completion is_locked;
	struct completion unlock;
	int late_irq;
	struct dma_buf *to_mmap;
	struct pci_dev *translated;
	struct bus_dma_region bus_map[2];
};

/* target.c */
struct pci_dev *find_function(char *name);
struct target get_target(int fd, char *name);
void put_target(struct target *target);
int widen_mask(struct pci_dev *client);
struct dma_buf_attachment *attach_any(struct dma_buf *dmabuf, struct device *dev);
int with_ranges(const struct target *target,
		int (*fn)(struct dma_buf_attachment *attach,
			  const struct p2pbuf_ranges *ranges, void *args),
		void *args);
phys_addr_t translate(struct device *dev, dma_addr_t addr);

DEFINE_FREE(put_pdev, struct pci_dev *, pci_dev_put(_T))
DEFINE_CLASS(target, struct target, put_target(&_T), get_target(fd, name), int fd, char *name)

/* attach.c: an importer without faults */
extern const struct dma_buf_attach_ops full_ops;

/* rogue.c: so that DMABUFs of a faulty exporter are described like ours */
extern struct p2pbuf_phys_ops rogue_phys_ops;

/* pins.c: of all DMABUFs that count them */
extern atomic_t nr_pins;

/* fence.c: signalled at the latest when it is ended */
struct dma_fence *make_fence(s32 *fd);
void end_fence(struct dma_fence *fence);

/* page.c: the driver to bind a function to that has P2PDMA pages */
extern struct pci_driver test_driver;

/* One per ioctl: an error only if the test could not be carried out. */
int test_attach(struct p2pbuf_test_attach *args);
int test_sgt(struct p2pbuf_test_sgt *args);
int test_helper(struct p2pbuf_test_helper *args);
int test_page(struct p2pbuf_test_page *args);
int test_fail(struct p2pbuf_test_fail *args);
int test_limit(struct p2pbuf_test_limit *args);
int test_translate(struct holder *holder, struct p2pbuf_test_translate *args);
void test_untranslate(struct holder *holder);
int test_punch(struct p2pbuf_test_punch *args);
int test_ranges(struct p2pbuf_test_ranges *args);
int test_walk(struct p2pbuf_test_walk *args);
int test_hold(struct holder *holder, struct p2pbuf_test_hold *args);
int test_drop(struct holder *holder);
int test_claim(struct holder *holder, struct p2pbuf_test_claim *args);
void test_unclaim(struct holder *holder);
int test_irq_waits(struct holder *holder, struct p2pbuf_test_irq *args);
int test_irq_comes(struct holder *holder);
int test_lock(struct holder *holder, const s32 *fd);
int test_unlock(struct holder *holder);
int test_mmap_choose(struct holder *holder, const s32 *fd);
int test_mmap(struct file *file, struct vm_area_struct *vma);
int test_silence(struct holder *holder, struct p2pbuf_test_silence *args);
void test_speak(struct holder *holder);
int test_fence(struct holder *holder, s32 *fd);
int test_signal(struct holder *holder);
int test_follow(struct holder *holder, struct p2pbuf_test_follow *args);
int test_followed(struct holder *holder);
void test_unfollow(struct holder *holder);
int test_move(const struct p2pbuf_test_move *args);
int test_export(struct p2pbuf_test_export *args);
int test_rogue(const struct p2pbuf_test_rogue *args);
int test_translated(struct p2pbuf_test_translated *args);
int test_strategy_map(struct holder *holder, struct p2pbuf_test_strategy_map *args);
int test_strategy_unmap(struct holder *holder);
int test_engine(struct engine *engine, struct p2pbuf_test_engine *args);
int test_engine_wait(struct engine *engine, u32 *was_running);
void engine_release(struct engine *engine);

#endif /* _P2PBUF_KMOD_H */
