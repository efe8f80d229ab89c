// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMA engine of QEMU's edu function (docs/specs/edu in QEMU 11.1).
 *
 * It moves up to 4 KiB between the bus and a buffer of its own, which the CPU cannot
 * read. So a chunk takes two transfers: peer to buffer and buffer to system memory,
 * or the reverse. Each ends with an interrupt.
 *
 * The engine does not report an access that was refused: a refused read delivers
 * zeros, a refused write is lost. What is read therefore has to replace a pattern.
 */
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <p2pbuf_edu.h>
#include <p2pbuf_trace.h>

#define EDU_ID			0x00
#define  EDU_ID_MAGIC		0xed
#define EDU_IRQ_STATUS		0x24
#define EDU_IRQ_ACK		0x64
#define  EDU_IRQ_DMA		BIT(8)
#define EDU_DMA_SRC		0x80
#define EDU_DMA_DST		0x88
#define EDU_DMA_COUNT		0x90
#define EDU_DMA_CMD		0x98
#define  EDU_CMD_RUN		BIT(0)
#define  EDU_CMD_TO_BUS		BIT(1)
#define  EDU_CMD_IRQ		BIT(2)
#define EDU_BUFFER		0x40000

/* A transfer takes 100 ms; longer than this it does not come. */
#define EDU_TIMEOUT_MS		5000
#define EDU_TRANSFER_MS		100

static irqreturn_t edu_interrupt(int irq, void *data)
{
	struct edu *edu = data;
	u32 status = readl(edu->regs + EDU_IRQ_STATUS);

	/* All ones of a function that does not answer is no transfer that is over. */
	if (!status || PCI_POSSIBLE_ERROR(status))
		return IRQ_NONE;
	writel(status, edu->regs + EDU_IRQ_ACK);
	if (status & EDU_IRQ_DMA)
		complete(&edu->done);
	return IRQ_HANDLED;
}

/* All ones of a function that does not answer is no transfer that runs. */
static bool edu_running(struct edu *edu)
{
	u32 cmd = readl(edu->regs + EDU_DMA_CMD);

	return !PCI_POSSIBLE_ERROR(cmd) && cmd & EDU_CMD_RUN;
}

static bool edu_answers(struct edu *edu)
{
	return pci_device_is_present(edu->pdev) &&
	       (readl(edu->regs + EDU_ID) & 0xff) == EDU_ID_MAGIC;
}

static void edu_lose(struct edu *edu)
{
	edu->lost = true;
	pci_err(edu->pdev, "DMA engine is lost, reset it\n");
}

/*
 * There is no abort. Without bus mastering the transfer that is due reaches
 * nothing, and the engine is idle after it. Its interrupt must not end the next one.
 */
static void edu_stop(struct edu *edu)
{
	if (!edu_answers(edu)) {
		edu_lose(edu);
		return;
	}
	pci_clear_master(edu->pdev);
	msleep(2 * EDU_TRANSFER_MS);
	if (edu_running(edu)) {
		edu->dead = true;
		pci_err(edu->pdev, "DMA engine does not stop, bus mastering stays off\n");
		return;
	}
	writel(EDU_IRQ_DMA, edu->regs + EDU_IRQ_ACK);
	synchronize_irq(edu->irq);
	pci_set_master(edu->pdev);
}

/* Whether the transfer is over: an interrupt says so only if the engine is idle. */
static bool edu_wait(struct edu *edu)
{
	unsigned long left = msecs_to_jiffies(EDU_TIMEOUT_MS);

	do {
		left = wait_for_completion_timeout(&edu->done, left);
	} while (left && edu_running(edu));
	return left;
}

/* Exactly one of @src and @dst is in the engine's buffer. */
static int edu_transfer(struct edu *edu, u64 src, u64 dst, size_t len, u32 dir)
{
	lockdep_assert_held(&edu->lock);

	if (edu->dead || edu->lost)
		return -EIO;
	if (edu->paused)
		return -EAGAIN;

	trace_p2pbuf_dma_submit(&edu->pdev->dev, src, dst, len);
	reinit_completion(&edu->done);
	writeq(src, edu->regs + EDU_DMA_SRC);
	writeq(dst, edu->regs + EDU_DMA_DST);
	writeq(len, edu->regs + EDU_DMA_COUNT);
	writel(EDU_CMD_RUN | EDU_CMD_IRQ | dir, edu->regs + EDU_DMA_CMD);

	if (edu_wait(edu)) {
		trace_p2pbuf_dma_done(&edu->pdev->dev, 0);
		return 0;
	}
	trace_p2pbuf_dma_done(&edu->pdev->dev, -ETIMEDOUT);
	if (edu->timeouts)
		atomic64_inc(edu->timeouts);
	edu_stop(edu);
	return -ETIMEDOUT;
}

static int edu_load(struct edu *edu, dma_addr_t addr, size_t len)
{
	return edu_transfer(edu, addr, EDU_BUFFER, len, 0);
}

static int edu_store(struct edu *edu, dma_addr_t addr, size_t len)
{
	return edu_transfer(edu, EDU_BUFFER, addr, len, EDU_CMD_TO_BUS);
}

/* Fill the engine's buffer and then the bounce memory, and read the peer over both. */
static int edu_read_over(struct edu *edu, dma_addr_t peer, size_t len, u8 in_engine,
			 u8 in_memory)
{
	int ret;

	memset(edu->bounce, in_engine, len);
	ret = edu_load(edu, edu->bounce_addr, len);
	if (ret)
		return ret;
	ret = edu_load(edu, peer, len);
	if (ret)
		return ret;
	memset(edu->bounce, in_memory, len);
	return edu_store(edu, edu->bounce_addr, len);
}

static bool all_bytes(const void *data, u8 byte, size_t len)
{
	return !memchr_inv(data, byte, len);
}

/*
 * A chunk that looks like one of the patterns proves nothing: a second pass over
 * others decides, since data cannot look like both.
 */
static int edu_read_locked(struct edu *edu, dma_addr_t peer, size_t len, bool *proven)
{
	static const struct {
		u8 in_engine;
		u8 in_memory;
	} passes[] = { { 0xa5, 0x5a }, { 0x3c, 0xc3 } };
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(passes); i++) {
		ret = edu_read_over(edu, peer, len, passes[i].in_engine,
				    passes[i].in_memory);
		if (ret)
			return ret;
		if (!all_bytes(edu->bounce, passes[i].in_engine, len) &&
		    !all_bytes(edu->bounce, passes[i].in_memory, len)) {
			*proven = !all_bytes(edu->bounce, 0, len);
			return 0;
		}
	}
	return -EIO;
}

/**
 * edu_read_chunk - read peer memory by DMA
 * @edu: the engine
 * @peer: DMA address of the peer's memory
 * @data: where to put it
 * @len: bytes; the chunk does not cross a multiple of EDU_CHUNK at the peer, so that
 *	it is refused as a whole or not at all
 * @proven: set to whether the data cannot be the engine's answer to a refusal
 *
 * Context: may sleep, 300 ms or more.
 * Return: 0, -EIO (the data did not arrive, or the engine is dead or lost), -EAGAIN (paused),
 * -ETIMEDOUT (the engine did not complete and was stopped).
 */
int edu_read_chunk(struct edu *edu, dma_addr_t peer, void *data, size_t len,
		   bool *proven)
{
	int ret;

	guard(mutex)(&edu->lock);
	ret = edu_read_locked(edu, peer, len, proven);
	if (!ret)
		memcpy(data, edu->bounce, len);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(edu_read_chunk, "P2PBUF_EDU");

/**
 * edu_write_chunk - write peer memory by DMA
 * @edu: the engine
 * @peer: DMA address of the peer's memory
 * @data: what to write
 * @len: bytes; as of edu_read_chunk()
 * @readback: read it again and compare
 * @proven: set to whether it is certain that the data arrived
 *
 * Context: may sleep, 200 ms or more, 500 ms or more with @readback.
 * Return: as of edu_read_chunk().
 */
int edu_write_chunk(struct edu *edu, dma_addr_t peer, const void *data, size_t len,
		    bool readback, bool *proven)
{
	int ret;

	guard(mutex)(&edu->lock);
	memcpy(edu->bounce, data, len);
	ret = edu_load(edu, edu->bounce_addr, len);
	if (ret)
		return ret;
	ret = edu_store(edu, peer, len);
	if (ret)
		return ret;

	*proven = false;
	if (!readback)
		return 0;
	ret = edu_read_locked(edu, peer, len, proven);
	if (ret)
		return ret;
	return memcmp(edu->bounce, data, len) ? -EIO : 0;
}
EXPORT_SYMBOL_NS_GPL(edu_write_chunk, "P2PBUF_EDU");

/**
 * edu_pause - wait for the transfer under way and start no more
 * @edu: the engine
 * @event: why
 *
 * The engine goes on through a reset of its function, and what is due then lands
 * afterwards. So nothing may be under way when one begins.
 *
 * Context: may sleep.
 */
void edu_pause(struct edu *edu, enum edu_event event)
{
	guard(mutex)(&edu->lock);
	edu->paused |= event;
}
EXPORT_SYMBOL_NS_GPL(edu_pause, "P2PBUF_EDU");

static void free_state(void *state)
{
	kfree(state);
}

/**
 * edu_keep_state - keep the state of configuration space that is restored
 * @edu: the engine, and its function as its driver wants it, with bus mastering
 *
 * What the PCI core restores after a reset is what it found before it, be it a function
 * that did not come back from the one before. Undone by devres.
 *
 * Return: 0 or -ENOMEM.
 */
int edu_keep_state(struct edu *edu)
{
	pci_save_state(edu->pdev);
	edu->state = pci_store_saved_state(edu->pdev);
	if (!edu->state)
		return -ENOMEM;
	return devm_add_action_or_reset(&edu->pdev->dev, free_state, edu->state);
}
EXPORT_SYMBOL_NS_GPL(edu_keep_state, "P2PBUF_EDU");

static void restore_state(struct edu *edu)
{
	pci_load_saved_state(edu->pdev, edu->state);
	pci_restore_state(edu->pdev);
}

/**
 * edu_recover - the link above the function was reset in a recovery from an error
 * @edu: the engine, paused
 *
 * The PCI core leaves it to the driver to restore the state. It is as good a reset as any other.
 *
 * Context: may sleep.
 * Return: whether the engine answers.
 */
bool edu_recover(struct edu *edu)
{
	guard(mutex)(&edu->lock);
	restore_state(edu);
	if (!edu_answers(edu))
		return false;
	edu->lost = false;
	return true;
}

/**
 * edu_resume - undo edu_pause()
 * @edu: the engine
 * @event: what is over
 *
 * If the engine does not answer, if need be with its state put back, nothing is started; a reset
 * that works ends that.
 *
 * Context: may sleep.
 */
void edu_resume(struct edu *edu, enum edu_event event)
{
	guard(mutex)(&edu->lock);
	edu->paused &= ~event;
	if (!edu_answers(edu))
		restore_state(edu);
	if (!edu_answers(edu))
		edu_lose(edu);
	else if (event == EDU_RESET)
		edu->lost = false;
}
EXPORT_SYMBOL_NS_GPL(edu_resume, "P2PBUF_EDU");

/**
 * edu_fail - a recovery from an error failed
 * @edu: the engine
 *
 * Context: may sleep.
 */
void edu_fail(struct edu *edu)
{
	guard(mutex)(&edu->lock);
	edu->paused &= ~EDU_ERROR;
	edu_lose(edu);
}
EXPORT_SYMBOL_NS_GPL(edu_fail, "P2PBUF_EDU");

/**
 * edu_init - make the engine ready
 * @edu: zeroed, but for @edu->timeouts
 * @pdev: the function; @edu becomes its drvdata
 * @dma_bits: address bits that the engine drives, 1 to 64
 *
 * Undone by devres, after the last transfer. Bus mastering is left to the driver.
 *
 * Return: 0 or an error.
 */
int edu_init(struct edu *edu, struct pci_dev *pdev, unsigned int dma_bits)
{
	const char *name = dev_driver_string(&pdev->dev);
	int ret;

	edu->pdev = pdev;
	mutex_init(&edu->lock);
	init_completion(&edu->done);
	pci_set_drvdata(pdev, edu);

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(dma_bits));
	if (ret)
		return dev_err_probe(&pdev->dev, ret, "cannot do %u-bit DMA\n",
				     dma_bits);
	/* The engine is given pages, so an entry of a scatterlist may have any length. */
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);

	edu->regs = pcim_iomap_region(pdev, 0, name);
	if (IS_ERR(edu->regs))
		return PTR_ERR(edu->regs);
	if (!edu_answers(edu))
		return dev_err_probe(&pdev->dev, -ENODEV, "no edu answers\n");

	edu->bounce = dmam_alloc_coherent(&pdev->dev, EDU_CHUNK, &edu->bounce_addr,
					  GFP_KERNEL);
	if (!edu->bounce)
		return -ENOMEM;

	/* With pcim_enable_device() devres frees the vector too. */
	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
	if (ret < 0)
		return dev_err_probe(&pdev->dev, ret, "no MSI\n");
	edu->irq = pci_irq_vector(pdev, 0);
	return devm_request_irq(&pdev->dev, edu->irq, edu_interrupt, 0, name, edu);
}
EXPORT_SYMBOL_NS_GPL(edu_init, "P2PBUF_EDU");

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("The DMA engine of QEMU's edu function, for the drivers that use it");
MODULE_VERSION(P2PBUF_VERSION);
